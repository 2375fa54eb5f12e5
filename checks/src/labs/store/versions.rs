//! A judge for histories whose only writes are Puts over a version: it always comes to an end.
//!
//! In general the order of operations must be searched for, and with twenty clients that race for one key there are
//! too many orders. Here the versions say it: version v was written at some moment T(v), and the moments rise with v.
//! Every operation only bounds moments:
//!
//! - the Put that wrote v: T(v) lies between its call and its return;
//! - a Get that shows v: v was there at some moment of it, so T(v) is before its return, and its call before T(v + 1);
//! - a Put over e that was refused: some other version was there. Who puts over e has seen e, so it was a later one,
//!   and T(e + 1) is before its return.
//!
//! Moments that keep all these bounds exist if and only if the earliest possible ones keep the upper bounds.

use linear::history::{Operation, Told};
use linear::kv::{Bytes, History, Op, Ret};
use std::collections::BTreeMap;

/// The bounds of one version's moment, as numbers of events; the value that it has, if somebody has seen that; and
/// whether a Put was told that it wrote it.
#[derive(Clone, Debug)]
struct Moment {
    after: usize,
    before: usize,
    value: Option<Bytes>,
    written: bool,
}

impl Moment {
    const ANY: Self = Self { after: 0, before: usize::MAX, value: None, written: false };

    /// It has this value. Whether it may.
    fn has(&mut self, value: &Bytes) -> bool {
        self.value.get_or_insert_with(|| value.clone()) == value
    }
}

/// A Put of which nobody knows whether it was executed: what it would write over which version, and its call.
type Maybe = (u64, Bytes, usize);

/// Whether every write is a Put.
pub fn can_judge(history: &History) -> bool {
    history.operations().iter().all(|one| matches!(one.op, Op::Get { .. } | Op::Put { .. }))
}

/// What was said of one key.
#[derive(Clone, Debug, Default)]
struct Key {
    /// By version; the first stands for nothing.
    moments: Vec<Moment>,
    maybes: Vec<Maybe>,
}

impl Key {
    fn at(&mut self, version: u64) -> &mut Moment {
        let place = version as usize;
        if self.moments.len() <= place {
            self.moments.resize(place + 1, Moment::ANY);
        }
        &mut self.moments[place]
    }

    /// Takes an operation in. Whether it fits the values and versions of others.
    fn take(&mut self, one: &Operation<Op, Ret>) -> bool {
        let called = one.call.number;
        let (returned, told) = match &one.end {
            Some((event, told)) => (event.number, told),
            None => (usize::MAX, &Told::Unknown),
        };
        match (&one.op, told) {
            (Op::Put { value, expected, .. }, Told::Maybe | Told::Unknown) => {
                self.maybes.push((*expected, value.clone(), called));
                true
            }
            (Op::Put { value, expected, .. }, Told::Reply(Ret::Done { version, .. })) => {
                let moment = self.at(expected + 1);
                moment.after = moment.after.max(called);
                moment.before = moment.before.min(returned);
                let twice = std::mem::replace(&mut moment.written, true);
                !twice && moment.has(value) && version.is_none_or(|version| version == expected + 1)
            }
            (Op::Put { expected, .. }, Told::Reply(Ret::Mismatch)) => {
                let moment = self.at(expected + 1);
                moment.before = moment.before.min(returned);
                true
            }
            (Op::Get { .. }, Told::Reply(Ret::Done { value, version, .. })) => {
                let (Some(value), Some(version @ 1..)) = (value, *version) else { return false };
                let next = self.at(version + 1);
                next.after = next.after.max(called);
                let moment = self.at(version);
                moment.before = moment.before.min(returned);
                moment.has(value)
            }
            (Op::Get { .. }, Told::Reply(Ret::NoKey)) => {
                let first = self.at(1);
                first.after = first.after.max(called);
                true
            }
            (Op::Get { .. }, Told::Maybe | Told::Unknown) | (_, Told::NotExecuted) => true,
            _ => false,
        }
    }
}

/// What no order explains, if anything.
pub fn judge(history: &History) -> Option<String> {
    let mut keys: BTreeMap<&Bytes, Key> = BTreeMap::new();
    for one in history.operations() {
        let key = keys.entry(one.op.key()?).or_default();
        if !key.take(one) {
            return Some(format!("{one:?} does not fit what others were told"));
        }
    }
    let broken = |(name, key): (&Bytes, Key)| in_order(name, &key.moments, &key.maybes);
    keys.into_iter().find_map(broken)
}

/// Whether the moments of one key can rise within their bounds.
fn in_order(key: &Bytes, moments: &[Moment], maybes: &[Maybe]) -> Option<String> {
    let name = String::from_utf8_lossy(key);
    // The last that somebody has seen, or was refused for.
    let seen = moments.iter().rposition(|moment| moment.before < usize::MAX)?;
    let mut earliest = 0;
    for (version, moment) in moments.iter().enumerate().take(seen + 1).skip(1) {
        let mut after = moment.after;
        if !moment.written {
            let fits = |(expected, value, _): &&Maybe| {
                *expected + 1 == version as u64
                    && moment.value.as_ref().is_none_or(|known| known == value)
            };
            let Some(call) = maybes.iter().filter(fits).map(|(_, _, call)| *call).min() else {
                return Some(format!("nobody wrote version {version} of {name}"));
            };
            after = after.max(call);
        }
        earliest = earliest.max(after);
        if earliest > moment.before {
            return Some(format!("version {version} of {name} is seen before it can be there"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use linear::{Budget, Verdict};

    /// A client, and what it does next: calls, or is told.
    enum Step {
        Calls(Op),
        Is(Told<Ret>),
    }

    fn put(value: &str, expected: u64) -> Step {
        Step::Calls(Op::put("k", value, expected))
    }

    fn get() -> Step {
        Step::Calls(Op::get("k"))
    }

    fn wrote(version: u64) -> Step {
        Step::Is(Told::Reply(Ret::version(version)))
    }

    fn shows(value: &str, version: u64) -> Step {
        Step::Is(Told::Reply(Ret::value(value, version)))
    }

    /// What both judges say.
    fn judged(steps: Vec<(u64, Step)>) -> bool {
        let mut history = History::new();
        for (time, (client, step)) in steps.into_iter().enumerate() {
            let time = time as u64;
            match step {
                Step::Calls(op) => history.call(client, time, op),
                Step::Is(told) => history.end(client, time, told),
            }
            .expect("the steps of a client take turns");
        }
        assert!(can_judge(&history));
        let fine = judge(&history).is_none();
        let verdict = linear::kv::check(&history, Budget::default()).verdict;
        assert_eq!(fine, verdict == Verdict::Ok, "the other judge says {verdict:?}");
        fine
    }

    #[test]
    fn both_judges_agree() {
        let refused = || Step::Is(Told::Reply(Ret::Mismatch));
        let missing = || Step::Is(Told::Reply(Ret::NoKey));
        assert!(judged(vec![(1, put("a", 0)), (1, wrote(1)), (2, get()), (2, shows("a", 1))]));
        // A Get that shows what is written while it is under way, and one that does not show it yet.
        assert!(judged(vec![(2, get()), (1, put("a", 0)), (2, shows("a", 1)), (1, wrote(1))]));
        assert!(judged(vec![(2, get()), (1, put("a", 0)), (1, wrote(1)), (2, missing())]));
        // Stale.
        assert!(!judged(vec![(1, put("a", 0)), (1, wrote(1)), (2, get()), (2, missing())]));
        let two = || vec![(1, put("a", 0)), (1, wrote(1)), (1, put("b", 1)), (1, wrote(2))];
        assert!(!judged([two(), vec![(2, get()), (2, shows("a", 1))]].concat_steps()));
        assert!(judged([two(), vec![(2, get()), (2, shows("b", 2))]].concat_steps()));
        // Another value, and a version that nobody wrote.
        assert!(!judged([two(), vec![(2, get()), (2, shows("a", 2))]].concat_steps()));
        assert!(!judged([two(), vec![(2, get()), (2, shows("c", 3))]].concat_steps()));
        // Two Puts over one version.
        assert!(!judged([two(), vec![(2, put("c", 1)), (2, wrote(2))]].concat_steps()));
        // Refused because of the other, and for nothing.
        assert!(judged([two(), vec![(2, put("c", 1)), (2, refused())]].concat_steps()));
        assert!(!judged([two(), vec![(2, put("c", 2)), (2, refused())]].concat_steps()));
        // What nobody knows of may be seen, later than its return too, and may have refused another.
        let maybe = || vec![(1, put("a", 0)), (1, Step::Is(Told::Maybe))];
        assert!(judged([maybe(), vec![(2, get()), (2, shows("a", 1))]].concat_steps()));
        assert!(judged([maybe(), vec![(2, get()), (2, missing())]].concat_steps()));
        assert!(judged([maybe(), vec![(2, put("b", 0)), (2, refused())]].concat_steps()));
        assert!(!judged(vec![(2, get()), (2, shows("a", 1)), (1, put("a", 0)), (1, wrote(1))]));
    }

    trait Concat {
        fn concat_steps(self) -> Vec<(u64, Step)>;
    }

    impl Concat for [Vec<(u64, Step)>; 2] {
        fn concat_steps(self) -> Vec<(u64, Step)> {
            self.into_iter().flatten().collect()
        }
    }
}
