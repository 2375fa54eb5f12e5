//! The Clerk on real servers: what it tells when answers are lost and when a leader dies.

mod support;

use quorate::client::{Address, Clerk, Error, Options, Put};
use quorate::resp::Frame;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::process::{Cluster, Folder, Node, PATIENCE, ask, wait_for};
use support::proxy::Fate::{LoseReply, LoseRequest, Pass};
use support::proxy::Proxy;

fn options() -> Options {
    Options { patience: Some(PATIENCE), ..Options::default() }
}

fn clerk(addresses: &[SocketAddr], options: Options) -> Clerk {
    let addresses: Vec<Address> = addresses.iter().copied().map(Address::from).collect();
    Clerk::connect(&addresses, options).expect("there is an address")
}

/// A server, and a way to it that loses things.
fn lossy() -> (Folder, Node, Proxy) {
    let folder = Folder::new();
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    let proxy = Proxy::to(node.plain);
    (folder, node, proxy)
}

fn written(put: Put) -> u64 {
    match put {
        Put::Written(version) => version,
        other => panic!("{other:?} instead of a version"),
    }
}

/// Lab 2 of 2025, on a network that loses nothing.
#[test]
fn versioned_puts() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], options());
    assert_eq!(clerk.get("k").expect("an answer"), None);
    assert_eq!(clerk.put("k", "v", 1).expect("an answer"), Put::NoKey);
    let first = written(clerk.put("k", "one", 0).expect("an answer"));
    assert_eq!(clerk.put("k", "x", 0).expect("an answer"), Put::VersionMismatch);
    assert_eq!(clerk.put("k", "x", first + 1).expect("an answer"), Put::VersionMismatch);
    let second = written(clerk.put("k", "two", first).expect("an answer"));
    assert!(second > first);
    let value = clerk.get("k").expect("an answer").expect("it is there");
    assert_eq!((value.bytes.as_slice(), value.version), (b"two".as_slice(), second));
}

/// CLERK-MAYBE-1: Maybe is said when an answer was lost, and then it is the truth either way.
#[test]
fn a_lost_answer_makes_maybe() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], options());
    // A Put that creates its key is recorded, so its second copy gets the first one's answer.
    proxy.next(&[LoseReply]);
    let version = written(clerk.put("k", "one", 0).expect("an answer"));
    // The request was lost, and the second one is the first that arrives.
    proxy.next(&[LoseRequest]);
    let version = written(clerk.put("k", "two", version).expect("an answer"));
    // The first copy was executed, and the second is refused for it.
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.put("k", "three", version).expect("an answer"), Put::Maybe);
    let value = clerk.get("k").expect("an answer").expect("it is there");
    assert_eq!(value.bytes, b"three");
    // It was refused both times; the clerk can't know.
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.put("k", "four", version).expect("an answer"), Put::Maybe);
    // And nothing of it is left for the next call.
    assert_eq!(clerk.put("k", "four", version).expect("an answer"), Put::VersionMismatch);
    assert_eq!(proxy.left(), 0);
}

#[test]
fn recorded_puts_are_told_what_came_of_them() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], Options { record_puts: true, ..options() });
    let version = written(clerk.put("k", "one", 0).expect("an answer"));
    proxy.next(&[LoseReply, LoseReply, LoseRequest]);
    let version = written(clerk.put("k", "two", version).expect("an answer"));
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.put("k", "x", version + 1).expect("an answer"), Put::VersionMismatch);
    assert_eq!(clerk.get("k").expect("an answer").expect("it is there").bytes, b"two");
}

/// Lab 2 of 2024: Put and Append are executed once however often their answers are lost.
#[test]
fn writes_are_executed_once() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], options());
    proxy.next(&[LoseReply, LoseReply, Pass]);
    assert_eq!(clerk.append("k", "a").expect("an answer"), Some(Vec::new()));
    proxy.next(&[LoseReply, LoseRequest, LoseReply]);
    assert_eq!(clerk.append("k", "b").expect("an answer"), Some(b"a".to_vec()));
    proxy.next(&[LoseReply]);
    let version = clerk.set("k", "c").expect("an answer");
    let value = clerk.get("k").expect("an answer").expect("it is there");
    assert_eq!((value.bytes.as_slice(), value.version), (b"c".as_slice(), version));
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.increment("n", 5).expect("an answer"), 5);
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.increment("n", -2).expect("an answer"), 3);
    proxy.next(&[LoseReply]);
    assert!(clerk.delete("n").expect("an answer"), "it was there, whatever the second copy found");
    assert!(!clerk.delete("n").expect("an answer"));
    clerk.set("word", "x").expect("an answer");
    let refused = clerk.increment("word", 1).expect_err("it is no number");
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
}

/// A value so long that a reply with it is not kept: the append is executed once all the same.
#[test]
fn a_reply_that_is_not_kept() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], options());
    let long = vec![b'x'; 10_000];
    clerk.set("k", &long).expect("an answer");
    assert_eq!(clerk.append("k", "a").expect("an answer"), Some(long.clone()));
    proxy.next(&[LoseReply]);
    assert_eq!(clerk.append("k", "b").expect("an answer"), None);
    let value = clerk.get("k").expect("an answer").expect("it is there");
    assert_eq!(value.bytes, [long.as_slice(), b"ab"].concat());
}

#[test]
fn transactions() {
    let (_folder, _node, proxy) = lossy();
    let mut clerk = clerk(&[proxy.address], options());
    let commands =
        |value| vec![vec!["SET", "{t}a", value], vec!["INCR", "{t}n"], vec!["GET", "{t}a"]];
    let done = clerk.transaction(&[("{t}a", 0)], &commands("1")).expect("an answer");
    let ok = Frame::Simple(b"OK".to_vec());
    assert_eq!(done, [ok, Frame::Integer(1), Frame::Bulk(b"1".to_vec())]);
    let again = clerk.transaction(&[("{t}a", 0)], &commands("2"));
    assert!(matches!(again, Err(Error::WatchFailed)), "{again:?}");
    let version = clerk.get("{t}a").expect("an answer").expect("it is there").version;
    // WATCH, KV.GET, MULTI, three commands; then EXEC, whose answer is lost.
    proxy.next(&[Pass, Pass, Pass, Pass, Pass, Pass, LoseReply]);
    let lost = clerk.transaction(&[("{t}a", version)], &commands("3"));
    assert!(matches!(lost, Err(Error::Undecided { .. })), "{lost:?}");
    // So it may be tried again without harm: it was executed, and the version tells.
    let again = clerk.transaction(&[("{t}a", version)], &commands("3"));
    assert!(matches!(again, Err(Error::WatchFailed)), "{again:?}");
    assert_eq!(clerk.get("{t}n").expect("an answer").expect("it is there").bytes, b"2");
    let spoiled = clerk.transaction(&[], &[vec!["SET", "{t}a", "4"], vec!["SET", "{t}a"]]);
    assert!(matches!(spoiled, Err(Error::Refused(_))), "{spoiled:?}");
    assert_eq!(clerk.get("{t}a").expect("an answer").expect("it is there").bytes, b"3");
}

#[test]
fn waiting_for_a_version() {
    let (_folder, node, _proxy) = lossy();
    let (mut waits, mut writes) =
        (clerk(&[node.plain], options()), clerk(&[node.plain], options()));
    let version = writes.set("k", "one").expect("an answer");
    let none = waits.wait("k", version, Duration::from_millis(1)).expect("an answer");
    assert_eq!(none, None, "its version has not risen");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            wait_for("the next version", || {
                waits.wait("k", version, Duration::from_secs(5)).expect("an answer")
            })
        });
        writes.set("k", "two").expect("an answer");
        assert_eq!(waiting.join().expect("it does not panic").bytes, b"two");
    });
}

/// The words on the wire under it: a write says its version to who asks for it, also the second time.
#[test]
fn writes_with_version() {
    let (_folder, node, _proxy) = lossy();
    let at = node.plain;
    let ask = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        ask(at, &words).expect("an answer")
    };
    let version = |frame: &Frame| match frame {
        Frame::Integer(version) => *version,
        other => panic!("{other:?} is no version"),
    };
    assert_eq!(ask("KV.SET k a"), Frame::Simple(b"OK".to_vec()));
    let set = version(&ask("KV.SET k b WITHVERSION"));
    let put = version(&ask(&format!("KV.PUT k c {set} withversion")));
    assert!(put > set);
    let once = format!("ONCE k {} 1 KV.APPEND k d WITHVERSION", 1_u64 << 16);
    let told = Frame::Array(vec![Frame::Bulk(b"c".to_vec()), Frame::Integer(put + 1)]);
    assert_eq!((ask(&once), ask(&once)), (told.clone(), told));
    assert_eq!(ask("KV.APPEND k e"), Frame::Bulk(b"cd".to_vec()));
    for line in ["KV.SET k v VERSION", "KV.PUT k v 1 WITHVERSION x", "KV.APPEND k", "KV.PUT k v"] {
        assert!(matches!(ask(line), Frame::Error(_)), "{line}");
    }
    assert_eq!(ask("GET k"), Frame::Bulk(b"cde".to_vec()));
}

#[test]
fn nobody_answers() {
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it listens");
    drop(free);
    let patience = Some(Duration::from_millis(50));
    let mut clerk = clerk(&[address], Options { patience, ..options() });
    let error = clerk.append("k", "v").expect_err("nobody takes it");
    assert!(matches!(error, Error::Unanswered { .. }), "nothing was sent: {error}");
    assert!(error.to_string().contains("quorate server"), "it says what to do: {error}");
}

const THREADS: usize = 4;
const APPENDS: usize = 60;

/// Lab 4 of 2024: four clients append to one key, two on each kind of port; the leader is killed and comes back. Every
/// append is there once, each client's in its order, and each was told what was there before.
#[test]
fn appends_survive_a_leader() {
    let mut cluster = Cluster::start(3);
    let done = AtomicUsize::new(0);
    let (plain, for_cluster) = (cluster.plain().to_vec(), cluster.cluster());
    let append = |number: usize| {
        let addresses = if number.is_multiple_of(2) { &plain } else { &for_cluster };
        let mut clerk = clerk(addresses, options());
        let appends = (0..APPENDS).map(|count| {
            let told = clerk.append("k", format!("{number}.{count};")).expect("an answer");
            done.fetch_add(1, Ordering::Relaxed);
            told
        });
        appends.collect::<Vec<_>>()
    };
    let told: Vec<Vec<Option<Vec<u8>>>> = thread::scope(|scope| {
        let append = &append;
        let threads: Vec<_> =
            (0..THREADS).map(|number| scope.spawn(move || append(number))).collect();
        let reaches = |count| {
            wait_for("the appends", || (done.load(Ordering::Relaxed) >= count).then_some(()));
        };
        reaches(THREADS * APPENDS / 4);
        let old = cluster.leader();
        cluster.kill(old);
        reaches(THREADS * APPENDS / 2);
        cluster.start_node(old);
        threads.into_iter().map(|thread| thread.join().expect("no append fails")).collect()
    });
    let value =
        clerk(cluster.plain(), options()).get("k").expect("an answer").expect("it is there");
    let text = String::from_utf8(value.bytes).expect("it is a text");
    let words: Vec<&str> = text.split_terminator(';').collect();
    assert_eq!(words.len(), THREADS * APPENDS, "each once: {text}");
    for (number, told) in told.iter().enumerate() {
        let begins = format!("{number}.");
        let own: Vec<&str> = words.iter().filter_map(|word| word.strip_prefix(&begins)).collect();
        let order: Vec<String> = (0..APPENDS).map(|count| count.to_string()).collect();
        assert_eq!(own, order, "each once and in order: {text}");
        for (count, before) in told.iter().enumerate() {
            let before = before.as_ref().expect("it is short enough to be kept");
            let word = format!("{number}.{count};");
            let here = text.find(&word).expect("it is there");
            assert_eq!(before.as_slice(), &text.as_bytes()[..here], "what was there before {word}");
        }
    }
}

/// Four clients add to one number by Get and Put with its version while the leader dies. What was written counts, what
/// was refused does not, and Maybe is the only thing that may count or not.
#[test]
fn versioned_puts_survive_a_leader() {
    let mut cluster = Cluster::start(3);
    let done = AtomicUsize::new(0);
    let (plain, for_cluster) = (cluster.plain().to_vec(), cluster.cluster());
    clerk(&plain, options()).set("n", "0").expect("an answer");
    let add = |number: usize| {
        let addresses = if number.is_multiple_of(2) { &plain } else { &for_cluster };
        let mut clerk = clerk(addresses, options());
        let (mut written, mut maybe) = (0, 0);
        while written < 30 {
            let value = clerk.get("n").expect("an answer").expect("it is there");
            let text = String::from_utf8(value.bytes).expect("a number");
            let next = text.parse::<u64>().expect("a number") + 1;
            match clerk.put("n", next.to_string(), value.version).expect("an answer") {
                Put::Written(_) => written += 1,
                Put::Maybe => maybe += 1,
                Put::VersionMismatch => {}
                Put::NoKey => panic!("the key is there"),
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        (written, maybe)
    };
    let counts: Vec<(u64, u64)> = thread::scope(|scope| {
        let add = &add;
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || add(number))).collect();
        wait_for("some puts", || (done.load(Ordering::Relaxed) >= 30).then_some(()));
        let old = cluster.leader();
        cluster.kill(old);
        threads.into_iter().map(|thread| thread.join().expect("no put fails")).collect()
    });
    let value =
        clerk(cluster.plain(), options()).get("n").expect("an answer").expect("it is there");
    let sum: u64 = String::from_utf8(value.bytes).expect("a number").parse().expect("a number");
    let written: u64 = counts.iter().map(|(written, _)| written).sum();
    let maybe: u64 = counts.iter().map(|(_, maybe)| maybe).sum();
    assert!((written..=written + maybe).contains(&sum), "{written} to {maybe} more, and not {sum}");
}
