//! The port for those who watch over a node: a few pages over HTTP, made from what the cores show.
//!
//! `/healthz` says that the process lives, and with it each of its servers: when one ends, for whatever reason, so does
//! the process. `/readyz` says that it can serve (each server knows a leader), `/metrics` has figures for Prometheus,
//! of each server of a sharded cluster with a label, `/status` the same as JSON. One thread, one request a connection;
//! who is slow is cut off.

use crate::raft::{Shared, Status};
use crate::sync::{AtomicBool, Ordering};
use crate::view::Place;
use protocol::raft::RoleName;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const MOST_BYTES: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(2);

/// The thread behind the port.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The servers of a node; of what each is one in a sharded cluster.
type Servers = [(Option<Place>, Arc<Shared>)];

impl Admin {
    /// Begins to serve.
    ///
    /// # Errors
    /// If the port can't be had, or no thread.
    pub fn start(
        address: SocketAddr,
        servers: Vec<(Option<Place>, Arc<Shared>)>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let serve = move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                // Whoever asks learns of a failure by the closed connection; the next one is served.
                if let Err(error) = stream.and_then(|stream| answer(stream, &servers)) {
                    tracing::debug!(%error, "a request to the admin port");
                }
            }
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(serve)?;
        Ok(Self { address, over, thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // The thread waits for a connection; this is one.
        if TcpStream::connect_timeout(&self.address, PATIENCE).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // It has nothing that could be lost.
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, servers: &Servers) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MOST_BYTES {
        match stream.read(&mut buffer)? {
            0 => break,
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let path = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    let servers = servers.iter().map(|(place, shared)| (*place, shared.get()));
    let servers: Vec<(Option<Place>, Status)> = servers.collect();
    let (code, kind, body) = match path {
        Some("/healthz") => ("200 OK", "text/plain", "ok\n".into()),
        Some("/readyz") => match unready(&servers) {
            None => ("200 OK", "text/plain", "ok\n".into()),
            Some(why) => ("503 Service Unavailable", "text/plain", why),
        },
        Some("/metrics") => ("200 OK", "text/plain; version=0.0.4", metrics(&servers)),
        Some("/status") => ("200 OK", "application/json", json(&servers)),
        Some(_) => {
            let pages = "there are /healthz, /readyz, /metrics and /status\n";
            ("404 Not Found", "text/plain", pages.into())
        }
        None => ("400 Bad Request", "text/plain", "only GET is understood here\n".into()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Which servers know no leader.
fn unready(servers: &[(Option<Place>, Status)]) -> Option<String> {
    let late = servers.iter().filter(|(_, status)| status.leader.is_none());
    let late: Vec<String> = late
        .map(|(place, _)| match place {
            None => "no leader is known to this node".into(),
            Some(Place::Controller) => "no leader of the controller is known to this node".into(),
            Some(Place::Group(group)) => {
                format!("no leader of group {group} is known to this node")
            }
        })
        .collect();
    (!late.is_empty()).then(|| late.join("\n") + "\n")
}

/// Name, what it is, and the figure.
type Figure = (&'static str, &'static str, u64);

fn figures(place: Option<Place>, status: &Status) -> Vec<Figure> {
    let leads = status.role == RoleName::Leader;
    let mut figures = vec![
        ("node", "this node's number", status.me.0.into()),
        ("leads", "1 if this node leads", leads.into()),
        ("leader_known", "1 if this node knows a leader", status.leader.is_some().into()),
        ("term", "the node's term", status.term),
        ("commit_index", "the last entry known to be committed", status.commit),
        ("applied_index", "the last entry applied", status.applied),
        ("last_index", "the last entry of the log", status.last),
        ("snapshot_index", "the last entry that the snapshot covers", status.snapshot),
        ("log_bytes", "the commands behind the snapshot, in bytes", status.log_bytes),
        ("waiting", "callers that wait", status.waiting),
        ("pending_writes", "writes that the disk has not finished", status.pending_writes),
    ];
    if place != Some(Place::Controller) {
        figures.extend([
            ("keys", "keys", status.gauges.keys),
            ("store_bytes", "what the store takes, in bytes, about", status.gauges.bytes),
        ]);
    }
    if let Some(Place::Group(_)) = place {
        let slots = status.gauges.slots;
        figures.extend([
            ("configuration", "the number of the group's configuration", slots.configuration),
            ("slots", "slots that are served", slots.served),
            ("slots_coming", "slots on their way to the group", slots.coming),
            ("slots_going", "slots on their way from the group", slots.going),
        ]);
    }
    figures
}

fn label(place: Option<Place>) -> String {
    place.map_or(String::new(), |place| format!("{{group=\"{place}\"}}"))
}

/// The lines of one name stand together, as the format wants it.
fn metrics(servers: &[(Option<Place>, Status)]) -> String {
    let mut all: Vec<(Figure, String)> = Vec::new();
    for (place, status) in servers {
        for (name, what, figure) in figures(*place, status) {
            let line = format!("quorate_{name}{} {figure}\n", label(*place));
            match all.iter_mut().find(|(known, _)| known.0 == name) {
                Some((_, lines)) => lines.push_str(&line),
                None => all.push(((name, what, figure), line)),
            }
        }
    }
    all.iter().fold(String::new(), |mut text, ((name, what, _), lines)| {
        let _ = write!(text, "# HELP quorate_{name} {what}\n# TYPE quorate_{name} gauge\n{lines}");
        text
    })
}

fn object(place: Option<Place>, status: &Status) -> String {
    let fields = figures(place, status).into_iter();
    let fields: Vec<String> =
        fields.map(|(name, _, figure)| format!("\"{name}\":{figure}")).collect();
    let leader = status.leader.map_or("null".into(), |leader| leader.0.to_string());
    let group = place.map_or(String::new(), |place| format!("\"group\":\"{place}\","));
    let clock = status.clock;
    format!("{{{group}{},\"leader\":{leader},\"clock_ms\":{clock}}}", fields.join(","))
}

fn json(servers: &[(Option<Place>, Status)]) -> String {
    match servers {
        [(None, status)] => object(None, status) + "\n",
        several => {
            let all: Vec<String> = several.iter().map(|(place, it)| object(*place, it)).collect();
            format!("{{\"servers\":[{}]}}\n", all.join(","))
        }
    }
}
