//! `quorate mr export`: a job as a program for an engine that runs on more machines.

use super::super::Failed;
use super::job;
use quorate::mr::spark_program;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a job as a program for another engine, which needs no quorate to run
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The job is what `quorate mr run` would be given: the same options, the same inputs. The program runs the same commands
on the same splits and partitions, and what it leaves in DIR is the same, byte for byte:
  quorate mr export --engine spark --to job.py --mapper ./map.py --reducer ./sum.py --out result data/
  python3 job.py                                    on this machine; wants pyspark and Java
  spark-submit --master spark://HOST:7077 job.py    on machines that have all files by the same paths
Words and patterns are looked up when the program runs. --memory says when the combiner runs; --workers how many tasks
run at once where Spark is not told otherwise. Built-in applications can't be exported, for they are part of quorate,
nor can standard input, --skip-bad-records and --debug-intermediate.
Exit codes: 0, or 1 if the job can't be exported or the program not be written.")]
pub struct Arguments {
    /// Which engine the program is for
    #[arg(long, value_enum)]
    engine: Engine,
    /// Where to write the program: a file that is not there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// How many tasks run at once where Spark is not told otherwise [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    #[command(flatten)]
    job: job::Arguments,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Engine {
    /// Apache Spark: a PySpark program
    Spark,
}

/// Writes the program.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let program = match arguments.engine {
        Engine::Spark => spark_program(&arguments.job.for_spark(arguments.workers)?),
    };
    match &arguments.to {
        Some(path) => write(path, &program)?,
        None => std::io::stdout().lock().write_all(program.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that is not there: `--to` may be mistaken for the name of a mapper.
fn write(path: &Path, program: &str) -> Result<(), Failed> {
    let name = path.display();
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{name} exists: remove it, or name another --to"),
        _ => format!("can't create {name}: {error}. Name another --to"),
    })?;
    file.write_all(program.as_bytes()).map_err(|error| {
        // Half a program is worse than none; the reason is what counts.
        let _ = std::fs::remove_file(path);
        format!("can't write {name}: {error}. Free space on its disk, or name another --to").into()
    })
}
