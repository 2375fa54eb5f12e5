//! What MapReduce reads. A coordinator's journal gives back what was written, up to a torn end, or is refused and left
//! as it was ([`journal`]). An intermediate file gives the pairs that were written, or is refused ([`runs`]). What is
//! said over connections, and what says what a job is, is read as it was written, or refused.

mod journal;
mod runs;

use super::bytes::{Choices, tail};
use super::scratch;
use quorate::mr::fuzzing::{KINDS, read_job, said, seal, write_job};
use std::path::Path;

/// Some edits that can't make a right checksum out of a wrong one. Whether something was changed.
fn edit(file: &mut Vec<u8>, choices: &mut Choices<'_>) -> bool {
    let before = file.clone();
    for _ in 0..choices.below(4) {
        let at = usize::from(choices.short()) % (file.len() + 1);
        let to = (at + choices.below(40)).min(file.len());
        match choices.below(4) {
            0 => file.truncate(at),
            1 => drop(file.drain(at..to)),
            2 => drop(
                file.splice(at..at, before[at.min(before.len())..to.min(before.len())].to_vec()),
            ),
            _ => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= 1 << choices.below(8);
                }
            }
        }
    }
    *file != before
}

/// Frames of any payload under right checksums: a kind, a length, a payload, again and again.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(bytes);
    let mut out = Vec::new();
    while !choices.is_empty() {
        let kind = choices.byte();
        let kind = if kind < 240 { KINDS[usize::from(kind % 2)] } else { kind };
        let length = usize::from(choices.byte());
        seal(kind, choices.take(length), &mut out);
    }
    out
}

/// What is said to a worker or to a coordinator.
fn heard(to_worker: bool, bytes: &[u8]) -> bool {
    let (frames, _) = said(to_worker, bytes);
    let again = said(to_worker, &frames.concat());
    assert_eq!(again, (frames.clone(), true), "what was said is said again as it was");
    // What is cut anywhere says less, and nothing else.
    let (fewer, _) = said(to_worker, &bytes[..bytes.len() / 2]);
    assert!(frames.starts_with(&fewer), "a beginning is read as it was");
    !frames.is_empty()
}

/// What says what a job is.
fn job(file: &[u8]) -> bool {
    let dir = scratch("job");
    put(&dir, "job", file);
    let found = match read_job(&dir) {
        Ok(found) => found,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&*dir.to_string_lossy()), "{text} names no place");
            return false;
        }
    };
    write_job(&found, &dir).expect("what was read can be written");
    let again = read_job(&dir);
    assert!(again.is_ok_and(|again| again == found), "a job is read as it was written");
    true
}

/// A file in a folder, which is made.
fn put(dir: &Path, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(dir).expect("the folder can be made");
    std::fs::write(dir.join(name), bytes).expect("the file can be written");
}

/// The last four bytes choose what the rest is.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, ..]) = tail(input);
    match choice % 9 {
        0 => journal::raw(bytes),
        1 => journal::raw(&sealed(bytes)),
        2 => journal::edited(bytes),
        3 => runs::raw(bytes),
        4 => runs::sealed(bytes),
        5 => runs::edited(bytes),
        6 => heard(choice < 128, bytes),
        7 => heard(choice < 128, &sealed(bytes)),
        _ => job(bytes),
    }
}

/// A job's file, as this release writes it.
const JOB: &str = concat!(
    r#"{"format":1,"number":7,"asked":{"program":{"BuiltIn":{"name":"wc","arguments":[],"learned":[]}},"#,
    r#""inputs":["a.txt"],"reduces":2,"split_bytes":33554432},"program":{"Streaming":{"mapper":"cat","#,
    r#""reducer":null,"combiner":null,"environment":[["A","b"]]}},"files":[{"path":"/a.txt","bytes":3,"#,
    r#""modified":5}],"splits":[{"name":"a.txt","path":"/a.txt","start":0,"length":3,"file_bytes":3,"#,
    r#""compression":"None"}]}"#,
);

/// Files and frames as the product writes them, each as an input; and choices, of which files are made.
pub fn seeds(choices: &[u8]) -> Vec<Vec<u8>> {
    let of = |choice: u8, bytes: &[u8]| [bytes, &[choice, 0, 0, 0]].concat();
    let mut seeds = vec![
        of(2, choices),
        of(5, choices),
        of(8, JOB.as_bytes()),
        of(0, &journal::file(choices)),
        of(1, &journal::sealed_seed()),
        of(3, &runs::file(choices)),
        of(4, &runs::sealed_seed(choices)),
    ];
    // A worker's report that goes on, an order to stop it, and a pulse each.
    let attempt = [0, 3, 0x81, 0x80, 0x80, 0x80, 0x10];
    let report = [&[1, 1, 7, 1, 0][..], &attempt, &[0]].concat();
    let cancel = [&[2, 2][..], &attempt].concat();
    for (choice, payload) in [(6 + 126, report), (6, cancel)] {
        let mut frames = Vec::new();
        seal(KINDS[1], &payload, &mut frames);
        seal(KINDS[1], &[0], &mut frames);
        seeds.push(of(choice, &frames));
        let framed = [&[1, payload.len() as u8][..], &payload].concat();
        seeds.push(of(choice + 1, &framed));
    }
    seeds
}
