//! The controller as bytes, for snapshots: everything but the limits and the rules, which its server knows.
//!
//! A version byte, the number of slots, the configurations, the oldest first, and the groups' standings. Numbers are
//! written as the store's are, in groups of seven bits. There is no checksum: files and messages have theirs. The
//! bytes of equal controllers are equal, and bytes that no controller would write are refused. CTL-SNAP-1: who has
//! made a configuration, and how far each group is, are among them; of what was forgotten the one would be told
//! wrongly, and the other dropped too early, or never.

use super::slots::Run;
use super::{Config, Controller, GroupId, Limits, Num, RequestId, Rules, Slots, Standing};
use crate::kv::{self, Bytes, ClientId, Decoded, Reader, put_bytes, put_number};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// The first byte. A change of the layout takes the next number.
const FORMAT: u8 = 1;

/// No controller lives long enough for a larger number, and a larger one could not be followed by others.
const MAX_NUM: Num = Num::MAX >> 1;

/// Why bytes are no controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// They were written by a later build, or are something else.
    Format {
        /// The version byte.
        found: u8,
    },
    /// They are of a store with another number of slots.
    Slots {
        /// Theirs.
        found: u64,
        /// Ours.
        expected: u16,
    },
    /// They end too soon.
    Truncated,
    /// No controller writes this.
    Invalid(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { found } => {
                write!(f, "the controller's bytes have format {found}, this build reads {FORMAT}")
            }
            Self::Slots { found, expected } => {
                write!(f, "the controller's bytes are of {found} slots, this store has {expected}")
            }
            Self::Truncated => f.write_str("the controller's bytes end too soon"),
            Self::Invalid(what) => write!(f, "the controller's bytes are damaged: {what}"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl From<kv::DecodeError> for DecodeError {
    fn from(error: kv::DecodeError) -> Self {
        match error {
            kv::DecodeError::Format { found } => Self::Format { found },
            kv::DecodeError::Truncated => Self::Truncated,
            kv::DecodeError::Invalid(what) => Self::Invalid(what),
        }
    }
}

impl<R: Rules> Controller<R> {
    /// Appends the controller's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { rules, limits, configs, standings } = self;
        out.push(FORMAT);
        put_number(out, u64::from(limits.slots));
        put_number(out, configs.len() as u64);
        for config in configs {
            put_config(*rules, out, config);
        }
        put_number(out, standings.len() as u64);
        for (id, standing) in standings {
            put_number(out, id.0);
            put_number(out, standing.finished);
            // 0 is none: nobody can have left in a configuration without groups in front of it.
            put_number(out, rules.left_in_snapshot(standing.left).unwrap_or(0));
        }
    }

    /// Reads a controller.
    ///
    /// # Errors
    /// [`DecodeError`] if none has these bytes.
    pub fn decode(rules: R, limits: Limits, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        let found = from.byte()?;
        if found != FORMAT {
            return Err(DecodeError::Format { found });
        }
        let found = from.number()?;
        if found != u64::from(limits.slots) {
            return Err(DecodeError::Slots { found, expected: limits.slots });
        }
        let mut configs: Vec<Config> = Vec::new();
        for _ in 0..from.number()? {
            let config = config(&mut from, limits.slots)?;
            if configs.last().is_some_and(|last| last.number + 1 != config.number) {
                return Err(DecodeError::Invalid("configurations are out of order"));
            }
            configs.push(config);
        }
        let latest = configs.last().ok_or(DecodeError::Invalid("there is no configuration"))?;
        let standings = standings(&mut from, configs[0].number, latest)?;
        if !from.rest().is_empty() {
            return Err(DecodeError::Invalid("bytes are left over"));
        }
        Ok(Self { rules, limits, configs, standings })
    }
}

fn put_config<R: Rules>(rules: R, out: &mut Vec<u8>, config: &Config) {
    let Config { number, request, groups, slots } = config;
    put_number(out, *number);
    match rules.request_in_snapshot(*request) {
        None => out.push(0),
        Some(RequestId { client, seq }) => {
            out.push(1);
            out.extend_from_slice(&client.0.to_be_bytes());
            put_number(out, seq);
        }
    }
    put_number(out, groups.len() as u64);
    for (id, nodes) in groups {
        put_number(out, id.0);
        put_number(out, nodes.len() as u64);
        nodes.iter().for_each(|node| put_bytes(out, node));
    }
    put_number(out, slots.starts().len() as u64);
    for run in slots.starts() {
        put_number(out, u64::from(run.first));
        put_number(out, run.owner.map_or(0, |owner| owner.0));
    }
}

fn config(from: &mut Reader<'_>, count: u16) -> Decoded<Config> {
    let number = number(from)?;
    let request = match from.byte()? {
        0 => None,
        1 => Some(RequestId { client: client(from)?, seq: from.number()? }),
        _ => return Err(kv::DecodeError::Invalid("a request")),
    };
    let mut groups = BTreeMap::new();
    for _ in 0..from.number()? {
        let id = next_group(from, groups.last_key_value().map(|(id, _)| *id))?;
        let mut nodes = Vec::new();
        for _ in 0..from.number()? {
            nodes.push(from.bytes()?);
        }
        if nodes.is_empty() || nodes.iter().any(|node: &Bytes| node.as_ref().is_empty()) {
            return Err(kv::DecodeError::Invalid("a group's nodes"));
        }
        groups.insert(id, nodes);
    }
    let mut runs = Vec::new();
    for _ in 0..from.number()? {
        let first = u16::try_from(from.number()?);
        let first = first.map_err(|_| kv::DecodeError::Invalid("a run of slots"))?;
        let owner = Some(GroupId(from.number()?)).filter(|owner| owner.0 > 0);
        if owner.is_some_and(|owner| !groups.contains_key(&owner)) {
            return Err(kv::DecodeError::Invalid("a run of slots of no group"));
        }
        runs.push(Run { first, owner });
    }
    let slots = Slots::from_runs(count, runs);
    let slots = slots.ok_or(kv::DecodeError::Invalid("runs of slots are out of order"))?;
    Ok(Config { number, request, groups, slots })
}

/// Each group has finished the oldest configuration at least, or that would have been dropped too early.
fn standings(
    from: &mut Reader<'_>,
    oldest: Num,
    latest: &Config,
) -> Decoded<BTreeMap<GroupId, Standing>> {
    let mut standings: BTreeMap<GroupId, Standing> = BTreeMap::new();
    for _ in 0..from.number()? {
        let id = next_group(from, standings.last_key_value().map(|(id, _)| *id))?;
        let finished = number(from)?;
        let left = Some(number(from)?).filter(|left| *left > 0);
        let there = latest.groups.contains_key(&id);
        let fits = left.map_or(there, |left| !there && finished < left && left <= latest.number);
        if !fits || !(oldest..=latest.number).contains(&finished) {
            return Err(kv::DecodeError::Invalid("a group's standing"));
        }
        standings.insert(id, Standing { finished, left });
    }
    match latest.groups.keys().all(|id| standings.contains_key(id)) {
        true => Ok(standings),
        false => Err(kv::DecodeError::Invalid("a group without a standing")),
    }
}

fn number(from: &mut Reader<'_>) -> Decoded<Num> {
    let number = Some(from.number()?).filter(|number| *number <= MAX_NUM);
    number.ok_or(kv::DecodeError::Invalid("a configuration's number"))
}

fn client(from: &mut Reader<'_>) -> Decoded<ClientId> {
    let mut id = [0; 16];
    for byte in &mut id {
        *byte = from.byte()?;
    }
    Ok(ClientId(u128::from_be_bytes(id)))
}

fn next_group(from: &mut Reader<'_>, last: Option<GroupId>) -> Decoded<GroupId> {
    let id = Some(GroupId(from.number()?)).filter(|id| *id > last.unwrap_or(GroupId(0)));
    id.ok_or(kv::DecodeError::Invalid("groups are out of order"))
}
