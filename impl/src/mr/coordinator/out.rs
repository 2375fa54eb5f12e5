//! The way from the core to a worker.

use crate::mailbox::Mailbox;
use crate::mr::wire::{self, Outbox, ToWorker, WAITING};
use crate::sync::{AtomicU64, Ordering};
use std::net::TcpStream;
use std::sync::Arc;

/// So many bytes of room stay for the next round.
const KEPT: usize = 64 << 10;

/// A connection's end at the core. What is put in goes at the end of the core's round, by the core itself if the
/// connection takes it at once: to wake a thread for it takes longer than to write it. What it does not take waits
/// with the connection's writer, and so does all that comes behind it.
#[derive(Debug)]
pub(super) struct Out {
    stream: Arc<TcpStream>,
    /// The frames of this round.
    held: Vec<u8>,
    queue: Queue,
    /// Nothing more goes.
    closed: bool,
}

/// What waits for a connection's writer.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    frames: Outbox,
    /// How many of them are not written, those that the writer has taken included.
    waiting: Arc<AtomicU64>,
}

impl Out {
    pub fn new(stream: Arc<TcpStream>) -> Self {
        let queue = Queue { frames: Mailbox::new(WAITING), waiting: Arc::default() };
        Self { stream, held: Vec::new(), queue, closed: false }
    }

    /// What the connection's writer is to work off.
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Puts something in, unless it is closed; whether it is the round's first.
    pub fn put(&mut self, said: &ToWorker) -> bool {
        if self.closed {
            return false;
        }
        let is_first = self.held.is_empty();
        self.held.extend_from_slice(&wire::frame(said));
        is_first
    }

    /// The round ends. A connection whose queue is full is let go: its worker comes back and says what it has.
    pub fn send(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let is_free = self.queue.waiting.load(Ordering::Acquire) == 0;
        let sent = if is_free { send_now(&self.stream, &self.held) } else { 0 };
        if sent < self.held.len() {
            self.queue.waiting.fetch_add(1, Ordering::AcqRel);
            if self.queue.frames.post(self.held[sent..].to_vec()).is_err() {
                self.queue.close();
                self.closed = true;
            }
        }
        self.held.clear();
        self.held.shrink_to(KEPT);
    }

    /// Lets the connection go when all that was put in is written.
    pub fn close(&mut self) {
        self.send();
        self.queue.close();
        self.closed = true;
    }
}

impl Queue {
    pub fn close(&self) {
        self.frames.close();
    }

    /// Writes what comes until it is closed and all is written, or nothing more can be.
    pub fn work_off(&self, stream: &TcpStream) {
        wire::write(&self.frames, stream, |frames| {
            self.waiting.fetch_sub(frames as u64, Ordering::AcqRel);
        });
    }
}

/// How many bytes a connection takes at once. An error is its writer's to find, who is given the rest.
#[cfg(unix)]
fn send_now(stream: &TcpStream, bytes: &[u8]) -> usize {
    use nix::sys::socket::{MsgFlags, send};
    use std::os::fd::AsRawFd;
    // A connection that is gone is an error here, not a signal, also in a program that has left these as they were.
    #[cfg(target_os = "linux")]
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    let flags = MsgFlags::MSG_DONTWAIT;
    send(stream.as_raw_fd(), bytes, flags).unwrap_or(0)
}

#[cfg(not(unix))]
fn send_now(_: &TcpStream, _: &[u8]) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    /// Much more than a connection takes at once, in rounds of many sizes: it all comes, in order.
    #[test]
    fn what_does_not_fit_waits_for_the_writer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it listens");
        let far = TcpStream::connect(address).expect("it listens");
        let (near, _) = listener.accept().expect("it has connected");
        let near = Arc::new(near);
        let mut out = Out::new(Arc::clone(&near));
        let (mut expected, mut direct) = (Vec::new(), 0);
        thread::scope(|scope| {
            let (queue, stream) = (out.queue(), Arc::clone(&near));
            let writer = scope.spawn(move || queue.work_off(&stream));
            let pulse = wire::frame(&ToWorker::Pulse);
            for round in 0..400 {
                // Nobody reads yet: the first of these fill the connection, the rest waits.
                for _ in 0..round * 20 {
                    out.put(&ToWorker::Pulse);
                    expected.extend_from_slice(&pulse);
                }
                direct += u64::from(out.queue.waiting.load(Ordering::Acquire) == 0);
                out.send();
            }
            let waits = out.queue.waiting.load(Ordering::Acquire);
            assert!(direct > 3 && waits > 3, "{direct} rounds at once, {waits} wait");
            out.close();
            assert!(!out.put(&ToWorker::Pulse), "nothing goes behind the end");
            out.send();
            let mut came = Vec::new();
            (&far).read_to_end(&mut came).expect("it is closed in the end");
            assert!(came == expected, "{} of {} bytes", came.len(), expected.len());
            writer.join().expect("it ends");
        });
    }
}
