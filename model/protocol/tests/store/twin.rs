//! A deliberately dumb store: one list of texts, looked through from the front, that knows Redis's replies and no
//! versions, slots or records.

use protocol::kv::{Deadline, ExpireWhen, Fault, KeyOp, Kind, Op, Reply, StringOp, When, Work};

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub value: String,
    pub ends: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Twin {
    pub entries: Vec<Entry>,
    pub clock: u64,
    /// The keys that may have been changed, in order, and whether each went.
    pub touched: Vec<(String, bool)>,
}

fn text(bytes: &protocol::kv::Bytes) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).expect("the commands are text")
}

fn shown(value: Option<String>) -> Reply {
    value.map_or(Reply::Nil, |value| Reply::Bulk(value.as_str().into()))
}

/// A number in units of its last digit, of which the store keeps so many.
const DIGITS: usize = 17;
const ONE: i128 = 10i128.pow(DIGITS as u32);

fn fixed(value: &str) -> Option<i128> {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, value),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction:0<DIGITS$}");
    let known = !(whole.is_empty() && fraction.is_empty());
    let plain = all.len() == whole.len() + DIGITS && all.bytes().all(|byte| byte.is_ascii_digit());
    if known && plain { all.parse::<i128>().ok().map(|number| sign * number) } else { None }
}

fn unfixed(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let (whole, fraction) = (number.abs() / ONE, number.abs() % ONE);
    let text = format!("{sign}{whole}.{fraction:0DIGITS$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

impl Twin {
    pub fn find(&self, key: &str) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.key == key).cloned()
    }

    fn drop_all(&mut self, goes: impl Fn(&Entry) -> bool) {
        let gone = self.entries.iter().filter(|entry| goes(entry));
        self.touched.extend(gone.map(|entry| (entry.key.clone(), true)));
        self.entries.retain(|entry| !goes(entry));
    }

    fn drop_key(&mut self, key: &str) {
        self.drop_all(|entry| entry.key == key);
    }

    fn put(&mut self, key: &str, value: String, ends: Option<u64>) {
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry { key: key.to_string(), value, ends });
        self.touched.push((key.to_string(), false));
        self.expire();
    }

    fn expire(&mut self) {
        let clock = self.clock;
        self.drop_all(|entry| entry.ends.is_some_and(|ends| ends <= clock));
    }

    fn ends(&self, deadline: Deadline, old: Option<u64>) -> Option<u64> {
        match deadline {
            Deadline::Never => None,
            Deadline::Keep => old,
            Deadline::At(at) => Some(at),
            Deadline::In(ms) => Some(self.clock + ms),
        }
    }

    /// The reply, or None where it holds a version, which this does not know.
    pub fn work(&mut self, stamp: u64, work: &Work) -> Option<Reply> {
        self.clock = self.clock.max(stamp);
        self.expire();
        match work {
            Work::Command(command) => self.op(&text(&command.key), &command.op),
            Work::Transaction(transaction) => {
                let ops = transaction.ops.iter();
                let replies = ops.map(|(key, op)| self.op(&text(key), op)).collect::<Vec<_>>();
                replies.into_iter().collect::<Option<_>>().map(Reply::Many)
            }
            Work::Tick => Some(Reply::Ok),
            Work::Flush => {
                self.drop_all(|_| true);
                Some(Reply::Ok)
            }
        }
    }

    fn op(&mut self, key: &str, op: &Op) -> Option<Reply> {
        let old = self.find(key);
        let ends = old.as_ref().and_then(|old| old.ends);
        let value = old.as_ref().map(|old| old.value.clone()).unwrap_or_default();
        match op {
            Op::Set { value } => self.put(key, text(value), None),
            Op::Append { value: more } => self.put(key, value + &text(more), ends),
            Op::Put { value, expected: 0 } if old.is_none() => self.put(key, text(value), None),
            Op::Get | Op::Put { .. } | Op::Delete { .. } => {}
            Op::String(op) => return Some(self.string(key, old, op)),
            Op::Key(op) => return Some(self.key(key, old, op)),
        }
        None
    }

    fn holds(when: &When, old: Option<&Entry>) -> bool {
        match (when, old) {
            (When::Always, _) | (When::Missing | When::NotEqual(_), None) => true,
            (When::Present, Some(_)) => true,
            (When::Equal(value), Some(old)) => old.value == text(value),
            (When::NotEqual(value), Some(old)) => old.value != text(value),
            (When::Missing, Some(_)) | (When::Present | When::Equal(_), None) => false,
        }
    }

    fn string(&mut self, key: &str, old: Option<Entry>, op: &StringOp) -> Reply {
        let ends = old.as_ref().and_then(|old| old.ends);
        let value = old.as_ref().map(|old| old.value.clone());
        let here = value.clone().unwrap_or_default();
        match op {
            StringOp::Get => shown(value),
            StringOp::Set { value: new, when, deadline, get } => {
                let goes_on = Self::holds(when, old.as_ref());
                if goes_on {
                    let ends = self.ends(*deadline, ends);
                    self.put(key, text(new), ends);
                }
                match (get, goes_on) {
                    (true, _) => shown(value),
                    (false, true) => Reply::Ok,
                    (false, false) => Reply::Nil,
                }
            }
            StringOp::SetNx { value } => match old {
                Some(_) => Reply::Int(0),
                None => {
                    self.put(key, text(value), None);
                    Reply::Int(1)
                }
            },
            StringOp::SetAllNx { value, others } => {
                if old.is_some() || others.iter().any(|(key, _)| self.find(&text(key)).is_some()) {
                    return Reply::Int(0);
                }
                self.put(key, text(value), None);
                for (key, value) in others {
                    self.put(&text(key), text(value), None);
                }
                Reply::Int(1)
            }
            StringOp::GetDel => {
                self.drop_key(key);
                shown(value)
            }
            StringOp::GetEx { deadline } => {
                if let Some(value) = value.clone() {
                    let ends = self.ends(*deadline, ends);
                    self.put(key, value, ends);
                }
                shown(value)
            }
            StringOp::GetRange { start, end } => {
                let length = here.len() as i64;
                if *start < 0 && *end < 0 && start > end {
                    return shown(Some(String::new()));
                }
                let place = |at: i64| if at < 0 { (at + length).max(0) } else { at };
                let bytes = here
                    .char_indices()
                    .filter(|(at, _)| (place(*start)..=place(*end)).contains(&(*at as i64)));
                shown(Some(bytes.map(|(_, letter)| letter).collect()))
            }
            StringOp::SetRange { offset, value: part } => {
                let part = text(part);
                if part.is_empty() {
                    return Reply::Int(here.len() as i64);
                }
                let offset = *offset as usize;
                let mut new: String = here.chars().take(offset).collect();
                while new.len() < offset {
                    new.push('\0');
                }
                new += &part;
                new.extend(here.chars().skip(new.len()));
                let length = new.len() as i64;
                self.put(key, new, ends);
                Reply::Int(length)
            }
            StringOp::Append { value: more } => {
                let new = here + &text(more);
                let length = new.len() as i64;
                self.put(key, new, ends);
                Reply::Int(length)
            }
            StringOp::Len => Reply::Int(here.len() as i64),
            StringOp::IncrBy { by } => {
                let old = value.unwrap_or_else(|| "0".to_string());
                let number = old.parse::<i64>().ok().filter(|number| number.to_string() == old);
                let Some(number) = number else { return Reply::Fault(Fault::NotAnInteger) };
                let Some(sum) = number.checked_add(*by) else {
                    return Reply::Fault(Fault::Overflow);
                };
                self.put(key, sum.to_string(), ends);
                Reply::Int(sum)
            }
            StringOp::IncrByFloat { by } => {
                let old = value.unwrap_or_else(|| "0".to_string());
                let Some(number) = fixed(&old) else { return Reply::Fault(Fault::NotANumber) };
                let by = fixed(&by.to_string()).expect("the commands' numbers have few digits");
                let sum = unfixed(number + by);
                self.put(key, sum.clone(), ends);
                shown(Some(sum))
            }
            StringOp::Lcs { .. } => panic!("LCS has a twin of its own"),
        }
    }

    fn key(&mut self, key: &str, old: Option<Entry>, op: &KeyOp) -> Reply {
        let flag = |yes| Reply::Int(i64::from(yes));
        match (op, old) {
            (KeyOp::Exists, old) => flag(old.is_some()),
            (KeyOp::Kind, old) => {
                Reply::Kind(if old.is_some() { Kind::String } else { Kind::None })
            }
            (KeyOp::Ttl { .. }, None) => Reply::Int(-2),
            (KeyOp::Rename { .. }, None) => Reply::Fault(Fault::NoSuchKey),
            (KeyOp::Copy { to, .. }, None) if text(to) == key => Reply::Fault(Fault::SameKey),
            (_, None) => flag(false),
            (KeyOp::Delete { when }, Some(old)) => {
                let goes = Self::holds(when, Some(&old));
                if goes {
                    self.drop_key(key);
                }
                flag(goes)
            }
            (KeyOp::Expire { deadline, when }, Some(old)) => {
                let new = self.ends(*deadline, old.ends);
                let far = |ends: Option<u64>| ends.unwrap_or(u64::MAX);
                let sooner = far(new) < far(old.ends);
                let holds = match when {
                    ExpireWhen::Always => true,
                    ExpireWhen::Missing => old.ends.is_none(),
                    ExpireWhen::Present => old.ends.is_some(),
                    ExpireWhen::Later => far(new) > far(old.ends),
                    ExpireWhen::Sooner => sooner,
                    ExpireWhen::PresentSooner => old.ends.is_some() && sooner,
                };
                let changes = holds && !(new.is_none() && old.ends.is_none());
                if changes {
                    self.put(key, old.value, new);
                }
                flag(changes)
            }
            (KeyOp::Ttl { absolute, ms }, Some(old)) => Reply::Int(match old.ends {
                None => -1,
                Some(ends) => {
                    let left = if *absolute { ends } else { ends - self.clock };
                    (if *ms { left } else { (left + 500) / 1000 }) as i64
                }
            }),
            (KeyOp::Rename { to, if_missing }, Some(old)) => {
                let to = text(to);
                if *if_missing && self.find(&to).is_some() {
                    return flag(false);
                }
                self.drop_key(key);
                self.put(&to, old.value, old.ends);
                if *if_missing { flag(true) } else { Reply::Ok }
            }
            (KeyOp::Copy { to, replace }, Some(old)) => {
                let to = text(to);
                if to == key {
                    return Reply::Fault(Fault::SameKey);
                }
                let free = *replace || self.find(&to).is_none();
                if free {
                    self.put(&to, old.value, old.ends);
                }
                flag(free)
            }
        }
    }
}
