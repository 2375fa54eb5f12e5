//! From the words of the command line to splits.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::source::refused;
use super::{Compression, Form, Split};
use crate::error::{Error, storage};
use crate::store::{Found, Location, Part, Stores, look};
use crate::task::Unwatched;

/// How to plan.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// About how many bytes a split has; the splits of a file are equally large.
    pub split_bytes: u64,
    /// How the application takes its input.
    pub form: Form,
    /// Where standard input was put, if one of the words is `-`: [`spool`].
    pub stdin: Option<Location>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { split_bytes: 32 << 20, form: Form::Lines, stdin: None }
    }
}

/// Puts standard input, or whatever `from` is, into a file of the job's folder, so that it can be split and read again.
///
/// # Errors
/// When `from` can't be read or the file can't be written.
pub fn spool(from: &mut dyn Read, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("stdin");
    let mut file = File::create(&path).map_err(storage("create", &path))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| refused("-", &error))?,
        };
        if read == 0 {
            return Ok(path);
        }
        if let Err(error) = file.write_all(&buffer[..read]) {
            // Half of it is of no use, and its bytes may be what fills the disk.
            let _ = fs::remove_file(&path);
            return Err(storage("spool standard input to", &path)(error));
        }
    }
}

/// The splits that words of the command line stand for, one map task each.
///
/// A word is a path if there is a file or a folder of that name, else a pattern with `*`, `?`, `[…]` and `**`, or `-`
/// for standard input. Of a folder all files are taken, in its folders too, but none whose name begins with `.` or `_`
/// (by which others mark what is not data). Words come in their order, what a word stands for in the order of names;
/// a file that two words stand for is read twice, as `cat` would. The same files give the same splits. With the feature
/// `s3`, words that begin with `s3://` stand for objects in the same way.
///
/// # Errors
/// [`Error::NoMatch`] when a word stands for nothing; [`Error::Input`] for what can't be read, or is no file.
pub fn plan(words: &[String], options: &PlanOptions) -> Result<Vec<Split>, Error> {
    let found = survey(words, options, &mut Stores::default())?;
    Ok(splits(&found, options))
}

/// The files that words of the command line stand for: see [`plan`].
///
/// # Errors
/// As [`plan`].
pub fn survey(
    words: &[String],
    options: &PlanOptions,
    stores: &mut Stores,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for word in words {
        if word == "-" {
            let location = options.stdin.as_ref().ok_or_else(|| {
                Error::Usage("standard input (-) can be read on the coordinator only".to_owned())
            })?;
            found.push(spooled(location, stores)?);
            continue;
        }
        let location = Location::parse(word)?;
        let files = stores.of(&location)?.find(&location)?;
        if files.is_empty() {
            return Err(Error::NoMatch(word.clone()));
        }
        found.extend(files);
    }
    Ok(found)
}

/// What was put aside of standard input.
fn spooled(location: &Location, stores: &mut Stores) -> Result<Found, Error> {
    if let Some(path) = location.local() {
        return look(path, "-");
    }
    let refused = |error: io::Error| refused("-", &error);
    let store = stores.of(location)?;
    let mut opened = store.open(location, Part::Range(0, 4), &Unwatched).map_err(refused)?;
    let bytes = opened.bytes();
    let mut first = vec![0; bytes.min(4) as usize];
    opened.read_exact_at(&mut first, 0).map_err(refused)?;
    let (name, location) = ("-".to_owned(), location.clone());
    // It is this job's, and nobody changes it.
    Ok(Found { name, location, bytes, modified_ns: 0, first })
}

/// Files divided into splits.
pub fn splits(found: &[Found], options: &PlanOptions) -> Vec<Split> {
    let mut splits = Vec::new();
    found.iter().for_each(|file| add(file, options, &mut splits));
    splits
}

fn add(file: &Found, options: &PlanOptions, splits: &mut Vec<Split>) {
    let Found { name, location, bytes: file_bytes, first, .. } = file;
    let compression = match first[..] {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        // A frame, or one to skip, which may come first.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::None,
    };
    let file_bytes = *file_bytes;
    let whole = options.form == Form::Files || compression != Compression::None;
    let count = if whole { 1 } else { file_bytes.div_ceil(options.split_bytes.max(1)) };
    let border =
        |index: u64| (u128::from(file_bytes) * u128::from(index) / u128::from(count)) as u64;
    for index in 0..count {
        let (start, end) = (border(index), border(index + 1));
        splits.push(Split {
            name: name.clone(),
            path: location.clone(),
            start,
            length: end - start,
            file_bytes,
            compression,
        });
    }
}
