//! Model and threads in lockstep: one step of a path for both, and a look at whether they are in the same state.

use super::actor::{Actor, Came, Cast};
use super::judge::{Judge, Lines, Seen};
use super::scene::{CameOf, MachineOf, RaftOf, RsmOf, Scene};
use super::wire::Sent;
use super::words::{Letter, in_full, news, protocol_of, raft_text};
use model::bounds::Net;
use model::node::Stimulus;
use protocol::NodeId;
use protocol::raft::Timer;
use stateright::Expectation;
use stateright::actor::Envelope;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A step that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub action: String,
    /// What the model says came of it, a line each.
    pub model: Vec<String>,
    /// What came of it on the threads.
    pub threads: Vec<String>,
}

/// Why neither takes a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was to happen.
    pub action: String,
    /// Why the model does not have it.
    pub model: String,
    /// Why the threads do not.
    pub threads: String,
}

/// What a step came to.
pub enum Taken {
    /// Both took it, and are in the same state.
    Both(Step),
    /// Neither did.
    Neither(Refused),
}

/// Who has taken a step, and what came of it; none for a message that is lost.
pub type Moved<G> = Option<(NodeId, CameOf<G>)>;

type ActorOf<G> = Actor<<G as Scene>::Service, RaftOf<G>, RsmOf<G>>;

/// A model and threads, in the same state.
pub struct Play<G: Scene> {
    /// The model.
    pub system: G,
    /// Its state.
    pub state: G::State,
    /// Whether the threads have the model's rules, which are part of the hash of a state.
    same_rules: bool,
    cast: Cast<G::Service, RaftOf<G>, RsmOf<G>>,
    /// What the threads have sent and was not delivered.
    bag: BTreeMap<Letter<G::Word>, Sent>,
    /// The threads, as they were seen last.
    seen: Vec<Seen<G::Word>>,
    /// What is so.
    pub judge: Judge<G::Word>,
    /// The scene's own.
    pub notes: G::Notes,
    callers: u64,
}

impl<G: Scene> Play<G> {
    /// Both at the beginning. The threads have these rules, which are the model's unless it is to be seen that they
    /// are told apart.
    pub fn new(system: G, rules: (RaftOf<G>, RsmOf<G>)) -> Result<Self, String> {
        let bounds = system.server_bounds();
        let at_once = !bounds.pre_vote;
        let same_rules = rules == system.rules();
        let settings = Cast::<G::Service, _, _>::settings(rules, &bounds, at_once);
        let cast = Cast::new(&settings, &system.empty())?;
        let state = system.start();
        let mut play = Self {
            system,
            same_rules,
            state,
            cast,
            bag: BTreeMap::new(),
            seen: Vec::new(),
            judge: Judge::new(G::READS),
            notes: G::Notes::default(),
            callers: 0,
        };
        play.seen = (0..bounds.servers).map(|n| play.look(n)).collect::<Result<_, _>>()?;
        for server in 0..bounds.servers {
            play.compare(server)?;
        }
        Ok(play)
    }

    /// A server of the threads.
    pub fn actor(&mut self, node: NodeId) -> &mut ActorOf<G> {
        &mut self.cast.actors[usize::from(node.0)]
    }

    /// A server's machine.
    pub fn machine(&self, node: NodeId) -> &MachineOf<G> {
        &self.cast.actors[usize::from(node.0)].machine
    }

    /// A caller who was none before.
    pub const fn new_caller(&mut self) -> u64 {
        self.callers += 1;
        self.callers
    }

    /// One step for both. The error says how the threads differ from the model.
    pub fn step(&mut self, action: &G::Action) -> Result<Taken, String> {
        let text = self.system.format_action(action);
        let mut offered = Vec::new();
        self.system.actions(&self.state, &mut offered);
        let offered = offered.contains(action);
        let next = offered.then(|| self.system.next_state(&self.state, action.clone())).flatten();
        let threads = self.can(action);
        let model = match (next, threads) {
            (Some(next), Ok(())) => return self.take(action, next, text).map(Taken::Both),
            (Some(_), Err(why)) => return Err(format!("the threads can't: {why}")),
            (None, Ok(())) if offered => return self.take_nothing(action, text),
            (None, Ok(())) => {
                return Ok(Taken::Neither(Refused {
                    action: text,
                    model: "the model's bounds do not have it in this state".into(),
                    threads: "it is not tried".into(),
                }));
            }
            (None, Err(threads)) => threads,
        };
        let threads = model;
        let model = if offered { "nothing comes of it" } else { "it is not offered" }.into();
        Ok(Taken::Neither(Refused { action: text, model, threads }))
    }

    fn take(&mut self, action: &G::Action, next: G::State, text: String) -> Result<Step, String> {
        let model = self.system.format_step(&self.state, action.clone()).unwrap_or_default();
        let model = model.lines().map(Into::into).collect();
        let came = self.perform(action, &next)?;
        let before = self.state.clone();
        self.state = next;
        let mut threads = Vec::new();
        if let Some((node, came)) = came {
            let old = self.seen[usize::from(node.0)].clone();
            threads = self.note(node, &came)?;
            let sent: BTreeSet<_> = self.letters(node, &came).map(|(letter, _)| letter).collect();
            self.compare_sent(&before, Self::delivered(action).as_ref(), &sent)?;
            self.compare(usize::from(node.0))?;
            G::stepped(self, node)?;
            threads.extend(news(&old, &self.seen[usize::from(node.0)]));
        }
        let mut verdict: Vec<_> =
            self.verdict().iter().map(|name| format!("VIOLATED: {name}")).collect();
        threads.append(&mut verdict);
        Ok(Step { action: text, model, threads })
    }

    fn perform(&mut self, action: &G::Action, next: &G::State) -> Result<Moved<G>, String> {
        match self.carry(action)? {
            Some(moved) => Ok(moved),
            None => G::perform(self, action, next),
        }
    }

    /// The model says that nothing comes of a step: so it must be on the threads.
    fn take_nothing(&mut self, action: &G::Action, text: String) -> Result<Taken, String> {
        let state = self.state.clone();
        let came = self.perform(action, &state)?;
        if let Some((node, came)) = came {
            let sent: BTreeSet<_> = self.letters(node, &came).map(|(letter, _)| letter).collect();
            self.note(node, &came)?;
            self.compare_sent(&state, None, &sent)?;
            self.compare(usize::from(node.0))?;
        }
        let nothing = "nothing comes of it".to_owned();
        Ok(Taken::Neither(Refused { action: text, model: nothing.clone(), threads: nothing }))
    }

    /// Takes in what came of a step.
    fn note(&mut self, node: NodeId, came: &CameOf<G>) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let letters: Vec<_> = self.letters(node, came).collect();
        for (letter, sent) in letters {
            lines.push(format!("{letter:?}"));
            self.bag.insert(letter, sent);
        }
        for (caller, outcome) in &came.told {
            lines.push(format!("{node:?} tells caller {caller}: {outcome:?}"));
            G::told(self, node, *caller, outcome);
        }
        let after = self.look(usize::from(node.0))?;
        let before = std::mem::replace(&mut self.seen[usize::from(node.0)], after.clone());
        self.judge.note(&before, &after);
        if let Some(claim) = &self.cast.actors[usize::from(node.0)].broken {
            lines.push(format!("the core panics: {claim}"));
        }
        Ok(lines)
    }

    /// A server's messages.
    fn letters<'a>(
        &self,
        from: NodeId,
        came: &'a Came<G::Service>,
    ) -> impl Iterator<Item = (Letter<G::Word>, Sent)> + use<'a, G> {
        came.sent.iter().map(move |sent| (Letter::of_threads::<G>(from, sent), sent.clone()))
    }

    /// What is under way in the model.
    fn under_way(state: &G::State) -> BTreeSet<Letter<G::Word>> {
        let envelopes = G::servers(state).network.iter_deliverable();
        envelopes.map(|Envelope { src, dst, msg }| Letter::of_model::<G>(src, dst, msg)).collect()
    }

    /// What was sent is what the model's step has added to its network, but for what would be void there and what is
    /// under way already (RED-VOID, RED-MERGE).
    fn compare_sent(
        &self,
        before: &G::State,
        gone: Option<&Letter<G::Word>>,
        sent: &BTreeSet<Letter<G::Word>>,
    ) -> Result<(), String> {
        let (mut old, new) = (Self::under_way(before), Self::under_way(&self.state));
        if let Some(gone) = gone
            && self.system.server_bounds().net == Net::Reorder
        {
            old.remove(gone);
        }
        let nodes = &G::servers(&self.state).actor_states;
        let void = |letter: &Letter<G::Word>| {
            let receiver = &nodes[usize::from(letter.to.0)];
            !letter.message.body.is_request() && letter.message.term < receiver.disk.hard.term
        };
        if nodes.iter().any(|node| node.broken.is_some()) {
            return Ok(());
        }
        if let Some(more) = sent.iter().find(|letter| !new.contains(letter) && !void(letter)) {
            return Err(format!("the threads have sent what the model has not: {more:?}"));
        }
        match new.iter().find(|letter| !old.contains(letter) && !sent.contains(letter)) {
            Some(missing) => Err(format!("the threads have not sent {missing:?}")),
            None => Ok(()),
        }
    }

    /// A server of the threads as it is now.
    fn look(&self, server: usize) -> Result<Seen<G::Word>, String> {
        let actor = &self.cast.actors[server];
        let replica = actor.machine.replica();
        let raft = replica.raft();
        let durable = actor.durable()?;
        Ok(Seen {
            me: raft.me(),
            boot: actor.boots,
            role: raft.role(),
            term: raft.term(),
            commit: raft.commit(),
            applied: actor.machine.applied(),
            matched: raft.progress().iter().map(|peer| peer.matched).collect(),
            memory: Lines::of(raft.terms(), replica.log(), G::word_of),
            disk: Lines::of_disk(&durable, G::word_of),
            pending: replica.pending_writes(),
            broken: actor.broken.is_some(),
        })
    }

    /// Whether a server is in the state in which the model has it. The error says what differs.
    fn compare(&self, server: usize) -> Result<(), String> {
        let node = &*G::servers(&self.state).actor_states[server];
        let actor = &self.cast.actors[server];
        if node.broken.is_some() || actor.broken.is_some() {
            // Behind a claim that does not hold there is no state. Whether one failed, the verdict says.
            return Ok(());
        }
        let differs = |what: &str, model: &dyn fmt::Debug, threads: &dyn fmt::Debug| {
            format!("n{server}: {what} differs: {model:?} in the model, {threads:?} on the threads")
        };
        let (model, threads) = (protocol_of(node.replica()), protocol_of(actor.machine.replica()));
        // The numbers of reads are the driver's.
        let hashes = self.same_rules && !node.replica().raft().awaits_read();
        let texts = (in_full(node.replica().raft()), raft_text::<G>(&actor.machine));
        if texts.0 != texts.1 || hashes && model != threads {
            return Err(differs("the protocol's state", &texts.0, &texts.1));
        }
        let replica = node.replica();
        let memory = Lines::of(replica.raft().terms(), replica.log(), G::word);
        let seen = &self.seen[server];
        if memory != seen.memory {
            return Err(differs("the log", &memory, &seen.memory));
        }
        let disk = Lines::of_disk(&node.disk, G::word);
        let durable = actor.durable()?;
        if (node.disk.hard, &disk) != (durable.hard, &seen.disk) {
            let (model, threads) = ((node.disk.hard, disk), (durable.hard, &seen.disk));
            return Err(differs("the disk", &model, &threads));
        }
        let (model, threads) = (node.pending.len(), actor.machine.replica().pending_writes());
        if model != threads {
            return Err(differs("the number of pending writes", &model, &threads));
        }
        if node.applied() != seen.applied {
            return Err(differs("what is applied", &node.applied(), &seen.applied));
        }
        for timer in [Timer::Election, Timer::Contact, Timer::Heartbeat, Timer::Quorum] {
            let (model, threads) = (node.armed.contains(timer), actor.is_set(timer));
            if model != threads {
                return Err(differs(&format!("whether {timer:?} is set"), &model, &threads));
            }
        }
        G::compare(node, &actor.machine).map_err(|what| format!("n{server}: {what}"))
    }

    /// What does not hold of the threads.
    pub fn verdict(&self) -> BTreeSet<&'static str> {
        self.judge.verdict(&self.seen)
    }

    /// What does not hold of the model, but for what takes a fair schedule to say.
    pub fn model_verdict(&self) -> BTreeSet<&'static str> {
        let always = self.system.properties().into_iter();
        let always = always.filter(|property| property.expectation == Expectation::Always);
        let broken = always.filter(|property| !(property.condition)(&self.system, &self.state));
        broken.map(|property| property.name).collect()
    }

    /// Whether it can happen on the threads. The error says why not.
    fn can(&self, action: &G::Action) -> Result<(), String> {
        match Self::delivered(action).or_else(|| Self::lost(action)) {
            Some(letter) if !self.bag.contains_key(&letter) => {
                Err("no such message was sent".into())
            }
            Some(_) => Ok(()),
            None => G::can(self, action),
        }
    }

    /// What every scene has of servers: whether it can happen.
    pub fn can_happen<C, Q, Y>(
        &self,
        node: NodeId,
        stimulus: &Stimulus<C, Q, Y>,
    ) -> Result<(), String> {
        let actor = &self.cast.actors[usize::from(node.0)];
        let raft = actor.machine.replica().raft();
        let why = match stimulus {
            _ if actor.broken.is_some() => "its core is gone",
            Stimulus::Timer(timer) if !actor.is_set(*timer) => "the timer is not set",
            Stimulus::Disk if actor.machine.replica().pending_writes() == 0 => {
                "no write is pending"
            }
            Stimulus::Campaign if raft.leads() => "it leads already",
            Stimulus::GiveUp(_) | Stimulus::GiveUpParked(_) if actor.machine.waiting() == 0 => {
                "nobody waits"
            }
            Stimulus::Propose if !raft.leads() => "it does not lead",
            Stimulus::Read if raft.leader().is_none() => "it knows no leader",
            Stimulus::Compact if raft.terms().base().index == actor.machine.applied() => {
                "it has a snapshot of that"
            }
            _ => return Ok(()),
        };
        Err(why.into())
    }

    /// What every scene has of servers: has it happen. None if it is for the scene to say.
    pub fn happens<C, Q, Y>(
        &mut self,
        node: NodeId,
        stimulus: &Stimulus<C, Q, Y>,
    ) -> Result<Option<CameOf<G>>, String> {
        let actor = self.actor(node);
        match stimulus {
            Stimulus::Timer(timer) => actor.fire(*timer as usize),
            Stimulus::Disk => actor.finish_write().map(Some),
            Stimulus::Crash => actor.crash().map(Some),
            Stimulus::Campaign => actor.campaign().map(Some),
            Stimulus::Compact => actor.compact().map(Some),
            Stimulus::GiveUpParked(_) => actor.give_up(true),
            Stimulus::GiveUp(_) => actor.give_up(false),
            Stimulus::Retry => actor.retry(),
            _ => Ok(None),
        }
    }

    fn delivered(action: &G::Action) -> Option<Letter<G::Word>> {
        let (src, dst, packet) = G::delivered(action)?;
        Some(Letter::of_model::<G>(src, dst, packet))
    }

    fn lost(action: &G::Action) -> Option<Letter<G::Word>> {
        let (src, dst, packet) = G::lost(action)?;
        Some(Letter::of_model::<G>(src, dst, packet))
    }

    /// What is of the network happens: a message arrives, or is lost. None if the step is for the scene to take.
    fn carry(&mut self, action: &G::Action) -> Result<Option<Moved<G>>, String> {
        if let Some(letter) = Self::delivered(action) {
            return Ok(Some(Some((letter.to, self.deliver(&letter)?))));
        }
        let lost = Self::lost(action);
        Ok(lost.map(|letter| {
            self.bag.remove(&letter);
            None
        }))
    }

    /// A message arrives.
    fn deliver(&mut self, letter: &Letter<G::Word>) -> Result<CameOf<G>, String> {
        let keeps = self.system.server_bounds().net == Net::Duplicate;
        let sent = if keeps { self.bag.get(letter).cloned() } else { self.bag.remove(letter) };
        let sent = sent.ok_or("no such message was sent")?;
        self.actor(letter.to).receive(letter.from, &sent)
    }
}
