//! The server processes of a run.
//!
//! What a process writes goes into a file. One that ends though nobody wanted it to is a finding, with the end of
//! its log. All of them end with their owner, whatever becomes of it.

use super::program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate::client::{Address, Connection, Options, status};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end by itself when it is asked to.
const FAREWELL: Duration = Duration::from_secs(20);
/// How many lines of a log are shown of a process that ended by itself.
const LINES: usize = 6;

/// A process.
#[derive(Debug)]
struct Process {
    child: Child,
    /// It was stopped by a signal.
    stopped: bool,
}

/// A node, whether its process runs or not.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub number: usize,
    /// For any client.
    pub address: SocketAddr,
    /// Its folder.
    pub dir: PathBuf,
    /// What its process writes.
    pub log: PathBuf,
    /// The file with the offset of its time of day, if that can be moved.
    pub clock: Option<PathBuf>,
    /// Where its trace goes, if it is recorded.
    pub trace: Option<PathBuf>,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    /// It may end by itself: its disk is full.
    pub may_end: bool,
    /// How often it was started.
    pub starts: u32,
}

impl Node {
    /// A node that does not run yet. The command is the whole of it but for what `quorate server` needs to know of this
    /// node.
    pub fn new(number: usize, address: SocketAddr, folder: &Path, command: Vec<String>) -> Self {
        Self {
            number,
            address,
            dir: folder.join(format!("node-{number}")),
            log: folder.join(format!("node-{number}.log")),
            clock: None,
            trace: None,
            command,
            environment: Vec::new(),
            process: None,
            may_end: false,
            starts: 0,
        }
    }

    /// Lets its process see a time of day that is off by what stands in a file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn fake_clock(&mut self, library: &Path) -> io::Result<()> {
        let path = self.log.with_extension("clock");
        self.clock = Some(path.clone());
        self.set_clock(0)?;
        let entries = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", path.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        self.environment = entries.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Ok(())
    }

    /// Sets its time of day so many seconds forth or back.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn set_clock(&self, seconds: i64) -> io::Result<()> {
        let Some(path) = &self.clock else { return Ok(()) };
        let new = path.with_extension("clock-new");
        std::fs::write(&new, format!("{seconds:+}\n"))?;
        std::fs::rename(new, path)
    }

    /// Starts its process in its folder.
    ///
    /// # Errors
    /// If the system can't.
    pub fn start(&mut self) -> Result<(), String> {
        if self.process.is_some() {
            return Ok(());
        }
        let wrong = |error: io::Error| format!("can't start node {}: {error}", self.number);
        let log = File::options().create(true).append(true).open(&self.log).map_err(wrong)?;
        let second = log.try_clone().map_err(wrong)?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).arg("--dir").arg(&self.dir);
        command.arg("--listen").arg(self.address.to_string());
        if let Some(trace) = &self.trace {
            command.arg("--record").arg(trace);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A group of its own: Ctrl-C is for this program, which then ends it.
        command.stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
        let child = command.spawn().map_err(wrong)?;
        self.process = Some(Process { child, stopped: false });
        self.starts += 1;
        Ok(())
    }

    /// Whether its process runs.
    pub const fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its process has not ended, by whatever.
    pub fn is_alive(&self) -> bool {
        let stat =
            self.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        stat.is_some_and(|stat| !stat.contains(") Z "))
    }

    /// Its process's number.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Ends its process as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
            program::sweep_faketime(process.child.id());
        }
    }

    fn signal(&self, signal: Signal) -> bool {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok());
        // It was not waited for yet, so the number is its own.
        pid.is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
    }

    /// Stops its process, which notices nothing but that time has passed. False if it does not run.
    pub fn pause(&mut self) -> bool {
        let done = self.signal(Signal::SIGSTOP);
        self.process.iter_mut().for_each(|process| process.stopped = done);
        done
    }

    /// Lets a stopped process go on.
    pub fn go_on(&mut self) {
        if self.process.as_ref().is_some_and(|process| process.stopped) {
            self.signal(Signal::SIGCONT);
            self.process.iter_mut().for_each(|process| process.stopped = false);
        }
    }

    /// Asks its process to end; see [`Node::wait_for_end`].
    pub fn ask_to_end(&mut self) {
        self.go_on();
        self.signal(Signal::SIGTERM);
    }

    /// Waits until a process that was asked to end has done so. False if it had to be killed.
    pub fn wait_for_end(&mut self) -> bool {
        let begun = Instant::now();
        while let Some(process) = &mut self.process {
            if !matches!(process.child.try_wait(), Ok(None)) {
                self.kill();
            } else if begun.elapsed() > FAREWELL {
                self.kill();
                return false;
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        true
    }

    /// If its process has ended by itself, how.
    pub fn end(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let status = process.child.try_wait().ok().flatten()?;
        self.kill();
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join("\n    ");
        Some(format!("node {} ended by itself ({status}); its log ends:\n    {last}", self.number))
    }

    /// What its process says of itself, if it answers within so long.
    pub fn health(&self, password: &str, within: Duration) -> Option<status::Health> {
        self.process.as_ref().filter(|process| !process.stopped)?;
        let password = Some(password.as_bytes().to_vec());
        let options = Options { connect: within, answer: within, password, ..Options::default() };
        let mut connection = Connection::open(&Address::from(self.address), &options).ok()?;
        status::health(&mut connection).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The node that leads, as far as the nodes themselves say: of several, the one of the latest term.
pub fn leader(nodes: &[Node], password: &str) -> Option<usize> {
    let term = |node: &Node| {
        let health = node.health(password, Duration::from_millis(300))?;
        (health.role == "leader").then_some((health.term, node.number))
    };
    nodes.iter().filter_map(term).max().map(|(_, number)| number)
}
