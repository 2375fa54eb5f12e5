//! How an answer is written: the store's replies know nothing of RESP, and the same reply means different things to
//! different commands.

use super::call::Answer;
use super::text;
use crate::commands::Command;
use crate::resp::Writer;
use protocol::kv::{Bytes, Kind, Reply};

/// How the answer to a command is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As the reply says.
    Plain,
    /// The sum of the operations' numbers: DEL, EXISTS.
    Sum,
    /// What each operation replied: MGET.
    Each,
    /// OK, if no operation was refused: MSET.
    AllOk,
    /// Value and version; none and 0 for a key that is not there: KV.GET.
    Versioned,
    /// The new version: KV.PUT and KV.SET WITHVERSION; behind the value before: KV.APPEND WITHVERSION.
    NewVersion,
    /// A map of the matches and the length: LCS with IDX.
    Matches,
    /// How Redis would hold the value: OBJECT ENCODING.
    Encoding,
    /// How often the value is used: OBJECT REFCOUNT.
    RefCount,
    /// About how many bytes key and value take: MEMORY USAGE of a key of so many bytes.
    Memory(usize),
    /// OK: WATCH. What the reply says, the session keeps.
    Watched {
        /// The keys, in the order of the replies.
        keys: Vec<Bytes>,
        /// In which of the session's rounds of watching.
        round: u64,
    },
    /// OK if a client was killed: CLIENT KILL address.
    KilledOne,
    /// What each command of a transaction replied.
    Exec(Vec<Part>),
}

/// The part of a transaction's reply that belongs to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Known before the transaction was asked: its bytes.
    Told(Vec<u8>),
    /// The replies of the next operations.
    Replies {
        /// The command.
        row: &'static Command,
        /// How its replies are written.
        form: Form,
        /// How many operations it has.
        ops: usize,
    },
}

impl Form {
    /// Writes the answer to a command.
    pub(super) fn write(&self, row: &Command, answer: &Answer, writer: &mut Writer<'_>) {
        match (self, answer) {
            (Self::Exec(parts), Answer::Reply(Reply::Many(replies))) => {
                write_parts(parts, replies, writer);
            }
            (Self::Exec(_), Answer::Reply(Reply::WatchFailed)) => writer.null_array(),
            (Self::Sum | Self::Each | Self::AllOk, Answer::Reply(Reply::Many(replies))) => {
                self.write_replies(row, replies, writer);
            }
            (_, Answer::Seen(_)) => writer.ok(),
            (_, Answer::Reply(reply)) => {
                self.write_replies(row, std::slice::from_ref(reply), writer);
            }
            (_, Answer::Scan { cursor, keys }) => {
                writer.array(2);
                writer.bulk(cursor.to_string());
                write_keys(keys, writer);
            }
            (_, Answer::Keys(keys)) => write_keys(keys, writer),
            (_, Answer::Text(text)) => writer.verbatim(*b"txt", text),
            (_, Answer::TimedOut) => writer.null_array(),
            (_, Answer::Control(bytes)) => writer.bulk(bytes),
            (_, Answer::Refused(_) | Answer::Flushed(_) | Answer::Step(_)) => {
                writer.error(text::ON_ITS_WAY.as_bytes())
            }
        }
    }

    /// Writes what the operations of one command replied.
    fn write_replies(&self, row: &Command, replies: &[Reply], writer: &mut Writer<'_>) {
        if let (Self::Versioned, [Reply::NoKey]) = (self, replies) {
            writer.array(2);
            writer.null();
            return writer.integer(0);
        }
        if let Some(error) = replies.iter().find_map(|reply| text::error(reply, row)) {
            return writer.error(error.as_bytes());
        }
        match self {
            Self::Sum => writer.integer(replies.iter().map(number).sum()),
            Self::Each => {
                writer.array(replies.len());
                replies.iter().for_each(|reply| plain(reply, writer));
            }
            Self::AllOk => writer.ok(),
            _ => replies.iter().for_each(|reply| self.one(reply, writer)),
        }
    }

    fn one(&self, reply: &Reply, writer: &mut Writer<'_>) {
        match (self, reply) {
            (Self::Matches, Reply::Many(parts)) => {
                writer.map(2);
                for (name, part) in ["matches", "len"].iter().zip(parts) {
                    writer.bulk(name);
                    plain(part, writer);
                }
            }
            (Self::Versioned, Reply::Value { value, version }) => {
                writer.array(2);
                writer.bulk(value);
                writer.integer(i64::try_from(*version).unwrap_or(i64::MAX));
            }
            (Self::NewVersion, Reply::Written { version }) => {
                writer.integer(i64::try_from(*version).unwrap_or(i64::MAX));
            }
            (Self::NewVersion, Reply::Appended { old, version }) => {
                writer.array(2);
                writer.bulk(old);
                writer.integer(i64::try_from(*version).unwrap_or(i64::MAX));
            }
            (Self::Encoding, Reply::Bulk(value)) => writer.bulk(encoding(value.as_ref())),
            (Self::RefCount, Reply::Bulk(_)) => writer.integer(1),
            (Self::Memory(key), Reply::Bulk(value)) => {
                writer.integer((key + value.as_ref().len() + KEY_BYTES) as i64);
            }
            (Self::KilledOne, Reply::Int(0)) => writer.error("ERR No such client"),
            (Self::KilledOne, Reply::Int(_)) => writer.ok(),
            _ => plain(reply, writer),
        }
    }
}

/// About what a key takes in the store beside its own bytes and its value's.
const KEY_BYTES: usize = 96;

fn write_parts(parts: &[Part], mut replies: &[Reply], writer: &mut Writer<'_>) {
    writer.array(parts.len());
    for part in parts {
        match part {
            Part::Told(bytes) => writer.raw(bytes),
            Part::Replies { row, form, ops } => {
                let (own, rest) = replies.split_at_checked(*ops).unwrap_or((replies, &[]));
                form.write_replies(row, own, writer);
                replies = rest;
            }
        }
    }
}

fn write_keys(keys: &[Bytes], writer: &mut Writer<'_>) {
    writer.array(keys.len());
    keys.iter().for_each(|key| writer.bulk(key));
}

fn number(reply: &Reply) -> i64 {
    if let Reply::Int(number) = reply { *number } else { 0 }
}

/// A reply that is no error.
fn plain(reply: &Reply, writer: &mut Writer<'_>) {
    match reply {
        Reply::Ok | Reply::Written { .. } => writer.ok(),
        Reply::Nil => writer.null(),
        Reply::Int(number) => writer.integer(*number),
        Reply::Bulk(value) | Reply::Value { value, .. } | Reply::Appended { old: value, .. } => {
            writer.bulk(value);
        }
        Reply::Kind(Kind::None) => writer.simple("none"),
        Reply::Kind(Kind::String) => writer.simple("string"),
        Reply::Many(parts) => {
            writer.array(parts.len());
            parts.iter().for_each(|part| plain(part, writer));
        }
        // The others are errors, and are written as such before.
        _ => writer.error("ERR internal error: a refusal was taken for a reply"),
    }
}

/// Redis's own rules for strings.
fn encoding(value: &[u8]) -> &'static str {
    if protocol::kv::number::parse_i64(value).is_some() {
        "int"
    } else if value.len() <= 44 {
        "embstr"
    } else {
        "raw"
    }
}
