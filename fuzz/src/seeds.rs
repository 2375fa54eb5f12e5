//! Where the fuzzer begins: real inputs, written by the very code that reads them. Every test run reads them as they
//! are written now; `UPDATE_SEEDS=1 cargo test -p quorate --test fuzz seeds` puts them into `corpus/`.

use super::snapshot::file_of;
use protocol::kv::slot::SLOTS;
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Decimal, Exact, KeyOp, LcsForm, Limits, Once, Op, Seen,
    SlotId, Store, StringOp, Transaction, When, Work,
};
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use protocol::shardctl::Config;
use protocol::shardkv::GroupId as Gid;
use protocol::shardkv::mover::Message as Told;
use protocol::{LogId, NodeId, ReadId, SnapshotId};
use quorate::kv::Admitted;
use quorate::peer::fuzzing::{LETTER, Said, hello_of, put};
use quorate::resp::reply::write_command;
use quorate::resp::{Frame, Protocol, Writer};
use quorate::rsm::{encode, stamped};
use quorate::shardkv::Letter;
use quorate::wal::GroupId;
use std::sync::Arc;

/// A target, and an input for it that means something.
pub type Seed = (&'static str, Vec<u8>);

fn requests(seeds: &mut Vec<Seed>) {
    let lines = [
        "SET k v EX 10 NX",
        "SET k v PX 10 KEEPTTL",
        "GET k|MGET {t}a {t}b|MSET {t}a 1 {t}b 2|DEL k|EXISTS k k",
        "INCR n|INCRBYFLOAT n 1.5|APPEND n x|STRLEN n|GETRANGE n 0 -1|SETRANGE n 4 yy",
        "WATCH k|MULTI|SET k 1|GET k|EXEC|DISCARD|UNWATCH",
        "HELLO 3 AUTH default foo SETNAME me|CLIENT LIST|CLIENT KILL ID 7|CLIENT REPLY SKIP|PING",
        "KV.PUT k v 0 WITHVERSION|KV.GET k|KV.APPEND k x|KV.DEL k 3|KV.WAIT k 1 10",
        "ONCE k 019ab7c5-2d00-7000-8000-000000000007 3 ACK 2 SET k v",
        "EXPIRE k 10 GT|PEXPIREAT k 1700000000999|TTL k|PERSIST k|RENAME {t}a {t}b|COPY {t}a {t}b REPLACE",
        "LCS {t}a {t}b IDX MINMATCHLEN 2 WITHMATCHLEN|SCAN 0 MATCH * COUNT 5|KEYS a*|RANDOMKEY|DBSIZE",
        "CLUSTER SLOTS|CLUSTER NODES|CLUSTER SHARDS|CLUSTER KEYSLOT k|CLUSTER GETKEYSINSLOT 7 3|READONLY",
        "COMMAND DOCS get|COMMAND INFO set|COMMAND GETKEYS MSET a 1|CONFIG GET *|INFO|FLUSHALL|ECHO x|QUIT",
        "GETEX k PERSIST|GETDEL k|SETNX k v|MSETNX {t}a 1 {t}b 2|GETSET k v|OBJECT HELP|TYPE k|TOUCH k",
        "DELEX k IFEQ v|SET k v IFNE w GET|UNLINK {t}a {t}b|SUBSTR k 0 1|DECRBY n 3|PSETEX k 10 v",
    ];
    for line in lines {
        let (mut bytes, mut inline) = (Vec::new(), Vec::new());
        for command in line.split('|') {
            let words: Vec<&str> = command.split(' ').collect();
            write_command(&mut bytes, &words);
            inline.extend_from_slice(format!("{command}\r\n").as_bytes());
        }
        for choice in 0..2 {
            let input = [&bytes[..], &[choice, 0, 4, 30]].concat();
            seeds.extend([("requests", input.clone()), ("session", input)]);
        }
        seeds.push(("requests", [&inline[..], &[3, 1, 2, 3]].concat()));
        seeds.push(("session", [&inline[..], &[9, 1, 2, 3]].concat()));
    }
    for text in
        ["*-1\r\n\r\nECHO 'a \\'b' \"\\x41\\n\"\r\n\0\0\0\0", "*1\r\n$400\r\nabc\0\x01\x02\x03"]
    {
        seeds.push(("requests", text.as_bytes().to_vec()));
    }
}

fn replies(seeds: &mut Vec<Seed>) {
    let bulk = |text: &str| Frame::Bulk(text.into());
    let pair = |frame| (bulk("key"), frame);
    let frames = [
        Frame::Simple(b"OK".to_vec()),
        Frame::Error(b"MOVED 12 10.0.0.2:8400".to_vec()),
        Frame::Error(b"ERR value is not an integer or out of range".to_vec()),
        Frame::Error(b"MOVED 3 [::1]:7400".to_vec()),
        Frame::Integer(-42),
        Frame::Null,
        Frame::NullArray,
        Frame::Array(vec![bulk("value"), Frame::Integer(7)]),
        Frame::Map(vec![
            pair(Frame::Boolean(true)),
            pair(Frame::Array(vec![Frame::Double(1e300)])),
        ]),
        Frame::Set(vec![Frame::BigNumber("-12345678901234567890".into())]),
        Frame::Push(vec![Frame::Verbatim(*b"txt", b"some".to_vec()), Frame::Double(-0.5)]),
    ];
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for frame in &frames {
            let mut bytes = Vec::new();
            frame.write(&mut Writer::new(&mut bytes, protocol));
            seeds.push(("replies", [&bytes[..], &[1, 2, 7, 0]].concat()));
        }
    }
    for text in
        ["|1\r\n+ttl\r\n:1\r\n:7\r\n", "!6\r\nERR\r\nx\r\n", "$?\r\n", "*2\r\n*1\r\n:1\r\n,nan\r\n"]
    {
        seeds.push(("replies", [text.as_bytes(), &[0; 4]].concat()));
    }
}

fn frames(seeds: &mut Vec<Seed>) {
    let last = LogId { index: 9, term: 3 };
    let group = GroupId(3);
    let message = |body| Said::Message(group, Message { term: 4, body }, Vec::new());
    let entries = vec![Entry::NoOp, Entry::Command(Arc::from(&b"command"[..]))];
    let append = Body::AppendEntries { prev: last, run: 4, count: 2, commit: 8 };
    let id = SnapshotId { last, runs: 2 };
    let read = ReadId(7);
    let all = [
        Said::Message(group, Message { term: 4, body: append }, entries),
        message(Body::RequestVote { last }),
        message(Body::PreVote { last }),
        message(Body::VoteGranted),
        message(Body::Accepted { matched: 9 }),
        message(Body::Rejected { prev: 9, hint: last }),
        message(Body::Heartbeat { commit: 9, round: 300 }),
        message(Body::ReadGranted { id: read, index: 1 << 40 }),
        Said::Snapshot(group, Message { term: 4, body: Body::InstallSnapshot { id } }, 1 << 20),
        Said::Numbered(true, group, 7, b"call".to_vec()),
        Said::Numbered(false, group, 7, b"answer".to_vec()),
        Said::Bytes(1, Vec::new()),
        Said::Bytes(6, b"some bytes of a snapshot".to_vec()),
        Said::Bytes(7, vec![1, 2, 3, 4]),
    ];
    let mut together = Vec::new();
    for said in &all {
        let mut bytes = Vec::new();
        put(said, 4096, &mut bytes);
        together.extend_from_slice(&bytes);
        // The same under a checksum that the target makes: kind, length, payload.
        let sealed = [&[bytes[8], (bytes.len() - 9) as u8], &bytes[9..]].concat();
        seeds.push(("frames", [&sealed[..], &[1, 3, 8, 30]].concat()));
    }
    seeds.push(("frames", [&together[..], &[0, 3, 8, 30]].concat()));
    let hello = hello_of(NodeId(1), NodeId(2), 0xc1);
    seeds.push(("frames", [&hello[..], &[2, 0, 0, 0]].concat()));
    for letter in letters() {
        let bytes = encode(&letter).expect("a letter is plain data");
        seeds.push(("frames", [&bytes[..], &[3, 0, 0, 0]].concat()));
        let sealed = [&[LETTER, bytes.len() as u8], &bytes[..], &[1, 3, 8, 30]].concat();
        seeds.push(("frames", sealed));
    }
}

fn letters() -> Vec<Letter> {
    let (from, to, slot) = (Gid(1), Gid(2), SlotId(16_383));
    let config = Config { number: 7, ..Config::empty(SLOTS) };
    vec![
        Letter::Move { from, to, message: Told::Early { slot, number: 7 } },
        Letter::Next { from, number: 6 },
        Letter::Finished { from, number: 7 },
        Letter::Noted { to, number: 7 },
        Letter::Show { from: NodeId(2), number: 6 },
        Letter::Shown { to: NodeId(2), config },
    ]
}

/// Works of every kind.
pub fn works() -> Vec<Work> {
    let once = Once { client: ClientId::new(5, 7), seq: 2, acknowledged: 1 };
    let value = || Bytes::from("value");
    let set = |deadline, when, get| StringOp::Set { value: value(), when, deadline, get };
    let ops = [
        Op::Get,
        Op::Put { value: value(), expected: 0 },
        Op::Set { value: value() },
        Op::Append { value: value() },
        Op::Delete { expected: 1 },
        Op::String(set(Deadline::In(500), When::Missing, false)),
        Op::String(set(Deadline::At(4000), When::Equal(value()), true)),
        Op::String(StringOp::SetRange { offset: 9, value: value() }),
        Op::String(StringOp::IncrBy { by: -3 }),
        Op::String(StringOp::IncrByFloat { by: Decimal::parse(b"1.5").expect("a number") }),
        Op::String(StringOp::Lcs {
            other: "{t}b".into(),
            form: LcsForm::Matches { min: 1, lengths: true },
        }),
        Op::String(StringOp::SetAllNx { value: value(), others: vec![("{t}b".into(), value())] }),
        Op::Key(KeyOp::Rename { to: "{t}b".into(), if_missing: true }),
        Op::Key(KeyOp::Ttl { absolute: false, ms: true }),
    ];
    let key = || Bytes::from("{t}a");
    let mut works: Vec<Work> = ops
        .iter()
        .map(|op| Work::Command(Command { key: key(), op: op.clone(), once: Some(once) }))
        .collect();
    let watched = vec![(key(), Seen::At(1)), ("{t}b".into(), Seen::Missing { floor: 0 })];
    let ops = ops.into_iter().map(|op| (key(), op)).collect();
    works.extend([
        Work::Transaction(Transaction { watched: vec![], ops, once: None }),
        Work::Transaction(Transaction { watched, ops: vec![(key(), Op::Get)], once: Some(once) }),
        Work::Tick,
        Work::Flush,
    ]);
    works
}

fn entries(seeds: &mut Vec<Seed>) {
    let mut together = Vec::new();
    for (number, work) in works().into_iter().enumerate() {
        let command = encode(&Admitted { work, value_bytes: 1000 }).expect("it is plain data");
        let payload = stamped(1000 + number as u64, &command);
        let length = (payload.len() as u16).to_le_bytes();
        let one = [&length[..], &payload].concat();
        together.extend_from_slice(&one);
        seeds.push(("entries", one));
    }
    seeds.push(("entries", together));
}

fn snapshots(seeds: &mut Vec<Seed>) {
    let mut store = Store::new(Exact, Limits::DEFAULT);
    for (number, work) in works().into_iter().enumerate() {
        // Each call is one of its own.
        let work = match work {
            Work::Command(Command { key, op, once }) => {
                let once = once.map(|once| Once { seq: 3 + number as u64, ..once });
                Work::Command(Command { key, op, once })
            }
            other => other,
        };
        store.work(1000 + number as u64, &work);
        let mut bytes = Vec::new();
        store.encode(&mut bytes);
        if number % 3 == 0 {
            seeds.push(("snapshot", [&bytes[..], &[0, 1, 20, 63]].concat()));
            let state = [&1007_u64.to_le_bytes(), &bytes[..]].concat();
            seeds.push(("snapshot", [&file_of(&state)[..], &[2, 0, 0, 0]].concat()));
            seeds.push(("snapshot", [&[1, 9, 0, 4], &state[..], &[3, 0, 0, 0]].concat()));
        }
    }
}

fn config(seeds: &mut Vec<Seed>) {
    let files = [
        "dir = \"d\"\nlisten = \"127.0.0.1:7400\"\n",
        "nodes = [\"127.0.0.1:7400\", \"127.0.0.1:7410\"]\nlisten = \"127.0.0.1:7410\"\ncluster = \"c\"\n",
        "heartbeat-ms = 20\nelection-min-ms = 100\nelection-max-ms = 300\ndeadline-ms = 1000\n",
        "snapshot-bytes = 1000\nmax-value-bytes = 1000\nmax-clients = 7\n",
        "listen = \"[::1]:7000\"\n[ports]\ncluster = 10\npeer = 20\nadmin = 30\n",
        "secret-file = \"s\"\npassword-file = \"p\"\nnodes = [\"10.0.0.1:1\"]\nlisten = \"10.0.0.1:1\"\n",
        "heartbeat = 1\n",
    ];
    for file in files {
        seeds.push(("config", file.as_bytes().to_vec()));
    }
    let flags = b"\x000localhost:74000localhost:7410\x70\x71\x72\x73\x74\x75\x76\x01\0\0\0";
    seeds.push(("config", flags.to_vec()));
}

fn histories(seeds: &mut Vec<Seed>) {
    use linear::sample::{Mix, Sample};
    for (clients, unknown, seed) in [(1, 0, 1), (3, 100, 2), (5, 300, 3)] {
        let sample = Sample { clients, operations: 12, keys: 2, mix: Mix::All, unknown, seed };
        let mut bytes = Vec::new();
        linear::kv::file::write(&sample.history(), &mut bytes).expect("a vector takes all bytes");
        seeds.push(("history", bytes));
    }
    let example = linear::kv::file::FORMAT.lines().map(str::trim);
    let lines: Vec<&str> = example.filter(|line| line.starts_with('{')).collect();
    seeds.push(("history", lines.join("\n").into_bytes()));
    let rest = [
        r#"{"time_us":0,"client":0,"event":"call","op":"cas","key":[255],"expected":"a","value":"b"}"#,
        r#"{"time_us":1,"client":1,"event":"call","op":"multi","ops":[{"op":"get","key":"k"},{"op":"delete","key":"k"}]}"#,
        r#"{"time_us":2,"client":0,"event":"return","outcome":"mismatch"}"#,
        r#"{"time_us":3,"client":1,"event":"return","outcome":"many","results":[{"outcome":"no_key"},{"outcome":"no_key"}]}"#,
        r#"{"time_us":4,"client":0,"event":"call","op":"append","key":"k","value":"x"}"#,
        r#"{"time_us":5,"client":0,"event":"return","outcome":"ok","value":"","version":1,"length":1}"#,
    ];
    seeds.push(("history", rest.join("\n").into_bytes()));
}

/// Bytes that choose differently each time (splitmix64).
fn chosen(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// All seeds.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    requests(&mut seeds);
    replies(&mut seeds);
    frames(&mut seeds);
    entries(&mut seeds);
    snapshots(&mut seeds);
    config(&mut seeds);
    histories(&mut seeds);
    for seed in 0..8 {
        seeds.push(("store", chosen(seed, 400)));
        seeds.push(("wal", [&chosen(seed, 300)[..], &[2, 0, 0, 0]].concat()));
        seeds.push(("wal", [&super::wal::sealed_seed(seed as u8)[..], &[1, 0, 0, 0]].concat()));
    }
    seeds.extend(super::wal::files_seed().into_iter().map(|file| ("wal", file)));
    seeds.extend(super::trace::real_seeds().into_iter().map(|file| ("trace", file)));
    seeds.extend(super::identity::seeds().into_iter().map(|file| ("identity", file)));
    for seed in 0..4 {
        let seeds_of_jobs = super::jobs::seeds(&chosen(200 + seed, 120));
        seeds.extend(seeds_of_jobs.into_iter().map(|bytes| ("jobs", bytes)));
    }
    for seed in 0..8 {
        seeds.push(("trace", [&chosen(100 + seed, 500)[..], &[3, 0, 0, 0]].concat()));
    }
    seeds
}
