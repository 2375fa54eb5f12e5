//! From the words of the command line to splits.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::source::refused;
use super::{Compression, Form, Split};
use crate::error::{Error, storage};

/// How to plan.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// About how many bytes a split has; the splits of a file are equally large.
    pub split_bytes: u64,
    /// How the application takes its input.
    pub form: Form,
    /// Where standard input was put, if one of the words is `-`: [`spool`].
    pub stdin: Option<PathBuf>,
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
/// a file that two words stand for is read twice, as `cat` would. The same files give the same splits.
///
/// # Errors
/// [`Error::NoMatch`] when a word stands for nothing; [`Error::Input`] for what can't be read, or is no file.
pub fn plan(words: &[String], options: &PlanOptions) -> Result<Vec<Split>, Error> {
    let mut splits = Vec::new();
    for word in words {
        if word == "-" {
            let path = options.stdin.clone().ok_or_else(|| {
                Error::Usage("standard input (-) can be read on the coordinator only".to_owned())
            })?;
            add(&path, "-", options, &mut splits)?;
            continue;
        }
        let files = files(word)?;
        if files.is_empty() {
            return Err(Error::NoMatch(word.clone()));
        }
        for path in files {
            let name = path.to_string_lossy().into_owned();
            add(&path, &name, options, &mut splits)?;
        }
    }
    Ok(splits)
}

fn files(word: &str) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new(word);
    let mut found = Vec::new();
    if fs::symlink_metadata(path).is_ok() {
        below(path, &mut found)?;
        return Ok(found);
    }
    if word.contains("**") {
        return deep(word);
    }
    let pattern = glob::glob(word).map_err(|error| no_pattern(word, &error))?;
    let mut matches = Vec::new();
    for entry in pattern {
        matches.push(entry.map_err(|error| {
            let name = error.path().display().to_string();
            refused(&name, error.error())
        })?);
    }
    matches.sort();
    for path in matches {
        below(&path, &mut found)?;
    }
    Ok(found)
}

fn no_pattern(word: &str, error: &glob::PatternError) -> Error {
    Error::Usage(format!("{word:?} is no pattern for files: {error}"))
}

/// What a pattern with `**` stands for, out of what is below the folder that it begins with. (Left to itself, `glob`
/// would walk through symbolic links, in circles.)
fn deep(word: &str) -> Result<Vec<PathBuf>, Error> {
    let pattern = glob::Pattern::new(word).map_err(|error| no_pattern(word, &error))?;
    let options =
        glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let named = |part: &std::path::Component<'_>| {
        !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
    };
    let folder: PathBuf = Path::new(word).components().take_while(named).collect();
    let mut found = Vec::new();
    let start = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    if start.is_dir() {
        below(start, &mut found)?;
    }
    let bare = |path: PathBuf| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    let bare = found.into_iter().map(|path| if word.starts_with('.') { path } else { bare(path) });
    Ok(bare.filter(|path| pattern.matches_path_with(path, options)).collect())
}

/// A file, or the files below a folder. Symbolic links to folders are followed only where the command line names them,
/// so there is no walking in circles.
fn below(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let name = path.to_string_lossy();
    let kind = fs::metadata(path).map_err(|error| refused(&name, &error))?;
    if !kind.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = listed.map_err(|error| refused(&name, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().first().is_some_and(|first| b"._".contains(first));
        let kind = entry.file_type().map_err(|error| refused(&name.to_string_lossy(), &error))?;
        let linked_folder = kind.is_symlink() && entry.path().is_dir();
        if !hidden && !linked_folder {
            below(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn add(
    path: &Path,
    name: &str,
    options: &PlanOptions,
    splits: &mut Vec<Split>,
) -> Result<(), Error> {
    let refused = |error: io::Error| refused(name, &error);
    // Workers may have another working directory.
    let path = std::path::absolute(path).map_err(refused)?;
    let Some(text) = path.to_str() else {
        let problem = "its name is not UTF-8, so it can't be told to other machines; rename it";
        return Err(Error::input(name, problem));
    };
    let data = fs::metadata(&path).map_err(refused)?;
    if !data.is_file() {
        let problem = "it is no regular file; if it is a pipe or a device, give it as standard input: - <FILE";
        return Err(Error::input(name, problem));
    }
    let mut file = File::open(&path).map_err(refused)?;
    let mut first = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut first).map_err(refused)?;
    let compression = match first[..] {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        // A frame, or one to skip, which may come first.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::None,
    };
    let file_bytes = data.len();
    let whole = options.form == Form::Files || compression != Compression::None;
    let count = if whole { 1 } else { file_bytes.div_ceil(options.split_bytes.max(1)) };
    let border =
        |index: u64| (u128::from(file_bytes) * u128::from(index) / u128::from(count)) as u64;
    for index in 0..count {
        let (start, end) = (border(index), border(index + 1));
        splits.push(Split {
            name: name.to_owned(),
            path: text.to_owned(),
            start,
            length: end - start,
            file_bytes,
            compression,
        });
    }
    Ok(())
}
