//! How two servers find out that they belong together; and the coordinator of a MapReduce job and its workers.
//!
//! ```text
//! dialer → listener   hello    "quorate\0", version u8, purpose u8, has a secret u8, cluster u128, from u8, to u8, nonce
//! listener → dialer   reply    "quorate\0", version u8, 0 or the refusal u8, nonce
//! dialer → listener   proof    HMAC-SHA256
//! listener → dialer   verdict  0 or the refusal u8, HMAC-SHA256
//! ```
//!
//! Magic and version come first in both directions and never move, so two releases can always tell each
//! other that they differ. Each proof is made over the prover's role, the whole hello and both nonces: it
//! serves no other pair of servers, no other purpose, no other connection, and not the other direction. The
//! dialer proves first, so a stranger at the port gets nothing that was made with the secret. Without a
//! secret the key is empty, and the proofs prove nothing; such a port is on loopback only.
//!
//! This keeps strangers out. It does not hide what follows, nor protect it from somebody who can change
//! packets under way; that is the network's part.

use super::error::{Error, Refusal, Trouble};
use super::frame::Malformed;
use hmac::{Hmac, KeyInit, Mac};
use protocol::NodeId;
use sha2::Sha256;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// The version of the handshake, the frames between servers and what stands in them.
pub const VERSION: u8 = 3;

const MAGIC: [u8; 8] = *b"quorate\0";
const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
const FRONT_BYTES: usize = MAGIC.len() + 1;
pub(super) const HELLO_BYTES: usize = FRONT_BYTES + 2 + 16 + 2 + NONCE_BYTES;
const REPLY_BYTES: usize = FRONT_BYTES + 1 + NONCE_BYTES;
/// How much of what a refused peer still says is read, so that it gets to see why.
const MAX_DRAINED_BYTES: usize = 4096;
/// And for how long at most.
const LINGER: Duration = Duration::from_secs(1);

/// What all servers of a cluster know and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The fewest bytes a secret may have.
    pub const LEAST_BYTES: usize = 16;

    /// The content of a file, without white space around it.
    ///
    /// # Errors
    /// If the file can't be read, or is too short to be a secret.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let content = std::fs::read(path);
        let content = content.map_err(|source| Error::Secret { path: path.into(), source })?;
        let bytes = content.trim_ascii();
        if bytes.len() < Self::LEAST_BYTES {
            let (path, bytes) = (path.into(), bytes.len());
            return Err(Error::ShortSecret { path, bytes, least: Self::LEAST_BYTES });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// These bytes as a secret; none if they are too short to be one.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= Self::LEAST_BYTES).then(|| Self(bytes.to_vec()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Purpose {
    Messages = 0,
    Snapshot = 1,
    /// To work for a job.
    Work = 2,
    /// To ask how far a job is.
    Status = 3,
}

/// Who this server is, and whom it takes for a peer.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Of what follows the handshake.
    pub(crate) version: u8,
    pub(crate) me: NodeId,
    pub(crate) cluster: u128,
    pub(crate) peers: Vec<NodeId>,
    pub(crate) secret: Option<Secret>,
    /// How long a handshake may take.
    pub(crate) patience: Duration,
}

/// A stream that must be done by a deadline.
struct Timed<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
    patience: Duration,
}

impl Timed<'_> {
    fn left(&self) -> Result<Duration, Trouble> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Trouble::Slow(self.patience)) } else { Ok(left) }
    }

    fn trouble(&self, error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Slow(self.patience),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Trouble::Closed,
            _ => Trouble::Io(error),
        }
    }

    /// Fills `buffer`, however few bytes come at a time.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Trouble> {
        let mut filled = 0;
        while filled < buffer.len() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.trouble(error)),
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write_all(bytes).map_err(|error| self.trouble(error))
    }

    /// Says a last word. A socket that is closed with unread bytes in it throws away what it had still to
    /// send, so those are read first.
    fn close_with(&mut self, bytes: &[u8]) {
        if self.write(bytes).is_err() || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        self.deadline = self.deadline.min(Instant::now() + LINGER);
        let mut rest = [0; 256];
        for _ in 0..MAX_DRAINED_BYTES / rest.len() {
            let Ok(left) = self.left() else { return };
            let read = self.stream.set_read_timeout(Some(left));
            match read.and_then(|()| self.stream.read(&mut rest)) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// Whose role a proof was made in.
#[derive(Clone, Copy)]
enum Role {
    Dialer,
    Listener,
}

impl Site {
    fn timed<'a>(&self, stream: &'a TcpStream) -> Timed<'a> {
        Timed { stream, deadline: Instant::now() + self.patience, patience: self.patience }
    }

    pub(super) fn hello(
        &self,
        to: NodeId,
        purpose: Purpose,
        nonce: [u8; NONCE_BYTES],
    ) -> [u8; HELLO_BYTES] {
        let mut hello = [0; HELLO_BYTES];
        let mut rest = &mut hello[..];
        for part in [
            &MAGIC[..],
            &[self.version, purpose as u8, u8::from(self.secret.is_some())],
            &self.cluster.to_le_bytes(),
            &[self.me.0, to.0],
            &nonce,
        ] {
            rest.write_all(part).expect("the parts are as long as the whole");
        }
        hello
    }

    fn proof(&self, role: Role, hello: &[u8; HELLO_BYTES], nonce: &[u8]) -> Hmac<Sha256> {
        let key = self.secret.as_ref().map_or(&[][..], |secret| &secret.0);
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
        mac.update(match role {
            Role::Dialer => b"quorate peer: dialer",
            Role::Listener => b"quorate peer: answer",
        });
        mac.update(hello);
        mac.update(nonce);
        mac
    }

    /// The dialer's side.
    pub(crate) fn greet(
        &self,
        stream: &TcpStream,
        to: NodeId,
        purpose: Purpose,
    ) -> Result<(), Trouble> {
        let mut timed = self.timed(stream);
        let hello = self.hello(to, purpose, nonce()?);
        timed.write(&hello)?;
        let mut front = [0; FRONT_BYTES];
        timed.read(&mut front)?;
        let [magic @ .., theirs] = front;
        if magic != MAGIC {
            return Err(Trouble::Foreign);
        }
        let mut rest = [0; REPLY_BYTES - FRONT_BYTES];
        timed.read(&mut rest[..1])?;
        self.check(rest[0], theirs)?;
        timed.read(&mut rest[1..])?;
        let nonce = &rest[1..];
        let proof = self.proof(Role::Dialer, &hello, nonce).finalize().into_bytes();
        timed.write(&proof)?;
        let mut verdict = [0; 1 + PROOF_BYTES];
        timed.read(&mut verdict[..1])?;
        self.check(verdict[0], theirs)?;
        timed.read(&mut verdict[1..])?;
        let expected = self.proof(Role::Listener, &hello, nonce);
        expected.verify_slice(&verdict[1..]).map_err(|_| Trouble::Impostor)
    }

    /// The listener's side: who is there, and what for.
    pub(crate) fn receive(&self, stream: &TcpStream) -> Result<(NodeId, Purpose), Trouble> {
        let mut timed = self.timed(stream);
        let mut hello = [0; HELLO_BYTES];
        // Byte by byte as far as the magic goes, or a stranger who says less would be waited for.
        for at in 0..MAGIC.len() {
            timed.read(&mut hello[at..=at])?;
            if hello[at] != MAGIC[at] {
                return Err(Trouble::Foreign);
            }
        }
        timed.read(&mut hello[MAGIC.len()..FRONT_BYTES])?;
        let mut reply = [0; REPLY_BYTES];
        reply[..MAGIC.len()].copy_from_slice(&MAGIC);
        reply[MAGIC.len()] = self.version;
        let theirs = hello[MAGIC.len()];
        let turn = |timed: &mut Timed<'_>, refusal: Refusal, who: String, mut last: Vec<u8>| {
            last.push(refusal as u8);
            timed.close_with(&last);
            Err(Trouble::Turned { refusal, who, theirs })
        };
        if theirs != self.version {
            let who = "a peer of unknown number".to_owned();
            return turn(&mut timed, Refusal::Version, who, reply[..FRONT_BYTES].to_vec());
        }
        timed.read(&mut hello[FRONT_BYTES..])?;
        let hello_read = Hello::of(&hello)?;
        let who = hello_read.who();
        if let Some(refusal) = self.objection(&hello_read) {
            return turn(&mut timed, refusal, who, reply[..FRONT_BYTES].to_vec());
        }
        let nonce = nonce()?;
        reply[REPLY_BYTES - NONCE_BYTES..].copy_from_slice(&nonce);
        timed.write(&reply)?;
        let mut proof = [0; PROOF_BYTES];
        timed.read(&mut proof)?;
        if self.proof(Role::Dialer, &hello, &nonce).verify_slice(&proof).is_err() {
            return turn(&mut timed, Refusal::SecretWrong, who, Vec::new());
        }
        let proof = self.proof(Role::Listener, &hello, &nonce).finalize().into_bytes();
        timed.write(&[&[0], &proof[..]].concat())?;
        Ok((hello_read.from, hello_read.purpose))
    }

    fn objection(&self, hello: &Hello) -> Option<Refusal> {
        if hello.cluster != self.cluster {
            return Some(Refusal::Cluster);
        }
        if hello.to != self.me {
            return Some(Refusal::NotMe);
        }
        if !self.peers.contains(&hello.from) {
            return Some(Refusal::Stranger);
        }
        match (hello.has_secret, self.secret.is_some()) {
            (false, true) => Some(Refusal::SecretMissing),
            (true, false) => Some(Refusal::SecretUnwanted),
            _ => None,
        }
    }

    fn check(&self, code: u8, theirs: u8) -> Result<(), Trouble> {
        match (code, Refusal::from_code(code)) {
            (0, _) if theirs == self.version => Ok(()),
            (0, _) => Err(Trouble::Refused { refusal: Refusal::Version, theirs }),
            (_, Some(refusal)) => Err(Trouble::Refused { refusal, theirs }),
            (code, None) => Err(Trouble::RefusedOtherwise { code, theirs }),
        }
    }
}

/// What a hello says.
pub(super) struct Hello {
    pub(super) purpose: Purpose,
    pub(super) has_secret: bool,
    pub(super) cluster: u128,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

impl Hello {
    pub(super) fn of(bytes: &[u8; HELLO_BYTES]) -> Result<Self, Malformed> {
        let purpose = match bytes[FRONT_BYTES] {
            0 => Purpose::Messages,
            1 => Purpose::Snapshot,
            2 => Purpose::Work,
            3 => Purpose::Status,
            _ => return Err(Malformed::Payload("a hello for no known purpose")),
        };
        let has_secret = match bytes[FRONT_BYTES + 1] {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Payload("a hello that is neither with nor without secret")),
        };
        let at = FRONT_BYTES + 2;
        let cluster = bytes[at..at + 16].try_into().expect("sixteen bytes");
        let (from, to) = (NodeId(bytes[at + 16]), NodeId(bytes[at + 17]));
        Ok(Self { purpose, has_secret, cluster: u128::from_le_bytes(cluster), from, to })
    }

    /// Who speaks, for people. Nothing of it is proved yet.
    fn who(&self) -> String {
        format!("node {} of cluster {:032x}, for node {}", self.from.0, self.cluster, self.to.0)
    }
}

fn nonce() -> Result<[u8; NONCE_BYTES], Trouble> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Trouble::Io(io::Error::other(error)))?;
    Ok(nonce)
}
