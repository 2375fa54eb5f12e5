//! Which calls are under way together, in which order replies leave, and when a session has enough.

use super::{Bench, access};
use protocol::kv::{Bytes, Reply};
use quorate::session::{Answer, Call, Outcome, Port, SessionLimits};

fn with(limits: SessionLimits) -> Bench {
    Bench::with(access(Port::Plain), limits)
}

fn bulk(text: &str) -> Outcome {
    Outcome::Done(Answer::Reply(Reply::Bulk(Bytes::from(text))))
}

#[test]
fn replies_leave_in_the_order_of_the_commands() {
    let mut b = Bench::new();
    b.receive(b"GET a\r\nPING\r\nGET b\r\nECHO x\r\nFOO\r\nGET c\r\n");
    assert_eq!(b.asked.len(), 3);
    assert_eq!(b.shown(), "");
    b.answer(2, bulk("c"));
    assert_eq!(b.shown(), "");
    b.answer(0, bulk("a"));
    assert_eq!(b.shown(), "$1 a +PONG");
    b.answer(0, bulk("b"));
    assert_eq!(b.shown(), "$1 b $1 x -ERR unknown command 'FOO', with args beginning with:  $1 c");
}

/// Each of these commands is told what follows from those before it, though all came at once.
#[test]
fn a_pipeline_sees_its_own_writes() {
    let mut b = Bench::new();
    b.receive(
        b"SET k 1\r\nGET k\r\nINCR k\r\nINCR k\r\nMGET k k\r\nDEL k\r\nEXISTS k\r\nDBSIZE\r\n",
    );
    b.settle();
    assert_eq!(b.shown(), "+OK $1 1 :2 :3 *2 $1 3 $1 3 :1 :0 :0");
}

#[test]
fn writes_go_together_and_so_do_reads() {
    let mut b = Bench::new();
    b.receive(b"SET a 1\r\nSET b 2\r\nDEL c\r\nGET a\r\nGET b\r\nSET c 3\r\nGET c\r\n");
    let writes = |b: &Bench| {
        b.asked.iter().map(|asked| matches!(asked.call, Call::Write(_))).collect::<Vec<_>>()
    };
    assert_eq!(writes(&b), [true, true, true]);
    assert!(!b.session.wants_more(), "a call is held");
    b.carry_out(1);
    b.carry_out(0);
    assert_eq!(writes(&b), [true]);
    b.carry_out(0);
    assert_eq!(writes(&b), [false, false]);
    b.carry_out(1);
    assert_eq!(writes(&b), [false]);
    b.carry_out(0);
    assert_eq!(writes(&b), [true]);
    b.carry_out(0);
    assert_eq!(writes(&b), [false]);
    assert!(b.session.wants_more());
    b.carry_out(0);
    assert_eq!(b.shown(), "+OK +OK :0 $1 1 $1 2 +OK $1 3");
}

/// What concerns no key waits for nothing, and a KV.WAIT holds up writes but no reads.
#[test]
fn what_waits_for_what() {
    let mut b = Bench::new();
    b.receive(b"SET k 1\r\nCLIENT LIST\r\nPING\r\n");
    assert_eq!(b.asked.len(), 2);
    b.settle();
    b.shown();
    b.receive(b"KV.WAIT k 1 0\r\nGET k\r\nSET k 2\r\n");
    assert_eq!(b.asked.len(), 2);
    b.carry_out(1);
    assert_eq!((b.asked.len(), b.shown().as_str()), (1, ""));
    b.answer(0, Outcome::Done(Answer::TimedOut));
    assert_eq!(b.shown(), "*-1 $1 1");
    b.settle();
    assert_eq!(b.shown(), "+OK");
}

/// The protocol is the one of the moment when the command came.
#[test]
fn hello_does_not_reach_back() {
    let mut b = Bench::new();
    b.receive(b"GET k\r\nHELLO 3\r\nGET k\r\n");
    b.settle();
    let told = b.shown();
    assert!(told.starts_with("$-1 %7 ") && told.ends_with(" _"), "{told}");
}

#[test]
fn calls_are_bounded() {
    let mut b = with(SessionLimits { calls: 3, ..SessionLimits::default() });
    let gets = "GET k\r\n".repeat(10);
    b.receive(gets.as_bytes());
    assert_eq!((b.asked.len(), b.session.in_flight()), (3, 3));
    assert!(!b.session.wants_more());
    b.carry_out(0);
    assert_eq!(b.asked.len(), 3, "the next one follows");
    b.settle();
    assert!(b.session.wants_more());
    assert_eq!(b.shown(), ["$-1"; 10].join(" "));
}

#[test]
fn bytes_of_calls_are_bounded() {
    let mut b = with(SessionLimits { call_bytes: 10_000, ..SessionLimits::default() });
    let value = "x".repeat(4_000);
    for _ in 0..10 {
        b.ask(&["SET", "k", &value]);
    }
    assert_eq!(b.asked.len(), 3, "what reaches the bound is finished");
    assert!(!b.session.wants_more());
    b.settle();
    assert_eq!(b.shown(), ["+OK"; 10].join(" "));
    assert!(b.session.wants_more());
}

/// A client that does not read is not served on, and holds no more than it asked for.
#[test]
fn replies_are_bounded() {
    let mut b = with(SessionLimits { output_bytes: 1_000, ..SessionLimits::default() });
    let value = "x".repeat(600);
    b.say(&["SET", "k", &value]);
    b.receive("GET k\r\n".repeat(100).as_bytes());
    assert_eq!(b.asked.len(), 100, "nobody knows yet how long the replies are");
    b.settle();
    assert!(b.session.output().len() < 2_000 && !b.session.wants_more());
    b.receive("PING\r\n".repeat(3).as_bytes());
    let mut told = Vec::new();
    loop {
        let output = b.output();
        if output.is_empty() {
            break;
        }
        assert!(output.len() < 2_000);
        told.extend(output);
        b.receive(b"");
    }
    let expected = format!("$600\r\n{value}\r\n").repeat(100) + &"+PONG\r\n".repeat(3);
    assert_eq!(told, expected.as_bytes());
    assert!(b.session.wants_more());
}

/// The replies of commands that are answered at once are bounded too.
#[test]
fn local_replies_are_bounded() {
    let mut b = with(SessionLimits { output_bytes: 1_000, ..SessionLimits::default() });
    b.receive("PING\r\n".repeat(1_000).as_bytes());
    assert!(b.session.output().len() < 1_100);
    b.receive("GET k\r\n".as_bytes());
    assert!(b.asked.is_empty());
    let mut count = 0;
    while !b.session.output().is_empty() {
        // A socket that takes little at once.
        b.session.sent(100);
        count += 1;
        b.receive(b"");
    }
    assert_eq!((count, b.asked.len()), (70, 1));
}

/// Behind a call that is not answered, too.
#[test]
fn replies_that_wait_are_bounded() {
    let mut b = with(SessionLimits { output_bytes: 1_000, ..SessionLimits::default() });
    b.receive(format!("GET k\r\n{}", "PING\r\n".repeat(1_000)).as_bytes());
    assert!(b.session.output().is_empty() && !b.session.wants_more());
    b.carry_out(0);
    assert!(!b.session.output().is_empty() && b.session.output().len() < 1_100);
}

/// What a session holds is known, so that all of them can have a bound too.
#[test]
fn what_is_held_is_counted() {
    let mut b = Bench::new();
    assert_eq!(b.session.bytes(), 0);
    let value = "x".repeat(1_000);
    b.receive(format!("SET k {value}").as_bytes());
    let begun = b.session.bytes();
    b.receive(format!("\r\nGET k\r\nSET k {value}\r\n").as_bytes());
    let asked = b.session.bytes();
    assert!((1_000..1_100).contains(&begun) && asked > 2_000, "{begun} and {asked}");
    b.settle();
    b.line("MULTI");
    b.say(&["SET", "k", &value]);
    assert!((1_000..1_300).contains(&b.session.bytes()));
    assert_eq!(b.line("EXEC"), "*1 +OK");
    assert_eq!(b.session.bytes(), 0);
}

/// After the end nothing is asked, and what was asked is answered.
#[test]
fn the_end() {
    let mut b = Bench::new();
    b.receive(b"SET k 1\r\nGET k\r\nSET k 2\r\n");
    b.session.end();
    assert!(!b.session.closes());
    b.settle();
    assert_eq!(b.shown(), "+OK");
    assert!(b.session.closes() && b.asked.is_empty());
}
