//! Redis's commands on keys.

use super::edit::{Edit, View};
use super::op::{ExpireWhen, KeyOp};
use super::reply::{Fault, Kind, Reply};
use super::{Bytes, Item, Rules, Stamp};

/// The reply to what only reads.
pub(super) fn read<R: Rules>(view: View<'_, R>, key: &Bytes, op: &KeyOp) -> Option<Reply> {
    Some(match op {
        KeyOp::Exists => flag(view.item(key).is_some()),
        KeyOp::Kind => Reply::Kind(view.item(key).map_or(Kind::None, |_| Kind::String)),
        KeyOp::Ttl { absolute, ms } => Reply::Int(match view.item(key) {
            None => -2,
            Some(Item { deadline: None, .. }) => -1,
            Some(Item { deadline: Some(deadline), .. }) => {
                let from = if *absolute { 0 } else { view.clock };
                let left = deadline.saturating_sub(from);
                let left = if *ms { left } else { left.saturating_add(500) / 1000 };
                i64::try_from(left).unwrap_or(i64::MAX)
            }
        }),
        _ => return None,
    })
}

/// Writes. What faults has changed nothing.
pub(super) fn write<R: Rules>(
    edit: &mut Edit<'_, R>,
    key: &Bytes,
    op: &KeyOp,
) -> Result<Reply, Fault> {
    match op {
        KeyOp::Delete { when } => {
            let goes = edit.item(key).is_some_and(|old| when.admits_delete(old));
            if goes {
                edit.remove(key);
            }
            Ok(flag(goes))
        }
        KeyOp::Expire { deadline, when } => {
            let new = edit.resolve(key, *deadline)?;
            let Some((value, old)) = edit.item(key).map(Item::parts) else {
                return Ok(flag(false));
            };
            // PERSIST changes nothing where there is no deadline; EXPIRE with the old one is a change.
            let changes = when.admits(old, new) && (new.is_some() || old.is_some());
            if changes {
                edit.put(key, value, new);
            }
            Ok(flag(changes))
        }
        KeyOp::Rename { to, if_missing } => {
            let Some((value, deadline)) = edit.item(key).map(Item::parts) else {
                return Err(Fault::NoSuchKey);
            };
            if *if_missing && edit.item(to).is_some() {
                return Ok(flag(false));
            }
            if to != key {
                edit.remove(key);
                edit.put(to, value, deadline);
            }
            Ok(if *if_missing { flag(true) } else { Reply::Ok })
        }
        KeyOp::Copy { to, replace } => {
            if to == key {
                return Err(Fault::SameKey);
            }
            let source = edit.item(key).map(Item::parts);
            let Some((value, deadline)) = source else { return Ok(flag(false)) };
            if edit.item(to).is_some() && !replace {
                return Ok(flag(false));
            }
            edit.put(to, value, deadline);
            Ok(flag(true))
        }
        // These read, and were answered before.
        KeyOp::Exists | KeyOp::Kind | KeyOp::Ttl { .. } => Ok(Reply::Nil),
    }
}

impl ExpireWhen {
    /// Whether a deadline takes the place of another; none at all is later than any.
    fn admits(self, old: Option<Stamp>, new: Option<Stamp>) -> bool {
        let sooner = match (old, new) {
            (Some(old), Some(new)) => new < old,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        match self {
            Self::Always => true,
            Self::Missing => old.is_none(),
            Self::Present => old.is_some(),
            Self::Later => old != new && !sooner,
            Self::Sooner => sooner,
            Self::PresentSooner => old.is_some() && sooner,
        }
    }
}

fn flag(yes: bool) -> Reply {
    Reply::Int(i64::from(yes))
}
