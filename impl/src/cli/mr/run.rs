//! `quorate mr run` and `quorate mr coordinator`: a job until it is over, with workers of its own or without.

use super::super::Failed;
use super::crew::Crew;
use super::screen::Screen;
use super::{job, show};
use mapreduce::{Location, Watch};
use protocol::mr::Ending;
use quorate::mr::{Claim, Coordinator, Ended, Error, Options, Status, check, sequential};
use quorate::sync::{AtomicBool, Ordering};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs a job in processes of this machine, and waits for its end
#[derive(Debug, clap::Args)]
#[command(after_help = job::applications() + "
A mapper, combiner or reducer is a command for `sh -c`. What it writes to standard error is shown, except
  reporter:counter:GROUP,NAME,AMOUNT     adds to a counter
  reporter:status:TEXT                   says what it is doing
and it finds mapreduce_task_partition, mapreduce_map_input_file and others in its environment.

The output is DIR/mr-out-0 to DIR/mr-out-(R-1), and nothing else is in DIR when the job is done. A worker that dies is
started again. When this process dies or is stopped, the same command goes on with the job.
Exit codes: 0 if the output is there, 1 if the job has failed or can't be run, 130 if it was stopped.")]
pub struct Arguments {
    /// How many worker processes [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    /// Run all tasks one after the other in this process: for debugging an application
    #[arg(long, conflicts_with = "workers")]
    sequential: bool,
    /// Where workers and those who ask for the status connect [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    job: job::Arguments,
}

/// Runs a job whose workers are started elsewhere, and waits for its end
#[derive(Debug, clap::Args)]
#[command(after_help = job::applications() + "
Workers are started by `quorate mr worker --connect HOST:PORT`, here or on machines that share the files by the same
paths, or reach the same object store. When this process dies, workers wait for a while; the same command goes on with
the job.
Exit codes: 0 if the output is there, 1 if the job has failed or can't be run, 130 if it was stopped.")]
pub struct Serve {
    /// Where workers and those who ask for the status connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7500")]
    listen: String,
    #[command(flatten)]
    job: job::Arguments,
}

/// How often to look whether workers live, and how far the job is.
const LOOK: Duration = Duration::from_millis(50);
/// How a signal ends a program.
const INTERRUPTED: u8 = 130;

/// Runs a job with workers of its own.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let Arguments { workers, sequential, listen, job } = arguments;
    if sequential {
        return alone(&job);
    }
    let cores = || thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let has_guests = listen.is_some();
    let listen = listen.unwrap_or_else(|| "127.0.0.1:0".into());
    serve_with(&job, &listen, workers.unwrap_or_else(cores), has_guests)
}

/// Runs a job without workers of its own.
pub fn serve(arguments: Serve) -> Result<ExitCode, Failed> {
    serve_with(&arguments.job, &arguments.listen, 0, true)
}

/// `has_guests`: whether workers that are not this process's may have an attempt of an earlier life.
fn serve_with(
    job: &job::Arguments,
    listen: &str,
    workers: u32,
    has_guests: bool,
) -> Result<ExitCode, Failed> {
    let secret = super::secret(job.secret_file.as_ref())?;
    let listener = TcpListener::bind(listen)
        .map_err(|source| Error::Listen { address: listen.to_owned(), source })?;
    check(&listener, secret.as_ref())?;
    let claim = job.claim()?;
    let screen = Screen::new();
    let mut times = job.times();
    if !has_guests {
        times.gather = Duration::ZERO;
    }
    let waiting = thread::current();
    let coordinator = Coordinator::start(
        &claim,
        Options {
            listener,
            secret,
            limits: job.limits(),
            engine: job.engine(),
            debug_intermediate: job.debug_intermediate,
            times,
            notice: screen.notice(),
            ended: Box::new(move || waiting.unpark()),
        },
    )?;
    let address = coordinator.address();
    let (maps, reduces) = (claim.job().splits.len(), claim.job().asked.reduces);
    screen.line(&format!(
        "job {:016x}: {maps} map and {reduces} reduce tasks; `quorate mr status --connect {address}` shows how far it is",
        claim.job().number,
    ));
    on_ctrl_c(coordinator.stopper())?;
    let crew = Crew::new(workers, address, job.secret_file.clone(), screen.notice())?;
    let (ended, status) = attend(coordinator, crew, &screen)?;
    screen.clear();
    conclude(claim, &ended, &status, job.json)
}

/// The first time stops the job, the second time this process.
fn on_ctrl_c(stop: impl Fn() + Send + 'static) -> Result<(), Failed> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        stop();
    })?;
    Ok(())
}

/// Looks after the workers until the coordinator has ended.
fn attend(
    coordinator: Coordinator,
    mut crew: Crew,
    screen: &Screen,
) -> Result<(Ended, Status), Failed> {
    let mut useless = None;
    let mut shown: Option<Instant> = None;
    while !coordinator.has_ended() {
        if useless.is_none()
            && let Err(error) = crew.look_after()
        {
            coordinator.stopper()();
            useless = Some(error);
        }
        if screen.has_bars() && shown.is_none_or(|at| at.elapsed() > 4 * LOOK) {
            shown = Some(Instant::now());
            if let Some(status) = coordinator.status() {
                screen.show(&status);
            }
        }
        thread::park_timeout(LOOK);
    }
    crew.end();
    let ended = coordinator.wait()?;
    useless.map_or(Ok(ended), Err)
}

fn conclude(claim: Claim, ended: &Ended, status: &Status, json: bool) -> Result<ExitCode, Failed> {
    let (dir, work) = (removal(claim.dir(), claim.dir()), removal(claim.dir(), claim.work()));
    match ended {
        Ended::Over(Ending::Done) => {
            claim.clear()?;
            tell(status, json);
            Ok(ExitCode::SUCCESS)
        }
        Ended::Over(Ending::Failed(..)) => {
            tell(status, json);
            eprintln!(
                "quorate: the job has failed. When its cause is mended, the same command goes on with it; `{work}` gives it up"
            );
            Ok(ExitCode::FAILURE)
        }
        Ended::Stopped => {
            eprintln!(
                "quorate: stopped. The same command goes on with the job; `{dir}` gives it up"
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// What removes the job's folder or its directory. In an object store both are removed.
fn removal(dir: &Location, folder: &Location) -> String {
    match folder.local() {
        Some(path) => format!("rm -r {}", path.display()),
        None => format!("aws s3 rm --recursive {}", dir.join("")),
    }
}

fn tell(status: &Status, json: bool) {
    if json {
        println!("{}", show::json(status));
    } else {
        print!("{}", show::summary(status));
    }
}

/// Whether to go on.
#[derive(Debug)]
struct Cancelled(AtomicBool);

impl Watch for Cancelled {
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn log(&self, line: &[u8]) {
        eprintln!("{}", String::from_utf8_lossy(line));
    }
}

/// Runs all tasks in this thread.
fn alone(job: &job::Arguments) -> Result<ExitCode, Failed> {
    let claim = job.claim()?;
    let watch = Arc::new(Cancelled(AtomicBool::new(false)));
    let flag = Arc::clone(&watch);
    on_ctrl_c(move || flag.0.store(true, Ordering::Relaxed))?;
    match sequential(&claim, job.engine(), job.debug_intermediate, &*watch) {
        Ok(status) => conclude(claim, &Ended::Over(Ending::Done), &status, job.json),
        Err(_) if watch.cancelled() => {
            eprintln!(
                "quorate: stopped. The same command runs the job anew; `{}` gives it up",
                removal(claim.dir(), claim.dir())
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error) => Err(format!(
            "{error}\nquorate: the same command runs the job anew; `{}` gives it up",
            removal(claim.dir(), claim.work())
        )
        .into()),
    }
}
