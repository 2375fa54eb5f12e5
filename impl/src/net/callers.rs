//! The core's way to the clients.

use super::guests::Guests;
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
use std::sync::Arc;

/// A call of a client's: which connection, its session's number, and the place in the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Caller {
    pub(super) token: usize,
    pub(super) id: u64,
    pub(super) place: u64,
}

/// No connection has this token.
const GUEST: usize = usize::MAX;

impl Caller {
    /// Another node, with a call that has this number here.
    pub(super) const fn guest(number: u64) -> Self {
        Self { token: GUEST, id: 0, place: number }
    }

    const fn as_guest(self) -> Option<u64> {
        match self.token {
            GUEST => Some(self.place),
            _ => None,
        }
    }
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
    /// Other nodes, if they ask too, and what they are told.
    guests: Option<Arc<Guests>>,
    told_guests: Vec<(u64, Outcome<Answer>)>,
}

impl NetCallers {
    pub(super) const fn new(
        mail: Mailbox<NetMail>,
        group: Option<GroupId>,
        waits: Waits,
        guests: Option<Arc<Guests>>,
    ) -> Self {
        Self { mail, group, told: Vec::new(), waits, guests, told_guests: Vec::new() }
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
        if let Some(guests) = &self.guests {
            guests.tell(self.told_guests.drain(..));
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
        match caller.as_guest() {
            Some(number) => self.told_guests.push((number, outcome)),
            None => self.told.push((caller, outcome)),
        }
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
