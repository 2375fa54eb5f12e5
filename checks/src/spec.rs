//! The matrix of SPEC.md: each id, and where it stands in the code, the model, a test, a mutant.
//!
//! What an id must have hangs on its prefix (`spec/kinds.rs`); `spec/sources.rs` says where ids stand. An id that
//! stands somewhere and not in SPEC.md is as wrong as one that is missing somewhere: nobody could say what it promises.

mod kinds;
mod sources;
#[cfg(test)]
mod tests;

use crate::catalog;
use crate::report::columns;
use kinds::{Column, KINDS, Kind};
use serde::Serialize;
use sources::{Sources, ids};
use std::collections::BTreeSet;
use std::path::Path;

/// Where one id of SPEC.md stands.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The id.
    pub id: String,
    /// In the transition functions, or in the runtime.
    pub code: Vec<String>,
    /// In the model.
    pub model: Vec<String>,
    /// In tests.
    pub test: Vec<String>,
    /// Mutants that break it, or that die by it; of the runtime, the bugs that its tests must find.
    pub mutant: Vec<String>,
    /// The columns that it must have and has not.
    pub gaps: Vec<&'static str>,
}

/// The whole matrix.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// By the order of SPEC.md.
    pub lines: Vec<Line>,
    /// Ids that stand somewhere and not in SPEC.md.
    pub unknown: Vec<String>,
}

/// A wrong version, and the ids that it breaks or dies by.
struct Wrong {
    name: String,
    ids: Vec<String>,
}

/// Reads SPEC.md and the sources of this checkout.
pub fn matrix(root: &Path) -> Result<Matrix, String> {
    let mutants = catalog::hunts().map(|hunt| {
        let prey = hunt.prey();
        let ids = [prey.rule.into(), property_id(prey.property)];
        let ids = ids.into_iter().filter(|id: &String| !id.is_empty()).collect();
        Wrong { name: prey.id.into(), ids }
    });
    let spec = sources::read(&root.join("SPEC.md"))?;
    Ok(compare(&spec, &Sources::of(root)?, mutants.collect()))
}

/// The id of a property that has this name.
fn property_id(name: &str) -> String {
    model::raft::ids()
        .chain(model::kv::IDS)
        .chain(model::group::IDS)
        .chain(model::shardctl::IDS)
        .chain(model::shardkv::IDS)
        .chain(model::router::IDS)
        .chain(model::mr::IDS)
        .find(|(_, property)| *property == name)
        .map_or_else(String::new, |(id, _)| id.into())
}

/// Holds what SPEC.md says against the sources and the mutants.
fn compare(spec: &str, sources: &Sources, mut wrong: Vec<Wrong>) -> Matrix {
    wrong.extend(sources.bugs().into_iter().map(|(name, id)| Wrong { name, ids: vec![id] }));
    let lines = spec.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    let lines = lines.map(|(id, _)| line(id, sources, &wrong)).collect::<Vec<_>>();
    let departures = spec.lines().filter_map(|line| line.strip_prefix("| DEP-")?.split_once(' '));
    let mut defined: BTreeSet<String> = departures.map(|(id, _)| format!("DEP-{id}")).collect();
    defined.extend(lines.iter().map(|line| line.id.clone()));
    let named = wrong.iter().flat_map(|wrong| wrong.ids.iter().cloned());
    let mentioned = sources.mentioned().into_iter().chain(named).chain(ids(spec));
    let unknown: BTreeSet<_> = mentioned.filter(|id| !defined.contains(id)).collect();
    Matrix { lines, unknown: unknown.into_iter().collect() }
}

fn line(id: &str, sources: &Sources, wrong: &[Wrong]) -> Line {
    let kind = KINDS.iter().find(|kind| id.starts_with(kind.prefix));
    let places = |column| kind.map_or_else(Vec::new, |kind| sources.places(id, kind.home, column));
    let mutant = wrong.iter().filter(|wrong| wrong.ids.iter().any(|broken| broken == id));
    let mut line = Line {
        id: id.into(),
        code: places(Column::Code),
        model: places(Column::Model),
        test: places(Column::Test),
        mutant: mutant.map(|wrong| wrong.name.clone()).collect(),
        gaps: Vec::new(),
    };
    line.gaps =
        kind.map_or_else(|| vec!["a row of the table of prefixes"], |kind| gaps(kind, &line));
    line
}

fn gaps(kind: &Kind, line: &Line) -> Vec<&'static str> {
    let missing = kind.needs(&line.id).filter(|column| match column {
        Column::Code => line.code.is_empty(),
        Column::Model => line.model.is_empty(),
        Column::Test => line.test.is_empty(),
        Column::Mutant => line.mutant.is_empty(),
    });
    missing.map(Column::name).collect()
}

/// The matrix as a table.
pub fn table(matrix: &Matrix) -> String {
    let head = ["id", "code", "model", "test", "mutants"].map(String::from);
    let short = |files: &[String]| match files {
        [] => "—".to_string(),
        [one] => base(one),
        [one, rest @ ..] => format!("{} +{}", base(one), rest.len()),
    };
    let rows: Vec<_> = matrix
        .lines
        .iter()
        .map(|line| {
            let mutants = if line.mutant.is_empty() { "—".into() } else { line.mutant.join(" ") };
            [line.id.clone(), short(&line.code), short(&line.model), short(&line.test), mutants]
        })
        .collect();
    let mut text = columns(&head, &rows, &[]);
    for line in &matrix.lines {
        if !line.gaps.is_empty() {
            text += &format!("{}: missing: {}\n", line.id, line.gaps.join(", "));
        }
    }
    for id in &matrix.unknown {
        text += &format!("{id}: stands in the sources and not in SPEC.md\n");
    }
    text + &format!("{} requirements\n", matrix.lines.len())
}

fn base(file: &str) -> String {
    file.rsplit('/').next().unwrap_or(file).to_string()
}
