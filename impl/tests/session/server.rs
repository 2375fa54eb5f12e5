//! What the node says of itself.

use super::bench::both;
use super::{Bench, view};
use protocol::NodeId;
use quorate::view::Role;

/// The lines of an INFO as names and values.
fn info(bench: &mut Bench, line: &str) -> Vec<(String, String)> {
    bench.line(line);
    bench.ask(&line.split(' ').collect::<Vec<_>>());
    let text = String::from_utf8(bench.output()).expect("it is a text");
    let lines = text.split("\r\n").filter(|line| !line.starts_with(['#', '$', '=']));
    let pairs = lines.filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn field(fields: &[(String, String)], name: &str) -> String {
    let mut found = fields.iter().filter(|(found, _)| found == name);
    let value = found.next().map_or("nothing", |(_, value)| value);
    assert_eq!(found.next(), None, "{name} is told once");
    value.to_string()
}

#[test]
fn info_has_what_programs_look_for() {
    let mut b = Bench::new();
    let fields = info(&mut b, "INFO");
    for (name, value) in [
        ("redis_version", "7.2.4"),
        ("redis_mode", "standalone"),
        ("quorate_version", "0.1.0"),
        ("tcp_port", "7400"),
        ("uptime_in_seconds", "90061"),
        ("uptime_in_days", "1"),
        ("connected_clients", "2"),
        ("maxclients", "10000"),
        ("used_memory", "2621440"),
        ("used_memory_human", "2.50M"),
        ("loading", "0"),
        ("total_commands_processed", "11"),
        ("total_connections_received", "12"),
        ("role", "master"),
        ("cluster_enabled", "0"),
        ("db0", "keys=3,expires=1,avg_ttl=0"),
        ("raft_role", "leader"),
        ("raft_leader", "0"),
        ("raft_term", "7"),
        ("raft_commit_index", "100"),
        ("raft_applied_index", "99"),
        ("raft_last_index", "101"),
        ("raft_snapshot_index", "50"),
    ] {
        assert_eq!(field(&fields, name), value, "{name}");
    }
    b.view.keys = 0;
    assert_eq!(field(&info(&mut b, "INFO keyspace"), "db0"), "nothing");
}

#[test]
fn info_is_told_in_sections() {
    let mut b = Bench::new();
    let memory = info(&mut b, "INFO Memory");
    assert_eq!(
        (field(&memory, "used_memory"), field(&memory, "role")),
        ("2621440".into(), "nothing".into())
    );
    let two = info(&mut b, "INFO raft server");
    assert_eq!(
        (field(&two, "raft_term"), field(&two, "redis_mode")),
        ("7".into(), "standalone".into())
    );
    assert_eq!(info(&mut b, "INFO all"), info(&mut b, "INFO"));
    assert_eq!(info(&mut b, "INFO nothing"), Vec::new());
    assert_eq!(b.line("INFO nothing"), "$0 ");
    b.line("HELLO 3");
    let told = b.line("INFO cluster");
    assert_eq!(told, "=34 txt:# Cluster cluster_enabled:0 ");
}

#[test]
fn roles_are_those_of_the_port() {
    let mut plain = Bench::new();
    let mut leader = Bench::cluster();
    let mut follower = Bench::follower();
    (plain.view.role, plain.view.leader) = (Role::Follower, Some(NodeId(1)));
    let replication = |bench: &mut Bench| info(bench, "INFO replication");
    let told = replication(&mut plain);
    assert_eq!(
        (field(&told, "role"), field(&told, "connected_slaves")),
        ("master".into(), "0".into())
    );
    let told = replication(&mut leader);
    assert_eq!(
        (field(&told, "role"), field(&told, "connected_slaves")),
        ("master".into(), "2".into())
    );
    assert_eq!(field(&told, "slave1"), "ip=10.0.0.2,port=7502,state=online");
    let told = replication(&mut follower);
    assert_eq!(
        (field(&told, "role"), field(&told, "master_port")),
        ("slave".into(), "7501".into())
    );
    assert_eq!(field(&info(&mut follower, "INFO"), "cluster_enabled"), "1");

    assert_eq!(plain.line("ROLE"), "*3 $6 master :100 *0");
    let replicas = "*2 *3 $8 10.0.0.1 $4 7501 $1 0 *3 $8 10.0.0.2 $4 7502 $1 0";
    assert_eq!(leader.line("ROLE"), format!("*3 $6 master :100 {replicas}"));
    assert_eq!(follower.line("ROLE"), "*5 $5 slave $8 10.0.0.1 :7501 $9 connected :100");
}

#[test]
fn config() {
    both(&[
        ("CONFIG GET save", "*2 $4 save $0 ", "%1 $4 save $0 "),
        ("CONFIG GET APPENDONLY", "*2 $10 appendonly $3 yes", "%1 $10 appendonly $3 yes"),
        (
            "CONFIG GET proto-max-bulk-len",
            "*2 $18 proto-max-bulk-len $7 8388608",
            "%1 $18 proto-max-bulk-len $7 8388608",
        ),
        ("CONFIG GET nothing", "*0", "%0"),
        (
            "CONFIG GET max* maxclients port",
            "*8 $10 maxclients $5 10000 $9 maxmemory $1 0 $16 maxmemory-policy $10 noeviction $4 port $4 7400",
            "%4 $10 maxclients $5 10000 $9 maxmemory $1 0 $16 maxmemory-policy $10 noeviction $4 port $4 7400",
        ),
        ("CONFIG RESETSTAT", "+OK", "+OK"),
    ]);
    let told = Bench::new().line("CONFIG SET save 1");
    assert!(told.starts_with("-ERR CONFIG SET is not supported: give options"), "{told}");
}

#[test]
fn commands_tell_of_themselves() {
    let mut b = Bench::new();
    b.told(&[
        ("COMMAND DOCS", "*0"),
        ("COMMAND GETKEYS MSET a 1 b 2", "*2 $1 a $1 b"),
        ("COMMAND LIST FILTERBY PATTERN getr*", "*1 $8 getrange"),
    ]);
    assert!(
        b.line("COMMAND")
            .starts_with(&format!("*{} *10 $4 ping ", quorate::commands::all().count()))
    );
    assert!(b.line("COMMAND COUNT").starts_with(':'));
    assert!(b.line("COMMAND INFO get").starts_with("*1 *10 $3 get :2 "));
    for container in
        ["CLIENT", "CONFIG", "CLUSTER", "COMMAND", "MEMORY", "OBJECT", "SCRIPT", "FUNCTION"]
    {
        let told = b.line(&format!("{container} HELP"));
        assert!(told.contains(&format!("+{container} <subcommand> ")), "{told}");
    }
    assert!(b.line("CLIENT HELP FOO").starts_with("-ERR wrong number of arguments"));
}

/// No command of the table falls through to nowhere.
#[test]
fn every_command_has_an_answer() {
    for row in quorate::commands::TABLE {
        let mut b = Bench::new();
        let mut words: Vec<&str> = row.name.split('|').collect();
        words.resize(words.len().max(usize::from(row.arity.unsigned_abs())), "1");
        if row.name == "once" {
            words.push("1");
            words[4] = "get";
        }
        let told = b.say(&words);
        assert!(!told.is_empty() || row.name == "client|reply", "{words:?}");
        for wrong in ["can't be used here", "can't be done here", "internal error", "wrong number"]
        {
            // A container by itself means nothing.
            assert!(!told.contains(wrong) || !row.subcommands().is_empty(), "{words:?}: {told}");
        }
    }
}

#[test]
fn what_is_not_there_is_refused_with_advice() {
    let mut b = Bench::new();
    b.told(&[
        ("FUNCTION FLUSH", "+OK"),
        ("SCRIPT FLUSH", "+OK"),
        ("DEBUG SLEEP 1", "-ERR DEBUG is not supported"),
    ]);
    for line in ["EVAL return 0", "EVALSHA abc 0", "EVAL x 2 a b"] {
        let told = b.line(line);
        assert!(
            told.starts_with("-ERR scripts are not supported: use MULTI, EXEC and WATCH"),
            "{told}"
        );
    }
    assert!(b.line("SCRIPT LOAD x").starts_with("-ERR unknown subcommand 'LOAD'"));
}

/// What is answered is on a majority's disks already.
#[test]
fn wait() {
    let mut b = Bench::new();
    b.told(&[
        ("SET k v", "+OK"),
        ("WAIT 1 0", ":1"),
        ("WAIT 2 1000", ":1"),
        ("WAIT a 0", "-ERR value is not an integer or out of range"),
        ("WAIT 1 a", "-ERR timeout is not an integer or out of range"),
        ("WAIT 1 -1", "-ERR timeout is negative"),
    ]);
    b.view.nodes.truncate(1);
    assert_eq!(b.line("WAIT 0 0"), ":0");
    b.ask(&["SET", "k", "v"]);
    b.ask(&["WAIT", "0", "0"]);
    assert_eq!(b.shown(), "", "not before the SET is answered");
    b.settle();
    assert_eq!(b.shown(), "+OK :0");
}

#[test]
fn a_node_that_still_reads_its_log_says_so() {
    let mut b = Bench::new();
    b.view.loading = true;
    for line in ["GET k", "SET k v", "DBSIZE", "WATCH k", "CLUSTER SLOTS"] {
        assert!(b.line(line).starts_with("-LOADING "), "{line}");
    }
    let fields = info(&mut b, "INFO persistence");
    assert_eq!(field(&fields, "loading"), "1");
    assert!(b.line("HELLO 3").starts_with("%7"));
    b.view = view();
    b.told(&[("GET k", "_")]);
}
