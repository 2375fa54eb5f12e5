//! File descriptors: each client takes one, and the log needs some at moments when nobody can be turned away.
//!
//! A process that has run out of them can't begin a new segment of its log, which is its end. So as many as the system
//! lets it have are taken at the start, and no more clients than leave enough for the log, for snapshots and for the
//! other nodes.

/// What is kept for files and for the other nodes.
const KEPT: usize = 128;

/// Has room made for so many clients. How many there is room for.
pub fn take(clients: usize) -> usize {
    let wanted = clients.saturating_add(KEPT);
    let Some(limit) = raise(wanted) else { return clients };
    let room = limit.saturating_sub(KEPT).max(limit / 4).max(1);
    if room < clients {
        tracing::warn!(
            "there is room for {room} clients, not for {clients}: this process may open {limit} files. \
             Raise that limit to {wanted} (ulimit -n, LimitNOFILE=), or lower --max-clients"
        );
    }
    room.min(clients)
}

/// Raises this process's own limit as far as it may. The limit then; none if the system does not say.
#[cfg(unix)]
fn raise(wanted: usize) -> Option<usize> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let goal = hard.min(wanted as u64);
    let limit = match soft < goal {
        true if setrlimit(Resource::RLIMIT_NOFILE, goal, hard).is_ok() => goal,
        _ => soft,
    };
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raise(_: usize) -> Option<usize> {
    None
}
