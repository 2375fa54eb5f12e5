//! `quorate lock`: a command that runs while a lock is held, on one machine of many.
//!
//! Two threads: this one passes signals on and waits for the command; the other one renews the lock, and gives it back
//! when the command has ended. So neither a slow network holds up a signal, nor a slow command a renewal.

use super::Failed;
use super::target::Target;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate::client::{Clerk, Lock, LockError};
use quorate::sync::{AtomicBool, AtomicU64, Ordering};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Runs a command while holding a lock
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quorate lock nightly -- ./backup.sh
  quorate lock leader --ttl 5s --addr 10.0.0.1:7400,10.0.0.2:7400 -- ./serve

The command finds the fencing version in QUORATE_FENCE: greater than that of any holder before. What the
lock guards should remember the greatest it has seen and turn lesser ones away.

The lock is renewed while the command runs, and given back when it ends. A holder that dies frees it when
its time is over. If the lock is lost, because no server could be reached in time, the command gets SIGTERM.
SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the command.

Exit codes: the command's own, 128 + n if signal n ended it; 124 if the lock could not be had in the time of
--wait, 125 if it was lost or no server could be asked, 126 or 127 if the command can't be run.")]
pub struct Arguments {
    /// The lock's name, which is a key of the store
    name: String,
    #[command(flatten)]
    target: Target,
    /// After how long the lock frees itself if its holder dies; 0: never
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    ttl: Duration,
    /// How long to wait for the lock [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

const NOT_FREE: u8 = 124;
const FAILED: u8 = 125;
const CANT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Signals that are passed on.
const PASSED: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Reads `500ms`, `10s`, `2m`; a number alone is seconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "write a time as in 500ms, 10s or 2m")?;
    let ms = match &text[digits.len()..] {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => return Err("the unit of a time is ms, s or m".into()),
    };
    ms.map(Duration::from_millis).ok_or_else(|| "that is too long".into())
}

/// What has happened, for the thread that waits for it.
#[derive(Debug)]
struct Events {
    /// Signals that have come, a bit each.
    signals: AtomicU64,
    lost: AtomicBool,
    ended: AtomicBool,
}

impl Events {
    fn take_signals(&self) -> impl Iterator<Item = i32> + use<> {
        let bits = self.signals.swap(0, Ordering::AcqRel);
        PASSED.into_iter().filter(move |signal| bits & (1 << signal) != 0)
    }
}

/// Notes signals from now on, and wakes the thread that called.
fn listen(events: &Arc<Events>) -> io::Result<()> {
    let mut signals = Signals::new(PASSED.into_iter().chain([SIGCHLD]))?;
    let (events, waiting) = (Arc::clone(events), thread::current());
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            events.signals.fetch_or(1 << signal, Ordering::AcqRel);
            waiting.unpark();
        }
    })?;
    Ok(())
}

/// Holds the lock while the command runs.
pub fn run(arguments: Arguments) -> ExitCode {
    match hold(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("quorate: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn hold(arguments: Arguments) -> Result<u8, Failed> {
    let Arguments { name, target, ttl, wait, command } = arguments;
    let events = Arc::new(Events {
        signals: AtomicU64::new(0),
        lost: AtomicBool::new(false),
        ended: AtomicBool::new(false),
    });
    listen(&events)?;
    let clerk = Clerk::connect(target.addresses(), target.options()?)?;
    let mut lock = match ttl.is_zero() {
        true => Lock::new(clerk, &name)?,
        false => Lock::with_ttl(clerk, &name, ttl)?,
    };
    let fence = match acquire(&mut lock, wait, &events)? {
        Acquired::Held(fence) => fence,
        Acquired::NotFree => {
            eprintln!(
                "quorate: another holds {name}: wait longer with --wait, or ask what holds it"
            );
            return Ok(NOT_FREE);
        }
        Acquired::Signal(signal) => return Ok(by_signal(signal)),
    };
    let mut words = command.iter();
    let program = words.next().ok_or("name a command behind --")?;
    let mut command = Command::new(program);
    command.args(words).env("QUORATE_FENCE", fence.to_string()).env("QUORATE_LOCK", &name);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("quorate: can't run {}: {error}", program.display());
            let missing = error.kind() == io::ErrorKind::NotFound;
            give_back(&mut lock, &name);
            return Ok(if missing { NOT_FOUND } else { CANT_RUN });
        }
    };
    let waiting = thread::current();
    let (status, kept) = thread::scope(|scope| {
        let renewing = scope.spawn(|| keep(&mut lock, &name, &events, &waiting));
        let status = attend(child, &events);
        events.ended.store(true, Ordering::Release);
        renewing.thread().unpark();
        (status, renewing.join())
    });
    let kept = kept.map_err(|_| "the thread that renews the lock panicked")?;
    Ok(if kept { code_of(status?) } else { FAILED })
}

enum Acquired {
    Held(u64),
    NotFree,
    Signal(i32),
}

/// Waits for the lock, but not longer than it takes to notice a signal.
fn acquire(lock: &mut Lock, wait: Option<Duration>, events: &Events) -> Result<Acquired, Failed> {
    const STEP: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    loop {
        let left = wait.map_or(STEP, |wait| wait.saturating_sub(begun.elapsed()).min(STEP));
        let held = lock.acquire_within(left)?;
        if let Some(signal) = events.take_signals().next() {
            if held.is_some() {
                lock.release()?;
            }
            return Ok(Acquired::Signal(signal));
        }
        match held {
            Some(fence) => return Ok(Acquired::Held(fence)),
            None if wait.is_some_and(|wait| begun.elapsed() >= wait) => {
                return Ok(Acquired::NotFree);
            }
            None => {}
        }
    }
}

/// Passes signals on until the command ends.
fn attend(mut child: Child, events: &Events) -> io::Result<ExitStatus> {
    // The terminal sends its keys' signals to the command itself.
    let terminal = io::stdin().is_terminal();
    let mut told = false;
    loop {
        // Not waited for yet, so the number is still the command's.
        let pid = i32::try_from(child.id()).map(Pid::from_raw);
        let mut send = |signal: i32| {
            if let (Ok(pid), Ok(signal)) = (pid, Signal::try_from(signal)) {
                // It may have ended just now.
                let _ = kill(pid, signal);
            }
        };
        let keys = |signal: &i32| terminal && [SIGINT, SIGQUIT].contains(signal);
        events.take_signals().filter(|signal| !keys(signal)).for_each(&mut send);
        if events.lost.load(Ordering::Acquire) && !told {
            told = true;
            send(SIGTERM);
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::park();
    }
}

/// Renews the lock until the command has ended, and gives it back. Whether it was held all the time.
fn keep(lock: &mut Lock, name: &str, events: &Events, waiting: &Thread) -> bool {
    while !events.ended.load(Ordering::Acquire) {
        match lock.renew_at() {
            None => thread::park(),
            Some(at) if at > Instant::now() => thread::park_timeout(at - Instant::now()),
            Some(_) => {
                if let Err(error) = lock.renew() {
                    eprintln!("quorate: {name}: {error}");
                    eprintln!("quorate: the command gets SIGTERM");
                    events.lost.store(true, Ordering::Release);
                    waiting.unpark();
                    return false;
                }
            }
        }
    }
    give_back(lock, name)
}

/// Whether it was held until now.
fn give_back(lock: &mut Lock, name: &str) -> bool {
    match lock.release() {
        Ok(()) => true,
        Err(error @ LockError::Lost) => {
            eprintln!("quorate: {name}: {error}");
            false
        }
        Err(error) => {
            let ends = if lock.ends_at().is_some() {
                "it frees itself when its time is over"
            } else {
                "it may be held still: look at its value, which is empty when it is free"
            };
            eprintln!("quorate: {name} was not given back: {error}; {ends}");
            true
        }
    }
}

fn by_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(FAILED)
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().map(|code| u8::try_from(code).unwrap_or(FAILED));
    code.or(status.signal().map(by_signal)).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "s", "1h", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(time(text).is_err(), "{text:?} is no time");
        }
    }
}
