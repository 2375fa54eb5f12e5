//! A session, a store and a node's view of a group of three, with no thread between them.

use proptest::test_runner::Config;
use protocol::NodeId;
use protocol::kv::{Exact, Limits, Reply, Store};
use quorate::resp::reply::write_command;
use quorate::session::{
    Access, Answer, Asked, Call, NodeCall, Outcome, Port, Session, SessionLimits,
};
use quorate::view::{Counters, Node, Role, View};

/// So many cases, and no files of old failures: a failure becomes a test of its own.
pub fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Where the bench's time begins, in Unix milliseconds.
pub const START_MS: u64 = 1_700_000_000_123;

/// A node of the group, 0 to 2. Its name is its number, 40 times.
fn node(id: u8) -> Node {
    Node {
        id: NodeId(id),
        name: char::from(b'a' + id).to_string().repeat(40),
        host: format!("10.0.0.{id}"),
        plain_port: 7400 + u16::from(id),
        cluster_port: 7500 + u16::from(id),
        connected: true,
    }
}

/// What node 0 knows; it leads.
pub fn view() -> View {
    View {
        nodes: (0..3).map(node).collect(),
        me: NodeId(0),
        shard: "5".repeat(40),
        role: Role::Leader,
        leader: Some(NodeId(0)),
        term: 7,
        commit: 100,
        applied: 99,
        last_index: 101,
        snapshot_index: 50,
        keys: 3,
        expiring: 1,
        memory_bytes: 2_621_440,
        uptime_ms: 90_061_000,
        clients: 2,
        max_clients: 10_000,
        counters: Counters { commands: 11, connections: 12, ..Counters::default() },
        clock: START_MS,
        version: "0.1.0".into(),
        loading: false,
        shards: None,
        servers: Vec::new(),
        place: None,
    }
}

/// A client on the same machine, without a password.
pub fn access(port: Port) -> Access {
    let (address, local) = ("127.0.0.1:50000".into(), "127.0.0.1:7400".into());
    Access { password: None, loopback: true, port, address, local }
}

pub struct Bench {
    pub session: Session,
    pub store: Store,
    pub view: View,
    pub now_ms: u64,
    /// Calls that are not carried out yet.
    pub asked: Vec<Asked>,
}

impl Bench {
    /// A session of the plain port.
    pub fn new() -> Self {
        Self::with(access(Port::Plain), SessionLimits::default())
    }

    /// A session of the cluster port.
    pub fn cluster() -> Self {
        Self::with(access(Port::Cluster), SessionLimits::default())
    }

    /// A session of the cluster port of node 0; node 1 leads.
    pub fn follower() -> Self {
        let mut bench = Self::cluster();
        (bench.view.role, bench.view.leader) = (Role::Follower, Some(NodeId(1)));
        bench
    }

    pub fn with(access: Access, limits: SessionLimits) -> Self {
        Self {
            session: Session::new(5, access, limits, START_MS),
            store: Store::new(Exact, Limits::DEFAULT),
            view: view(),
            now_ms: START_MS,
            asked: Vec::new(),
        }
    }

    /// Takes bytes, and carries nothing out.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.session.receive(bytes, &self.view, self.now_ms, &mut self.asked);
    }

    /// Takes a command of these words, and carries nothing out.
    pub fn ask(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        write_command(&mut bytes, words);
        self.receive(&bytes);
    }

    /// What the node does with a call.
    pub fn outcome(&mut self, call: Call) -> Outcome {
        Outcome::Done(match call {
            Call::Write(work) => Answer::Reply(self.store.work(self.now_ms, &work)),
            Call::Read(query) => query.answer(&self.store),
            Call::Wait { key, version, .. } => match self.store.get(&key) {
                Some((value, found)) if found > version => {
                    Answer::Reply(Reply::Value { value: value.clone(), version: found })
                }
                _ => Answer::TimedOut,
            },
            Call::Node(NodeCall::ListClients(filter)) => {
                let admits = filter.admits(&self.session, self.now_ms);
                let line = self.session.describe(self.now_ms) + "\n";
                Answer::Text(if admits { line } else { String::new() })
            }
            Call::Node(NodeCall::KillClients(filter)) => {
                let admits = filter.admits(&self.session, self.now_ms);
                if admits {
                    self.session.end();
                }
                Answer::Reply(Reply::Int(i64::from(admits)))
            }
            Call::Node(NodeCall::ResetCounters) => Answer::Reply(Reply::Ok),
            Call::Control(_) => return Outcome::NoController,
        })
    }

    /// Gives the outcome of the call at this index of those that were asked.
    pub fn answer(&mut self, index: usize, outcome: Outcome) {
        let place = self.asked.remove(index).place;
        self.session.answer(place, outcome, &self.view, self.now_ms, &mut self.asked);
    }

    /// Carries out the call at this index of those that were asked.
    pub fn carry_out(&mut self, index: usize) {
        let outcome = self.outcome(self.asked[index].call.clone());
        self.answer(index, outcome);
    }

    /// Carries out everything, in order. Output is not taken, so whatever waits for that still waits.
    pub fn settle(&mut self) {
        while !self.asked.is_empty() {
            self.carry_out(0);
        }
    }

    /// What is to be sent; it is sent.
    pub fn output(&mut self) -> Vec<u8> {
        let output = self.session.output().to_vec();
        self.session.sent(output.len());
        output
    }

    /// The same with blanks for line ends, without the last one.
    pub fn shown(&mut self) -> String {
        let output = String::from_utf8(self.output()).expect("the replies are texts");
        output.strip_suffix("\r\n").unwrap_or(&output).replace("\r\n", " ")
    }

    /// What a command of these words is told.
    pub fn say(&mut self, words: &[&str]) -> String {
        self.ask(words);
        self.settle();
        self.shown()
    }

    /// What a command is told whose words have blanks between them. `''` is an empty word.
    pub fn line(&mut self, line: &str) -> String {
        let words = line.split(' ').map(|word| if word == "''" { "" } else { word });
        let words: Vec<&str> = words.collect();
        self.say(&words)
    }

    /// Commands, one after the other, each with what it is told.
    #[track_caller]
    pub fn told(&mut self, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            assert_eq!(self.line(line), *expected, "{line}");
        }
    }
}

/// The same commands to clients of both versions, each to an empty store.
#[track_caller]
pub fn both(lines: &[(&str, &str, &str)]) {
    for version in [2, 3] {
        let mut bench = Bench::new();
        bench.line(&format!("HELLO {version}"));
        for (line, resp2, resp3) in lines {
            let expected = if version == 2 { resp2 } else { resp3 };
            assert_eq!(bench.line(line), *expected, "{line} in version {version}");
        }
    }
}
