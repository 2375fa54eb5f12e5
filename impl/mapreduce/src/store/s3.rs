//! Buckets of S3-compatible object stores.
//!
//! An object appears whole, so nothing is renamed here: what an attempt has written on its machine is uploaded under
//! the attempt's name. Two things must happen once though several may try, and both are requests that the store
//! refuses where there is an object already (`If-None-Match: *`): [`Store::create`] puts small bytes, and
//! [`Store::publish`] gives an attempt's object the name of an output. The answer to such a request may be lost, so
//! when it is not clear what has become of one, the object is looked at: is it what was to be put there?
//!
//! Small outputs are read and put; larger ones the store copies, by an upload whose only part is the attempt's
//! object, and whose end is conditional (or as `AWS_COPY_IF_NOT_EXISTS` says).
//!
//! Where the store is and who asks is in the environment, as `AmazonS3Builder::from_env` reads it. Requests are made
//! again if they may be, for [`PATIENCE`]; who begins a job is told sooner that there is no store.

mod find;
mod read;
mod runtime;
mod upload;
mod words;

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, Error as S3Error, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, PutPayload, RetryConfig,
};

pub(super) use runtime::Runtime;

use super::{Found, Location, Opened, Part, Store};
use crate::error::{Error, storage};
use crate::files::Durability;
use crate::task::{Unwatched, Watch};
use runtime::Failed;

/// For how long a request is repeated when the store does not answer, or says that it is too busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// The same for the first requests of a job, whose user waits.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// How long each of these may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Outputs up to this size are read and put; the store copies larger ones. Attempts' files that are larger are uploaded
/// in parts.
const SMALL_BYTES: u64 = 8 << 20;
/// What a store copies at once.
const MOST_BYTES: u64 = 5 << 30;
/// How many requests are under way at once where there are many.
const AT_ONCE: usize = 16;
/// The same for outputs that are published: so many of the small ones are in memory.
const PUBLISHED_AT_ONCE: usize = 4;
/// How often a request is made again whose outcome is not clear.
const TRIES: u32 = 4;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(200);

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    client: Arc<AmazonS3>,
    /// Who gives up soon.
    hasty: AmazonS3,
    runtime: Runtime,
}

impl Bucket {
    /// Nothing is asked yet.
    pub(super) fn new(name: &str, runtime: Runtime) -> Result<Self, Error> {
        let build = |max_retries, retry_timeout| {
            let backoff = BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            };
            let mut builder = AmazonS3Builder::from_env()
                .with_bucket_name(name)
                .with_retry(RetryConfig { backoff, max_retries, retry_timeout });
            if builder.get_config_value(&AmazonS3ConfigKey::CopyIfNotExists).is_none() {
                builder = builder.with_copy_if_not_exists(S3CopyIfNotExists::Multipart);
            }
            if retry_timeout == FIRST_PATIENCE {
                let key = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
                builder = builder.with_config(key, format!("{FIRST_ANSWER:?}"));
            }
            let built = builder.build();
            built.map_err(|error| Error::Usage(words::of_environment(name, &error)))
        };
        words::check_scheme(name)?;
        let (client, hasty) = (Arc::new(build(100, PATIENCE)?), build(6, FIRST_PATIENCE)?);
        Ok(Self { name: name.to_owned(), client, hasty, runtime })
    }

    /// The key of what is in this bucket.
    fn key(&self, at: &Location) -> Result<Path, Error> {
        let Location::Object { bucket, key } = at else {
            return Err(Error::Usage(format!("{at} is in no object store")));
        };
        debug_assert_eq!(*bucket, self.name, "another bucket's");
        Path::parse(key).map_err(|error| {
            Error::Usage(format!("{at}: no object can be asked for by this key: {error}"))
        })
    }

    fn location(&self, key: &Path) -> Location {
        Location::Object { bucket: self.name.clone(), key: key.to_string() }
    }

    /// Waits for an answer, as who asks with an error of its own needs it.
    fn ask<T>(
        &self,
        doing: &'static str,
        at: &Location,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        let answer = self.runtime.wait(&Unwatched, request);
        answer.map_err(|failed| self.error(doing, at, failed))
    }

    fn error(&self, doing: &'static str, at: &Location, failed: Failed) -> Error {
        match failed {
            Failed::Cancelled => Error::Cancelled,
            Failed::Store(error) => {
                Error::Store { doing, at: at.clone(), problem: words::of(&self.name, &error) }
            }
        }
    }

    /// All objects below a key, in the order of keys. Some stores have empty objects in place of folders; they are left
    /// out.
    async fn below(client: &AmazonS3, key: &Path) -> object_store::Result<Vec<Listed>> {
        let listed = client.list(Some(key).filter(|key| !key.as_ref().is_empty()));
        let mut found: Vec<Listed> = listed.try_collect().await?;
        found.retain(|object| object.location != *key);
        found.sort_by(|one, other| one.location.as_ref().cmp(other.location.as_ref()));
        let is_folder = |index: usize, found: &[Listed]| {
            let name = found[index].location.as_ref();
            let next =
                found.get(index + 1).and_then(|next| next.location.as_ref().strip_prefix(name));
            found[index].size == 0 && next.is_some_and(|rest| rest.starts_with('/'))
        };
        let folders: Vec<bool> = (0..found.len()).map(|index| is_folder(index, &found)).collect();
        let mut folders = folders.into_iter();
        found.retain(|_| !folders.next().unwrap_or(false));
        Ok(found)
    }

    /// The bytes of an object; none if there is none.
    async fn get(client: &AmazonS3, key: &Path) -> object_store::Result<Option<bytes::Bytes>> {
        match client.get(key).await {
            Ok(found) => found.bytes().await.map(Some),
            Err(S3Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put_new(client: &AmazonS3, key: &Path, bytes: &bytes::Bytes) -> Put {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = PutPayload::from_bytes(bytes.clone());
        match client.put_opts(key, payload, options).await {
            Ok(_) => Put::Done,
            Err(S3Error::AlreadyExists { .. }) => Put::Refused,
            Err(error) => Put::Unclear(error),
        }
    }

    /// Puts bytes where there is nothing; whether they are there now. If nobody can say, the error says why.
    async fn create_at(
        client: &AmazonS3,
        key: &Path,
        bytes: bytes::Bytes,
    ) -> object_store::Result<bool> {
        let mut tries = 0;
        loop {
            let put = Self::put_new(client, key, &bytes).await;
            if matches!(put, Put::Done) {
                return Ok(true);
            }
            tries += 1;
            match (Self::get(client, key).await, put) {
                (Ok(Some(found)), _) => return Ok(found == bytes),
                // Two that put at once may both be refused; and what was put late may come yet.
                (Ok(None), _) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                (Ok(None), Put::Unclear(error)) | (Err(error), _) => return Err(error),
                (Ok(None), _) => {
                    return Err(S3Error::Generic {
                        store: "S3",
                        source: "it refuses to make an object, and there is none".into(),
                    });
                }
            }
        }
    }

    /// Gives an attempt's object the name of its output.
    async fn publish_one(
        client: &AmazonS3,
        attempt: &Path,
        to: &Path,
    ) -> object_store::Result<Published> {
        let mut tries = 0;
        loop {
            let size = match client.head(attempt).await {
                Ok(meta) => meta.size,
                // Then it was published before, or it is lost.
                Err(S3Error::NotFound { .. }) => {
                    return Ok(match client.head(to).await {
                        Ok(_) => Published::Done,
                        Err(S3Error::NotFound { .. }) => Published::Lost,
                        Err(error) => return Err(error),
                    });
                }
                Err(error) => return Err(error),
            };
            if size > MOST_BYTES {
                return Ok(Published::TooLarge(size));
            }
            let mut small = None;
            let put = if size > SMALL_BYTES {
                match client.copy_if_not_exists(attempt, to).await {
                    Ok(()) => Put::Done,
                    Err(error) => Put::Unclear(error),
                }
            } else {
                match Self::get(client, attempt).await? {
                    Some(bytes) => Self::put_new(client, to, small.insert(bytes)).await,
                    None => continue,
                }
            };
            let Some(error) = put.failed() else { return Ok(Published::Done) };
            tries += 1;
            match Self::is_there(client, to, size, small.as_ref()).await {
                Ok(Some(true)) => return Ok(Published::Done),
                Ok(Some(false)) => return Ok(Published::Occupied),
                Ok(None) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                Ok(None) | Err(_) => return Err(error),
            }
        }
    }

    /// Whether an object is what was to be put there: of a large one only the size is looked at. None if there is none.
    async fn is_there(
        client: &AmazonS3,
        key: &Path,
        size: u64,
        small: Option<&bytes::Bytes>,
    ) -> object_store::Result<Option<bool>> {
        if let Some(bytes) = small {
            return Ok(Self::get(client, key).await?.map(|found| found == *bytes));
        }
        match client.head(key).await {
            Ok(meta) => Ok(Some(meta.size == size)),
            Err(S3Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

type Listed = object_store::ObjectMeta;

/// What has become of a conditional put.
enum Put {
    Done,
    /// There is an object.
    Refused,
    /// It may have been done or not.
    Unclear(S3Error),
}

impl Put {
    fn failed(self) -> Option<S3Error> {
        match self {
            Self::Done => None,
            Self::Refused => Some(S3Error::Generic { store: "S3", source: "it is refused".into() }),
            Self::Unclear(error) => Some(error),
        }
    }
}

/// What has become of an output.
enum Published {
    Done,
    Lost,
    Occupied,
    TooLarge(u64),
}

impl Published {
    fn result(self, attempt: &Location, to: &Location) -> Result<(), Error> {
        let (kind, text) = match self {
            Self::Done => return Ok(()),
            Self::Lost => (io::ErrorKind::NotFound, format!("{attempt} is gone")),
            Self::Occupied => (
                io::ErrorKind::AlreadyExists,
                "an object is there that this job has not made".into(),
            ),
            Self::TooLarge(bytes) => (
                io::ErrorKind::FileTooLarge,
                format!(
                    "it has {bytes} bytes, and a store copies {MOST_BYTES} at most: give more --reduces"
                ),
            ),
        };
        let to = to.to_string();
        Err(storage("publish the output as", FilePath::new(&to))(io::Error::new(kind, text)))
    }
}

impl Store for Bucket {
    fn reach(&self, at: &Location) -> Result<(), Error> {
        let key = self.key(at)?;
        let mut listed = self.hasty.list(Some(&key).filter(|key| !key.as_ref().is_empty()));
        self.ask("list", at, async { listed.try_next().await.map(drop) })
    }

    fn find(&self, word: &Location) -> Result<Vec<Found>, Error> {
        let key = self.key(word)?;
        self.ask("find", word, find::find(self, &key))?.ok_or_else(|| {
            Error::Usage(format!("{:?} is no pattern for objects", word.to_string()))
        })
    }

    fn open<'a>(
        &self,
        at: &Location,
        part: Part,
        watch: &'a dyn Watch,
    ) -> io::Result<Box<dyn Opened + 'a>> {
        let key = self.key(at).map_err(io::Error::other)?;
        let reader = read::Reader::open(self, key, part, watch)?;
        Ok(Box::new(reader))
    }

    fn put(&self, file: &FilePath, to: &Location, watch: &dyn Watch) -> Result<(), Error> {
        let key = self.key(to)?;
        upload::upload(self, file, &key, to, watch)?;
        fs::remove_file(file).map_err(storage("remove", file))
    }

    fn publish(&self, outputs: &[(Location, Location)], _: Durability) -> Vec<Result<(), Error>> {
        let one = async |(attempt, to): &(Location, Location)| {
            let done = Self::publish_one(&self.client, &self.key(attempt)?, &self.key(to)?).await;
            let failed = |error| self.error("publish the output as", to, Failed::Store(error));
            done.map_err(failed)?.result(attempt, to)
        };
        self.runtime.block_on(stream::iter(outputs).map(one).buffered(PUBLISHED_AT_ONCE).collect())
    }

    fn create(&self, at: &Location, bytes: &[u8]) -> Result<bool, Error> {
        let (key, bytes) = (self.key(at)?, bytes::Bytes::copy_from_slice(bytes));
        self.ask("write", at, Self::create_at(&self.client, &key, bytes))
    }

    fn read(&self, at: &Location) -> Result<Option<Vec<u8>>, Error> {
        let key = self.key(at)?;
        let bytes = self.ask("read", at, Self::get(&self.client, &key))?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    fn list(&self, below: &Location) -> Result<Vec<Location>, Error> {
        let key = self.key(below)?;
        let found = self.ask("list", below, Self::below(&self.client, &key))?;
        Ok(found.iter().map(|object| self.location(&object.location)).collect())
    }

    fn read_all(&self, files: &[Location]) -> Result<Vec<Vec<u8>>, Error> {
        let Some(first) = files.first() else { return Ok(Vec::new()) };
        let keys: Vec<Path> = files.iter().map(|at| self.key(at)).collect::<Result<_, _>>()?;
        let read = async {
            let one = async |key: &Path| self.client.get(key).await?.bytes().await;
            let all = stream::iter(&keys).map(one).buffered(AT_ONCE);
            all.map_ok(|bytes| bytes.to_vec()).try_collect().await
        };
        self.ask("read", first, read)
    }

    fn remove(&self, files: &[Location]) -> Result<(), Error> {
        let Some(first) = files.first() else { return Ok(()) };
        let keys: Vec<_> = files.iter().map(|at| self.key(at)).collect::<Result<_, _>>()?;
        let gone = self.client.delete_stream(stream::iter(keys).map(Ok).boxed());
        let gone = gone.map(|gone| match gone {
            Err(S3Error::NotFound { .. }) => Ok(()),
            gone => gone.map(drop),
        });
        self.ask("remove", first, gone.try_collect())
    }

    fn try_out(&self, scratch: &Location) -> Result<(), Error> {
        let [one, other] = [".1", ".2"].map(|suffix| self.key(&scratch.with_suffix(suffix)));
        let (one, other) = (one?, other?);
        let client = &self.hasty;
        let tried = async {
            let bytes = bytes::Bytes::from_static(b"quorate");
            for key in [&one, &other] {
                client.put(key, PutPayload::from_bytes(bytes.clone())).await?;
            }
            let ignored = match Self::put_new(client, &one, &bytes).await {
                Put::Done => Some("puts"),
                Put::Refused => match client.copy_if_not_exists(&other, &one).await {
                    Ok(()) => Some("copies"),
                    Err(S3Error::AlreadyExists { .. }) => None,
                    Err(error) => return Err(error),
                },
                Put::Unclear(error) => return Err(error),
            };
            Ok(ignored)
        };
        let ignored = self.ask("try conditional puts in", scratch, tried);
        let removed = self.remove(&[".1", ".2"].map(|suffix| scratch.with_suffix(suffix)));
        match ignored? {
            Some(what) => {
                let at = Location::Object { bucket: self.name.clone(), key: String::new() };
                Err(Error::Unconditional { at, what })
            }
            None => removed,
        }
    }
}
