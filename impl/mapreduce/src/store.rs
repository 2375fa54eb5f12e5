//! Where files are: on this machine (or in a folder that machines share), or in an object store.
//!
//! A [`Location`] says where a file is, a [`Store`] is whoever keeps it, [`Stores`] are those that a process has met.
//! What attempts *write* they write on this machine, in any case, as drafts and scratch files do ([`crate::run_map`]);
//! a store takes whole files only, under a name of their own. So a file in a store is whole, as one in a folder is that
//! has its name.
//!
//! [`Local`] is the operating system's files. An object store, with the feature `s3`, has no folders, no renaming and
//! no locks, but it can refuse to put an object where there is one, and all that must happen once rests on that:
//! [`Store::create`] and [`Store::publish`].

mod local;
#[cfg(feature = "s3")]
mod s3;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use local::Local;
pub(crate) use local::look;

use crate::error::Error;
use crate::files::Durability;
use crate::task::Watch;

/// What the name of an object's place begins with.
const SCHEME: &str = "s3://";

/// Where a file or a folder is. As text: a path, or `s3://BUCKET/KEY`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A path of this machine, or of a folder that machines share.
    Local(PathBuf),
    /// An object, or all those whose keys begin with this one and a slash.
    Object {
        /// The bucket.
        bucket: String,
        /// The key, without a slash at its beginning or its end.
        key: String,
    },
}

impl Location {
    /// Reads what a person has written.
    ///
    /// # Errors
    /// [`Error::Usage`] for an `s3://` without a bucket.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Ok(Self::Local(text.into()));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Error::Usage(format!("{text:?} names no bucket: write s3://BUCKET/KEY")));
        }
        Ok(Self::Object { bucket: bucket.to_owned(), key: key.trim_matches('/').to_owned() })
    }

    /// What is called so in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::Object { bucket, key } => {
                let slash = if key.is_empty() { "" } else { "/" };
                Self::Object { bucket: bucket.clone(), key: format!("{key}{slash}{name}") }
            }
        }
    }

    /// What is called so and something more.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        match self {
            Self::Local(path) => {
                let mut name = path.clone().into_os_string();
                name.push(suffix);
                Self::Local(name.into())
            }
            Self::Object { bucket, key } => {
                Self::Object { bucket: bucket.clone(), key: format!("{key}{suffix}") }
            }
        }
    }

    /// The path, if it is not in an object store.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Object { .. } => None,
        }
    }

    /// The last part of its name.
    pub fn name(&self) -> String {
        let text = self.to_string();
        text.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Object { bucket, key } => write!(f, "{SCHEME}{bucket}/{key}"),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

impl TryFrom<String> for Location {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

/// An input file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What people call it: its path as the command line gave it, `s3://BUCKET/KEY`.
    pub name: String,
    /// Where it is: from the root.
    pub location: Location,
    /// How large it is.
    pub bytes: u64,
    /// When it was changed last: nanoseconds since 1970; 0 where the store does not say.
    pub modified_ns: u64,
    /// Its first bytes: four, if it has them.
    pub first: Vec<u8>,
}

/// What of a file will be read.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// From here on, in order, up to here or a little further.
    Range(u64, u64),
    /// First its end, then here and there.
    End,
}

/// A file that is open for reading.
pub trait Opened: Send {
    /// How large it is.
    fn bytes(&self) -> u64;

    /// Reads at a place; says how many bytes. None are read at the end only.
    ///
    /// # Errors
    /// When it can't be read; when who watches calls it off.
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// As above; [`io::ErrorKind::UnexpectedEof`] when there are not as many.
    fn read_exact_at(&mut self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.read_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    bytes = &mut bytes[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What an object store has said, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Trouble(pub String);

/// Who keeps files. Whatever it is asked, it answers after a bounded time, or when who watches calls it off.
pub trait Store: fmt::Debug + Send + Sync {
    /// Whether it answers at all. Who asks waits for some seconds, not for as long as an attempt would.
    ///
    /// # Errors
    /// [`Error::Store`] says why it can't be asked, and what to do.
    fn reach(&self, at: &Location) -> Result<(), Error>;

    /// The files that a word of the command line stands for, in the order of names: see [`crate::input::plan()`]. Names
    /// with a `.` or a `_` in front are left out below a folder.
    ///
    /// # Errors
    /// [`Error::Input`] for what can't be read, [`Error::Store`] if the store can't be asked.
    fn find(&self, word: &Location) -> Result<Vec<Found>, Error>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none; others say in their text what to do.
    fn open<'a>(
        &self,
        at: &Location,
        part: Part,
        watch: &'a dyn Watch,
    ) -> io::Result<Box<dyn Opened + 'a>>;

    /// Gives a whole file of this machine a name. The file is gone when this is done.
    ///
    /// # Errors
    /// When it can't be done: then there may be such a file or not.
    fn put(&self, file: &Path, to: &Location, watch: &dyn Watch) -> Result<(), Error>;

    /// Gives files of attempts the names of their outputs: each in one step and for good, so that whoever reads that
    /// name finds all of it or nothing. If the attempt's file is not there and the output is, that was done before.
    ///
    /// # Errors
    /// For each: when the output is not there, and will not come.
    fn publish(
        &self,
        outputs: &[(Location, Location)],
        durability: Durability,
    ) -> Vec<Result<(), Error>>;

    /// Makes a small file, whole and durable, if there is none of this name; says whether it has done so, now or by an
    /// earlier call with the same bytes.
    ///
    /// # Errors
    /// When nobody knows: the file may be there or not.
    fn create(&self, at: &Location, bytes: &[u8]) -> Result<bool, Error>;

    /// Reads a small file; none if there is none.
    ///
    /// # Errors
    /// When the store can't be asked.
    fn read(&self, at: &Location) -> Result<Option<Vec<u8>>, Error>;

    /// All files below a folder, in the order of their names.
    ///
    /// # Errors
    /// When the store can't be asked.
    fn list(&self, below: &Location) -> Result<Vec<Location>, Error>;

    /// Reads all of these small files.
    ///
    /// # Errors
    /// When one is not there, or can't be read.
    fn read_all(&self, files: &[Location]) -> Result<Vec<Vec<u8>>, Error> {
        let gone = |at| Error::Store { doing: "read", at, problem: "it is gone".to_owned() };
        let one = |at: &Location| self.read(at)?.ok_or_else(|| gone(at.clone()));
        files.iter().map(one).collect()
    }

    /// Removes files. What is not there is no error.
    ///
    /// # Errors
    /// When one can't be removed.
    fn remove(&self, files: &[Location]) -> Result<(), Error>;

    /// Whether it does what all that must happen once rests on: refuses to make what is there. `scratch` is a name
    /// that nobody has.
    ///
    /// # Errors
    /// [`Error::Unconditional`] if it does not; [`Error::Store`] if it can't be asked.
    fn try_out(&self, scratch: &Location) -> Result<(), Error>;
}

/// The stores that a process has met.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    #[cfg(feature = "s3")]
    met: Vec<(String, Arc<dyn Store>)>,
    #[cfg(feature = "s3")]
    runtime: Option<s3::Runtime>,
}

impl Stores {
    /// Whoever keeps what is there.
    ///
    /// # Errors
    /// For an object in a build without the feature `s3`; if the environment says nonsense about the store.
    pub fn of(&mut self, at: &Location) -> Result<Arc<dyn Store>, Error> {
        match at {
            Location::Local(_) => Ok(Arc::new(Local)),
            #[cfg(feature = "s3")]
            Location::Object { bucket, .. } => {
                if let Some((_, store)) = self.met.iter().find(|(name, _)| name == bucket) {
                    return Ok(Arc::clone(store));
                }
                let runtime = match &self.runtime {
                    Some(runtime) => runtime.clone(),
                    None => self.runtime.insert(s3::Runtime::new()?).clone(),
                };
                let store: Arc<dyn Store> = Arc::new(s3::Bucket::new(bucket, runtime)?);
                self.met.push((bucket.clone(), Arc::clone(&store)));
                Ok(store)
            }
            #[cfg(not(feature = "s3"))]
            Location::Object { .. } => Err(Error::Usage(format!(
                "{at}: this program was built without object stores: build with `--features s3`"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_and_their_text() {
        let parsed = |text: &str| Location::parse(text).expect("a location");
        for text in ["a/b", "/a", "s3:/x", "s3://bucket/", "s3://bucket/a/b", "s3://b/*.txt"] {
            assert_eq!(parsed(text).to_string(), text);
        }
        assert_eq!(parsed("s3://b").to_string(), "s3://b/");
        assert_eq!(parsed("s3://b//a/").join("c").to_string(), "s3://b/a/c");
        assert_eq!(parsed("s3://b").join("c").to_string(), "s3://b/c");
        assert_eq!(parsed("a/b").join("c").with_suffix(".d").to_string(), "a/b/c.d");
        assert_eq!(parsed("s3://b/a/c").name(), "c");
        assert!(parsed("s3://b/a").local().is_none() && parsed("a").local().is_some());
        for wrong in ["s3://", "s3:///a"] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }
}
