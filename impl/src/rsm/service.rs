//! A replicated service for programs: start a server, submit, read.

use super::StateMachine;
use crate::mailbox::Refusal;
use crate::peer;
use crate::raft::{Callers, Error, Host, Network, Options, Outcome, Request, Server, Status, What};
use crate::waiter::{Abandoned, Teller, waiter};
use crate::wal::{GroupId, Identity};
use protocol::NodeId;
use std::path::Path;

/// Those who wait in other threads of this program.
struct Threads;

impl<S: StateMachine> Callers<S> for Threads {
    type Caller = Teller<Outcome<S::Reply>>;

    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<S::Reply>) {
        // Whoever does not wait any more does not want to know.
        let _ = caller.tell(outcome);
    }

    fn flush(&mut self) {}
}

/// One server of a replicated service (the labs' `rsm`).
///
/// It is one of the group's voters and runs in threads of its own; any thread may submit. On a server that does not
/// lead, a command is passed on to the leader, and a read asks the leader how far this server must have come.
pub struct Rsm<S: StateMachine> {
    server: Server<S, Threads>,
}

/// Why there is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoReply {
    /// The command was not executed and never will be; submitting it again is safe.
    #[error("not executed: no leader is known to this server, or it changed. Submit it again")]
    NotExecuted {
        /// Who leads, if this server knows.
        leader: Option<NodeId>,
    },
    /// The command was not executed and never will be.
    #[error("not executed: too many wait for this server. Submit it again later")]
    Busy,
    /// Nobody knows whether the command was executed, or will be.
    #[error(
        "nobody knows whether it was executed, or will be: its server lost the lead or the time was over"
    )]
    Unknown,
    /// The server has stopped. A command that was submitted before may have been executed.
    #[error("the server has stopped, so nobody knows whether it was executed")]
    Stopped,
}

impl NoReply {
    /// A reply, or why there is none.
    pub(crate) fn of<Y>(answer: Result<Outcome<Y>, Abandoned>) -> Result<Y, Self> {
        match answer {
            Ok(Outcome::Done(reply)) => Ok(reply),
            Ok(Outcome::NotExecuted { leader }) => Err(Self::NotExecuted { leader }),
            Ok(Outcome::Busy) => Err(Self::Busy),
            Ok(Outcome::Unknown) => Err(Self::Unknown),
            Err(Abandoned) => Err(Self::Stopped),
        }
    }
}

impl<S: StateMachine> Rsm<S> {
    /// Starts a server from what its folder has; an empty folder is a server that has never run. `empty` is the service
    /// before the first command. Without a `network` it is a group of one.
    ///
    /// # Errors
    /// If the folder can't be used, is damaged, or belongs to somebody else.
    pub fn start(
        folder: &Path,
        identity: Identity,
        options: Options,
        network: Option<peer::Options>,
        empty: S,
    ) -> Result<Self, Error> {
        Ok(Self { server: Server::start(folder, identity, options, network, empty, Threads)? })
    }

    /// Starts a group's server on a host that others are on too: they have one log.
    ///
    /// # Errors
    /// If what the log has of the group is no state of this service, or its server was started there before.
    pub fn start_at(
        host: &Host,
        group: GroupId,
        options: Options,
        network: impl Into<Network>,
        empty: S,
    ) -> Result<Self, Error> {
        Ok(Self { server: host.start(group, options, network, empty, Threads)? })
    }

    /// Submits a command and waits for its reply.
    ///
    /// # Errors
    /// See [`NoReply`]: only after [`NoReply::Unknown`] and [`NoReply::Stopped`] may it have been executed.
    ///
    /// # Panics
    /// If the command can't be written down by serde, such as a sequence that does not know its length.
    pub fn submit(&self, command: &S::Command) -> Result<S::Reply, NoReply> {
        let bytes = super::encode(command).expect("a command is plain data");
        self.ask(What::Command(bytes))
    }

    /// Asks and waits for the answer. It is linearizable: it is no older than anything that was told to anybody before.
    ///
    /// # Errors
    /// See [`NoReply`].
    pub fn read(&self, query: S::Query) -> Result<S::Reply, NoReply> {
        self.ask(What::Query(query))
    }

    fn ask(&self, what: What<S::Query>) -> Result<S::Reply, NoReply> {
        let (teller, answer) = waiter();
        let request = Request { caller: teller, what, forwards: true };
        if let Err(refused) = self.server.handle().post(vec![request]) {
            return Err(match refused.why {
                Refusal::Full => NoReply::Busy,
                Refusal::Closed => NoReply::NotExecuted { leader: None },
            });
        }
        NoReply::of(answer.wait())
    }

    /// What it shows of itself.
    pub fn status(&self) -> Status {
        self.server.shared().get()
    }

    /// Stops it. What was acknowledged is on the disk.
    ///
    /// # Errors
    /// Why it had stopped already, by itself.
    pub fn stop(self) -> Result<(), Error> {
        self.server.stop();
        self.server.wait()
    }
}
