//! Replies as peers send them: each is read as it was written, as deep as any reply is and no deeper.

use protocol::kv::{Fault, Kind, Reply};

/// Reads what was written; the error's text, if that can't be done.
fn read(reply: &Reply) -> Result<Reply, String> {
    let bytes = postcard::to_allocvec(reply).map_err(|error| error.to_string())?;
    let (read, rest) = postcard::take_from_bytes(&bytes).map_err(|error| error.to_string())?;
    assert!(rest.is_empty(), "{reply:?} left {rest:?}");
    Ok(read)
}

/// One of each. A variant without a line here doesn't compile.
fn one_of_each() -> Vec<Reply> {
    let next = |reply: &Reply| match reply {
        Reply::Value { .. } => Some(Reply::NoKey),
        Reply::NoKey => Some(Reply::Written { version: 8 }),
        Reply::Written { .. } => Some(Reply::Appended { old: "old".into(), version: 9 }),
        Reply::Appended { .. } => Some(Reply::VersionMismatch),
        Reply::VersionMismatch => Some(Reply::NotKept),
        Reply::NotKept => Some(Reply::SessionExpired),
        Reply::SessionExpired => Some(Reply::Acknowledged),
        Reply::Acknowledged => Some(Reply::SeqReused),
        Reply::SeqReused => Some(Reply::ClientAhead),
        Reply::ClientAhead => Some(Reply::TooManyUnacknowledged),
        Reply::TooManyUnacknowledged => Some(Reply::Ok),
        Reply::Ok => Some(Reply::Nil),
        Reply::Nil => Some(Reply::Int(i64::MIN)),
        Reply::Int(_) => Some(Reply::Bulk("bulk".into())),
        Reply::Bulk(_) => Some(Reply::Kind(Kind::String)),
        Reply::Kind(_) => Some(Reply::Many(vec![Reply::Nil, Reply::Int(3)])),
        Reply::Many(_) => Some(Reply::Fault(Fault::LcsTooLong)),
        Reply::Fault(_) => Some(Reply::WatchFailed),
        Reply::WatchFailed => None,
    };
    let first = Reply::Value { value: "value".into(), version: 7 };
    std::iter::successors(Some(first), next).collect()
}

#[test]
fn each_is_read_as_it_is_written() {
    let all = one_of_each();
    assert_eq!(all.len(), 19);
    for reply in &all {
        assert_eq!(read(reply).as_ref(), Ok(reply));
        let inside = Reply::Many(vec![Reply::Ok, reply.clone(), Reply::Nil]);
        assert_eq!(read(&inside), Ok(inside));
    }
}

#[test]
fn eight_levels_of_parts_are_read_and_nine_are_not() {
    let deep = |levels| (0..levels).fold(Reply::Ok, |reply, _| Reply::Many(vec![reply]));
    for levels in 0..=8 {
        let reply = deep(levels);
        assert_eq!(read(&reply), Ok(reply), "{levels} levels");
    }
    assert!(read(&deep(9)).is_err());
}
