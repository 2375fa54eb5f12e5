//! What clients are told when something does not go as they wanted.
//!
//! The first word decides what a client does. MOVED, TRYAGAIN and CLUSTERDOWN make it send the command again, so
//! they are said only of what was not executed and never will be, or of what may be sent twice without harm.
//! UNCERTAIN is known to no client: it is shown, and nothing is sent again.

use crate::commands::Command;
use crate::view::View;
use protocol::NodeId;
use protocol::kv::{Fault, Reply};
use std::borrow::Cow;

/// An error as a client is told it: a code in capitals, a space, and what a person should know.
pub(super) type Text = Cow<'static, str>;

pub(super) const SYNTAX: &str = "ERR syntax error";
pub(super) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
pub(super) const CROSS_SLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";
pub(super) const NO_AUTH: &str = "NOAUTH Authentication required.";
pub(super) const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
pub(super) const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured \
    for the default user: this server asks for none";
pub(super) const DENIED: &str = "DENIED this server has no password, so only clients on the same \
    machine may use it: start it with a password, or connect through the loopback address";
pub(super) const LOADING: &str = "LOADING the server is reading its log: try again soon";
pub(super) const EXEC_ABORT: &str = "EXECABORT Transaction discarded because of previous errors.";
pub(super) const NOT_IN_MULTI: &str = "ERR Command not allowed inside a transaction";
pub(super) const NO_ROOM: &str = "ERR not executed: the replies before are too long";
pub(super) const BUSY: &str =
    "TRYAGAIN the server has too much to do: the command was not executed";
pub(super) const NO_LEADER: &str =
    "CLUSTERDOWN no leader is known: the command was not executed; try again soon";
pub(super) const LEADER_LOST: &str =
    "TRYAGAIN another node leads now: the command was not executed";
pub(super) const NO_QUESTION: &str = "ERR these bytes ask the controller nothing: they are of another release, or \
    typed by hand. Ask it with quorate admin";
pub(super) const NOWHERE: &str = "CLUSTERDOWN Hash slot not served: no group has it yet, and the \
    command was not executed. Let a group join";
pub(super) const ON_ITS_WAY: &str =
    "TRYAGAIN the slot is on its way to another group: the command was not executed";
pub(super) const READ_UNKNOWN: &str = "TRYAGAIN the read was not answered in time";
pub(super) const ONCE_UNKNOWN: &str = "TRYAGAIN nobody knows whether the command was executed: send \
    it again with the same client and number, and it is executed once";
pub(super) const UNCERTAIN: &str = "UNCERTAIN the command was executed, or will be, or never will \
    be: read before you send it again, or use ONCE, whose commands can be sent again safely";

/// The error in a store's reply; None if it is none.
pub(super) fn error(reply: &Reply, row: &Command) -> Option<Text> {
    Some(Cow::Borrowed(match reply {
        Reply::Fault(fault) => return Some(self::fault(*fault, row)),
        Reply::NoKey => "NOKEY the key is not there, so it has version 0: nothing was written",
        Reply::VersionMismatch => {
            "VERSIONMISMATCH the key has another version: nothing was written"
        }
        Reply::NotKept => {
            "NOTKEPT the command was executed before; its reply was too long to be kept"
        }
        Reply::SessionExpired => {
            "SESSIONEXPIRED this client was away too long, and what it has done is forgotten: the \
             command was not executed now, but may have been before. Go on with a new client id"
        }
        Reply::Acknowledged => {
            "ACKNOWLEDGED this client has said that the reply to this number had arrived: the \
             command was not executed again, and its reply is gone"
        }
        Reply::SeqReused => {
            "SEQREUSED this client has used this number for another command: not executed; take a \
             new number for each command"
        }
        Reply::ClientAhead => {
            "CLIENTAHEAD the time in this client id is far ahead of the server's clock: not \
             executed. A client id begins with 48 bits of Unix milliseconds"
        }
        Reply::TooManyUnacknowledged => {
            "UNACKNOWLEDGED this client has too many replies that it has not acknowledged: not \
             executed. Say ACK with the last number up to which all replies have arrived"
        }
        _ => return None,
    }))
}

/// Why an operation can't be done.
pub(super) fn fault(fault: Fault, row: &Command) -> Text {
    Cow::Borrowed(match fault {
        Fault::NotAnInteger => NOT_AN_INTEGER,
        Fault::Overflow => "ERR increment or decrement would overflow",
        Fault::NotANumber => "ERR value is not a valid float",
        Fault::NotFinite => "ERR increment would produce NaN or Infinity",
        Fault::NumberTooLarge => "ERR number is out of range: at most 1.7e21 and 17 decimals",
        Fault::TooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        Fault::InvalidExpire => return invalid_expire(row),
        Fault::NoSuchKey => "ERR no such key",
        Fault::SameKey => "ERR source and destination objects are the same",
        Fault::CrossSlot => CROSS_SLOT,
        Fault::LcsTooLong => "ERR the two values are too long to be compared",
    })
}

pub(super) fn invalid_expire(row: &Command) -> Text {
    Cow::Owned(format!("ERR invalid expire time in '{}' command", row.name))
}

pub(super) fn too_large(limit: usize) -> Text {
    Cow::Owned(format!("ERR transaction is too large: this server takes {limit} bytes"))
}

/// Of a reply that is not sent. What it answers may have written.
pub(super) fn long_reply(bytes: usize, limit: usize) -> Text {
    Cow::Owned(format!(
        "ERR the command was executed, but its reply of about {bytes} bytes is not sent: this \
         server sends at most {limit}. Ask for fewer keys at once"
    ))
}

/// Where the controller is.
pub(super) fn no_controller(view: &View) -> Text {
    let Some(shards) = &view.shards else {
        return "ERR this cluster is not sharded: there is one group, and it has all slots. Start its nodes with \
            --controller and --group to have several"
            .into();
    };
    let nodes = shards.controllers.iter().filter_map(|id| view.node(*id));
    let nodes = nodes.map(|node| format!(" {}", node.plain_address()));
    format!("{}{}", crate::client::admin::ELSEWHERE, nodes.collect::<String>()).into()
}

/// The same for who has typed a command that only the controller can carry out.
pub(super) fn controller_elsewhere(view: &View) -> Text {
    let nodes = view.shards.iter().flat_map(|shards| &shards.controllers);
    let nodes =
        nodes.filter_map(|id| view.node(*id)).map(|node| format!(" {}", node.plain_address()));
    let nodes = nodes.collect::<String>();
    format!(
        "ERR this node has no server of the controller: ask one of{nodes}, or use quorate admin"
    )
    .into()
}

/// Who takes the command. Nobody is sent to a leader that has just died: it is missed only when an election timeout is
/// over, but its connections break at once.
pub(super) fn moved(view: &View, leader: NodeId, slot: u16) -> Text {
    view.node(leader).filter(|node| node.connected).map_or(Cow::Borrowed(NO_LEADER), |node| {
        Cow::Owned(format!("MOVED {slot} {}:{}", node.host, node.cluster_port))
    })
}
