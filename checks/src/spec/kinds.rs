//! The kinds of ids, and what each must have: the table of prefixes in SPEC.md.

/// Where an id can stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// Above the line that meets it.
    Code,
    /// In the model.
    Model,
    /// In a test.
    Test,
    /// In a wrong version that the checks kill.
    Mutant,
}

impl Column {
    /// As the table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Model => "model",
            Self::Test => "test",
            Self::Mutant => "mutant",
        }
    }
}

/// Where a kind has its code, tests and wrong versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// The transition functions, their models, and the mutants of the catalog.
    Protocol,
    /// The log on the disk; its wrong versions are `impl/tests/wal/bugs.rs`.
    Log,
    /// What the runtime's threads share; its wrong versions are `impl/tests/loom/bugs.rs`.
    Threads,
    /// What a recorded server writes down; the replay's tests lie instead of having wrong versions.
    Trace,
}

/// Ids that begin alike.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// How they begin.
    pub prefix: &'static str,
    /// Where they are at home.
    pub home: Home,
    needs: &'static [Column],
}

const fn kind(prefix: &'static str, home: Home, needs: &'static [Column]) -> Kind {
    Kind { prefix, home, needs }
}

const RULE: &[Column] = &[Column::Code, Column::Model, Column::Test, Column::Mutant];
const PROPERTY: &[Column] = &[Column::Model, Column::Test, Column::Mutant];
const REDUCTION: &[Column] = &[Column::Model, Column::Test];
const TRACED: &[Column] = &[Column::Code, Column::Test];
const RUNTIME: &[Column] = &[Column::Code, Column::Test, Column::Mutant];

/// All of them.
pub const KINDS: [Kind; 21] = [
    kind("RAFT-", Home::Protocol, RULE),
    kind("KV-", Home::Protocol, RULE),
    kind("CLERK-", Home::Protocol, RULE),
    kind("LOCK-", Home::Protocol, RULE),
    kind("LEASE-", Home::Protocol, RULE),
    kind("RSM-", Home::Protocol, RULE),
    kind("CTL-", Home::Protocol, RULE),
    kind("SHARD-", Home::Protocol, RULE),
    kind("PARTS-", Home::Protocol, RULE),
    kind("ROUTE-", Home::Protocol, RULE),
    kind("MR-", Home::Protocol, RULE),
    kind("PROP-", Home::Protocol, PROPERTY),
    kind("RED-", Home::Protocol, REDUCTION),
    kind("WAL-", Home::Log, RUNTIME),
    kind("MAIL-", Home::Threads, RUNTIME),
    kind("GATE-", Home::Threads, RUNTIME),
    kind("WAIT-", Home::Threads, RUNTIME),
    kind("TIMER-", Home::Threads, RUNTIME),
    kind("SYNC-", Home::Threads, RUNTIME),
    kind("TRACE-", Home::Trace, TRACED),
    // A table of SPEC.md: what is departed from has no line of its own.
    kind("DEP-", Home::Protocol, &[]),
];

/// What the driver promises to the machine has its code in the model's driver.
const DRIVER: [&str; 2] = ["RAFT-DISK-2", "RAFT-SNAP-6"];

impl Kind {
    /// The columns that an id must have.
    pub fn needs(&self, id: &str) -> impl Iterator<Item = Column> {
        let driver = DRIVER.contains(&id);
        self.needs.iter().copied().filter(move |column| *column != Column::Code || !driver)
    }
}
