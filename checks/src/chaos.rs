//! `checks chaos`: real `quorate server` processes under real faults, and histories that are judged.
//!
//! The simulator has every fault and no operating system; this has the operating system. Servers are processes that are
//! killed and stopped, disks are file systems that fill up and freeze, the network is the kernel's with ways that
//! are cut, and clients speak the wire's words, some of them by a library that others wrote. What they were told is
//! noted in the order in which it happened, and must be what one store, one thing after the other, could have told
//! them.
//!
//! A seed fixes which faults come, when, and what clients choose. Not how threads and packets fall: a run with the same
//! seed is a similar run, and what a finding leaves behind is its evidence: the history, the servers' logs, their
//! folders.

pub mod admin;
pub mod chapter;
pub mod clients;
pub mod disks;
pub mod faults;
pub mod judge;
pub mod network;
pub mod nodes;
pub mod picture;
pub mod program;
pub mod report;
pub mod stage;
pub mod tally;

use crate::conform;
use chapter::{Chapter, Script, is_over};
use faults::Bag;
use judge::{Final, Judgement};
use linear::kv::{Bytes, file};
use linear::{Budget, Told};
use network::Hub;
use report::Report;
use stage::Logs;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tally::Tally;

/// How long a chapter is at most, without its end.
const CHAPTER: Duration = Duration::from_secs(40);
/// How many chapters' keys are kept, to be read again later. Older ones are deleted: the store stays small.
const KEPT: usize = 5;
/// How often there is a line about how it goes.
const TELL: Duration = Duration::from_secs(5);

/// What the nodes are connected by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Network {
    /// Namespaces of their own, in which every way can be cut; needs root and iproute2.
    Namespaces,
    /// This machine's loopback; nothing can be cut.
    Loopback,
}

/// What is tried, and how long.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// How long faults come and go, in minutes; fractions are fine.
    #[arg(long, value_parser = minutes)]
    minutes: f64,
    /// Which faults come, and what clients do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Server processes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=7))]
    nodes: u8,
    /// Groups of a sharded cluster, with a server on each node, as the controller has; slots move meanwhile. 0: one
    /// group with all slots, and no controller.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    groups: u8,
    /// Clients: one third each Clerks, ONCE through a stock client, and stock clients.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(12..=300))]
    clients: u16,
    /// What the nodes are connected by [default: namespaces where they can be had].
    #[arg(long, value_enum)]
    network: Option<Network>,
    /// The server program [default: `quorate` beside this program].
    #[arg(long, value_name = "PATH")]
    quorate: Option<PathBuf>,
    /// Record what goes into each server's machine, and replay it in the end: see `replay`.
    #[arg(long)]
    record: bool,
    /// The process that made the namespaces in which this one runs.
    #[arg(long, hide = true)]
    inside: Option<u32>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.05..=1440.0).contains(&minutes) {
        return Ok(minutes);
    }
    Err("it must be 0.05 to 1440: three seconds to a day".into())
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It can't be tried like that here.
    #[error("{0}")]
    Usage(String),
    /// It could not be brought to its end.
    #[error("{0}")]
    Broken(String),
}

/// Runs it, prints what came of it, and leaves a picture in `out`; after a failure, the evidence too. The exit code:
/// as elsewhere 1 is a finding, 2 is cut off, 64 is what can't be tried like that here.
pub fn run(args: &Args, out: &Path, as_json: bool) -> ExitCode {
    ExitCode::from(try_run(args, out, as_json).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        if matches!(error, Error::Usage(_)) { 64 } else { 1 }
    }))
}

fn try_run(args: &Args, out: &Path, as_json: bool) -> Result<u8, Error> {
    let program = program::find(args.quorate.as_deref()).map_err(Error::Usage)?;
    let mut missing = None;
    if args.inside.is_none() {
        network::sweep();
        missing = program::no_namespaces();
        let wanted = args.network.unwrap_or(match missing {
            None => Network::Namespaces,
            Some(_) => Network::Loopback,
        });
        match (wanted, &missing) {
            (Network::Namespaces, Some(why)) => {
                return Err(Error::Usage(format!(
                    "there can be no network namespaces here: {why}. Run it as root with iproute2 \
                     installed, or with --network loopback and without partitions"
                )));
            }
            (Network::Namespaces, None) => {
                let hub = Hub::create(args.nodes.into()).map_err(Error::Usage)?;
                return hub.rerun().map_err(Error::Broken);
            }
            (Network::Loopback, _) => {
                missing.get_or_insert_with(|| "--network loopback".into());
            }
        }
    }
    let plan = stage::Plan {
        program,
        nodes: args.nodes.into(),
        groups: args.groups,
        seed: args.seed,
        inside: args.inside,
        record: args.record,
        out: out.into(),
    };
    let mut set = stage::set(&plan, missing.as_deref()).map_err(Error::Broken)?;
    let mut run = Run::new(args, &set);
    let ended = run.play(args, &mut set);
    if let Err(problem) = ended {
        run.report.problems.push(problem);
    }
    run.finish(set, out, as_json).map_err(Error::Broken)
}

/// A run, as far as it has come.
struct Run {
    tally: Tally,
    report: Report,
    /// Of the last chapters, the oldest first.
    settled: VecDeque<Settled>,
}

/// What the keys of a chapter that is over held, and which may change yet: a write to them is open.
struct Settled {
    keys: BTreeMap<Bytes, Final>,
    open: BTreeSet<Bytes>,
}

impl Run {
    fn new(args: &Args, set: &stage::Set) -> Self {
        let report = Report {
            seed: args.seed,
            minutes: args.minutes,
            nodes: args.nodes.into(),
            groups: args.groups,
            clients: args.clients.into(),
            network: if args.inside.is_some() { "namespaces" } else { "loopback" },
            not_tried: set.not_tried.clone(),
            ..Report::default()
        };
        Self { tally: Tally::default(), report, settled: VecDeque::new() }
    }

    fn play(&mut self, args: &Args, set: &mut stage::Set) -> Result<(), String> {
        let whole = Duration::from_secs_f64(args.minutes * 60.0);
        let chapters = (whole.as_secs_f64() / CHAPTER.as_secs_f64()).ceil().max(1.0);
        let length = whole.div_f64(chapters);
        let mut bag = Bag::new(set.world.kinds(args.inside.is_some()), args.seed);
        let addresses: Vec<_> = set.world.nodes.iter().map(|node| node.address).collect();
        let mut told = Instant::now();
        for number in 0..chapters as usize {
            let script = Script {
                number,
                length,
                plan: bag.plan(length),
                clients: args.clients.into(),
                addresses: addresses.clone(),
                seed: args.seed,
                parent: args.inside,
            };
            let tally = &self.tally;
            let mut tell = |faults: &str| {
                if told.elapsed() >= TELL {
                    told = Instant::now();
                    eprintln!("{}", report::progress(tally, faults));
                }
            };
            let chapter = chapter::play(&script, &mut set.world, &self.tally, &mut tell);
            self.judge(chapter, number, &set.folder)?;
            self.report.problems.append(&mut set.world.problems);
            self.report.problems.append(&mut self.tally.take_odd());
            if is_over(args.inside) {
                self.report.interrupted = true;
                break;
            }
            if !self.report.problems.is_empty() {
                break;
            }
            if self.settled.len() > KEPT {
                let keys = self.read_again(set)?;
                chapter::delete(&addresses, &set.world.password, &keys)?;
            }
        }
        // What has failed has said so; its nodes may not even answer.
        if self.report.interrupted || !self.report.problems.is_empty() {
            return Ok(());
        }
        while !self.settled.is_empty() {
            self.read_again(set)?;
        }
        if args.groups > 0 {
            self.report.configurations = admin::settle(&set.world)?;
        }
        self.report.problems.extend(set.world.sizes_differ());
        Ok(())
    }

    /// Judges a chapter, and keeps its history if something is wrong.
    fn judge(&mut self, chapter: Chapter, number: usize, folder: &Path) -> Result<(), String> {
        let Chapter { history, stock, finals, faults, trouble } = chapter;
        let mut problems = judge::compare_nodes(&finals);
        let first = finals.into_iter().next().unwrap_or_default();
        let begun = Instant::now();
        let mut judgement = Judgement::default();
        match trouble {
            Some(trouble) => {
                problems.push(trouble);
                judge::order(&history, Budget::default(), &mut judgement);
            }
            None => judgement = judge::judge(&history, &first, &stock, Budget::default()),
        }
        self.report.judged_s += begun.elapsed().as_secs_f64();
        self.report.faults.extend(faults);
        self.report.chapters += 1;
        problems.append(&mut judgement.problems);
        self.report.operations += judgement.operations;
        self.report.pending += judgement.pending;
        self.report.acknowledged += judgement.acknowledged;
        self.report.found += judgement.found;
        self.report.duplicates += judgement.duplicates;
        let mut opened = BTreeSet::new();
        for operation in history.operations() {
            let open = !matches!(operation.end, Some((_, Told::Reply(_) | Told::NotExecuted)));
            if open {
                opened.extend(operation.op.singles().filter_map(|op| op.key()).cloned());
            }
        }
        self.settled.push_back(Settled { keys: first, open: opened });
        if !problems.is_empty() {
            let path = folder.join(format!("history-{number}.jsonl"));
            let written =
                File::create(&path).and_then(|out| file::write(&history, BufWriter::new(out)));
            written.map_err(|error| format!("can't write {}: {error}", path.display()))?;
            self.report.histories.push(path.display().to_string());
            self.report.problems.append(&mut problems);
        }
        Ok(())
    }

    /// Reads the keys of the oldest chapter once more by every node: what was settled must be as it was.
    fn read_again(&mut self, set: &stage::Set) -> Result<BTreeSet<Bytes>, String> {
        let Some(Settled { keys: before, open }) = self.settled.pop_front() else {
            return Ok(BTreeSet::new());
        };
        let keys: BTreeSet<Bytes> = before.keys().cloned().collect();
        let mut said = Vec::new();
        for node in &set.world.nodes {
            said.push(chapter::read_by(node.address, &set.world.password, None, &keys)?);
        }
        self.report.problems.extend(judge::compare_nodes(&said));
        self.report.keys += keys.len() as u64;
        for (key, before) in &before {
            let now = said.first().and_then(|all| all.get(key));
            if now != Some(before) && !open.contains(key) {
                let key = String::from_utf8_lossy(key);
                self.report.problems.push(format!("{key} has changed, and nobody has written"));
            }
        }
        Ok(keys)
    }

    /// Prints, draws, and leaves behind what there is to see.
    fn finish(mut self, set: stage::Set, out: &Path, as_json: bool) -> Result<u8, String> {
        let stage::Set { mut world, folder, .. } = set;
        let Logs { panics, elections, snapshots } = Logs::read(&world);
        self.report.problems.extend(panics);
        (self.report.elections, self.report.snapshots) = (elections, snapshots);
        self.report.starts = world.nodes.iter().map(|node| u64::from(node.starts)).sum();
        self.report.ended = world.ended;
        let traces: Vec<_> = world.nodes.iter().filter_map(|node| node.trace.clone()).collect();
        self.report.take(&self.tally);
        // Processes first, then what they stood on.
        world.nodes.clear();
        if !traces.is_empty() {
            match conform::replay(&traces, conform::Network::Once) {
                Ok(summary) => self.report.replayed = Some(summary),
                Err(refusal) => self.report.problems.push(format!("replay: {refusal}")),
            }
        }
        let failed = !self.report.problems.is_empty();
        if failed {
            world.save();
        }
        drop(world);
        let picture = out.join(format!("chaos-{}.svg", self.report.seed));
        std::fs::write(&picture, picture::draw(&self.report, &self.tally.steps()))
            .map_err(|error| format!("can't write {}: {error}", picture.display()))?;
        self.report.picture = picture.display().to_string();
        if failed {
            self.report.evidence = Some(folder.display().to_string());
            let json = serde_json::to_string_pretty(&self.report).map_err(|e| e.to_string())?;
            let path = folder.join("report.json");
            std::fs::write(&path, json).map_err(|error| error.to_string())?;
        }
        stage::clear(&folder, failed);
        if as_json {
            let json = serde_json::to_string_pretty(&self.report).map_err(|e| e.to_string())?;
            println!("{json}");
        } else {
            print!("{}", report::text(&self.report));
        }
        Ok(match (failed, self.report.interrupted) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        })
    }
}
