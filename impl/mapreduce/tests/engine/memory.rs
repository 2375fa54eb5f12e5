//! Memory is bounded by the flag, and by the largest record.

use std::sync::atomic::Ordering;

use mapreduce::apps::Program;
use mapreduce::apps::sort::Sort;
use mapreduce::{Application, Limits};

use crate::support::{Setting, Witness, run};

fn most_held(app: &dyn Application, text: &[u8], limits: Limits) -> i64 {
    assert!(counting::is_installed());
    let setting = Setting { reduces: 2, split_bytes: 1 << 40, limits };
    let witness = Witness::default();
    let before = counting::held_bytes();
    let (output, _) = run(app, &[("text", text)], &setting, &witness).expect("the job runs");
    assert!(output.iter().any(|bytes| !bytes.is_empty()));
    witness.most_held.load(Ordering::Relaxed) - before
}

/// Beside the bound: a buffer of the reader's, one of the writer's, blocks on their way.
const BUFFERS: i64 = 2 << 20;

#[test]
fn tables_and_buffers_keep_to_the_bound() {
    let mut text = Vec::new();
    for line in 0_u32..400_000 {
        let hash = line.wrapping_mul(2_654_435_761);
        let letters: Vec<u8> = hash.to_be_bytes().iter().map(|byte| b'a' + byte % 26).collect();
        text.extend_from_slice(&letters);
        text.extend_from_slice(format!(" {hash:08x}\n").as_bytes());
    }
    let limits = Limits { memory_bytes: 2 << 20, ..Limits::default() };
    let wc = Program::built_in("wc", &[]).load().expect("an application");
    let sort = Sort::new(vec![b"m".to_vec()]);
    for (name, app) in [("wc", &*wc), ("sort", &sort)] {
        let held = most_held(app, &text, limits);
        assert!(held < limits.memory_bytes as i64 + BUFFERS, "{name}: {held}");
        // And it is the bound that does it.
        let roomy = most_held(app, &text, Limits::default());
        assert!(roomy > limits.memory_bytes as i64 + BUFFERS, "{name}: {roomy} with room");
    }
}

/// A line of 100 MB: read, emitted, written, read back, written.
#[test]
fn a_very_long_line() {
    let length: usize = 100_000_000;
    let mut text = vec![b'x'; length];
    text.extend_from_slice(b"\nshort\n");
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let held = most_held(&Sort::new(vec![b"t".to_vec()]), &text, limits);
    assert!(held < 3 * length as i64 + BUFFERS, "{held}");
    // Who looks at it without keeping it needs it once, in a buffer that grew to at most twice its size.
    let grep = Program::built_in("grep", &["^short".to_owned()]).load().expect("an application");
    let held = most_held(&*grep, &text, limits);
    assert!(held < 2 * length as i64 + BUFFERS, "{held}");
}
