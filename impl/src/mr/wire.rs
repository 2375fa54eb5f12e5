//! What coordinators, workers, and those who ask how far a job is send each other.
//!
//! A connection begins with the [peers' handshake](crate::peer): version, secret, purpose. Then come frames of the
//! peers' form: length, checksum, kind, and what is said, in postcard. The coordinator speaks first: to a worker it
//! says what the job is ([`Sheet`]), to others the [`Status`], and no more. A worker answers a pulse with a pulse; who
//! hears nothing for [`SILENCE`] lets the connection go.

use super::status::Status;
use crate::mailbox::Mailbox;
use crate::peer::Secret;
use crate::peer::error::Trouble;
use crate::peer::frame::{Frames, Malformed, Missing, put_code};
use crate::peer::hello::Site;
use mapreduce::{Location, Program, Split};
use protocol::NodeId;
use protocol::mr::{AttemptId, Ending, Letter, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// The version of what stands in the frames.
pub(super) const WIRE: u8 = 2;
/// In place of a cluster's number: no cluster's, which are drawn.
const CLUSTER: u128 = u128::from_le_bytes(*b"quorate mapreduc");
/// Both ends' number: there are no others at such a port.
const ME: NodeId = NodeId(0);
/// The kind of all frames here.
pub(super) const SAID: u8 = b'M';
/// Above all that is said: the attempts of a million maps, a sheet with a sample of the input's keys.
const MOST_BYTES: usize = 64 << 20;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How often a coordinator sends a pulse.
pub(super) const PULSE: Duration = Duration::from_secs(2);
/// How often a worker tells that an attempt goes on.
pub(super) const REPORT: Duration = Duration::from_millis(500);
/// After how long without a word a connection is let go.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// What a worker must know of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sheet {
    pub job: u64,
    pub program: Program,
    pub maps: u32,
    pub reduces: u32,
    /// The job's folder, by its whole path.
    pub work: Location,
    pub limits: mapreduce::Limits,
    pub debug_intermediate: bool,
    /// Whether records that fail are told, to be skipped.
    pub skips: bool,
    /// After how long without a sign of life an attempt has failed; 0: never.
    pub task_timeout_ms: u64,
}

/// How far an attempt is: bytes done, of so many; and what the application says that it is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gauge {
    pub done: u64,
    pub total: u64,
    pub text: String,
}

/// An order of the machine's, with what the engine needs to carry it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Errand {
    Refused(Refusal),
    Run { attempt: AttemptId, inputs: Vec<u64>, skip: Vec<u64>, split: Option<Split> },
    Cancel(AttemptId),
    TooLate(AttemptId),
    Accepted(AttemptId),
    Over(Ending<String>),
}

/// What a coordinator says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ToWorker {
    Pulse,
    Sheet(Box<Sheet>),
    Errand(Errand),
    Status(Box<Status>),
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ToCoordinator {
    Pulse,
    Letter(Letter<String>),
    Gauge(AttemptId, Gauge),
}

/// How a connection is reached: frames go in.
pub(super) type Outbox = Mailbox<Vec<u8>>;
/// How many entries may wait for a connection: frames, or those of a round of the coordinator's core. Who reads so
/// slowly is let go.
pub(super) const WAITING: usize = 1024;

/// Writes what comes into the box until it is closed and all is written, or nothing more can be; `written` is told how
/// much of it is.
pub(super) fn write(out: &Outbox, mut stream: &TcpStream, written: impl Fn(usize)) {
    let mut frames = Vec::new();
    while out.take(&mut frames) {
        if stream.write_all(&frames.concat()).is_err() {
            out.close();
            break;
        }
        written(frames.len());
        frames.clear();
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// A frame with this in it.
pub(super) fn frame(said: &impl Serialize) -> Vec<u8> {
    let bytes = postcard::to_allocvec(said).expect("plain data can be written");
    let mut out = Vec::with_capacity(framed(bytes.len()));
    put_code(SAID, &mut out, |out| out.extend_from_slice(&bytes));
    out
}

const fn framed(bytes: usize) -> usize {
    crate::peer::frame::framed_bytes(bytes) as usize
}

/// Reads what is said over a connection.
pub(super) fn frames<R: Read>(stream: R) -> Frames<R> {
    Frames::new(stream, MOST_BYTES)
}

/// The next that is said.
pub(super) fn next<T: DeserializeOwned>(frames: &mut Frames<impl Read>) -> Result<T, Trouble> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match frames.next_code() {
        Ok((SAID, payload)) => postcard::from_bytes(payload)
            .map_err(|_| Malformed::Payload("nothing that is said here").into()),
        Ok((code, _)) => Err(Malformed::Kind(code).into()),
        Err(Missing::End) => Err(Trouble::Closed),
        Err(Missing::Malformed(malformed)) => Err(malformed.into()),
        Err(Missing::Io(error)) if matches!(error.kind(), TimedOut | WouldBlock) => {
            Err(Trouble::Silent(SILENCE))
        }
        Err(Missing::Io(error)) => Err(error.into()),
    }
}

/// Who shakes hands here. Both ends are alike.
pub(super) fn site(secret: Option<Secret>) -> Site {
    let peers = vec![ME];
    Site { version: WIRE, me: ME, cluster: CLUSTER, peers, secret, patience: HANDSHAKE }
}

/// Connects and shakes hands.
pub(super) fn dial(
    address: &str,
    site: &Site,
    purpose: crate::peer::hello::Purpose,
) -> Result<TcpStream, Trouble> {
    use std::net::ToSocketAddrs;
    let mut last = Trouble::NoAddress(address.to_owned());
    let addresses = address.to_socket_addrs();
    for one in addresses.map_err(|source| Trouble::Name(address.to_owned(), source))? {
        match TcpStream::connect_timeout(&one, HANDSHAKE) {
            // A port of this machine at which nobody listens may be drawn for the dialer's own end.
            Ok(stream) if stream.local_addr()? == one => last = Trouble::Closed,
            Ok(stream) => {
                stream.set_nodelay(true)?;
                site.greet(&stream, ME, purpose)?;
                prepare(&stream)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// After the handshake: neither reading nor writing takes for ever.
pub(super) fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))
}
