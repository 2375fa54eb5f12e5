//! What a person says of a job, whoever runs it.

use super::super::Failed;
use super::super::lock::time;
use mapreduce::streaming::Streaming;
use mapreduce::{Location, Program, apps};
use protocol::mr::Limits;
use quorate::mr::{Asked, Claim, SparkJob, Times, claim};
use std::path::PathBuf;
use std::time::Duration;

/// A job.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// A built-in application: see below
    #[arg(long, value_name = "NAME", required_unless_present_any = ["mapper", "reducer"])]
    pub app: Option<String>,
    /// An argument of the application, such as grep's pattern; once for each
    #[arg(long, value_name = "TEXT", requires = "app", allow_hyphen_values = true)]
    arg: Vec<String>,
    /// A command that reads lines and writes lines KEY TAB VALUE [default: takes lines as they are]
    #[arg(long, value_name = "CMD", conflicts_with = "app")]
    mapper: Option<String>,
    /// A command that reads these lines, sorted by key, and writes the output [default: writes them as they are]
    #[arg(long, value_name = "CMD", conflicts_with = "app")]
    reducer: Option<String>,
    /// A reducer that keeps the keys; is run on the mapper's machine, if at all
    #[arg(long, value_name = "CMD", conflicts_with = "app")]
    combiner: Option<String>,
    /// How many reduce tasks, and files of output
    #[arg(long, value_name = "R", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    reduces: u32,
    /// The output directory or s3://BUCKET/KEY: must be empty, or not there, or this same job's, which then goes on
    #[arg(long, value_name = "DIR", value_parser = location)]
    out: Location,
    /// About how much memory an attempt fills before it writes to disk
    #[arg(long, value_name = "BYTES", default_value = "128M", value_parser = bytes)]
    memory: u64,
    /// About how large the pieces are that map tasks read
    #[arg(long, value_name = "BYTES", default_value = "32M", value_parser = bytes)]
    split_bytes: u64,
    /// Leave out records at which attempts fail twice: so many of a task at most [default: none; without a number, 100]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "100")]
    skip_bad_records: Option<u32>,
    /// So many failures of a task end the job
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT.own, value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: u32,
    /// An attempt that reads and writes nothing for this long has failed; 0: never
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    task_timeout: Duration,
    /// An attempt that takes twice as long as others is run a second time, but not before this
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    backup_after: Duration,
    /// Write intermediate files as JSON lines too. They go with the job's folder when it is done
    #[arg(long)]
    pub debug_intermediate: bool,
    /// The file with the secret that workers and those who ask for the status share; needed off loopback
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// For programs: JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Files, folders, patterns, each of them also as s3://BUCKET/KEY, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

/// Reads a path, or `s3://BUCKET/KEY`.
fn location(text: &str) -> Result<Location, String> {
    Location::parse(text).map_err(|error| error.to_string())
}

/// Reads `65536`, `64K`, `256M`, `2G`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "write a size as in 65536, 64K, 256M or 2G")?;
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err("the unit of a size is K, M or G".into()),
    };
    let all = number.checked_mul(1 << shift).filter(|all| *all <= 1 << 60);
    all.filter(|all| *all > 0).ok_or_else(|| "a size is at least 1, and not that large".into())
}

/// The built-in applications, for the help.
pub fn applications() -> String {
    let mut text = "Applications (--app):\n".to_owned();
    for (name, arguments, purpose) in apps::BUILT_IN {
        let name = format!("{name} {arguments}");
        text.push_str(&format!("  {name:<34}{purpose}\n"));
    }
    text
}

impl Arguments {
    fn program(&self) -> Program {
        match &self.app {
            Some(name) => Program::built_in(name, &self.arg),
            None => Program::Streaming(self.streaming()),
        }
    }

    fn streaming(&self) -> Streaming {
        Streaming {
            mapper: self.mapper.clone(),
            reducer: self.reducer.clone(),
            combiner: self.combiner.clone(),
            environment: Vec::new(),
        }
    }

    /// The job for Spark, with so many tasks at once.
    ///
    /// # Errors
    /// If it has something that Spark, or a program without quorate, can't do.
    pub fn for_spark(&self, workers: Option<u32>) -> Result<SparkJob, Failed> {
        if let Some(app) = &self.app {
            return Err(format!(
                "the application {app} is part of quorate, and an exported program has to do without: \
                 export executables (--mapper, --combiner, --reducer)"
            )
            .into());
        }
        if self.inputs.iter().any(|word| word == "-") {
            let problem = "standard input (-) can't be exported: the program's tasks may run elsewhere; \
                           put it into a file";
            return Err(problem.into());
        }
        let foreign = [
            (self.skip_bad_records.is_some(), "--skip-bad-records"),
            (self.debug_intermediate, "--debug-intermediate"),
            (self.secret_file.is_some(), "--secret-file"),
        ];
        if let Some((_, flag)) = foreign.iter().find(|(given, _)| *given) {
            return Err(format!("Spark has nothing like {flag}: leave it out").into());
        }
        let places = self.inputs.iter().cloned().chain([self.out.to_string()]);
        if let Some(object) = places.into_iter().find(|place| place.starts_with("s3://")) {
            let problem = "is in an object store, and an exported program reads and writes files: name files, or change \
                           the program so that it opens s3a:// as your Spark is set up for";
            return Err(format!("{object} {problem}").into());
        }
        let out = self.out.to_string();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(SparkJob {
            programs: self.streaming(),
            inputs: self.inputs.clone(),
            out,
            reduces: self.reduces,
            split_bytes: self.split_bytes,
            memory_bytes: self.memory,
            max_attempts: self.max_attempts,
            task_timeout_ms: ms(self.task_timeout),
            backup_after_ms: ms(self.backup_after),
            workers,
            json: self.json,
        })
    }

    /// Takes the output directory.
    pub fn claim(&self) -> Result<Claim, Failed> {
        let asked = Asked {
            program: self.program(),
            inputs: self.inputs.clone(),
            reduces: self.reduces,
            split_bytes: self.split_bytes,
        };
        let claim = claim(&self.out, &asked, &mut std::io::stdin().lock())?;
        if claim.is_resumed() {
            eprintln!("quorate: goes on with the job in {}", claim.dir());
        }
        Ok(claim)
    }

    /// What an attempt may use.
    pub fn engine(&self) -> mapreduce::Limits {
        let memory_bytes = usize::try_from(self.memory).unwrap_or(usize::MAX);
        mapreduce::Limits { memory_bytes, ..mapreduce::Limits::default() }
    }

    /// How often tasks may fail.
    pub fn limits(&self) -> Limits {
        let skips = self.skip_bad_records.unwrap_or(0);
        Limits { own: self.max_attempts, skips, ..Limits::DEFAULT }
    }

    /// How long is long.
    pub fn times(&self) -> Times {
        let (task_timeout, backup_after) = (self.task_timeout, self.backup_after);
        Times { task_timeout, backup_after, ..Times::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert_eq!(bytes("2gib"), Ok(2 << 30));
        for wrong in ["", "0", "M", "1T", "1.5M", "-1", "99999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
