//! What a job reads: from the words of the command line to splits.
//!
//! A split is a range of bytes of a file. It owns the lines that *begin* in it: byte 0, or behind a line feed. So
//! every line belongs to exactly one split wherever the borders fall, and a worker finds its lines without asking
//! anybody. A compressed file can't be entered in the middle and is one split; so is a file for an application that
//! takes files whole.

mod plan;
mod records;
mod source;

use serde::{Deserialize, Serialize};

pub use plan::{PlanOptions, plan, splits, spool, survey};
pub use records::{Record, Records};
pub(crate) use source::refused;

use crate::store::Location;

/// How an application takes its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Line by line. A line ends with LF or CR LF, neither of which is in the record, or with the file.
    #[default]
    Lines,
    /// Line by line. A line ends with LF or the file; a CR in front of the LF stays.
    RawLines,
    /// A record is a file.
    Files,
}

/// How a file is compressed. Found out from its first bytes, whatever its name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

/// What a map task reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// What applications and people call the file: its path as the command line gave it, `-` for standard input.
    pub name: String,
    /// Where the file is: from the root.
    pub path: Location,
    /// Its first byte.
    pub start: u64,
    /// How many bytes: of the file as it lies on the disk.
    pub length: u64,
    /// How large the file was when the job was planned. One that is of another size when it is read is an error.
    pub file_bytes: u64,
    /// How the file is compressed.
    pub compression: Compression,
}
