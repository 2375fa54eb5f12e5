//! The command table: that it holds what is promised, that its facts are Redis', and what clients are told
//! from it.

use quorate::commands::{
    Arguments, Command, CommandError, Flags, Id, TABLE, all, command, find, find_full, help,
    is_http, once_inner, resolve,
};
use quorate::resp::{Decoder, Frame, Protocol, Writer};

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// The row that a line means, or what is said instead.
fn meant(line: &str) -> Result<&'static str, String> {
    resolve(&words(line)[..]).map(|row| row.name).map_err(|error| error.to_string())
}

/// The keys of a line.
fn keys(line: &str) -> Result<Vec<String>, CommandError> {
    let words = words(line);
    let keys = resolve(&words[..])?.keys(&words[..])?;
    Ok(keys.map(|place| words[place].to_string()).collect())
}

/// The answer to a line that begins with COMMAND.
fn answer(line: &str, protocol: Protocol) -> Frame {
    let words = words(line);
    let row = resolve(&words[..]).expect("the line is right");
    let mut out = Vec::new();
    command(row.id, &words[..], &mut Writer::new(&mut out, protocol));
    let mut decoder = Decoder::default();
    decoder.feed(&out);
    let frame = decoder.next_frame().expect("an answer").expect("a whole one");
    assert!(decoder.is_empty(), "{line} gives one answer");
    frame
}

/// An answer as a person would write it.
fn shown(frame: &Frame) -> String {
    let list = |items: &[Frame]| items.iter().map(shown).collect::<Vec<_>>().join(" ");
    match frame {
        Frame::Simple(text) | Frame::Error(text) | Frame::Bulk(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        Frame::Integer(value) => value.to_string(),
        Frame::Null | Frame::NullArray => "nil".into(),
        Frame::Array(items) => format!("[{}]", list(items)),
        Frame::Set(items) => format!("{{{}}}", list(items)),
        Frame::Map(pairs) => {
            let pairs =
                pairs.iter().map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn told(line: &str) -> String {
    shown(&answer(line, Protocol::Resp3))
}

/// Every command of the interface, none twice, each found by its name in any case.
#[test]
fn every_command_is_there() {
    let single = "PING ECHO QUIT RESET HELLO AUTH SELECT CLIENT COMMAND CONFIG INFO DBSIZE FLUSHALL FLUSHDB \
        TIME WAIT ROLE READONLY READWRITE ASKING MEMORY OBJECT FUNCTION SCRIPT DEBUG CLUSTER SET DELEX \
        DELIFEQ GET GETDEL GETEX GETSET GETRANGE SETRANGE SUBSTR APPEND STRLEN INCR DECR INCRBY DECRBY \
        INCRBYFLOAT MGET MSET MSETNX SETNX SETEX PSETEX LCS DEL UNLINK EXISTS TYPE TOUCH EXPIRE PEXPIRE \
        EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST RENAME RENAMENX COPY RANDOMKEY KEYS \
        SCAN MULTI EXEC DISCARD WATCH UNWATCH EVAL EVALSHA ONCE KV.GET KV.PUT KV.SET KV.APPEND KV.WAIT \
        QUORATE.CONTROLLER";
    let below = [
        ("CLIENT", "ID SETNAME GETNAME SETINFO INFO LIST KILL NO-EVICT NO-TOUCH REPLY HELP"),
        ("COMMAND", "COUNT INFO DOCS GETKEYS LIST HELP"),
        ("CONFIG", "GET SET RESETSTAT HELP"),
        ("MEMORY", "USAGE HELP"),
        ("OBJECT", "ENCODING FREQ IDLETIME REFCOUNT HELP"),
        ("FUNCTION", "FLUSH HELP"),
        ("SCRIPT", "FLUSH HELP"),
        (
            "CLUSTER",
            "SLOTS SHARDS NODES INFO MYID MYSHARDID KEYSLOT COUNTKEYSINSLOT GETKEYSINSLOT LINKS REPLICAS \
             FAILOVER MIGRATESLOTS GETSLOTMIGRATIONS CANCELSLOTMIGRATIONS MIGRATION SETSLOT ADDSLOTS MEET \
             FORGET HELP",
        ),
    ];
    let mut names: Vec<String> = single.split_whitespace().map(str::to_ascii_lowercase).collect();
    for (container, subcommands) in below {
        let full = |name: &str| format!("{container}|{name}").to_ascii_lowercase();
        names.extend(subcommands.split_whitespace().map(full));
    }
    for name in &names {
        let row = find_full(name.as_bytes()).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(row.name, name);
        assert_eq!(find_full(name.to_ascii_uppercase().as_bytes()), Some(row));
        assert_eq!(&TABLE[row.id as usize], row);
    }
    assert_eq!(TABLE.len(), names.len(), "and nothing else");
    assert_eq!(all().count(), single.split_whitespace().count());
}

#[test]
fn other_names_are_not_found() {
    for name in [
        "",
        "get ",
        "gets",
        "ge",
        "g\0t",
        "GE\u{54}\u{301}",
        "client|id",
        "GET\r",
        "kv",
        "kv.",
        "KV\x0eGET",
    ] {
        assert_eq!(find(name.as_bytes()), None, "{name:?}");
    }
    assert_eq!(find(&[b'g'; 1000]), None);
    assert_eq!(find_full(b"get|x"), None);
    assert_eq!(find_full(b"client|"), None);
    assert!(is_http(b"POST") && is_http(b"Host:") && !is_http(b"GET"));
}

/// Flags that contradict each other would route a write to a follower.
#[test]
fn rows_are_sound() {
    for row in TABLE {
        let has = |flag| row.flags.contains(flag);
        assert!(!(has(Flags::WRITE) && has(Flags::READONLY)), "{}", row.name);
        let range = row.range;
        assert_eq!(range.first == 0, range.step == 0, "{}", row.name);
        assert!(range.first >= 0 && range.step >= 0, "{}", row.name);
        if range.first > 0 {
            assert!(range.last < 0 || range.last >= range.first, "{}", row.name);
            assert!(range.last.unsigned_abs() < row.arity.unsigned_abs(), "{}", row.name);
            assert!(
                has(Flags::WRITE) || has(Flags::READONLY) || row.id == Id::Watch,
                "{}",
                row.name
            );
        }
        assert_eq!(has(Flags::CONTAINER), !row.subcommands().is_empty(), "{}", row.name);
        for subcommand in row.subcommands() {
            assert!(subcommand.arity.unsigned_abs() >= 2, "{}", subcommand.name);
        }
    }
}

/// A sample of what Redis tells of its own.
#[test]
fn facts_are_redis() {
    for (name, fact) in [
        ("get", "2 {readonly fast} 1 1 1 {@read @string @fast}"),
        ("set", "-3 {write denyoom} 1 1 1 {@write @string @slow}"),
        ("mset", "-3 {write denyoom} 1 -1 2 {@write @string @slow}"),
        ("del", "-2 {write} 1 -1 1 {@keyspace @write @slow}"),
        ("rename", "3 {write} 1 2 1 {@keyspace @write @slow}"),
        ("watch", "-2 {noscript loading stale fast allow_busy} 1 -1 1 {@fast @transaction}"),
        ("role", "1 {noscript loading stale fast} 0 0 0 {@admin @fast @dangerous}"),
        ("keys", "2 {readonly} 0 0 0 {@keyspace @read @slow @dangerous}"),
        ("object|encoding", "3 {readonly} 2 2 1 {@keyspace @read @slow}"),
        (
            "client|kill",
            "-3 {admin noscript loading stale} 0 0 0 {@admin @slow @dangerous @connection}",
        ),
        ("once", "-5 {write denyoom noscript} 1 1 1 {@write @string @slow}"),
    ] {
        let told = told(&format!("COMMAND INFO {name}"));
        assert!(told.starts_with(&format!("[[{name} {fact} ")), "{told}");
    }
}

#[test]
fn requests_mean_rows() {
    assert_eq!(meant("get k"), Ok("get"));
    assert_eq!(meant("Client SetName x"), Ok("client|setname"));
    assert_eq!(meant("COMMAND"), Ok("command"));
    assert_eq!(meant("once k c 1 get k"), Ok("once"));
    for (line, text) in [
        ("get", "ERR wrong number of arguments for 'get' command"),
        ("GET a b", "ERR wrong number of arguments for 'get' command"),
        ("MSET a", "ERR wrong number of arguments for 'mset' command"),
        ("MSETNX a 1 b", "ERR wrong number of arguments for 'msetnx' command"),
        ("CLIENT", "ERR wrong number of arguments for 'client' command"),
        ("CLIENT SETNAME", "ERR wrong number of arguments for 'client|setname' command"),
        ("client foo bar", "ERR unknown subcommand 'foo'. Try CLIENT HELP."),
        ("FOO", "ERR unknown command 'FOO', with args beginning with: "),
        ("FOO bar", "ERR unknown command 'FOO', with args beginning with: 'bar' "),
        ("FOO bar b", "ERR unknown command 'FOO', with args beginning with: 'bar' 'b' "),
    ] {
        assert_eq!(meant(line), Err(text.into()));
    }
}

/// What an unknown command is told quotes it, but not all of it, and on one line.
#[test]
fn quotes_are_short_and_on_one_line() {
    let long = "z".repeat(200);
    let text = |arguments: &[&str]| resolve(arguments).expect_err("it is wrong").to_string();
    let z128 = "z".repeat(128);
    assert_eq!(text(&[&long]), format!("ERR unknown command '{z128}', with args beginning with: "));
    let three = ["foo", &long[..100], &"y".repeat(21), "x", "x"];
    let quoted = format!("'{}' '{}' 'x' ", &long[..100], "y".repeat(21));
    assert_eq!(
        text(&three),
        format!("ERR unknown command 'foo', with args beginning with: {quoted}")
    );
    let lines = ["f\ro", "b\nr", &long];
    let quoted = format!("'b r' '{}' ", "z".repeat(122));
    assert_eq!(
        text(&lines),
        format!("ERR unknown command 'f o', with args beginning with: {quoted}")
    );
    assert_eq!(text(&["client", "a\r\n+OK"]), "ERR unknown subcommand 'a  +OK'. Try CLIENT HELP.");
}

#[test]
fn keys_are_where_redis_has_them() {
    for (line, expected) in [
        ("GET a", "a"),
        ("SET a b", "a"),
        ("MSET a 1 b 2", "a b"),
        ("MGET a b c", "a b c"),
        ("DEL a b", "a b"),
        ("RENAME a b", "a b"),
        ("COPY a b REPLACE", "a b"),
        ("LCS a b LEN", "a b"),
        ("OBJECT ENCODING a", "a"),
        ("MEMORY USAGE a SAMPLES 5", "a"),
        ("WATCH a b", "a b"),
        ("EVAL s 2 a b c", "a b"),
        ("KV.PUT a v 1", "a"),
        ("ONCE a c 1 SET b v", "a b"),
        ("ONCE a c 1 ACK 7 MSET b 1 c 2", "a b c"),
        ("once a c 1 ack 7 object encoding b", "a b"),
        ("ONCE a c 1 PING", "a"),
    ] {
        assert_eq!(keys(line).map(|keys| keys.join(" ")), Ok(expected.into()), "{line}");
    }
    for line in ["PING", "SCAN 0", "OBJECT HELP", "DBSIZE", "EVAL s 0 a"] {
        assert_eq!(keys(line), Ok(vec![]), "{line}");
    }
    for (line, text) in [
        ("ONCE a c 1 ACK 7", "ERR wrong number of arguments for 'once' command"),
        ("ONCE a c 1 GET", "ERR wrong number of arguments for 'get' command"),
        ("ONCE a c 1 FOO x", "ERR unknown command 'FOO', with args beginning with: 'x' "),
        ("ONCE a c 1 ONCE a c 1 GET a", "ERR ONCE can't be used inside ONCE"),
        ("EVAL s 3 a b", "ERR Number of keys can't be greater than number of args"),
        ("EVAL s -1 a b", "ERR Number of keys can't be greater than number of args"),
    ] {
        assert_eq!(keys(line).map_err(|error| error.to_string()), Err(text.into()), "{line}");
    }
    assert_eq!(once_inner(&words("ONCE a c 1 GET b")[..]), Some(4));
    assert_eq!(once_inner(&words("ONCE a c 1 Ack 3 GET b")[..]), Some(6));
    assert_eq!(once_inner(&words("ONCE a c 1 ACK 3")[..]), None);
}

#[test]
fn keys_lie_in_one_slot() {
    let slot = |line: &str| {
        let words = words(line);
        resolve(&words[..]).and_then(|row| row.slot(&words[..])).map_err(|error| error.to_string())
    };
    assert_eq!(slot("GET foo"), Ok(Some(12182)));
    assert_eq!(slot("MSET {foo}1 v {foo}2 v"), Ok(Some(12182)));
    assert_eq!(slot("PING"), Ok(None));
    let crossed = Err("CROSSSLOT Keys in request don't hash to the same slot".to_string());
    assert_eq!(slot("MGET foo bar"), crossed);
    assert_eq!(slot("ONCE foo c 1 SET bar v"), crossed);
    assert_eq!(slot("ONCE foo c 1 SET {foo}bar v"), Ok(Some(12182)));
}

#[test]
fn command_tells_of_the_table() {
    assert_eq!(told("COMMAND COUNT"), all().count().to_string());
    assert_eq!(told("COMMAND DOCS"), "{}");
    assert_eq!(told("COMMAND DOCS get"), "{}");
    assert_eq!(answer("COMMAND DOCS", Protocol::Resp2), Frame::Array(vec![]));
    for line in ["COMMAND", "COMMAND INFO"] {
        let Frame::Array(rows) = answer(line, Protocol::Resp2) else { panic!("an array") };
        assert_eq!(rows.len(), all().count());
        let ten = |row: &Frame| matches!(row, Frame::Array(facts) if facts.len() == 10);
        assert!(rows.iter().all(ten));
    }
    assert_eq!(told("COMMAND INFO foo client|foo"), "[nil nil]");
    assert_eq!(
        told("COMMAND INFO Memory|Usage"),
        "[[memory|usage -3 {readonly} 2 2 1 {@read @slow} [] [{flags: {RO}, begin_search: {type: index, \
         spec: {index: 2}}, find_keys: {type: range, spec: {lastkey: 0, keystep: 1, limit: 0}}}] []]]"
    );
    assert!(told("COMMAND INFO mset").contains("spec: {lastkey: -1, keystep: 2, limit: 0}"));
    assert!(told("COMMAND INFO copy").contains("spec: {lastkey: 1, keystep: 1, limit: 0}"));
    assert!(told("COMMAND INFO client").contains("[[client|id 2 "));
    assert!(told("COMMAND HELP").contains(" GETKEYS "));
}

#[test]
fn command_lists_and_filters() {
    assert_eq!(told("COMMAND LIST").split(' ').count(), TABLE.len());
    assert_eq!(
        told("COMMAND LIST FILTERBY PATTERN *GETK*"),
        "[command|getkeys cluster|getkeysinslot]"
    );
    let transaction = "[multi exec discard watch unwatch]";
    assert_eq!(told("command list filterby aclcat Transaction"), transaction);
    assert_eq!(told("COMMAND LIST FILTERBY ACLCAT nothing"), "[]");
    assert_eq!(told("COMMAND LIST FILTERBY MODULE x"), "[]");
    for line in ["COMMAND LIST FILTERBY x y", "COMMAND LIST FILTERBY", "COMMAND LIST x y z"] {
        assert_eq!(told(line), "ERR syntax error");
    }
}

#[test]
fn command_tells_keys() {
    assert_eq!(told("COMMAND GETKEYS MSET a 1 b 2"), "[a b]");
    assert_eq!(told("COMMAND GETKEYS object freq a"), "[a]");
    assert_eq!(told("COMMAND GETKEYS ONCE a c 1 GET b"), "[a b]");
    assert_eq!(told("COMMAND GETKEYS EVAL s 1 a b"), "[a]");
    for (line, text) in [
        ("foo a", "ERR Invalid command specified"),
        ("object freqx a", "ERR Invalid command specified"),
        ("ping a", "ERR The command has no key arguments"),
        ("object help", "ERR The command has no key arguments"),
        ("get a b", "ERR Invalid number of arguments specified for command"),
        ("get", "ERR Invalid number of arguments specified for command"),
    ] {
        assert_eq!(told(&format!("COMMAND GETKEYS {line}")), text, "{line}");
    }
}

#[test]
fn containers_help() {
    let mut out = Vec::new();
    help(
        find(b"memory").expect("MEMORY is a command"),
        &mut Writer::new(&mut out, Protocol::Resp2),
    );
    let text = String::from_utf8_lossy(&out);
    let expected = "*3\r\n+MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+USAGE\r\n+HELP\r\n";
    assert_eq!(text, expected);
}

#[test]
fn what_is_refused_says_what_to_do() {
    let refused = |row: &&Command| row.refusal().is_some();
    let names: Vec<_> = TABLE.iter().filter(refused).map(|row| row.name).collect();
    let expected =
        "cluster|setslot cluster|addslots cluster|meet cluster|forget debug eval evalsha";
    let mut names = names;
    names.sort_unstable();
    let mut expected = words(expected);
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(TABLE.iter().filter_map(Command::refusal).all(|text| text.starts_with("ERR ")));
}

#[test]
fn a_parsed_request_is_a_list_of_arguments() {
    let mut parser = quorate::resp::Parser::new(quorate::resp::Limits::DEFAULT);
    let Ok(quorate::resp::Step::Request(request)) = parser.next(b"set k 'v w'\r\n") else {
        panic!("a whole command")
    };
    assert_eq!((request.count(), request.argument(2)), (3, &b"v w"[..]));
    assert_eq!(resolve(&request).map(|row| row.id), Ok(Id::Set));
}
