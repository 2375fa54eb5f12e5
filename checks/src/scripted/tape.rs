//! A disk that finishes a write when the script says so, and forgets at a crash what it has not finished.
//!
//! It is in memory. Names hold at once; what is written into a file is in the cache until a sync, and a sync of content
//! waits for its permit. So a server's disk thread stands in its sync as long as the path leaves a write pending.

use quorate::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By name, where in `contents`.
    names: BTreeMap<String, usize>,
    contents: Vec<Content>,
    /// How many syncs may go on.
    permits: usize,
    dead: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    cache: Vec<u8>,
    durable: Vec<u8>,
}

/// An open file.
#[derive(Debug)]
pub struct TapeFile {
    tape: Tape,
    place: usize,
}

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no holder of the lock panics")
    }

    /// Lets one sync of content go on: the one that waits, or the next.
    pub fn permit(&self) {
        self.state().permits += 1;
        self.0.changed.notify_all();
    }

    /// The node dies: whoever waits here gets an error, and so does everybody from now on.
    pub fn kill(&self) {
        self.state().dead = true;
        self.0.changed.notify_all();
    }

    /// A disk with what this one would have after a crash now.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let state = self.state();
        let survive = |content: &Content| Content {
            cache: content.durable.clone(),
            durable: content.durable.clone(),
        };
        let contents = state.contents.iter().map(survive).collect();
        let survived = State { names: state.names.clone(), contents, permits: 0, dead: false };
        Self(Arc::new(Shared { state: Mutex::new(survived), changed: Condvar::new() }))
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.dead { Err(died()) } else { Ok(state) }
    }
}

fn died() -> io::Error {
    io::Error::other("the script has ended this node's life")
}

impl Disk for Tape {
    type File = TapeFile;
    type Lock = ();

    const SYNCS_TOGETHER: bool = false;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("tape").join(name)
    }

    fn lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<TapeFile> {
        let place = *self.alive()?.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(TapeFile { tape: self.clone(), place })
    }

    fn create(&self, name: &str) -> io::Result<TapeFile> {
        let mut state = self.alive()?;
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let place = state.contents.len();
        state.contents.push(Content::default());
        state.names.insert(name.into(), place);
        Ok(TapeFile { tape: self.clone(), place })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        let place = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to.into(), place);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.alive()?.names.remove(name).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        self.alive().map(drop)
    }
}

impl DiskFile for TapeFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.tape.alive()?.contents[self.place].cache.clone())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let cache = &mut self.tape.alive()?.contents[self.place].cache;
        let from = offset as usize;
        cache.resize(cache.len().max(from + bytes.len()), 0);
        cache[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.tape.alive()?.contents[self.place].cache.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let shared = &self.tape.0;
        let waits = |state: &mut State| state.permits == 0 && !state.dead;
        let state = self.tape.state();
        let mut state =
            shared.changed.wait_while(state, waits).expect("no holder of the lock panics");
        if state.dead {
            return Err(died());
        }
        state.permits -= 1;
        state.contents[self.place].sync();
        Ok(())
    }

    /// A segment's opening, when the server starts.
    fn sync_all(&mut self) -> io::Result<()> {
        self.tape.alive()?.contents[self.place].sync();
        Ok(())
    }
}

impl Content {
    fn sync(&mut self) {
        self.durable.clone_from(&self.cache);
    }
}
