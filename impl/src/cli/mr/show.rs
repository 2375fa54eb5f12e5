//! How far a job is and how it ended, for people and for programs.

use super::super::status::aligned;
use indicatif::{HumanBytes, HumanCount};
use quorate::mr::{COUNTERS, Phase, Stage, Status, map_counter, reduce_counter};
use serde_json::{Value, json};

/// A time, for people.
pub fn seconds(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{:.2} s", ms as f64 / 1000.0),
        s @ 60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Gathering => "waits for workers of an earlier coordinator".into(),
        Phase::Map => "maps".into(),
        Phase::Reduce => "reduces".into(),
        Phase::Done => "done".into(),
        Phase::Failed(why) => format!("failed: {why}"),
    }
}

/// Its tasks, its workers, and when the present phase will be over.
pub fn table(status: &Status) -> String {
    let eta = status.eta_ms.map_or_else(String::new, |ms| {
        format!(", the present phase is over in about {}", seconds(ms))
    });
    let mut text = format!(
        "job {:016x}: {}, for {}{eta}; {} attempts, {} failed\n",
        status.job,
        phase(&status.phase),
        seconds(status.elapsed_ms),
        status.attempts,
        status.failures,
    );
    let bytes = |stage: &Stage| match stage.bytes {
        0 => "-".to_owned(),
        all => format!("{} of {}", HumanBytes(stage.bytes_done), HumanBytes(all)),
    };
    let row = |name: &str, stage: &Stage| {
        let counts = [stage.all(), stage.idle, stage.running, stage.done];
        let [all, idle, running, done] = counts.map(|count| count.to_string());
        [name.to_owned(), all, idle, running, done, bytes(stage)]
    };
    text += &aligned(
        ["task", "all", "idle", "in progress", "completed", "bytes"],
        &[row("map", &status.map), row("reduce", &status.reduce)],
        1,
    );
    if status.workers.is_empty() {
        return text;
    }
    let rows = status.workers.iter().map(|worker| {
        let runs = worker.runs.clone().unwrap_or_else(|| "waits".into());
        let silent = if worker.silent { " (not heard for long)" } else { "" };
        let bytes = match worker.bytes {
            0 => "-".to_owned(),
            all => format!("{} of {}", HumanBytes(worker.bytes_done), HumanBytes(all)),
        };
        [worker.address.clone(), format!("{runs}{silent}"), worker.text.clone(), bytes]
    });
    let rows: Vec<_> = rows.collect();
    text += &aligned(["worker", "runs", "says", "bytes"], &rows, 3);
    text
}

/// How it ended, with what was counted.
pub fn summary(status: &Status) -> String {
    let time = seconds(status.elapsed_ms);
    let mut text = format!(
        "job {:016x}: {} in {time}; {} attempts, {} failed\n",
        status.job,
        phase(&status.phase),
        status.attempts,
        status.failures,
    );
    let tasks = |stage: &Stage| HumanCount(stage.all().into()).to_string();
    let mut rows = vec![["tasks".to_owned(), tasks(&status.map), tasks(&status.reduce)]];
    for (name, words) in COUNTERS {
        let [map, reduce] = [map_counter(name), reduce_counter(name)];
        let [map, reduce] = [map, reduce].map(|name| status.counter(&name));
        if map != 0 || reduce != 0 {
            let show = |sum: i64| match sum {
                0 => "-".to_owned(),
                sum => HumanCount(sum.unsigned_abs()).to_string(),
            };
            rows.push([words.to_owned(), show(map), show(reduce)]);
        }
    }
    text += &aligned(["", "map", "reduce"], &rows, 1);
    let own: Vec<_> = own(status).map(|(name, sum)| [name.clone(), sum.to_string()]).collect();
    if !own.is_empty() {
        text += &aligned(["counter", "sum"], &own, 1);
    }
    text
}

/// The application's own counters: their names are GROUP,NAME.
fn own(status: &Status) -> impl Iterator<Item = &(String, i64)> {
    status.counters.iter().filter(|(name, _)| name.contains(','))
}

fn stage(stage: &Stage) -> Value {
    json!({
        "tasks": stage.all(),
        "idle": stage.idle,
        "in_progress": stage.running,
        "completed": stage.done,
        "bytes_done": stage.bytes_done,
        "bytes": stage.bytes,
    })
}

/// All of it.
pub fn json(status: &Status) -> Value {
    let counters: serde_json::Map<_, _> =
        status.counters.iter().map(|(name, sum)| (name.clone(), (*sum).into())).collect();
    let (phase, failure) = match &status.phase {
        Phase::Gathering => ("gathering", None),
        Phase::Map => ("map", None),
        Phase::Reduce => ("reduce", None),
        Phase::Done => ("done", None),
        Phase::Failed(why) => ("failed", Some(why)),
    };
    let workers = status.workers.iter().map(|worker| {
        json!({
            "address": worker.address,
            "runs": worker.runs,
            "silent": worker.silent,
            "bytes_done": worker.bytes_done,
            "bytes": worker.bytes,
            "status": worker.text,
        })
    });
    json!({
        "job": format!("{:016x}", status.job),
        "life": status.life,
        "phase": phase,
        "failure": failure,
        "map": stage(&status.map),
        "reduce": stage(&status.reduce),
        "attempts": status.attempts,
        "failures": status.failures,
        "workers": workers.collect::<Vec<_>>(),
        "counters": counters,
        "elapsed_ms": status.elapsed_ms,
        "eta_ms": status.eta_ms,
    })
}
