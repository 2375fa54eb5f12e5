//! The replicated store's model on threads: servers of the store that ships, and clients who hear what they are told.
//!
//! The clients are the model's: what one hands to a server comes from its Clerk, and is handed to a real server. What a
//! server tells waits here until the path says that its client hears it.

use super::play::{Moved, Play};
use super::scene::{MachineOf, Scene};
use model::bounds::Bounds;
use model::cluster;
use model::group::{
    Action, FRESH, Group, Handed, Letter, Message, SERVICE, Sending, Served, Stimulus, TELLS,
};
use model::node::{self, DiskFault, Node, Recipe};
use protocol::NodeId;
use protocol::kv::clerk;
use protocol::kv::{Command, Op, Reply, Stamp, Work};
use protocol::log::Entry;
use protocol::raft::Paper;
use protocol::rsm::{Outcome, Rules, Ticket};
use quorate::kv::{Admitted, Kv, MAX_VALUE_BYTES};
use quorate::raft::What;
use quorate::rsm::{self, StateMachine};
use quorate::session::{Answer, Query};
use quorate::wal::Bytes;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Read, Write};

/// The store, and which sendings it has applied: two sendings of a call are told apart, as in the model.
#[derive(Clone, Debug, Default)]
pub struct Shelved {
    kv: Kv,
    applied: Vec<(Ticket, Command)>,
    /// Whether its snapshots lack the records by which no call is executed twice: for a mutant.
    forgets: bool,
}

/// A command as the threads' log has it.
type Told = (Ticket, Admitted);

fn admitted(command: &Command) -> Admitted {
    let value_bytes = u32::try_from(MAX_VALUE_BYTES).unwrap_or(u32::MAX);
    Admitted { work: Work::Command(command.clone()), value_bytes }
}

impl Shelved {
    /// The store as these commands make it, without a trace of who has sent them.
    fn without_records(&self) -> Kv {
        let mut kv = Kv::new();
        let mut known = BTreeSet::new();
        for (_, command) in &self.applied {
            if known.insert(format!("{:?}", command.once)) {
                kv.apply(0, admitted(&Command { once: None, ..command.clone() }));
            }
        }
        kv
    }
}

impl StateMachine for Shelved {
    type Command = Told;
    type Query = Query;
    type Reply = Answer;

    fn apply(&mut self, time: Stamp, (ticket, admitted): Told) -> Answer {
        if let Work::Command(command) = &admitted.work {
            self.applied.push((ticket, command.clone()));
        }
        self.kv.apply(time, admitted)
    }

    fn read(&self, query: &Query) -> Answer {
        self.kv.read(query)
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut store = Vec::new();
        let kv = if self.forgets { &self.without_records() } else { &self.kv };
        kv.snapshot(&mut store)?;
        let all = (&self.applied, self.forgets, store);
        out.write_all(&rsm::encode(&all).map_err(io::Error::other)?)
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        let (applied, forgets, store): (_, _, Vec<u8>) = rsm::decode(&all)?;
        Ok(Self { kv: Kv::restore(&mut &store[..])?, applied, forgets })
    }
}

/// What a script keeps in mind of callers.
#[derive(Default)]
pub struct Callers {
    /// Who reads.
    reads: BTreeSet<Ticket>,
    /// What was told.
    mail: BTreeSet<Letter>,
    /// What of it was told in this step.
    fresh: Vec<Letter>,
    /// Who was told that the command was not executed and never will be.
    refused: BTreeSet<Ticket>,
    /// Who was told a reply.
    done: Vec<(Ticket, Reply)>,
}

impl<W: Rules> Scene for Group<W> {
    type Recipe = Served<W>;
    type Service = Shelved;
    type Word = (Ticket, Command);
    type Notes = Callers;

    const READS: &'static str = FRESH;

    fn servers(state: &Self::State) -> &cluster::State<Served<W>> {
        &state.servers
    }

    fn server_bounds(&self) -> Bounds {
        self.bounds.servers
    }

    /// A snapshot that lacks the records is one of the service, which is the script's.
    fn fault(&self) -> DiskFault {
        match self.cluster().server(NodeId(0)).fault {
            DiskFault::ForgetsRecords => DiskFault::None,
            other => other,
        }
    }

    fn rules(&self) -> (Paper, W) {
        self.cluster().server(NodeId(0)).rules.rules()
    }

    fn empty(&self) -> Shelved {
        let forgets = self.cluster().server(NodeId(0)).fault == DiskFault::ForgetsRecords;
        Shelved { forgets, ..Shelved::default() }
    }

    fn word(sending: &Sending) -> (Ticket, Command) {
        (sending.ticket, sending.command.clone())
    }

    fn word_of(payload: &Bytes) -> (Ticket, Command) {
        let (_, command) = rsm::unstamped(payload).expect("what is in the log was checked");
        let (ticket, admitted): Told =
            rsm::decode(command).expect("what is in the log was checked");
        match admitted.work {
            Work::Command(command) => (ticket, command),
            other => panic!("a script submits commands only, and no {other:?}"),
        }
    }

    fn read_id(life: u64, number: u64) -> u64 {
        life * 100 + number
    }

    fn delivered(action: &Action) -> Option<(Id, Id, &Message)> {
        match action {
            ActorModelAction::Deliver { src, dst, msg } => Some((*src, *dst, msg)),
            _ => None,
        }
    }

    fn lost(action: &Action) -> Option<(Id, Id, &Message)> {
        match action {
            ActorModelAction::Drop(Envelope { src, dst, msg }) => Some((*src, *dst, msg)),
            _ => None,
        }
    }

    fn can(play: &Play<Self>, action: &Action) -> Result<(), String> {
        match action {
            ActorModelAction::Timeout(_, Stimulus::Hear(letter)) => {
                let told = play.notes.mail.contains(letter);
                if told { Ok(()) } else { Err("nobody was told that".into()) }
            }
            ActorModelAction::Timeout(_, Stimulus::Call(..) | Stimulus::Retry(..)) => Ok(()),
            ActorModelAction::Timeout(id, Stimulus::Server(stimulus)) => {
                play.can_happen(NodeId(usize::from(*id) as u8), stimulus)
            }
            _ => Err("this script has no such step".into()),
        }
    }

    fn perform(
        play: &mut Play<Self>,
        action: &Action,
        _: &Self::State,
    ) -> Result<Moved<Self>, String> {
        if let Some(handed) = play.system.handed(&play.state, action) {
            return hand(play, handed).map(Some);
        }
        match action {
            ActorModelAction::Timeout(id, Stimulus::Server(stimulus)) => {
                let node = NodeId(usize::from(*id) as u8);
                // What is copied is what is applied, and the copy is made when the snapshot is.
                if matches!(stimulus, node::Stimulus::Copy) {
                    return Ok(None);
                }
                let copied = &play.state.servers.actor_states[usize::from(*id)].copy;
                if matches!(stimulus, node::Stimulus::Compact)
                    && copied.as_ref().is_some_and(|copy| copy.0 < play.machine(node).applied())
                {
                    return Err("a snapshot of less than what is applied is not played".into());
                }
                let came = play.happens(node, stimulus)?;
                Ok(Some((node, came.ok_or("this script has no such step")?)))
            }
            ActorModelAction::Timeout(_, Stimulus::Hear(_)) => Ok(None),
            _ => Err("this script has no such step".into()),
        }
    }

    fn told(play: &mut Play<Self>, server: NodeId, ticket: Ticket, outcome: &Outcome<Answer>) {
        let read = play.notes.reads.remove(&ticket);
        let answer = match outcome {
            Outcome::Done(Answer::Reply(reply)) => {
                if read {
                    let applied = play.machine(server).applied();
                    play.judge.answered(ticket, applied);
                } else {
                    play.notes.done.push((ticket, reply.clone()));
                }
                clerk::Answer::Reply(reply.clone())
            }
            Outcome::NotExecuted { leader } => {
                if !read {
                    play.notes.refused.insert(ticket);
                }
                clerk::Answer::NotExecuted { leader: *leader }
            }
            _ => return,
        };
        let letter = Letter { ticket, answer };
        play.notes.mail.insert(letter.clone());
        play.notes.fresh.push(letter);
    }

    fn stepped(play: &mut Play<Self>, node: NodeId) -> Result<(), String> {
        let letters = play.state.mail.iter();
        if let Some(untold) = letters.clone().find(|letter| !play.notes.mail.contains(letter)) {
            return Err(format!("the threads have not told {untold:?}"));
        }
        let fresh = std::mem::take(&mut play.notes.fresh);
        let (mail, clients) = (&play.state.mail, &play.state.clients);
        let more =
            |letter: &&Letter| !mail.contains(letter) && play.system.matters(clients, letter);
        if let Some(more) = fresh.iter().find(more) {
            return Err(format!("the threads have told {more:?}, and the model has not"));
        }
        judge_tells(play);
        // A server's service is what the committed history makes of an empty store.
        let machine = play.machine(node);
        let (applied, print) = (machine.applied(), machine.service().service.kv.print());
        let mut kv = Kv::new();
        for entry in play.judge.history().take(applied as usize) {
            if let Entry::Command((_, command)) = entry {
                kv.apply(0, admitted(command));
            }
        }
        if print != kv.print() {
            play.judge.broke(SERVICE);
        }
        Ok(())
    }

    fn compare(node: &Node<Served<W>>, machine: &MachineOf<Self>) -> Result<(), String> {
        let (model, threads) = (node.rsm.service().store(), &machine.service().service.kv.0);
        if model.print() != threads.print() {
            return Err(format!("the store differs: {model:?} and {threads:?}"));
        }
        let (model, threads) = (node.rsm.waiting(), machine.waiting());
        if model != threads {
            return Err(format!("{model} callers wait in the model, {threads} on the threads"));
        }
        Ok(())
    }
}

/// A client hands something to a server.
fn hand<W: Rules>(
    play: &mut Play<Group<W>>,
    handed: Handed,
) -> Result<(NodeId, super::scene::CameOf<Group<W>>), String> {
    let Handed { to, ticket, command } = handed;
    let what = if command.op == Op::Get {
        play.judge.asked(ticket);
        play.notes.reads.insert(ticket);
        What::Query(Query::Op { key: command.key, op: Op::Get })
    } else {
        let told: Told = (ticket, admitted(&command));
        What::Command(rsm::encode(&told).map_err(|error| error.to_string())?)
    };
    Ok((to, play.actor(to).ask_one(ticket, what, false)?))
}

/// Whoever was told a reply was told the one of its command, and who was told that it was not executed was told the
/// truth.
fn judge_tells<W: Rules>(play: &mut Play<Group<W>>) {
    let mut kv = Kv::new();
    let mut replies = Vec::new();
    for entry in play.judge.history() {
        if let Entry::Command((ticket, command)) = entry
            && let Answer::Reply(reply) = kv.apply(0, admitted(command))
        {
            replies.push((*ticket, reply));
        }
    }
    let refused = &play.notes.refused;
    let executed = replies.iter().any(|(ticket, _)| refused.contains(ticket));
    if executed || play.notes.done.iter().any(|done| !replies.contains(done)) {
        play.judge.broke(TELLS);
    }
}
