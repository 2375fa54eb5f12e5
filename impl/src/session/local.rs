//! What a session answers by itself: who the client is, what the server is.

use super::access::{Access, Port};
use super::plan::{Args, integer, is, quoted};
use super::text::{self, Text};
use super::{cluster, config, info};
use crate::commands::{self, Command, Id};
use crate::resp::{NO_PROTOCOL, Protocol, Writer};
use crate::view::View;
use protocol::kv::number::parse_i64;

/// The version of Redis whose clients find what they know. Programs look at it to see what a server can do.
pub(super) const REDIS_VERSION: &str = "7.2.4";

/// What the outside is at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    /// What the node knows.
    pub view: &'a View,
    /// The time of the day, in Unix milliseconds.
    pub ms: u64,
}

/// Whether replies are sent: CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replying {
    On,
    Off,
    /// Not the next one.
    Skip,
}

/// The client of a session.
#[derive(Debug)]
pub(super) struct Client {
    pub id: u64,
    pub access: Access,
    /// The longest argument that it may send.
    pub bulk_bytes: usize,
    pub protocol: Protocol,
    pub authenticated: bool,
    /// Whether a follower may answer its reads: READONLY.
    pub readonly: bool,
    pub replying: Replying,
    pub name: String,
    pub library: String,
    pub library_version: String,
    pub no_evict: bool,
    pub no_touch: bool,
    pub since_ms: u64,
    pub last_ms: u64,
    pub last_command: &'static str,
}

impl Client {
    pub(super) fn new(id: u64, access: Access, bulk_bytes: usize, now_ms: u64) -> Self {
        Self {
            id,
            authenticated: access.password.is_none(),
            access,
            bulk_bytes,
            protocol: Protocol::default(),
            readonly: false,
            replying: Replying::On,
            name: String::new(),
            library: String::new(),
            library_version: String::new(),
            no_evict: false,
            no_touch: false,
            since_ms: now_ms,
            last_ms: now_ms,
            last_command: "NULL",
        }
    }

    /// Whether it may do nothing at all here.
    pub(super) fn is_denied(&self) -> bool {
        self.access.password.is_none() && !self.access.loopback
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.access.port == Port::Cluster
    }

    /// RESET: as if it had just come, but for what it is.
    pub(super) fn reset(&mut self) {
        self.authenticated = self.access.password.is_none();
        self.protocol = Protocol::default();
        self.readonly = false;
        self.replying = Replying::On;
        self.name.clear();
        (self.no_evict, self.no_touch) = (false, false);
    }

    /// Answers a command. What is known by no other name is known here: the last arm is for those only that have
    /// their answer from the table.
    pub(super) fn answer(
        &mut self,
        row: &'static Command,
        args: Args<'_>,
        now: Now<'_>,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let done = match row.id {
            Id::Hello => self.hello(args, now, out),
            Id::Auth => self.auth(args).map(|()| self.writer(out).ok()),
            Id::Select => self.select(args).map(|()| self.writer(out).ok()),
            _ if row.name.starts_with("client|") => {
                self.client_command(row, args, now, &mut Writer::new(out, self.protocol))
            }
            _ if row.name.starts_with("cluster|") => {
                cluster::answer(row.id, args, now.view, &mut self.writer(out))
            }
            _ => self.other(row, args, now, &mut self.writer(out)),
        };
        if let Err(text) = done {
            out.truncate(start);
            self.writer(out).error(text.as_bytes());
        }
    }

    fn writer<'a>(&self, out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer::new(out, self.protocol)
    }

    fn other(
        &mut self,
        row: &'static Command,
        args: Args<'_>,
        now: Now<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Text> {
        match row.id {
            Id::Ping => match args.count() {
                1 => writer.simple("PONG"),
                2 => writer.bulk(args.argument(1)),
                _ => return Err("ERR wrong number of arguments for 'ping' command".into()),
            },
            Id::Echo => writer.bulk(args.argument(1)),
            Id::Readonly => {
                self.readonly = true;
                writer.ok();
            }
            Id::Readwrite => {
                self.readonly = false;
                writer.ok();
            }
            // Between MULTI and EXEC, and EXEC ends all watching by itself.
            Id::Unwatch => writer.ok(),
            Id::Asking | Id::FunctionFlush | Id::ScriptFlush => writer.ok(),
            Id::Time => {
                writer.array(2);
                writer.bulk((now.ms / 1000).to_string());
                writer.bulk((now.ms % 1000 * 1000).to_string());
            }
            Id::Wait => {
                wait_arguments(args)?;
                writer.integer(now.view.acknowledging() as i64);
            }
            Id::Info => info::write(args, self.access.port, now.view, writer),
            Id::Role => info::role(self.access.port, now.view, writer),
            Id::ConfigGet => {
                config::get(args, self.access.port, self.bulk_bytes, now.view, writer);
            }
            Id::ConfigSet => return Err(config::SET_REFUSED.into()),
            Id::ObjectFreq => return Err("ERR access frequency is not tracked".into()),
            Id::ObjectIdletime => return Err("ERR idle time is not tracked".into()),
            _ if row.name.ends_with("|help") => {
                let container = row.name.trim_end_matches("|help");
                let container = commands::find(container.as_bytes());
                commands::help(container.expect("a subcommand has a container"), writer);
            }
            _ if row.name.starts_with("command") => commands::command(row.id, args, writer),
            _ => match row.refusal() {
                Some(refusal) => return Err(refusal.into()),
                None => return Err(format!("ERR '{}' can't be used here", row.name).into()),
            },
        }
        Ok(())
    }

    /// AUTH [user] password.
    fn auth(&mut self, args: Args<'_>) -> Result<(), Text> {
        match args.count() {
            2 if self.access.password.is_none() => Err(text::NO_PASSWORD.into()),
            2 => self.log_in(b"default", args.argument(1)),
            3 => self.log_in(args.argument(1), args.argument(2)),
            _ => Err(text::SYNTAX.into()),
        }
    }

    /// There is one user. Where no password is asked, any is right, as in Redis.
    fn log_in(&mut self, user: &[u8], given: &[u8]) -> Result<(), Text> {
        let password = self.access.password.as_ref();
        if user != b"default" || !password.is_none_or(|password| password.is(given)) {
            return Err(text::WRONG_PASS.into());
        }
        self.authenticated = true;
        Ok(())
    }

    fn select(&self, args: Args<'_>) -> Result<(), Text> {
        match integer(args, 1)? {
            0 => Ok(()),
            _ if self.is_cluster() => Err("ERR SELECT is not allowed in cluster mode".into()),
            _ => Err("ERR DB index is out of range".into()),
        }
    }

    /// HELLO [version [AUTH user password] [SETNAME name]]. All of it is done, or nothing.
    fn hello(&mut self, args: Args<'_>, now: Now<'_>, out: &mut Vec<u8>) -> Result<(), Text> {
        let mut protocol = self.protocol;
        let (mut account, mut name) = (None, None);
        let mut place = 2;
        if args.count() > 1 {
            let version = parse_i64(args.argument(1));
            let version = version
                .ok_or(Text::from("ERR Protocol version is not an integer or out of range"))?;
            protocol = Protocol::numbered(version).ok_or(Text::from(NO_PROTOCOL))?;
        }
        while place < args.count() {
            if is(args, place, "auth") && place + 2 < args.count() {
                account = Some((args.argument(place + 1), args.argument(place + 2)));
                place += 3;
            } else if is(args, place, "setname") && place + 1 < args.count() {
                name = Some(super::clients::printable(args.argument(place + 1), "Client names")?);
                place += 2;
            } else {
                let option = quoted(args, place);
                return Err(format!("ERR Syntax error in HELLO option '{option}'").into());
            }
        }
        if let Some((user, password)) = account {
            self.log_in(user, password)?;
        }
        if !self.authenticated {
            return Err("NOAUTH HELLO needs a client that has given its password: say HELLO \
                <version> AUTH default <password>"
                .into());
        }
        if let Some(name) = name {
            self.name = name;
        }
        self.protocol = protocol;
        self.greet(now, &mut self.writer(out));
        Ok(())
    }

    fn greet(&self, now: Now<'_>, writer: &mut Writer<'_>) {
        writer.map(7);
        writer.bulk("server");
        writer.bulk("redis");
        writer.bulk("version");
        writer.bulk(REDIS_VERSION);
        writer.bulk("proto");
        writer.integer(self.protocol.number());
        writer.bulk("id");
        writer.integer(i64::try_from(self.id).unwrap_or(i64::MAX));
        writer.bulk("mode");
        writer.bulk(info::mode(self.access.port));
        writer.bulk("role");
        let master = info::is_master(self.access.port, now.view);
        writer.bulk(if master { "master" } else { "replica" });
        writer.bulk("modules");
        writer.array(0);
    }
}

/// WAIT replicas timeout.
fn wait_arguments(args: Args<'_>) -> Result<(), Text> {
    integer(args, 1)?;
    let timeout = parse_i64(args.argument(2));
    match timeout.ok_or(Text::from("ERR timeout is not an integer or out of range"))? {
        0.. => Ok(()),
        _ => Err("ERR timeout is negative".into()),
    }
}
