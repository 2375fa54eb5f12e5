//! Random lives of a log, and the model that they are held against: the states that the groups have
//! been in, batch by batch, and how many of these were acknowledged.

use super::sim::{Fault, SimDisk};
use proptest::prelude::*;
use protocol::log::{Durable, Entry};
use protocol::{HardState, LogId, NodeId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, Error, GroupId, Identity, Options, Recovered, Rules, Wal};
use std::collections::BTreeMap;

pub type Groups = BTreeMap<GroupId, Durable<Bytes>>;

pub const IDENTITY: Identity = Identity { cluster: 0xc105_7e12, node: 7 };

/// A write in the making: what it says depends on the state that it meets. Numbers are taken modulo
/// what there is.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    HardState { rise: u64, vote: u8 },
    Append { back: usize, rise: u64, count: u32, size: usize },
    Compact { at: u64 },
    Install { beyond: u64, rise: u64 },
}

#[derive(Clone, Copy, Debug)]
pub enum Op {
    Write(u16, Step),
    EndBatch,
    Sync,
    /// The process ends in order and comes back.
    Close,
    /// The process is killed; what it wrote is in the cache.
    Kill,
    /// The power fails.
    Crash,
    /// Something will go wrong.
    Arm(Fault),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub options: Options,
    pub seed: u64,
    pub ops: Vec<Op>,
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..2u64, 0..4u8).prop_map(|(rise, vote)| Step::HardState { rise, vote }),
        8 => (0..24usize, 0..3u64, 0..5u32, 0..300usize)
            .prop_map(|(back, rise, count, size)| Step::Append { back, rise, count, size }),
        3 => (0..16u64).prop_map(|at| Step::Compact { at }),
        1 => (0..4u64, 0..2u64).prop_map(|(beyond, rise)| Step::Install { beyond, rise }),
    ]
}

fn op(groups: u16) -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..groups, step()).prop_map(|(group, step)| Op::Write(group, step)),
        7 => Just(Op::EndBatch),
        4 => Just(Op::Sync),
        1 => Just(Op::Close),
        1 => Just(Op::Kill),
        2 => Just(Op::Crash),
        2 => (0..14u32).prop_map(|after| Op::Arm(Fault::Power(after))),
        1 => (0..6u32).prop_map(|after| Op::Arm(Fault::Sync(after))),
        1 => (0..24usize).prop_map(|sectors| Op::Arm(Fault::Room(sectors * 700))),
    ]
}

pub fn case() -> impl Strategy<Value = Case> {
    let options = (1..6u64, 1..5u64).prop_map(|(sectors, segments)| Options {
        segment_bytes: sectors * 512,
        max_bytes: segments * sectors * 1024,
    });
    (options, any::<u64>(), 1..4u16).prop_flat_map(|(options, seed, groups)| {
        prop::collection::vec(op(groups), 0..120).prop_map(move |ops| Case { options, seed, ops })
    })
}

/// The write that a step makes of a state, and its entries. `fresh` numbers the commands.
pub fn resolve(
    step: Step,
    durable: &Durable<Bytes>,
    fresh: &mut u64,
) -> (Write, Vec<Entry<Bytes>>) {
    let terms = &durable.terms;
    let (base, last) = (terms.base(), terms.last());
    let write = match step {
        Step::HardState { rise, vote } => {
            let vote = (vote > 0).then(|| NodeId(vote - 1));
            Write::HardState(HardState { term: durable.hard.term + rise, vote })
        }
        Step::Append { back, rise, count, .. } => {
            // Most writes go to the end, as most do.
            let room = last.index - base.index;
            let back = if back >= 8 { 0 } else { back as u64 % (room + 1) };
            let first = last.index - back + 1;
            let before = terms.term_at(first - 1).expect("it is in the log");
            // Most leaders stay.
            let term = before.max(1) + rise.saturating_sub(1);
            Write::Append { first, term, count }
        }
        Step::Compact { at } => {
            let through = base.index + at % (last.index - base.index + 1);
            let id = terms.snapshot_at(through).expect("it is in the log");
            Write::Snapshot { id, keep: true }
        }
        Step::Install { beyond, rise } => {
            let at = LogId::new(last.term + rise, last.index + beyond);
            let id = SnapshotId { last: at, runs: terms.runs_through(last.index) + rise };
            Write::Snapshot { id, keep: false }
        }
    };
    let entry = |_| {
        *fresh += 1;
        let size = if let Step::Append { size, .. } = step { size } else { 0 };
        let command =
            fresh.to_le_bytes().into_iter().chain(std::iter::repeat_n(*fresh as u8, size));
        if fresh.is_multiple_of(5) { Entry::NoOp } else { Entry::Command(command.collect()) }
    };
    let count = if let Write::Append { count, .. } = write { count } else { 0 };
    (write, (0..count).map(entry).collect())
}

/// What the cases have met, so that a green run that met nothing is red.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    pub crashes: u32,
    pub crashes_at_start: u32,
    pub failed_syncs: u32,
    pub full: u32,
    pub tails_cut: u32,
    /// Unsynced batches that a crash left whole.
    pub lucky: u32,
    /// Batches that nobody had been told of, and that are gone.
    pub lost: u32,
    pub rolls: u32,
    pub removals: u32,
}

/// A life in progress.
struct Life<'a, R: Rules> {
    rules: R,
    case: &'a Case,
    disk: SimDisk,
    reached: &'a mut Reached,
    /// The states after each batch since the log was opened; the first is what it was opened with.
    states: Vec<Groups>,
    /// The last of them that is acknowledged.
    synced: usize,
    /// Whether nothing at all may be gone.
    whole: bool,
    now: Groups,
    batch: Batch,
    fresh: u64,
}

type Log<R> = Wal<SimDisk, R>;

/// Lives a case under the rules. The error is what went wrong.
pub fn live<R: Rules>(rules: R, case: &Case, reached: &mut Reached) -> Result<(), String> {
    let mut life = Life {
        rules,
        case,
        disk: SimDisk::new(case.seed).reserves(!case.seed.is_multiple_of(3)),
        reached,
        states: vec![Groups::new()],
        synced: 0,
        whole: false,
        now: Groups::new(),
        batch: Batch::new(),
        fresh: 0,
    };
    let mut wal = life.start()?;
    for op in &case.ops {
        wal = life.step(wal, *op)?;
    }
    wal = life.end_batch(wal)?;
    wal = life.sync(wal)?;
    wal = life.restart(wal, false)?;
    life.restart(wal, true).map(drop)
}

impl<R: Rules> Life<'_, R> {
    fn step(&mut self, wal: Log<R>, op: Op) -> Result<Log<R>, String> {
        match op {
            Op::Write(group, step) => {
                let durable = self.now.entry(GroupId(group)).or_default();
                let (write, entries) = resolve(step, durable, &mut self.fresh);
                self.batch.push(GroupId(group), &write, &entries).map_err(|e| e.to_string())?;
                durable.apply(&write, entries.into_iter());
                Ok(wal)
            }
            Op::EndBatch => self.end_batch(wal),
            Op::Sync => self.sync(wal),
            Op::Close => match wal.close() {
                Ok(()) => {
                    self.synced = self.states.len() - 1;
                    self.start()
                }
                Err(error) => self.fail(None, error),
            },
            Op::Kill => self.restart(wal, false),
            Op::Crash => self.restart(wal, true),
            Op::Arm(fault) => {
                self.disk.arm(fault);
                Ok(wal)
            }
        }
    }

    fn end_batch(&mut self, mut wal: Log<R>) -> Result<Log<R>, String> {
        if self.batch.is_empty() {
            return Ok(wal);
        }
        self.states.push(self.now.clone());
        let before: Vec<u64> = wal.generations().collect();
        let result = wal.write(&mut self.batch);
        let after: Vec<u64> = wal.generations().collect();
        self.reached.rolls += u32::from(before.last() != after.last());
        self.reached.removals += u32::from(before.first() != after.first());
        match result {
            Ok(()) => Ok(wal),
            Err(error) => self.fail(Some(wal), error),
        }
    }

    fn sync(&mut self, mut wal: Log<R>) -> Result<Log<R>, String> {
        match wal.sync() {
            Ok(()) => {
                self.synced = self.states.len() - 1;
                Ok(wal)
            }
            Err(error) => self.fail(Some(wal), error),
        }
    }

    /// The log has failed. It must stay so, and the process ends.
    fn fail(&mut self, wal: Option<Log<R>>, error: Error) -> Result<Log<R>, String> {
        if !self.disk.tripped() {
            return Err(format!("an error without a fault: {error}"));
        }
        match error {
            Error::Full { .. } => self.reached.full += 1,
            Error::Io { .. } => self.reached.failed_syncs += u32::from(!self.disk.power_is_off()),
            _ => return Err(format!("a fault of the disk is taken for something else: {error}")),
        }
        let crash = self.disk.power_is_off() || self.fresh.is_multiple_of(2);
        if let (Some(mut wal), false) = (wal, self.disk.power_is_off()) {
            match wal.sync() {
                // What a log says after it has failed is held against it like anything else.
                Ok(()) => self.synced = self.states.len() - 1,
                Err(again) if again.to_string() == error.to_string() => {}
                Err(again) => return Err(format!("a log fails twice: {error}, then {again}")),
            }
        }
        self.again(crash)
    }

    fn restart(&mut self, wal: Log<R>, crash: bool) -> Result<Log<R>, String> {
        drop(wal);
        self.again(crash)
    }

    fn again(&mut self, crash: bool) -> Result<Log<R>, String> {
        if crash {
            self.reached.crashes += 1;
            self.disk.crash();
        } else if self.disk.tripped() {
            self.disk.restart();
        } else {
            // What a killed process wrote is there, unless a fault that still waits strikes the start.
            self.whole = true;
        }
        self.start()
    }

    /// Opens the log, again if a fault strikes meanwhile, and compares what it finds.
    fn start(&mut self) -> Result<Log<R>, String> {
        loop {
            let opened = Wal::open(self.disk.clone(), self.rules, IDENTITY, self.case.options);
            match opened {
                Ok((wal, recovered)) => {
                    self.compare(recovered)?;
                    return Ok(wal);
                }
                Err(Error::Io { .. } | Error::Full { .. }) if self.disk.tripped() => {
                    self.reached.crashes_at_start += u32::from(self.disk.power_is_off());
                    if self.disk.power_is_off() {
                        self.whole = false;
                        self.disk.crash();
                    } else {
                        self.disk.restart();
                    }
                }
                Err(error) => return Err(format!("refused: {error}")),
            }
        }
    }

    fn compare(&mut self, recovered: Recovered) -> Result<(), String> {
        self.reached.tails_cut += u32::from(recovered.cut.is_some());
        let found: Groups =
            recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
        let Some(k) = (self.synced..self.states.len()).rfind(|&k| self.states[k] == found) else {
            return Err(format!(
                "found {found:?}, acknowledged was {:?}, then came {:?}",
                self.states[self.synced],
                &self.states[self.synced + 1..]
            ));
        };
        if std::mem::take(&mut self.whole) && k + 1 < self.states.len() {
            return Err(format!("the end of a killed process, found only {found:?}"));
        }
        self.reached.lucky += (k - self.synced) as u32;
        self.reached.lost += (self.states.len() - 1 - k) as u32;
        self.states = vec![found.clone()];
        self.synced = 0;
        self.now = found;
        self.batch.clear();
        Ok(())
    }
}
