//! Who the client is, what it speaks, and whether it may.

use super::bench::{START_MS, both};
use super::{Bench, access};
use quorate::session::{Access, Password, Port, SessionLimits};

fn with_password() -> Bench {
    let password = Some(Password::new(b"secret"));
    Bench::with(Access { password, ..access(Port::Plain) }, SessionLimits::default())
}

#[test]
fn small_talk() {
    both(&[
        ("PING", "+PONG", "+PONG"),
        ("PING hello", "$5 hello", "$5 hello"),
        (
            "PING a b",
            "-ERR wrong number of arguments for 'ping' command",
            "-ERR wrong number of arguments for 'ping' command",
        ),
        ("ECHO hello", "$5 hello", "$5 hello"),
        ("SELECT 0", "+OK", "+OK"),
        ("SELECT 1", "-ERR DB index is out of range", "-ERR DB index is out of range"),
        (
            "SELECT a",
            "-ERR value is not an integer or out of range",
            "-ERR value is not an integer or out of range",
        ),
        ("READONLY", "+OK", "+OK"),
        ("READWRITE", "+OK", "+OK"),
        ("ASKING", "+OK", "+OK"),
        ("TIME", "*2 $10 1700000000 $6 123000", "*2 $10 1700000000 $6 123000"),
        (
            "FOO bar",
            "-ERR unknown command 'FOO', with args beginning with: 'bar' ",
            "-ERR unknown command 'FOO', with args beginning with: 'bar' ",
        ),
        (
            "GET",
            "-ERR wrong number of arguments for 'get' command",
            "-ERR wrong number of arguments for 'get' command",
        ),
    ]);
    let mut cluster = Bench::cluster();
    cluster.told(&[("SELECT 1", "-ERR SELECT is not allowed in cluster mode")]);
}

#[test]
fn hello_tells_seven_things() {
    let told = |header: &str, version: i64, mode: &str| {
        format!(
            "{header} $6 server $5 redis $7 version $5 7.2.4 $5 proto :{version} $2 id :5 $4 mode ${} {mode} \
             $4 role $6 master $7 modules *0",
            mode.len()
        )
    };
    let mut b = Bench::new();
    b.told(&[
        ("HELLO", &told("*14", 2, "standalone")),
        ("HELLO 3", &told("%7", 3, "standalone")),
        ("HELLO", &told("%7", 3, "standalone")),
        ("GET k", "_"),
        ("HELLO 2 SETNAME me", &told("*14", 2, "standalone")),
        ("CLIENT GETNAME", "$2 me"),
        ("HELLO 1", "-NOPROTO unsupported protocol version"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO a", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 3 AUTH default", "-ERR Syntax error in HELLO option 'AUTH'"),
        ("GET k", "$-1"),
    ]);
    b.told(&[("HELLO 3 AUTH default any", &told("%7", 3, "standalone"))]);
    let spaced = b.say(&["HELLO", "2", "SETNAME", "a b"]);
    assert_eq!(spaced, "-ERR Client names cannot contain spaces, newlines or special characters.");
    assert_eq!(b.line("GET k"), "_", "a HELLO that fails changes nothing");
    Bench::cluster().told(&[("HELLO 2", &told("*14", 2, "cluster"))]);
    let replica = told("*14", 2, "cluster").replace("$6 master", "$7 replica");
    Bench::follower().told(&[("HELLO 2", &replica)]);
}

#[test]
fn nothing_goes_without_the_password() {
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    let mut b = with_password();
    for line in
        ["PING", "GET k", "SET k v", "INFO", "COMMAND", "CLIENT ID", "MULTI", "ONCE k 1 1 GET k"]
    {
        assert_eq!(b.line(line), "-NOAUTH Authentication required.", "{line}");
    }
    b.told(&[
        ("AUTH wrong", wrong),
        ("AUTH secre", wrong),
        ("AUTH secrets", wrong),
        ("AUTH ''", wrong),
        ("AUTH other secret", wrong),
        ("HELLO 3 AUTH default wrong", wrong),
        ("AUTH a b c", "-ERR syntax error"),
    ]);
    assert!(b.line("HELLO 3").starts_with("-NOAUTH "));
    assert_eq!(b.line("GET k"), "-NOAUTH Authentication required.");
    b.told(&[("AUTH secret", "+OK"), ("GET k", "$-1"), ("RESET", "+RESET")]);
    b.told(&[
        ("GET k", "-NOAUTH Authentication required."),
        ("AUTH default secret", "+OK"),
        ("RESET", "+RESET"),
    ]);
    assert!(b.line("HELLO 3 AUTH default secret").starts_with("%7 "));
    assert_eq!(b.line("GET k"), "_");
    let told = Bench::new().line("AUTH any");
    assert!(
        told.starts_with("-ERR AUTH <password> called without any password configured"),
        "{told}"
    );
}

/// A stranger gets no memory. Once the password is given, the usual limits are in force at once, also for commands
/// that came in the same piece.
#[test]
fn strangers_are_kept_short() {
    let mut b = with_password();
    b.receive(b"*11\r\n");
    assert_eq!(b.shown(), "-ERR Protocol error: unauthenticated multibulk length");
    assert!(b.session.closes() && !b.session.wants_more());

    let mut b = with_password();
    b.receive(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    assert_eq!(b.shown(), "-ERR Protocol error: unauthenticated bulk length");
    assert!(b.session.closes());

    let mut b = with_password();
    let long = "x".repeat(20_000);
    let command =
        format!("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*2\r\n$4\r\nECHO\r\n$20000\r\n{long}\r\n");
    b.receive(command.as_bytes());
    assert_eq!(b.shown(), format!("+OK $20000 {long}"));
    b.receive(format!("*1\r\n$5\r\nRESET\r\n*2\r\n$4\r\nECHO\r\n$20000\r\n{long}\r\n").as_bytes());
    assert_eq!(b.shown(), "+RESET -ERR Protocol error: unauthenticated bulk length");
}

#[test]
fn strangers_from_elsewhere_are_told_why() {
    let away = Access { loopback: false, ..access(Port::Plain) };
    let mut b = Bench::with(away.clone(), SessionLimits::default());
    b.ask(&["SET", "k", "v"]);
    let told = b.shown();
    assert!(told.starts_with("-DENIED ") && !told.contains('+'), "{told}");
    assert!(b.session.closes() && b.asked.is_empty());

    let password = Some(Password::new(b"secret"));
    let mut b = Bench::with(Access { password, ..away }, SessionLimits::default());
    b.told(&[("AUTH secret", "+OK"), ("GET k", "$-1")]);
}

/// A page in a browser may try to speak to a server on the same machine.
#[test]
fn browsers_are_told_nothing() {
    for head in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\n",
        "HEAD /x HTTP/1.0\r\n",
        "Host: localhost\r\n",
        "*1\r\n$4\r\nPOST\r\n",
    ] {
        let mut b = Bench::new();
        b.receive(head.as_bytes());
        b.receive(b"SET k v\r\n");
        assert_eq!((b.shown().as_str(), b.asked.len()), ("", 0), "{head}");
        assert!(b.session.closes());
    }
    let mut b = Bench::new();
    b.told(&[
        ("SET k HTTP/1.1", "+OK"),
        ("APPEND k HTTP/1.1", ":16"),
        ("GET k", "$16 HTTP/1.1HTTP/1.1"),
    ]);
}

#[test]
fn bytes_that_are_no_command_end_it_after_the_replies() {
    let mut b = Bench::new();
    b.receive(b"SET k v\r\nPING\r\n*1\r\n:5\r\nPING\r\n");
    assert!(!b.session.closes(), "the SET is not answered");
    b.settle();
    assert_eq!(b.shown(), "+OK +PONG -ERR Protocol error: expected '$', got ':'");
    assert!(b.session.closes());
    b.receive(b"PING\r\n");
    assert_eq!(b.shown(), "");
}

#[test]
fn quit_ends_it_after_the_replies() {
    let mut b = Bench::new();
    b.receive(b"GET k\r\nQUIT\r\nGET k\r\n");
    assert!(!b.session.closes());
    b.settle();
    assert_eq!(b.shown(), "$-1 +OK");
    assert!(b.session.closes() && b.asked.is_empty());
}

#[test]
fn a_command_that_is_too_large_is_refused_and_read_past() {
    let request = quorate::resp::Limits::DEFAULT.with_bulk_bytes(10);
    let limits = SessionLimits { request, ..SessionLimits::default() };
    let mut b = Bench::with(access(Port::Plain), limits);
    let told = b.say(&["SET", "k", "12345678901"]);
    assert!(told.starts_with("-ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    b.told(&[("GET k", "$-1")]);
}

#[test]
fn a_client_has_names() {
    both(&[
        ("CLIENT ID", ":5", ":5"),
        ("CLIENT GETNAME", "$-1", "_"),
        ("CLIENT SETNAME me", "+OK", "+OK"),
        ("CLIENT GETNAME", "$2 me", "$2 me"),
        ("CLIENT SETNAME ''", "+OK", "+OK"),
        ("CLIENT GETNAME", "$-1", "_"),
        ("CLIENT SETINFO LIB-NAME lib", "+OK", "+OK"),
        ("CLIENT SETINFO lib-ver 1.2", "+OK", "+OK"),
        (
            "CLIENT SETINFO foo 1",
            "-ERR Unrecognized option 'foo'",
            "-ERR Unrecognized option 'foo'",
        ),
        ("CLIENT NO-EVICT ON", "+OK", "+OK"),
        ("CLIENT NO-TOUCH OFF", "+OK", "+OK"),
        ("CLIENT NO-TOUCH maybe", "-ERR syntax error", "-ERR syntax error"),
        (
            "CLIENT MAINT_NOTIFICATIONS ON",
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
        ),
    ]);
    let mut b = Bench::new();
    let told = b.say(&["CLIENT", "SETNAME", "a b"]);
    assert_eq!(told, "-ERR Client names cannot contain spaces, newlines or special characters.");
    b.line("CLIENT SETNAME me");
    b.line("CLIENT SETINFO LIB-NAME lib");
    b.now_ms = START_MS + 7_000;
    let line = "id=5 addr=127.0.0.1:50000 laddr=127.0.0.1:7400 name=me age=7 idle=0 flags=N db=0 sub=0 psub=0 \
        ssub=0 cmd=client|info user=default lib-name=lib lib-ver= resp=2";
    assert_eq!(b.line("CLIENT INFO"), format!("${} {line}\n", line.len() + 1));
    let list = line.replace("client|info", "client|list");
    assert_eq!(b.line("CLIENT LIST"), format!("${} {list}\n", list.len() + 1));
}

#[test]
fn who_is_connected() {
    let mut b = Bench::new();
    for (filter, found) in [
        ("", true),
        ("TYPE normal", true),
        ("TYPE pubsub", false),
        ("TYPE replica", false),
        ("ID 4 5", true),
        ("ID 4", false),
    ] {
        let told = b.line(format!("CLIENT LIST {filter}").trim_end());
        assert_eq!(told.contains("id=5"), found, "{filter}: {told}");
    }
    b.told(&[
        ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
        ("CLIENT LIST ID 0", "-ERR client-id should be greater than 0"),
        ("CLIENT LIST ID a", "-ERR client-id should be greater than 0"),
        ("CLIENT LIST FOO", "-ERR syntax error"),
    ]);
}

#[test]
fn who_is_sent_away() {
    let mut b = Bench::new();
    b.told(&[
        ("CLIENT KILL 127.0.0.1:1", "-ERR No such client"),
        ("CLIENT KILL ID 5", ":0"),
        ("CLIENT KILL ID 5 SKIPME yes", ":0"),
        ("CLIENT KILL ID 6 SKIPME no", ":0"),
        ("CLIENT KILL USER other SKIPME no", ":0"),
        ("CLIENT KILL TYPE master SKIPME no", ":0"),
        ("CLIENT KILL LADDR 127.0.0.1:1 SKIPME no", ":0"),
        ("CLIENT KILL MAXAGE 1 SKIPME no", ":0"),
        ("CLIENT KILL MAXAGE a SKIPME no", "-ERR value is not an integer or out of range"),
        ("CLIENT KILL ID 5 SKIPME", "-ERR syntax error"),
        ("CLIENT KILL ID 5 SKIPME maybe", "-ERR syntax error"),
        ("CLIENT KILL FOO bar", "-ERR syntax error"),
        ("CLIENT KILL ID 5 ADDR 127.0.0.1:50000 USER default TYPE normal SKIPME no", ":1"),
    ]);
    assert!(b.session.closes(), "it is told, and then it must go");
    let mut b = Bench::new();
    b.told(&[("CLIENT KILL 127.0.0.1:50000", "+OK")]);
    assert!(b.session.closes());
}

#[test]
fn replies_can_be_switched_off() {
    let mut b = Bench::new();
    b.told(&[
        ("CLIENT REPLY SKIP", ""),
        ("SET k 1", ""),
        ("GET k", "$1 1"),
        ("CLIENT REPLY OFF", ""),
        ("SET k 2", ""),
        ("FOO", ""),
        ("PING", ""),
        ("CLIENT REPLY SKIP", ""),
        ("CLIENT REPLY ON", "+OK"),
        ("GET k", "$1 2"),
        ("CLIENT REPLY maybe", "-ERR syntax error"),
    ]);
    b.told(&[
        ("CLIENT REPLY OFF", ""),
        ("CLIENT SETNAME me", ""),
        ("HELLO 3", ""),
        ("CLIENT REPLY ON", "+OK"),
        ("CLIENT GETNAME", "$2 me"),
        ("GET none", "_"),
    ]);
    b.receive(b"GET k\r\nCLIENT REPLY SKIP\r\nGET k\r\nPING\r\n");
    b.settle();
    assert_eq!(b.shown(), "$1 2 +PONG");
}

#[test]
fn reset_begins_anew() {
    let mut b = Bench::new();
    b.line("HELLO 3 SETNAME me");
    b.told(&[
        ("MULTI", "+OK"),
        ("SET k v", "+QUEUED"),
        ("RESET", "+RESET"),
        ("GET k", "$-1"),
        ("EXEC", "-ERR EXEC without MULTI"),
        ("CLIENT GETNAME", "$-1"),
    ]);
}
