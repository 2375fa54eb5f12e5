//! Raft's model on threads: servers that replicate tags.

use super::play::{Moved, Play};
use super::scene::{MachineOf, Scene};
use model::bounds::Bounds;
use model::cluster::{self, Action, Cluster};
use model::node::{DiskFault, Node, Packet, Stimulus, Tag};
use model::raft::READS;
use protocol::NodeId;
use protocol::raft::Rules;
use protocol::rsm::{Decided, Outcome};
use quorate::raft::What;
use quorate::rsm::{self, StateMachine};
use quorate::wal::Bytes;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Read, Write};

/// The tags that were applied, in order. A reply is how many there were.
#[derive(Clone, Debug, Default)]
pub struct Tags(Vec<Tag>);

impl StateMachine for Tags {
    type Command = Tag;
    type Query = ();
    type Reply = u64;

    fn apply(&mut self, _: u64, tag: Tag) -> u64 {
        self.0.push(tag);
        self.0.len() as u64
    }

    fn read(&self, (): &()) -> u64 {
        self.0.len() as u64
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&rsm::encode(&self.0).map_err(io::Error::other)?)
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        Ok(Self(rsm::decode(&all)?))
    }
}

impl<R: Rules> Scene for Cluster<R> {
    type Recipe = R;
    type Service = Tags;
    type Word = Tag;
    /// The callers who read.
    type Notes = BTreeSet<u64>;

    const READS: &'static str = READS;

    fn servers(state: &Self::State) -> &cluster::State<R> {
        state
    }

    fn server_bounds(&self) -> Bounds {
        self.bounds
    }

    fn fault(&self) -> DiskFault {
        self.server(NodeId(0)).fault
    }

    fn rules(&self) -> (R, Decided) {
        (self.server(NodeId(0)).rules, Decided)
    }

    fn empty(&self) -> Tags {
        Tags::default()
    }

    fn word(command: &Tag) -> Tag {
        *command
    }

    fn word_of(payload: &Bytes) -> Tag {
        let (_, command) = rsm::unstamped(payload).expect("what is in the log was checked");
        rsm::decode(command).expect("what is in the log was checked")
    }

    /// The adapter numbers a life's reads from 1 on.
    fn read_id(life: u64, number: u64) -> u64 {
        life * 100 + number + 1
    }

    fn delivered(action: &Action) -> Option<(Id, Id, &Packet)> {
        match action {
            ActorModelAction::Deliver { src, dst, msg } => Some((*src, *dst, msg)),
            _ => None,
        }
    }

    fn lost(action: &Action) -> Option<(Id, Id, &Packet)> {
        match action {
            ActorModelAction::Drop(Envelope { src, dst, msg }) => Some((*src, *dst, msg)),
            _ => None,
        }
    }

    fn can(play: &Play<Self>, action: &Action) -> Result<(), String> {
        let (node, stimulus) = stimulus(action)?;
        play.can_happen(node, stimulus)
    }

    fn perform(
        play: &mut Play<Self>,
        action: &Action,
        _: &Self::State,
    ) -> Result<Moved<Self>, String> {
        let (node, stimulus) = stimulus(action)?;
        let came = match stimulus {
            Stimulus::Propose => {
                let caller = play.new_caller();
                let actor = play.actor(node);
                let tag = Tag { node, boot: actor.boots };
                let command = rsm::encode(&tag).map_err(|error| error.to_string())?;
                actor.ask_one(caller, What::Command(command), false)?
            }
            Stimulus::Read => {
                let caller = play.new_caller();
                play.judge.asked(caller);
                play.notes.insert(caller);
                play.actor(node).ask_one(caller, What::Query(()), false)?
            }
            other => play.happens(node, other)?.ok_or("this script has no such step")?,
        };
        Ok(Some((node, came)))
    }

    fn told(play: &mut Play<Self>, server: NodeId, caller: u64, outcome: &Outcome<u64>) {
        if play.notes.remove(&caller)
            && let Outcome::Done(_) = outcome
        {
            let applied = play.machine(server).applied();
            play.judge.answered(caller, applied);
        }
    }

    /// The model has no service. The threads' has every tag up to what is applied, which the logs tell.
    fn compare(_: &Node<R>, _: &MachineOf<Self>) -> Result<(), String> {
        Ok(())
    }
}

fn stimulus(action: &Action) -> Result<(NodeId, &Stimulus), String> {
    match action {
        ActorModelAction::Timeout(id, stimulus) => Ok((NodeId(usize::from(*id) as u8), stimulus)),
        other => Err(format!("this script has no such step: {other:?}")),
    }
}
