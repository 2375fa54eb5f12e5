//! The coordinator's process: its disk, its timers, its death and what comes behind.

use super::files::{Content, Name};
use super::judge::Cause;
use super::mill::{Event, Mill};
use protocol::Machine as _;
use protocol::mr::{AttemptId, Coordinator, Effect, Input, Order, Record, Rules, Timer};
use std::rc::Rc;

/// How long the disk takes, in microseconds.
const SYNC_US: (u64, u64) = (2_000, 12_000);
/// How long a rename that is synced takes.
const RENAME_US: (u64, u64) = (500, 8_000);
/// In a storm so many records of a million are the last before the coordinator's death.
const DEADLY: u32 = 30_000;

impl<R: Rules> Mill<'_, R> {
    /// The coordinator is started, with what its disk has.
    pub(super) fn open(&mut self) {
        self.life += 1;
        let records = self.disk.records.clone();
        (self.disk.durable, self.disk.earlier) = (records.len(), records.len());
        self.judge.durable(&records);
        let mut out = Vec::new();
        match Coordinator::recover(self.rules, self.spec, records, false, &mut out) {
            Ok(head) => self.head = Some(head),
            Err(unfit) => {
                let text = format!("the coordinator does not know its journal: {unfit}");
                return self.judge.violate(super::judge::SETTLES, text);
            }
        }
        self.carry_out(out);
    }

    /// Something comes to the coordinator.
    pub(super) fn tell(&mut self, input: Input<Cause>) {
        let Some(head) = &mut self.head else { return };
        let mut out = Vec::new();
        head.step(input, &mut out);
        self.carry_out(out);
    }

    fn carry_out(&mut self, effects: Vec<Effect<Cause>>) {
        let mut cancelled = Vec::new();
        for effect in effects {
            match effect {
                Effect::Journal(record) => self.journal(record),
                Effect::Send(session, order) => {
                    if let Order::Cancel(attempt) = order {
                        cancelled.push(attempt);
                    }
                    self.tell_worker(session, order);
                }
                Effect::Publish(attempt) => {
                    self.judge.wants_published(attempt);
                    self.disk.publishing.push(attempt);
                    let after = self.random.between(RENAME_US.0, RENAME_US.1);
                    self.put(after, Event::Publishes(self.life, attempt));
                }
                Effect::Arm(timer) => self.arm(timer),
                Effect::Disarm(timer) => drop(self.timers.remove(&timer)),
                Effect::Over(ending) => {
                    self.judge.ends(&ending, &self.files);
                    if let Some(head) = &self.head {
                        self.counters = head.counters().clone();
                    }
                }
                Effect::Exit => return self.exit(),
            }
        }
        if let Some(head) = &self.head {
            cancelled.into_iter().for_each(|attempt| self.judge.cancelled(attempt, head));
            self.judge.behind(head, &self.disk.records);
        }
    }

    fn journal(&mut self, record: Record<Cause>) {
        if let Record::Won { attempt, .. } = &record {
            self.pace.wins(*attempt, self.now);
        }
        self.disk.records.push(record);
        if self.now < self.storm_until && self.random.chance(DEADLY) {
            let after = self.random.below(SYNC_US.1 + RENAME_US.1);
            self.put(after, Event::Beheaded(self.life));
        }
        self.sync();
    }

    fn sync(&mut self) {
        let written = self.disk.records.len();
        if !self.disk.syncing && self.disk.durable < written {
            self.disk.syncing = true;
            let after = self.random.between(SYNC_US.0, SYNC_US.1);
            self.put(after, Event::Synced(self.life, written));
        }
    }

    pub(super) fn synced(&mut self, life: u32, records: usize) {
        if life != self.life || self.head.is_none() {
            return;
        }
        self.judge.durable(&self.disk.records[self.disk.durable..records]);
        (self.disk.durable, self.disk.syncing) = (records, false);
        self.sync();
        self.tell(Input::Durable((records - self.disk.earlier) as u64));
    }

    /// An output gets its name.
    pub(super) fn publish(&mut self, life: u32, attempt: AttemptId) {
        if life != self.life || self.head.is_none() {
            return;
        }
        self.disk.publishing.retain(|other| *other != attempt);
        let done = self.rename(attempt);
        self.tell(match done {
            true => Input::Published(attempt),
            false => Input::NotPublished(attempt, "the file is not there".into()),
        });
    }

    /// Whether the output is there, now or before.
    fn rename(&mut self, attempt: AttemptId) -> bool {
        let from = Name::Of(self.rules.file(attempt));
        let to = Name::Output(attempt.task.index);
        let Some(content) = self.files.content(from) else {
            return self.files.content(to).is_some();
        };
        let lines = match content {
            Content::Lines(lines) => Rc::clone(lines),
            Content::Half | Content::Parts(_) => Rc::default(),
        };
        self.judge.published(attempt, &lines, &self.files);
        self.files.rename(from, to, &mut self.judge)
    }

    fn arm(&mut self, timer: Timer) {
        let times = self.times;
        let after = match timer {
            Timer::Silence(_) => times.silence_us,
            Timer::Straggles(attempt) => {
                self.pace.begins(attempt, self.now);
                times.backup_after_us
            }
            Timer::Gather => times.gather_us,
            Timer::Farewell => times.farewell_us,
        };
        self.arm_at(timer, self.now + after);
    }

    fn arm_at(&mut self, timer: Timer, at: u64) {
        let stamp = self.stamp();
        self.timers.insert(timer, stamp);
        self.at(at, Event::Fires(timer, stamp));
    }

    pub(super) fn fire(&mut self, timer: Timer, stamp: u64) {
        if self.timers.get(&timer) != Some(&stamp) {
            return;
        }
        if let Timer::Straggles(attempt) = timer
            && let Some(at) = self.pace.look_again(attempt, self.now)
        {
            return self.arm_at(timer, at);
        }
        self.timers.remove(&timer);
        self.judge.fires(timer, self.now);
        self.tell(Input::Fired(timer));
    }

    /// It leaves by itself.
    fn exit(&mut self) {
        self.judge.exits(&self.files);
        (self.head, self.exited) = (None, true);
        self.timers.clear();
        self.hang_up(true);
    }

    /// It is killed. Of what its disk was at, a beginning is there; and what it was to rename may have its name.
    pub(super) fn behead(&mut self) {
        if self.head.take().is_none() {
            return;
        }
        self.judge.headless();
        let (durable, written) = (self.disk.durable, self.disk.records.len());
        let kept = self.random.between(durable as u64, written as u64) as usize;
        self.losses += u64::from(kept < written);
        self.disk.records.truncate(kept);
        self.disk.syncing = false;
        for attempt in std::mem::take(&mut self.disk.publishing) {
            if self.random.chance(500_000) {
                self.rename(attempt);
            }
        }
        self.timers.clear();
        self.pace = super::pace::Pace::new(self.times.backup_after_us);
        self.hang_up(false);
        let after = self.random.skewed(20_000, 3_000_000);
        self.put(after, Event::Opens);
    }
}
