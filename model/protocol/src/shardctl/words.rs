//! The controller in words: for transcripts, and refusals for people.

use super::{
    Asked, Change, Command, Config, Controller, GroupId, Query, Refusal, Reply, RequestId,
    SlotRange, Slots, Standing, Status,
};
use core::fmt;

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}", self.client, self.seq)
    }
}

impl fmt::Debug for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// `0-3 g1, 4-9 g2`; slots of nobody have `-`.
impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (range, owner)) in self.runs().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            match owner {
                Some(owner) => write!(f, "{comma}{range:?} {owner:?}")?,
                None => write!(f, "{comma}{range:?} -")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}: {:?}", self.number, self.slots)?;
        self.request.map_or(Ok(()), |request| write!(f, " by {request:?}"))?;
        f.write_str("]")
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(groups) => {
                f.write_str("join")?;
                groups.iter().try_for_each(|(id, _)| write!(f, " {id:?}"))
            }
            Self::Leave(ids) => {
                f.write_str("leave")?;
                ids.iter().try_for_each(|id| write!(f, " {id:?}"))
            }
            Self::Move { slots, to } => write!(f, "move {slots:?} to {to:?}"),
            Self::Rebalance => f.write_str("rebalance"),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change { request, based: Some(based), change } => {
                write!(f, "{change:?} on {based} ({request:?})")
            }
            Self::Change { request, based: None, change } => write!(f, "{change:?} ({request:?})"),
            Self::Finished { group, number } => write!(f, "{group:?} has finished {number}"),
        }
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(Some(number)) => write!(f, "which is {number}?"),
            Self::Config(None) => f.write_str("which is the latest?"),
            Self::Status => f.write_str("how far are they?"),
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(command) => write!(f, "{command:?}"),
            Self::Query(query) => write!(f, "{query:?}"),
        }
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            None => write!(f, "at {}", self.finished),
            Some(left) => write!(f, "at {}, left in {left}", self.finished),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}: {:?}", self.oldest, self.latest, self.groups)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { number } => write!(f, "changed: {number}"),
            Self::Stale { latest } => write!(f, "stale: {latest} is the latest"),
            Self::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Self::Noted { finished } => write!(f, "noted: {finished}"),
            Self::Config(config) => write!(f, "{config:?}"),
            Self::Dropped { oldest } => write!(f, "dropped: {oldest} is the oldest"),
            Self::Status(status) => write!(f, "{status:?}"),
        }
    }
}

impl<R> fmt::Debug for Controller<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.configs, self.standings)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a person is told: what is wrong, and what to do.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is named: say which groups or slots"),
            Self::NoChange => f.write_str("all is so already"),
            Self::GroupZero => f.write_str("0 is no group's id: take one from 1 on"),
            Self::NamedTwice(id) => write!(f, "group {id} is named twice"),
            Self::InUse(id) => write!(f, "group {id} is there already: take another id"),
            Self::Leaving(id) => {
                write!(f, "group {id} is still giving its slots away: wait until it has finished")
            }
            Self::NoSuchGroup(id) => write!(f, "there is no group {id}"),
            Self::NoAddress(id) => write!(f, "group {id} has no nodes: name their addresses"),
            Self::AddressTwice(node) => {
                let node = node.as_ref().escape_ascii();
                write!(f, "{node} is named twice: a group has one server on a node")
            }
            Self::BadAddress(id) => write!(f, "an address of group {id} is empty or too long"),
            Self::LastGroup => {
                f.write_str("no group would be left to keep the slots: let another join first")
            }
            Self::NoSuchSlot(slot) => write!(f, "there is no slot {slot}"),
            Self::BadRange(SlotRange { first, last }) => {
                write!(f, "slots {first} to {last} are none: name the smaller first")
            }
            Self::TooMany => f.write_str("there would be too many groups, or nodes in a group"),
            Self::Behind(id) => write!(
                f,
                "group {id} is too many configurations behind: bring it up, then change again"
            ),
            Self::NotThere(number) => {
                write!(f, "configuration {number} is not there, or the group is not in it")
            }
        }
    }
}
