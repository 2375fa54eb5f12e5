//! Lab 3B: what is in the log.

use crate::labs::bed::{Command, Number};
use crate::labs::lab::{ELECTION, Lab, Outcome, ms};

/// Three commands get the numbers 1, 2 and 3, and nothing is applied before it was proposed.
pub fn basic_agree(lab: &mut Lab) -> Outcome {
    for expected in 1..=3 {
        lab.not_committed(expected)?;
        let number = lab.one(lab.servers(), false)?;
        lab.require(number == expected, || format!("got number {number}, not {expected}"))?;
    }
    Ok(())
}

/// Ten commands of 5,000 bytes go to each follower about once.
pub fn rpc_bytes(lab: &mut Lab) -> Outcome {
    const BYTES: usize = 5_000;
    let servers = lab.servers();
    lab.one(servers, false)?;
    let before = lab.bed().bytes();
    let mut sent = 0;
    for expected in 2..12 {
        let command = lab.long_command(BYTES);
        sent += command.len() as u64;
        let number = lab.one_of(command, servers, false)?;
        lab.require(number == expected, || format!("got number {number}, not {expected}"))?;
    }
    let bytes = lab.bed().bytes() - before;
    lab.at_most("bytes for 10 commands of 5,000", bytes, servers as u64 * sent + 50_000)
}

/// Gives a server that must lead a command: its number.
fn leads_with(lab: &mut Lab, server: usize) -> Outcome<Number> {
    let command = lab.command();
    let proposed = lab.propose(server, &command);
    lab.require(proposed.leads, || format!("leader {server} rejected a command"))?;
    Ok(proposed.number)
}

/// Followers fail one after the other. Without a majority nothing is applied.
pub fn follower_failure(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, false)?;
    let first = lab.one_leader()?;
    lab.disconnect(lab.behind(first, 1));
    lab.one(servers - 1, false)?;
    lab.sleep(ELECTION)?;
    lab.one(servers - 1, false)?;
    let leader = lab.one_leader()?;
    for by in [1, 2] {
        lab.disconnect(lab.behind(leader, by));
    }
    let number = leads_with(lab, leader)?;
    lab.require(number == 4, || format!("got number {number}, not 4"))?;
    lab.sleep(2 * ELECTION)?;
    lab.not_committed(number)
}

/// Leaders fail one after the other. Without a majority nothing is applied.
pub fn leader_failure(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, false)?;
    let first = lab.one_leader()?;
    lab.disconnect(first);
    lab.one(servers - 1, false)?;
    lab.sleep(ELECTION)?;
    lab.one(servers - 1, false)?;
    let second = lab.one_leader()?;
    lab.disconnect(second);
    (0..servers).for_each(|server| {
        lab.feed(server, 1);
    });
    lab.sleep(2 * ELECTION)?;
    lab.not_committed(4)
}

/// A follower that was cut off catches up, and disturbs nobody.
pub fn fail_agree(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, false)?;
    let leader = lab.one_leader()?;
    let cut = lab.behind(leader, 1);
    lab.disconnect(cut);
    for _ in 0..2 {
        lab.one(servers - 1, false)?;
    }
    lab.sleep(ELECTION)?;
    for _ in 0..2 {
        lab.one(servers - 1, false)?;
    }
    lab.connect(cut);
    lab.one(servers, true)?;
    lab.sleep(ELECTION)?;
    lab.one(servers, true)?;
    Ok(())
}

/// Without a majority nothing is committed, and with it again everything goes on.
pub fn fail_no_agree(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, false)?;
    let leader = lab.one_leader()?;
    for by in 1..=3 {
        lab.disconnect(lab.behind(leader, by));
    }
    let number = leads_with(lab, leader)?;
    lab.require(number == 2, || format!("got number {number}, not 2"))?;
    lab.sleep(2 * ELECTION)?;
    lab.not_committed(number)?;
    for by in 1..=3 {
        lab.connect(lab.behind(leader, by));
    }
    // The one that was not committed may have been replaced.
    let leader = lab.one_leader()?;
    let number = leads_with(lab, leader)?;
    lab.require((2..=3).contains(&number), || format!("got number {number}, not 2 or 3"))?;
    lab.one(servers, true)?;
    Ok(())
}

/// What became of a try that must stay in one term.
enum Tried<T> {
    Well(T),
    /// The term has moved: nothing can be said.
    Moved,
}

/// Tries so often, three seconds apart, until the term has not moved meanwhile.
fn in_one_term<T>(
    lab: &mut Lab,
    mut attempt: impl FnMut(&mut Lab, usize, u64) -> Outcome<Tried<T>>,
) -> Outcome<T> {
    for number in 0..5 {
        if number > 0 {
            lab.sleep(ms(3000))?;
        }
        let leader = lab.one_leader()?;
        let term = lab.bed().state(leader).map_or(0, |state| state.term);
        if let Tried::Well(value) = attempt(lab, leader, term)? {
            return Ok(value);
        }
    }
    Err(lab.failure("the term changed too often"))
}

/// Five commands that come together are all committed in one term.
pub fn concurrent_starts(lab: &mut Lab) -> Outcome {
    in_one_term(lab, |lab, leader, term| {
        let first = lab.command();
        if !lab.propose(leader, &first).leads {
            return Ok(Tried::Moved);
        }
        let commands: Vec<Command> = (0..5).map(|_| lab.command()).collect();
        let mut numbers = Vec::new();
        for command in &commands {
            let proposed = lab.propose(leader, command);
            if proposed.leads && proposed.term == term {
                numbers.push(proposed.number);
            }
        }
        if lab.is_past(term) {
            return Ok(Tried::Moved);
        }
        let mut committed = Vec::new();
        for number in numbers {
            match lab.wait(number, lab.servers(), Some(term))? {
                Some(command) => committed.push(command),
                None => return Ok(Tried::Moved),
            }
        }
        for command in &commands {
            lab.require(committed.contains(command), || format!("{command} is missing"))?;
        }
        Ok(Tried::Well(()))
    })
}

/// Commands of a leader that was cut off are replaced.
pub fn rejoin(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, true)?;
    let first = lab.one_leader()?;
    lab.disconnect(first);
    let took = lab.feed(first, 3);
    lab.require(took == 3, || format!("the leader that was cut took {took} of 3 commands"))?;
    lab.one(servers - 1, true)?;
    let second = lab.one_leader()?;
    lab.disconnect(second);
    lab.connect(first);
    lab.one(servers - 1, true)?;
    lab.connect(second);
    lab.one(servers, true)?;
    Ok(())
}

/// Logs that went apart by fifty entries and more come together again quickly.
pub fn backup(lab: &mut Lab) -> Outcome {
    const MANY: usize = 50;
    let servers = lab.servers();
    lab.one(servers, true)?;
    // A leader and a follower have fifty entries that will never be committed.
    let first = lab.one_leader()?;
    let (friend, rest) = (lab.behind(first, 1), [2, 3, 4].map(|by| lab.behind(first, by)));
    rest.iter().for_each(|server| lab.disconnect(*server));
    let took = lab.feed(first, MANY);
    lab.require(took == MANY, || format!("the leader took {took} of {MANY} commands"))?;
    lab.sleep(ELECTION / 2)?;
    lab.disconnect(first);
    lab.disconnect(friend);
    // The other three commit fifty.
    rest.iter().for_each(|server| lab.connect(*server));
    for _ in 0..MANY {
        lab.one(3, true)?;
    }
    // One of them is cut off, and the other two have fifty more that will never be committed.
    let second = lab.one_leader()?;
    let other = if rest[0] == second { lab.behind(second, 1) } else { rest[0] };
    lab.disconnect(other);
    let took = lab.feed(second, MANY);
    lab.require(took == MANY, || format!("the leader took {took} of {MANY} commands"))?;
    lab.sleep(ELECTION / 2)?;
    // The first two, and the one that was cut off.
    (0..servers).for_each(|server| lab.disconnect(server));
    [first, friend, other].iter().for_each(|server| lab.connect(*server));
    for _ in 0..MANY {
        lab.one(3, true)?;
    }
    (0..servers).for_each(|server| lab.connect(server));
    lab.one(servers, true)?;
    Ok(())
}

/// An election, ten commands and a second of idleness take no more requests than they may.
pub fn count(lab: &mut Lab) -> Outcome {
    const COMMANDS: u64 = 10;
    let requests = |lab: &Lab| (0..lab.servers()).map(|server| lab.bed().requests_to(server)).sum();
    lab.one_leader()?;
    let elected: u64 = requests(lab);
    lab.require(elected >= 1, || "no request was counted".into())?;
    lab.at_most("requests for an election", elected, 30)?;
    let (spent, after) = in_one_term(lab, |lab, leader, term| {
        let before = requests(lab);
        let mut commands = Vec::new();
        for _ in 0..COMMANDS + 2 {
            let command = lab.command();
            let proposed = lab.propose(leader, &command);
            if !proposed.leads || proposed.term != term {
                return Ok(Tried::Moved);
            }
            commands.push((proposed.number, command));
        }
        let first = commands[0].0;
        for (at, (number, command)) in commands.into_iter().enumerate() {
            lab.require(number == first + at as Number, || format!("got number {number}"))?;
            if number == first || number > first + COMMANDS {
                continue;
            }
            match lab.wait(number, lab.servers(), Some(term))? {
                Some(found) => {
                    lab.require(found == command, || format!("number {number} is {found}"))?;
                }
                None => return Ok(Tried::Moved),
            }
        }
        let after = requests(lab);
        Ok(if lab.is_past(term) { Tried::Moved } else { Tried::Well((after - before, after)) })
    })?;
    lab.at_most("requests for 10 commands", spent, (COMMANDS + 1 + 3) * 3)?;
    lab.sleep(ms(1000))?;
    let idle: u64 = requests(lab);
    lab.at_most("requests in an idle second", idle - after, 3 * 20)
}
