//! Which files name which ids.

use super::kinds::{Column, Home, KINDS};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where ids stand.
const FOLDERS: [&str; 7] = [
    "model/protocol/src",
    "model/src",
    "model/protocol/tests",
    "model/tests",
    "checks/tests",
    "impl/src",
    "impl/tests",
];
/// Where they are spoken of.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "impl/WAL.md"];
/// The wrong versions of the runtime's and the groups' rules, under their ids.
const BUGS: &str = "bugs.rs";
/// Where those lie.
const WITH_BUGS: [&str; 2] = ["impl/tests/", "model/protocol/tests/"];

/// The sources and what is in them.
#[derive(Debug, Default)]
pub struct Sources {
    /// Path from the root, text.
    pub files: Vec<(String, String)>,
}

/// The ids in a text: `RAFT-VOTE-1`, `PROP-READS`, `RED-VOID`.
pub fn ids(text: &str) -> Vec<String> {
    let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let mut found = Vec::new();
    for kind in KINDS.map(|kind| kind.prefix) {
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

/// What looks like an id at the head of a comment, `// NEW-RULE: …`, so that an unknown prefix is noticed.
fn heads(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let comment = line.trim_start().strip_prefix("//")?;
        let (head, _) =
            comment.trim_start_matches(['/', '!']).trim_start().split_once(['.', ':', ','])?;
        let (prefix, rest) = head.split_once('-')?;
        let upper = |part: &str| {
            let mut all = part.chars();
            part.len() > 1 && all.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        };
        let letters = rest.chars().any(|c| c.is_ascii_uppercase());
        (upper(prefix) && upper(rest) && letters).then(|| head.to_string())
    })
}

/// A file's text.
pub fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))
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

impl Sources {
    /// Those of a checkout.
    pub fn of(root: &Path) -> Result<Self, String> {
        let mut paths: Vec<_> = DOCUMENTS.iter().map(|name| root.join(name)).collect();
        for folder in FOLDERS {
            rust_and_transcripts(&root.join(folder), &mut paths);
        }
        let file = |path: PathBuf| {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            Ok((name, read(&path)?))
        };
        Ok(Self { files: paths.into_iter().map(file).collect::<Result<_, String>>()? })
    }

    /// All that they call ids.
    pub fn mentioned(&self) -> BTreeSet<String> {
        let all = self.files.iter().flat_map(|(_, text)| ids(text).into_iter().chain(heads(text)));
        all.collect()
    }

    /// The files that have an id in a column.
    pub fn places(&self, id: &str, home: Home, column: Column) -> Vec<String> {
        let has = |(name, text): &&(String, String)| {
            is_in(name, home, column) && ids(text).iter().any(|found| found == id)
        };
        self.files.iter().filter(has).map(|(name, _)| name.clone()).collect()
    }

    /// Names and ids of the wrong versions. One counts only if a test of its folder is run with it: its name is handed
    /// to a function, as a type or a value.
    pub fn bugs(&self) -> Vec<(String, String)> {
        let mut bugs = Vec::new();
        for (name, text) in &self.files {
            let Some(folder) = name
                .strip_suffix(BUGS)
                .filter(|name| WITH_BUGS.iter().any(|at| name.starts_with(at)))
            else {
                continue;
            };
            let tests: Vec<_> =
                self.files.iter().filter(|(name, _)| name.starts_with(folder)).collect();
            for (id, bug) in under_ids(text) {
                let uses = [format!("::<{bug}>"), format!("({bug},"), format!("({bug})")];
                let used = |line: &str| {
                    !line.trim_start().starts_with("//") && uses.iter().any(|it| line.contains(it))
                };
                if tests.iter().any(|(_, text)| text.lines().any(used)) {
                    bugs.push((bug, id));
                }
            }
        }
        bugs
    }
}

/// The words that stand under comments of the form `// ID: what is wrong`.
fn under_ids(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        let head = line.strip_prefix("// ").and_then(|rest| rest.split_once(": "));
        let Some(id) = head.map(|(head, _)| head).filter(|head| ids(head) == [*head]) else {
            continue;
        };
        let word = lines.by_ref().find(|line| !line.starts_with("//")).unwrap_or_default();
        let word: String = word.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !word.is_empty() {
            found.push((id.to_string(), word));
        }
    }
    found
}

fn is_in(name: &str, home: Home, column: Column) -> bool {
    let folders: &[&str] = match (home, column) {
        (Home::Protocol, Column::Code) => &["model/protocol/src/"],
        (Home::Protocol, Column::Model) => &["model/src/"],
        (Home::Protocol, Column::Test) => {
            &["model/protocol/tests/", "model/tests/", "checks/tests/"]
        }
        (Home::Log | Home::Threads | Home::Trace, Column::Code) => &["impl/src/"],
        (Home::Log, Column::Test) => &["impl/tests/wal/"],
        (Home::Threads, Column::Test) => &["impl/tests/loom/"],
        (Home::Trace, Column::Test) => &["checks/tests/"],
        (_, Column::Model | Column::Mutant) => &[],
    };
    let wrong = match home {
        Home::Protocol => column == Column::Model && name.contains("/mutants"),
        _ => name.ends_with(&format!("/{BUGS}")),
    };
    folders.iter().any(|folder| name.starts_with(folder)) && !wrong
}
