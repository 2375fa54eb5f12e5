//! A life begins: from what the lives in front of it have left on the disk, and from nothing else.

use super::super::post::Shared;
use super::Node;
use super::step::claimed;
use protocol::log::{Durable, Entry};
use protocol::rsm::{Rsm, Rules};
use protocol::{Write, raft};
use quorate::raft::snapshot_sum;
use quorate::rsm::{Coded, StateMachine};
use quorate::trace::{Boot, log_hash};
use quorate::wal::Bytes;

/// A start, and as much of what it speaks of as was read.
pub struct Booting {
    boot: Boot,
    entries: Vec<Entry<Bytes>>,
    bytes: Vec<u8>,
}

impl Booting {
    /// Whether as much was read as it speaks of.
    fn is_whole(&self) -> bool {
        let there = (self.entries.len() as u64, self.bytes.len() as u64);
        self.boot.whole.as_ref().is_none_or(|whole| there == (whole.entries, whole.bytes))
    }
}

/// Whether a disk has what a start has found.
fn is_found(boot: &Boot, disk: &Durable<Bytes>) -> bool {
    let same = (boot.hard, &boot.terms) == (disk.hard, &disk.terms);
    same && boot.log == log_hash(&disk.log, disk.snapshot().last.index + 1)
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Node<S, R, W> {
    pub(super) fn begin_life(&mut self, boot: Boot, shared: &Shared<S>) -> Result<(), String> {
        self.copied = None;
        if self.step > 0 || self.booting.is_some() {
            return Err("a start in the middle of a life".into());
        }
        if (boot.config.me, boot.config.voters) != (self.config.me, self.config.voters) {
            return Err(format!(
                "it starts as {:?} of {:?}, and was {:?} of {:?}",
                boot.config.me, boot.config.voters, self.config.me, self.config.voters
            ));
        }
        if self.life > 1 && boot.first_read < self.next_read {
            return Err(format!(
                "its reads are numbered from {} on, and an earlier life has come to {}",
                boot.first_read, self.next_read
            ));
        }
        self.machine = None;
        self.beside.begin();
        self.armed.clear();
        self.callers.clear();
        self.reads.clear();
        if boot.whole.is_none() {
            self.find_disk(&boot)?;
        } else if self.life > 1 {
            return Err("only the first life of a trace brings its own beginning along".into());
        }
        let _ = shared;
        self.booting = Some(Booting { boot, entries: Vec::new(), bytes: Vec::new() });
        Ok(())
    }

    /// What was durable, and of what was under way the first so many writes.
    fn find_disk(&mut self, boot: &Boot) -> Result<(), String> {
        let before = self.disk.clone();
        let pending = std::mem::take(&mut self.pending);
        let under_way = pending.len();
        let mut rest = pending.into_iter();
        loop {
            if is_found(boot, &self.disk) {
                return Ok(());
            }
            let Some((write, entries)) = rest.next() else { break };
            self.disk.apply(&write, entries.into_iter());
        }
        Err(format!(
            "it starts from what was not durable: {:?} {:?} (commands {:016x}). Durable was {:?} {:?} (commands \
             {:016x}), and with the {under_way} writes that were under way {:?} {:?}",
            boot.hard,
            boot.terms,
            boot.log,
            before.hard,
            before.terms,
            log_hash(&before.log, before.snapshot().last.index + 1),
            self.disk.hard,
            self.disk.terms,
        ))
    }

    pub(super) fn more_entries(
        &mut self,
        entries: impl Iterator<Item = Entry<Bytes>>,
    ) -> Result<(), String> {
        let booting = self.booting.as_mut().ok_or("entries that belong to no start")?;
        booting.entries.extend(entries);
        Ok(())
    }

    pub(super) fn more_state(&mut self, bytes: &[u8]) -> Result<(), String> {
        let booting = self.booting.as_mut().ok_or("a state that belongs to no start")?;
        booting.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// A life may end before its first step is in its trace: it has begun all the same. Only of one that ends within
    /// its beginning nothing can be said.
    pub(super) fn end_life(&mut self, shared: &mut Shared<S>) -> Result<(), String> {
        match self.booting.take() {
            Some(booting) if booting.is_whole() => self.finish_boot(booting, shared),
            booting => {
                self.torn |= booting.is_some();
                Ok(())
            }
        }
    }

    /// Builds the machine of this life.
    pub(super) fn finish_boot(
        &mut self,
        booting: Booting,
        shared: &mut Shared<S>,
    ) -> Result<(), String> {
        if !booting.is_whole() {
            return Err("what it begins with is cut short".into());
        }
        let Booting { boot, entries, bytes } = booting;
        let id = boot.terms.snapshot();
        let service = match boot.whole {
            Some(_) => {
                self.believe(&boot, entries, shared)?;
                Coded::<S>::restore(&mut bytes.as_slice()).map_err(|error| error.to_string())?
            }
            None if id.last.index == 0 => Coded::new(self.empty.clone()),
            None if !self.files.contains(&id) => {
                return Err(format!("it starts from snapshot {id:?}, whose file it never had"));
            }
            None => {
                let state = shared.state(id).ok_or("it starts from a snapshot that nobody made")?;
                state.0.clone()
            }
        };
        if id.last.index > 0 {
            let sum = snapshot_sum(id, &service).map_err(|error| error.to_string())?;
            if boot.sum != Some(sum) {
                return Err(format!(
                    "the file of snapshot {id:?} from which it starts is not of the state that was copied for it"
                ));
            }
            self.files.insert(id);
            shared.keep(id, service.clone(), sum);
        }
        if service.service.print() != boot.print {
            return Err("the store with which it starts is not that of its snapshot".into());
        }
        self.told = id.last.index;
        self.next_read = boot.first_read;
        let durable = self.disk.clone();
        let (rules, config, first_read) = (self.rules, boot.config, boot.first_read);
        let machine = claimed(|| Rsm::new(rules, config, durable, service, first_read));
        let no_server = |claim| format!("it starts from what no server has: {claim}");
        self.machine = Some(machine.map_err(no_server)?);
        Ok(())
    }

    /// What a node had when its first trace began is taken as it is.
    fn believe(
        &mut self,
        boot: &Boot,
        entries: Vec<Entry<Bytes>>,
        shared: &mut Shared<S>,
    ) -> Result<(), String> {
        let id = boot.terms.snapshot();
        let mut disk = Durable::default();
        disk.apply(&Write::HardState(boot.hard), std::iter::empty());
        if id.last.index > 0 {
            disk.apply(&Write::Snapshot { id, keep: false }, std::iter::empty());
        }
        for (index, entry) in (id.last.index + 1..).zip(entries) {
            let term = boot.terms.term_at(index).ok_or("more entries than terms")?;
            if !shared.write_entry(protocol::LogId::new(term, index), &entry) {
                return Err(format!("it has another entry {term}.{index} than others have"));
            }
            let append = Write::Append { first: index, term, count: 1 };
            disk.apply(&append, std::iter::once(entry));
        }
        if !is_found(boot, &disk) {
            return Err("what it begins with is not what it says of it".into());
        }
        self.disk = disk;
        Ok(())
    }
}
