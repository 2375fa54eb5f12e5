//! Fingerprints of commands (FNV-1a), so that a number used twice is noticed.
//!
//! They stand in snapshots and are compared by later builds, so they are made of bytes that are written here
//! and not of what a compiler derives.

use super::op::{Deadline, ExpireWhen, KeyOp, LcsForm, Op, StringOp, When};
use super::{Bytes, Command, Seen, Transaction};

struct Print(u64);

impl Print {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |print, &byte| (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.raw(&[tag]);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &Bytes) -> &mut Self {
        self.number(bytes.as_ref().len() as u64);
        self.raw(bytes.as_ref());
        self
    }

    fn op(&mut self, key: &Bytes, op: &Op) {
        let (tag, expected, value) = match op {
            Op::Get => (0, 0, None),
            Op::Put { value, expected } => (1, *expected, Some(value)),
            Op::Set { value } => (2, 0, Some(value)),
            Op::Append { value } => (3, 0, Some(value)),
            Op::Delete { expected } => (4, *expected, None),
            Op::String(op) => return self.tag(5).bytes(key).string(op),
            Op::Key(op) => return self.tag(6).bytes(key).key(op),
        };
        self.tag(tag).bytes(key).number(expected);
        if let Some(value) = value {
            self.bytes(value);
        }
    }

    fn string(&mut self, op: &StringOp) {
        match op {
            StringOp::Get => self.tag(0),
            StringOp::Set { value, when, deadline, get } => {
                self.tag(1).bytes(value).when(when).deadline(*deadline).tag(u8::from(*get))
            }
            StringOp::SetNx { value } => self.tag(2).bytes(value),
            StringOp::SetAllNx { value, others } => {
                self.tag(3).bytes(value).number(others.len() as u64);
                for (key, value) in others {
                    self.bytes(key).bytes(value);
                }
                self
            }
            StringOp::GetDel => self.tag(4),
            StringOp::GetEx { deadline } => self.tag(5).deadline(*deadline),
            StringOp::GetRange { start, end } => {
                self.tag(6).number(start.cast_unsigned()).number(end.cast_unsigned())
            }
            StringOp::SetRange { offset, value } => self.tag(7).number(*offset).bytes(value),
            StringOp::Append { value } => self.tag(8).bytes(value),
            StringOp::Len => self.tag(9),
            StringOp::IncrBy { by } => self.tag(10).number(by.cast_unsigned()),
            StringOp::IncrByFloat { by } => {
                self.tag(11).raw(&by.units().to_le_bytes());
                self
            }
            StringOp::Lcs { other, form } => match form {
                LcsForm::Whole => self.tag(12).bytes(other),
                LcsForm::Len => self.tag(13).bytes(other),
                LcsForm::Matches { min, lengths } => {
                    self.tag(14).bytes(other).number(*min).tag(u8::from(*lengths))
                }
            },
        };
    }

    fn key(&mut self, op: &KeyOp) {
        match op {
            KeyOp::Delete { when } => self.tag(0).when(when),
            KeyOp::Exists => self.tag(1),
            KeyOp::Kind => self.tag(2),
            KeyOp::Expire { deadline, when } => {
                let when = match when {
                    ExpireWhen::Always => 0,
                    ExpireWhen::Missing => 1,
                    ExpireWhen::Present => 2,
                    ExpireWhen::Later => 3,
                    ExpireWhen::Sooner => 4,
                    ExpireWhen::PresentSooner => 5,
                };
                self.tag(3).deadline(*deadline).tag(when)
            }
            KeyOp::Ttl { absolute, ms } => self.tag(4).tag(u8::from(*absolute)).tag(u8::from(*ms)),
            KeyOp::Rename { to, if_missing } => self.tag(5).bytes(to).tag(u8::from(*if_missing)),
            KeyOp::Copy { to, replace } => self.tag(6).bytes(to).tag(u8::from(*replace)),
        };
    }

    fn when(&mut self, when: &When) -> &mut Self {
        match when {
            When::Always => self.tag(0),
            When::Missing => self.tag(1),
            When::Present => self.tag(2),
            When::Equal(value) => self.tag(3).bytes(value),
            When::NotEqual(value) => self.tag(4).bytes(value),
        }
    }

    fn deadline(&mut self, deadline: Deadline) -> &mut Self {
        match deadline {
            Deadline::Never => self.tag(0),
            Deadline::Keep => self.tag(1),
            Deadline::At(stamp) => self.tag(2).number(stamp),
            Deadline::In(ms) => self.tag(3).number(ms),
        }
    }
}

impl Command {
    /// A fingerprint of what is to be done.
    pub(super) fn print(&self) -> u64 {
        let mut print = Print::new();
        print.op(&self.key, &self.op);
        print.0
    }
}

impl Transaction {
    /// A fingerprint of what is to be done.
    pub(super) fn print(&self) -> u64 {
        let mut print = Print::new();
        print.tag(7).number(self.watched.len() as u64);
        for (key, seen) in &self.watched {
            match seen {
                Seen::At(version) => print.bytes(key).tag(0).number(*version),
                Seen::Missing { floor } => print.bytes(key).tag(1).number(*floor),
            };
        }
        print.number(self.ops.len() as u64);
        for (key, op) in &self.ops {
            print.op(key, op);
        }
        print.0
    }
}
