//! What scenarios are told with: the labs' helpers, and clients that work beside a scenario.
//!
//! A scenario runs in one thread and blocks. What goes on beside it, a client for instance, is an *actor*: it is asked
//! to do its next bit whenever its time has come while somebody sleeps. So the same scenario needs no threads in
//! virtual time, and could not use them there.

mod leaders;

use super::bed::{Bed, Command, Number, Proposed};
use super::checker::Checker;
use super::harsh::{Harsh, Level};
use super::machines::Machines;
use super::one::One;
use crate::sim::random::Random;
use linear::kv::History;
use std::time::Duration;

/// Milliseconds.
pub const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The labs' election timeout: within five of these a group whose majority is connected has a leader again.
pub const ELECTION: Duration = ms(1000);
/// No scenario of the labs takes longer.
pub const LONGEST: Duration = ms(120_000);
/// A scenario has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// When.
    pub at: Duration,
    /// What was seen.
    pub text: String,
}

/// Whether a scenario, or a step of it, went well.
pub type Outcome<T = ()> = Result<T, Failure>;

/// What an actor does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Something, after this time.
    After(Duration),
    /// Nothing.
    Done,
}

/// Something that goes on beside a scenario. It does not sleep: it says when it wants to be asked again.
pub type Actor = Box<dyn FnMut(&mut Lab) -> Outcome<Next>>;

/// A bound, and what was measured. The largest of a scenario counts.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Limit {
    /// Of what.
    pub what: &'static str,
    /// What was measured.
    pub measured: u64,
    /// The most that is allowed.
    pub most: u64,
}

/// A scenario under way.
pub struct Lab {
    bed: Box<dyn Bed>,
    machines: Box<dyn Machines>,
    /// Chance: which server is cut, how long a pause is.
    pub random: Random,
    checker: Checker,
    connected: Vec<bool>,
    actors: Vec<(Duration, Actor)>,
    /// What was measured against the labs' limits.
    pub limits: Vec<Limit>,
    /// What clients of the store have called and were told.
    pub history: History,
    commands: u64,
    /// How harsh the network is, unless the scenario holds that off.
    harsh: Option<Level>,
}

impl Lab {
    /// On a bed whose servers run and reach each other, with such clients.
    pub fn new(bed: Box<dyn Bed>, machines: Box<dyn Machines>, seed: u64) -> Self {
        let servers = bed.servers();
        Self {
            bed,
            machines,
            random: Random::new(seed ^ 0x6c61_6273),
            checker: Checker::new(servers),
            connected: vec![true; servers],
            actors: Vec::new(),
            limits: Vec::new(),
            history: History::new(),
            commands: 0,
            harsh: None,
        }
    }

    /// Makes the network as harsh as that, until [`Lab::calm`].
    ///
    /// # Errors
    /// If this bed can't.
    pub fn make_harsh(&mut self, level: Level) -> Outcome {
        self.harsh = Some(level);
        let can = self.roughen();
        self.require(can, || "the network of this bed can't be made harsh".into())
    }

    /// Whether the network is harsher than the labs'.
    pub const fn is_harsh(&self) -> bool {
        self.harsh.is_some()
    }

    /// The network is harsh again, if this is played on such a one. Whether it could be made so.
    pub fn roughen(&mut self) -> bool {
        let Some(level) = self.harsh else { return true };
        let seed = self.random.next();
        self.bed.set_harsh(Some(Harsh::new(level, self.bed.now(), seed)))
    }

    /// From now on the network is what the labs know, for what comes now must make progress.
    pub fn calm(&mut self) {
        self.bed.set_harsh(None);
    }

    pub(super) fn bed_mut(&mut self) -> &mut dyn Bed {
        &mut *self.bed
    }

    /// What makes the clients' machines.
    pub fn machines(&self) -> &dyn Machines {
        &*self.machines
    }

    /// What it stands on.
    pub fn bed(&self) -> &dyn Bed {
        &*self.bed
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.bed.servers()
    }

    /// The server so many behind another, in a circle.
    pub fn behind(&self, server: usize, by: usize) -> usize {
        (server + by) % self.servers()
    }

    /// One of the servers.
    pub fn any(&mut self) -> usize {
        self.random.below(self.servers() as u64) as usize
    }

    /// A failure, now.
    pub fn failure(&self, text: impl Into<String>) -> Failure {
        Failure { at: self.bed.now(), text: text.into() }
    }

    /// Something must be so.
    ///
    /// # Errors
    /// If it is not.
    pub fn require(&self, holds: bool, text: impl FnOnce() -> String) -> Outcome {
        if holds { Ok(()) } else { Err(self.failure(text())) }
    }

    /// Something measured must be within a limit of the labs'. It is noted.
    ///
    /// # Errors
    /// If it is not.
    pub fn at_most(&mut self, what: &'static str, measured: u64, most: u64) -> Outcome {
        match self.limits.iter_mut().find(|limit| limit.what == what) {
            Some(limit) => limit.measured = limit.measured.max(measured),
            None => self.limits.push(Limit { what, measured, most }),
        }
        self.require(measured <= most, || format!("{what}: {measured}, above the limit of {most}"))
    }

    /// Time that was measured should be within a limit of the labs'. It is noted, and must be where time is not real: a
    /// busy machine proves nothing.
    ///
    /// # Errors
    /// If time is virtual and it is not.
    pub fn within(&mut self, what: &'static str, measured: Duration, most_ms: u64) -> Outcome {
        let noted = self.at_most(what, measured.as_millis() as u64, most_ms);
        if self.bed.is_real() { Ok(()) } else { noted }
    }

    // --- time --------------------------------------------------------------------------------------

    /// Lets time pass. What goes on beside goes on.
    ///
    /// # Errors
    /// If an actor fails, or something came out of a server that should not have.
    pub fn sleep(&mut self, time: Duration) -> Outcome {
        let until = self.bed.now() + time;
        loop {
            let next = self.actors.iter().map(|(at, _)| *at).min().filter(|at| *at <= until);
            let to = next.unwrap_or(until);
            self.bed.sleep(to.saturating_sub(self.bed.now()));
            self.look()?;
            if next.is_none() {
                return Ok(());
            }
            let due = self.actors.iter().position(|(at, _)| *at == to);
            let Some(due) = due else { continue };
            let (_, mut actor) = self.actors.remove(due);
            if let Next::After(time) = actor(self)? {
                self.actors.push((self.bed.now() + time, actor));
            }
        }
    }

    /// Something goes on beside the scenario, from now on.
    pub fn beside(&mut self, actor: Actor) {
        self.actors.push((self.bed.now(), actor));
    }

    /// Waits until nothing goes on beside the scenario.
    ///
    /// # Errors
    /// See [`Lab::sleep`]; if it takes longer than any scenario may.
    pub fn join(&mut self) -> Outcome {
        self.until("what goes on beside has ended", LONGEST, |lab| lab.actors.is_empty())
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// See [`Lab::sleep`]; if it takes longer than `most`.
    pub fn until(&mut self, what: &str, most: Duration, is: impl Fn(&Self) -> bool) -> Outcome {
        let end = self.bed.now() + most;
        while !is(self) {
            self.require(self.bed.now() < end, || format!("not within {most:?}: {what}"))?;
            self.sleep(ms(10))?;
        }
        Ok(())
    }

    fn look(&mut self) -> Outcome {
        for (server, delivery) in self.bed.take_deliveries() {
            self.checker.take(server, delivery).map_err(|text| self.failure(text))?;
        }
        let broken = self.bed.broken();
        broken.map_or(Ok(()), |text| Err(self.failure(text)))
    }

    /// The end of a scenario.
    ///
    /// # Errors
    /// If something is not as it must be.
    pub fn finish(&mut self) -> Outcome {
        self.look()?;
        let took = self.bed.now();
        self.require(took <= LONGEST, || format!("it took {took:?}, and may {LONGEST:?}"))?;
        let broken = self.bed.broken_at_end(self.checker.logs());
        broken.map_or(Ok(()), |text| Err(self.failure(text)))
    }

    // --- the network and the servers ----------------------------------------------------------------

    /// Whether a server reaches the others that are connected.
    pub fn is_connected(&self, server: usize) -> bool {
        self.connected[server]
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.connected.iter().filter(|connected| **connected).count()
    }

    /// Cuts a server off from all others, in both directions.
    pub fn disconnect(&mut self, server: usize) {
        self.connected[server] = false;
        for other in 0..self.servers() {
            self.bed.link(server, other, false);
            self.bed.link(other, server, false);
        }
    }

    /// Connects a server with all others that are connected.
    pub fn connect(&mut self, server: usize) {
        self.connected[server] = true;
        for other in 0..self.servers() {
            if self.connected[other] {
                self.bed.link(server, other, true);
                self.bed.link(other, server, true);
            }
        }
    }

    /// Parts the network: only servers of one side reach each other. Clients reach all of them.
    pub fn partition(&mut self, is_left: impl Fn(usize) -> bool) {
        let servers = self.servers();
        for (from, to) in (0..servers).flat_map(|from| (0..servers).map(move |to| (from, to))) {
            self.bed.link(from, to, is_left(from) == is_left(to));
        }
    }

    /// Whether requests and replies always arrive at once.
    pub fn set_reliable(&mut self, reliable: bool) {
        if reliable {
            self.calm();
        }
        self.bed.set_reliable(reliable);
    }

    /// Whether most replies are held for long.
    pub fn set_long_reordering(&mut self, reordering: bool) {
        self.bed.set_long_reordering(reordering);
    }

    /// Whether a server runs.
    pub fn runs(&self, server: usize) -> bool {
        self.bed.state(server).is_some()
    }

    /// Kills a server, if it runs, and cuts it off.
    pub fn crash(&mut self, server: usize) {
        self.disconnect(server);
        if self.runs(server) {
            self.bed.crash(server);
        }
    }

    /// Starts a server, if it does not run, and connects it.
    pub fn start(&mut self, server: usize) {
        if !self.runs(server) {
            self.bed.start(server);
        }
        self.connect(server);
    }

    /// Kills all servers and starts them again.
    pub fn restart_all(&mut self) {
        (0..self.servers()).for_each(|server| self.crash(server));
        (0..self.servers()).for_each(|server| self.start(server));
    }

    // --- commands -----------------------------------------------------------------------------------

    /// A number that there was not yet.
    pub const fn number(&mut self) -> u64 {
        self.commands += 1;
        self.commands
    }

    /// A command that there was not yet.
    pub fn command(&mut self) -> Command {
        format!("c{}", self.number()).into()
    }

    /// Such a command of about so many bytes.
    pub fn long_command(&mut self, bytes: usize) -> Command {
        let mut text = self.command().to_string();
        while text.len() < bytes {
            text.push(char::from(b'a' + self.random.below(26) as u8));
        }
        text.into()
    }

    /// Gives a command to a server, whether or not it is connected.
    pub fn propose(&mut self, server: usize, command: &Command) -> Proposed {
        if !self.runs(server) {
            return Proposed { number: 0, term: 0, leads: false };
        }
        self.bed.propose(server, command.clone())
    }

    /// Gives a server so many new commands, whether or not it takes them: how many it took.
    pub fn feed(&mut self, server: usize, count: usize) -> usize {
        let took = |_: &usize| {
            let command = self.command();
            self.propose(server, &command).leads
        };
        (0..count).filter(took).count()
    }

    /// How many servers have applied the command with this number, and which it is.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn committed(&mut self, number: Number) -> Outcome<(usize, Option<Command>)> {
        self.look()?;
        let (count, command) = self.checker.committed(number);
        Ok((count, command.cloned()))
    }

    /// Nothing is committed under this number.
    ///
    /// # Errors
    /// If something is.
    pub fn not_committed(&mut self, number: Number) -> Outcome {
        let (count, _) = self.committed(number)?;
        self.require(count == 0, || format!("{count} servers have committed number {number}"))
    }

    /// Waits until `count` servers have applied the command with this number: which it is. None if a server is in a
    /// later term than `term` first.
    ///
    /// # Errors
    /// If it takes longer than about half a minute.
    pub fn wait(
        &mut self,
        number: Number,
        count: usize,
        term: Option<u64>,
    ) -> Outcome<Option<Command>> {
        let mut pause = ms(10);
        for _ in 0..30 {
            if self.committed(number)?.0 >= count {
                break;
            }
            self.sleep(pause)?;
            pause = (pause * 2).min(ms(1280));
            if term.is_some_and(|term| self.is_past(term)) {
                return Ok(None);
            }
        }
        let (have, command) = self.committed(number)?;
        self.require(have >= count, || {
            format!("only {have} of {count} servers decided number {number}")
        })?;
        Ok(command)
    }

    /// Has a new command agreed on by at least `count` servers, within ten seconds: its number. Without `retry` the
    /// first server that takes it must bring it through.
    ///
    /// # Errors
    /// If it is not.
    pub fn one(&mut self, count: usize, retry: bool) -> Outcome<Number> {
        let command = self.command();
        self.one_of(command, count, retry)
    }

    /// The same, of a given command.
    ///
    /// # Errors
    /// If it is not agreed on.
    pub fn one_of(&mut self, command: Command, count: usize, retry: bool) -> Outcome<Number> {
        let mut one = One::new(self.bed.now(), command, count, retry);
        loop {
            match one.step(self)? {
                Next::After(time) => self.sleep(time)?,
                Next::Done => return Ok(one.number()),
            }
        }
    }

    /// The same, beside the scenario.
    pub fn one_beside(&mut self, count: usize, retry: bool) {
        let mut one = One::new(self.bed.now(), self.command(), count, retry);
        self.beside(Box::new(move |lab| one.step(lab)));
    }
}
