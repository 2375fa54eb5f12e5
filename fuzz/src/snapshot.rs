//! The store out of bytes, and snapshot files. Bytes that are taken for a store are just those that it writes, in
//! pieces too; and such a store can be worked on. A file gives what was written into it, or is refused.

use super::bytes::{Choices, pieces, tail};
use protocol::kv::{DecodeError, Decoder, Exact, KeyOp, Limits, Op, Store, StringOp, Work};
use protocol::{LogId, SnapshotId};
use quorate::kv::Kv;
use quorate::raft::files::Files;
use quorate::rsm::Coded;
use std::path::Path;

fn parted(bytes: &[u8], lengths: [u8; 3]) -> Result<Store, DecodeError> {
    let mut decoder = Decoder::new(Exact, Limits::DEFAULT);
    pieces(bytes, lengths).into_iter().try_for_each(|piece| decoder.push(piece))?;
    decoder.finish()
}

fn written(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.encode(&mut bytes);
    bytes
}

/// What a server does with its store, and what it may rely on meanwhile.
fn live(store: &Store) {
    let mut store = store.clone();
    let now = store.clock();
    let keys: Vec<_> = store.keys().cloned().collect();
    assert_eq!(keys.len(), store.len(), "all that are there are counted");
    for key in keys.iter().take(8) {
        let version = store.get(key).map_or(0, |(_, version)| version);
        let ttl = Op::Key(KeyOp::Ttl { absolute: true, ms: true });
        let ttl = store.read(key, &ttl).expect("it only reads");
        assert!(ttl >= protocol::kv::Reply::Int(-1), "a key that is there has a deadline or none");
        for op in [StringOp::Append { value: "x".into() }, StringOp::GetDel] {
            let command =
                protocol::kv::Command { key: key.clone(), op: Op::String(op), once: None };
            store.apply(now, &command);
        }
        let again = protocol::kv::Command {
            key: key.clone(),
            op: Op::Set { value: "y".into() },
            once: None,
        };
        store.apply(now, &again);
        let after = store.get(key).map_or(0, |(_, version)| version);
        assert!(after > version, "versions rise");
    }
    let mut cursor = 0;
    for _ in 0..64 {
        let (next, _) = store.scan(cursor, 3);
        cursor = next;
        if next == 0 {
            break;
        }
    }
    let _ = store.random_key(7);
    store.work(now, &Work::Tick);
    store.work(now.saturating_add(1 << 40), &Work::Tick);
    store.work(now, &Work::Flush);
    assert_eq!(store.len(), 0);
    let bytes = written(&store);
    let again = Store::decode(Exact, Limits::DEFAULT, &bytes);
    assert!(again.is_ok_and(|again| again == store), "a store's own bytes are read");
}

fn store(bytes: &[u8], lengths: [u8; 3]) -> bool {
    let whole = Store::decode(Exact, Limits::DEFAULT, bytes);
    match (whole, parted(bytes, lengths)) {
        (Ok(store), Ok(parted)) => {
            assert!(store == parted, "pieces make no difference");
            assert!(written(&store) == bytes, "a store has one form");
            live(&store);
            true
        }
        (whole, parted) => {
            assert_eq!(whole.err(), parted.err(), "pieces make no difference");
            false
        }
    }
}

fn id() -> SnapshotId {
    SnapshotId { last: LogId { index: 9, term: 3 }, runs: 2 }
}

fn load(folder: &Path, bytes: &[u8]) -> Option<Coded<Kv>> {
    let files = Files::new(folder).expect("the folder can be made");
    let path = files.path(id());
    std::fs::write(&path, bytes).expect("the file can be written");
    let loaded = files.load::<Kv>(id());
    std::fs::remove_file(&path).expect("it is there");
    let shown = loaded.as_ref().err().map(ToString::to_string);
    assert!(shown.is_none_or(|shown| shown.contains("snapshot")), "an error names the file");
    Some(loaded.ok()?.0)
}

/// The file of a state, as this build writes it.
pub fn file_of(state: &[u8]) -> Vec<u8> {
    let mut bytes = b"quosnap\0\x01\0\0\0".to_vec();
    for number in [id().last.term, id().last.index, id().runs] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend_from_slice(state);
    let sum = super::wal::crc32c(0, &bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn file(bytes: &[u8]) -> bool {
    let folder = super::scratch("snapshot");
    let Some(loaded) = load(&folder, bytes) else { return false };
    let mut state = Vec::new();
    loaded.snapshot(&mut state).expect("a vector takes all bytes");
    assert!(file_of(&state) == bytes, "a file has one form");
    true
}

/// A good file with some bytes changed: where its checksum is right by chance, it is what the file says.
fn edited(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let edits: Vec<(u16, u8)> =
        (0..choices.below(4)).map(|_| (choices.short(), choices.byte())).collect();
    let mut whole = file_of(choices.rest());
    for (at, flip) in edits {
        let at = usize::from(at) % whole.len();
        whole[at] ^= flip;
    }
    file(&whole)
}

/// The last four bytes choose what the rest is: a store, a file, or what is in a file.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, lengths @ ..]) = tail(input);
    match choice % 4 {
        0 | 1 => store(bytes, lengths),
        2 => file(bytes),
        _ => edited(bytes),
    }
}
