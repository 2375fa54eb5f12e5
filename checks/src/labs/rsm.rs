//! Lab 4A (2025, 2026): the replicated state machine under a service, here a counter in the store.
//!
//! The labs' Submit blocks its caller. Here a submission is a request to a server from outside, once, which ends in a
//! reply, in *not executed* (WrongLeader), or in *nobody knows*; so hundreds of them need no threads.
//!
//! One departure. The labs want a Submit at a leader that is cut off to be pending still after a second. Ours are told
//! after 1.5 s that nobody knows, and a leader without a quorum stops before: so what is asked is that none is told
//! that it was executed, that all of them have ended within a second of the reunion, and that none was executed. On
//! threads, whose disk may take longer than that, any addition may end so, and then it may be in the counter or not.

use super::bed::{Answered, Ticket};
use super::lab::{ELECTION, Lab, Outcome, ms};
use protocol::kv::clerk::Request;
use protocol::kv::{Bytes, Command, Op, Reply, StringOp};
use std::cell::Cell;

const KEY: &str = "counter";
/// The labs' maxraftstate.
pub const MAX_LOG_BYTES: u64 = 1_000;

/// Submits to one server that so much is added to the counter.
fn submit(lab: &mut Lab, server: usize, by: i64) -> Ticket {
    let op = Op::String(StringOp::IncrBy { by });
    let command = Command { key: Bytes::from(KEY), op, once: None };
    // Every submission is a call of its own.
    let number = lab.number();
    lab.bed_mut().send(server, number << 32, Request { seq: number, attempt: 1, command })
}

/// What became of a submission.
fn answer(lab: &mut Lab, ticket: Ticket) -> Outcome<Answered> {
    loop {
        if let Some(answered) = lab.bed_mut().answer(ticket) {
            return Ok(answered);
        }
        lab.sleep(ms(1))?;
    }
}

/// The counter, as who adds to it knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// What was seen last.
    value: i64,
    /// Additions of which nobody knows: where a disk takes longer than 1.5 s for a sync, their caller is told so. Each
    /// may be in the counter, or come into it at any later time, once. On threads only: no virtual disk is slow.
    open: i64,
}

impl Known {
    /// The counter was seen, and should be so much.
    fn sees(&mut self, lab: &Lab, value: i64, expected: i64) -> Outcome {
        let (more, open) = (value - expected, self.open);
        lab.require((0..=open).contains(&more), || match open {
            0 => format!("the counter is {value}, not {expected}"),
            _ => format!("the counter is {value}, not {expected} to {}", expected + open),
        })?;
        *self = Self { value, open: open - more };
        Ok(())
    }

    /// Adds one, by whichever connected server can, within ten seconds.
    fn add_one(&mut self, lab: &mut Lab) -> Outcome {
        let end = lab.bed().now() + ms(10_000);
        while lab.bed().now() < end {
            for server in
                (0..lab.servers()).filter(|server| lab.is_connected(*server)).collect::<Vec<_>>()
            {
                let ticket = submit(lab, server, 1);
                match answer(lab, ticket)? {
                    Answered::Reply(Reply::Int(value)) => {
                        return self.sees(lab, value, self.value + 1);
                    }
                    Answered::Reply(reply) => {
                        return Err(lab.failure(format!("an addition is answered with {reply:?}")));
                    }
                    Answered::NotExecuted(_) | Answered::Refused(_) | Answered::Control(_) => {}
                    Answered::Unknown | Answered::Failed => {
                        self.open += i64::from(lab.bed().is_real());
                    }
                }
            }
            lab.sleep(ms(50))?;
        }
        Err(lab.failure("nobody has added one within ten seconds"))
    }

    /// So many servers have it, within ten seconds.
    fn counters(&mut self, lab: &mut Lab, servers: usize) -> Outcome {
        let Self { value, open } = *self;
        let same = Cell::new(None);
        lab.until(&format!("{servers} servers have the counter {value}"), ms(10_000), |lab| {
            let all = (0..lab.servers()).map(|server| lab.bed().number_at(server, KEY));
            let all: Vec<_> = all.collect();
            let has = |value: &i64| all.iter().filter(|at| **at == Some(*value)).count() >= servers;
            same.set((value..=value + open).find(has));
            same.get().is_some()
        })?;
        same.get().map_or(Ok(()), |found| self.sees(lab, found, value))
    }

    /// Adds one, so often, and all have it each time.
    fn add_all(&mut self, lab: &mut Lab, count: usize) -> Outcome {
        for _ in 0..count {
            self.add_one(lab)?;
            self.counters(lab, lab.servers())?;
        }
        Ok(())
    }
}

/// The counter behind so many additions, one after the other, that all have each time.
fn added(lab: &mut Lab, count: usize) -> Outcome<Known> {
    let mut known = Known::default();
    known.add_all(lab, count)?;
    Ok(known)
}

/// All servers are killed, and start again a second later.
fn restart(lab: &mut Lab) -> Outcome {
    (0..lab.servers()).for_each(|server| lab.crash(server));
    lab.sleep(ELECTION)?;
    (0..lab.servers()).for_each(|server| lab.start(server));
    Ok(())
}

/// Every one of these has ended within so long, and `fits` what it was told.
fn all_end(
    lab: &mut Lab,
    mut open: Vec<Ticket>,
    within: std::time::Duration,
    fits: impl Fn(&Answered) -> bool,
) -> Outcome {
    let end = lab.bed().now() + within;
    loop {
        let mut left = Vec::new();
        for ticket in open {
            match lab.bed_mut().answer(ticket) {
                None => left.push(ticket),
                Some(told) => {
                    lab.require(fits(&told), || format!("a submission is told {told:?}"))?
                }
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        lab.require(lab.bed().now() < end, || {
            format!("{count} submissions are pending after {within:?}")
        })?;
        lab.sleep(ms(10))?;
        open = left;
    }
}

/// Ten additions, one after the other.
pub fn basic(lab: &mut Lab) -> Outcome {
    added(lab, 10).map(|_| ())
}

/// Fifty at once.
pub fn concurrent(lab: &mut Lab) -> Outcome {
    let leader = lab.one_leader()?;
    let tickets: Vec<_> = (0..50).map(|_| submit(lab, leader, 1)).collect();
    let open = Cell::new(0);
    let excused = lab.bed().is_real();
    let executed = |told: &Answered| match told {
        Answered::Unknown if excused => {
            open.set(open.get() + 1);
            true
        }
        told => matches!(told, Answered::Reply(Reply::Int(1..=50))),
    };
    all_end(lab, tickets, ms(10_000), executed)?;
    Known { value: 50 - open.get(), open: open.get() }.counters(lab, lab.servers())
}

/// The leader is cut off: the others go on, and it catches up.
pub fn leader_failure(lab: &mut Lab) -> Outcome {
    let mut known = added(lab, 1)?;
    let leader = lab.one_leader()?;
    lab.disconnect(leader);
    known.add_one(lab)?;
    known.counters(lab, lab.servers() - 1)?;
    lab.connect(leader);
    known.counters(lab, lab.servers())
}

/// A hundred submissions at a leader without a quorum: none is executed.
pub fn leader_partition(lab: &mut Lab) -> Outcome {
    let mut known = added(lab, 1)?;
    let leader = lab.one_leader()?;
    lab.disconnect(leader);
    let tickets: Vec<_> = (0..100).map(|_| submit(lab, leader, -1)).collect();
    lab.sleep(ms(10))?;
    known.add_one(lab)?;
    lab.sleep(ms(1000))?;
    lab.connect(leader);
    let refused = |told: &Answered| matches!(told, Answered::NotExecuted(_) | Answered::Unknown);
    all_end(lab, tickets, ms(1000), refused)?;
    known.counters(lab, lab.servers())
}

/// What was executed is there after a restart of all.
pub fn restart_replay(lab: &mut Lab) -> Outcome {
    let mut known = added(lab, 100)?;
    restart(lab)?;
    known.add_one(lab)?;
    lab.sleep(ms(1000))?;
    known.counters(lab, lab.servers())
}

/// Submissions that change nothing, cut off after 20 ms by the end of all servers.
fn cut_short(lab: &mut Lab) -> Outcome {
    let leader = lab.one_leader()?;
    let tickets: Vec<_> = (0..100).map(|_| submit(lab, leader, 0)).collect();
    lab.sleep(ms(20))?;
    (0..lab.servers()).for_each(|server| lab.crash(server));
    all_end(lab, tickets, ms(11_000), |_| true)
}

/// Every submission ends when all servers are shut down.
pub fn shutdown(lab: &mut Lab) -> Outcome {
    cut_short(lab)
}

/// Submissions of one life are not mistaken for those of another.
pub fn restart_submit(lab: &mut Lab) -> Outcome {
    let mut known = added(lab, 100)?;
    restart(lab)?;
    known.add_one(lab)?;
    cut_short(lab)?;
    lab.sleep(ELECTION)?;
    (0..lab.servers()).for_each(|server| lab.start(server));
    known.add_one(lab)?;
    known.counters(lab, lab.servers())
}

/// With snapshots the log stays short, and a restart begins with one.
pub fn snapshot(lab: &mut Lab) -> Outcome {
    let mut known = added(lab, 100)?;
    // A snapshot may be under way.
    lab.sleep(ms(100))?;
    let longest = (0..lab.servers()).map(|server| lab.bed().log_bytes(server)).max();
    lab.at_most("bytes of log", longest.unwrap_or(0), 2 * MAX_LOG_BYTES)?;
    let has = |server| lab.bed().snapshot_bytes(server) > 0;
    lab.require((0..lab.servers()).all(has), || "a server has no snapshot".into())?;
    restart(lab)?;
    known.add_one(lab)?;
    known.counters(lab, lab.servers())
}
