//! Lab 3C: what is agreed on while the network is bad, or servers come and go.

use super::persistence::pause;
use crate::labs::bed::Command;
use crate::labs::lab::{Actor, ELECTION, Lab, Next, Outcome, ms};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// 245 commands, five at a time.
pub fn unreliable_agree(lab: &mut Lab) -> Outcome {
    for _ in 1..50 {
        (0..4).for_each(|_| lab.one_beside(1, true));
        lab.one(1, true)?;
    }
    lab.set_reliable(true);
    lab.join()?;
    lab.one(lab.servers(), true)?;
    Ok(())
}

/// Figure 8 of the paper, with leaders that are cut off, and replies that come after seconds. In the end one command
/// must come through within ten seconds, and the network is as bad as before.
pub fn figure8_unreliable(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(1, true)?;
    for round in 0..1000 {
        if round == 200 {
            lab.set_long_reordering(true);
        }
        let mut leader = None;
        for server in 0..servers {
            if lab.feed(server, 1) > 0 && lab.is_connected(server) {
                leader = Some(server);
            }
        }
        pause(lab)?;
        if let Some(leader) = leader
            && lab.random.chance(500_000)
        {
            lab.disconnect(leader);
        }
        if lab.connected() < servers / 2 + 1 {
            let server = lab.any();
            lab.connect(server);
        }
    }
    (0..servers).for_each(|server| lab.connect(server));
    lab.calm();
    lab.one(servers, true)?;
    Ok(())
}

/// A client of a group whose servers come and go: it gives a new command to every server, and notes it when it has seen
/// it committed.
struct Client {
    number: u64,
    stop: Rc<Cell<bool>>,
    seen: Rc<RefCell<Vec<Command>>>,
    /// What it waits for: the command, its number, and how often it has looked.
    waits: Option<(Command, u64, usize)>,
}

impl Client {
    /// How long it waits between two looks, in milliseconds.
    const LOOKS: [u64; 5] = [10, 20, 50, 100, 200];

    fn step(&mut self, lab: &mut Lab) -> Outcome<Next> {
        if let Some((command, number, looks)) = self.waits.take() {
            let (count, found) = lab.committed(number)?;
            if count == 0 && looks < Self::LOOKS.len() {
                self.waits = Some((command, number, looks + 1));
                return Ok(Next::After(ms(Self::LOOKS[looks])));
            }
            if found.as_ref() == Some(&command) {
                self.seen.borrow_mut().push(command);
            }
        }
        if self.stop.get() {
            return Ok(Next::Done);
        }
        let command = lab.command();
        let mut number = None;
        for server in 0..lab.servers() {
            let proposed = lab.propose(server, &command);
            number = proposed.leads.then_some(proposed.number).or(number);
        }
        match number {
            Some(number) => {
                self.waits = Some((command, number, 1));
                Ok(Next::After(ms(Self::LOOKS[0])))
            }
            None => Ok(Next::After(ms(79 + 17 * self.number))),
        }
    }
}

/// Servers are cut off, crash and come back, while three clients work. What a client has seen committed stays.
pub fn churn(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    let stop = Rc::new(Cell::new(false));
    let seen = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let (stop, seen) = (Rc::clone(&stop), Rc::clone(&seen));
        let mut client = Client { number, stop, seen, waits: None };
        let actor: Actor = Box::new(move |lab| client.step(lab));
        lab.beside(actor);
    }
    for _ in 0..20 {
        if lab.random.chance(200_000) {
            let server = lab.any();
            lab.disconnect(server);
        }
        if lab.random.chance(500_000) {
            let server = lab.any();
            lab.start(server);
        }
        if lab.random.chance(200_000) {
            let server = lab.any();
            if lab.runs(server) {
                lab.crash(server);
            }
        }
        // Less than an election takes at the longest, so that not every change finds a leader.
        lab.sleep(ELECTION * 7 / 10)?;
    }
    lab.sleep(ELECTION)?;
    lab.set_reliable(true);
    (0..servers).for_each(|server| lab.start(server));
    stop.set(true);
    lab.join()?;
    lab.sleep(ELECTION)?;
    let last = lab.one(servers, true)?;
    let mut log = Vec::new();
    for number in 1..=last {
        log.extend(lab.wait(number, servers, None)?);
    }
    let seen = seen.borrow();
    lab.require(!seen.is_empty(), || "no client has seen anything committed".into())?;
    let lost = seen.iter().find(|command| !log.contains(command));
    lab.require(lost.is_none(), || format!("{lost:?} was seen committed and is not in the log"))
}
