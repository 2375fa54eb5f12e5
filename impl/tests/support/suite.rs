//! What the suites across faults share: writers that remember what they were told of each write, and a count of what
//! became of it.
//!
//! A writer appends tokens, each its own, to one key, one after the other. So the key's value afterwards is the history
//! of its writes as the group saw them: what was acknowledged must stand there once and in order, what was refused must
//! not, and of what nobody knows either is right.

#![allow(dead_code)]

use super::process::{Cluster, wait_for};
use redis::{ConnectionLike, RedisError, cmd};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a client waits for one reply: longer than a stopped leader is stopped.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

/// What a writer was told of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It was executed.
    Done,
    /// It was not and never will be.
    Never,
    /// Nobody knows: the server said so, or the connection broke.
    Open,
}

/// What an error says of a write that was sent once.
pub fn told(error: &RedisError) -> Told {
    match error.code() {
        Some("MOVED" | "TRYAGAIN" | "CLUSTERDOWN") => Told::Never,
        _ if error.is_connection_refusal() => Told::Never,
        _ => Told::Open,
    }
}

/// What a writer has written.
#[derive(Debug)]
pub struct History {
    /// Where.
    pub key: String,
    /// Its tokens, and what it was told of each.
    pub tokens: Vec<(String, Told)>,
    /// What it was told other than that all was well, and how often.
    pub errors: BTreeMap<String, u64>,
}

/// What became of a history's tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Acknowledged.
    pub done: u64,
    /// Refused.
    pub never: u64,
    /// Of which nobody knew, and that were not executed.
    pub lost: u64,
    /// Of which nobody knew, and that were executed.
    pub found: u64,
    /// Executed again.
    pub duplicates: u64,
}

impl History {
    /// Compares what a key holds with what its writer was told.
    ///
    /// # Panics
    /// If a write that was acknowledged is lost, one that was refused was executed, or order was not kept.
    pub fn check(&self, value: &str) -> Count {
        let mut seen: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for (place, token) in value.split_terminator(';').enumerate() {
            seen.entry(token).or_insert((place, 0)).1 += 1;
        }
        let mut count = Count::default();
        let mut last = None;
        for (token, told) in &self.tokens {
            let found = seen.remove(token.as_str());
            match (told, found) {
                (Told::Done, Some((place, _))) => {
                    assert!(last < Some(place), "{}: {token} is out of order", self.key);
                    last = Some(place);
                    count.done += 1;
                }
                (Told::Done, None) => panic!("{}: acknowledged, and lost: {token}", self.key),
                (Told::Never, None) => count.never += 1,
                (Told::Never, Some(_)) => panic!("{}: refused, and executed: {token}", self.key),
                (Told::Open, None) => count.lost += 1,
                (Told::Open, Some(_)) => count.found += 1,
            }
            count.duplicates += found.map_or(0, |(_, times)| times - 1);
        }
        assert!(seen.is_empty(), "{}: nobody wrote {:?}", self.key, seen.keys());
        count
    }
}

/// What the writers of a test and the one who drives it share.
#[derive(Debug, Default)]
pub struct Progress {
    stop: AtomicBool,
    done: AtomicU64,
}

impl Progress {
    /// Waits until so many more writes are acknowledged.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let goal = self.done.load(Ordering::Relaxed) + more;
        wait_for("writes", || (self.done.load(Ordering::Relaxed) >= goal).then_some(()));
    }

    /// Tells the writers to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether they are to end.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts an acknowledged write.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client for any node, with a connection to one.
pub fn plain(address: SocketAddr) -> Result<redis::Connection, RedisError> {
    let client = redis::Client::open(format!("redis://{address}/"))?;
    let connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
    connection.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    Ok(connection)
}

/// A cluster client that knows these nodes.
pub fn clustered(nodes: &[SocketAddr]) -> Result<redis::cluster::ClusterConnection, RedisError> {
    let nodes: Vec<String> = nodes.iter().map(|node| format!("redis://{node}/")).collect();
    let client = redis::cluster::ClusterClient::builder(nodes)
        .response_timeout(CLIENT_TIMEOUT)
        .connection_timeout(Duration::from_secs(5))
        .build()?;
    client.get_connection()
}

/// Writes until it is told to stop. `connect` makes a new connection whenever the last one is broken; `judge` says what
/// an error means.
pub fn write<C: ConnectionLike>(
    key: &str,
    progress: &Progress,
    mut connect: impl FnMut() -> Result<C, RedisError>,
    judge: impl Fn(&RedisError) -> Told,
) -> History {
    let mut history = History { key: key.into(), tokens: Vec::new(), errors: BTreeMap::new() };
    let mut connection = None;
    while !progress.is_over() {
        if connection.is_none() {
            connection = connect().ok();
        }
        let Some(open) = &mut connection else { continue };
        let token = format!("{key}.{}", history.tokens.len());
        let reply: Result<i64, RedisError> =
            cmd("APPEND").arg(key).arg(format!("{token};")).query(open);
        let told = match &reply {
            Ok(_) => Told::Done,
            Err(error) => judge(error),
        };
        history.tokens.push((token, told));
        match reply {
            Ok(_) => progress.count(),
            Err(error) => {
                *history.errors.entry(error.to_string()).or_default() += 1;
                if error.is_io_error() {
                    connection = None;
                }
            }
        }
    }
    history
}

/// Sends a process a signal: STOP, CONT, TERM.
pub fn signal(pid: u32, name: &str) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
    assert!(kill.expect("there is a shell").success(), "process {pid} takes {name}");
}

/// What a key holds, asked of a node that runs.
pub fn value(cluster: &Cluster, node: usize, key: &str) -> String {
    wait_for("a GET", || {
        let mut connection = plain(cluster.plain()[node]).ok()?;
        cmd("GET").arg(key).query::<Option<String>>(&mut connection).ok()
    })
    .unwrap_or_default()
}

/// What a server has written on its stderr so far.
pub fn log(cluster: &Cluster, node: usize) -> String {
    let path = cluster.folder().join(format!("node-{node}.log"));
    std::fs::read_to_string(path).unwrap_or_default()
}
