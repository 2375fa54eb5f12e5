//! Hunts the mutants: would we have noticed?

use crate::catalog::{self, AnyHunt, Ctl, Group, Kind, Kv, Mr, Raft, Route, Shard, ShardRaft};
use crate::engine::{self, Cut, INTERRUPTED};
use crate::paths;
use crate::report::{columns, grouped};
use crate::runner::Settings;
use model::mutants::NEVER_REACHED;
use model::search::{self, Outcome};
use model::system::System;
use serde::Serialize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How a hunt ended.
#[derive(Clone, Debug, Serialize)]
pub struct Hunted {
    /// The mutant.
    pub id: &'static str,
    /// What is wrong with it.
    pub text: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
    /// The property that noticed it.
    pub died_by: Option<&'static str>,
    /// The property that had to.
    pub expected: &'static str,
    /// Steps of the prefix from which the hunt began.
    pub prefix: usize,
    /// Steps from there.
    pub steps: usize,
    /// States visited.
    pub states: usize,
    /// Wall time.
    #[serde(skip)]
    pub seconds: f64,
    /// What the same hunt found wrong with the right rules, within as many states: nothing, or the hunt
    /// shows nothing.
    pub control: Option<&'static str>,
    /// Why the hunt was cut off before it came to an end.
    pub cut: Option<Cut>,
    /// What went wrong with the hunt itself.
    pub error: Option<String>,
}

impl Hunted {
    /// Whether the mutant died by the property that had to notice it.
    pub fn killed(&self) -> bool {
        let sound = self.control.is_none() && self.cut.is_none() && self.error.is_none();
        self.died_by == Some(self.expected) && sound
    }

    /// How it ended, in words.
    pub fn word(&self) -> &'static str {
        match self {
            _ if self.killed() => "killed",
            Self { cut: Some(_), control: None, error: None, .. } => "not exhausted",
            _ => "NOT KILLED",
        }
    }
}

/// Hunts one mutant. `show` prints the transcript and saves the path.
pub fn hunt(hunt: AnyHunt, settings: &Settings, show: bool) -> Hunted {
    let start = Instant::now();
    let prey = hunt.prey();
    let mut hunted = Hunted {
        id: prey.id,
        text: prey.text,
        rule: prey.rule,
        died_by: None,
        expected: prey.property,
        prefix: 0,
        steps: 0,
        states: 0,
        seconds: 0.0,
        control: None,
        cut: None,
        error: None,
    };
    let ended = match hunt {
        AnyHunt::Raft(hunt) => search_for::<Raft>(hunt, settings, show, &mut hunted),
        AnyHunt::Kv(hunt) => search_for::<Kv>(hunt, settings, show, &mut hunted),
        AnyHunt::Group(hunt) => search_for::<Group>(hunt, settings, show, &mut hunted),
        AnyHunt::Ctl(hunt) => search_for::<Ctl>(hunt, settings, show, &mut hunted),
        AnyHunt::Shard(hunt) => search_for::<Shard>(hunt, settings, show, &mut hunted),
        AnyHunt::Route(hunt) => search_for::<Route>(hunt, settings, show, &mut hunted),
        AnyHunt::Mr(hunt) => search_for::<Mr>(hunt, settings, show, &mut hunted),
        AnyHunt::ShardRaft(hunt) => search_for::<ShardRaft>(hunt, settings, show, &mut hunted),
    };
    hunted.error = ended.err();
    hunted.seconds = start.elapsed().as_secs_f64();
    hunted
}

fn search_for<K: Kind>(
    hunt: &K::Hunt,
    settings: &Settings,
    show: bool,
    hunted: &mut Hunted,
) -> Result<(), String> {
    let system = K::hunted(hunt);
    let (prefix, state) = K::begin(hunt, &system)?;
    hunted.prefix = prefix.len();
    let over = || engine::over_limit(0, settings.limits);
    let cut_off = || over().is_some();
    let report = search::shortest(&system, state, settings.limits.states, &cut_off);
    (hunted.states, hunted.steps) = (report.states, report.depth);
    match report.outcome {
        Outcome::Violated { property, path, .. } => {
            hunted.died_by = Some(property);
            if show {
                let (id, name) = (hunted.id, format!("mutant-{}", hunted.id));
                let actions: Vec<_> = prefix.iter().chain(&path).cloned().collect();
                let saved =
                    paths::save(&name, Some(id), &system, Some(property), prefix.len(), &actions);
                let file = paths::write(&saved, &system, &settings.out)?;
                eprintln!("{}", system.transcript(&actions));
                if !prefix.is_empty() {
                    eprintln!("the first {} steps are the hunt's prefix", prefix.len());
                }
                eprintln!("diagram: {}", file.with_extension("svg").display());
                eprintln!("replay:  cargo run --release -p checks -- replay {}", file.display());
            }
        }
        Outcome::Exhausted => {
            hunted.died_by = K::missed(hunt, &system).then_some(NEVER_REACHED);
        }
        Outcome::CutOff => {
            let whole = report.states >= settings.limits.states;
            hunted.cut = Some(if whole { Cut::States } else { over().unwrap_or(Cut::Memory) });
            return Ok(());
        }
    }
    (hunted.control, hunted.cut) = control::<K>(hunt, hunted.states, settings)?;
    Ok(())
}

/// What the right rules break in the same hunt, and why that search was cut off if it was.
fn control<K: Kind>(
    hunt: &K::Hunt,
    states: usize,
    settings: &Settings,
) -> Result<(Option<&'static str>, Option<Cut>), String> {
    let control = K::control(hunt);
    let system = K::hunted(&control);
    let (_, start) = K::begin(&control, &system)
        .map_err(|error| format!("the prefix is not one of the right rules: {error}"))?;
    let never = K::prey(hunt).property == NEVER_REACHED;
    let limit = if never { usize::MAX } else { states.max(1_000) };
    let over = || engine::over_limit(0, settings.limits);
    let report = search::shortest(&system, start, limit, &|| over().is_some());
    Ok(match report.outcome {
        Outcome::Violated { property, .. } => (Some(property), None),
        // Memory may be back below its limit by now; the search was cut off all the same.
        Outcome::CutOff if report.states < limit => (None, over().or(Some(Cut::Memory))),
        Outcome::Exhausted | Outcome::CutOff => {
            (K::missed(&control, &system).then_some(NEVER_REACHED), None)
        }
    })
}

/// Hunts many, on as many threads as the settings say; `tell` is called with each as it ends.
pub fn hunt_all(
    hunts: &[AnyHunt],
    settings: &Settings,
    tell: impl Fn(&Hunted) + Sync,
) -> Vec<Hunted> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..settings.threads {
            scope.spawn(|| {
                while let Some(&one) = hunts.get(next.fetch_add(1, Ordering::Relaxed))
                    && !INTERRUPTED.load(Ordering::Relaxed)
                {
                    let hunted = hunt(one, settings, hunts.len() == 1);
                    tell(&hunted);
                    done.lock().expect("no hunt panics").push(hunted);
                }
            });
        }
    });
    let mut all = done.into_inner().expect("no hunt panics");
    all.sort_by_key(|hunted| catalog::hunts().position(|hunt| hunt.prey().id == hunted.id));
    all
}

/// The table of hunts.
pub fn table(all: &[Hunted]) -> String {
    let head =
        ["mutant", "rule", "died by", "steps", "states", "s", "what is wrong"].map(String::from);
    let rows: Vec<_> = all
        .iter()
        .map(|hunted| {
            let died = match hunted.died_by {
                Some(property) if hunted.killed() => property.to_string(),
                Some(property) => format!("{property}, not {}", hunted.expected),
                None if hunted.cut.is_some() => "not exhausted".into(),
                None => "SURVIVED".into(),
            };
            let steps = match hunted.prefix {
                0 => hunted.steps.to_string(),
                prefix => format!("{prefix}+{}", hunted.steps),
            };
            [
                hunted.id.into(),
                hunted.rule.into(),
                died,
                steps,
                grouped(hunted.states),
                format!("{:.1}", hunted.seconds),
                hunted.text.into(),
            ]
        })
        .collect();
    let killed = all.iter().filter(|hunted| hunted.killed()).count();
    let mut text = columns(&head, &rows, &[3, 4, 5]);
    text += &format!("{killed} of {} mutants killed\n", all.len());
    for hunted in all {
        if let Some(property) = hunted.control {
            text += &format!("{}: the right rules fail the same hunt by {property}\n", hunted.id);
        }
        if let Some(cut) = hunted.cut {
            text += &format!("{}: not exhausted: {}\n", hunted.id, cut.text());
        }
        if let Some(error) = &hunted.error {
            text += &format!("{}: {error}\n", hunted.id);
        }
    }
    text
}
