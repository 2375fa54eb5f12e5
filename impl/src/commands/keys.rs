//! Where the keys of a request are, and the slot that they lie in.

use super::{Arguments, Command, CommandError, Flags, Id, Tail, resolve};
use protocol::kv::number::parse_i64;
use protocol::kv::slot::slot;

/// The places of a request's keys among its arguments, in order.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The key of a ONCE.
    outer: Option<usize>,
    next: usize,
    end: usize,
    step: usize,
}

impl Keys {
    fn new(next: usize, end: usize, step: usize) -> Self {
        Self { outer: None, next, end, step }
    }
}

impl Iterator for Keys {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.outer.is_some() {
            return self.outer.take();
        }
        let place = self.next;
        self.next += self.step;
        (place < self.end).then_some(place)
    }
}

/// The place where the command within a ONCE begins: `ONCE key client seq [ACK n] command…`. `None` if
/// nothing stands there. No command is called ACK, so the word can only be the option.
pub fn once_inner<A: Arguments + ?Sized>(arguments: &A) -> Option<usize> {
    let option = arguments.count() > 4 && arguments.argument(4).eq_ignore_ascii_case(b"ack");
    let place = if option { 6 } else { 4 };
    (place < arguments.count()).then_some(place)
}

impl Command {
    /// Where the keys are in a request for this command, whose number of arguments is right. Of a ONCE, its own
    /// key and those of the command in it.
    ///
    /// # Errors
    /// What is wrong with the command within a ONCE, or with a number of keys.
    pub fn keys<A: Arguments + ?Sized>(&self, arguments: &A) -> Result<Keys, CommandError> {
        match self.id {
            Id::Once => {
                let inner = once_inner(arguments).ok_or(CommandError::Arity(self.name))?;
                let tail = Tail::new(arguments, inner);
                let row = resolve(&tail)?;
                if row.id == Id::Once {
                    return Err(CommandError::NestedOnce);
                }
                let keys = row.places(&tail)?;
                Ok(Keys { outer: Some(1), next: keys.next + inner, end: keys.end + inner, ..keys })
            }
            _ => self.places(arguments),
        }
    }

    /// The keys, but for those of a command within.
    fn places<A: Arguments + ?Sized>(&self, arguments: &A) -> Result<Keys, CommandError> {
        let count = arguments.count();
        if self.flags.contains(Flags::NO_MANDATORY_KEYS) {
            let keys = parse_i64(arguments.argument(2)).and_then(|keys| usize::try_from(keys).ok());
            let keys = keys.filter(|&keys| keys <= count - 3).ok_or(CommandError::KeyCount)?;
            return Ok(Keys::new(3, 3 + keys, 1));
        }
        let range = self.range;
        if range.first == 0 {
            return Ok(Keys::new(0, 0, 1));
        }
        let last = usize::from(range.last.unsigned_abs());
        let end = if range.last < 0 { count + 1 - last } else { last + 1 };
        let place = |of: i8| usize::from(of.unsigned_abs());
        Ok(Keys::new(place(range.first), end, place(range.step)))
    }

    /// The slot in which all keys of a request lie; `None` if it has none.
    ///
    /// # Errors
    /// [`CommandError::CrossSlot`] if they lie in several, and what [`Command::keys`] says.
    pub fn slot<A: Arguments + ?Sized>(&self, arguments: &A) -> Result<Option<u16>, CommandError> {
        let mut slots = self.keys(arguments)?.map(|place| slot(arguments.argument(place)));
        let Some(first) = slots.next() else { return Ok(None) };
        if slots.all(|slot| slot == first) { Ok(Some(first)) } else { Err(CommandError::CrossSlot) }
    }
}
