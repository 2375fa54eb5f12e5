//! Which objects a word of the command line stands for.

use futures_util::{StreamExt, TryStreamExt, stream};
use glob::{MatchOptions, Pattern};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{AT_ONCE, Bucket, Listed, S3Error};
use crate::store::Found;

/// The objects, in the order of names: the one of this key, or all below it, or those that match it as a pattern. None
/// if it is no pattern.
pub(super) async fn find(bucket: &Bucket, key: &Path) -> object_store::Result<Option<Vec<Found>>> {
    let client = &bucket.hasty;
    if !key.as_ref().is_empty() {
        match client.head(key).await {
            Ok(object) => return Ok(Some(vec![look(bucket, object).await?])),
            Err(S3Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let below = Bucket::below(client, key).await?;
    let objects = if below.is_empty() && key.as_ref().contains(['*', '?', '[']) {
        let Ok(pattern) = Pattern::new(key.as_ref()) else { return Ok(None) };
        let folder = folder(key.as_ref());
        let all = Bucket::below(client, &Path::parse(folder)?).await?;
        all.into_iter().filter(|it| matches(&pattern, folder, it.location.as_ref())).collect()
    } else {
        let is_data = |it: &Listed| !is_hidden(key.as_ref(), it.location.as_ref());
        below.into_iter().filter(is_data).collect::<Vec<_>>()
    };
    let mut objects: Vec<Listed> = objects;
    // As a folder's files would come.
    objects.sort_by(|one, other| {
        one.location.as_ref().split('/').cmp(other.location.as_ref().split('/'))
    });
    let looked = stream::iter(objects).map(|object| look(bucket, object)).buffered(AT_ONCE);
    looked.try_collect().await.map(Some)
}

/// What stands in front of the first part of a pattern that is not to be taken at its word.
fn folder(pattern: &str) -> &str {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    pattern[..wild].rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a part of the key below the folder says that this is no data.
fn is_hidden(folder: &str, key: &str) -> bool {
    let rest = key.strip_prefix(folder).unwrap_or(key);
    rest.split('/').any(|part| part.starts_with(['.', '_']))
}

/// Whether an object is meant: itself, or as one in a folder that is.
fn matches(pattern: &Pattern, folder: &str, key: &str) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    if pattern.as_str().contains("**") {
        return !is_hidden(folder, key) && pattern.matches_with(key, options);
    }
    let in_folder = |(at, _): (usize, &str)| {
        pattern.matches_with(&key[..at], options) && !is_hidden(&key[..at], key)
    };
    pattern.matches_with(key, options) || key.match_indices('/').any(in_folder)
}

async fn look(bucket: &Bucket, object: Listed) -> object_store::Result<Found> {
    let location = bucket.location(&object.location);
    let first = match object.size {
        0 => Vec::new(),
        bytes => bucket.hasty.get_range(&object.location, 0..bytes.min(4)).await?.to_vec(),
    };
    let modified_ns = object.last_modified.timestamp_nanos_opt().unwrap_or(0).unsigned_abs();
    Ok(Found { name: location.to_string(), location, bytes: object.size, modified_ns, first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let is = |pattern: &str, key: &str| {
            matches(&Pattern::new(pattern).expect("a pattern"), folder(pattern), key)
        };
        assert!(is("texts/*.txt", "texts/a.txt") && is("*/a.txt", "texts/a.txt"));
        assert!(!is("texts/*.txt", "texts/b/a.txt") && !is("texts/*.txt", "text/a.txt"));
        assert!(is("te?ts", "texts/b/a") && is("t*", "texts/a") && !is("t*", "texts/b/_a"));
        assert!(is("t/**/a", "t/b/c/a") && is("t/**/a", "t/a") && !is("t/**/a", "t/.b/a"));
        assert!(!is("*.gz", "a/b.txt"));
        assert_eq!((folder("a/b*/c"), folder("a*"), folder("a/b/[c]")), ("a", "", "a/b"));
    }
}
