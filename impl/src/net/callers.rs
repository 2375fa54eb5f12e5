//! The core's way to the clients.

use super::waits::{Wait, Waits};
use crate::kv::Kv;
use crate::mailbox::Mailbox;
use crate::raft::{Callers, Outcome};
use crate::session::Answer;

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
    /// What was told in one round.
    Told(Vec<(Caller, Outcome<Answer>)>),
    /// A key may have the version that somebody waits for.
    Woken(Wait),
    Stop,
}

/// Collects what clients are told in a round, and sends it off in one go.
#[derive(Debug)]
pub struct NetCallers {
    mail: Mailbox<NetMail>,
    told: Vec<(Caller, Outcome<Answer>)>,
    waits: Waits,
}

impl NetCallers {
    pub(super) const fn new(mail: Mailbox<NetMail>, waits: Waits) -> Self {
        Self { mail, told: Vec::new(), waits }
    }
}

impl Callers<Kv> for NetCallers {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<Answer>) {
        self.told.push((caller, outcome));
    }

    fn applied(&mut self, service: &Kv) {
        let version = |key: &_| service.0.get(key).map_or(0, |(_, version)| version);
        for wait in self.waits.woken(version) {
            // The clients' thread is gone: nobody waits.
            let _ = self.mail.post_always(NetMail::Woken(wait));
        }
    }

    fn flush(&mut self) {
        if !self.told.is_empty() {
            let told = std::mem::take(&mut self.told);
            let _ = self.mail.post_always(NetMail::Told(told));
        }
    }
}
