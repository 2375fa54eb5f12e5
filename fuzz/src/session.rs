//! A client's connection on a store, without a socket. Whatever the client sends, each reply is a whole one of the
//! protocol; and where pieces end makes no difference to them.

use super::bytes::{pieces, tail};
use protocol::NodeId;
use protocol::kv::{Exact, Limits, Reply, Store};
use quorate::resp::{Decoder, Parser, Step};
use quorate::session::{
    Access, Answer, Asked, Call, NodeCall, Outcome, Password, Port, Session, SessionLimits,
};
use quorate::view::{Counters, Node, Role, View};

const NOW_MS: u64 = 1_700_000_000_123;

fn view() -> View {
    let node = |id: u8| Node {
        id: NodeId(id),
        name: char::from(b'a' + id).to_string().repeat(40),
        host: format!("10.0.0.{id}"),
        plain_port: 7400,
        cluster_port: 8400,
        connected: true,
    };
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
        counters: Counters::default(),
        clock: NOW_MS,
        version: "0.1.0".into(),
        loading: false,
        shards: None,
        servers: Vec::new(),
        place: None,
    }
}

struct Bench {
    session: Session,
    store: Store,
    view: View,
    asked: Vec<Asked>,
}

impl Bench {
    fn new(choice: u8) -> Self {
        let port = if choice & 1 == 0 { Port::Plain } else { Port::Cluster };
        let password = (choice & 2 != 0).then(|| Password::new(b"foo"));
        let (address, local) = ("127.0.0.1:50000".into(), "127.0.0.1:7400".into());
        let access = Access { password, loopback: choice & 4 == 0, port, address, local };
        // A value of a megabyte is as good as one of eight, and there may be many.
        let limits = Limits { value_bytes: 1 << 20, ..Limits::DEFAULT };
        let (calls, output_bytes) = if choice & 8 == 0 { (64, 1 << 20) } else { (1, 100) };
        let bounds = SessionLimits { calls, output_bytes, ..SessionLimits::default() };
        Self {
            session: Session::new(5, access, bounds, NOW_MS),
            store: Store::new(Exact, limits),
            view: view(),
            asked: Vec::new(),
        }
    }

    fn outcome(&mut self, call: Call) -> Outcome {
        Outcome::Done(match call {
            Call::Write(work) => Answer::Reply(self.store.work(NOW_MS, &work)),
            Call::Read(query) => query.answer(&self.store),
            Call::Wait { key, version, .. } => match self.store.get(&key) {
                Some((value, found)) if found > version => {
                    Answer::Reply(Reply::Value { value: value.clone(), version: found })
                }
                _ => Answer::TimedOut,
            },
            Call::Node(NodeCall::ListClients(filter)) => {
                let admits = filter.admits(&self.session, NOW_MS);
                let line = self.session.describe(NOW_MS) + "\n";
                Answer::Text(if admits { line } else { String::new() })
            }
            Call::Node(NodeCall::KillClients(filter)) => {
                let admits = filter.admits(&self.session, NOW_MS);
                if admits {
                    self.session.end();
                }
                Answer::Reply(Reply::Int(i64::from(admits)))
            }
            Call::Node(NodeCall::ResetCounters) => Answer::Reply(Reply::Ok),
            Call::Control(_) => return Outcome::NoController,
        })
    }

    /// Takes a piece in, and says everything that there is to say then.
    fn say(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        self.session.receive(piece, &self.view, NOW_MS, &mut self.asked);
        loop {
            while !self.asked.is_empty() {
                let Asked { place, call, .. } = self.asked.remove(0);
                let outcome = self.outcome(call);
                self.session.answer(place, outcome, &self.view, NOW_MS, &mut self.asked);
            }
            let said = self.session.output().len();
            output.extend_from_slice(self.session.output());
            self.session.sent(said);
            if said == 0 && self.asked.is_empty() {
                return;
            }
            self.session.receive(b"", &self.view, NOW_MS, &mut self.asked);
        }
    }
}

fn replies<'a>(choice: u8, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bench = Bench::new(choice);
    let mut output = Vec::new();
    // Who connects and says nothing may be told something too.
    for piece in [&b""[..]].into_iter().chain(pieces) {
        bench.say(piece, &mut output);
    }
    if !bench.session.closes() {
        assert_eq!(bench.session.in_flight(), 0, "everything was answered");
    }
    let mut bytes = Vec::new();
    bench.store.encode(&mut bytes);
    let again = Store::decode(Exact, Limits::DEFAULT, &bytes);
    assert!(again.is_ok(), "what clients do to a store can be written and read");
    output
}

/// Whether some command asks about clients: its answer tells what the connection does at that moment.
fn asks_of_clients(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|word| word.eq_ignore_ascii_case(b"client"))
}

/// How many commands the client sends, as far as they are good.
fn commands(bytes: &[u8]) -> usize {
    let mut parser = Parser::new(quorate::resp::Limits::DEFAULT);
    let (mut at, mut found) = (0, 0);
    while let Ok(Step::Request(request)) = parser.next(&bytes[at..]) {
        at += request.consumed();
        found += 1;
    }
    found
}

/// The last four bytes of the input choose the session and pieces; the rest is what the client sends.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, lengths @ ..]) = tail(input);
    let whole = replies(choice, [bytes]);
    let mut decoder = Decoder::default();
    decoder.feed(&whole);
    while let Some(_frame) = decoder.next_frame().expect("replies are the protocol") {}
    assert!(decoder.is_empty(), "replies are whole");
    if !asks_of_clients(bytes) {
        assert_eq!(replies(choice, pieces(bytes, lengths)), whole, "pieces make no difference");
    }
    commands(bytes) > 0
}
