//! Whether a chapter's history can be believed.
//!
//! Three questions, each on its own. Is there an order of all calls that explains every reply (`linear`)? Does every
//! node say the same of every key, after all is mended? And, without any search: does a key on which clients only
//! append hold every append that was acknowledged, once, none that was refused, and of those that nobody knows of at
//! most one copy for each time that it was sent? The third asks nothing that the first does not, but a checker is a
//! program too.

use linear::history::{Operation, Told};
use linear::kv::{Bytes, History, Op, Ret};
use linear::{Budget, Verdict, kv, text};
use std::collections::{BTreeMap, BTreeSet};

/// What a key holds when all is over: value and version; None if it is not there.
pub type Final = Option<(Bytes, u64)>;

/// What is said of a chapter.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// What is wrong. Nothing, if all is well.
    pub problems: Vec<String>,
    /// Operations, all of them.
    pub operations: u64,
    /// Those of which nobody knows whether they were executed.
    pub pending: u64,
    /// Acknowledged appends whose tags were looked for, and found.
    pub acknowledged: u64,
    /// Appends of which nobody knew, and that were executed.
    pub found: u64,
    /// Copies of a stock client's append that were executed beside the first.
    pub duplicates: u64,
}

/// How often a tag was sent, and what was said.
#[derive(Clone, Copy, Default, Debug)]
struct Sent {
    acknowledged: u64,
    open: u64,
    /// By a client that takes what was not answered for lost.
    stock: bool,
}

/// What was done to a key.
#[derive(Debug, Default)]
struct Writes<'a> {
    tags: BTreeMap<&'a [u8], Sent>,
    /// Something else than appends: what was there may be gone.
    begins_anew: bool,
}

/// Judges a history with what its keys hold in the end. `stock` are the clients that send again as if it were new.
pub fn judge(
    history: &History,
    finals: &BTreeMap<Bytes, Final>,
    stock: &BTreeSet<u64>,
    budget: Budget,
) -> Judgement {
    let mut judgement = tags(history, finals, stock);
    order(history, budget, &mut judgement);
    judgement
}

/// Looks for an order alone: for a history whose keys could not be read in the end.
pub fn order(history: &History, budget: Budget, judgement: &mut Judgement) {
    let report = kv::check(history, budget);
    judgement.operations = report.counts.operations as u64;
    judgement.pending = report.counts.pending as u64;
    if report.verdict != Verdict::Ok {
        let mut said = text::summary(&report);
        if let Some(place) = report.places.first() {
            said.push_str(&text::place(history, place));
        }
        judgement.problems.push(format!("the history is not linearizable:\n{said}"));
    }
}

/// Looks for every tag in what its key holds in the end.
fn tags(history: &History, finals: &BTreeMap<Bytes, Final>, stock: &BTreeSet<u64>) -> Judgement {
    let mut keys: BTreeMap<&Bytes, Writes<'_>> = BTreeMap::new();
    for operation in history.operations() {
        for single in operation.op.singles() {
            note(&mut keys, operation, single, stock.contains(&operation.client));
        }
    }
    let mut judgement = Judgement::default();
    for (key, writes) in &keys {
        let name = String::from_utf8_lossy(key);
        match finals.get(*key) {
            Some(value) => {
                let value = value.as_ref().map_or(&b""[..], |(value, _)| value);
                writes.compare(&name, value, &mut judgement);
            }
            None => judgement.problems.push(format!("nobody has looked at {name} in the end")),
        }
    }
    judgement
}

fn note<'a>(
    keys: &mut BTreeMap<&'a Bytes, Writes<'a>>,
    operation: &'a Operation<Op, Ret>,
    single: &'a Op,
    stock: bool,
) {
    let Some(key) = single.key() else { return };
    let writes = keys.entry(key).or_default();
    let (value, anew) = match single {
        Op::Append { value, .. } => (value, false),
        Op::Set { value, .. } | Op::Put { value, .. } | Op::Cas { value, .. } => (value, true),
        Op::Delete { .. } => {
            writes.begins_anew = true;
            return;
        }
        Op::Get { .. } | Op::Multi(_) => return,
    };
    writes.begins_anew |= anew;
    let sent = writes.tags.entry(value).or_default();
    sent.stock |= stock;
    match &operation.end {
        Some((_, Told::Reply(Ret::NoKey | Ret::Mismatch) | Told::NotExecuted)) => {}
        Some((_, Told::Reply(_))) => sent.acknowledged += 1,
        Some((_, Told::Maybe | Told::Unknown)) | None => sent.open += 1,
    }
}

impl Writes<'_> {
    fn compare(&self, name: &str, value: &[u8], judgement: &mut Judgement) {
        let mut there: BTreeMap<&[u8], u64> = BTreeMap::new();
        for tag in value.split_inclusive(|byte| *byte == b';') {
            *there.entry(tag).or_default() += 1;
        }
        let mut wrong = |text: &str, tag: &[u8]| {
            let tag = String::from_utf8_lossy(tag);
            judgement.problems.push(format!("{name}: {text}: {tag}"));
        };
        for (tag, sent) in &self.tags {
            let times = there.remove(tag).unwrap_or(0);
            let most = sent.acknowledged + sent.open;
            if times > most {
                let why = if most == 0 { "refused, and executed" } else { "executed too often" };
                wrong(why, tag);
            } else if times > 1 && !sent.stock {
                wrong("executed twice, and no stock client's", tag);
            } else if times < sent.acknowledged && !self.begins_anew {
                wrong("acknowledged, and lost", tag);
            }
            if !self.begins_anew {
                judgement.acknowledged += sent.acknowledged;
                judgement.found += times.saturating_sub(sent.acknowledged);
            }
            judgement.duplicates += times.saturating_sub(1);
        }
        there.keys().for_each(|tag| wrong("nobody wrote it", tag));
    }
}

/// Whether every node says the same. `said` has what each node holds, by key.
pub fn compare_nodes(said: &[BTreeMap<Bytes, Final>]) -> Vec<String> {
    let Some((first, others)) = said.split_first() else { return Vec::new() };
    let mut problems = Vec::new();
    for (number, other) in others.iter().enumerate() {
        for (key, value) in first {
            if other.get(key) != Some(value) {
                problems.push(format!(
                    "{} is {} on n0 and {} on n{}",
                    String::from_utf8_lossy(key),
                    shown(Some(value)),
                    shown(other.get(key)),
                    number + 1
                ));
            }
        }
    }
    problems
}

fn shown(value: Option<&Final>) -> String {
    match value {
        None => "not told".into(),
        Some(None) => "not there".into(),
        Some(Some((value, version))) => {
            format!("\"{}\" v{version}", String::from_utf8_lossy(value))
        }
    }
}
