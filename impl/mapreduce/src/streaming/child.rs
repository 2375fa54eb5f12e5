//! A program that is fed, read and watched at once.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use memchr::memchr;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::report::{Report, read_stderr};
use crate::error::Error;
use crate::task::Watch;

/// How often the watcher is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A program to be run.
pub(super) struct Child<'a> {
    pub command: &'a str,
    pub environment: &'a [(String, String)],
    pub watch: &'a dyn Watch,
}

/// A program's standard input.
pub(super) struct Feed {
    stdin: ChildStdin,
}

impl Feed {
    /// Writes bytes; false when the program does not want any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        match self.stdin.write_all(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::application(format!("its program can't be fed: {error}"))),
        }
    }
}

/// Reads from a program.
pub(super) fn read(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => {
                return read.map_err(|error| {
                    Error::application(format!("its program can't be read: {error}"))
                });
            }
        }
    }
}

/// Calls `each` with every line that a program writes, without its end.
pub(super) fn each_line(
    from: &mut impl Read,
    most: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = vec![0; 128 << 10];
    let (mut filled, mut searched) = (0, 0);
    loop {
        if filled == buffer.len() {
            if buffer.len() > most {
                let problem = format!("its program wrote a line of more than {most} bytes");
                return Err(Error::application(problem));
            }
            buffer.resize(2 * buffer.len(), 0);
        }
        let got = read(from, &mut buffer[filled..])?;
        filled += got;
        if got == 0 {
            return if filled > 0 { each(&buffer[..filled]) } else { Ok(()) };
        }
        let mut start = 0;
        while let Some(at) = memchr(b'\n', &buffer[searched..filled]) {
            each(&buffer[start..searched + at])?;
            searched += at + 1;
            start = searched;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        searched = filled;
    }
}

/// Ends a program and all that it has started, as far as they stayed together.
struct Group(Pid);

impl Group {
    fn kill(&self) {
        // It may have ended by itself.
        let _ = killpg(self.0, Signal::SIGKILL);
    }

    /// Kills it if this is an error: it must not go on for nobody.
    fn kill_on_error<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.kill();
        }
        result
    }
}

impl Child<'_> {
    /// Runs the program to its end. `feed` and `take` run at once, each on a thread of its own.
    pub fn run(
        &self,
        feed: impl FnOnce(&mut Feed) -> Result<(), Error> + Send,
        take: impl FnOnce(&mut ChildStdout) -> Result<(), Error> + Send,
    ) -> Result<Report, Error> {
        let failed = |what: &str, error: std::io::Error| {
            Error::application(format!("{what} {:?}: {error}", self.command))
        };
        let mut command = Command::new("sh");
        command.arg("-c").arg(self.command).envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: so that all of it can be killed, and Ctrl-C reaches the worker alone.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| failed("can't start", error))?;
        let piped = "the pipe was asked for";
        let mut feeding = Feed { stdin: child.stdin.take().expect(piped) };
        let mut stdout = child.stdout.take().expect(piped);
        let mut stderr = child.stderr.take().expect(piped);
        let group = Group(Pid::from_raw(child.id() as i32));
        let (mut ended, end) = UnixStream::pair().map_err(|error| {
            group.kill();
            failed("can't watch", error)
        })?;
        let watch = self.watch;
        let (fed, taken, report, status) = thread::scope(|scope| {
            let group = &group;
            scope.spawn(move || until_ended(&mut ended, watch, group));
            let feeder = scope.spawn(move || group.kill_on_error(feed(&mut feeding)));
            let taker = scope.spawn(move || group.kill_on_error(take(&mut stdout)));
            let report = read_stderr(&mut stderr, watch);
            let (fed, taken) = (feeder.join(), taker.join());
            let status = child.wait();
            drop(end);
            (fed, taken, report, status)
        });
        let panicked = |_| Err(Error::application("panic between the program and the task"));
        if self.watch.cancelled() {
            return Err(Error::Cancelled);
        }
        fed.unwrap_or_else(panicked)?;
        taken.unwrap_or_else(panicked)?;
        self.judge(status.map_err(|error| failed("can't wait for", error))?, &report)?;
        Ok(report)
    }

    /// Whether the program did its work.
    fn judge(&self, status: ExitStatus, report: &Report) -> Result<(), Error> {
        if status.success() {
            return Ok(());
        }
        let how = match (status.code(), status.signal()) {
            (Some(126), _) => "exit code 126: is it executable?".to_owned(),
            (Some(127), _) => {
                "exit code 127: is it there, and on this worker's machine?".to_owned()
            }
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => status.to_string(),
        };
        let last = report.last_lines();
        let said = if last.is_empty() { String::new() } else { format!("; it said: {last}") };
        let message = format!("{:?} failed with {how}{said}", self.command);
        Err(Error::Application { message, record: report.processed() })
    }
}

/// Asks the watcher until the program has ended.
fn until_ended(ended: &mut UnixStream, watch: &dyn Watch, group: &Group) {
    // Without a timeout it would not ask; then nothing is worth running.
    if ended.set_read_timeout(Some(ASK_EVERY)).is_err() {
        group.kill();
        return;
    }
    loop {
        match ended.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if watch.cancelled() {
                    group.kill();
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}
