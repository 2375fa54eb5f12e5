//! `checks play`: a path of a model, played on the product's threads.

use super::{Found, Played, Scene, counterexample, play, transcript, witness};
use crate::catalog::{self, AnyHunt, Group, Kind, Named, Raft};
use crate::paths;
use model::system::System;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// States in which a path is looked for, unless told.
const STATES: usize = 2_000_000;

/// What is asked.
#[derive(clap::Args)]
pub struct Args {
    /// A saved path's file; or a mutant's id, for its shortest counterexample; or a run and a corner that it reaches,
    /// as in `raft-election/Deposed`, for the shortest path there.
    path: String,
    /// Play a mutant's path with the right rules, to see where it ends.
    #[arg(long)]
    right: bool,
}

/// What a path has come to, as JSON.
#[derive(Serialize)]
struct Report {
    path: String,
    steps: usize,
    played: usize,
    refused: Option<String>,
    violated: Vec<&'static str>,
}

/// Plays a path. The error says what is wrong with what was asked, or how the threads differ from the model.
pub fn run(args: &Args, json: bool, states: Option<usize>) -> Result<ExitCode, String> {
    let states = states.unwrap_or(STATES);
    if Path::new(&args.path).is_file() {
        return of_file(args, json);
    }
    if let Some((run, corner)) = args.path.split_once('/') {
        return match catalog::find(run)? {
            Named::Raft(run) => {
                to_corner::<Raft>(run.bounds, run.reaches, corner, args, json, states)
            }
            Named::Group(run) => {
                to_corner::<Group>(run.bounds, run.reaches, corner, args, json, states)
            }
            Named::Kv(_) => Err(no_threads("kv")),
            Named::Ctl(_) => Err(no_threads("ctl")),
            Named::Shard(_) | Named::Route(_) => Err(no_threads("shard")),
            Named::ShardRaft(_) => Err(no_threads("shardraft")),
            Named::Mr(_) => Err(no_threads("mr")),
        };
    }
    match catalog::hunt(&args.path)? {
        AnyHunt::Raft(hunt) => of_mutant::<Raft>(hunt, args, json, states),
        AnyHunt::Group(hunt) => of_mutant::<Group>(hunt, args, json, states),
        AnyHunt::Kv(_) => Err(no_threads("kv")),
        AnyHunt::Ctl(_) => Err(no_threads("ctl")),
        AnyHunt::Shard(_) | AnyHunt::Route(_) => Err(no_threads("shard")),
        AnyHunt::ShardRaft(_) => Err(no_threads("shardraft")),
        AnyHunt::Mr(_) => Err(no_threads("mr")),
    }
}

fn no_threads(system: &str) -> String {
    format!(
        "the model `{system}` has no servers that run as threads: choose a path of raft or group"
    )
}

fn of_file(args: &Args, json: bool) -> Result<ExitCode, String> {
    let file = Path::new(&args.path);
    match paths::system_of(file)?.as_str() {
        "raft" => of_saved::<Raft>(file, args, json),
        "group" => of_saved::<Group>(file, args, json),
        other => Err(no_threads(other)),
    }
}

fn of_saved<K>(file: &Path, args: &Args, json: bool) -> Result<ExitCode, String>
where
    K: Kind<Right: Scene, Wrong: Scene>,
{
    let (mutant, bounds, path) = paths::read::<K::Right>(file)?;
    match mutant {
        Some(id) if !args.right => {
            tell(&K::wrong(catalog::mutant::<K>(&id)?, bounds), &path, args, json)
        }
        _ => tell(&K::right(bounds), &path, args, json),
    }
}

fn of_mutant<K>(hunt: &K::Hunt, args: &Args, json: bool, states: usize) -> Result<ExitCode, String>
where
    K: Kind<Right: Scene, Wrong: Scene>,
{
    let Found { path, .. } = counterexample::<K>(hunt, states)?;
    let system = if args.right { K::hunted(&K::control(hunt)) } else { K::hunted(hunt) };
    tell(&system, &path, args, json)
}

fn to_corner<K>(
    bounds: <K::Right as System>::Bounds,
    reaches: &[<K::Right as System>::Corner],
    name: &str,
    args: &Args,
    json: bool,
    states: usize,
) -> Result<ExitCode, String>
where
    K: Kind<Right: Scene>,
{
    let named = |corner: &&<K::Right as System>::Corner| format!("{corner:?}") == name;
    let Some(corner) = reaches.iter().find(named) else {
        let names: Vec<_> = reaches.iter().map(|corner| format!("{corner:?}")).collect();
        return Err(format!(
            "this run reaches no corner `{name}`; it reaches {}",
            names.join(", ")
        ));
    };
    let system = K::right(bounds);
    let Found { path, .. } = witness(&system, *corner, states)?;
    tell(&system, &path, args, json)
}

fn tell<G: Scene>(
    system: &G,
    path: &[G::Action],
    args: &Args,
    json: bool,
) -> Result<ExitCode, String> {
    system.is_playable()?;
    let played = match play(system, path) {
        Ok(played) => played,
        Err(differs) => {
            eprintln!("the threads differ from the model:\n{differs}");
            return Ok(ExitCode::from(1));
        }
    };
    let report = Report {
        path: args.path.clone(),
        steps: path.len(),
        played: played.steps.len(),
        refused: played.refused.as_ref().map(|refused| refused.action.clone()),
        violated: played.threads.iter().copied().collect(),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        print!("{}", text(&played, path.len()));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(played: &Played, steps: usize) -> String {
    let mut text = transcript(&played.steps);
    let taken = played.steps.len();
    if let Some(refused) = &played.refused {
        let _ = writeln!(text, "{:>3}  {}", taken + 1, refused.action);
        let _ = writeln!(text, "       model    {}", refused.model);
        let _ = writeln!(text, "       threads  {}", refused.threads);
    }
    let _ = writeln!(
        text,
        "{taken} of {steps} steps; behind each, threads and model are in the same state"
    );
    let names = |names: &std::collections::BTreeSet<&'static str>| {
        let names: Vec<_> = names.iter().copied().collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let _ = writeln!(text, "violated by the model:   {}", names(&played.model));
    let _ = writeln!(text, "violated by the threads: {}", names(&played.threads));
    text
}
