//! CLIENT: who is connected, in the words of Redis.
//!
//! A session knows itself only. What concerns others goes to whoever owns the connections, as a [`Filter`].

use super::Session;
use super::call::NodeCall;
use super::form::Form;
use super::local::{Client, Now, Replying};
use super::plan::{Args, integer, is, quoted};
use super::text::{self, Text};
use crate::commands::{self, Command, Id};
use crate::resp::Writer;

/// Which connections are meant. Nothing asked is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these numbers, if any are named.
    ids: Vec<u64>,
    address: Option<String>,
    local: Option<String>,
    /// False if users or kinds of connections are asked for that there are none of.
    nobody: bool,
    /// Connected for longer than this.
    older_than_ms: Option<u64>,
    /// Not this one.
    skipped: Option<u64>,
}

impl Filter {
    /// Whether a session is meant.
    pub fn admits(&self, session: &Session, now_ms: u64) -> bool {
        let client = session.client();
        let age_ms = now_ms.saturating_sub(client.since_ms);
        let is =
            |asked: &Option<String>, own: &str| asked.as_ref().is_none_or(|asked| asked == own);
        !self.nobody
            && (self.ids.is_empty() || self.ids.contains(&client.id))
            && is(&self.address, &client.access.address)
            && is(&self.local, &client.access.local)
            && self.older_than_ms.is_none_or(|than_ms| age_ms > than_ms)
            && self.skipped != Some(client.id)
    }
}

/// CLIENT LIST [TYPE type] [ID id…].
///
/// # Errors
/// What its client is told of arguments that mean nothing.
pub(super) fn list(args: Args<'_>) -> Result<NodeCall, Text> {
    let mut filter = Filter::default();
    if is(args, 2, "type") && args.count() == 4 {
        filter.nobody = nobody_of_type(args, 3)?;
    } else if is(args, 2, "id") && args.count() > 3 {
        filter.ids = (3..args.count()).map(|place| id(args, place)).collect::<Result<_, _>>()?;
    } else if args.count() != 2 {
        return Err(text::SYNTAX.into());
    }
    Ok(NodeCall::ListClients(filter))
}

/// CLIENT KILL address, or CLIENT KILL with filters. The first kills its own client too, the second only if asked.
///
/// # Errors
/// What its client is told of arguments that mean nothing.
pub(super) fn kill(client: u64, args: Args<'_>) -> Result<(NodeCall, Form), Text> {
    let mut filter = Filter::default();
    if args.count() == 3 {
        filter.address = Some(quoted(args, 2));
        return Ok((NodeCall::KillClients(filter), Form::KilledOne));
    }
    let mut skip = true;
    for place in (2..args.count()).step_by(2) {
        let value = place + 1;
        if value == args.count() {
            return Err(text::SYNTAX.into());
        } else if is(args, place, "id") {
            filter.ids.push(id(args, value)?);
        } else if is(args, place, "addr") {
            filter.address = Some(quoted(args, value));
        } else if is(args, place, "laddr") {
            filter.local = Some(quoted(args, value));
        } else if is(args, place, "user") {
            filter.nobody |= args.argument(value) != b"default";
        } else if is(args, place, "type") {
            filter.nobody |= nobody_of_type(args, value)?;
        } else if is(args, place, "maxage") {
            let seconds = u64::try_from(integer(args, value)?);
            let seconds = seconds.map_err(|_| Text::from(text::NOT_AN_INTEGER))?;
            filter.older_than_ms = Some(seconds.saturating_mul(1000));
        } else if is(args, place, "skipme") {
            skip = yes_or_no(args, value, "yes", "no")?;
        } else {
            return Err(text::SYNTAX.into());
        }
    }
    filter.skipped = skip.then_some(client);
    Ok((NodeCall::KillClients(filter), Form::Plain))
}

fn id(args: Args<'_>, place: usize) -> Result<u64, Text> {
    let id = integer(args, place).ok().and_then(|id| u64::try_from(id).ok());
    id.filter(|&id| id > 0).ok_or(Text::from("ERR client-id should be greater than 0"))
}

/// Whether there is nobody of a type: all clients are ordinary ones.
fn nobody_of_type(args: Args<'_>, place: usize) -> Result<bool, Text> {
    let others = ["master", "replica", "slave", "pubsub"];
    if is(args, place, "normal") {
        Ok(false)
    } else if others.iter().any(|other| is(args, place, other)) {
        Ok(true)
    } else {
        Err(format!("ERR Unknown client type '{}'", quoted(args, place)).into())
    }
}

fn yes_or_no(args: Args<'_>, place: usize, yes: &str, no: &str) -> Result<bool, Text> {
    match (is(args, place, yes), is(args, place, no)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(text::SYNTAX.into()),
    }
}

/// A name that can stand in a list: printable, without spaces.
///
/// # Errors
/// What its client is told of another one.
pub(super) fn printable(name: &[u8], what: &str) -> Result<String, Text> {
    if name.iter().all(u8::is_ascii_graphic) && name.len() <= MOST_NAME_BYTES {
        return Ok(String::from_utf8_lossy(name).into_owned());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into())
}

/// A name is kept for as long as its client is there.
const MOST_NAME_BYTES: usize = 4096;

impl Client {
    pub(super) fn client_command(
        &mut self,
        row: &'static Command,
        args: Args<'_>,
        now: Now<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Text> {
        match row.id {
            Id::ClientId => writer.integer(i64::try_from(self.id).unwrap_or(i64::MAX)),
            Id::ClientGetname if self.name.is_empty() => writer.null(),
            Id::ClientGetname => writer.bulk(&self.name),
            Id::ClientInfo => {
                let text = self.describe(now.ms) + "\n";
                writer.verbatim(*b"txt", text);
            }
            Id::ClientHelp => commands::help(&commands::TABLE[Id::Client as usize], writer),
            _ => {
                self.set(row, args)?;
                writer.ok();
            }
        }
        Ok(())
    }

    fn set(&mut self, row: &'static Command, args: Args<'_>) -> Result<(), Text> {
        match row.id {
            Id::ClientSetname => self.name = printable(args.argument(2), "Client names")?,
            Id::ClientSetinfo if is(args, 2, "lib-name") => {
                self.library = printable(args.argument(3), "lib-name")?;
            }
            Id::ClientSetinfo if is(args, 2, "lib-ver") => {
                self.library_version = printable(args.argument(3), "lib-ver")?;
            }
            Id::ClientSetinfo => {
                return Err(format!("ERR Unrecognized option '{}'", quoted(args, 2)).into());
            }
            Id::ClientNoEvict => self.no_evict = yes_or_no(args, 2, "on", "off")?,
            Id::ClientNoTouch => self.no_touch = yes_or_no(args, 2, "on", "off")?,
            _ => return Err(text::SYNTAX.into()),
        }
        Ok(())
    }

    /// CLIENT REPLY ON | OFF | SKIP. Whether it is answered itself.
    ///
    /// # Errors
    /// What its client is told of arguments that mean nothing.
    pub(super) fn reply(&mut self, args: Args<'_>) -> Result<bool, Text> {
        if is(args, 2, "skip") {
            if self.replying == Replying::On {
                self.replying = Replying::Skip;
            }
            return Ok(false);
        }
        let on = yes_or_no(args, 2, "on", "off")?;
        self.replying = if on { Replying::On } else { Replying::Off };
        Ok(on)
    }

    /// The client's line of CLIENT LIST, without its end.
    pub(super) fn describe(&self, now_ms: u64) -> String {
        let Self { id, name, library, library_version, .. } = self;
        let (address, local) = (&self.access.address, &self.access.local);
        let seconds = |since_ms| now_ms.saturating_sub(since_ms) / 1000;
        let (age, idle) = (seconds(self.since_ms), seconds(self.last_ms));
        let mut flags = String::new();
        for (is, flag) in [(self.readonly, 'r'), (self.no_evict, 'e'), (self.no_touch, 'T')] {
            if is {
                flags.push(flag);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let (command, version) = (self.last_command, self.protocol.number());
        format!(
            "id={id} addr={address} laddr={local} name={name} age={age} idle={idle} \
             flags={flags} db=0 sub=0 psub=0 ssub=0 cmd={command} user=default \
             lib-name={library} lib-ver={library_version} resp={version}"
        )
    }
}
