//! The applications by which the labs test a MapReduce: they leave files, wait, and die.
//!
//! They do what the labs' own do (LABS.md §3.3), so they break a rule of this crate: what they give depends on more
//! than their input. They count processes, so each worker has to be one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::app::Application;
use crate::collect::Emitter;
use crate::error::{Error, Outcome};
use crate::groups::Values;
use crate::input::{Form, Record};
use crate::reduce::Output;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `mtiming`: whether map tasks overlap.
    MapTiming,
    /// `rtiming`: whether reduce tasks overlap.
    ReduceTiming,
    /// `jobcount`: how often map ran.
    JobCount,
    /// `early_exit`: some reduce calls take long.
    EarlyExit,
    /// `crash`: a third of the calls end the process, a third take up to ten seconds.
    Crash,
    /// `nocrash`: as `crash`, but all goes well.
    NoCrash,
}

/// One of the labs' test applications.
#[derive(Clone, Debug)]
pub struct Lab {
    kind: Kind,
    /// Where they leave files for one another.
    folder: PathBuf,
    /// How long their second is. Tests that do not measure need not wait.
    second: Duration,
}

impl Lab {
    /// Arguments: `second-ms=N` (1000 if not given), `folder=DIR` (the working directory).
    ///
    /// # Errors
    /// For other arguments.
    pub fn new(kind: Kind, arguments: &[String]) -> Result<Self, Error> {
        let mut lab = Self { kind, folder: PathBuf::from("."), second: Duration::from_secs(1) };
        for argument in arguments {
            match argument.split_once('=') {
                Some(("folder", folder)) => lab.folder = PathBuf::from(folder),
                Some(("second-ms", ms)) => {
                    let number = |_| Error::Usage(format!("{argument}: not a number"));
                    lab.second = Duration::from_millis(ms.parse().map_err(number)?);
                }
                _ => {
                    return Err(Error::Usage(format!(
                        "{argument}: the labs' applications take second-ms=N and folder=DIR"
                    )));
                }
            }
        }
        Ok(lab)
    }

    fn pause(&self, milliseconds: u64) {
        std::thread::sleep(self.second * milliseconds as u32 / 1_000);
    }

    /// How many processes that live are in this phase, this one included. Takes a second, so that they meet.
    fn parallel(&self, phase: &str) -> std::io::Result<usize> {
        let prefix = format!("mr-worker-{phase}-");
        let mine = self.folder.join(format!("{prefix}{}", std::process::id()));
        fs::write(&mine, "x")?;
        let mut alive = 0;
        for name in names(&self.folder)? {
            let pid = name.strip_prefix(&prefix).and_then(|pid| pid.parse().ok());
            alive += usize::from(pid.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_ok()));
        }
        self.pause(1_000);
        fs::remove_file(&mine)?;
        Ok(alive)
    }

    /// The lottery of `crash`.
    fn maybe_crash(&self) -> Outcome {
        if self.kind == Kind::Crash {
            match random(1_000)? {
                0..330 => std::process::exit(1),
                330..660 => self.pause(random(10_000)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir(folder)?.map(name).collect()
}

fn random(below: u64) -> Result<u64, String> {
    getrandom::u64().map(|number| number % below).map_err(|error| error.to_string())
}

const COUNTED: &str = "mr-worker-jobcount-";

impl Application for Lab {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        match self.kind {
            Kind::MapTiming => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
                let pid = std::process::id();
                let parallel = self.parallel("map")?;
                let seconds = format!("{:.1}", now.as_secs_f64());
                out.emit(format!("times-{pid}").as_bytes(), seconds.as_bytes());
                out.count(format!("parallel-{pid}").as_bytes(), parallel as i64);
            }
            Kind::ReduceTiming => {
                for key in b'a'..=b'j' {
                    out.emit(&[key], b"1");
                }
            }
            Kind::JobCount => {
                let mut count = 0;
                let marker = |count: u32| format!("{COUNTED}{}-{count}", std::process::id());
                while File::create_new(self.folder.join(marker(count))).is_err() {
                    count += 1;
                    if count > 1_000_000 {
                        return Err(
                            format!("no file can be made in {}", self.folder.display()).into()
                        );
                    }
                }
                self.pause(2_000 + random(3_000)?);
                out.emit(b"a", b"x");
            }
            Kind::EarlyExit => out.emit(record.file.as_bytes(), b"1"),
            Kind::Crash | Kind::NoCrash => {
                self.maybe_crash()?;
                out.emit(b"a", record.file.as_bytes());
                out.count(b"b", record.file.len() as i64);
                out.count(b"c", record.bytes.len() as i64);
                out.emit(b"d", b"xyzzy");
            }
        }
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        let value = match self.kind {
            Kind::MapTiming => sorted(values),
            Kind::ReduceTiming => self.parallel("reduce")?.to_string().into_bytes(),
            Kind::JobCount => {
                let names = names(&self.folder)?;
                let counted = names.iter().filter(|name| name.starts_with(COUNTED)).count();
                counted.to_string().into_bytes()
            }
            Kind::EarlyExit => {
                let slow = |name: &str| key.windows(name.len()).any(|part| part == name.as_bytes());
                if slow("sherlock") || slow("tom") {
                    self.pause(3_000);
                }
                values.collect().len().to_string().into_bytes()
            }
            Kind::Crash | Kind::NoCrash => {
                self.maybe_crash()?;
                sorted(values)
            }
        };
        out.write(key, &value);
        Ok(())
    }

    fn form(&self) -> Form {
        Form::Files
    }
}

/// The values in order, with spaces between.
fn sorted(values: &mut Values<'_>) -> Vec<u8> {
    let mut values = values.collect();
    values.sort_unstable();
    values.join(&b' ')
}
