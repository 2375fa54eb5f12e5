//! What a server may have in memory when clients have come and gone.
//!
//! The labs measure the heap of their whole process after a collection, or in 2026 of the server's process. Here it is
//! the server's own, to the byte ([`Bed::heap_bytes`](crate::labs::bed::Bed::heap_bytes)), and all of it counts: where
//! the labs allow so much growth a client, the heap as a whole must stay below that.

use crate::labs::clerk::{CallEnd, Caller};
use crate::labs::lab::{Lab, Outcome};
use protocol::kv::{Bytes, Op, Reply};

const MIB: u64 = 1 << 20;
/// The labs' large value.
const LARGE: u64 = 10 * MIB;
/// The value of each of many.
const SMALL: u64 = 1_000;
/// How many are many.
const MANY: u64 = 100_000;

/// What a limit is called.
const HEAP: &str = "bytes of heap";

fn value(lab: &mut Lab, bytes: u64) -> Bytes {
    let letter = |_| b'a' + lab.random.below(26) as u8;
    Bytes::from((0..bytes).map(letter).collect::<Vec<u8>>())
}

/// What the server has in memory.
fn heap(lab: &Lab) -> Outcome<u64> {
    let heap = lab.bed().heap_bytes();
    heap.ok_or_else(|| lab.failure("nobody counts memory: this program's allocator does not"))
}

/// The server has less in memory than this.
fn below(lab: &mut Lab, most: u64) -> Outcome {
    let heap = heap(lab)?;
    lab.at_most(HEAP, heap, most - 1)
}

fn written(lab: &mut Lab, by: &mut Caller, op: Op) -> Outcome {
    let end = by.call(lab, "k", op)?;
    let fine = matches!(end, CallEnd::Reply(Reply::Written { .. } | Reply::Appended { .. }));
    lab.require(fine, || format!("a write ends in {}", short(&end)))
}

fn set(lab: &mut Lab, by: &mut Caller, value: &Bytes) -> Outcome {
    written(lab, by, Op::Set { value: value.clone() })
}

fn append(lab: &mut Lab, by: &mut Caller, value: &Bytes) -> Outcome {
    written(lab, by, Op::Append { value: value.clone() })
}

/// The key has a value of this length.
fn check(lab: &mut Lab, by: &mut Caller, bytes: u64) -> Outcome {
    let end = by.call(lab, "k", Op::Get)?;
    let fits = matches!(&end, CallEnd::Reply(Reply::Value { value, .. }) if value.as_ref().len() as u64 == bytes);
    lab.require(fits, || format!("a Get of {bytes} bytes ends in {}", short(&end)))
}

fn short(end: &CallEnd) -> String {
    let text = format!("{end:?}");
    text.chars().take(60).collect()
}

/// What was read is not kept: neither for the first reader nor for the second.
pub fn get(lab: &mut Lab) -> Outcome {
    let [mut one, mut two] = [(); 2].map(|()| Caller::quick(lab));
    let large = value(lab, LARGE);
    set(lab, &mut one, &large)?;
    check(lab, &mut one, LARGE)?;
    check(lab, &mut two, LARGE)?;
    set(lab, &mut one, &Bytes::from("0"))?;
    below(lab, LARGE)
}

/// What was overwritten by another client is not kept.
pub fn put(lab: &mut Lab) -> Outcome {
    let [mut one, mut two] = [(); 2].map(|()| Caller::quick(lab));
    let large = value(lab, LARGE);
    set(lab, &mut one, &large)?;
    set(lab, &mut two, &Bytes::default())?;
    below(lab, LARGE)
}

/// Two appends: the value, and the reply to the second, which was not acknowledged yet. The labs count whole MiB.
pub fn append_large(lab: &mut Lab) -> Outcome {
    let [mut one, mut two] = [(); 2].map(|()| Caller::quick(lab));
    for by in [&mut one, &mut two] {
        let large = value(lab, LARGE);
        append(lab, by, &large)?;
    }
    let whole = heap(lab)? / MIB;
    lab.at_most("MiB of heap", whole, 30)?;
    check(lab, &mut two, 2 * LARGE)
}

/// A thousand appends by one client: no reply but the last is kept.
pub fn many_appends(lab: &mut Lab) -> Outcome {
    let mut caller = Caller::quick(lab);
    for _ in 0..1_000 {
        let small = value(lab, SMALL);
        append(lab, &mut caller, &small)?;
    }
    below(lab, 3_000_000)?;
    check(lab, &mut caller, 1_000 * SMALL)
}

fn many(lab: &mut Lab) -> Vec<Caller> {
    (0..MANY).map(|_| Caller::quick(lab)).collect()
}

/// A hundred thousand clients with one write each, for every one of which a copy might still come: 200 bytes a client.
pub fn many_writers(lab: &mut Lab) -> Outcome {
    let (mut callers, small) = (many(lab), value(lab, SMALL));
    for caller in &mut callers {
        set(lab, caller, &small)?;
    }
    below(lab, 200 * MANY + 1)
}

/// A hundred thousand clients with one read each leave nothing: less than 10 bytes a client.
pub fn many_readers(lab: &mut Lab) -> Outcome {
    let mut callers = many(lab);
    let (mut first, small) = (Caller::quick(lab), value(lab, SMALL));
    set(lab, &mut first, &small)?;
    for caller in &mut callers {
        check(lab, caller, SMALL)?;
    }
    below(lab, 10 * MANY)
}

/// A hundred thousand clients with one versioned Put each: the number of 2025, the limit of 2026, which is 10 bytes a
/// client.
pub fn many_versions(lab: &mut Lab) -> Outcome {
    let (mut callers, small) = (many(lab), value(lab, SMALL));
    for caller in &mut callers {
        let end = caller.call(lab, "missing", Op::Get)?;
        lab.require(end == CallEnd::Reply(Reply::NoKey), || format!("it is there: {end:?}"))?;
    }
    for (expected, caller) in (0..).zip(&mut callers) {
        written(lab, caller, Op::Put { value: small.clone(), expected })?;
    }
    below(lab, 10 * MANY + 1)
}
