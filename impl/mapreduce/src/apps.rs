//! The applications that need no programming, and how a job names any application.

pub mod grep;
pub mod indexer;
pub mod labs;
pub mod sort;
pub mod wc;
mod words;

use serde::{Deserialize, Serialize};

use crate::app::Application;
use crate::error::Error;
use crate::input::Split;
use crate::streaming::Streaming;

pub use words::Words;

/// What a job runs, as data: to be put into the journal and sent to workers, who [`Program::load`] it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// An application of [`BUILT_IN`].
    BuiltIn {
        /// Its name.
        name: String,
        /// What it is told beside.
        arguments: Vec<String>,
        /// What it learned of the input: [`Program::prepare`].
        learned: Vec<Vec<u8>>,
    },
    /// Executables.
    Streaming(Streaming),
}

/// Names, arguments and purposes of the built-in applications.
pub const BUILT_IN: [(&str, &str, &str); 10] = [
    ("wc", "", "how often each word comes, a word being a sequence of letters"),
    (
        "grep",
        "PATTERN",
        "lines with a match of a regular expression, behind the name of their file",
    ),
    ("indexer", "", "for each word the number of files that have it, and which"),
    ("sort", "", "all lines in order: mr-out-0, mr-out-1, … one behind the other are sorted"),
    ("mtiming", "[second-ms=N] [folder=DIR]", "lab: do map tasks overlap?"),
    ("rtiming", "[second-ms=N] [folder=DIR]", "lab: do reduce tasks overlap?"),
    ("jobcount", "[second-ms=N] [folder=DIR]", "lab: how often was a map task run?"),
    ("early_exit", "[second-ms=N]", "lab: does anybody leave before the job is done?"),
    ("crash", "[second-ms=N]", "lab: kills its worker now and then, or sleeps"),
    ("nocrash", "", "lab: what crash writes when nothing goes wrong"),
];

impl Program {
    /// A built-in application by its name.
    pub fn built_in(name: &str, arguments: &[String]) -> Self {
        Self::BuiltIn { name: name.to_owned(), arguments: arguments.to_vec(), learned: Vec::new() }
    }

    /// Looks at the input before the job begins, where the application wants to know something about it (`sort`: which
    /// keys divide it evenly). Once a job, by whoever plans it; what was learned is part of the program from then on.
    ///
    /// # Errors
    /// When the input can't be read.
    pub fn prepare(&mut self, splits: &[Split], reduces: u32) -> Result<(), Error> {
        match self {
            Self::BuiltIn { name, learned, .. } if name == "sort" => {
                *learned = sort::sample(splits, reduces)?;
            }
            Self::BuiltIn { .. } | Self::Streaming(_) => {}
        }
        Ok(())
    }

    /// The application.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that nobody has and for wrong arguments.
    pub fn load(&self) -> Result<Box<dyn Application>, Error> {
        let (name, arguments, learned) = match self {
            Self::Streaming(streaming) => return Ok(Box::new(streaming.clone())),
            Self::BuiltIn { name, arguments, learned } => (name.as_str(), arguments, learned),
        };
        let none = || match arguments.first() {
            None => Ok(()),
            Some(argument) => {
                Err(Error::Usage(format!("the application {name} takes no argument {argument:?}")))
            }
        };
        let lab = |kind| -> Result<Box<dyn Application>, Error> {
            Ok(Box::new(labs::Lab::new(kind, arguments)?))
        };
        Ok(match name {
            "wc" => none().map(|()| Box::new(wc::Wc::default()))?,
            "indexer" => none().map(|()| Box::new(indexer::Indexer::default()))?,
            "sort" => none().map(|()| Box::new(sort::Sort::new(learned.clone())))?,
            "grep" => Box::new(grep::Grep::new(arguments)?),
            "mtiming" => lab(labs::Kind::MapTiming)?,
            "rtiming" => lab(labs::Kind::ReduceTiming)?,
            "jobcount" => lab(labs::Kind::JobCount)?,
            "early_exit" => lab(labs::Kind::EarlyExit)?,
            "crash" => lab(labs::Kind::Crash)?,
            "nocrash" => lab(labs::Kind::NoCrash)?,
            _ => {
                let known = BUILT_IN.map(|(name, ..)| name).join(", ");
                return Err(Error::Usage(format!("no application {name:?}; there are {known}")));
            }
        })
    }
}
