//! The core's way to the clients.

use super::waits::{Wait, Waits};
use crate::kv::Kv;
use crate::mailbox::Mailbox;
use crate::raft::{Callers, Outcome};
use crate::rsm::encode;
use crate::session::Answer;
use crate::shardctl::Shardctl;
use crate::shardkv::Shardkv;
use protocol::kv::{Bytes, Version};
use protocol::shardctl::Reply;
use protocol::shardkv::GroupId;

/// A call of a client's: which connection, its session's number, and the place in the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Caller {
    pub(super) token: usize,
    pub(super) id: u64,
    pub(super) place: u64,
}

/// The mail of the clients' thread.
#[derive(Debug)]
pub(super) enum NetMail {
    /// What was told in one round, and by which group's server, if it is one's.
    Told(Option<GroupId>, Vec<(Caller, Outcome<Answer>)>),
    /// A key may have the version that somebody waits for.
    Woken(Wait),
    Stop,
}

/// Collects what clients are told in a round, and sends it off in one go.
#[derive(Debug)]
pub struct NetCallers {
    mail: Mailbox<NetMail>,
    group: Option<GroupId>,
    told: Vec<(Caller, Outcome<Answer>)>,
    waits: Waits,
}

impl NetCallers {
    pub(super) const fn new(mail: Mailbox<NetMail>, group: Option<GroupId>, waits: Waits) -> Self {
        Self { mail, group, told: Vec::new(), waits }
    }

    fn wake(&self, version: impl Fn(&Bytes) -> Version) {
        for wait in self.waits.woken(version) {
            // The clients' thread is gone: nobody waits.
            let _ = self.mail.post_always(NetMail::Woken(wait));
        }
    }

    fn send(&mut self) {
        if !self.told.is_empty() {
            let told = std::mem::take(&mut self.told);
            let _ = self.mail.post_always(NetMail::Told(self.group, told));
        }
    }
}

impl Callers<Kv> for NetCallers {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<Answer>) {
        self.told.push((caller, outcome));
    }

    fn applied(&mut self, service: &Kv) {
        self.wake(|key| service.0.get(key).map_or(0, |(_, version)| version));
    }

    fn flush(&mut self) {
        self.send();
    }
}

impl Callers<Shardctl> for NetCallers {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<Reply>) {
        let outcome = match outcome {
            Outcome::Done(reply) => {
                Outcome::Done(Answer::Control(encode(&reply).expect("a reply is plain data")))
            }
            Outcome::NotExecuted { leader } => Outcome::NotExecuted { leader },
            Outcome::Busy => Outcome::Busy,
            Outcome::Unknown => Outcome::Unknown,
        };
        self.told.push((caller, outcome));
    }

    fn flush(&mut self) {
        self.send();
    }
}

impl Callers<Shardkv> for NetCallers {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<Answer>) {
        self.told.push((caller, outcome));
    }

    /// A key that the group does not serve is another's, which wakes those who wait for it.
    fn applied(&mut self, service: &Shardkv) {
        let group = &service.0;
        self.wake(|key| match group.serves(key.slot()) {
            Ok(()) => group.store().get(key).map_or(0, |(_, version)| version),
            Err(_) => 0,
        });
    }

    fn flush(&mut self) {
        self.send();
    }
}
