//! The server: its store, the leader's estimate of the time, and a resource that asks for fencing versions.
//!
//! The estimate is the stamp of the next entry. Leaders follow each other and their clocks differ, so it may jump
//! forwards and back within a scene's bounds; the store takes the largest stamp that it has seen.

use super::direct::{Ask, Told};
use super::event::Event;
use super::probes::Corner;
use protocol::kv::clerk::Request;
use protocol::kv::lock::Fence;
use protocol::kv::{
    Bytes, ClientId, Command, KeyOp, Limits, Op, Reply, Rules, Seq, Stamp, Store, StringOp,
    Transaction, Version, When, Work,
};

/// The server's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Server<R> {
    /// The shared machine.
    pub store: Store<R>,
    /// The stamp of the next entry.
    pub estimate: Stamp,
    fence: Fence<R>,
    rules: R,
    limits: Limits,
    /// Whether what was applied is told to the mirror, and reads go without the log.
    mirrored: bool,
    /// See [`Event`]. Empty in every state that a checker sees.
    pub events: Vec<Event>,
}

/// What a store shows: its clock, and of each key that is there its value, version and deadline.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Shown {
    /// The group's clock.
    pub clock: Stamp,
    /// The keys.
    pub keys: Vec<(Bytes, Kept)>,
    /// Whether a key is due and was not taken out yet.
    pub due: bool,
}

/// A key's value, version and deadline.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Kept {
    /// The value.
    pub value: Bytes,
    /// The version.
    pub version: Version,
    /// The deadline.
    pub ends: Option<Stamp>,
}

/// What an entry of the log, or a read, did.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Applied {
    /// The entry's stamp; none for a read.
    pub stamp: Option<Stamp>,
    /// The client that asked, by its number; 0 for the server itself.
    pub client: u8,
    /// Whose record it has, and under which number.
    pub once: Option<(ClientId, Seq)>,
    /// What was to be done.
    pub work: Work,
    /// What the caller is told.
    pub reply: Reply,
    /// How many keys a tick took out.
    pub gone: usize,
    /// What the store shows then.
    pub shown: Shown,
}

impl<R: Rules> Server<R> {
    /// A server with an empty store.
    pub fn new(rules: R, limits: Limits, mirrored: bool) -> Self {
        let (store, fence) = (Store::new(rules, limits), Fence::new(rules));
        Self { store, estimate: 0, fence, rules, limits, mirrored, events: Vec::new() }
    }

    /// Answers a clerk's request.
    pub fn request(&mut self, client: usize, request: Request) -> Reply {
        let Request { seq, command, .. } = request;
        let writes = command.op.writes();
        let key = command.key.clone();
        let token = match &command.op {
            Op::String(StringOp::Set { when: When::Equal(token), .. }) => token.clone(),
            _ => Bytes::default(),
        };
        let (reply, changed) = self.work(client, seq, Work::Command(command));
        if !changed && writes {
            self.events.push(Event::Unchanged { reply: reply.clone() });
            // A SET that is executed gives its key another version.
            if reply == Reply::Ok {
                self.events.push(Event::Reached(Corner::FromRecord));
            }
            let held = self.store.get(&key).is_some_and(|(value, _)| *value != Bytes::default());
            if held && reply == Reply::Nil && token != Bytes::default() {
                self.events.push(Event::Reached(Corner::CameLate));
            }
        }
        reply
    }

    /// Answers what was asked past a clerk.
    pub fn ask(&mut self, client: usize, seq: Seq, ask: Ask) -> Told {
        match ask {
            Ask::Watch(key) => {
                let seen = self.store.seen(&key);
                self.events.push(Event::Watched { client: client as u8, key });
                Told::Seen(seen)
            }
            Ask::Work(work) => {
                let (reply, changed) = self.work(client, seq, work);
                if !changed {
                    self.events.push(Event::Unchanged { reply: reply.clone() });
                }
                Told::Reply(reply)
            }
            Ask::Scan { cursor } => {
                let (next, found) = self.store.scan(cursor, 1);
                let (client, begins, ends) = (client as u8, cursor == 0, next == 0);
                self.events.push(Event::Scanned { client, begins, ends, found });
                Told::Scanned { next }
            }
            Ask::Use { version } => {
                let admitted = self.fence.admit(version);
                self.events.push(Event::Used { version, admitted });
                Told::Admitted(admitted)
            }
        }
    }

    /// Proposes a tick. Says whether it changed anything.
    pub fn tick(&mut self) -> bool {
        let before = self.store.clone();
        let gone = self.store.tick(self.estimate);
        let applied = self.applied(Some(self.estimate), 0, Work::Tick, Reply::Ok, gone);
        self.events.push(Event::Applied(applied));
        self.store != before
    }

    /// Begins anew from a snapshot.
    pub fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.store.encode(&mut bytes);
        let read = Store::decode(self.rules, self.limits, &bytes);
        self.store = read.expect("a store reads its own bytes");
        self.events.push(Event::Restarted);
    }

    fn work(&mut self, client: usize, seq: Seq, work: Work) -> (Reply, bool) {
        if let (true, Work::Command(Command { key, op, .. })) = (self.mirrored, &work)
            && let Some(reply) = self.store.read(key, op)
        {
            let applied = self.applied(None, client as u8, work, reply.clone(), 0);
            self.events.push(Event::Applied(applied));
            return (reply, false);
        }
        let stamp = self.estimate;
        let keys = keys(&self.store, &work);
        let before = there(&aged(&self.store, stamp), &keys);
        let reply = self.store.work(stamp, &work);
        let after = there(&self.store, &keys);
        let changes = keys.into_iter().zip(before.into_iter().zip(after));
        let changes = changes.filter(|(_, (before, after))| before != after);
        let version = |after: Option<(Bytes, Version)>| after.map(|(_, version)| version);
        let changes: Vec<_> = changes.map(|(key, (_, after))| (key, version(after))).collect();
        let changed = !changes.is_empty();
        if changed {
            self.events.push(Event::Executed { client, seq, changes });
        }
        if self.mirrored {
            let applied = self.applied(Some(stamp), client as u8, work, reply.clone(), 0);
            self.events.push(Event::Applied(applied));
        }
        (reply, changed)
    }

    fn applied(
        &self,
        stamp: Option<Stamp>,
        client: u8,
        work: Work,
        reply: Reply,
        gone: usize,
    ) -> Applied {
        let once = match &work {
            Work::Command(Command { once, .. }) | Work::Transaction(Transaction { once, .. }) => {
                once.map(|once| (once.client, once.seq))
            }
            Work::Tick | Work::Flush => None,
        };
        Applied { stamp, client, once, work, reply, gone, shown: shown(&self.store) }
    }
}

/// The store when nothing but its clock has gone on: what the clock does is nobody's write.
fn aged<R: Rules>(store: &Store<R>, stamp: Stamp) -> Store<R> {
    let mut aged = store.clone();
    if stamp > store.clock() {
        let nothing = Transaction { watched: Vec::new(), ops: Vec::new(), once: None };
        aged.transact(stamp, &nothing);
    }
    aged
}

/// The keys that this may change.
fn keys<R: Rules>(store: &Store<R>, work: &Work) -> Vec<Bytes> {
    match work {
        Work::Command(command) => vec![command.key.clone()],
        Work::Transaction(transaction) => {
            let mut keys: Vec<_> = transaction.ops.iter().map(|(key, _)| key.clone()).collect();
            keys.sort();
            keys.dedup();
            keys
        }
        Work::Tick => Vec::new(),
        Work::Flush => store.keys().cloned().collect(),
    }
}

/// Value and version of each.
fn there<R: Rules>(store: &Store<R>, keys: &[Bytes]) -> Vec<Option<(Bytes, Version)>> {
    let one = |key| store.get(key).map(|(value, version)| (value.clone(), version));
    keys.iter().map(one).collect()
}

fn shown<R: Rules>(store: &Store<R>) -> Shown {
    let until = Op::Key(KeyOp::Ttl { absolute: true, ms: true });
    let kept = |key: &Bytes| {
        let (value, version) = store.get(key)?;
        let ends = match store.read(key, &until) {
            Some(Reply::Int(ends)) => Stamp::try_from(ends).ok(),
            _ => None,
        };
        Some((key.clone(), Kept { value: value.clone(), version, ends }))
    };
    let due = store.nearest_deadline().is_some_and(|deadline| deadline <= store.clock());
    Shown { clock: store.clock(), keys: store.keys().filter_map(kept).collect(), due }
}
