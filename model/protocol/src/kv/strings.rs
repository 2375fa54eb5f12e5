//! Redis's commands on strings.

use super::edit::{Edit, View};
use super::op::{Deadline, StringOp, When};
use super::reply::{Fault, Reply};
use super::{Bytes, Decimal, Item, Rules, lcs, number};
use alloc::string::ToString;
use alloc::vec::Vec;

/// The reply to what only reads.
pub(super) fn read<R: Rules>(view: View<'_, R>, key: &Bytes, op: &StringOp) -> Option<Reply> {
    Some(match op {
        StringOp::Get | StringOp::GetEx { deadline: Deadline::Keep } => bulk(view.item(key)),
        StringOp::GetRange { start, end } => {
            Reply::Bulk(range(view.value(key), *start, *end).into())
        }
        StringOp::Len => count(view.value(key).len()),
        StringOp::Lcs { other, form } => lcs::reply(view.value(key), view.value(other), *form),
        _ => return None,
    })
}

/// Writes. What faults has changed nothing.
pub(super) fn write<R: Rules>(
    edit: &mut Edit<'_, R>,
    key: &Bytes,
    op: &StringOp,
) -> Result<Reply, Fault> {
    match op {
        StringOp::Set { value, when, deadline, get } => {
            let deadline = edit.resolve(key, *deadline)?;
            let old = bulk(edit.item(key));
            let written = when.admits_set(edit.item(key));
            if written {
                edit.put(key, value.clone(), deadline);
            }
            Ok(match (get, written) {
                (true, _) => old,
                (false, true) => Reply::Ok,
                (false, false) => Reply::Nil,
            })
        }
        StringOp::SetNx { value } => Ok(set_all_nx(edit, key, value, &[])),
        StringOp::SetAllNx { value, others } => Ok(set_all_nx(edit, key, value, others)),
        StringOp::GetDel => Ok(bulk(edit.remove(key).as_ref())),
        StringOp::GetEx { deadline } => {
            let deadline = edit.resolve(key, *deadline)?;
            let Some((value, old)) = edit.item(key).map(Item::parts) else { return Ok(Reply::Nil) };
            if old != deadline {
                edit.put(key, value.clone(), deadline);
            }
            Ok(Reply::Bulk(value))
        }
        StringOp::SetRange { offset, value } => set_range(edit, key, *offset, value.as_ref()),
        StringOp::Append { value } => {
            let (old, deadline) = edit.item(key).map_or_else(Default::default, Item::parts);
            let length = old.as_ref().len() + value.as_ref().len();
            if length > edit.value_bytes {
                return Err(Fault::TooLong);
            }
            edit.put(key, old.followed_by(value), deadline);
            Ok(count(length))
        }
        StringOp::IncrBy { by } => {
            let (old, deadline) = match edit.item(key) {
                Some(item) => (number::integer(item.value.as_ref())?, item.deadline),
                None => (0, None),
            };
            let sum = old.checked_add(*by).ok_or(Fault::Overflow)?;
            edit.put(key, sum.to_string().as_str().into(), deadline);
            Ok(Reply::Int(sum))
        }
        StringOp::IncrByFloat { by } => {
            let (old, deadline) = match edit.item(key) {
                Some(item) => (Decimal::parse(item.value.as_ref())?, item.deadline),
                None => (Decimal::from_units(0), None),
            };
            let sum = Bytes::from(old.plus(*by)?);
            edit.put(key, sum.clone(), deadline);
            Ok(Reply::Bulk(sum))
        }
        // These read, and were answered before.
        StringOp::Get | StringOp::GetRange { .. } | StringOp::Len | StringOp::Lcs { .. } => {
            Ok(Reply::Nil)
        }
    }
}

fn set_all_nx<R: Rules>(
    edit: &mut Edit<'_, R>,
    key: &Bytes,
    value: &Bytes,
    others: &[(Bytes, Bytes)],
) -> Reply {
    let mut keys = others.iter().map(|(key, _)| key).chain([key]);
    if keys.any(|key| edit.item(key).is_some()) {
        return Reply::Int(0);
    }
    edit.put(key, value.clone(), None);
    for (key, value) in others {
        edit.put(key, value.clone(), None);
    }
    Reply::Int(1)
}

/// Nothing at the end of nothing makes no key, and nothing anywhere changes none.
fn set_range<R: Rules>(
    edit: &mut Edit<'_, R>,
    key: &Bytes,
    offset: u64,
    value: &[u8],
) -> Result<Reply, Fault> {
    let (old, deadline) = edit.item(key).map_or_else(Default::default, Item::parts);
    if value.is_empty() {
        return Ok(count(old.as_ref().len()));
    }
    let offset = usize::try_from(offset).map_err(|_| Fault::TooLong)?;
    let end = offset.checked_add(value.len()).filter(|end| *end <= edit.value_bytes);
    let end = end.ok_or(Fault::TooLong)?;
    let mut new: Vec<u8> = old.into();
    new.resize(new.len().max(end), 0);
    new[offset..end].copy_from_slice(value);
    let length = new.len();
    edit.put(key, new.into(), deadline);
    Ok(count(length))
}

/// The bytes from one index through another. An index before the first byte is the first byte's.
fn range(value: &[u8], start: i64, end: i64) -> &[u8] {
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let from_front = |index: i64| {
        let index = if index < 0 { index.saturating_add(length) } else { index };
        index.clamp(0, length)
    };
    let (start, end) = (from_front(start), from_front(end).saturating_add(1).min(length));
    if start >= end { &[] } else { &value[start as usize..end as usize] }
}

fn bulk(item: Option<&Item>) -> Reply {
    item.map_or(Reply::Nil, |item| Reply::Bulk(item.value.clone()))
}

fn count(number: usize) -> Reply {
    Reply::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

impl When {
    /// Whether a SET goes on.
    fn admits_set(&self, old: Option<&Item>) -> bool {
        match self {
            Self::Always => true,
            Self::Missing => old.is_none(),
            Self::Present => old.is_some(),
            Self::Equal(value) => old.is_some_and(|old| old.value == *value),
            Self::NotEqual(value) => old.is_none_or(|old| old.value != *value),
        }
    }

    /// Whether a key that is there is deleted.
    pub(super) fn admits_delete(&self, old: &Item) -> bool {
        self.admits_set(Some(old))
    }
}
