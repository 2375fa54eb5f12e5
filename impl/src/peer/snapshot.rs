//! Snapshots go over connections of their own, so that no heartbeat waits behind one.
//!
//! ```text
//! sender → receiver   Snapshot: length, message | Chunk … | End: crc32c of all bytes
//! receiver → sender   Taken
//! ```
//!
//! The receiver writes to a new file, syncs it, and only then hands it over with its message. From then on
//! the file is its owner's, who gives it its name and syncs the folder. A transfer that breaks leaves
//! nothing: the file goes, or with the process the next start removes it. Nothing is resumed. Raft asks
//! again as long as the follower needs a snapshot, with every heartbeat it answers; so one that is under
//! way is not begun again, nor one that has only just ended, well or badly.
//!
//! A sender waits as long as the receiver's disk takes. What ends its patience is the loss of the
//! connection that carries messages to the same peer.

use super::error::Trouble;
use super::frame::{self, Frames, Kind, Malformed};
use super::hello::Purpose;
use super::link::{self, Number, Socket, Sockets};
use super::{Error, Peer, Received, Shared, dial};
use crate::disk::Steady;
use crate::sync::{Mutex, Parker, Unparker};
use crate::wal::GroupId;
use protocol::NodeId;
use protocol::raft::Message;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much of a file goes into one frame.
const CHUNK_BYTES: usize = 256 << 10;
/// How much longer than for a sign of life a receiver waits for the next piece: the sender's disk may be
/// slow.
const PATIENCE: u32 = 6;
const PREFIX: &str = "incoming-";
const SUFFIX: &str = ".part";

/// How far a transfer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// How many bytes have been sent.
    pub bytes: u64,
    /// Of how many.
    pub of: u64,
}

/// What is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Parcel {
    group: GroupId,
    message: Message,
    path: PathBuf,
}

/// Sends snapshots to one peer, one at a time.
#[derive(Debug)]
pub(super) struct Courier {
    state: Mutex<State>,
    waker: Unparker,
}

#[derive(Debug, Default)]
struct State {
    under_way: Option<(GroupId, Message)>,
    /// What waits, the longest first: one of each group.
    waiting: VecDeque<Parcel>,
    /// What ended last, by group, and when.
    ended: BTreeMap<GroupId, (Message, Instant)>,
    socket: Option<Number>,
    progress: Option<Progress>,
    sent: u64,
    failed: u64,
    /// Why the last transfer failed, if it did.
    trouble: Option<String>,
}

/// What a courier has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Done {
    pub(super) progress: Option<Progress>,
    pub(super) sent: u64,
    pub(super) failed: u64,
    pub(super) trouble: Option<String>,
}

impl Courier {
    pub(super) fn new(waker: Unparker) -> Self {
        Self { state: Mutex::new(State::default()), waker }
    }

    /// Asks for a transfer. One that is under way already, or ended less than `rest` ago, is not begun. One of the same
    /// group that waits is replaced.
    pub(super) fn ask(&self, group: GroupId, message: Message, path: PathBuf, rest: Duration) {
        let mut state = self.state.lock();
        let ended = state.ended.get(&group);
        let just_ended =
            ended.is_some_and(|(ended, when)| *ended == message && when.elapsed() < rest);
        if state.under_way == Some((group, message)) || just_ended {
            return;
        }
        let parcel = Parcel { group, message, path };
        match state.waiting.iter_mut().find(|waiting| waiting.group == group) {
            Some(waiting) => *waiting = parcel,
            None => state.waiting.push_back(parcel),
        }
        drop(state);
        self.waker.unpark();
    }

    /// Breaks off what is under way, and forgets what waits.
    pub(super) fn cut(&self, sockets: &Sockets) {
        let mut state = self.state.lock();
        state.waiting.clear();
        let socket = state.socket;
        drop(state);
        if let Some(number) = socket {
            sockets.shut(number);
        }
    }

    pub(super) fn done(&self) -> Done {
        let state = self.state.lock();
        let State { progress, sent, failed, .. } = *state;
        Done { progress, sent, failed, trouble: state.trouble.clone() }
    }

    /// Lets the courier's thread end, if the transport has stopped.
    pub(super) fn wake(&self) {
        self.waker.unpark();
    }

    fn begin(&self) -> Option<Parcel> {
        let mut state = self.state.lock();
        let parcel = state.waiting.pop_front()?;
        state.under_way = Some((parcel.group, parcel.message));
        Some(parcel)
    }

    fn end(&self, trouble: Option<String>) {
        let mut state = self.state.lock();
        if let Some((group, message)) = state.under_way.take() {
            state.ended.insert(group, (message, Instant::now()));
        }
        state.socket = None;
        state.progress = None;
        if trouble.is_none() {
            state.sent += 1;
        } else {
            state.failed += 1;
        }
        state.trouble = trouble;
    }
}

/// A courier's thread.
pub(super) fn run(shared: &Shared, peer: &Peer, parker: &Parker) {
    while !shared.sockets.is_stopped() {
        let Some(parcel) = peer.courier.begin() else {
            parker.park();
            continue;
        };
        let result = send(shared, peer, &parcel);
        peer.courier.end(result.as_ref().err().map(Trouble::to_string));
        match result {
            Ok(bytes) => tracing::info!(peer = peer.node.0, bytes, "a snapshot was sent"),
            Err(_) if shared.sockets.is_stopped() => {}
            Err(trouble) => {
                let path = parcel.path.display();
                tracing::warn!(peer = peer.node.0, %path, %trouble, "a snapshot was not sent");
            }
        }
    }
}

/// Sends a file and waits until the receiver has it; says how long it is.
fn send(shared: &Shared, peer: &Peer, parcel: &Parcel) -> Result<u64, Trouble> {
    let file = File::open(&parcel.path).map_err(Trouble::file("open"))?;
    let length = file.metadata().map_err(Trouble::file("look at"))?.len();
    let socket = dial::connect(shared, peer, Purpose::Snapshot)?;
    peer.courier.state.lock().socket = Some(socket.number);
    // Who loses the other connection from here on finds this one to cut.
    if !peer.out.is_open() {
        return Err(Trouble::LetGo);
    }
    link::prepare(&socket.stream, None)?;
    let silence = shared.limits.silence;
    let mut frame = Vec::new();
    let write = |frame: &mut Vec<u8>| {
        let written = (&socket.stream).write_all(frame);
        frame.clear();
        written.map_err(|error| link::io_trouble(error, silence))
    };
    frame::put_snapshot((parcel.group, &parcel.message), length, &mut frame);
    write(&mut frame)?;
    let most = CHUNK_BYTES.min(shared.limits.max_frame_bytes - 1) as u64;
    let (mut left, mut crc) = (length, 0);
    while left > 0 {
        let mut read = Ok(0);
        frame::put(Kind::Chunk, &mut frame, |frame| {
            let start = frame.len();
            read = (&file).take(most.min(left)).read_to_end(frame);
            crc = crc32c::crc32c_append(crc, &frame[start..]);
        });
        left -= match read.map_err(Trouble::file("read"))? {
            0 => return Err(Trouble::file("read")(std::io::ErrorKind::UnexpectedEof.into())),
            count => count as u64,
        };
        write(&mut frame)?;
        let progress = Progress { bytes: length - left, of: length };
        peer.courier.state.lock().progress = Some(progress);
    }
    frame::put(Kind::End, &mut frame, |frame| frame.extend(crc.to_le_bytes()));
    write(&mut frame)?;
    let mut frames = Frames::new(BufReader::new(&socket.stream), shared.limits.max_frame_bytes);
    match frames.next() {
        Ok((Kind::Taken, [])) => Ok(length),
        Ok(_) => Err(Malformed::Place("behind a snapshot").into()),
        Err(missing) => Err(link::missing_trouble(missing, silence)),
    }
}

/// A file that goes again unless it becomes somebody's.
struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "can't remove the file of a broken transfer");
        }
    }
}

/// Takes a snapshot in, hands it over and says so.
pub(super) fn take_in(shared: &Shared, peer: &Peer, socket: &Socket<'_>) -> Result<(), Trouble> {
    let silence = shared.limits.silence * PATIENCE;
    link::prepare(&socket.stream, Some(silence))?;
    let older = {
        let mut newest = peer.incoming.lock();
        if newest.is_some_and(|newest| newest > socket.number) {
            return Err(Trouble::LetGo);
        }
        newest.replace(socket.number)
    };
    if let Some(older) = older {
        shared.sockets.shut(older);
    }
    let (group, message, path) = receive(shared, peer.node, socket, silence)?;
    *peer.snapshots_in.lock() += 1;
    let received = Received::Snapshot { from: peer.node, message, path: path.clone() };
    if !shared.tell(group, received) {
        drop(Draft { path, kept: false });
        return Err(Malformed::Place("for a group that is not here").into());
    }
    let mut frame = Vec::new();
    frame::put(Kind::Taken, &mut frame, |_| {});
    let written = (&socket.stream).write_all(&frame);
    written.map_err(|error| link::io_trouble(error, silence))
}

fn receive(
    shared: &Shared,
    from: NodeId,
    socket: &Socket<'_>,
    silence: Duration,
) -> Result<(GroupId, Message, PathBuf), Trouble> {
    let stream = BufReader::with_capacity(CHUNK_BYTES, &socket.stream);
    let mut frames = Frames::new(stream, shared.limits.max_frame_bytes);
    let missing = |missing| link::missing_trouble(missing, silence);
    let (group, message, length) = match frames.next().map_err(missing)? {
        (Kind::Snapshot, payload) => frame::snapshot_of(payload)?,
        _ => return Err(Malformed::Place("in front of a snapshot").into()),
    };
    let path = shared.folder.join(format!("{PREFIX}{}-{}{SUFFIX}", from.0, socket.number));
    let file = File::create_new(&path).map_err(Trouble::file("create"))?;
    let mut file = Steady::new(file);
    let mut draft = Draft { path, kept: false };
    let (mut left, mut crc) = (length, 0);
    loop {
        match frames.next().map_err(missing)? {
            (Kind::Chunk, bytes) if !bytes.is_empty() && bytes.len() as u64 <= left => {
                left -= bytes.len() as u64;
                crc = crc32c::crc32c_append(crc, bytes);
                file.write_all(bytes).map_err(Trouble::file("write"))?;
            }
            (Kind::Chunk, _) => return Err(Malformed::Payload("more than was announced").into()),
            (Kind::End, _) if left > 0 => {
                return Err(Malformed::Payload("less than was announced").into());
            }
            (Kind::End, bytes) if bytes == crc.to_le_bytes() => break,
            (Kind::End, _) => return Err(Malformed::Checksum.into()),
            _ => return Err(Malformed::Place("within a snapshot").into()),
        }
    }
    file.sync_all().map_err(Trouble::file("sync"))?;
    draft.kept = true;
    Ok((group, message, std::mem::take(&mut draft.path)))
}

/// Removes what transfers of an earlier life have left.
pub(super) fn clean(folder: &Path) -> Result<(), Error> {
    let failed = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Folder { action, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("make", folder))?;
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            let path = entry.path();
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}
