//! Locks on real servers: one holder at a time, fencing versions that rise, and what becomes of a lock whose holder
//! dies.

#[path = "../examples/clerk.rs"]
mod clerk_example;
#[path = "../examples/lock.rs"]
mod lock_example;
mod support;

use quorate::client::{Address, Clerk, Lock, LockError, Options, Renewed};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::process::{Cluster, Folder, Node, PATIENCE, wait_for};
use support::proxy::Fate::{LoseReply, LoseRequest, Pass};
use support::proxy::Proxy;

fn addresses(of: &[SocketAddr]) -> Vec<Address> {
    of.iter().copied().map(Address::from).collect()
}

fn clerk(of: &[SocketAddr]) -> Clerk {
    let options = Options { patience: Some(PATIENCE), ..Options::default() };
    Clerk::connect(&addresses(of), options).expect("there is an address")
}

fn plain(of: &[SocketAddr]) -> Lock {
    Lock::new(clerk(of), "lock").expect("a lock")
}

fn lease(of: &[SocketAddr], ttl: Duration) -> Lock {
    Lock::with_ttl(clerk(of), "lock", ttl).expect("a lock")
}

fn node() -> (Folder, Node) {
    let folder = Folder::new();
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    (folder, node)
}

/// So long that it does not end within a test.
const LONG: Duration = Duration::from_secs(600);
const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn one_holder_at_a_time() {
    let (_folder, node) = node();
    let all = [node.plain];
    let mut last = 0;
    for (mut first, mut second) in [
        (plain(&all), plain(&all)),
        (plain(&all), lease(&all, LONG)),
        (lease(&all, LONG), plain(&all)),
    ] {
        let fence = first.acquire().expect("it is free");
        assert!(fence > last, "fencing versions rise: {fence} after {last}");
        assert_eq!(first.version(), Some(fence));
        assert!(matches!(first.acquire(), Err(LockError::Held)));
        assert_eq!(second.acquire_within(AT_ONCE).expect("an answer"), None);
        assert_eq!(second.version(), None);
        first.release().expect("it is held");
        assert!(matches!(first.release(), Err(LockError::NotHeld)));
        let next = second.acquire().expect("it is free");
        assert!(next > fence, "fencing versions rise: {next} after {fence}");
        second.release().expect("it is held");
        last = next;
    }
}

/// LOCK-MAYBE-1: whatever is lost, a lock is held by who believes it, and by nobody else.
#[test]
fn lost_answers() {
    let (_folder, node) = node();
    let proxy = Proxy::to(node.plain);
    let all = [proxy.address];
    for mut lock in [plain(&all), lease(&all, LONG), plain(&all)] {
        for fates in [[LoseReply; 2], [LoseRequest, LoseReply], [LoseReply, LoseRequest]] {
            proxy.next(&fates);
            let fence = lock.acquire().expect("it is free");
            let mut other = plain(&[node.plain]);
            assert_eq!(other.acquire_within(AT_ONCE).expect("an answer"), None, "it is held");
            proxy.next(&fates);
            lock.release().expect("it is held");
            let next = other.acquire().expect("it is free");
            assert!(next > fence);
            other.release().expect("it is held");
        }
    }
}

/// Calls are given up, and taken up again where they were: what is held, and by whom, is not forgotten.
#[test]
fn given_up_and_taken_up() {
    let (_folder, node) = node();
    let proxy = Proxy::to(node.plain);
    let hasty = || {
        let patience = Some(Duration::from_millis(200));
        let options = Options { patience, ..Options::default() };
        Clerk::connect(&addresses(&[proxy.address]), options).expect("there is an address")
    };
    let locks = [
        Lock::new(hasty(), "lock").expect("a lock"),
        Lock::with_ttl(hasty(), "lock", LONG).expect("a lock"),
    ];
    for mut lock in locks {
        for fate in [LoseReply, LoseRequest] {
            // The first look is answered; what follows is not.
            proxy.next(&[Pass]);
            proxy.next(&[fate; 1000]);
            // Looking and taking are given up, each where it is.
            for _ in 0..2 {
                assert!(matches!(lock.acquire(), Err(LockError::Call(_))));
            }
            assert_eq!(lock.version(), None);
            proxy.heal();
            let fence = wait_for("the lock", || lock.acquire().ok());
            assert_eq!(lock.version(), Some(fence));
            proxy.next(&[fate; 1000]);
            let renewed = lock.renew().expect("it is held");
            assert_eq!(
                renewed,
                if lock.renew_at().is_some() { Renewed::NotYet } else { Renewed::Yes }
            );
            proxy.heal();
            wait_for("a renewal", || {
                (lock.renew().expect("it is held") == Renewed::Yes).then_some(())
            });
            assert_eq!(lock.version(), Some(fence));
            proxy.next(&[fate; 1000]);
            if lock.ends_at().is_none() {
                assert!(matches!(lock.release(), Err(LockError::Call(_))));
            }
            proxy.heal();
            wait_for("the release", || lock.release().ok());
            assert_eq!(lock.version(), None);
        }
    }
}

/// A holder that dies frees the lock when its time is over, and one that is late knows that it is.
#[test]
fn a_lease_ends() {
    let (_folder, node) = node();
    let all = [node.plain];
    let mut dies = lease(&all, Duration::from_millis(500));
    let mut next = lease(&all, LONG);
    // On a machine that is very busy a lease can be over before it is told.
    let first = wait_for("a lease", || dies.acquire_within(LONG).ok().flatten());
    let begun = Instant::now();
    let second = next.acquire().expect("it frees itself");
    assert!(begun.elapsed() < PATIENCE);
    assert!(second > first, "fencing versions rise: {second} after {first}");
    assert_eq!(dies.version(), None, "a holder stops before the lock frees itself");
    assert!(matches!(dies.renew(), Err(LockError::Lost)));
    assert!(matches!(dies.release(), Err(LockError::NotHeld)));
    assert_eq!(next.version(), Some(second), "what the late one does changes nothing");
    next.release().expect("it is held");
}

#[test]
fn a_lease_is_renewed() {
    let (_folder, node) = node();
    let all = [node.plain];
    let ttl = Duration::from_secs(5);
    let mut lock = lease(&all, ttl);
    let fence = lock.acquire().expect("it is free");
    let begun = Instant::now();
    let mut other = plain(&all);
    // Beyond the time that it was taken for.
    while begun.elapsed() < ttl + Duration::from_secs(1) {
        assert_eq!(lock.renew().expect("it is held"), Renewed::Yes);
        let waits = other.acquire_within(Duration::from_millis(100)).expect("an answer");
        assert_eq!(waits, None);
    }
    assert_eq!(lock.version(), Some(fence), "the fencing version stays");
    lock.release().expect("it is held");
    assert!(other.acquire().expect("it is free") > fence);
}

/// No server can be reached, so nothing is sent. A release does not wait for the renewal that was not sent; and one
/// that could not be sent either is over with the lock's time, and the lock can be acquired again.
#[test]
fn nobody_is_there() {
    let mut cluster = Cluster::start(1);
    let all = cluster.plain().to_vec();
    let hasty = |ttl| {
        let patience = Some(Duration::from_millis(200));
        let options = Options { patience, ..Options::default() };
        let clerk = Clerk::connect(&addresses(&all), options).expect("there is an address");
        Lock::with_ttl(clerk, "lock", ttl).expect("a lock")
    };
    let mut lock = hasty(LONG);
    wait_for("the lock", || lock.acquire().ok());
    cluster.kill(0);
    // The first finds that its connection is gone; from then on nothing is sent.
    for _ in 0..2 {
        assert_eq!(lock.renew().expect("it is held"), Renewed::NotYet);
    }
    cluster.start_node(0);
    wait_for("the release", || lock.release().ok());
    assert_eq!((lock.version(), lock.ends_at()), (None, None));
    let mut lock = hasty(Duration::from_secs(2));
    wait_for("the lock", || lock.acquire().ok());
    cluster.kill(0);
    // On a machine that is very busy its time may be over by now.
    if lock.renew().is_ok() {
        wait_for("its end", || matches!(lock.release(), Err(LockError::Lost)).then_some(()));
    }
    cluster.start_node(0);
    wait_for("the lock again", || lock.acquire().ok());
    wait_for("the release", || lock.release().ok());
}

/// Somebody deletes the key: the holder learns it at the next renewal.
#[test]
fn a_lock_that_was_taken_away() {
    let (_folder, node) = node();
    let all = [node.plain];
    let mut lock = lease(&all, LONG);
    lock.acquire().expect("it is free");
    assert!(clerk(&all).delete("lock").expect("an answer"));
    assert!(matches!(lock.renew(), Err(LockError::Lost)));
    assert_eq!(lock.version(), None);
    assert!(matches!(lock.renew(), Err(LockError::NotHeld)));
    lock.acquire().expect("it can be acquired again");
    lock.release().expect("it is held");
}

/// Holders on three nodes; the leader is killed. No two are inside at once, and fencing versions rise.
#[test]
fn holders_never_overlap() {
    const ROUNDS: usize = 12;
    let mut cluster = Cluster::start(3);
    let (plain_ports, cluster_ports) = (cluster.plain().to_vec(), cluster.cluster());
    let (inside, rounds) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fences = Mutex::new(Vec::new());
    let hold = |mut lock: Lock| {
        for _ in 0..ROUNDS {
            let fence = lock.acquire().expect("it is had in the end");
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "another is inside");
            fences.lock().expect("no holder panics").push(fence);
            rounds.fetch_add(1, Ordering::Relaxed);
            thread::yield_now();
            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "another came in");
            assert_eq!(lock.version(), Some(fence));
            lock.release().expect("it is held");
        }
    };
    thread::scope(|scope| {
        let hold = &hold;
        let locks = [plain(&plain_ports), lease(&cluster_ports, LONG), plain(&cluster_ports)];
        let threads: Vec<_> =
            locks.into_iter().map(|lock| scope.spawn(move || hold(lock))).collect();
        wait_for("some rounds", || (rounds.load(Ordering::Relaxed) >= ROUNDS).then_some(()));
        let leader = cluster.leader();
        cluster.kill(leader);
        threads.into_iter().for_each(|thread| thread.join().expect("no holder fails"));
    });
    let fences = fences.into_inner().expect("no holder has panicked");
    assert_eq!(fences.len(), 3 * ROUNDS);
    assert!(fences.is_sorted_by(|first, second| first < second), "they rise: {fences:?}");
}

#[test]
fn the_examples() {
    let (_folder, node) = node();
    let at = addresses(&[node.plain]);
    assert_eq!(clerk_example::run(&at).expect("it runs"), 1);
    assert_eq!(clerk_example::run(&at).expect("it runs"), 2);
    let text = clerk(&[node.plain]).get("document").expect("an answer").expect("it is there");
    assert_eq!(text.bytes, b"run 1\nrun 2\n");
    let mut guarded = lock_example::Guarded::default();
    assert!(lock_example::work("one", &at, &mut guarded).expect("it runs"));
    assert!(lock_example::work("other", &at, &mut guarded).expect("it runs"));
    assert!(!guarded.write("late", guarded.written[0].1), "a late write is turned away");
    let written: Vec<&str> = guarded.written.iter().map(|(who, _)| who.as_str()).collect();
    assert_eq!(written, ["one", "other"]);
}
