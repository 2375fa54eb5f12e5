//! The labs' applications, and what they are given to read.
//!
//! Maps and reduces are done for real, by the applications of the engine. Only what these do besides is done here, in
//! virtual time: they sleep, count who else is at work, leave markers, and die.

use crate::sim::random::Random;
use mapreduce::{Application, Program, reference};
use std::fmt::Write;

/// The labs' reduce tasks.
pub const REDUCES: u32 = 10;
/// The labs' input files.
const FILES: [&str; 8] = [
    "pg-being_ernest.txt",
    "pg-dorian_gray.txt",
    "pg-frankenstein.txt",
    "pg-grimm.txt",
    "pg-huckleberry_finn.txt",
    "pg-metamorphosis.txt",
    "pg-sherlock_holmes.txt",
    "pg-tom_sawyer.txt",
];
const WORDS: [&str; 12] = [
    "sea", "whale", "Ahab", "ship", "tom", "river", "fog", "moor", "hound", "letter", "clock", "x",
];
/// The lottery of `crash`, of a million: so many calls end the process, and so many take up to ten seconds.
const DIES: u64 = 330_000;
const LINGERS: u64 = 330_000;

/// A key and a value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Which application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum App {
    /// `wc`.
    Wc,
    /// `indexer`.
    Indexer,
    /// `mtiming`: a map takes a second and counts the workers in a map.
    MapTiming,
    /// `rtiming`: a reduce takes a second a key and counts the workers in a reduce.
    ReduceTiming,
    /// `jobcount`: a map leaves a marker and takes 2 to 5 seconds, a reduce counts the markers.
    JobCount,
    /// `early_exit`: the reduces of two keys take 3 seconds.
    EarlyExit,
    /// `crash`: a third of the calls end the process, a third take up to ten seconds.
    Crash,
}

/// What becomes of a call of the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// It ends after so many microseconds.
    Ends(u64),
    /// It ends its process.
    Dies,
}

/// What a call has met.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// Of the worker's process, the number.
    pub process: u64,
    /// When, in microseconds.
    pub at: u64,
    /// At each call, how many workers were in such a call, this one included.
    pub at_work: Vec<usize>,
    /// How many markers there were.
    pub markers: u64,
}

/// The labs' eight files, small.
pub fn files(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut text = |lines: u64| {
        let mut text = String::new();
        for _ in 0..lines {
            for _ in 0..8 {
                let _ = write!(text, "{} ", random.pick(&WORDS));
            }
            let _ = writeln!(text, "{}", random.below(97));
        }
        text
    };
    (0..).zip(FILES).map(|(number, name)| (name, text(5 + 2 * number))).collect()
}

impl App {
    /// The engine's application. Those that look around are given what there is to see: nothing.
    pub fn engine(self) -> Box<dyn Application> {
        let (name, arguments) = match self {
            Self::Wc => ("wc", &[][..]),
            Self::Indexer => ("indexer", &[][..]),
            Self::MapTiming => ("mtiming", &[][..]),
            Self::ReduceTiming => ("rtiming", &[][..]),
            Self::JobCount => ("jobcount", &[][..]),
            Self::EarlyExit => ("early_exit", &["second-ms=0".to_owned()][..]),
            Self::Crash => ("nocrash", &[][..]),
        };
        Program::built_in(name, arguments).load().expect("it is built in")
    }

    /// Whether the output depends on nothing but the input.
    pub const fn is_pure(self) -> bool {
        !matches!(self, Self::MapTiming | Self::ReduceTiming | Self::JobCount)
    }

    /// How a call goes: of a map, or of a reduce with this key.
    pub fn call(self, key: Option<&[u8]>, random: &mut Random) -> Call {
        let mut some = |least: u64, most: u64| Call::Ends(random.between(least, most) * 1000);
        let has = |key: &[u8], name: &[u8]| key.windows(name.len()).any(|part| part == name);
        match (self, key) {
            (Self::Wc | Self::Indexer, None) => some(20, 200),
            (Self::MapTiming, None) | (Self::ReduceTiming, Some(_)) => some(1000, 1000),
            (Self::JobCount, None) => some(2000, 5000),
            (Self::EarlyExit, Some(key)) if has(key, b"sherlock") || has(key, b"tom") => {
                some(3000, 3000)
            }
            (Self::Crash, _) => match random.below(1_000_000) {
                drawn if drawn < DIES => Call::Dies,
                drawn if drawn < DIES + LINGERS => Call::Ends(random.below(10_000_000)),
                _ => Call::Ends(random.between(1_000, 10_000)),
            },
            _ => some(1, 10),
        }
    }

    /// How many calls a reduce of these pairs takes, and their keys: one for each, where they take long.
    pub fn calls(self, pairs: &[Pair]) -> Vec<Vec<u8>> {
        if matches!(self, Self::Wc | Self::Indexer) {
            return vec![Vec::new()];
        }
        let mut keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What a map of a file gives.
    pub fn map(
        self,
        engine: &dyn Application,
        (file, text): (&str, &str),
        met: &Met,
    ) -> Result<Vec<Pair>, String> {
        let pair = |key: String, value: String| (key.into_bytes(), value.into_bytes());
        Ok(match self {
            Self::MapTiming => {
                let (process, seconds) = (met.process, met.at as f64 / 1e6);
                let alive = met.at_work.first().copied().unwrap_or(0);
                vec![
                    pair(format!("times-{process}"), format!("{seconds:.1}")),
                    pair(format!("parallel-{process}"), alive.to_string()),
                ]
            }
            Self::JobCount => vec![pair("a".into(), "x".into())],
            _ => {
                reference::map(engine, file, text.as_bytes()).map_err(|error| error.to_string())?
            }
        })
    }

    /// What a reduce of these pairs writes.
    pub fn reduce(
        self,
        engine: &dyn Application,
        pairs: Vec<Pair>,
        met: &Met,
    ) -> Result<Vec<u8>, String> {
        let counted: Vec<u64> = match self {
            Self::ReduceTiming => met.at_work.iter().map(|alive| *alive as u64).collect(),
            Self::JobCount => vec![met.markers],
            _ => return reference::reduce(engine, pairs).map_err(|error| error.to_string()),
        };
        let mut out = Vec::new();
        for (key, count) in self.calls(&pairs).into_iter().zip(counted) {
            out.extend_from_slice(&key);
            out.extend_from_slice(format!("\t{count}\n").as_bytes());
        }
        Ok(out)
    }
}
