//! The labs' scenarios for a store on Raft: 4B and 4C of 2025 and 2026, and 3A and 3B of 2021 (4A and 4B of 2024).
//!
//! Clients are the Clerks that ship. The later years' do versioned Puts and Gets, on one key or on many; the earlier
//! years' append and read, each on a key of its own or all on a few. In 2021 a partition reached clients too in no
//! scenario but OnePartition, and so it is here.
//!
//! The labs give the judge of histories a second and take its silence for consent; here an undecided history fails.

pub mod clients;
pub mod singles;
pub mod versions;

use super::lab::{ELECTION, Lab, Next, Outcome, ms};
use clients::{Client, Tally};
use linear::{Budget, Verdict};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Puts over the version that was seen last, and Gets (2025).
    Versions,
    /// Appends and Gets, exactly once (2021).
    Appends,
}

/// On which keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// Each client has its own.
    Own,
    /// All have the same one.
    One,
    /// All have these many.
    Shared(u64),
}

/// The body that most scenarios share: three rounds of clients, and what happens to the servers meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// How many clients.
    pub clients: u64,
    /// What they do.
    pub style: Style,
    /// On which keys.
    pub keys: Keys,
    /// All servers are killed at the end of a round, and start again a second later.
    pub crash: bool,
    /// The network is parted in two anew about every second.
    pub partition: bool,
    /// Whether the network loses nothing.
    pub reliable: bool,
    /// How long a round lasts, in milliseconds.
    pub round_ms: u64,
    /// How many rounds.
    pub rounds: u64,
}

/// A scenario that is told by itself, in the manner of a year.
pub struct Told<'a> {
    /// What it is told with.
    pub lab: &'a mut Lab,
    /// How its clients write.
    pub style: Style,
    /// The labs' maxraftstate, in bytes.
    pub snapshot_bytes: Option<u64>,
}

impl Storm {
    /// Rounds in which nothing happens but what clients do.
    pub const fn new(clients: u64, style: Style, keys: Keys, round_ms: u64) -> Self {
        let (crash, partition, reliable, rounds) = (false, false, true, 3);
        Self { clients, style, keys, crash, partition, reliable, round_ms, rounds }
    }

    /// Plays it. `snapshot_bytes` is the labs' maxraftstate.
    ///
    /// # Errors
    /// What went wrong.
    pub fn play(&self, lab: &mut Lab, snapshot_bytes: Option<u64>) -> Outcome {
        let tally = Rc::new(RefCell::new(Tally::default()));
        let mut clients: Vec<_> = (0..self.clients)
            .map(|number| Client::new(lab, number, self.style, self.keys, &tally))
            .collect();
        for round in 0..self.rounds {
            if round > 0 {
                lab.roughen();
            }
            clients = self.round_of(lab, clients)?;
            logs_are_short(lab, snapshot_bytes)?;
            self.check_values(lab, &mut clients, &tally.borrow())?;
            if self.style == Style::Versions {
                linearizable(lab)?;
            }
        }
        let done = self.style == Style::Appends || tally.borrow().done > 0;
        lab.require(done, || "no Put has succeeded".into())?;
        linearizable(lab)
    }

    /// One round: the clients come back when their last calls have ended.
    fn round_of(&self, lab: &mut Lab, clients: Vec<Client>) -> Outcome<Vec<Client>> {
        let stop = Rc::new(Cell::new(false));
        let back = Rc::new(RefCell::new(Vec::new()));
        for client in clients {
            let (stop, back) = (Rc::clone(&stop), Rc::clone(&back));
            let mut client = Some(client);
            lab.beside(Box::new(move |lab| {
                let Some(mut working) = client.take() else { return Ok(Next::Done) };
                let next = working.step(lab, stop.get())?;
                match next {
                    Next::After(_) => client = Some(working),
                    Next::Done => back.borrow_mut().push(working),
                }
                Ok(next)
            }));
        }
        let parted = Rc::new(Cell::new(self.partition));
        if self.partition {
            lab.sleep(ms(1000))?;
            let parted = Rc::clone(&parted);
            lab.beside(Box::new(move |lab| Ok(part(lab, parted.get()))));
        }
        lab.sleep(ms(self.round_ms))?;
        stop.set(true);
        lab.calm();
        if self.partition {
            parted.set(false);
            lab.partition(|_| true);
            lab.sleep(ELECTION)?;
        }
        if self.crash {
            (0..lab.servers()).for_each(|server| lab.crash(server));
            lab.sleep(ELECTION)?;
            (0..lab.servers()).for_each(|server| lab.start(server));
        }
        lab.join()?;
        let mut clients = back.take();
        clients.sort_by_key(Client::number);
        Ok(clients)
    }

    /// What the clients were told is there, and nothing else.
    fn check_values(&self, lab: &mut Lab, clients: &mut [Client], tally: &Tally) -> Outcome {
        match (self.style, self.keys) {
            (Style::Appends, Keys::Own) => {
                clients.iter_mut().try_for_each(|client| client.check_own(lab))
            }
            (Style::Versions, Keys::One) => {
                let version = clients[0].version_of(lab, clients::ONE_KEY)?;
                let (done, maybe) = (tally.done, tally.maybe);
                let fair = self.reliable && !lab.is_harsh();
                let certain = fair && !self.crash && !self.partition;
                let most = if certain { done } else { done + maybe };
                lab.require((done..=most).contains(&version), || {
                    format!("the version is {version} after {done} Puts, and {maybe} perhaps")
                })
            }
            _ => Ok(()),
        }
    }
}

/// Parts the network in two, each server on either side, as long as `on`.
fn part(lab: &mut Lab, on: bool) -> Next {
    if !on {
        return Next::Done;
    }
    let sides = lab.random.next();
    lab.partition(|server| sides >> server & 1 == 1);
    Next::After(ms(1000 + lab.random.below(200)))
}

/// The log is at most eight times as long as the bound for snapshots; without one there is no snapshot.
fn logs_are_short(lab: &mut Lab, snapshot_bytes: Option<u64>) -> Outcome {
    let servers = 0..lab.servers();
    match snapshot_bytes {
        Some(bound) => {
            let longest = servers.map(|server| lab.bed().log_bytes(server)).max();
            lab.at_most("bytes of log", longest.unwrap_or(0), 8 * bound)
        }
        None => {
            let none = servers.into_iter().all(|server| lab.bed().snapshot_bytes(server) == 0);
            lab.require(none, || "there is a snapshot, and none was allowed".into())
        }
    }
}

/// Some order of all calls explains every reply. Where many clients race for one key the judge of histories may not
/// come to an end; what has versions only is then judged by its versions.
pub(super) fn linearizable(lab: &Lab) -> Outcome {
    let by_versions = versions::can_judge(&lab.history);
    let steps = if by_versions { 200_000 } else { 20_000_000 };
    let report = linear::kv::check(&lab.history, Budget { steps, memory_bytes: 2 << 30 });
    let wrong = match report.verdict {
        Verdict::Ok => None,
        Verdict::Unknown if by_versions => versions::judge(&lab.history),
        verdict => {
            let place = report.places.first();
            let text = place.map(|place| linear::text::place(&lab.history, place));
            Some(format!("{verdict:?}: {}", text.unwrap_or_default()))
        }
    };
    let fine = wrong.is_none();
    lab.require(fine, || format!("no order explains the history: {}", wrong.unwrap_or_default()))
}
