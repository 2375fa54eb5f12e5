//! What a job is: written down when it begins, and looked at when the same command is run again.

use super::error::Error;
use mapreduce::input::{PlanOptions, plan};
use mapreduce::{Program, Split};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf, absolute};
use std::time::UNIX_EPOCH;

/// The format of the job's file, its folder and its journal.
const FORMAT: u32 = 1;
const NAME: &str = "job";

/// What a person has asked for, as far as the output depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What is done to the data.
    pub program: Program,
    /// Files, folders, patterns, and `-` for standard input.
    pub inputs: Vec<String>,
    /// How many reduce tasks, and outputs.
    pub reduces: u32,
    /// About how large a split is.
    pub split_bytes: u64,
}

/// A file as it was when the job began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    path: String,
    bytes: u64,
    /// Nanoseconds since 1970; 0 where the file system does not say.
    modified: u64,
}

/// A job: what was asked for, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    format: u32,
    /// Its number, drawn when it began.
    pub number: u64,
    /// What was asked for.
    pub asked: Asked,
    /// The program with what it has learned of the input.
    pub program: Program,
    files: Vec<Seen>,
    /// What its map tasks read.
    pub splits: Vec<Split>,
}

/// Whether standard input is asked for.
pub(super) fn reads_stdin(asked: &Asked) -> bool {
    asked.inputs.iter().any(|word| word == "-")
}

fn look(asked: &Asked, stdin: Option<PathBuf>) -> Result<(Vec<Split>, Vec<Seen>), Error> {
    let form = asked.program.load()?.form();
    let options = PlanOptions { split_bytes: asked.split_bytes, form, stdin };
    let mut splits = plan(&asked.inputs, &options)?;
    let mut files: Vec<Seen> = Vec::new();
    for split in &mut splits {
        let path = absolute(&split.path).map_err(Error::io("find", Path::new(&split.path)))?;
        split.path = path.to_string_lossy().into_owned();
        if files.last().is_some_and(|last| last.path == split.path) {
            continue;
        }
        let data = fs::metadata(&path).map_err(Error::io("look at", &path))?;
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| time.as_nanos() as u64);
        files.push(Seen { path: split.path.clone(), bytes: split.file_bytes, modified });
    }
    Ok((splits, files))
}

impl Job {
    /// Looks at the input and makes a job of what was asked for. Standard input is in that file.
    pub(super) fn plan(number: u64, asked: &Asked, stdin: Option<PathBuf>) -> Result<Self, Error> {
        let (splits, files) = look(asked, stdin)?;
        let mut program = asked.program.clone();
        program.prepare(&splits, asked.reduces)?;
        Ok(Self { format: FORMAT, number, asked: asked.clone(), program, files, splits })
    }

    /// Whether this is asked for now, and the input is what it was. `work` is the job's folder.
    pub(super) fn check(
        &self,
        work: &Path,
        asked: &Asked,
        stdin: Option<PathBuf>,
    ) -> Result<(), Error> {
        let differs = |what: String| Err(Error::Differs { work: work.to_owned(), what });
        if let Some(what) = difference(&self.asked, asked) {
            return differs(what);
        }
        let (_, now) = look(asked, stdin)?;
        let changed = now.iter().find(|seen| !self.files.contains(seen));
        let gone = self.files.iter().find(|seen| !now.contains(seen));
        match (changed, gone) {
            (None, None) => Ok(()),
            (Some(seen), Some(_)) if self.files.iter().any(|file| file.path == seen.path) => {
                differs(format!("before {} was changed", seen.path))
            }
            (Some(seen), _) => differs(format!("without {}", seen.path)),
            (None, Some(seen)) => differs(format!("with {}, which is gone", seen.path)),
        }
    }

    /// Whether a folder has a job.
    pub(super) fn is_in(work: &Path) -> bool {
        work.join(NAME).exists()
    }

    pub(super) fn read(work: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = work.join(NAME);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let wrong = |why: String| Error::JobFile { path: path.clone(), why };
        let Format { format } = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("it is no job ({error})")))?;
        if format != FORMAT {
            return Err(wrong(format!(
                "another release wrote it (format {format}, this one's is {FORMAT}). Go on with that one"
            )));
        }
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no job ({error})")))
    }

    /// Writes it into its folder: whole or not at all.
    pub(super) fn write(&self, work: &Path) -> Result<(), Error> {
        let (path, draft) = (work.join(NAME), work.join("job.draft"));
        let bytes = serde_json::to_vec(self).expect("plain data can be written");
        let mut file = File::create(&draft).map_err(Error::io("create", &draft))?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        written.map_err(Error::io("write", &draft))?;
        fs::rename(&draft, &path).map_err(Error::io("rename", &path))?;
        sync(work)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("sync", folder))
}

/// What was asked for otherwise.
fn difference(before: &Asked, now: &Asked) -> Option<String> {
    if before.program != now.program {
        return Some(match (&before.program, &now.program) {
            (Program::BuiltIn { name, .. }, Program::BuiltIn { name: other, .. })
                if name == other =>
            {
                format!("with other arguments of {name}")
            }
            (Program::BuiltIn { name, .. }, _) => format!("with --app {name}"),
            (Program::Streaming(_), _) => "with another mapper, reducer or combiner".to_owned(),
        });
    }
    if before.inputs != now.inputs {
        return Some(format!("with the inputs {}", before.inputs.join(" ")));
    }
    if before.reduces != now.reduces {
        return Some(format!("with --reduces {}", before.reduces));
    }
    (before.split_bytes != now.split_bytes)
        .then(|| format!("with --split-bytes {}", before.split_bytes))
}
