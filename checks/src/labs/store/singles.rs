//! Scenarios of the store that are told by themselves.

use super::{Style, Told, linearizable, logs_are_short};
use crate::labs::clerk::{ALL, CallEnd, Caller, WAIT};
use crate::labs::lab::{ELECTION, Lab, Next, Outcome, ms};
use protocol::kv::{Bytes, Op, Reply};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The labs' maxraftstate.
pub const MAX_LOG_BYTES: u64 = 1_000;
/// Three operations in the labs' heartbeat of 100 ms, a thousand times.
const SPEED_MS: u64 = 33_333;

/// A client that puts what it likes, in the manner of its year.
struct Writer {
    caller: Caller,
    style: Style,
}

impl Writer {
    fn new(lab: &mut Lab, style: Style) -> Self {
        Self { caller: Caller::new(lab), style }
    }

    fn of(lab: &mut Lab, style: Style, reaches: &Rc<Cell<u64>>) -> Self {
        Self { caller: Caller::of(lab, Rc::clone(reaches)), style }
    }

    fn get(&mut self, lab: &mut Lab, key: &str) -> Outcome<Option<(String, u64)>> {
        Ok(match self.caller.call(lab, key, Op::Get)? {
            CallEnd::Reply(Reply::Value { value, version }) => {
                Some((String::from_utf8_lossy(value.as_ref()).into_owned(), version))
            }
            _ => None,
        })
    }

    /// The key has this value.
    fn check(&mut self, lab: &mut Lab, key: &str, value: &str) -> Outcome {
        let found = self.get(lab, key)?.map(|(value, _)| value);
        lab.require(found.as_deref() == Some(value), || {
            format!("{key} is {found:?}, and {value} was written")
        })
    }

    fn op(&mut self, lab: &mut Lab, key: &str, value: &str) -> Outcome<Op> {
        let bytes = Bytes::from(value);
        Ok(match self.style {
            Style::Appends => Op::Set { value: bytes },
            Style::Versions => {
                let expected = self.get(lab, key)?.map_or(0, |(_, version)| version);
                Op::Put { value: bytes, expected }
            }
        })
    }

    /// Writes a value that nobody else writes to its key.
    fn put(&mut self, lab: &mut Lab, key: &str, value: &str) -> Outcome {
        let op = self.op(lab, key, value)?;
        let end = self.caller.call(lab, key, op)?;
        let written = matches!(end, CallEnd::Maybe | CallEnd::Reply(Reply::Written { .. }));
        lab.require(written, || format!("the only writer of {key} is told {end:?}"))
    }
}

/// A thousand operations one after the other, at least three in the labs' heartbeat.
pub fn speed(told: &mut Told<'_>) -> Outcome {
    const COUNT: u64 = 1_000;
    let Told { lab, style, snapshot_bytes } = told;
    let (lab, style) = (&mut **lab, *style);
    let mut caller = Caller::new(lab);
    // The leader is there.
    caller.call(lab, "x", Op::Get)?;
    let begun = lab.bed().now();
    let mut expected = String::new();
    for number in 0..COUNT {
        let text = format!("x 0 {number} y");
        let value = Bytes::from(text.as_str());
        let op = match style {
            Style::Versions => Op::Put { value, expected: number },
            Style::Appends => Op::Append { value },
        };
        let end = caller.call(lab, "x", op)?;
        let fine = match &end {
            CallEnd::Reply(Reply::Written { version }) => *version == number + 1,
            CallEnd::Reply(Reply::Appended { version, .. }) => *version == number + 1,
            // A real disk may stand still for so long that a Put is sent again. Nobody else writes, so only its first
            // copy can have been in its way.
            CallEnd::Maybe if lab.bed().is_real() => {
                let seen = caller.call(lab, "x", Op::Get)?;
                matches!(&seen, CallEnd::Reply(Reply::Value { value, version })
                    if *version == number + 1 && value.as_ref() == text.as_bytes())
            }
            _ => false,
        };
        lab.require(fine, || format!("operation {number} ends in {end:?}"))?;
        if style == Style::Appends {
            expected += &text;
        } else {
            expected = text;
        }
    }
    let took = lab.bed().now() - begun;
    let end = caller.call(lab, "x", Op::Get)?;
    let held = matches!(&end, CallEnd::Reply(Reply::Value { value, .. }) if value.as_ref() == expected.as_bytes());
    lab.require(held, || "the last value is not what was written".into())?;
    logs_are_short(lab, *snapshot_bytes)?;
    lab.within("ms for 1,000 operations", took, SPEED_MS)
}

/// Five clients append ten times each to one key.
pub fn one_key(told: &mut Told<'_>) -> Outcome {
    const EACH: u64 = 10;
    let lab = &mut *told.lab;
    for number in 0..5 {
        let (mut caller, mut done) = (Caller::new(lab), 0);
        lab.beside(Box::new(move |lab| {
            if caller.is_busy() {
                let Some(end) = caller.poll(lab)? else { return Ok(WAIT) };
                let own = format!("x {number} {} y", done - 1);
                let has = |old: &Bytes| String::from_utf8_lossy(old.as_ref()).contains(&own);
                let again = matches!(&end, CallEnd::Reply(Reply::Appended { old, .. }) if has(old));
                lab.require(!again, || format!("`{own}` was appended to a value that has it"))?;
            }
            if done == EACH {
                return Ok(Next::Done);
            }
            let value = Bytes::from(format!("x {number} {done} y").as_str());
            done += 1;
            caller.begin(lab, "k", Op::Append { value });
            Ok(WAIT)
        }));
    }
    lab.join()?;
    let (value, _) = Writer::new(lab, Style::Appends).get(lab, "k")?.unwrap_or_default();
    for number in 0..5 {
        let places: Vec<_> = (0..EACH)
            .map(|count| {
                value
                    .match_indices(&format!("x {number} {count} y"))
                    .map(|(at, _)| at)
                    .collect::<Vec<_>>()
            })
            .collect();
        let fine = places.iter().all(|places| places.len() == 1) && places.is_sorted();
        lab.require(fine, || format!("the appends of client {number} are at {places:?}"))?;
    }
    linearizable(lab)
}

/// A leader with one other goes on in vain, three others go on, and what was waiting is done after the reunion.
pub fn one_partition(told: &mut Told<'_>) -> Outcome {
    let Told { lab, style, .. } = told;
    let (lab, style) = (&mut **lab, *style);
    let mut all = Writer::new(lab, style);
    all.put(lab, "1", "13")?;
    let leader = lab.one_leader()?;
    let minority = [leader, lab.behind(leader, 1)];
    let few = Rc::new(Cell::new(minority.iter().map(|server| 1 << server).sum()));
    let most = Rc::new(Cell::new(ALL ^ few.get()));
    let mut cut = Writer::of(lab, style, &few);
    let waiting = cut.op(lab, "1", "15")?;
    let mut reader = Caller::of(lab, Rc::clone(&few));
    lab.partition(|server| minority.contains(&server));

    let mut other = Writer::of(lab, style, &most);
    other.put(lab, "2", "14")?;
    other.check(lab, "2", "14")?;

    let (put, got) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(false)));
    cut.caller.begin(lab, "1", waiting);
    let told = Rc::clone(&put);
    lab.beside(Box::new(move |lab| {
        *told.borrow_mut() = cut.caller.poll(lab)?;
        Ok(if told.borrow().is_some() { Next::Done } else { WAIT })
    }));
    reader.begin(lab, "1", Op::Get);
    let read = Rc::clone(&got);
    lab.beside(Box::new(move |lab| {
        read.set(reader.poll(lab)?.is_some());
        Ok(if read.get() { Next::Done } else { WAIT })
    }));
    lab.sleep(ms(1000))?;
    lab.require(put.borrow().is_none(), || "a Put has completed in the minority".into())?;
    lab.require(!got.get(), || "a Get has completed in the minority".into())?;
    other.check(lab, "2", "14")?;
    other.put(lab, "2", "16")?;
    other.check(lab, "2", "16")?;

    lab.partition(|_| true);
    lab.calm();
    few.set(ALL);
    lab.sleep(ELECTION)?;
    let (put_too, got_too) = (Rc::clone(&put), Rc::clone(&got));
    lab.until("the Put of the minority has completed", ms(3000), move |_| {
        put_too.borrow().is_some()
    })?;
    lab.until("the Get of the minority has completed", ms(3000), move |_| got_too.get())?;
    let end = put.take();
    let written = matches!(&end, Some(CallEnd::Maybe | CallEnd::Reply(Reply::Written { .. })));
    lab.require(written, || format!("the Put of the minority ended in {end:?}"))?;
    all.check(lab, "1", "15")?;
    linearizable(lab)
}

/// A server that was away needs a snapshot, and then belongs to the majority.
pub fn snapshot_rpc(told: &mut Told<'_>) -> Outcome {
    let Told { lab, style, .. } = told;
    let (lab, style) = (&mut **lab, *style);
    let mut all = Writer::new(lab, style);
    all.put(lab, "a", "A")?;
    all.check(lab, "a", "A")?;
    // Server 2 is away.
    lab.partition(|server| server == 2);
    let mut two = Writer::of(lab, style, &Rc::new(Cell::new(0b011)));
    for number in 0..50 {
        two.put(lab, &number.to_string(), &number.to_string())?;
    }
    lab.sleep(ELECTION)?;
    two.put(lab, "b", "B")?;
    logs_are_short(lab, Some(MAX_LOG_BYTES))?;
    // Server 1 is away: without server 2 nothing goes on.
    lab.partition(|server| server == 1);
    let mut others = Writer::of(lab, style, &Rc::new(Cell::new(0b101)));
    for (key, value) in [("c", "C"), ("d", "D")] {
        others.put(lab, key, value)?;
    }
    for (key, value) in [("a", "A"), ("b", "B"), ("1", "1"), ("49", "49")] {
        others.check(lab, key, value)?;
    }
    let snapshots = lab.bed().snapshots();
    lab.require(snapshots > 0, || "no snapshot was installed".into())?;
    lab.partition(|_| true);
    for (key, value) in [("e", "E"), ("c", "C"), ("1", "1")] {
        if key == "e" {
            all.put(lab, key, value)?;
        }
        all.check(lab, key, value)?;
    }
    linearizable(lab)
}

/// Eight hundred operations on one key leave a short log and a short snapshot.
pub fn snapshot_size(told: &mut Told<'_>) -> Outcome {
    let Told { lab, style, .. } = told;
    let (lab, style) = (&mut **lab, *style);
    let mut writer = Writer::new(lab, style);
    for _ in 0..200 {
        for value in ["0", "1"] {
            writer.put(lab, "x", value)?;
            writer.check(lab, "x", value)?;
        }
    }
    logs_are_short(lab, Some(MAX_LOG_BYTES))?;
    let longest = (0..lab.servers()).map(|server| lab.bed().snapshot_bytes(server)).max();
    let longest = longest.unwrap_or(0);
    lab.require(longest > 0, || "there is no snapshot".into())?;
    lab.at_most("bytes of snapshot", longest, 500)?;
    lab.within("ms in all", lab.bed().now(), 20_000)
}
