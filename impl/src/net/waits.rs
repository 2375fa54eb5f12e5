//! Who waits for a key to have a higher version (KV.WAIT).
//!
//! The core looks, after each round in which something was applied, for keys whose version has risen, and says so
//! once; the answer itself is an ordinary read, asked then, so it is as fresh as any.

use super::callers::Caller;
use crate::session::Answer;
use crate::sync::{AtomicU64, Mutex, Ordering};
use protocol::kv::{Bytes, Reply, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One who waits.
#[derive(Clone, Debug)]
pub struct Wait {
    /// Who.
    pub caller: Caller,
    /// For which key.
    pub key: Bytes,
    /// The version that it has seen.
    pub version: Version,
    /// Until when, in milliseconds since the node's start; none: for ever.
    pub until: Option<u64>,
}

/// All who wait on this node.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Mutex<BTreeMap<Caller, Wait>>,
    /// How many, so that the core need not lock when nobody waits.
    count: AtomicU64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { all: Mutex::new(BTreeMap::new()), count: AtomicU64::new(0) }
    }
}

impl Waits {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Caller, Wait>) -> T) -> T {
        let mut all = self.0.all.lock();
        let result = change(&mut all);
        self.0.count.store(all.len() as u64, Ordering::Release);
        result
    }

    /// Whether nobody waits.
    pub fn nobody(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    /// Notes one. It must be noted before it asks for the first time, so that no rise goes unseen.
    pub fn add(&self, wait: Wait) {
        self.change(|all| all.insert(wait.caller, wait));
    }

    /// Whether the answer is one for its caller: of one who waits, only if the version is above the one seen.
    pub fn ends(&self, caller: Caller, answer: &Answer) -> bool {
        if self.nobody() {
            return true;
        }
        self.change(|all| {
            let Some(wait) = all.get(&caller) else { return true };
            matches!(answer, Answer::Reply(Reply::Value { version, .. }) if *version > wait.version)
        })
    }

    /// The call is answered.
    pub fn forget_call(&self, caller: Caller) {
        if !self.nobody() {
            self.change(|all| all.remove(&caller));
        }
    }

    /// The connection is closed.
    pub fn forget(&self, id: u64) {
        if !self.nobody() {
            self.change(|all| all.retain(|caller, _| caller.id != id));
        }
    }

    /// Those whose time is over go.
    pub fn over(&self, now_ms: u64) -> Vec<Caller> {
        if self.nobody() {
            return Vec::new();
        }
        self.change(|all| {
            let over = |wait: &Wait| wait.until.is_some_and(|until| until <= now_ms);
            let gone = all.values().filter(|wait| over(wait)).map(|wait| wait.caller).collect();
            all.retain(|_, wait| !over(wait));
            gone
        })
    }

    /// That of a caller.
    pub fn of(&self, caller: Caller) -> Option<Wait> {
        if self.nobody() {
            return None;
        }
        self.change(|all| all.get(&caller).cloned())
    }

    /// All.
    pub fn all(&self) -> Vec<Wait> {
        if self.nobody() {
            return Vec::new();
        }
        self.change(|all| all.values().cloned().collect())
    }

    /// When the next one's time is over.
    pub fn next(&self) -> Option<u64> {
        if self.nobody() {
            return None;
        }
        self.change(|all| all.values().filter_map(|wait| wait.until).min())
    }

    /// Those whose key has risen by what `version` says.
    pub fn woken(&self, version: impl Fn(&Bytes) -> Version) -> Vec<Wait> {
        if self.nobody() {
            return Vec::new();
        }
        self.change(|all| {
            all.values().filter(|wait| version(&wait.key) > wait.version).cloned().collect()
        })
    }
}
