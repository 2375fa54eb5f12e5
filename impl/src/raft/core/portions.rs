//! What is submitted at once.

use crate::rsm::Payload;
use protocol::rsm::{Caller, Ticket};
use std::ops::Range;

/// The commands of one proposal have about so many bytes, unless one alone has more.
const PROPOSAL_BYTES: usize = 16 << 20;

/// The tickets of some who submit: they are in a row.
pub fn tickets(portion: &[(Caller, Payload)]) -> Range<Ticket> {
    let first = portion.first().map_or(0, |(caller, _)| caller.ticket);
    first..first + portion.len() as u64
}

/// Portions that a batch of the log can take.
pub fn portions(commands: Vec<(Caller, Payload)>) -> Vec<Vec<(Caller, Payload)>> {
    let (mut portions, mut bytes) = (vec![Vec::new()], 0);
    for (caller, payload) in commands {
        if bytes > 0 && bytes + payload.len() > PROPOSAL_BYTES {
            portions.push(Vec::new());
            bytes = 0;
        }
        bytes += payload.len();
        portions.last_mut().expect("there is one").push((caller, payload));
    }
    portions
}
