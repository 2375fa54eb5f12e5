//! What both ends of a connection have: a buffer that others fill, a thread that writes it out, a thread
//! that reads.
//!
//! Whoever sends encodes straight into the buffer and is gone; the writer takes the whole buffer by
//! swapping it for an empty one, so everything that came while it wrote goes out with its next call. The
//! bound covers both, what waits and what is being written. A writer with nothing to say sends a sign of
//! life now and then, and a reader that hears nothing for long lets go: an operating system may take a
//! quarter of an hour to notice that a machine is gone, and as long to notice that it is back.

use super::error::Trouble;
use super::frame::{self, Frames, Kind, Malformed, Missing, Put};
use crate::sync::{Mutex, Parker, Unparker};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// What is read with one call.
const READ_BYTES: usize = 64 << 10;
/// What a buffer may keep when it is empty.
const KEPT_BYTES: usize = 1 << 20;
/// How many signs of life are sent in the time after which their absence ends a connection.
const PULSES: u32 = 4;

/// A connection's number. A later one has a higher.
pub(super) type Number = u64;

/// The sockets that are open, so that a thread that waits at one can be told to stop.
#[derive(Debug)]
pub(super) struct Sockets(Mutex<Open>);

#[derive(Debug)]
struct Open {
    stopped: bool,
    last: Number,
    streams: BTreeMap<Number, TcpStream>,
}

impl Sockets {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Open { stopped: false, last: 0, streams: BTreeMap::new() }))
    }

    /// Takes a stream in; none if the transport has stopped.
    pub(super) fn add(&self, stream: TcpStream) -> io::Result<Option<Socket<'_>>> {
        let second = stream.try_clone()?;
        let mut open = self.0.lock();
        if open.stopped {
            return Ok(None);
        }
        open.last += 1;
        let number = open.last;
        open.streams.insert(number, second);
        drop(open);
        Ok(Some(Socket { stream, number, sockets: self }))
    }

    /// Ends a connection, if it is still there. Its threads notice.
    pub(super) fn shut(&self, number: Number) {
        if let Some(stream) = self.0.lock().streams.get(&number) {
            // It fails if the other side was quicker.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends all connections, and every one that comes.
    pub(super) fn stop(&self) {
        let mut open = self.0.lock();
        open.stopped = true;
        for stream in open.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.lock().stopped
    }
}

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket<'a> {
    pub(super) stream: TcpStream,
    pub(super) number: Number,
    sockets: &'a Sockets,
}

impl Socket<'_> {
    pub(super) fn shut(&self) {
        self.sockets.shut(self.number);
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        self.shut();
        self.sockets.0.lock().streams.remove(&self.number);
    }
}

/// How much has gone one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// How many frames.
    pub frames: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// What waits to be written to a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// The most bytes that may wait or be under way to the socket.
    room: usize,
}

#[derive(Debug)]
struct State {
    /// The connection, if there is one.
    link: Option<(Number, Unparker)>,
    buffer: Vec<u8>,
    /// How many bytes the writer has taken and not finished.
    writing: usize,
    traffic: Traffic,
    dropped: u64,
}

/// What became of something to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pushed {
    Queued,
    /// There is no such connection; nothing of it was sent.
    Closed,
    /// It found no room, at least not all of it.
    Full,
}

enum Taken {
    Bytes,
    Nothing,
    Closed,
}

impl Outbox {
    pub(super) fn new(room: usize) -> Self {
        let buffer = Vec::new();
        let traffic = Traffic::default();
        Self {
            state: Mutex::new(State { link: None, buffer, writing: 0, traffic, dropped: 0 }),
            room,
        }
    }

    /// Begins with a connection; `waker` wakes its writer. Says which connection it replaces. An older
    /// connection than the present one is turned down.
    pub(super) fn open(&self, number: Number, waker: Unparker) -> Result<Option<Number>, Trouble> {
        let mut state = self.state.lock();
        let before = state.link.as_ref().map(|link| link.0);
        if before.is_some_and(|before| before > number) {
            return Err(Trouble::LetGo);
        }
        let old = state.link.replace((number, waker));
        state.buffer.clear();
        state.writing = 0;
        drop(state);
        if let Some((_, waker)) = old {
            waker.unpark();
        }
        Ok(before)
    }

    /// Ends with a connection, if it is the present one. What waits is forgotten.
    pub(super) fn close(&self, number: Number) {
        let mut state = self.state.lock();
        if state.link.as_ref().is_none_or(|link| link.0 != number) {
            return;
        }
        let old = state.link.take();
        state.buffer = Vec::new();
        state.writing = 0;
        drop(state);
        if let Some((_, waker)) = old {
            waker.unpark();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.lock().link.is_some()
    }

    pub(super) fn traffic(&self) -> (Traffic, u64) {
        let state = self.state.lock();
        (state.traffic, state.dropped)
    }

    /// Lets `fill` append frames to the buffer of connection `number`, or of whichever there is. `fill` gets
    /// the length that the buffer may reach, and says how many frames it made and whether that was all.
    pub(super) fn push(
        &self,
        number: Option<Number>,
        fill: impl FnOnce(&mut Vec<u8>, usize) -> Put,
    ) -> Pushed {
        let mut state = self.state.lock();
        let State { link, buffer, writing, traffic, dropped } = &mut *state;
        let Some((present, waker)) = link else {
            *dropped += 1;
            return Pushed::Closed;
        };
        if number.is_some_and(|number| number != *present) {
            *dropped += 1;
            return Pushed::Closed;
        }
        let before = buffer.len();
        let put = fill(buffer, self.room.saturating_sub(*writing));
        traffic.frames += put.frames;
        traffic.bytes += (buffer.len() - before) as u64;
        *dropped += u64::from(!put.whole);
        let wakes = (before == 0 && !buffer.is_empty()).then(|| waker.clone());
        drop(state);
        if let Some(waker) = wakes {
            waker.unpark();
        }
        if put.whole { Pushed::Queued } else { Pushed::Full }
    }

    /// Swaps what waits for `bytes`, which the writer has written.
    fn take(&self, number: Number, bytes: &mut Vec<u8>) -> Taken {
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        let mut state = self.state.lock();
        if state.link.as_ref().is_none_or(|link| link.0 != number) {
            return Taken::Closed;
        }
        std::mem::swap(&mut state.buffer, bytes);
        state.writing = bytes.len();
        if bytes.is_empty() { Taken::Nothing } else { Taken::Bytes }
    }

    /// The writer's loop. It ends with the connection; with trouble, if it was the first to see it.
    pub(super) fn write_to(
        &self,
        socket: &Socket<'_>,
        parker: &Parker,
        silence: Duration,
    ) -> Result<(), Trouble> {
        let pulse = silence / PULSES;
        let mut bytes = Vec::new();
        let mut spoke = Instant::now();
        loop {
            match self.take(socket.number, &mut bytes) {
                Taken::Closed => return Ok(()),
                Taken::Bytes => {}
                Taken::Nothing => {
                    // It may have been woken for what it has written already.
                    let left = pulse.saturating_sub(spoke.elapsed());
                    if !left.is_zero() {
                        parker.park_timeout(left);
                        continue;
                    }
                    frame::put(Kind::Pulse, &mut bytes, |_| {});
                }
            }
            let written = (&socket.stream).write_all(&bytes);
            written.map_err(|error| io_trouble(error, silence))?;
            spoke = Instant::now();
        }
    }
}

/// Sets a proved connection up: nothing waits to be packed, nobody waits for ever.
pub(super) fn prepare(stream: &TcpStream, silence: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(silence)?;
    stream.set_write_timeout(silence)
}

/// The reader's loop: hands every frame to `take`. It ends with the connection, and says why.
pub(super) fn read_from(
    stream: &TcpStream,
    most: usize,
    silence: Duration,
    mut take: impl FnMut(Kind, &[u8]) -> Result<(), Malformed>,
) -> Trouble {
    let mut frames = Frames::new(BufReader::with_capacity(READ_BYTES, stream), most);
    loop {
        match frames.next() {
            Err(missing) => return missing_trouble(missing, silence),
            Ok((kind, payload)) => {
                if let Err(malformed) = take(kind, payload) {
                    return malformed.into();
                }
            }
        }
    }
}

pub(super) fn missing_trouble(missing: Missing, silence: Duration) -> Trouble {
    match missing {
        Missing::End => Trouble::Closed,
        Missing::Malformed(malformed) => malformed.into(),
        Missing::Io(error) => io_trouble(error, silence),
    }
}

pub(super) fn io_trouble(error: io::Error, silence: Duration) -> Trouble {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Silent(silence),
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::WriteZero => Trouble::Closed,
        _ => Trouble::Io(error),
    }
}
