//! The keys that are judged together, and their operations made ready.

use super::Kv;
use super::object::{Act, Cell, Shown, Single, State, Value, Ways};
use super::op::{Bytes, Name, Op, Ret, Shown as Printed};
use super::trie::Trie;
use crate::model::{Asked, Object};
use std::collections::{BTreeMap, HashMap};

/// The keys that are judged together.
#[derive(Debug)]
pub struct Part {
    keys: Vec<Bytes>,
    ways: Ways,
    /// What is written, by step, for people.
    written: Vec<Write>,
}

/// An operation: one, or all of a Multi.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    singles: Vec<Single>,
    pending: bool,
}

/// What an operation writes to a key.
#[derive(Debug)]
struct Write {
    step: usize,
    cell: usize,
    behind: bool,
    bytes: Bytes,
}

/// An operation on one key, its reply, and the nodes of the values that it expects and shows.
struct Pair<'a> {
    op: &'a Op,
    cell: Option<usize>,
    ret: Option<&'a Ret>,
    expected: u32,
    shown: u32,
}

/// The keys of a part, numbered as they come.
#[derive(Debug, Default)]
struct Keys {
    all: Vec<Bytes>,
    numbers: HashMap<Bytes, usize>,
}

impl Keys {
    fn number(&mut self, key: &Bytes) -> usize {
        if let Some(&number) = self.numbers.get(key) {
            return number;
        }
        let number = self.all.len();
        self.all.push(Bytes::clone(key));
        self.numbers.insert(Bytes::clone(key), number);
        number
    }
}

/// The operations of one that was asked, each with its own reply. A Multi that was told something else than a reply for
/// each has none that fits.
fn pairs<'a>(asked: &Asked<'a, Op, Ret>, keys: &mut Keys) -> Vec<Pair<'a>> {
    let Asked { op, ret, .. } = *asked;
    static NONE: Ret = Ret::Many(Vec::new());
    let each = |position: usize| match (op, ret) {
        (Op::Multi(ops), Some(Ret::Many(rets))) if rets.len() == ops.len() => Some(&rets[position]),
        (Op::Multi(_), Some(_)) => Some(&NONE),
        (_, ret) => ret,
    };
    let pair = |(position, op)| Pair {
        op,
        ret: each(position),
        cell: op.key().map(|key| keys.number(key)),
        expected: 0,
        shown: 0,
    };
    op.singles().enumerate().map(pair).collect()
}

/// Puts every value that somebody saw or expects into a trie, and looks what else was seen.
fn look(kv: Kv, all: &mut [Vec<Pair<'_>>], keys: usize) -> Ways {
    let trie = Trie::new();
    let mut ways = Ways { trie, versions: false, floors: kv.deletes, lengths: false };
    // Of each key, where the last value was put in.
    let mut near = vec![0; keys];
    for Pair { op, ret, cell, expected, shown } in all.iter_mut().flatten() {
        let Some(cell) = *cell else { continue };
        let near = &mut near[cell];
        match op {
            Op::Cas { expected: value, .. } => {
                *expected = ways.trie.insert(*near, value);
                *near = *expected;
            }
            Op::Put { .. } | Op::Delete { expected: Some(_), .. } => ways.versions = true,
            _ => {}
        }
        if let Some(Ret::Done { value, version, length }) = ret {
            ways.versions |= version.is_some();
            ways.lengths |= length.is_some();
            if let Some(value) = value {
                *shown = ways.trie.insert(*near, value);
                *near = *shown;
            }
        }
    }
    ways.trie.finish();
    ways
}

/// The object of these operations, and the operations as it takes them.
pub(super) fn prepare(kv: Kv, operations: &[Asked<'_, Op, Ret>]) -> (Part, Vec<Step>) {
    let mut keys = Keys::default();
    let mut all: Vec<Vec<Pair<'_>>> =
        operations.iter().map(|asked| pairs(asked, &mut keys)).collect();
    let ways = look(kv, &mut all, keys.all.len());
    let step = |pairs: &Vec<Pair<'_>>| {
        let mut singles: Vec<Single> = pairs.iter().map(|pair| single(pair, &ways)).collect();
        for position in 1..singles.len() {
            let (before, from) = singles.split_at_mut(position);
            from[0].second = before.iter().any(|other| other.cell == from[0].cell);
        }
        Step { pending: pairs.iter().any(|pair| pair.ret.is_none()), singles }
    };
    let mut steps: Vec<Step> = all.iter().map(step).collect();
    rescue(&ways, operations, &mut steps);
    let writes = |(step, pairs): (usize, &Vec<Pair<'_>>)| {
        pairs.iter().filter_map(|pair| written(pair, step)).collect::<Vec<_>>()
    };
    let written = all.iter().enumerate().flat_map(writes).collect();
    (Part { keys: keys.all, ways, written }, steps)
}

fn single(pair: &Pair<'_>, ways: &Ways) -> Single {
    let act = match pair.op {
        Op::Get { .. } | Op::Multi(_) => Act::Get,
        Op::Set { value, .. } => Act::Set(ways.value(value)),
        Op::Put { value, expected, .. } => {
            Act::Put { expected: *expected, value: ways.value(value) }
        }
        // Whether it was seen is only worth knowing of a pending one.
        Op::Append { value, .. } => {
            let known = pair.ret.is_some() || ways.lengths || ways.trie.has(value);
            Act::Append(known.then(|| Bytes::clone(value)))
        }
        Op::Delete { expected, .. } => Act::Delete(*expected),
        Op::Cas { value, .. } => {
            let expected = Value::Known(ways.trie.point(pair.expected));
            Act::Cas { expected, value: ways.value(value) }
        }
    };
    let reads = matches!(pair.op, Op::Get { .. } | Op::Append { .. });
    let appends = matches!(pair.op, Op::Append { .. });
    let shown = pair.ret.map(|ret| match ret {
        Ret::Done { value: Some(_), .. } if !reads => Shown::Never,
        Ret::Done { length: Some(_), .. } if !appends => Shown::Never,
        Ret::Done { value, version, length } => {
            let value = value.as_ref().map(|_| ways.trie.point(pair.shown));
            Shown::Done { value, version: *version, length: *length }
        }
        Ret::NoKey => Shown::NoKey,
        Ret::Mismatch => Shown::Mismatch,
        Ret::Many(_) => Shown::Never,
    });
    // A Multi within a Multi has no key: nothing that it is told fits.
    let shown = if pair.cell.is_none() { Some(Shown::Never) } else { shown };
    Single { cell: pair.cell.unwrap_or_default(), act, shown, rescued: false, second: false }
}

/// Notes of each operation with a reply whether, when it is the first to return of those that are left, another could
/// bring about what it needs by beginning a key anew: one that is pending, or that returns later. Appends don't.
fn rescue(ways: &Ways, operations: &[Asked<'_, Op, Ret>], steps: &mut [Step]) {
    let mut edges = Vec::new();
    for (number, Asked { span, .. }) in operations.iter().enumerate() {
        edges.push((span.call, number));
        edges.extend(span.end.map(|end| (end, number)));
    }
    edges.sort_unstable();
    // By key, the operations that can begin it anew and have not returned, each with the value.
    let mut open: BTreeMap<usize, Vec<(usize, Value)>> = BTreeMap::new();
    for (event, number) in edges {
        if operations[number].span.call == event {
            for single in &steps[number].singles {
                let anew =
                    single.begins_anew(ways).filter(|value| !matches!(value, Value::Unseen(_)));
                if let Some(value) = anew {
                    open.entry(single.cell).or_default().push((number, value));
                }
            }
            continue;
        }
        for single in &steps[number].singles {
            open.entry(single.cell).or_default().retain(|(other, _)| *other != number);
        }
        for single in &mut steps[number].singles {
            let rescuers = open.get(&single.cell).into_iter().flatten();
            single.rescued = { rescuers }.any(|(_, value)| single.is_rescued_by(ways, *value));
        }
    }
}

fn written(pair: &Pair<'_>, step: usize) -> Option<Write> {
    let cell = pair.cell?;
    let behind = matches!(pair.op, Op::Append { .. });
    match pair.op {
        _ if matches!(pair.ret, Some(Ret::NoKey | Ret::Mismatch | Ret::Many(_))) => None,
        Op::Set { value, .. }
        | Op::Put { value, .. }
        | Op::Append { value, .. }
        | Op::Cas { value, .. } => Some(Write { step, cell, behind, bytes: Bytes::clone(value) }),
        Op::Get { .. } | Op::Delete { .. } | Op::Multi(_) => None,
    }
}

impl Part {
    /// Puts together what nobody saw, and so has no bytes in the trie, from what was written.
    fn follow(&self, number: usize, before: &State, after: &State, unseen: &mut [Vec<u8>]) {
        for (cell, bytes) in unseen.iter_mut().enumerate() {
            if !matches!(after.cells()[cell].value, Value::Unseen(_)) {
                continue;
            }
            match before.cells()[cell].value {
                Value::Missing => bytes.clear(),
                Value::Known(point) => *bytes = self.ways.trie.bytes(point).to_vec(),
                Value::Unseen(_) => {}
            }
            let first = self.written.partition_point(|write| write.step < number);
            let written = self.written[first..].iter().take_while(|write| write.step == number);
            for write in written.filter(|write| write.cell == cell) {
                if !write.behind {
                    bytes.clear();
                }
                bytes.extend_from_slice(&write.bytes);
            }
        }
    }

    fn print(&self, state: &State, unseen: &[Vec<u8>]) -> String {
        let cells = self.keys.iter().zip(state.cells()).zip(unseen);
        let print = |((key, cell), unseen): ((&Bytes, &Cell), &Vec<u8>)| {
            let key = Name(key);
            let value = match cell.value {
                Value::Missing => return format!("{key} is not there"),
                Value::Known(point) => Printed(self.ways.trie.bytes(point)),
                Value::Unseen(_) => Printed(unseen),
            };
            match (self.ways.versions, cell.low == cell.high) {
                (false, _) => format!("{key} = {value}"),
                (true, true) => format!("{key} = {value} v{}", cell.low),
                (true, false) => format!("{key} = {value} v{} or above", cell.low),
            }
        };
        cells.map(print).collect::<Vec<_>>().join(", ")
    }
}

impl Object for Part {
    type Step = Step;
    type State = State;

    fn init(&self) -> State {
        match self.keys.len() {
            1 => State::One(Cell::NEW),
            several => State::Many(vec![Cell::NEW; several].into()),
        }
    }

    fn step(&self, state: &State, step: &Step, next: &mut Vec<State>) {
        if let [single] = &step.singles[..] {
            let mut put = |cell| next.push(state.with(single.cell, cell));
            return single.apply(&self.ways, state.cells()[single.cell], false, &mut put);
        }
        let mut states = vec![state.clone()];
        for single in &step.singles {
            let mut after = Vec::new();
            for state in &states {
                let mut put = |cell| after.push(state.with(single.cell, cell));
                single.apply(&self.ways, state.cells()[single.cell], step.pending, &mut put);
            }
            states = after;
        }
        // A pending one that did nothing may as well never have been.
        next.extend(states.into_iter().filter(|after| !step.pending || after != state));
    }

    fn is_too_late(&self, state: &State, step: &Step) -> bool {
        let lost = |single: &Single| single.is_too_late(&self.ways, state.cells()[single.cell]);
        step.singles.iter().any(lost)
    }

    fn is_idle(&self, step: &Step) -> bool {
        step.singles.iter().all(Single::is_unseen)
    }

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + if self.keys.len() == 1 { 0 } else { size_of_val(state.cells()) }
    }

    fn tell(&self, path: &[(usize, State)], tail: usize) -> Vec<String> {
        let mut unseen: Vec<Vec<u8>> = vec![Vec::new(); self.keys.len()];
        let mut texts = Vec::new();
        let mut before = &self.init();
        for position in 0..=path.len() {
            if position + tail >= path.len() {
                texts.push(self.print(before, &unseen));
            }
            let Some((number, after)) = path.get(position) else { break };
            self.follow(*number, before, after, &mut unseen);
            before = after;
        }
        texts
    }
}
