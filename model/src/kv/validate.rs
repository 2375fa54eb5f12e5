//! Which bounds of the store's model make no sense.

use super::Bounds;
use crate::bounds::Net;
use crate::system::within;

/// Refuses bounds that no model can have. The error says what to write instead.
pub fn validate(bounds: &Bounds) -> Result<(), String> {
    within("attempts", bounds.attempts.into(), 1, 100)?;
    within("clients_kept", bounds.clients_kept as u64, 1, 1000)?;
    let clients = bounds.programs.iter().filter(|program| !program.steps().is_empty()).count();
    let turned_away = bounds.clients_kept < clients || bounds.first_from_future;
    if bounds.net == Net::Duplicate && (turned_away || bounds.has_unrecorded_puts()) {
        return Err("a network that doubles messages is for recorded writes of clients that are \
                    kept: leave out net=Duplicate, or set record_puts=true, clients_kept and \
                    first_from_future (SPEC.md, The store with one server)"
            .into());
    }
    if bounds.net == Net::Duplicate && bounds.programs.iter().any(|program| program.asks_once()) {
        return Err("WATCH, FLUSHALL, SCAN and the use of a resource are not recorded: leave \
                    out net=Duplicate"
            .into());
    }
    let of_the_labs = bounds.programs.iter().all(|program| program.is_of_the_labs());
    if bounds.linearizable && !(of_the_labs && bounds.latest == 0) {
        return Err("the twin behind linearizable=true knows the labs' operations and no \
                    clock: set linearizable=false and mirror=true"
            .into());
    }
    let lasting = bounds.programs.iter().any(|program| program.has_ttl());
    if lasting != (bounds.ttl_ms > 0) {
        return Err("users of a lock that frees itself need a time to live, and nobody else \
                    does: set ttl_ms, or leave it out"
            .into());
    }
    if bounds.mirror && bounds.clients_kept < 2 * clients {
        return Err("the mirror knows nothing of room for clients: leave out clients_kept".into());
    }
    Ok(())
}
