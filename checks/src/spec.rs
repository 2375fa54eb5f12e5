//! The matrix of SPEC.md: each id, and where it stands in the code, the model, a test, a mutant.

use crate::catalog;
use crate::report::columns;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where one id of SPEC.md stands.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The id.
    pub id: String,
    /// In the transition functions.
    pub code: Vec<String>,
    /// In the model.
    pub model: Vec<String>,
    /// In tests.
    pub test: Vec<String>,
    /// Mutants that break it, or that die by it.
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

/// Ids of rules, properties and reductions: `RAFT-VOTE-1`, `PROP-READS`, `RED-VOID`.
fn ids(text: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let mut found = Vec::new();
    for kind in ["RAFT-", "KV-", "CLERK-", "LOCK-", "LEASE-", "RSM-", "PROP-", "RED-"] {
        for (place, _) in text.match_indices(kind) {
            let starts_word = text[..place].chars().next_back().is_none_or(|c| !part(c));
            let id: String = text[place..].chars().take_while(|&c| part(c)).collect();
            let id = id.trim_end_matches('-').to_string();
            if starts_word && id.len() > kind.len() {
                found.push(id);
            }
        }
    }
    found
}

fn rust_and_transcripts(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_and_transcripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "txt")
        {
            found.push(path);
        }
    }
}

/// Which files below a folder name which ids.
fn places(root: &Path, folders: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in folders {
        let mut files = Vec::new();
        rust_and_transcripts(&root.join(folder), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| format!("can't read {}: {error}", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            for id in ids(&text) {
                places.entry(id).or_default().insert(name.clone());
            }
        }
    }
    Ok(places)
}

/// Reads SPEC.md and the sources of this checkout.
pub fn matrix(root: &Path) -> Result<Matrix, String> {
    let file = root.join("SPEC.md");
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let defined: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(id, _)| id.to_string())
        .collect();
    let code = places(root, &["model/protocol/src"])?;
    let mut model = places(root, &["model/src"])?;
    for files in model.values_mut() {
        files.retain(|file| !file.contains("/mutants"));
    }
    let test = places(root, &["model/protocol/tests", "model/tests", "checks/tests"])?;
    let take = |from: &BTreeMap<String, BTreeSet<String>>, id: &str| {
        from.get(id).map(|files| files.iter().cloned().collect()).unwrap_or_default()
    };
    let preys: Vec<_> = catalog::hunts().map(|hunt| hunt.prey()).collect();
    let lines = defined.iter().map(|id| {
        let mutant =
            preys.iter().filter(|prey| prey.rule == id || property_id(prey.property) == *id);
        let mut line = Line {
            id: id.clone(),
            code: take(&code, id),
            model: take(&model, id),
            test: take(&test, id),
            mutant: mutant.map(|prey| prey.id.to_string()).collect(),
            gaps: Vec::new(),
        };
        line.gaps = gaps(&line);
        line
    });
    let lines: Vec<_> = lines.collect();
    let all = code.keys().chain(model.keys()).chain(test.keys()).cloned();
    let rules = preys.iter().map(|prey| prey.rule.to_string());
    let unknown: BTreeSet<_> = all.chain(rules).filter(|id| !defined.contains(id)).collect();
    Ok(Matrix { lines, unknown: unknown.into_iter().collect() })
}

/// The id of a property that has this name.
fn property_id(name: &str) -> String {
    model::raft::ids()
        .chain(model::kv::IDS)
        .chain(model::group::IDS)
        .find(|(_, property)| *property == name)
        .map_or_else(String::new, |(id, _)| id.into())
}

/// A rule needs code, model, test and mutant. What only the model does (properties, and rules of the disk)
/// needs no line in the machine; a reduction needs the model and the test that compares it.
fn gaps(line: &Line) -> Vec<&'static str> {
    let disk = line.id.starts_with("RAFT-DISK-2") || line.id.starts_with("RAFT-SNAP-6");
    let rules = ["RAFT-", "KV-", "CLERK-", "LOCK-", "LEASE-", "RSM-"];
    let rule = rules.iter().any(|kind| line.id.starts_with(kind));
    let reduction = line.id.starts_with("RED-");
    let mut gaps = Vec::new();
    if rule && !disk && line.code.is_empty() {
        gaps.push("code");
    }
    if line.model.is_empty() {
        gaps.push("model");
    }
    if line.test.is_empty() {
        gaps.push("test");
    }
    if !reduction && line.mutant.is_empty() {
        gaps.push("mutant");
    }
    gaps
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
