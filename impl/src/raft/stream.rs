//! Raft for programs that keep their state themselves (lab 3): commands go in, and come out in the same order on every
//! server; now and then the program hands over a snapshot of its state, and the log is cut.

use super::{Callers, Error, Mail, Options, Outcome, Request, Server, Status, What};
use crate::mailbox::{Mailbox, Refusal};
use crate::peer;
use crate::rsm::{NoReply, StateMachine};
use crate::sync::Mutex;
use crate::waiter::{Teller, waiter};
use crate::wal::Identity;
use protocol::kv::Stamp;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// A command's number: the first has 1, and no number is left out. (The labs' index: Raft's own counts the no-ops of
/// leaders too.)
pub type Number = u64;

/// What comes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Applied {
    /// The next command.
    Command {
        /// Its number.
        number: Number,
        /// The command.
        command: Vec<u8>,
        /// Its stamp on the group's clock, in milliseconds since 1970.
        time: Stamp,
    },
    /// The program's state is to be replaced by this one: at a start, or because this server was left far behind.
    Snapshot {
        /// The last command in it.
        number: Number,
        /// The state, as the program had handed it over here or on another server.
        state: Vec<u8>,
    },
}

/// The service that applies a command by handing it out.
#[derive(Clone, Debug)]
struct Stream {
    count: Number,
    /// The last command in `state`.
    base: Number,
    state: Arc<[u8]>,
    /// What was not handed out yet. Clones share it; only the core's own is looked at.
    fresh: Arc<Mutex<Vec<Applied>>>,
}

impl Stream {
    fn new(base: Number, state: Vec<u8>, fresh: Vec<Applied>) -> Self {
        Self { count: base, base, state: state.into(), fresh: Arc::new(Mutex::new(fresh)) }
    }
}

impl StateMachine for Stream {
    type Command = Vec<u8>;
    type Query = ();
    type Reply = Number;

    fn apply(&mut self, time: Stamp, command: Vec<u8>) -> Number {
        self.count += 1;
        let number = self.count;
        self.fresh.lock().push(Applied::Command { number, command, time });
        number
    }

    fn read(&self, (): &()) -> Number {
        self.count
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.base.to_le_bytes())?;
        out.write_all(&self.state)
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut base = [0; 8];
        bytes.read_exact(&mut base)?;
        let number = Number::from_le_bytes(base);
        let mut state = Vec::new();
        bytes.read_to_end(&mut state)?;
        let fresh = vec![Applied::Snapshot { number, state: state.clone() }];
        Ok(Self::new(number, state, fresh))
    }
}

/// Hands out what was applied.
struct Out(Mailbox<Applied>);

impl Callers<Stream> for Out {
    type Caller = Teller<Outcome<Number>>;

    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<Number>) {
        // Whoever does not wait any more does not want to know.
        let _ = caller.tell(outcome);
    }

    fn applied(&mut self, service: &Stream) {
        let mut fresh = std::mem::take(&mut *service.fresh.lock());
        for applied in fresh.drain(..) {
            // Nobody takes any more: the program ends.
            let _ = self.0.post_always(applied);
        }
    }

    fn flush(&mut self) {}
}

/// What was applied, in order. Take it from one thread, and take it steadily: what is not taken stays in memory.
#[derive(Debug)]
pub struct ApplyStream {
    mail: Mailbox<Applied>,
    taken: std::vec::IntoIter<Applied>,
}

impl Iterator for ApplyStream {
    type Item = Applied;

    /// The next one, when it is there; none when the server has stopped.
    fn next(&mut self) -> Option<Applied> {
        loop {
            if let Some(applied) = self.taken.next() {
                return Some(applied);
            }
            let mut taken = Vec::new();
            if !self.mail.take(&mut taken) {
                return None;
            }
            self.taken = taken.into_iter();
        }
    }
}

/// One server of a Raft group.
pub struct Raft {
    server: Server<Stream, Out>,
    out: Mailbox<Applied>,
}

impl Raft {
    /// Starts a server from what its folder has. The stream begins with the last snapshot, if there is one, and goes on
    /// with the commands behind it. Without a `network` it is a group of one. `options.snapshot_bytes` means
    /// nothing here: the program says when. Nor does `options.record`: a replay knows nothing of the program.
    ///
    /// # Errors
    /// If the folder can't be used, is damaged, or belongs to somebody else.
    pub fn start(
        folder: &Path,
        identity: Identity,
        options: Options,
        network: Option<peer::Options>,
    ) -> Result<(Self, ApplyStream), Error> {
        let out = Mailbox::new(1);
        let options = Options { snapshot_bytes: u64::MAX / 4, record: None, ..options };
        let empty = Stream::new(0, Vec::new(), Vec::new());
        let server = Server::start(folder, identity, options, network, empty, Out(out.clone()))?;
        let stream = ApplyStream { mail: out.clone(), taken: Vec::new().into_iter() };
        Ok((Self { server, out }, stream))
    }

    /// Proposes a command and waits until it is committed: its number.
    ///
    /// # Errors
    /// See [`NoReply`].
    pub fn propose(&self, command: &[u8]) -> Result<Number, NoReply> {
        let (teller, answer) = waiter();
        let bytes = crate::rsm::encode(&command.to_vec()).expect("bytes are plain data");
        let request = Request { caller: teller, what: What::Command(bytes), forwards: true };
        if let Err(refused) = self.server.handle().post(vec![request]) {
            return Err(match refused.why {
                Refusal::Full => NoReply::Busy,
                Refusal::Closed => NoReply::NotExecuted { leader: None },
            });
        }
        NoReply::of(answer.wait())
    }

    /// Hands over the program's state as it is after the command with this number, which has come out of the stream. It
    /// replaces the log up to there, some time later. A number that was covered before changes nothing.
    pub fn snapshot(&self, number: Number, state: Vec<u8>) {
        let service = Stream::new(number, state, Vec::new());
        // The server has stopped: its log stays as long as it is.
        let _ = self.server.mail.post_always(Mail::Cut { commands: number, service });
    }

    /// What it shows of itself.
    pub fn status(&self) -> Status {
        self.server.shared().get()
    }

    /// Stops it, and the stream ends.
    ///
    /// # Errors
    /// Why it had stopped already, by itself.
    pub fn stop(self) -> Result<(), Error> {
        self.server.stop();
        let ended = self.server.wait();
        self.out.close();
        ended
    }
}
