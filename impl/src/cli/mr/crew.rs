//! The worker processes of `quorate mr run`: started, started again when they die, and ended.
//!
//! A worker ends when its standard input does. So when this process ends, whatever the reason, they all do, and what
//! they run. They have a process group of their own: Ctrl-C is this process's to answer.

use super::super::Failed;
use quorate::mr::Notice;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// A worker that lived for less has achieved nothing.
const SHORT: Duration = Duration::from_secs(1);
/// So many short lives in a row are enough.
const MOST: u32 = 20;
/// How long to wait before a worker is started again that died soon: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long a worker may take to end.
const END: Duration = Duration::from_secs(3);

/// A worker's place.
#[derive(Debug)]
struct Place {
    child: Option<Child>,
    /// When it was started, or is to be.
    at: Instant,
    short_lives: u32,
}

/// The workers.
pub struct Crew {
    program: PathBuf,
    address: SocketAddr,
    secret_file: Option<PathBuf>,
    notice: Notice,
    places: Vec<Place>,
}

impl Crew {
    /// So many, not started yet.
    pub fn new(
        workers: u32,
        address: SocketAddr,
        secret_file: Option<PathBuf>,
        notice: Notice,
    ) -> Result<Self, Failed> {
        let place = |_| Place { child: None, at: Instant::now(), short_lives: 0 };
        let places = (0..workers).map(place).collect();
        Ok(Self { program: std::env::current_exe()?, address, secret_file, notice, places })
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["mr", "worker", "--with-parent", "--connect", &self.address.to_string()]);
        if let Some(file) = &self.secret_file {
            command.arg("--secret-file").arg(file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        if let Some(stderr) = child.stderr.take() {
            let notice = self.notice.clone();
            let read = move || {
                let mut lines = BufReader::new(stderr).split(b'\n').map_while(Result::ok);
                lines.by_ref().for_each(|line| notice(&String::from_utf8_lossy(&line)));
            };
            Builder::new().name("worker's stderr".into()).spawn(read)?;
        }
        Ok(child)
    }

    /// Starts those that have died, and that are due.
    ///
    /// # Errors
    /// If none is left that is of any use.
    pub fn look_after(&mut self) -> Result<(), Failed> {
        let now = Instant::now();
        for number in 0..self.places.len() {
            let place = &mut self.places[number];
            match place.child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => {}
                // It was told that the job is over.
                Some(Ok(Some(status))) if status.success() => {}
                Some(Ok(Some(status))) => {
                    place.child = None;
                    let delay = if place.at.elapsed() < SHORT {
                        place.short_lives += 1;
                        (RETRY.0 * (1 << place.short_lives.min(10))).min(RETRY.1)
                    } else {
                        place.short_lives = 0;
                        Duration::ZERO
                    };
                    place.at = now + delay;
                    let again = if place.short_lives < MOST { "; it is started again" } else { "" };
                    (self.notice)(&format!("worker {number} has ended ({status}){again}"));
                }
                Some(Err(error)) => return Err(error.into()),
                None if place.short_lives >= MOST || place.at > now => {}
                None => {
                    let child = self.start()?;
                    let place = &mut self.places[number];
                    (place.child, place.at) = (Some(child), now);
                }
            }
        }
        let given_up = |place: &Place| place.child.is_none() && place.short_lives >= MOST;
        if !self.places.is_empty() && self.places.iter().all(given_up) {
            return Err("all workers died again and again as soon as they were started".into());
        }
        Ok(())
    }

    /// Ends them all, and what they run.
    pub fn end(&mut self) {
        let children = self.places.iter_mut().filter_map(|place| place.child.as_mut());
        let mut children: Vec<&mut Child> = children.collect();
        children.iter_mut().for_each(|child| drop(child.stdin.take()));
        let begun = Instant::now();
        let lives = |child: &mut &mut Child| matches!(child.try_wait(), Ok(None));
        while begun.elapsed() < END && children.iter_mut().any(lives) {
            thread::park_timeout(Duration::from_millis(2));
        }
        for child in children {
            // It has ended, or ends now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.end();
    }
}
