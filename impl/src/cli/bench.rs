//! `quorate bench`: clients that ask, wait for the answer, look whether it is right, and ask again.
//!
//! A benchmark that does not look at the answers measures how fast a server can say no. Each workload here knows what
//! every answer must be, and after the run it reads what it has written. One wrong answer fails the run.

mod workload;

use super::Failed;
use super::target::Target;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use quorate::client::{Address, Connection, Options};
use serde_json::json;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use workload::{Client, Run};

/// Measures a server, and checks its answers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Workloads:
  set     SET of random keys; each must be answered with OK, and the keys have right values in the end
  get     GET of random keys that were written before; each answer must be the key's own value
  mixed   as many of the one as of the other
  append  APPEND to keys of the client's own; each answer must be the length that the value then has
  once    INCR made exactly once (ONCE), of a counter of the client's own; each answer must be the next number

The keys are the run's own, and are deleted in the end. Give a plain port: MOVED is a wrong answer here.
Exit codes: 0, or 1 if an answer was wrong or missing.")]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Clients at once, each with a connection
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// How many requests all clients make together
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// For how long they go on [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Requests that a client sends before it waits for their answers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pipeline: u32,
    /// The length of a value
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(32..=1 << 20))]
    value_bytes: u32,
    /// How many keys there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// What they ask
    #[arg(long, value_enum, default_value_t = Workload::Set)]
    workload: Workload,
    /// For programs: JSON on stdout
    #[arg(long)]
    json: bool,
}

/// What the clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    Set,
    Get,
    Mixed,
    Append,
    Once,
}

/// When a client stops.
#[derive(Clone, Copy, Debug)]
enum Until {
    Requests(u64),
    Time(Instant),
}

/// Latencies in microseconds, up to this, with three digits.
const MAX_US: u64 = 600_000_000;

fn histogram() -> Result<Histogram<u64>, Failed> {
    Ok(Histogram::new_with_bounds(1, MAX_US, 3)?)
}

/// What one client has seen.
struct Tally {
    latencies: Histogram<u64>,
    requests: u64,
    wrong: u64,
    /// The first wrong answer.
    example: Option<String>,
}

impl Tally {
    fn new() -> Result<Self, Failed> {
        Ok(Self { latencies: histogram()?, requests: 0, wrong: 0, example: None })
    }

    fn wrong(&mut self, count: u64, example: String) {
        self.wrong += count;
        self.example.get_or_insert(example);
    }

    fn add(&mut self, other: Self) -> Result<(), Failed> {
        self.latencies.add(&other.latencies)?;
        self.requests += other.requests;
        self.wrong += other.wrong;
        self.example = self.example.take().or(other.example);
        Ok(())
    }
}

/// A client's whole life: what comes before the measured part is done already.
fn drive(
    mut client: Client,
    until: Until,
    pipeline: u64,
    bar: &ProgressBar,
) -> Result<Tally, Failed> {
    let mut tally = Tally::new()?;
    loop {
        let batch = match until {
            Until::Requests(all) => (all - tally.requests).min(pipeline),
            Until::Time(end) if Instant::now() >= end => 0,
            Until::Time(_) => pipeline,
        };
        if batch == 0 {
            break;
        }
        let answered = client.batch(batch, &mut tally);
        bar.inc(batch);
        if let Err(error) = answered {
            tally.wrong(1, error.to_string());
            return Ok(tally);
        }
    }
    if let Err(error) = client.check(&mut tally) {
        tally.wrong(1, error.to_string());
    }
    Ok(tally)
}

fn progress(arguments: &Arguments) -> ProgressBar {
    let template = "{spinner} {elapsed} {human_pos} requests {per_sec}";
    let style = ProgressStyle::with_template(template);
    let bar = match arguments.requests {
        Some(requests) => ProgressBar::new(requests),
        None => ProgressBar::new_spinner(),
    };
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The connections of all clients, to one server after the other.
fn connect(
    addresses: &[Address],
    options: &Options,
    clients: u32,
) -> Result<Vec<Connection>, Failed> {
    let servers = addresses.iter().cycle().take(clients as usize);
    Ok(servers.map(|address| Connection::open(address, options)).collect::<Result<_, _>>()?)
}

/// Runs all clients, and tells what they have seen.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let options = arguments.target.options()?;
    let mut connections = connect(arguments.target.addresses(), &options, arguments.clients)?;
    let run = Run::new(arguments.workload, arguments.keys, arguments.value_bytes as usize)?;
    let first = connections.first_mut().ok_or("there are no clients: give --clients")?;
    run.prepare(first)?;
    let (clients, pipeline) = (u64::from(arguments.clients), u64::from(arguments.pipeline));
    let bar = progress(&arguments);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(arguments.seconds.unwrap_or(5));
    let tallies: Vec<_> = thread::scope(|scope| {
        let threads = connections.into_iter().enumerate().map(|(number, connection)| {
            let number = number as u64;
            let until = arguments.requests.map_or(Until::Time(end), |all| {
                Until::Requests(all / clients + u64::from(number < all % clients))
            });
            let (client, bar) = (run.client(number, connection), &bar);
            scope.spawn(move || drive(client?, until, pipeline, bar))
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let elapsed = begun.elapsed();
    bar.finish_and_clear();
    let mut all = Tally::new()?;
    for tally in tallies {
        all.add(tally.map_err(|_| "a client's thread panicked")??)?;
    }
    let mut connection = Connection::open(&arguments.target.addresses()[0], &options)?;
    run.check(&mut connection, &mut all)?;
    run.delete(&mut connection, arguments.clients)?;
    report(&arguments, &all, elapsed);
    if let Some(example) = &all.example {
        eprintln!("quorate: {} wrong answers; the first: {example}", all.wrong);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

fn report(arguments: &Arguments, all: &Tally, elapsed: Duration) {
    let latencies = &all.latencies;
    let seconds = elapsed.as_secs_f64();
    let rate = all.requests as f64 / seconds.max(1e-9);
    let workload = arguments.workload.to_possible_value();
    let workload = workload.as_ref().map_or("", |value| value.get_name());
    if arguments.json {
        let mut latency_us = json!({
            "min": latencies.min(),
            "mean": latencies.mean().round(),
            "max": latencies.max(),
        });
        for (name, quantile) in QUANTILES {
            latency_us[name] = latencies.value_at_quantile(quantile).into();
        }
        let report = json!({
            "workload": workload,
            "clients": arguments.clients,
            "pipeline": arguments.pipeline,
            "value_bytes": arguments.value_bytes,
            "keys": arguments.keys,
            "requests": all.requests,
            "wrong": all.wrong,
            "seconds": seconds,
            "requests_per_second": rate.round(),
            "latency_us": latency_us,
        });
        return println!("{report}");
    }
    let ms = |us: u64| format!("{:.3}", us as f64 / 1000.0);
    let mut head =
        vec!["workload", "clients", "pipeline", "requests", "wrong", "seconds", "requests/s"];
    let mut row = vec![
        workload.to_owned(),
        arguments.clients.to_string(),
        arguments.pipeline.to_string(),
        all.requests.to_string(),
        all.wrong.to_string(),
        format!("{seconds:.2}"),
        format!("{rate:.0}"),
    ];
    let quantiles = QUANTILES.map(|(name, quantile)| (name, latencies.value_at_quantile(quantile)));
    for (name, us) in [("min ms", latencies.min())].into_iter().chain(quantiles) {
        head.push(name);
        row.push(ms(us));
    }
    head.push("max");
    row.push(ms(latencies.max()));
    let widths = head.iter().zip(&row).map(|(head, cell)| head.len().max(cell.len()));
    let widths: Vec<usize> = widths.collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    };
    line(head);
    line(row.iter().map(String::as_str).collect());
}
