//! Who watches what comes out of the servers: in order, equal everywhere, and nothing twice.

use super::bed::{Command, Delivery, Number};

/// What has come out of the servers.
///
/// Stricter than the labs' own in one thing: what has come out once is remembered, also when every server that had it
/// has lost its memory.
#[derive(Debug)]
pub struct Checker {
    /// By server, every command that has come out of its present life, or of its last one.
    logs: Vec<Vec<Command>>,
    /// The longest of them that there ever was.
    all: Vec<Command>,
}

impl Checker {
    /// Before anything has come out of so many servers.
    pub fn new(servers: usize) -> Self {
        Self { logs: vec![Vec::new(); servers], all: Vec::new() }
    }

    /// Something has come out.
    ///
    /// # Errors
    /// If it should not have.
    pub fn take(&mut self, server: usize, delivery: Delivery) -> Result<(), String> {
        match delivery {
            Delivery::Started(log) => {
                self.compare(server, 1, &log)?;
                self.logs[server] = log;
            }
            Delivery::Snapshot(log) => {
                let (before, now) = (self.logs[server].len(), log.len());
                // As many is fine: a no-op lies between the last command and the snapshot's end.
                if now < before {
                    return Err(format!(
                        "server {server} has applied {before} commands and is given a snapshot of {now}"
                    ));
                }
                self.compare(server, 1, &log)?;
                self.logs[server] = log;
            }
            Delivery::Command { number, command } => {
                let expected = self.logs[server].len() as Number + 1;
                if number != expected {
                    return Err(format!(
                        "server {server} applies out of order: expected command {expected}, got {number}"
                    ));
                }
                self.compare(server, number, std::slice::from_ref(&command))?;
                self.logs[server].push(command);
            }
        }
        Ok(())
    }

    /// Compares what has come out of a server from a number on with what came out of others, and remembers it.
    fn compare(&mut self, server: usize, first: Number, log: &[Command]) -> Result<(), String> {
        for (number, command) in (first..).zip(log) {
            match self.all.get(number as usize - 1) {
                Some(known) if known != command => {
                    return Err(format!(
                        "commit {number} of server {server} is {}, of others {}",
                        short(command),
                        short(known)
                    ));
                }
                Some(_) => {}
                None => self.all.push(command.clone()),
            }
        }
        Ok(())
    }

    /// How many servers have applied the command with this number, and which it is.
    pub fn committed(&self, number: Number) -> (usize, Option<&Command>) {
        let has = |log: &&Vec<Command>| log.len() as Number >= number;
        let count = self.logs.iter().filter(has).count();
        (count, self.all.get(number as usize - 1).filter(|_| count > 0))
    }

    /// What has come out of each server.
    pub fn logs(&self) -> &[Vec<Command>] {
        &self.logs
    }
}

/// A command for people.
pub fn short(command: &str) -> String {
    match command.char_indices().nth(20) {
        Some((at, _)) => format!("{}…", &command[..at]),
        None => command.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(number: Number, text: &str) -> Delivery {
        Delivery::Command { number, command: text.into() }
    }

    #[test]
    fn order_and_equality() {
        let mut checker = Checker::new(2);
        checker.take(0, command(1, "a")).expect("the first");
        checker.take(0, command(2, "b")).expect("the second");
        assert!(checker.take(0, command(4, "d")).is_err(), "a gap");
        assert!(checker.take(0, command(2, "b")).is_err(), "twice");
        assert!(checker.take(1, command(1, "x")).is_err(), "another");
        checker.take(1, command(1, "a")).expect("the same");
        assert_eq!(checker.committed(1), (2, Some(&"a".into())));
        assert_eq!(checker.committed(2), (1, Some(&"b".into())));
        assert_eq!(checker.committed(3), (0, None));
    }

    #[test]
    fn snapshots_only_go_on() {
        let log = |texts: &[&str]| texts.iter().map(|text| Command::from(*text)).collect();
        let mut checker = Checker::new(2);
        checker.take(0, command(1, "a")).expect("the first");
        checker.take(0, command(2, "b")).expect("the second");
        assert!(checker.take(0, Delivery::Snapshot(log(&["a"]))).is_err(), "it goes back");
        checker.take(1, Delivery::Snapshot(log(&["a", "b"]))).expect("it had nothing");
        assert!(checker.take(1, command(2, "b")).is_err(), "the snapshot covers it");
        checker.take(1, Delivery::Started(log(&["a"]))).expect("a start may go back");
        checker.take(1, command(2, "b")).expect("and is followed by what comes behind");
        assert!(checker.take(0, Delivery::Started(log(&["b"]))).is_err(), "another history");
    }
}
