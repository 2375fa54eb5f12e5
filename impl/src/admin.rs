//! The port for those who watch over a node: a few pages over HTTP, made from what the core shows.
//!
//! `/healthz` says that the process lives, `/readyz` that it can serve (a leader is known), `/metrics` has figures for
//! Prometheus, `/status` the same as JSON. One thread, one request a connection; who is slow is cut off.

use crate::raft::{Shared, Status};
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
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Begins to serve.
    ///
    /// # Errors
    /// If the port can't be had, or no thread.
    pub fn start(address: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let pages = Arc::clone(&shared);
        let serve = move || {
            for stream in listener.incoming() {
                if pages.is_over() {
                    return;
                }
                // Whoever asks learns of a failure by the closed connection; the next one is served.
                if let Err(error) = stream.and_then(|stream| answer(stream, &pages)) {
                    tracing::debug!(%error, "a request to the admin port");
                }
            }
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(serve)?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.shared.end();
        // The thread waits for a connection; this is one.
        if TcpStream::connect_timeout(&self.address, PATIENCE).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // It has nothing that could be lost.
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
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
    let status = shared.get();
    let (code, kind, body) = match path {
        Some("/healthz") => ("200 OK", "text/plain", "ok\n".into()),
        Some("/readyz") if status.leader.is_some() => ("200 OK", "text/plain", "ok\n".into()),
        Some("/readyz") => {
            ("503 Service Unavailable", "text/plain", "no leader is known to this node\n".into())
        }
        Some("/metrics") => ("200 OK", "text/plain; version=0.0.4", metrics(&status)),
        Some("/status") => ("200 OK", "application/json", json(&status)),
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

/// Name, what it is, and the figure.
fn figures(status: &Status) -> [(&'static str, &'static str, u64); 13] {
    let leads = status.role == RoleName::Leader;
    [
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
        ("keys", "keys", status.gauges.keys),
        ("store_bytes", "what the store takes, in bytes, about", status.gauges.bytes),
    ]
}

fn metrics(status: &Status) -> String {
    figures(status).iter().fold(String::new(), |mut text, (name, what, figure)| {
        let _ = write!(
            text,
            "# HELP quorate_{name} {what}\n# TYPE quorate_{name} gauge\nquorate_{name} {figure}\n"
        );
        text
    })
}

fn json(status: &Status) -> String {
    let fields = figures(status).map(|(name, _, figure)| format!("\"{name}\":{figure}"));
    let leader = status.leader.map_or("null".into(), |leader| leader.0.to_string());
    let clock = status.clock;
    format!("{{{},\"leader\":{leader},\"clock_ms\":{clock}}}\n", fields.join(","))
}
