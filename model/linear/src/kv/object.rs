//! What one operation does to one key: the whole of the model, without a line of the store's.

use super::trie::{Point, Trie};

/// A value, as far as anybody can tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Value {
    /// The key is not there.
    Missing,
    /// A value that somebody saw, or that begins one.
    Known(Point),
    /// A value that nobody ever saw, nor anything that begins with it; with its length, if anybody was told lengths.
    Unseen(u64),
}

/// A key.
///
/// The version lies in `low..=high`. Of a missing key, `low` is the version that its next one will be above.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cell {
    /// Its value.
    pub value: Value,
    /// The smallest version that it can have.
    pub low: u64,
    /// The largest.
    pub high: u64,
}

/// The keys of a part.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Most parts have one.
    One(Cell),
    /// A Multi joins several.
    Many(Box<[Cell]>),
}

/// What is done to a key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Act {
    Get,
    Set(Value),
    Put {
        expected: u64,
        value: Value,
    },
    /// None: bytes that nobody saw anywhere, and nobody was told lengths.
    Append(Option<super::Bytes>),
    Delete(Option<u64>),
    Cas {
        expected: Value,
        value: Value,
    },
}

/// What a reply showed of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Shown {
    Done {
        value: Option<Point>,
        version: Option<u64>,
        length: Option<u64>,
    },
    NoKey,
    Mismatch,
    /// Something that this operation is never told.
    Never,
}

/// One operation on one key, and what was said of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Single {
    pub cell: usize,
    pub act: Act,
    pub shown: Option<Shown>,
    /// Whether a key on which this is impossible may be begun anew by another operation, before it must have been done.
    pub rescued: bool,
    /// Whether the same operation has done something else to the key before.
    pub second: bool,
}

/// What of a key a reply needs, beside its version.
enum Need {
    Anything,
    Missing,
    This(Point),
}

/// How the keys of a part are counted.
#[derive(Debug)]
pub(super) struct Ways {
    pub trie: Trie,
    /// Whether anybody saw or expected a version. If not, there are none.
    pub versions: bool,
    /// Whether a new key's version can be any above its last.
    pub floors: bool,
    /// Whether anybody was told a length.
    pub lengths: bool,
}

impl Cell {
    /// A key that never was there.
    pub const NEW: Self = Self { value: Value::Missing, low: 0, high: 0 };

    const fn is_there(self) -> bool {
        !matches!(self.value, Value::Missing)
    }

    /// With this version, if it can have it.
    fn at(self, version: u64) -> Option<Self> {
        let fits = self.is_there() && self.low <= version && version <= self.high;
        fits.then_some(Self { low: version, high: version, ..self })
    }

    /// With what a reply says of the version.
    fn showing(self, version: Option<u64>) -> Option<Self> {
        version.map_or(Some(self), |version| self.at(version))
    }

    /// There, with any version but this: what lies below it and what lies above.
    fn not_at(self, version: u64) -> impl Iterator<Item = Self> {
        let below = version.checked_sub(1).map(|high| Self { high: high.min(self.high), ..self });
        let above = version.checked_add(1).map(|low| Self { low: low.max(self.low), ..self });
        [below, above].into_iter().flatten().filter(|cell| cell.is_there() && cell.low <= cell.high)
    }

    /// Taken away. Its version stays as a floor.
    const fn gone(self) -> Self {
        Self { value: Value::Missing, low: self.low, high: self.low }
    }
}

impl Single {
    /// Gives `next` what the key can be after this, if it was `cell`. Without a reply that is where it took effect;
    /// with `idle` also where it found nothing to do, as an operation of a pending Multi may.
    pub(super) fn apply(&self, ways: &Ways, cell: Cell, idle: bool, next: &mut impl FnMut(Cell)) {
        match self.shown {
            None => self.pending(ways, cell, idle, next),
            Some(Shown::Done { value, version, length }) => match &self.act {
                Act::Get => {
                    let same = value.is_some_and(|value| cell.value == Value::Known(value));
                    cell.showing(version).filter(|_| same).map(next);
                }
                Act::Delete(_) => {
                    let there = self.finds(cell).and_then(|cell| cell.showing(version));
                    there.map(Cell::gone).map(next);
                }
                Act::Append(bytes) => {
                    let told = value.is_none_or(|value| ways.old(cell) == Value::Known(value));
                    let new = ways.write(cell, ways.behind(cell, bytes.as_ref()));
                    let long = length.is_none_or(|length| new.value.length() == length);
                    new.showing(version).filter(|_| told && long).map(next);
                }
                Act::Set(value) | Act::Put { value, .. } | Act::Cas { value, .. } => {
                    let new = self.finds(cell).map(|cell| ways.write(cell, *value));
                    new.and_then(|new| new.showing(version)).map(next);
                }
            },
            Some(Shown::NoKey) => {
                let refused = match self.act {
                    Act::Get | Act::Delete(_) => true,
                    Act::Put { expected, .. } => expected != 0,
                    Act::Set(_) | Act::Append(_) | Act::Cas { .. } => false,
                };
                Some(cell).filter(|cell| refused && !cell.is_there()).map(next);
            }
            Some(Shown::Mismatch) => self.misses(cell, next),
            Some(Shown::Never) => {}
        }
    }

    /// The key, if it is as this write expects it.
    fn finds(&self, cell: Cell) -> Option<Cell> {
        match self.act {
            Act::Get | Act::Set(_) | Act::Append(_) => Some(cell),
            Act::Put { expected: 0, .. } => Some(cell).filter(|cell| !cell.is_there()),
            Act::Put { expected, .. } | Act::Delete(Some(expected)) => cell.at(expected),
            Act::Delete(None) => Some(cell).filter(|cell| cell.is_there()),
            Act::Cas { expected, .. } => Some(cell).filter(|cell| cell.value == expected),
        }
    }

    /// Gives `next` the key as it is, if it is there and not as this write expects it.
    fn misses(&self, cell: Cell, next: &mut impl FnMut(Cell)) {
        match self.act {
            Act::Put { expected, .. } | Act::Delete(Some(expected)) => {
                cell.not_at(expected).for_each(next);
            }
            Act::Cas { expected, .. } => {
                Some(cell).filter(|cell| cell.value != expected).map(next);
            }
            Act::Get | Act::Set(_) | Act::Append(_) | Act::Delete(None) => {}
        }
    }

    fn pending(&self, ways: &Ways, cell: Cell, idle: bool, next: &mut impl FnMut(Cell)) {
        let found = self.finds(cell);
        match &self.act {
            Act::Get => {}
            Act::Set(value) | Act::Put { value, .. } | Act::Cas { value, .. } => {
                found.map(|cell| ways.write(cell, *value)).map(&mut *next);
            }
            Act::Append(bytes) => next(ways.write(cell, ways.behind(cell, bytes.as_ref()))),
            Act::Delete(_) => {
                found.map(Cell::gone).map(&mut *next);
            }
        }
        if idle {
            match self.act {
                Act::Get => next(cell),
                Act::Put { .. } | Act::Delete(_) if !cell.is_there() && found.is_none() => {
                    next(cell);
                }
                _ => self.misses(cell, next),
            }
        }
    }

    /// Whether no write that is left makes this possible on the key. Versions never fall; a value only grows, unless
    /// the key is begun anew.
    pub(super) fn is_too_late(&self, ways: &Ways, cell: Cell) -> bool {
        if self.second {
            return false;
        }
        let fits = match (self.need(), cell.value) {
            (Need::Anything, _) | (Need::Missing, Value::Missing) => true,
            (Need::This(value), Value::Missing) => self.appends() && value == Trie::root(),
            // Something must be put behind it until it is this value, or with that value's version.
            (Need::This(value), Value::Known(now)) => {
                let early = now == value && cell.high < self.earliest();
                ways.trie.begins(now, value) && !early
            }
            (Need::Missing, _) | (Need::This(_), Value::Unseen(_)) => false,
        };
        cell.low > self.latest() || !fits && !self.rescued
    }

    const fn appends(&self) -> bool {
        matches!(self.act, Act::Append(_))
    }

    /// The value with which this begins a key anew, if it may; Missing if it takes it away. An append does it behind a
    /// deletion.
    pub(super) fn begins_anew(&self, ways: &Ways) -> Option<Value> {
        match (&self.act, self.shown) {
            (_, Some(Shown::NoKey | Shown::Mismatch | Shown::Never)) | (Act::Get, _) => None,
            (Act::Append(Some(bytes)), _) => Some(ways.value(bytes)),
            (Act::Append(None), _) => Some(Value::Unseen(0)),
            (Act::Set(value) | Act::Put { value, .. } | Act::Cas { value, .. }, _) => Some(*value),
            (Act::Delete(_), _) => Some(Value::Missing),
        }
    }

    /// Whether this may become possible on a key that is begun anew with this value.
    pub(super) fn is_rescued_by(&self, ways: &Ways, value: Value) -> bool {
        match (self.need(), value) {
            (Need::Missing, Value::Missing) => true,
            // An append to what is not there shows an empty value.
            (Need::This(value), Value::Missing) => self.appends() && value == Trie::root(),
            (Need::This(value), Value::Known(anew)) => ways.trie.begins(anew, value),
            _ => false,
        }
    }

    /// Whether what it writes is seen by nobody, so that it serves only to explain versions.
    pub(super) fn is_unseen(&self) -> bool {
        match &self.act {
            Act::Set(value) | Act::Put { value, .. } | Act::Cas { value, .. } => {
                matches!(value, Value::Unseen(_))
            }
            Act::Append(bytes) => bytes.is_none(),
            Act::Get => true,
            Act::Delete(_) => false,
        }
    }

    fn need(&self) -> Need {
        match (&self.act, self.shown) {
            (Act::Get | Act::Append(_), Some(Shown::Done { value: Some(value), .. })) => {
                Need::This(value)
            }
            (Act::Cas { expected: Value::Known(value), .. }, Some(Shown::Done { .. })) => {
                Need::This(*value)
            }
            (Act::Put { expected: 0, .. }, Some(Shown::Done { .. })) | (_, Some(Shown::NoKey)) => {
                Need::Missing
            }
            _ => Need::Anything,
        }
    }

    /// The smallest version that the key can have when it gives this reply.
    fn earliest(&self) -> u64 {
        match (&self.act, self.shown) {
            (Act::Get, Some(Shown::Done { version: Some(version), .. })) => version,
            (_, Some(Shown::Done { version: Some(version), .. })) => version.saturating_sub(1),
            _ => 0,
        }
    }

    /// The greatest version that the key can have when it gives this reply.
    fn latest(&self) -> u64 {
        match (&self.act, self.shown) {
            // A key that is not there has a floor instead, wherever that is.
            (Act::Put { expected: 0, .. }, Some(Shown::Done { version: None, .. })) => u64::MAX,
            (Act::Put { expected, .. }, Some(Shown::Done { .. })) if *expected > 0 => *expected,
            (Act::Delete(Some(expected)), Some(Shown::Done { .. })) => *expected,
            (Act::Get | Act::Delete(None), Some(Shown::Done { version: Some(version), .. })) => {
                version
            }
            (_, Some(Shown::Done { version: Some(version), .. })) => version.saturating_sub(1),
            _ => u64::MAX,
        }
    }
}

impl Ways {
    /// The key with a new value. Versions are counted only where somebody looks at them.
    fn write(&self, cell: Cell, value: Value) -> Cell {
        let (low, high) = match (self.versions, cell.is_there()) {
            (false, _) => (0, 0),
            (true, false) if self.floors => (cell.low + 1, u64::MAX),
            (true, _) => (cell.low + 1, cell.high.saturating_add(1)),
        };
        Cell { value, low, high }
    }

    /// The value before an append: a missing key is an empty value.
    const fn old(&self, cell: Cell) -> Value {
        match cell.value {
            Value::Missing => Value::Known(Trie::root()),
            value => value,
        }
    }

    fn behind(&self, cell: Cell, bytes: Option<&super::Bytes>) -> Value {
        let Some(bytes) = bytes else { return self.unseen(0) };
        let old = self.old(cell);
        let seen = match old {
            Value::Known(point) => self.trie.walk(point, bytes),
            Value::Missing | Value::Unseen(_) => None,
        };
        seen.map_or_else(|| self.unseen(old.length() + bytes.len() as u64), Value::Known)
    }

    /// The value that these bytes are.
    pub(super) fn value(&self, bytes: &[u8]) -> Value {
        let seen = self.trie.walk(Trie::root(), bytes);
        seen.map_or_else(|| self.unseen(bytes.len() as u64), Value::Known)
    }

    const fn unseen(&self, length: u64) -> Value {
        Value::Unseen(if self.lengths { length } else { 0 })
    }
}

impl Value {
    const fn length(self) -> u64 {
        match self {
            Self::Missing => 0,
            Self::Known(point) => point.length(),
            Self::Unseen(length) => length,
        }
    }
}

impl State {
    /// The keys, by number.
    pub fn cells(&self) -> &[Cell] {
        match self {
            Self::One(cell) => std::slice::from_ref(cell),
            Self::Many(cells) => cells,
        }
    }

    /// The same with one key changed.
    pub(super) fn with(&self, number: usize, cell: Cell) -> Self {
        match self {
            Self::One(_) => Self::One(cell),
            Self::Many(cells) => {
                let mut cells = cells.clone();
                cells[number] = cell;
                Self::Many(cells)
            }
        }
    }
}
