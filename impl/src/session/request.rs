//! From a request to a reply or a call, and from a call's outcome to a reply.

use super::access::SessionLimits;
use super::call::{Answer, Asked, Call, Kind, NodeCall, Query};
use super::clients;
use super::flight::Flight;
use super::form::Form;
use super::local::{Client, Now, Replying};
use super::migrations::Task;
use super::multi::{Exec, Multi};
use super::once;
use super::plan::{self, Args, Plan, bytes};
use super::replies::{Expected, Replies};
use super::text::{self, Text};
use crate::commands::{Command, Flags, Id, TABLE, is_http, resolve};
use crate::resp::Writer;
use crate::rsm::decode;
use protocol::kv::Reply;
use std::collections::BTreeMap;

/// What a session has under way.
#[derive(Debug)]
pub(super) struct State {
    pub client: Client,
    pub replies: Replies,
    pub multi: Multi,
    pub flight: Flight,
    /// Commands that take several questions to the controller, by their places.
    pub tasks: BTreeMap<u64, Task>,
    /// What can't be asked yet. While there is something, nothing is parsed.
    pub held: Option<Held>,
    closing: bool,
    limits: SessionLimits,
    /// For RANDOMKEY.
    random: u64,
}

/// What is asked later.
#[derive(Debug)]
pub(super) enum Held {
    /// A call behind others of the other kind.
    Call(Box<(Call, Expected)>),
    /// An EXEC behind its WATCH.
    Exec { silent: bool },
}

/// What a reply is to, whatever it will be.
#[derive(Clone, Copy)]
struct Place {
    row: &'static Command,
    silent: bool,
    once: bool,
    slot: u16,
}

impl State {
    pub(super) fn new(client: Client, limits: SessionLimits) -> Self {
        let mut state = Self {
            random: client.id ^ client.since_ms,
            replies: Replies::new(limits.output_bytes, limits.reply_bytes),
            multi: Multi::default(),
            flight: Flight::default(),
            tasks: BTreeMap::new(),
            held: None,
            closing: false,
            limits,
            client,
        };
        if state.client.is_denied() {
            state.kill(text::DENIED);
        }
        state
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
        self.held = None;
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.flight.calls()
    }

    /// About how many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        let held = match &self.held {
            Some(Held::Call(held)) => held.1.bytes,
            _ => 0,
        };
        held + self.flight.bytes() + self.replies.bytes() + self.multi.bytes()
    }

    pub(super) fn wants_more(&self) -> bool {
        let calls = self.in_flight() < self.limits.calls;
        let bytes = self.flight.bytes() < self.limits.call_bytes;
        !self.closing && self.held.is_none() && calls && bytes && !self.replies.is_full()
    }

    /// Bytes that are no command: an error, and the end.
    pub(super) fn kill(&mut self, text: &str) {
        self.error(false, text);
        self.close();
    }

    /// A command that is too large.
    pub(super) fn refuse(&mut self, text: &str) {
        let silent = self.take_silence();
        self.multi.spoil();
        self.error(silent, text);
    }

    fn error(&mut self, silent: bool, text: &str) {
        let protocol = self.client.protocol;
        self.replies.tell(silent, |out| Writer::new(out, protocol).error(text));
    }

    fn simple(&mut self, silent: bool, text: &str) {
        let protocol = self.client.protocol;
        self.replies.tell(silent, |out| Writer::new(out, protocol).simple(text));
    }

    /// Whether the reply to the present command is not sent.
    fn take_silence(&mut self) -> bool {
        let silent = self.client.replying != Replying::On;
        if self.client.replying == Replying::Skip {
            self.client.replying = Replying::On;
        }
        silent
    }

    /// Takes a command.
    pub(super) fn request(&mut self, args: Args<'_>, now: Now<'_>, calls: &mut Vec<Asked>) {
        self.client.last_ms = now.ms;
        if is_http(args.argument(0)) {
            return self.close();
        }
        let silent = self.take_silence();
        let row = match resolve(args) {
            Ok(row) => row,
            Err(_) if looks_like_http(args) => return self.close(),
            Err(error) => {
                self.multi.spoil();
                return self.error(silent, &error.to_string());
            }
        };
        self.client.last_command = row.name;
        match self.admit(row, args, now) {
            Ok(slot) => {
                let once = row.id == Id::Once;
                let place = Place { row, silent, once, slot: slot.unwrap_or(0) };
                self.admitted(place, args, now, calls);
            }
            Err(text) => {
                self.multi.spoil();
                if row.id == Id::Watch {
                    self.multi.unguard();
                }
                self.error(silent, &text);
            }
        }
    }

    /// What is wrong with a command whatever the state of its keys; else the slot that they are in.
    fn admit(&self, row: &Command, args: Args<'_>, now: Now<'_>) -> Result<Option<u16>, Text> {
        if !self.client.authenticated && !row.flags.contains(Flags::NO_AUTH) {
            return Err(text::NO_AUTH.into());
        }
        // Redis would take a WATCH, which asks for nothing there.
        let waits = !row.flags.contains(Flags::LOADING) || row.id == Id::Watch;
        if now.view.loading && waits {
            return Err(text::LOADING.into());
        }
        if let Some(refusal) = row.refusal() {
            return Err(refusal.into());
        }
        row.slot(args).map_err(|error| error.to_string().into())
    }

    fn admitted(&mut self, place: Place, args: Args<'_>, now: Now<'_>, calls: &mut Vec<Asked>) {
        let Place { row, silent, .. } = place;
        match row.id {
            Id::Quit => {
                self.simple(silent, "OK");
                self.close();
            }
            Id::Reset => {
                self.multi.discard();
                self.client.reset();
                self.simple(silent, "RESET");
            }
            Id::Multi if self.multi.open() => self.simple(silent, "OK"),
            Id::Multi => self.error(silent, "ERR MULTI calls can not be nested"),
            Id::Discard if self.multi.discard() => self.simple(silent, "OK"),
            Id::Discard => self.error(silent, "ERR DISCARD without MULTI"),
            Id::Exec if self.multi.waits() => self.held = Some(Held::Exec { silent }),
            Id::Exec => self.exec(silent, now, calls),
            Id::Watch if self.multi.is_open() => {
                self.error(silent, "ERR WATCH inside MULTI is not allowed");
            }
            _ if self.multi.is_open() => self.queue(place, args, now),
            Id::Unwatch => {
                self.multi.unwatch();
                self.simple(silent, "OK");
            }
            Id::ClientReply => match self.client.reply(args) {
                Ok(true) => self.simple(false, "OK"),
                Ok(false) => {}
                Err(text) => self.error(silent, &text),
            },
            _ => self.carry_out(place, args, now, calls),
        }
    }

    fn carry_out(&mut self, place: Place, args: Args<'_>, now: Now<'_>, calls: &mut Vec<Asked>) {
        let id = self.client.id;
        let found = match place.row.id {
            Id::ClientList => clients::list(args).map(|call| Some((Call::Node(call), Form::Plain))),
            Id::ClientKill => {
                clients::kill(id, args).map(|(call, form)| Some((Call::Node(call), form)))
            }
            Id::ConfigResetstat => Ok(Some((Call::Node(NodeCall::ResetCounters), Form::Plain))),
            Id::Controller => match decode(args.argument(1)) {
                Ok(asked) => Ok(Some((Call::Control(asked), Form::Plain))),
                Err(_) => Err(text::NO_QUESTION.into()),
            },
            Id::Watch => self.watch(place, args, now).map(Some),
            Id::ClusterMigrateslots
            | Id::ClusterGetslotmigrations
            | Id::ClusterCancelslotmigrations
            | Id::ClusterMigration
                if now.view.shards.is_some() =>
            {
                return self.move_slots(place, args, now, calls);
            }
            Id::Once => {
                let random = self.next_random();
                return match once::read(args, random) {
                    Ok(recorded) => {
                        let place = Place { row: recorded.row, ..place };
                        let (call, form) = recorded.plan.call(Some(recorded.once));
                        self.ask(place, call, form, now, calls);
                    }
                    Err(text) => self.error(place.silent, &text),
                };
            }
            _ => {
                let random = self.next_random();
                let plan = plan::plan(place.row, args, random);
                plan.map(|plan| plan.map(|plan| plan.call(None)))
            }
        };
        match found {
            Ok(Some((call, form))) => self.ask(place, call, form, now, calls),
            Ok(None) => {
                let client = &mut self.client;
                self.replies.tell(place.silent, |out| client.answer(place.row, args, now, out));
            }
            Err(text) => self.error(place.silent, &text),
        }
    }

    /// What moves slots, or tells of it, in a sharded cluster.
    fn move_slots(&mut self, place: Place, args: Args<'_>, now: Now<'_>, calls: &mut Vec<Asked>) {
        let Some(shards) = &now.view.shards else { return };
        let Place { row, silent, once, slot } = place;
        match Task::of(row.id, args, now.view, shards) {
            Ok((task, asked)) => {
                let (form, protocol) = (Form::Plain, self.client.protocol);
                let (kind, bytes) = (Kind::Other, Call::Control(asked.clone()).bytes());
                let expected = Expected { row, form, protocol, silent, once, slot, kind, bytes };
                self.begin(task, asked, expected, calls);
            }
            Err(text) => self.error(silent, &text),
        }
    }

    /// Another number each time.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 1
    }

    /// A command behind MULTI.
    fn queue(&mut self, place: Place, args: Args<'_>, now: Now<'_>) {
        match self.try_queue(place, args, now) {
            Ok(()) => self.simple(place.silent, "QUEUED"),
            Err(text) => {
                self.multi.spoil();
                self.error(place.silent, &text);
            }
        }
    }

    fn try_queue(&mut self, place: Place, args: Args<'_>, now: Now<'_>) -> Result<(), Text> {
        let row = place.row;
        let limit = self.limits.transaction_bytes;
        let added: usize = (0..args.count()).map(|place| args.argument(place).len()).sum();
        if self.multi.bytes().saturating_add(added) > limit {
            return Err(text::too_large(limit));
        }
        if !is_for_transactions(row.id) {
            return Err(text::NOT_IN_MULTI.into());
        }
        match plan::plan(row, args, 0) {
            Ok(Some(Plan::One(key, op, form))) => {
                self.redirect(now, op.writes(), place.slot)?;
                self.multi.queue_ops(row, vec![(key, op)], form);
            }
            Ok(Some(Plan::Many(ops, form))) => {
                self.redirect(now, ops.iter().any(|(_, op)| op.writes()), place.slot)?;
                self.multi.queue_ops(row, ops, form);
            }
            Ok(Some(_)) => return Err(text::NOT_IN_MULTI.into()),
            Ok(None) => {
                let args = (0..args.count()).map(|place| args.argument(place).to_vec());
                self.multi.queue_local(row, args.collect());
            }
            Err(text) => {
                let mut bytes = Vec::new();
                Writer::new(&mut bytes, self.client.protocol).error(text.as_bytes());
                self.multi.queue_told(bytes);
            }
        }
        Ok(())
    }

    /// WATCH: asks how the keys are.
    fn watch(&mut self, place: Place, args: Args<'_>, now: Now<'_>) -> Result<(Call, Form), Text> {
        let limit = self.limits.transaction_bytes;
        if self.multi.bytes() > limit {
            self.multi.unguard();
            return Err(text::too_large(limit));
        }
        self.redirect(now, false, place.slot).inspect_err(|_| self.multi.unguard())?;
        let keys: Vec<_> = (1..args.count()).map(|place| bytes(args, place)).collect();
        let call = Call::Read(Query::Seen { keys: keys.clone() });
        Ok((call, self.multi.watch(keys)))
    }

    pub(super) fn exec(&mut self, silent: bool, now: Now<'_>, calls: &mut Vec<Asked>) {
        let Self { multi, client, limits, .. } = self;
        let mut room = limits.reply_bytes;
        let exec = multi.exec(|row, args| {
            let mut bytes = Vec::new();
            // Small commands can have large answers, such as COMMAND; not any number of them.
            if room == 0 {
                Writer::new(&mut bytes, client.protocol).error(text::NO_ROOM);
            } else {
                client.answer(row, args, now, &mut bytes);
            }
            room = room.saturating_sub(bytes.len());
            bytes
        });
        let row = &TABLE[Id::Exec as usize];
        match exec {
            Exec::Without => self.error(silent, "ERR EXEC without MULTI"),
            Exec::Abort => self.error(silent, text::EXEC_ABORT),
            Exec::CrossSlot => self.error(silent, text::CROSS_SLOT),
            Exec::Told(parts) => {
                let protocol = self.client.protocol;
                let form = Form::Exec(parts);
                let answer = Answer::Reply(Reply::Many(Vec::new()));
                self.replies.tell(silent, |out| {
                    form.write(row, &answer, &mut Writer::new(out, protocol));
                });
            }
            Exec::Ask { call, form, slot } => {
                let place = Place { row, silent, once: false, slot: slot.0 };
                self.ask(place, call, form, now, calls);
            }
        }
    }

    /// What a cluster client is told of a command on keys that another node takes.
    fn redirect(&self, now: Now<'_>, writes: bool, slot: u16) -> Result<(), Text> {
        let any = !writes && self.client.readonly;
        match now.view.elsewhere(slot, self.client.is_cluster(), any) {
            Some(node) => Err(text::moved(now.view, node, slot)),
            None => Ok(()),
        }
    }

    /// Asks a call, or holds it until it may be asked.
    fn ask(&mut self, place: Place, call: Call, form: Form, now: Now<'_>, calls: &mut Vec<Asked>) {
        let Place { row, silent, once, slot } = place;
        let (protocol, kind, bytes) = (self.client.protocol, call.kind(), call.bytes());
        // A question about all keys is for the node that is asked, unless one group has them all.
        let is_routed = call.is_routed() && (now.view.shards.is_none() || call.slot().is_some());
        let is_known = !now.view.has_server_for(slot);
        if is_routed
            && is_known
            && let Err(text) = self.redirect(now, kind == Kind::Write, slot)
        {
            return self.error(silent, &text);
        }
        let expected = Expected { row, form, protocol, silent, once, slot, kind, bytes };
        if self.flight.admits(kind) {
            self.send(call, expected, calls);
        } else {
            self.held = Some(Held::Call(Box::new((call, expected))));
        }
    }
}

/// Whether what is no command is the first line of a browser's request, which a page may have sent here. It is told
/// nothing.
fn looks_like_http(args: Args<'_>) -> bool {
    args.count() == 3 && args.argument(2).starts_with(b"HTTP/")
}

/// Whether a command may stand between MULTI and EXEC. What changes the connection may not, for the replies of EXEC
/// belong together.
const fn is_for_transactions(id: Id) -> bool {
    !matches!(
        id,
        Id::Hello
            | Id::Auth
            | Id::ClientReply
            | Id::ClientList
            | Id::ClientKill
            | Id::ConfigResetstat
            | Id::Controller
            | Id::ClusterMigrateslots
            | Id::ClusterGetslotmigrations
            | Id::ClusterCancelslotmigrations
            | Id::ClusterMigration
            | Id::Once
    )
}
