//! The clients of scenarios: one who knows what all keys hold, many who each read one key, and those who write beside
//! a scenario.

use super::cluster::{Cluster, shows};
use crate::labs::clerk::{CallEnd, Caller, WAIT};
use crate::labs::lab::{LONGEST, Lab, Next, Outcome, ms};
use protocol::kv::{Bytes, Op, Reply};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// When so long nothing was answered, nothing more will be.
const QUIET: Duration = ms(2000);

/// Keys, and what they hold.
pub struct Data {
    clerk: Caller,
    /// In the labs' order.
    pub keys: Vec<String>,
    values: BTreeMap<String, String>,
    /// How often each was written: its version.
    versions: BTreeMap<String, u64>,
}

/// Text that was not there yet.
fn text(lab: &mut Lab, bytes: usize) -> String {
    let mut text = format!("{}.", lab.number());
    while text.len() < bytes {
        text.push(char::from(b'a' + lab.random.below(26) as u8));
    }
    text
}

impl Data {
    /// Writes so many keys, named by their number behind a text, with values of so many bytes.
    ///
    /// # Errors
    /// If that does not succeed.
    pub fn put(
        cluster: &mut Cluster<'_>,
        prefix: &str,
        count: usize,
        bytes: usize,
    ) -> Outcome<Self> {
        let keys = (0..count).map(|number| cluster.sharded.key(&format!("{prefix}{number}")));
        let keys: Vec<String> = keys.collect();
        let (clerk, values, versions) = (cluster.clerk(), BTreeMap::new(), BTreeMap::new());
        let mut data = Self { clerk, keys: keys.clone(), values, versions };
        for key in keys {
            data.set(cluster, &key, bytes)?;
        }
        Ok(data)
    }

    /// Gives a key another value.
    ///
    /// # Errors
    /// If that does not succeed.
    pub fn set(&mut self, cluster: &mut Cluster<'_>, key: &str, bytes: usize) -> Outcome {
        let value = text(cluster.lab, bytes);
        let op = Op::Set { value: Bytes::from(value.as_str()) };
        let end = cluster.call(&mut self.clerk, key, op)?;
        let written = matches!(end, CallEnd::Reply(Reply::Written { .. }));
        cluster.require(written, || format!("a Put of {key} ends in {end:?}"))?;
        self.values.insert(key.into(), value);
        *self.versions.entry(key.into()).or_default() += 1;
        Ok(())
    }

    /// Every key has what it should, and gets something behind that.
    ///
    /// # Errors
    /// If it has not.
    pub fn check_and_append(&mut self, cluster: &mut Cluster<'_>, bytes: usize) -> Outcome {
        for key in self.keys.clone() {
            self.check_one(cluster, &key)?;
            let more = text(cluster.lab, bytes);
            let op = Op::Append { value: Bytes::from(more.as_str()) };
            let end = cluster.call(&mut self.clerk, &key, op)?;
            let fine = matches!(end, CallEnd::Reply(Reply::Appended { .. } | Reply::NotKept));
            cluster.require(fine, || format!("an Append to {key} ends in {end:?}"))?;
            *self.versions.entry(key.clone()).or_default() += 1;
            self.values.entry(key).or_default().push_str(&more);
        }
        Ok(())
    }

    /// What a key holds.
    pub fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// A key has what it should, under the version that it should have.
    ///
    /// # Errors
    /// If it has not.
    pub fn check_one(&mut self, cluster: &mut Cluster<'_>, key: &str) -> Outcome {
        let (value, version) = (self.value(key).to_owned(), self.versions.get(key).copied());
        let end = self.clerk.call(cluster.lab, key, Op::Get)?;
        let shown = match &end {
            CallEnd::Reply(Reply::Value { version, .. }) => Some(*version),
            _ => None,
        };
        cluster.require(shows(&end, &value) && shown == version, || {
            format!("{key} is to be `{value}` by {version:?} writes, and is {end:?}")
        })
    }

    /// Every key has what it should.
    ///
    /// # Errors
    /// If one has not.
    pub fn check(&mut self, cluster: &mut Cluster<'_>) -> Outcome {
        self.keys.clone().iter().try_for_each(|key| self.check_one(cluster, key))
    }

    /// Each key is read by a client of its own, beside the scenario.
    pub fn read_beside(&self, cluster: &mut Cluster<'_>) -> Reads {
        let read = |key: &String| (cluster.clerk(), key.clone());
        let clerks: Vec<_> = self.keys.iter().map(read).collect();
        self.read_by(cluster, clerks)
    }

    /// The same, by these clients.
    pub fn read_by(&self, cluster: &mut Cluster<'_>, clerks: Vec<(Caller, String)>) -> Reads {
        let reads = Reads::default();
        for (mut clerk, key) in clerks {
            let (reads, value) = (reads.clone(), self.value(&key).to_owned());
            reads.open.set(reads.open.get() + 1);
            clerk.begin(cluster.lab, &key, Op::Get);
            cluster.lab.beside(Box::new(move |lab| {
                if reads.given_up.get() {
                    return Ok(Next::Done);
                }
                let Some(end) = clerk.poll(lab)? else { return Ok(WAIT) };
                lab.require(shows(&end, &value), || format!("{key} is shown as {end:?}"))?;
                reads.open.set(reads.open.get() - 1);
                reads.done.set(reads.done.get() + 1);
                Ok(Next::Done)
            }));
        }
        reads
    }
}

/// Reads that are under way.
#[derive(Clone, Default)]
pub struct Reads {
    open: Rc<Cell<usize>>,
    done: Rc<Cell<usize>>,
    given_up: Rc<Cell<bool>>,
}

impl Reads {
    /// How many were answered, when for two seconds none was, or all were.
    ///
    /// # Errors
    /// If one was answered wrongly.
    pub fn settle(&self, cluster: &mut Cluster<'_>) -> Outcome<usize> {
        let mut last = (self.done.get(), cluster.lab.bed().now());
        while self.open.get() > 0 && cluster.lab.bed().now() < last.1 + QUIET {
            cluster.sleep(10)?;
            if self.done.get() != last.0 {
                last = (self.done.get(), cluster.lab.bed().now());
            }
        }
        Ok(self.done.get())
    }

    /// All are answered within that time.
    ///
    /// # Errors
    /// If they are not.
    pub fn all_within(&self, cluster: &mut Cluster<'_>, time: Duration) -> Outcome {
        let end = cluster.lab.bed().now() + time;
        while self.open.get() > 0 {
            let (open, now) = (self.open.get(), cluster.lab.bed().now());
            cluster.require(now < end, || format!("{open} reads are not answered in {time:?}"))?;
            cluster.sleep(1)?;
        }
        Ok(())
    }

    /// All are answered.
    ///
    /// # Errors
    /// If they are not within two minutes.
    pub fn all(&self, cluster: &mut Cluster<'_>) -> Outcome {
        self.all_within(cluster, LONGEST)
    }

    /// Nobody waits for those that are open any more.
    pub fn give_up(&self) {
        self.given_up.set(true);
    }
}

/// What those do who write beside a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    /// Each appends to a key of its own, with a pause of so many milliseconds.
    Appends(u64),
    /// On random keys they append, read, and put now and then.
    Mixed,
    /// They put over the version that they saw last and read, one key half of the time and else any of so many.
    Versions(u64),
}

struct Writer {
    clerk: Caller,
    number: usize,
    habit: Habit,
    key: String,
    op: Op,
    /// What its own key must hold.
    own: String,
    calls: u64,
    versions: BTreeMap<String, u64>,
    reads: bool,
}

/// Those who write beside a scenario.
pub struct Writers {
    stop: Rc<Cell<bool>>,
    working: usize,
    back: Rc<RefCell<Vec<Writer>>>,
    /// How many calls were answered.
    answered: Rc<Cell<u64>>,
}

impl Writer {
    fn draw(&mut self, cluster: super::Sharded, lab: &mut Lab) {
        self.calls += 1;
        let value = Bytes::from(format!("x {} {} y", self.number, self.calls).as_str());
        match self.habit {
            Habit::Appends(_) => self.op = Op::Append { value },
            Habit::Mixed => {
                self.key = cluster.key(&lab.random.below(10).to_string());
                self.op = match lab.random.below(100) {
                    0..50 => Op::Append { value },
                    50..55 => Op::Set { value },
                    _ => Op::Get,
                };
            }
            Habit::Versions(_) if std::mem::take(&mut self.reads) => self.op = Op::Get,
            Habit::Versions(count) => {
                let one = lab.random.chance(500_000);
                let number = if one { 0 } else { lab.random.below(count) };
                self.key = cluster.key(&format!("w{number}"));
                let expected = self.versions.get(&self.key).copied().unwrap_or(0);
                self.op = Op::Put { value, expected };
                self.reads = true;
            }
        }
    }

    fn ended(&mut self, end: &CallEnd) {
        let CallEnd::Reply(reply) = end else { return };
        match (&self.op, reply) {
            (Op::Append { value }, _) if matches!(self.habit, Habit::Appends(_)) => {
                self.own += &String::from_utf8_lossy(value.as_ref());
            }
            (_, Reply::Written { version } | Reply::Value { version, .. }) => {
                self.versions.insert(self.key.clone(), *version);
            }
            _ => {}
        }
    }

    /// Goes on: one call after the other.
    fn step(
        &mut self,
        sharded: super::Sharded,
        lab: &mut Lab,
        stop: bool,
    ) -> Outcome<(Next, bool)> {
        let mut answered = false;
        if self.clerk.is_busy() {
            let Some(end) = self.clerk.poll(lab)? else { return Ok((WAIT, false)) };
            self.ended(&end);
            answered = true;
            if let (Habit::Appends(pause @ 1..), false) = (self.habit, stop) {
                return Ok((Next::After(ms(pause)), true));
            }
        }
        if stop {
            return Ok((Next::Done, answered));
        }
        self.draw(sharded, lab);
        self.clerk.begin(lab, &self.key, self.op.clone());
        Ok((WAIT, answered))
    }
}

impl Writers {
    /// So many begin.
    pub fn begin(cluster: &mut Cluster<'_>, count: usize, habit: Habit) -> Self {
        let (stop, back) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(Vec::new())));
        let answered = Rc::new(Cell::new(0));
        for number in 0..count {
            let mut writer = Some(Writer {
                clerk: cluster.clerk(),
                number,
                habit,
                // In its own shard, as long as there are as many.
                key: cluster.sharded.key(&format!("{number}w")),
                op: Op::Get,
                own: String::new(),
                calls: 0,
                versions: BTreeMap::new(),
                reads: false,
            });
            let (stop, back, answered) = (Rc::clone(&stop), Rc::clone(&back), Rc::clone(&answered));
            let sharded = cluster.sharded;
            cluster.lab.beside(Box::new(move |lab| {
                let Some(mut working) = writer.take() else { return Ok(Next::Done) };
                let (next, told) = working.step(sharded, lab, stop.get())?;
                answered.set(answered.get() + u64::from(told));
                match next {
                    Next::After(_) => writer = Some(working),
                    Next::Done => back.borrow_mut().push(working),
                }
                Ok(next)
            }));
        }
        Self { stop, working: count, back, answered }
    }

    /// How many calls were answered.
    pub fn answered(&self) -> u64 {
        self.answered.get()
    }

    /// They end their last calls, and what they have written to keys of their own is there, once and in order.
    ///
    /// # Errors
    /// If it is not; if a call does not end within two minutes.
    pub fn end(self, cluster: &mut Cluster<'_>) -> Outcome {
        self.stop.set(true);
        let end = cluster.lab.bed().now() + LONGEST;
        while self.back.borrow().len() < self.working {
            let now = cluster.lab.bed().now();
            cluster.require(now < end, || "a client's last call does not end".into())?;
            cluster.sleep(1)?;
        }
        let mut writers = self.back.take();
        writers.sort_by_key(|writer| writer.number);
        for mut writer in writers {
            cluster.require(writer.calls > 0, || "a client has done nothing".into())?;
            if let Habit::Appends(_) = writer.habit {
                cluster.check(&mut writer.clerk, &writer.key, &writer.own)?;
            }
        }
        Ok(())
    }
}
