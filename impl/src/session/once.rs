//! ONCE key client seq [ACK n] command…: a command that is executed once, however often it is sent.

use super::plan::{self, Args, Plan};
use super::text::Text;
use crate::client::id;
use crate::commands::{Command, Id, Tail, once_inner, resolve};
use protocol::kv::Once;
use protocol::kv::number::parse_i64;

const NOT_AN_ID: &str = "ERR client id is neither a UUID of version 7 nor an integer above 0 \
    whose first 48 bits are Unix milliseconds";

/// A command that is made exactly once.
pub(super) struct Recorded {
    /// The command within.
    pub row: &'static Command,
    pub plan: Plan,
    pub once: Once,
}

/// Reads an ONCE whose keys are known to lie in one slot.
///
/// # Errors
/// What its client is told of arguments that mean nothing, and of commands that can't be made exactly once.
pub(super) fn read(args: Args<'_>, random: u64) -> Result<Recorded, Text> {
    let number = |place: usize| {
        let number = parse_i64(args.argument(place)).filter(|&number| number > 0);
        number.map(i64::cast_unsigned)
    };
    let client = id::read(args.argument(2)).ok_or(Text::from(NOT_AN_ID))?;
    let seq = number(3)
        .ok_or(Text::from("ERR seq is not an integer or out of range: it begins with 1"))?;
    let inner = once_inner(args).ok_or(Text::from("ERR ONCE without a command"))?;
    let mut acknowledged = seq - 1;
    if inner == 6 {
        let told = parse_i64(args.argument(5)).and_then(|number| u64::try_from(number).ok());
        let told = told.filter(|&told| told < seq);
        acknowledged = told.ok_or(Text::from("ERR ACK is not an integer below seq"))?;
    }
    let tail = Tail::new(args, inner);
    let row = resolve(&tail).map_err(|error| Text::from(error.to_string()))?;
    let refused = || Text::from(format!("ERR ONCE can't be used with '{}'", row.name));
    if row.id == Id::Once || row.range.first == 0 {
        return Err(refused());
    }
    let plan = plan::plan(row, &tail, random)?.ok_or_else(refused)?;
    let once = Once { client, seq, acknowledged };
    Ok(Recorded { row, plan, once })
}
