//! `quorate mr worker`: a process that runs tasks of a job until it is over.

use super::super::Failed;
use super::super::lock::time;
use protocol::mr::{Ending, Parting, Refusal};
use quorate::mr::{Worker, WorkerOptions};
use quorate::sync::{AtomicBool, Ordering};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// Works for a job: one task at a time, until the job is over
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Start one for each core. The output directory must have the same path on all machines, or be s3://BUCKET/KEY; then each
wants the same AWS_... variables, and writes what is not whole below TMPDIR.
Exit codes: 0 if the job is over, 1 if there is no coordinator or it does not want this worker.")]
pub struct Arguments {
    /// The job's coordinator
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7500")]
    connect: String,
    /// The file with the job's secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long to look for the coordinator before it leaves
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    patience: Duration,
    /// The name of this computer. A task that has failed on one goes to a worker of another, if there is one [default:
    /// what the system says]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Ends when its standard input does
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// How a signal ends a program.
const INTERRUPTED: u8 = 130;

/// Works until it leaves.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let worker = Worker::start(WorkerOptions {
        connect: arguments.connect,
        secret: super::secret(arguments.secret_file.as_ref())?,
        patience: arguments.patience,
        host: arguments.host,
        notice: Arc::new(|line| eprintln!("{line}")),
    })?;
    let asked = Arc::new(AtomicBool::new(false));
    let (stop, first) = (worker.stopper(), Arc::clone(&asked));
    ctrlc::set_handler(move || {
        if first.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        stop();
    })?;
    if arguments.with_parent {
        let (stop, asked) = (worker.stopper(), Arc::clone(&asked));
        Builder::new().name("parent".into()).spawn(move || {
            // Nothing is ever written: what ends is the parent, or its wish.
            let _ = std::io::stdin().lock().read(&mut [0]);
            asked.store(true, Ordering::Relaxed);
            stop();
        })?;
    }
    let parting = worker.run()?;
    if asked.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match parting {
        Parting::Over(Ending::Done) => {}
        Parting::Over(Ending::Failed(..)) => eprintln!("quorate: the job has failed"),
        Parting::Refused(why) => return Err(refused(why).into()),
        Parting::Alone => return Err("there is no coordinator".into()),
    }
    Ok(ExitCode::SUCCESS)
}

const fn refused(why: Refusal) -> &'static str {
    match why {
        Refusal::OtherJob => "there is another job at this address now: start the worker anew",
        Refusal::OtherVersion => {
            "the coordinator is of another version: run the same release on all machines"
        }
        Refusal::Stale => "another process has this worker's number: start the worker anew",
    }
}
