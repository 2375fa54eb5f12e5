//! A file of this machine that becomes an object.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path as FilePath;
use std::time::Duration;

use futures_util::future::try_join_all;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::runtime::Failed;
use super::{Bucket, SMALL_BYTES};
use crate::error::{Error, storage};
use crate::store::Location;
use crate::task::Watch;

/// How many parts are under way at once.
const PARTS: usize = 4;
/// How long it may take to throw away what was uploaded.
const ABORTS_WITHIN: Duration = Duration::from_secs(5);
/// How many parts an object may have, and some to spare.
const MOST_PARTS: u64 = 9_000;

/// Uploads it: at once if it is small, else in parts.
pub(super) fn upload(
    bucket: &Bucket,
    file: &FilePath,
    key: &Path,
    to: &Location,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let failed = |failed: Failed| bucket.error("upload to", to, failed);
    let open = File::open(file).map_err(storage("open", file))?;
    let bytes = open.metadata().map_err(storage("look at", file))?.len();
    let piece = |from: u64, length: u64| -> Result<PutPayload, Error> {
        let mut piece = vec![0; length.min(bytes - from) as usize];
        open.read_exact_at(&mut piece, from).map_err(storage("read", file))?;
        Ok(piece.into())
    };
    let client = &bucket.client;
    if bytes <= SMALL_BYTES {
        let put = client.put(key, piece(0, bytes)?);
        return bucket.runtime.wait(watch, put).map(drop).map_err(failed);
    }
    let part_bytes = SMALL_BYTES.max(bytes.div_ceil(MOST_PARTS));
    let begun = bucket.runtime.wait(watch, client.put_multipart(key));
    let mut upload = begun.map_err(failed)?;
    let mut put_parts = || {
        let mut from = 0;
        while from < bytes {
            let mut parts = Vec::new();
            while from < bytes && parts.len() < PARTS {
                parts.push(upload.put_part(piece(from, part_bytes)?));
                from += part_bytes;
            }
            bucket.runtime.wait(watch, try_join_all(parts)).map_err(failed)?;
            // A sign of life, too.
            watch.status("uploads what it has written");
        }
        bucket.runtime.wait(watch, upload.complete()).map(drop).map_err(failed)
    };
    let done = put_parts();
    if done.is_err() {
        // What is left of it is the store's to throw away; the reason is what counts.
        let abort = async { tokio::time::timeout(ABORTS_WITHIN, upload.abort()).await };
        let _ = bucket.runtime.block_on(abort);
    }
    done
}
