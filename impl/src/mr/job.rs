//! What a job is: written down when it begins, and looked at when the same command is run again.

use super::error::Error;
use mapreduce::input::{PlanOptions, splits, survey};
use mapreduce::{Location, Program, Split, Store, Stores};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;

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

fn look(
    asked: &Asked,
    stdin: Option<Location>,
    stores: &mut Stores,
) -> Result<(Vec<Split>, Vec<Seen>), Error> {
    let form = asked.program.load()?.form();
    let options = PlanOptions { split_bytes: asked.split_bytes, form, stdin };
    let found = survey(&asked.inputs, &options, stores)?;
    let mut files: Vec<Seen> = Vec::new();
    for file in &found {
        let path = file.location.to_string();
        if files.last().is_none_or(|last| last.path != path) {
            files.push(Seen { path, bytes: file.bytes, modified: file.modified_ns });
        }
    }
    Ok((splits(&found, &options), files))
}

impl Job {
    /// Looks at the input and makes a job of what was asked for. Standard input is in that file.
    pub(super) fn plan(
        number: u64,
        asked: &Asked,
        stdin: Option<Location>,
        stores: &mut Stores,
    ) -> Result<Self, Error> {
        let (splits, files) = look(asked, stdin, stores)?;
        let mut program = asked.program.clone();
        program.prepare(&splits, asked.reduces)?;
        Ok(Self { format: FORMAT, number, asked: asked.clone(), program, files, splits })
    }

    /// Whether this is asked for now, and the input is what it was. `work` is the job's folder.
    pub(super) fn check(
        &self,
        work: &Location,
        asked: &Asked,
        stdin: Option<Location>,
        stores: &mut Stores,
    ) -> Result<(), Error> {
        let differs = |what: String| Err(Error::Differs { work: work.clone(), what });
        if let Some(what) = difference(&self.asked, asked) {
            return differs(what);
        }
        let (_, now) = look(asked, stdin, stores)?;
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

    /// Where a folder's job is written down.
    pub(super) fn of(work: &Location) -> Location {
        work.join(NAME)
    }

    /// Reads it; none if nothing is there.
    pub(super) fn read(store: &dyn Store, path: &Location) -> Result<Option<Self>, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Some(bytes) = store.read(path)? else { return Ok(None) };
        let wrong = |why: String| Error::JobFile { path: path.clone(), why };
        let Format { format } = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("it is no job ({error})")))?;
        if format != FORMAT {
            return Err(wrong(format!(
                "another release wrote it (format {format}, this one's is {FORMAT}). Go on with that one"
            )));
        }
        let job = serde_json::from_slice(&bytes);
        job.map(Some).map_err(|error| wrong(format!("it is no job ({error})")))
    }

    /// Writes it down: whole or not at all. False if there is another one.
    pub(super) fn write(&self, store: &dyn Store, path: &Location) -> Result<bool, Error> {
        let bytes = serde_json::to_vec(self).expect("plain data can be written");
        Ok(store.create(path, &bytes)?)
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
