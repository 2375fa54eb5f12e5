//! `quorate mr`: MapReduce jobs from a shell.

mod crew;
mod export;
mod job;
mod run;
mod screen;
mod show;
mod worker;

use super::Failed;
use quorate::mr::ask;
use quorate::peer::Secret;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs MapReduce jobs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Words:             quorate mr run --app wc --out counts 'books/*.txt'
Any executables:   quorate mr run --mapper ./map.py --reducer ./reduce.py --out result data/
How far it is:     quorate mr status --connect 127.0.0.1:7500
Several machines, which have the files by the same paths; a worker for each core:
                   quorate mr coordinator --listen 10.0.0.1:7500 --secret-file s --app wc --out /d/out '/d/*.txt'
                   quorate mr worker --connect 10.0.0.1:7500 --secret-file s
Objects:           quorate mr run --app wc --out s3://bucket/counts 's3://bucket/texts/*.txt'
                   (in a build with `--features s3`; AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and others say where and who)
On Apache Spark:   quorate mr export --engine spark --to job.py --mapper ./map.py --reducer ./reduce.py --out result data/")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Run(Box<run::Arguments>),
    Coordinator(Box<run::Serve>),
    Worker(worker::Arguments),
    Status(Asks),
    Export(Box<export::Arguments>),
}

/// Shows how far a job is
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0, or 1 if no coordinator of a job is there.")]
struct Asks {
    /// The job's coordinator
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7500")]
    connect: String,
    /// The file with the job's secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// For programs: JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Carries it out.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    match arguments.action {
        Action::Run(arguments) => run::run(*arguments),
        Action::Coordinator(arguments) => run::serve(*arguments),
        Action::Worker(arguments) => worker::run(arguments),
        Action::Status(arguments) => status(&arguments),
        Action::Export(arguments) => export::run(&arguments),
    }
}

fn status(arguments: &Asks) -> Result<ExitCode, Failed> {
    let secret = secret(arguments.secret_file.as_ref())?;
    let status = ask(&arguments.connect, secret)?;
    if arguments.json {
        println!("{}", show::json(&status));
    } else {
        print!("{}", show::table(&status));
    }
    Ok(ExitCode::SUCCESS)
}

fn secret(file: Option<&PathBuf>) -> Result<Option<Secret>, Failed> {
    Ok(file.map(|file| Secret::read(file)).transpose()?)
}
