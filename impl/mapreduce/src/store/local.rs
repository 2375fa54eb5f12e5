//! The operating system's files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Found, Location, Opened, Part, Store};
use crate::error::{Error, storage};
use crate::files::{Durability, publish, sync_folder};
use crate::input::refused;
use crate::task::Watch;

/// Files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

/// The path of what can only be a file of this machine.
fn path(at: &Location) -> io::Result<&Path> {
    at.local().ok_or_else(|| io::Error::other(format!("{at} is no path of this machine")))
}

/// Takes a path, and an error for it.
fn with<'a>(doing: &'static str, at: &'a Location) -> Result<&'a Path, Error> {
    path(at).map_err(storage(doing, Path::new(&at.to_string())))
}

impl Store for Local {
    fn reach(&self, _: &Location) -> Result<(), Error> {
        Ok(())
    }

    fn find(&self, word: &Location) -> Result<Vec<Found>, Error> {
        files(with("find", word)?)?.iter().map(|path| look(path, &path.to_string_lossy())).collect()
    }

    fn open<'a>(
        &self,
        at: &Location,
        _: Part,
        _: &'a dyn Watch,
    ) -> io::Result<Box<dyn Opened + 'a>> {
        let file = File::open(path(at)?)?;
        let bytes = file.metadata()?.len();
        Ok(Box::new(OpenFile { file, bytes }))
    }

    fn put(&self, file: &Path, to: &Location, _: &dyn Watch) -> Result<(), Error> {
        let to = with("rename to its name", to)?;
        fs::rename(file, to).map_err(storage("rename to its name", to))
    }

    fn publish(
        &self,
        outputs: &[(Location, Location)],
        durability: Durability,
    ) -> Vec<Result<(), Error>> {
        let one = |(attempt, to): &(Location, Location)| {
            publish(with("publish", attempt)?, with("publish", to)?, durability)
        };
        outputs.iter().map(one).collect()
    }

    fn create(&self, at: &Location, bytes: &[u8]) -> Result<bool, Error> {
        let to = with("create", at)?;
        let draft = at.with_suffix(".draft");
        let draft = with("create", &draft)?;
        let folder = to.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(storage("make the folder", folder))?;
        let mut file = File::create(draft).map_err(storage("create", draft))?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(storage("write", draft))?;
        // A link is made where there is nothing, or not at all.
        let linked = fs::hard_link(draft, to);
        fs::remove_file(draft).map_err(storage("remove", draft))?;
        match linked {
            Ok(()) => sync_folder(folder).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(fs::read(to).map_err(storage("read", to))? == bytes)
            }
            Err(error) => Err(storage("create", to)(error)),
        }
    }

    fn read(&self, at: &Location) -> Result<Option<Vec<u8>>, Error> {
        let path = with("read", at)?;
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("read", path)(error)),
        }
    }

    fn list(&self, folder: &Location) -> Result<Vec<Location>, Error> {
        let mut folders = vec![with("list", folder)?.to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            let listed = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                listed => listed.and_then(Iterator::collect::<io::Result<Vec<_>>>),
            };
            for entry in listed.map_err(storage("list", &folder))? {
                let kind = entry.file_type().map_err(storage("list", &folder))?;
                let into = if kind.is_dir() { &mut folders } else { &mut found };
                into.push(entry.path());
            }
        }
        found.sort();
        Ok(found.into_iter().map(Location::Local).collect())
    }

    fn remove(&self, files: &[Location]) -> Result<(), Error> {
        for at in files {
            let path = with("remove", at)?;
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(storage("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn try_out(&self, _: &Location) -> Result<(), Error> {
        Ok(())
    }
}

struct OpenFile {
    file: File,
    bytes: u64,
}

impl Opened for OpenFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }
}

/// What there is to know of an input file. Standard input's is called `-`.
pub(crate) fn look(path: &Path, name: &str) -> Result<Found, Error> {
    let refused = |error: io::Error| refused(name, &error);
    // Workers may have another working directory.
    let path = std::path::absolute(path).map_err(refused)?;
    if path.to_str().is_none() {
        let problem = "its name is not UTF-8, so it can't be told to other machines; rename it";
        return Err(Error::input(name, problem));
    }
    let data = fs::metadata(&path).map_err(refused)?;
    if !data.is_file() {
        let problem = "it is no regular file; if it is a pipe or a device, give it as standard input: - <FILE";
        return Err(Error::input(name, problem));
    }
    let mut file = File::open(&path).map_err(refused)?;
    let mut first = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut first).map_err(refused)?;
    let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_ns = modified.map_or(0, |time| time.as_nanos() as u64);
    let (name, location) = (name.to_owned(), Location::Local(path));
    Ok(Found { name, location, bytes: data.len(), modified_ns, first })
}

/// The files that a word stands for.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    if fs::symlink_metadata(path).is_ok() {
        below(path, &mut found)?;
        return Ok(found);
    }
    let word = &*path.to_string_lossy();
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
