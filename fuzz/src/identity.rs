//! Whose a node's folder is. Whatever its identity.toml holds, a start takes the folder as this node's, and then always
//! as the same one, or refuses it with a text that says what to do, and leaves it as it was. A folder that was taken
//! says of itself whose it is: it is this node's again, and nobody else's.

use super::bytes::{Choices, tail};
use super::{Scratch, scratch};
use quorate::config::{Config, Settings};
use quorate::folder::{self, Error};
use quorate::wal::Identity;
use std::path::Path;

const NAME: &str = "identity.toml";

/// Who may start in a folder: two nodes that are alone, the three of a cluster, one of another cluster.
fn config(who: u8, dir: &Path) -> Config {
    let three = ["127.0.0.1:7400", "127.0.0.1:7410", "[::1]:7420"];
    let (nodes, listen, cluster) = match who % 6 {
        0 => (&three[..0], "127.0.0.1:7400", "quorate"),
        1 => (&three[..0], "127.0.0.1:9000", "other"),
        5 => (&three[..], three[0], "other"),
        member => (&three[..], three[usize::from(member) - 2], "quorate"),
    };
    let settings = Settings {
        dir: Some(dir.to_owned()),
        listen: Some(listen.into()),
        nodes: nodes.iter().copied().map(String::from).collect(),
        cluster: Some(cluster.into()),
        ..Settings::default()
    };
    settings.check().expect("these settings fit together")
}

fn is_alone(who: u8) -> bool {
    who % 6 < 2
}

/// Takes a folder for a moment.
fn take(who: u8, dir: &Path) -> Result<Identity, Error> {
    let config = config(who, dir);
    let (identity, _lock) = folder::take(&config)?;
    let twice = folder::take(&config).map(|(identity, _)| identity);
    assert!(matches!(twice, Err(Error::InUse(_))), "nobody else takes it meanwhile: {twice:?}");
    assert_eq!(identity.node, u64::from(config.me.0), "it is this node's");
    Ok(identity)
}

fn content(dir: &Path) -> Option<Vec<u8>> {
    let names = std::fs::read_dir(dir).expect("the folder is there").flatten();
    let drafts = names.filter(|file| file.file_name().to_string_lossy().contains("draft"));
    assert_eq!(drafts.count(), 0, "nothing is left behind");
    std::fs::read(dir.join(NAME)).ok()
}

/// The folder of a node that has run, or has only begun to.
fn used(who: u8, ran: bool) -> (Scratch, Identity) {
    let dir = scratch("identity");
    let identity = take(who, &dir).expect("a new folder is anybody's");
    if ran {
        segment(&dir);
        folder::begin(&config(who, &dir)).expect("it is this node's");
    }
    (dir, identity)
}

/// A log, as far as this is concerned.
fn segment(dir: &Path) {
    std::fs::create_dir_all(dir.join("wal")).expect("the folder can be made");
    std::fs::write(dir.join("wal/1.wal"), b"").expect("the file can be written");
}

/// A refusal helps, and is no complaint about a disk that is well.
fn is_refused(dir: &Path, error: &Error) {
    let text = error.to_string();
    assert!(text.contains(&*dir.to_string_lossy()), "{text} names no place");
    let advice = ["Restore", "Start", "restore"];
    assert!(advice.iter().any(|word| text.contains(word)), "{text} helps nobody");
    assert!(!matches!(error, Error::Io { .. } | Error::InUse(_)), "{text}");
}

/// A folder with this file in it. Whether it is taken.
fn held(dir: &Path, file: &[u8], who: u8, log: bool) -> Option<Identity> {
    std::fs::write(dir.join(NAME), file).expect("the file can be written");
    if log {
        segment(dir);
    }
    match take(who, dir) {
        Err(error) => {
            is_refused(dir, &error);
            assert!(content(dir).is_some_and(|now| now == file), "it is left as it was");
            None
        }
        Ok(identity) => {
            assert!(
                content(dir).is_some_and(|now| now == file),
                "it says all that there is to say"
            );
            folder::begin(&config(who, dir)).expect("it was taken");
            match take(who, dir) {
                Ok(again) => assert_eq!(again, identity, "and is the same"),
                Err(Error::Lost(_)) => assert!(!log, "the log is there"),
                Err(error) => panic!("it was taken before: {error}"),
            }
            Some(identity)
        }
    }
}

/// A real file, and then some bytes of it changed.
fn edited(bytes: &[u8], [who, asks, ran]: [u8; 3]) -> bool {
    let (dir, identity) = used(who, ran % 2 == 1);
    let mut file = content(&dir).expect("it was written");
    let mut choices = Choices::new(bytes);
    let edits = choices.below(4);
    for _ in 0..edits {
        let at = usize::from(choices.short()) % (file.len() + 1);
        let to = (at + choices.below(40)).min(file.len());
        match choices.below(3) {
            0 => drop(file.drain(at..to)),
            1 => {
                let length = choices.below(20);
                drop(file.splice(at..at, choices.take(length).iter().copied()));
            }
            _ => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= choices.byte();
                }
            }
        }
    }
    let found = held(&dir, &file, asks, ran % 2 == 1);
    if edits == 0 {
        // One node alone may change its address, and needs no name.
        let mine = who % 6 == asks % 6 || is_alone(who) && is_alone(asks);
        assert_eq!(found, mine.then_some(identity), "it is its node's and nobody else's");
    }
    found.is_some()
}

/// The last four bytes choose: a file, or a real one and how it is changed; who asks.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, rest @ ..]) = tail(input);
    if choice % 2 == 1 {
        return edited(bytes, rest);
    }
    let dir = scratch("identity");
    std::fs::create_dir_all(&*dir).expect("the folder can be made");
    held(&dir, bytes, rest[0], rest[1] % 2 == 1).is_some()
}

/// Files as nodes write them, each as an input.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for who in 0..6 {
        for ran in 0..2 {
            let (dir, _) = used(who, ran == 1);
            let file = content(&dir).expect("it was written");
            seeds.push([&file[..], &[0, who, ran, 0]].concat());
            seeds.push([&[ran; 7][..], &[1, who, who, ran]].concat());
        }
    }
    seeds
}
