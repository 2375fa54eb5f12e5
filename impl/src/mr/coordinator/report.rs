//! What the core says of itself, in words and figures.

use super::core::Core;
use crate::mr::status::{Phase, Stage, Status, WorkerStatus};
use protocol::mr::{AttemptId, Doing, Ending, Fault, Kind, Tally, TaskId};
use std::net::SocketAddr;

/// An attempt, for people.
pub(super) fn attempt(attempt: AttemptId) -> String {
    let kind = match attempt.task.kind {
        Kind::Map => "map",
        Kind::Reduce => "reduce",
    };
    format!("{kind} {}, attempt {}.{}", attempt.task.index, attempt.life(), attempt.number())
}

fn fault(fault: &Fault<String>) -> String {
    match fault {
        Fault::Failed(cause) => cause.clone(),
        Fault::NotPublished(cause) => format!("its output could not get its name: {cause}"),
        Fault::Gone => "its worker is gone".to_owned(),
        Fault::Silent => "its worker said nothing of it for too long".to_owned(),
        Fault::Lost => "its output can't be read any more; it is run again".to_owned(),
    }
}

/// A failure, for people; at which record, and by whose worker, as far as that is known.
pub(super) fn failure(
    failed: AttemptId,
    why: &Fault<String>,
    at: Option<u64>,
    worker: Option<SocketAddr>,
) -> String {
    let at = at.map_or_else(String::new, |record| format!(" at record {record}"));
    let worker = worker.map_or_else(String::new, |address| format!(" by {address}"));
    format!("{}{worker}{at}: {}", attempt(failed), fault(why))
}

fn stage(tally: Tally, kind: Kind) -> Stage {
    let Tally { idle, running, won, published } = tally;
    let (running, done) = match kind {
        Kind::Map => (running, won + published),
        Kind::Reduce => (running + won, published),
    };
    Stage { idle, running, done, bytes_done: 0, bytes: 0 }
}

fn stages(core: &Core) -> (Stage, Stage) {
    let machine = &core.machine;
    let mut map = stage(machine.tally(Kind::Map), Kind::Map);
    let mut reduce = stage(machine.tally(Kind::Reduce), Kind::Reduce);
    for (index, split) in core.splits.iter().enumerate() {
        map.bytes += split.length;
        let task = TaskId { kind: Kind::Map, index: index as u32 };
        if machine.winner(task).is_some() {
            map.bytes_done += split.length;
        }
    }
    for (attempt, gauge) in &core.gauges {
        match attempt.task.kind {
            Kind::Map => map.bytes_done += gauge.done,
            Kind::Reduce => {
                reduce.bytes_done += gauge.done;
                reduce.bytes += gauge.total;
            }
        }
    }
    map.bytes_done = map.bytes_done.min(map.bytes);
    (map, reduce)
}

fn workers(core: &Core) -> Vec<WorkerStatus> {
    let one = |(worker, doing)| {
        let (runs, silent) = match doing {
            Doing::Parked => (None, false),
            Doing::Busy(attempt) => (Some(attempt), false),
            Doing::Silent(attempt) => (Some(attempt), true),
        };
        let gauge = runs.and_then(|attempt| core.gauges.get(&attempt)).cloned();
        let gauge = gauge.unwrap_or_default();
        let address = core.address_of(worker);
        WorkerStatus {
            address: address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            runs: runs.map(attempt),
            silent,
            bytes_done: gauge.done,
            bytes: gauge.total,
            text: gauge.text,
        }
    };
    core.machine.workers().map(one).collect()
}

/// How far the job is.
pub(super) fn status(core: &Core) -> Status {
    let machine = &core.machine;
    let (map, reduce) = stages(core);
    let workers = workers(core);
    let phase = match machine.ending() {
        Some(Ending::Done) => Phase::Done,
        Some(Ending::Failed(failed, why)) => Phase::Failed(failure(*failed, why, None, None)),
        None if machine.is_gathering() => Phase::Gathering,
        None if map.done < map.all() => Phase::Map,
        None => Phase::Reduce,
    };
    let (kind, left) = match phase {
        Phase::Map => (Kind::Map, map.all() - map.done),
        _ => (Kind::Reduce, reduce.all() - reduce.done),
    };
    let eta_us = core.pace.mean_us(kind).filter(|_| !workers.is_empty());
    let eta_us = eta_us.map(|mean_us| mean_us * u64::from(left).div_ceil(workers.len() as u64));
    let under_way = matches!(phase, Phase::Map | Phase::Reduce);
    Status {
        job: machine.spec().job,
        life: machine.life(),
        phase,
        map,
        reduce,
        attempts: machine.runs(),
        failures: core.failures,
        workers,
        counters: machine.counters().iter().map(|(name, sum)| (name.to_owned(), sum)).collect(),
        elapsed_ms: core.now_us() / 1000,
        eta_ms: eta_us.filter(|_| under_way).map(|us| us.div_ceil(1000)),
    }
}
