//! `checks explore`: a run in a browser, in stateright's own Explorer.

use crate::catalog::{self, Ctl, Group, Kind, Kv, Mr, Named, Raft, Route, RunOf, Shard, ShardRaft};
use crate::engine::INTERRUPTED;
use crate::settings;
use stateright::Model;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Serves a run, by a mutant's rules if one is named, until it is interrupted. The error says what to ask instead.
pub fn run(
    name: &str,
    port: u16,
    mutant: Option<&str>,
    settings: &[String],
) -> Result<ExitCode, String> {
    match catalog::find(name)? {
        Named::Raft(run) => explore::<Raft>(run, port, mutant, settings),
        Named::Kv(run) => explore::<Kv>(run, port, mutant, settings),
        Named::Group(run) => explore::<Group>(run, port, mutant, settings),
        Named::Ctl(run) => explore::<Ctl>(run, port, mutant, settings),
        Named::Shard(run) => explore::<Shard>(run, port, mutant, settings),
        Named::Route(run) => explore::<Route>(run, port, mutant, settings),
        Named::Mr(run) => explore::<Mr>(run, port, mutant, settings),
        Named::ShardRaft(run) => explore::<ShardRaft>(run, port, mutant, settings),
    }
}

fn explore<K: Kind>(
    run: &RunOf<K::Right>,
    port: u16,
    id: Option<&str>,
    set: &[String],
) -> Result<ExitCode, String> {
    let bounds = settings::apply::<K::Right>(run.bounds, set)?;
    let hunt = id.map(catalog::mutant::<K>).transpose()?;
    let address = format!("127.0.0.1:{port}");
    if let Err(error) = std::net::TcpListener::bind(&address) {
        return Err(format!("can't listen on {address}: {error}; choose another --port"));
    }
    if Path::new("./ui").is_dir() {
        eprintln!("note: the Explorer takes its pages from the folder ./ui here");
    }
    std::thread::spawn(|| {
        while !INTERRUPTED.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::process::exit(0);
    });
    eprintln!("the Explorer is at http://{address}/ ; Ctrl-C ends it");
    match hunt {
        None => drop(K::right(bounds).checker().serve(address)),
        Some(hunt) => drop(K::wrong(hunt, bounds).checker().serve(address)),
    }
    Ok(ExitCode::SUCCESS)
}
