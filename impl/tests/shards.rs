//! What groups of the sharded store write into their logs and tell each other: read as it was written.

use protocol::kv::{
    Bytes, Change as Altered, ClientId, Command as Call, Fault, Once, Op, Part, Reply, SlotId, Sum,
    Work,
};
use protocol::shardkv::mover::Message;
use protocol::shardkv::{
    Answer, Change, Command, Configuration, GroupId, Head, Refusal, Step, Whereabouts,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

#[track_caller]
fn goes_and_comes<T: Serialize + DeserializeOwned + PartialEq + Debug>(what: &T) {
    let bytes = postcard::to_allocvec(what).expect("it can be written");
    let (read, rest) = postcard::take_from_bytes::<T>(&bytes).expect("it can be read");
    assert_eq!((&read, rest.len()), (what, 0));
    for length in 0..bytes.len() {
        assert!(postcard::from_bytes::<T>(&bytes[..length]).is_err(), "{length} bytes of {what:?}");
    }
}

const SLOT: SlotId = SlotId(16_383);

fn part() -> Part {
    let (key, client) = (Bytes::from("key"), ClientId(1 << 100));
    let value = Bytes::from("value");
    let deep = Reply::Many(vec![Reply::Bulk(value.clone()), Reply::Fault(Fault::Overflow)]);
    let changes = vec![
        Altered::Item { key: key.clone(), value, version: 7, deadline: Some(1 << 40) },
        Altered::KeyGone { key },
        Altered::Client { client, used: 5, acknowledged: 3 },
        Altered::Call { client, seq: 4, print: u64::MAX, reply: deep },
        Altered::ClientGone { client },
    ];
    Part { stream: 3, index: 9, changes }
}

fn head() -> Head {
    let sum = Sum { keys: 1, clients: 2, print: 3, floor: 4, client_floor: ClientId(5), clock: 6 };
    Head { number: 2, stream: 3, parts: 10, sum }
}

#[test]
fn entries() {
    let once = Some(Once { client: ClientId(9), seq: 1, acknowledged: 0 });
    let call = Call { key: "key".into(), op: Op::Append { value: "v".into() }, once };
    let change = |from| Change { slot: SLOT, from, to: GroupId(3) };
    let changes = vec![change(None), change(Some(GroupId(u64::MAX)))];
    for command in [
        Command::Work { work: Work::Command(call), value_bytes: 1 << 20 },
        Command::Work { work: Work::Tick, value_bytes: 0 },
        Command::Work { work: Work::Flush, value_bytes: 0 },
        Command::Advance {
            configuration: Configuration { number: 8, changes },
            called_off: [SLOT, SlotId(0)].into(),
        },
        Command::Freeze { slot: SLOT, number: 8 },
        Command::Stage { slot: SLOT, number: 8, part: part() },
        Command::Install { slot: SLOT, head: head() },
        Command::Delete { slot: SLOT, number: 8 },
    ] {
        goes_and_comes(&command);
    }
}

#[test]
fn answers() {
    for whereabouts in [
        Whereabouts::With(GroupId(1)),
        Whereabouts::GoingTo(GroupId(2)),
        Whereabouts::ComingFrom(GroupId(3)),
        Whereabouts::Nowhere,
    ] {
        goes_and_comes(&Answer::Refused(Refusal { slot: SLOT, number: 8, whereabouts }));
    }
    for step in [Step::Done, Step::Over, Step::Early, Step::NotNext] {
        goes_and_comes(&Answer::Step(step));
    }
    goes_and_comes(&Answer::Reply(Reply::Int(-1)));
    goes_and_comes(&Answer::Writes);
}

#[test]
fn messages_of_leaders() {
    let (slot, number) = (SLOT, 8);
    for message in [
        Message::Ask { slot, number },
        Message::Part { slot, number, part: part() },
        Message::Whole { slot, head: head() },
        Message::Awaits { slot, number },
        Message::CalledOff { slot, number },
        Message::Early { slot, number },
        Message::Staged { slot, number, stream: 3, next: 10 },
        Message::Finished { slot, number },
    ] {
        goes_and_comes(&message);
    }
}

/// A slot behind the last is refused, wherever it is read.
#[test]
fn there_is_no_slot_behind_the_last() {
    let of = |number: u16| postcard::to_allocvec(&number).expect("a number");
    assert_eq!(postcard::from_bytes::<SlotId>(&of(SLOT.0)), Ok(SLOT));
    assert!(postcard::from_bytes::<SlotId>(&of(SLOT.0 + 1)).is_err());
    let message = |slot| Message::Early { slot, number: 1 };
    let mut bytes = postcard::to_allocvec(&message(SLOT)).expect("plain data");
    assert_eq!(postcard::from_bytes::<Message>(&bytes), Ok(message(SLOT)));
    let at = bytes.windows(of(SLOT.0).len()).position(|part| part == of(SLOT.0));
    let at = at.expect("the slot is in it");
    bytes.splice(at..at + of(SLOT.0).len(), of(SLOT.0 + 1));
    assert!(postcard::from_bytes::<Message>(&bytes).is_err());
}
