//! A client of the store that calls without a pause, and knows what it must see.

use super::{Keys, Style};
use crate::labs::clerk::{CallEnd, Caller, WAIT};
use crate::labs::lab::{Lab, Next, Outcome};
use protocol::kv::{Bytes, Op, Reply};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The key that all share.
pub const ONE_KEY: &str = "k";

/// What all clients together were told of their Puts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Executed.
    pub done: u64,
    /// Executed or not.
    pub maybe: u64,
}

/// A client.
pub struct Client {
    caller: Caller,
    number: u64,
    style: Style,
    keys: Keys,
    tally: Rc<RefCell<Tally>>,
    /// The call under way.
    key: String,
    op: Op,
    /// The version that it has seen of each key.
    versions: BTreeMap<String, u64>,
    /// Whether it reads next, after a Put.
    reads: bool,
    /// What its own key must hold.
    own: String,
    appends: u64,
}

impl Client {
    /// A client.
    pub fn new(
        lab: &mut Lab,
        number: u64,
        style: Style,
        keys: Keys,
        tally: &Rc<RefCell<Tally>>,
    ) -> Self {
        Self {
            caller: Caller::new(lab),
            number,
            style,
            keys,
            tally: Rc::clone(tally),
            key: String::new(),
            op: Op::Get,
            versions: BTreeMap::new(),
            reads: false,
            own: String::new(),
            appends: 0,
        }
    }

    /// Its place among the clients.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Goes on: one call after the other. With `stop` there is none after this one.
    ///
    /// # Errors
    /// If it is told what cannot be.
    pub fn step(&mut self, lab: &mut Lab, stop: bool) -> Outcome<Next> {
        if self.caller.is_busy() {
            match self.caller.poll(lab)? {
                None => return Ok(WAIT),
                Some(end) => self.ended(lab, &end)?,
            }
        }
        if stop {
            self.reads = false;
            return Ok(Next::Done);
        }
        self.draw(lab);
        self.caller.begin(lab, &self.key, self.op.clone());
        Ok(WAIT)
    }

    fn draw(&mut self, lab: &mut Lab) {
        if self.style == Style::Versions && std::mem::take(&mut self.reads) {
            self.op = Op::Get;
            return;
        }
        self.key = match self.keys {
            Keys::Own => format!("{}", self.number),
            Keys::One => ONE_KEY.into(),
            Keys::Shared(count) => format!("k{}", lab.random.below(count)),
        };
        self.op = match self.style {
            Style::Versions => {
                let expected = self.versions.get(&self.key).copied().unwrap_or(0);
                self.reads = true;
                Op::Put { value: self.value(), expected }
            }
            // The first call is one, or a client in a slow round may have drawn none.
            Style::Appends if self.appends == 0 => Op::Append { value: self.value() },
            Style::Appends => match lab.random.below(100) {
                0..50 => Op::Append { value: self.value() },
                50..55 if self.keys != Keys::Own => Op::Set { value: self.value() },
                _ => Op::Get,
            },
        };
    }

    /// A value that nobody else writes.
    fn value(&mut self) -> Bytes {
        self.appends += 1;
        Bytes::from(format!("x {} {} y", self.number, self.appends).as_str())
    }

    fn ended(&mut self, lab: &Lab, end: &CallEnd) -> Outcome {
        let reply = match end {
            CallEnd::Maybe => {
                self.tally.borrow_mut().maybe += 1;
                return Ok(());
            }
            CallEnd::Reply(reply) => reply,
        };
        match (&self.op, reply) {
            (Op::Put { .. }, Reply::Written { version }) => {
                self.tally.borrow_mut().done += 1;
                self.versions.insert(self.key.clone(), *version);
            }
            (Op::Get, Reply::Value { version, .. }) => {
                self.versions.insert(self.key.clone(), *version);
            }
            _ => {}
        }
        if self.keys == Keys::Own {
            return self.look_at_own(lab, reply);
        }
        Ok(())
    }

    /// Nobody else writes to its own key.
    fn look_at_own(&mut self, lab: &Lab, reply: &Reply) -> Outcome {
        let shown = match (&self.op, reply) {
            (_, Reply::Value { value, .. } | Reply::Appended { old: value, .. }) => value.as_ref(),
            (Op::Get, Reply::NoKey) => b"",
            // A long reply to a copy is not kept.
            _ => self.own.as_bytes(),
        };
        lab.require(shown == self.own.as_bytes(), || {
            let shown = String::from_utf8_lossy(shown);
            format!("client {} sees `{shown}` in its key, which holds `{}`", self.number, self.own)
        })?;
        if let Op::Append { value } = &self.op {
            self.own += &String::from_utf8_lossy(value.as_ref());
        }
        Ok(())
    }

    /// Its own key holds every append, once and in order.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_own(&mut self, lab: &mut Lab) -> Outcome {
        (self.key, self.op) = (format!("{}", self.number), Op::Get);
        let key = self.key.clone();
        let end = self.caller.call(lab, &key, Op::Get)?;
        self.ended(lab, &end)?;
        lab.require(!self.own.is_empty(), || format!("client {} has not appended", self.number))
    }

    /// The version of a key; 0 if it is not there.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn version_of(&mut self, lab: &mut Lab, key: &str) -> Outcome<u64> {
        Ok(match self.caller.call(lab, key, Op::Get)? {
            CallEnd::Reply(Reply::Value { version, .. }) => version,
            _ => 0,
        })
    }
}
