//! Scripts: files of commands, played against a group, with every consequence below its command.

mod expect;
mod player;
mod select;

use player::Player;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

const UPDATE: &str = "UPDATE_TRANSCRIPTS";

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "transcripts"].iter().collect()
}

/// The names of all scripts.
pub fn names() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).expect("the folder is part of the package");
    files
        .map(|file| file.expect("its files can be listed").path())
        .map(|path| {
            assert_eq!(path.extension().and_then(|name| name.to_str()), Some("txt"), "{path:?}");
            path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
        })
        .collect()
}

/// Plays a script and compares, or rewrites it.
pub fn check(name: &str) {
    let file = format!("{name}.txt");
    let path = folder().join(&file);
    let old = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let new = play(&file, &old).unwrap_or_else(|error| panic!("{error}"));
    assert!(old.starts_with('#'), "{file}:1: a transcript begins with what it is about");
    if env::var_os(UPDATE).is_some() {
        if old != new {
            fs::write(&path, new).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        }
    } else if let Some(difference) = difference(&file, &old, &new) {
        panic!(
            "the protocol does something else than the transcript says:\n\n{difference}\n\
             If that is meant: {UPDATE}=1 cargo test -p protocol --test transcripts, \
             then review it with git diff.\n"
        );
    }
}

/// Plays a script: the same text with fresh consequences, or what is wrong with it, and where.
pub fn play(file: &str, text: &str) -> Result<String, String> {
    let mut player = Player::default();
    let mut fresh = String::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with(' ') {
            continue;
        }
        fresh.push_str(line.trim_end());
        fresh.push('\n');
        let command = line.split('#').next().unwrap_or_default().trim();
        if command.is_empty() {
            continue;
        }
        let lines = player
            .command(command)
            .map_err(|problem| format!("{file}:{}: `{command}`: {problem}", number + 1))?;
        for line in lines {
            fresh.push_str("  ");
            fresh.push_str(&line);
            fresh.push('\n');
        }
    }
    Ok(fresh)
}

/// A line of a script that is no consequence, with its consequences and its number.
struct Block<'a> {
    number: usize,
    line: &'a str,
    below: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match blocks.last_mut() {
            Some(block) if line.starts_with(' ') => block.below.push(line),
            _ => blocks.push(Block { number: number + 1, line, below: Vec::new() }),
        }
    }
    blocks
}

/// Where two plays of one script differ: for each command, the first lines that do.
pub fn difference(file: &str, old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let mut text = String::new();
    for (old, new) in blocks(old).iter().zip(blocks(new)) {
        if old.below == new.below && old.line == new.line {
            continue;
        }
        let pairs = old.below.iter().zip(&new.below);
        let same = pairs.take_while(|(old, new)| old == new).count();
        let rest = old.below[same..].iter().rev().zip(new.below[same..].iter().rev());
        let tail = rest.take_while(|(old, new)| old == new).count();
        let show = |what: &str, lines: &[&str]| -> String {
            lines[same..lines.len() - tail]
                .iter()
                .map(|line| format!("  {what} {line}\n"))
                .collect()
        };
        text += &format!("{file}:{}: {}\n", old.number, old.line);
        text += &format!("  {file}:{}\n", old.number + same + 1);
        text += &show("- expected", &old.below);
        text += &show("+ got     ", &new.below);
    }
    Some(text)
}
