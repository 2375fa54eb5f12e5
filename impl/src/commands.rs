//! Every command: what it is called, how many arguments it takes, where its keys are, and what may be said of
//! it to a client that asks with COMMAND.
//!
//! The table is one list; a subcommand is a row of its own, `client|setname`, behind its container. A row's
//! [`Id`] is what the rest of the program switches on. [`resolve`] takes a request to its row, with Redis'
//! words for what is wrong with it; [`Command::keys`] says where its keys are, [`Command::slot`] where they lie.

mod answer;
mod error;
mod keys;
mod table;
mod words;

pub use answer::{command, help};
pub use error::CommandError;
pub use keys::{Keys, once_inner};
pub use table::{Id, TABLE};
pub use words::{Categories, Flags};

/// The arguments of a command, its name at 0; there is at least the name.
pub trait Arguments {
    /// How many there are, the name included.
    fn count(&self) -> usize;

    /// The argument at a place below [`Arguments::count`].
    fn argument(&self, place: usize) -> &[u8];
}

impl<A: AsRef<[u8]>> Arguments for [A] {
    fn count(&self) -> usize {
        self.len()
    }

    fn argument(&self, place: usize) -> &[u8] {
        self[place].as_ref()
    }
}

impl<A: AsRef<[u8]>> Arguments for Vec<A> {
    fn count(&self) -> usize {
        self.len()
    }

    fn argument(&self, place: usize) -> &[u8] {
        self[place].as_ref()
    }
}

/// The arguments from a place on: a command within a command, or behind a container's name.
#[derive(Debug)]
pub struct Tail<'a, A: ?Sized> {
    arguments: &'a A,
    from: usize,
}

impl<'a, A: Arguments + ?Sized> Tail<'a, A> {
    /// What begins at `from`, which is below the count.
    pub fn new(arguments: &'a A, from: usize) -> Self {
        Self { arguments, from }
    }
}

impl<A: Arguments + ?Sized> Arguments for Tail<'_, A> {
    fn count(&self) -> usize {
        self.arguments.count() - self.from
    }

    fn argument(&self, place: usize) -> &[u8] {
        self.arguments.argument(self.from + place)
    }
}

/// Where a command's keys are, as COMMAND tells it: the first and the last argument that is a key (negative:
/// counted from the end) and the distance between them. All 0 if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub first: i8,
    /// The last key.
    pub last: i8,
    /// From a key to the next.
    pub step: i8,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which it is.
    pub id: Id,
    /// Its name in lower case, with its container's in front: `get`, `client|setname`.
    pub name: &'static str,
    /// How many arguments it takes, the name (and the container's) included; negative: at least so many.
    pub arity: i8,
    /// What it does and when it may be done.
    pub flags: Flags,
    /// Its keys.
    pub range: KeyRange,
    /// The groups that it belongs to, but for those that follow from its flags.
    groups: Categories,
    /// How a cluster client may send it to several nodes, in Redis' words.
    pub tips: &'static [&'static str],
}

impl Command {
    /// The groups that it belongs to.
    pub const fn categories(&self) -> Categories {
        self.groups.implied_by(self.flags)
    }

    /// Whether it takes so many arguments, the name included. Keys with values come in whole pairs.
    pub fn takes(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        let enough = if self.arity < 0 { count >= arity } else { count == arity };
        enough && (self.range.step != 2 || count % 2 == 1)
    }

    /// Its subcommands; none for most.
    pub fn subcommands(&self) -> &'static [Self] {
        let behind = &TABLE[self.id as usize + 1..];
        let own = behind.iter().take_while(|row| row.is_below(self.name)).count();
        &behind[..own]
    }

    /// Whether it is a subcommand of the command with this name.
    fn is_below(&self, container: &str) -> bool {
        self.name.strip_prefix(container).is_some_and(|rest| rest.starts_with('|'))
    }

    /// The subcommand with this name, in whatever case.
    fn subcommand(&self, name: &[u8]) -> Option<&'static Self> {
        let from = self.name.len() + 1;
        let named = |row: &&Self| row.name.as_bytes()[from..].eq_ignore_ascii_case(name);
        self.subcommands().iter().find(named)
    }

    /// For a command that is refused whatever it says: the answer, with what to do instead.
    pub fn refusal(&self) -> Option<&'static str> {
        error::refusal(self.id)
    }
}

/// The commands with a name of one word, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Command> {
    TABLE.iter().filter(|row| !row.name.contains('|'))
}

/// The command with this name, in whatever case; of a container, the container.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let mut at = hash(name);
    loop {
        let row = TABLE.get(usize::from(PLACES[at]))?;
        if row.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(row);
        }
        at = (at + 1) % PLACES.len();
    }
}

/// The row with this full name, in whatever case: `get`, `client|id`.
pub fn find_full(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => find(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => find(name),
    }
}

/// The row that a request means. The number of its arguments is right.
///
/// # Errors
/// What [`CommandError`] says, in Redis' words.
pub fn resolve<A: Arguments + ?Sized>(arguments: &A) -> Result<&'static Command, CommandError> {
    let mut row = find(arguments.argument(0)).ok_or_else(|| CommandError::unknown(arguments))?;
    let subcommands = row.flags.contains(Flags::CONTAINER);
    if subcommands && arguments.count() > 1 {
        let name = arguments.argument(1);
        let below = row.subcommand(name);
        row = below.ok_or_else(|| CommandError::unknown_subcommand(row, name))?;
    }
    if row.takes(arguments.count()) { Ok(row) } else { Err(CommandError::Arity(row.name)) }
}

/// Whether a name is what a browser says first. A page can make one send commands to a server on the same
/// machine; Redis closes such a connection without an answer, and so should everybody.
pub fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// No row.
const EMPTY: u8 = u8::MAX;

/// Where the commands of one word are, by the hash of their names; open addressing.
static PLACES: [u8; 512] = places();

const fn hash(name: &[u8]) -> usize {
    let mut sum = name.len() as u32;
    let mut at = 0;
    // No name is longer; a longer one is unknown wherever it is looked for.
    while at < name.len() && at < 12 {
        sum = (sum ^ (name[at] | 0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (sum >> 9) as usize % 512
}

const fn places() -> [u8; 512] {
    let mut places = [EMPTY; 512];
    let mut row = 0;
    assert!(
        TABLE.len() < EMPTY as usize,
        "the row's number fits a byte and is not the empty place's"
    );
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        let mut single = true;
        let mut at = 0;
        while at < name.len() {
            single &= name[at] != b'|';
            at += 1;
        }
        if single {
            let mut place = hash(name);
            while places[place] != EMPTY {
                place = (place + 1) % 512;
            }
            places[place] = row as u8;
        }
        row += 1;
    }
    places
}
