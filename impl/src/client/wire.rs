//! A clerk's requests in the words of the wire, and the servers' answers in the machine's.
//!
//! The first word of an error decides. TRYAGAIN, CLUSTERDOWN, LOADING and MOVED say that the command was not executed
//! and never will be, with one exception: to a *recorded* command a server says TRYAGAIN also when it does not know,
//! because sending it again is harmless. So of a recorded command they tell nothing but "again".

use super::{Address, id};
use crate::resp::Frame;
use protocol::kv::{
    Bytes, Command, Deadline, Fault, KeyOp, Once, Op, Reply, StringOp, Version, When,
};

/// A command's words.
pub type Words = Vec<Vec<u8>>;

/// What an answer says of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It was applied, or found recorded.
    Reply(Reply),
    /// It was not executed and never will be; perhaps somebody else takes it.
    NotExecuted(Option<Address>),
    /// Nobody knows.
    Unknown,
    /// It was not executed, and will be refused each time.
    Refused(String),
    /// It was executed, or will be, and the answer is none that such a command has.
    Unexpected(String),
}

/// The reply is to have the key's new version in it.
const WITH_VERSION: &str = "WITHVERSION";

fn word(text: impl ToString) -> Vec<u8> {
    text.to_string().into_bytes()
}

fn raw(bytes: &Bytes) -> Vec<u8> {
    bytes.as_ref().to_vec()
}

/// A command's words; None if there is no command for such an operation.
pub fn words(command: &Command) -> Option<Words> {
    let Command { key, op, once } = command;
    let mut words = match once {
        None => Vec::new(),
        Some(Once { client, seq, acknowledged }) => {
            let ack = word("ACK");
            vec![
                word("ONCE"),
                raw(key),
                word(id::text(*client)),
                word(seq),
                ack,
                word(acknowledged),
            ]
        }
    };
    let key = raw(key);
    words.extend(match op {
        Op::Get => vec![word("KV.GET"), key],
        Op::Put { value, expected } => {
            vec![word("KV.PUT"), key, raw(value), word(expected), word(WITH_VERSION)]
        }
        Op::Set { value } => vec![word("KV.SET"), key, raw(value), word(WITH_VERSION)],
        Op::Append { value } => vec![word("KV.APPEND"), key, raw(value), word(WITH_VERSION)],
        Op::String(StringOp::IncrBy { by }) => vec![word("INCRBY"), key, word(by)],
        Op::String(StringOp::Set { value, when, deadline, get: false }) => {
            let mut words = vec![word("SET"), key, raw(value)];
            words.extend(condition(when));
            words.extend(expiry(*deadline));
            words
        }
        Op::Key(KeyOp::Delete { when: When::Always }) => vec![word("DEL"), key],
        _ => return None,
    });
    Some(words)
}

fn condition(when: &When) -> Words {
    match when {
        When::Always => Vec::new(),
        When::Missing => vec![word("NX")],
        When::Present => vec![word("XX")],
        When::Equal(value) => vec![word("IFEQ"), raw(value)],
        When::NotEqual(value) => vec![word("IFNE"), raw(value)],
    }
}

fn expiry(deadline: Deadline) -> Words {
    match deadline {
        Deadline::Never => Vec::new(),
        Deadline::Keep => vec![word("KEEPTTL")],
        Deadline::At(ms) => vec![word("PXAT"), word(ms)],
        Deadline::In(ms) => vec![word("PX"), word(ms)],
    }
}

/// What an answer says of a command.
pub fn read(command: &Command, frame: Frame) -> Said {
    match frame {
        Frame::Error(text) => error(&String::from_utf8_lossy(&text), command.once.is_some()),
        frame => {
            reply(&command.op, &frame).map_or_else(|| Said::Unexpected(shown(&frame)), Said::Reply)
        }
    }
}

/// What an error says of a command.
pub fn error(text: &str, recorded: bool) -> Said {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let again = |to| if recorded { Said::Unknown } else { Said::NotExecuted(to) };
    Said::Reply(match code {
        "MOVED" => return Said::NotExecuted(moved(rest)),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" => return again(None),
        "UNCERTAIN" => return Said::Unknown,
        "NOKEY" => Reply::NoKey,
        "VERSIONMISMATCH" => Reply::VersionMismatch,
        "NOTKEPT" => Reply::NotKept,
        "SESSIONEXPIRED" => Reply::SessionExpired,
        "ACKNOWLEDGED" => Reply::Acknowledged,
        "SEQREUSED" => Reply::SeqReused,
        "CLIENTAHEAD" => Reply::ClientAhead,
        "UNACKNOWLEDGED" => Reply::TooManyUnacknowledged,
        _ => match fault(rest) {
            Some(fault) => Reply::Fault(fault),
            None => return Said::Refused(text.to_owned()),
        },
    })
}

/// The store's own refusals, which have one code and are told apart by their texts.
fn fault(text: &str) -> Option<Fault> {
    let faults = [
        ("value is not an integer", Fault::NotAnInteger),
        ("increment or decrement would overflow", Fault::Overflow),
        ("string exceeds maximum allowed size", Fault::TooLong),
        ("invalid expire time", Fault::InvalidExpire),
    ];
    faults.into_iter().find(|(begins, _)| text.starts_with(begins)).map(|(_, fault)| fault)
}

/// Who takes the command: `slot host:port`.
fn moved(rest: &str) -> Option<Address> {
    rest.split(' ').nth(1)?.parse().ok()
}

fn version(frame: &Frame) -> Option<Version> {
    if let Frame::Integer(number) = frame { Version::try_from(*number).ok() } else { None }
}

/// What an answer that is no error says to an operation.
fn reply(op: &Op, frame: &Frame) -> Option<Reply> {
    Some(match (op, frame) {
        (Op::Get, Frame::Array(parts)) => match parts.as_slice() {
            [Frame::Null, _] => Reply::NoKey,
            [Frame::Bulk(value), at] => {
                Reply::Value { value: Bytes::from(value.as_slice()), version: version(at)? }
            }
            _ => return None,
        },
        (Op::Put { .. } | Op::Set { .. }, frame) => Reply::Written { version: version(frame)? },
        (Op::Append { .. }, Frame::Array(parts)) => match parts.as_slice() {
            [Frame::Bulk(old), at] => {
                Reply::Appended { old: Bytes::from(old.as_slice()), version: version(at)? }
            }
            _ => return None,
        },
        (Op::String(StringOp::IncrBy { .. }) | Op::Key(_), Frame::Integer(number)) => {
            Reply::Int(*number)
        }
        (Op::String(StringOp::Set { .. }), Frame::Simple(_)) => Reply::Ok,
        (Op::String(StringOp::Set { .. }), Frame::Null) => Reply::Nil,
        _ => return None,
    })
}

/// An answer in a few words.
pub fn shown(frame: &Frame) -> String {
    match frame {
        Frame::Simple(text) | Frame::Error(text) | Frame::Bulk(text) => {
            let text = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
            format!("{text:?}")
        }
        Frame::Integer(number) => number.to_string(),
        Frame::Null | Frame::NullArray => "nothing".into(),
        Frame::Array(parts) => format!("{} things", parts.len()),
        other => format!("{other:?}").chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::kv::ClientId;

    fn text(command: &Command) -> String {
        let words = words(command).expect("there is a command for it");
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ")
    }

    fn command(op: Op, seq: Option<u64>) -> Command {
        let client = ClientId(0x019a_b7c5_2d00_7000_8000_0000_0000_0007);
        let once = |seq| Once { client, seq, acknowledged: seq - 1 };
        Command { key: "k".into(), op, once: seq.map(once) }
    }

    #[test]
    fn requests() {
        let put = Op::Put { value: "v".into(), expected: 7 };
        assert_eq!(text(&command(Op::Get, None)), "KV.GET k");
        assert_eq!(text(&command(put.clone(), None)), "KV.PUT k v 7 WITHVERSION");
        assert_eq!(
            text(&command(put, Some(3))),
            "ONCE k 019ab7c5-2d00-7000-8000-000000000007 3 ACK 2 KV.PUT k v 7 WITHVERSION"
        );
        let lease = StringOp::Set {
            value: "t".into(),
            when: When::Equal("s".into()),
            deadline: Deadline::In(500),
            get: false,
        };
        assert_eq!(
            text(&command(Op::String(lease), Some(1))),
            "ONCE k 019ab7c5-2d00-7000-8000-000000000007 1 ACK 0 SET k t IFEQ s PX 500"
        );
        assert_eq!(words(&command(Op::Delete { expected: 1 }, None)), None);
    }

    #[test]
    fn errors() {
        let address = "10.0.0.2:8400".parse().expect("an address");
        let moved = Said::NotExecuted(Some(address));
        assert_eq!(error("MOVED 12 10.0.0.2:8400", false), moved);
        assert_eq!(error("MOVED 12 10.0.0.2:8400", true), moved);
        for text in ["TRYAGAIN x", "CLUSTERDOWN x", "LOADING x"] {
            assert_eq!(error(text, false), Said::NotExecuted(None), "{text}");
            assert_eq!(error(text, true), Said::Unknown, "recorded: {text}");
        }
        assert_eq!(error("UNCERTAIN x", false), Said::Unknown);
        assert_eq!(error("VERSIONMISMATCH x", false), Said::Reply(Reply::VersionMismatch));
        assert_eq!(
            error("ERR increment or decrement would overflow", true),
            Said::Reply(Reply::Fault(Fault::Overflow))
        );
        assert_eq!(error("NOAUTH no", true), Said::Refused("NOAUTH no".into()));
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        let put = command(Op::Put { value: "v".into(), expected: 7 }, None);
        assert_eq!(read(&put, Frame::Integer(8)), Said::Reply(Reply::Written { version: 8 }));
        assert!(matches!(read(&put, Frame::Simple(b"OK".to_vec())), Said::Unexpected(_)));
        assert!(matches!(read(&put, Frame::Integer(-1)), Said::Unexpected(_)));
        let get = command(Op::Get, None);
        let none = Frame::Array(vec![Frame::Null, Frame::Integer(0)]);
        assert_eq!(read(&get, none), Said::Reply(Reply::NoKey));
    }
}
