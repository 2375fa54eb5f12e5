//! Settings: from any file and any flags comes an error that says something, or a configuration that a node can run.

use super::bytes::{Choices, tail};
use quorate::config::{Config, Settings};
use std::path::Path;

/// A flag's value as its type allows: of numbers, the ones at bounds are the likeliest.
fn number(choices: &mut Choices<'_>) -> Option<u64> {
    let numbers = [0, 1, 2, 49, 50, 60_000, 60_001, 600_000, 1 << 40, u64::MAX / 2, u64::MAX];
    match choices.byte() {
        0..=99 => None,
        100..=199 => Some(choices.pick(&numbers)),
        _ => Some(choices.short().into()),
    }
}

fn text(choices: &mut Choices<'_>) -> Option<String> {
    let length = choices.below(24);
    let bytes = choices.take(length);
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn flags(choices: &mut Choices<'_>) -> Settings {
    let count = choices.below(4);
    Settings {
        listen: text(choices),
        nodes: (0..count).filter_map(|_| text(choices)).collect(),
        heartbeat_ms: number(choices),
        election_min_ms: number(choices),
        election_max_ms: number(choices),
        deadline_ms: number(choices),
        snapshot_bytes: number(choices),
        max_value_bytes: number(choices).map(|number| number as usize),
        max_clients: number(choices).map(|number| number as usize),
        ..Settings::default()
    }
}

/// What the rest of the program takes for granted.
fn is_valid(config: &Config) {
    let me = usize::from(config.me.0);
    assert!(me < config.nodes.len() && config.nodes.len() <= 32, "a node is one of its cluster's");
    let raft = &config.raft;
    let (least, most) = raft.election;
    assert!(!raft.heartbeat.is_zero() && least >= 2 * raft.heartbeat && most > least);
    assert!(raft.deadline >= 2 * most && raft.park >= most);
    assert!(raft.snapshot_bytes > 0 && config.max_value_bytes > 0 && config.max_clients > 0);
    for node in &config.nodes {
        assert!(!node.host.is_empty());
        let ports = [node.plain, node.cluster, node.peer, node.admin];
        assert!(ports.iter().all(|port| *port > 0) || node.plain == 0, "{node:?} has its ports");
        let used: std::collections::BTreeSet<u16> = ports.into_iter().collect();
        assert!(used.len() == 4 || node.plain == 0, "{node:?} has four of them");
        // As it is told to other nodes, it is the same address.
        let listen = Some(node.with(node.plain));
        let again = Settings { listen, ..Settings::default() };
        let again = again.check().map(|config| config.nodes[0].clone());
        let beyond = node.plain > u16::MAX - 3000;
        assert!(beyond || again.is_ok_and(|again| again.host == node.host), "{node:?}");
    }
}

/// The input is a file, and behind the last line feed are the flags.
pub fn run(input: &[u8]) -> bool {
    let at = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (file, behind) = input.split_at(at);
    let (behind, [first, ..]) = tail(behind);
    let flags = if first == 0 { Settings::default() } else { flags(&mut Choices::new(behind)) };
    let file = Settings::from_bytes(Path::new("quorate.toml"), file.to_vec());
    let mut settings = match file {
        Ok(file) => flags.or(file),
        Err(error) => {
            assert!(error.to_string().starts_with("quorate.toml: "), "it names the file");
            flags
        }
    };
    // A file that is named is read, and not every file has an end.
    for path in [&mut settings.secret_file, &mut settings.password_file].into_iter().flatten() {
        *path = "/no/such/file".into();
    }
    match settings.check() {
        Ok(config) => {
            is_valid(&config);
            true
        }
        Err(error) => {
            assert!(error.to_string().len() > 20, "{error} helps nobody");
            false
        }
    }
}
