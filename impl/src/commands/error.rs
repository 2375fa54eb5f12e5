//! What a client is told of a command that can't be carried out, before anything is.

use super::{Arguments, Command, Id};
use std::fmt::{self, Write};

/// A request that means no command, or not rightly. Its text is the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No command has this name.
    Unknown {
        /// The name, shortened.
        name: String,
        /// What followed it, each in quotes, shortened.
        arguments: String,
    },
    /// The command has no subcommand of this name.
    UnknownSubcommand {
        /// The container, in capitals.
        container: String,
        /// The name, shortened.
        name: String,
    },
    /// Not the number of arguments that the command takes. The full name.
    Arity(&'static str),
    /// The keys lie in more than one slot.
    CrossSlot,
    /// A number of keys that is no number, or larger than what follows.
    KeyCount,
    /// ONCE within ONCE.
    NestedOnce,
}

/// Bytes of a name or of arguments that an error quotes.
const QUOTED: usize = 128;

impl CommandError {
    pub(super) fn unknown<A: Arguments + ?Sized>(request: &A) -> Self {
        let mut arguments = Vec::new();
        for place in 1..request.count() {
            if arguments.len() >= QUOTED {
                break;
            }
            let argument = request.argument(place);
            let room = QUOTED - arguments.len();
            arguments.push(b'\'');
            arguments.extend_from_slice(&argument[..argument.len().min(room)]);
            arguments.extend_from_slice(b"' ");
        }
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        Self::Unknown { name: quoted(request.argument(0)), arguments }
    }

    pub(super) fn unknown_subcommand(container: &Command, name: &[u8]) -> Self {
        let container = container.name.to_ascii_uppercase();
        Self::UnknownSubcommand { container, name: quoted(name) }
    }
}

fn quoted(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(QUOTED)]).into_owned()
}

/// A text on one line.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |character| if matches!(character, '\r' | '\n') { ' ' } else { character };
        self.0.chars().map(shown).try_for_each(|character| formatter.write_char(character))
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, arguments } => write!(
                formatter,
                "ERR unknown command '{}', with args beginning with: {}",
                OneLine(name),
                OneLine(arguments)
            ),
            Self::UnknownSubcommand { container, name } => write!(
                formatter,
                "ERR unknown subcommand '{}'. Try {container} HELP.",
                OneLine(name)
            ),
            Self::Arity(name) => {
                write!(formatter, "ERR wrong number of arguments for '{name}' command")
            }
            Self::CrossSlot => {
                formatter.write_str("CROSSSLOT Keys in request don't hash to the same slot")
            }
            Self::KeyCount => {
                formatter.write_str("ERR Number of keys can't be greater than number of args")
            }
            Self::NestedOnce => formatter.write_str("ERR ONCE can't be used inside ONCE"),
        }
    }
}

impl std::error::Error for CommandError {}

/// The answer to a command that is refused whatever it says.
pub(super) fn refusal(id: Id) -> Option<&'static str> {
    Some(match id {
        Id::Eval | Id::Evalsha => {
            "ERR scripts are not supported: use MULTI, EXEC and WATCH, SET with NX, IFEQ or IFNE, \
             DELEX or DELIFEQ instead (the locks of client libraries are Lua scripts)"
        }
        Id::Debug => "ERR DEBUG is not supported",
        Id::ClusterSetslot => {
            "ERR slots are assigned by the controller: use CLUSTER MIGRATESLOTS, CLUSTER MIGRATION IMPORT, \
             or quorate admin move and rebalance to move them"
        }
        Id::ClusterAddslots => {
            "ERR slots are assigned by the controller when a group joins (quorate admin join): use CLUSTER \
             MIGRATESLOTS, CLUSTER MIGRATION IMPORT or quorate admin move to move them"
        }
        Id::ClusterMeet => {
            "ERR nodes don't meet by gossip: start the node with the addresses of its group, then \
             let the group join (quorate admin join)"
        }
        Id::ClusterForget => {
            "ERR nodes are not forgotten one by one: let the group leave (quorate admin leave)"
        }
        _ => return None,
    })
}
