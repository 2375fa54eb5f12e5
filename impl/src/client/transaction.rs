//! Several commands as one: MULTI … EXEC, guarded by the versions that the caller has seen.
//!
//! A transaction is not recorded, so it is sent once more only after the server has said that it was not executed. If
//! the answer is lost, nobody knows, and the caller is told so. Guarded by a version, it can be tried again without
//! harm: if it was executed, the version is another.

use super::links::Links;
use super::wire::{self, Said};
use super::{Broken, Clerk, Connection, Error};
use crate::resp::Frame;
use protocol::NodeId;
use protocol::kv::Version;
use std::time::{Duration, Instant};

/// What one attempt came to.
enum Tried {
    Done(Vec<Frame>),
    NotExecuted(Option<NodeId>),
    Failed(Error),
}

const PAUSE: Duration = Duration::from_millis(20);

impl Clerk {
    /// Executes commands as one, if these keys have these versions, 0 for a key that is not there. Each command is a
    /// list of words, as in `["SET", "key", "value"]`; all keys lie in one slot. What each command answered, errors
    /// among them: as in Redis, one that fails does not hold up the others.
    ///
    /// # Errors
    /// [`Error::WatchFailed`] if a key has another version: nothing was executed. [`Error::Undecided`] if the answer is
    /// lost. Others if no server took it, or a command is wrong: nothing was executed.
    pub fn transaction<A: AsRef<[u8]>>(
        &mut self,
        expected: &[(&str, Version)],
        commands: &[Vec<A>],
    ) -> Result<Vec<Frame>, Error> {
        let begun = Instant::now();
        loop {
            let (links, server) = self.links();
            let patience = links.options().patience;
            let (next, why) = match attempt(links, server, expected, commands, begun) {
                Ok(Tried::Done(frames)) => return Ok(frames),
                Ok(Tried::Failed(error)) => return Err(error),
                Ok(Tried::NotExecuted(to)) => (to, "no server leads".to_owned()),
                Err(refused @ Broken::Refused { .. }) => return Err(refused.into()),
                Err(broken) => (None, broken.to_string()),
            };
            let waited = begun.elapsed();
            if patience.is_some_and(|patience| waited >= patience) {
                return Err(Error::Unanswered { waited, why });
            }
            std::thread::sleep(PAUSE);
            self.asked(next.unwrap_or(NodeId((server.0 + 1) % super::links::SERVERS)));
        }
    }
}

/// # Errors
/// Why nothing was sent that could have been executed.
fn attempt<A: AsRef<[u8]>>(
    links: &mut Links,
    server: NodeId,
    expected: &[(&str, Version)],
    commands: &[Vec<A>],
    begun: Instant,
) -> Result<Tried, Broken> {
    // One connection for all of it: what is watched belongs to it.
    let connection = links.open(server)?;
    let watched = match expected {
        [] => None,
        _ => match watch(connection, expected) {
            Ok(watched) => watched,
            Err(broken) => {
                links.close(server);
                return Err(broken);
            }
        },
    };
    let said = match watched {
        Some(said) => said,
        None => match exec(connection, commands) {
            Ok(Ok(frames)) => return Ok(Tried::Done(frames)),
            Ok(Err(said)) => said,
            Err(broken) => {
                links.close(server);
                let (waited, why) = (begun.elapsed(), broken.to_string());
                return Ok(Tried::Failed(Error::Undecided { waited, why }));
            }
        },
    };
    Ok(match said {
        Said::NotExecuted(to) => {
            // The next attempt begins without what is watched here.
            links.close(server);
            Tried::NotExecuted(to.and_then(|to| links.number(to)))
        }
        Said::Reply(_) => Tried::Failed(Error::WatchFailed),
        Said::Refused(text) => Tried::Failed(Error::Refused(text)),
        Said::Unexpected(text) => Tried::Failed(Error::Unexpected(text)),
        Said::Unknown => {
            let why = "the server does not know either".into();
            Tried::Failed(Error::Undecided { waited: begun.elapsed(), why })
        }
    })
}

/// Watches the keys and looks whether they have the versions; what is in the way, if something is.
fn watch(connection: &mut Connection, keys: &[(&str, Version)]) -> Result<Option<Said>, Broken> {
    let watch: Vec<&str> = ["WATCH"].into_iter().chain(keys.iter().map(|(key, _)| *key)).collect();
    connection.push(&watch);
    keys.iter().for_each(|(key, _)| connection.push(&["KV.GET", key]));
    connection.send()?;
    let mut trouble = refusal(&connection.receive()?);
    for (_, expected) in keys {
        let frame = connection.receive()?;
        let found = match &frame {
            Frame::Array(parts) => match parts.as_slice() {
                [_, Frame::Integer(version)] => Version::try_from(*version).ok(),
                _ => None,
            },
            _ => None,
        };
        let other = match found {
            Some(found) if found == *expected => None,
            // Any reply stands for a version that is another.
            Some(_) => Some(Said::Reply(protocol::kv::Reply::WatchFailed)),
            None => refusal(&frame).or_else(|| Some(Said::Unexpected(wire::shown(&frame)))),
        };
        trouble = trouble.or(other);
    }
    if let Some(Said::Reply(_) | Said::Refused(_)) = trouble {
        connection.call(&["UNWATCH"])?;
    }
    Ok(trouble)
}

/// What an error says; None if the answer is no error.
fn refusal(frame: &Frame) -> Option<Said> {
    let Frame::Error(text) = frame else { return None };
    Some(match wire::error(&String::from_utf8_lossy(text), false) {
        // The store's refusals belong to the commands within.
        Said::Reply(_) => Said::Refused(String::from_utf8_lossy(text).into_owned()),
        said => said,
    })
}

/// Sends the commands between MULTI and EXEC.
fn exec<A: AsRef<[u8]>>(
    connection: &mut Connection,
    commands: &[Vec<A>],
) -> Result<Result<Vec<Frame>, Said>, Broken> {
    connection.push(&["MULTI"]);
    commands.iter().for_each(|words| connection.push(words));
    connection.push(&["EXEC"]);
    connection.send()?;
    let mut first = None;
    for _ in 0..=commands.len() {
        let frame = connection.receive()?;
        first = first.or_else(|| refusal(&frame));
    }
    Ok(match connection.receive()? {
        Frame::Array(parts) => Ok(parts),
        Frame::Null | Frame::NullArray => Err(Said::Reply(protocol::kv::Reply::WatchFailed)),
        // EXECABORT: what spoiled it says more.
        frame @ Frame::Error(_) => Err(first.or_else(|| refusal(&frame)).unwrap_or(Said::Unknown)),
        frame => Err(Said::Unexpected(wire::shown(&frame))),
    })
}
