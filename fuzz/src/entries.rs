//! Entries of the log. Bytes that are let in as a command are applied, whatever they say: on every replica alike, to a
//! store that can be written and read in between, and that makes no value longer than the entry allows.

use super::bytes::Choices;
use protocol::kv::{Reply, Work};
use protocol::rsm::StateMachine;
use quorate::kv::{Admitted, Kv};
use quorate::rsm::{Coded, decode, encode, stamped, unstamped};
use quorate::session::Answer;

/// No entry here makes a longer value: many of them in memory would prove nothing more.
const VALUE_BYTES: u32 = 4096;

fn written(state: &Coded<Kv>) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.snapshot(&mut bytes).expect("a vector takes all bytes");
    bytes
}

/// Stamps of entries come from a leader's clock, whose years have four digits.
const LAST_STAMP: u64 = 1 << 48;

/// The entry in these bytes, if there is one: in the form in which it is written, bounded as said above.
fn entry(bytes: &[u8]) -> Option<Vec<u8>> {
    Coded::<Kv>::check(bytes).ok()?;
    let (stamp, command) = unstamped(bytes).expect("it was checked");
    let mut admitted: Admitted = decode(command).expect("it was checked");
    let again: Admitted =
        decode(&encode(&admitted).expect("it is plain data")).expect("it was written");
    assert_eq!(again, admitted, "a command is read as it was written");
    admitted.value_bytes = admitted.value_bytes.min(VALUE_BYTES);
    let command = encode(&admitted).expect("it is plain data");
    Some(stamped(stamp % LAST_STAMP, &command).to_vec())
}

fn longest(state: &Coded<Kv>) -> usize {
    let store = &state.service.0;
    let length = |key| store.get(key).map_or(0, |(value, _)| value.as_ref().len());
    store.keys().map(length).max().unwrap_or(0)
}

/// What an entry writes as it is. Such values are in the entry, which is bounded elsewhere.
fn is_made(work: &Work, before: usize, after: usize, bytes: usize) -> bool {
    let flushed = matches!(work, Work::Flush | Work::Tick);
    after <= before.max(VALUE_BYTES as usize).max(bytes) && !(flushed && after > before)
}

/// The input is entries, each behind its length in two bytes.
pub fn run(input: &[u8]) -> bool {
    let mut choices = Choices::new(input);
    let mut one = Coded::new(Kv::new());
    let mut other = one.clone();
    let mut applied = 0;
    while !choices.is_empty() && applied < 64 {
        let length = usize::from(choices.short() % 1024);
        let Some(payload) = entry(choices.take(length)) else { continue };
        let payload = payload.into();
        let before = longest(&one);
        let reply = one.apply(&payload);
        let (_, command) = unstamped(&payload).expect("it was checked");
        let Admitted { work, .. } = decode(command).expect("it was checked");
        assert!(is_made(&work, before, longest(&one), payload.len()), "{work:?} makes it too long");
        let also = other.apply(&payload);
        assert_eq!(shown(reply), shown(also), "replicas answer alike");
        // The other replica starts again from its snapshot now and then.
        if applied % 4 == 3 {
            let bytes = written(&other);
            other = Coded::restore(&mut &bytes[..]).expect("a replica reads what it has written");
            assert_eq!(written(&other), bytes);
        }
        applied += 1;
        let _ = (one.deadline(), one.tick(one.clock));
    }
    assert_eq!(written(&one), written(&other), "replicas are alike");
    applied > 0
}

fn shown(answer: Answer) -> Reply {
    let Answer::Reply(reply) = answer else { panic!("an entry is answered with a reply") };
    reply
}
