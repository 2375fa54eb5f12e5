//! Lab 2's bed: one server, which is the store itself, behind the labs' network. No Raft, no log, no disk.
//!
//! The server stands in two *places*: in virtual time in the scenario's own thread, and in real time in a thread of its
//! own. The network is the same for both, and is the scenario's thread: it holds what is on its way and hands it over
//! when its time has come.
//!
//! Requests and answers travel as bytes. So what the server has in memory it has itself asked for, and no client shares
//! it: with a counting allocator ([`counting`]) its heap is measured, and not estimated, as the bytes that its
//! own code has asked for and not given back.

use super::bed::{Answered, Bed, Command, Delivery, Proposed, State, Ticket};
use super::harsh::{Fate as Weathered, Harsh};
use super::requests::is_executed_once;
use super::wire::{DELAY_MS, LOSS};
use crate::sim::clock::BEGINNING_MS;
use crate::sim::random::Random;
use protocol::kv::clerk::{Answer, Request};
use protocol::kv::{ClientId, Limits, Rules, Stamp, Store};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The labs' servers take values of any length, return all of what was there before, and forget no client.
const LIMITS: Limits = Limits {
    clients: usize::MAX,
    reply_bytes: usize::MAX,
    value_bytes: usize::MAX,
    ..Limits::DEFAULT
};

/// The server.
#[derive(Debug)]
struct Server<R> {
    store: Store<R>,
    heap_bytes: i64,
}

impl<R: Rules> Server<R> {
    const fn new(rules: R) -> Self {
        Self { store: Store::new(rules, LIMITS), heap_bytes: 0 }
    }

    /// Answers a request.
    fn handle(&mut self, stamp: Stamp, request: &[u8]) -> Vec<u8> {
        let before = counting::held_bytes();
        let answer = self.answer(stamp, request);
        // The answer leaves.
        self.heap_bytes += counting::held_bytes() - before - answer.capacity() as i64;
        answer
    }

    fn answer(&mut self, stamp: Stamp, request: &[u8]) -> Vec<u8> {
        let request: Request = postcard::from_bytes(request).expect("the bed has written it");
        let command = &request.command;
        let reply = match self.store.read(&command.key, &command.op) {
            Some(reply) => reply,
            None => self.store.apply(stamp, command),
        };
        postcard::to_allocvec(&Answer::Reply(reply)).expect("an answer is plain data")
    }
}

/// A request or an answer in bytes, and which.
type Parcel = (usize, Vec<u8>);

/// Where the server is, and what time it is there.
pub trait Place {
    /// The time since the beginning, in microseconds.
    fn now(&self) -> u64;
    /// Whether time is real there.
    const IS_REAL: bool;
    /// What a way takes when nothing holds it, in microseconds: at least, at most.
    const USUAL_US: (u64, u64);
    /// Hands the server a request.
    fn give(&mut self, request: Parcel);
    /// The next answer, if there is one before this time; else it is this time afterwards.
    fn answer(&mut self, until: u64) -> Option<Parcel>;
    /// What the server has asked for and not given back, in bytes.
    fn heap_bytes(&self) -> u64;
}

/// In the scenario's own thread, in virtual time.
#[derive(Debug)]
pub struct Here<R> {
    server: Server<R>,
    now: u64,
    answers: VecDeque<Parcel>,
}

impl<R: Rules> Here<R> {
    /// A server without keys.
    pub const fn new(rules: R) -> Self {
        Self { server: Server::new(rules), now: 0, answers: VecDeque::new() }
    }
}

impl<R: Rules> Place for Here<R> {
    const IS_REAL: bool = false;
    const USUAL_US: (u64, u64) = (60, 200);

    fn now(&self) -> u64 {
        self.now
    }

    fn give(&mut self, (number, request): Parcel) {
        let stamp = BEGINNING_MS + self.now / 1000;
        self.answers.push_back((number, self.server.handle(stamp, &request)));
    }

    fn answer(&mut self, until: u64) -> Option<Parcel> {
        let answer = self.answers.pop_front();
        if answer.is_none() {
            self.now = self.now.max(until);
        }
        answer
    }

    fn heap_bytes(&self) -> u64 {
        u64::try_from(self.server.heap_bytes).unwrap_or(0)
    }
}

/// In a thread of its own, in real time.
#[derive(Debug)]
pub struct There {
    begun: Instant,
    /// None: it is told to end.
    requests: Option<Sender<Parcel>>,
    answers: Receiver<Parcel>,
    heap_bytes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl There {
    /// A server without keys, in a new thread.
    pub fn new<R: Rules>(rules: R) -> Self {
        let (begun, heap_bytes) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let (requests, inbox) = channel::<Parcel>();
        let (outbox, answers) = channel();
        let heap = Arc::clone(&heap_bytes);
        let serve = move || {
            let mut server = Server::new(rules);
            for (number, request) in inbox {
                let stamp = BEGINNING_MS + micros(begun.elapsed()) / 1000;
                let answer = server.handle(stamp, &request);
                heap.store(u64::try_from(server.heap_bytes).unwrap_or(0), Ordering::Release);
                // Nobody listens any more: the scenario is over.
                if outbox.send((number, answer)).is_err() {
                    return;
                }
            }
        };
        let thread = Some(std::thread::spawn(serve));
        Self { begun, requests: Some(requests), answers, heap_bytes, thread }
    }
}

impl Drop for There {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of its own was printed there.
            drop(thread.join());
        }
    }
}

impl Place for There {
    const IS_REAL: bool = true;
    /// Threads and mailboxes take what they take.
    const USUAL_US: (u64, u64) = (0, 0);

    fn now(&self) -> u64 {
        micros(self.begun.elapsed())
    }

    fn give(&mut self, request: Parcel) {
        let requests = self.requests.as_ref().expect("it is told to end when it is dropped");
        requests.send(request).expect("the server's thread ends when it is told to");
    }

    fn answer(&mut self, until: u64) -> Option<Parcel> {
        let left = Duration::from_micros(until.saturating_sub(self.now()));
        match self.answers.recv_timeout(left) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the server's thread has ended"),
        }
    }

    fn heap_bytes(&self) -> u64 {
        self.heap_bytes.load(Ordering::Acquire)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What is on its way.
#[derive(Debug)]
enum Way {
    Request(Parcel),
    Answer(Parcel),
    /// The caller is told that its call has failed.
    Failure(Ticket),
}

/// One server behind the labs' network.
#[derive(Debug)]
pub struct Single<P> {
    place: P,
    random: Random,
    reliable: bool,
    harsh: Option<Harsh>,
    /// What is on its way, by its arrival.
    ways: BTreeMap<(u64, u64), Way>,
    sent: u64,
    /// What callers will be told.
    answered: BTreeMap<Ticket, Answered>,
    /// Nobody waits for the answers to the network's own copies, which have numbers of their own.
    tickets: Ticket,
    arrived: u64,
    requests: u64,
    bytes: u64,
    copies: u64,
    clients: u64,
}

/// The numbers of the network's own copies are above all tickets.
const COPY: Ticket = 1 << 48;

impl<P: Place> Single<P> {
    /// A server at this place.
    pub fn new(place: P, reliable: bool, seed: u64) -> Self {
        Self {
            place,
            random: Random::new(seed),
            reliable,
            harsh: None,
            ways: BTreeMap::new(),
            sent: 0,
            answered: BTreeMap::new(),
            tickets: 0,
            arrived: 0,
            requests: 0,
            bytes: 0,
            copies: 0,
            clients: 0,
        }
    }

    fn usual(&mut self) -> u64 {
        self.random.between(P::USUAL_US.0, P::USUAL_US.1)
    }

    fn put(&mut self, after: u64, way: Way) {
        self.sent += 1;
        self.ways.insert((self.place.now() + after, self.sent), way);
    }

    /// What the harsh network makes of something that goes this way now.
    fn weather(&mut self, is_request: bool) -> Weathered {
        let now = self.place.now();
        match &mut self.harsh {
            None => Weathered::Passes,
            Some(harsh) => harsh.fate(now, (u8::from(is_request), u8::from(!is_request))),
        }
    }

    /// The server has answered.
    fn leaves(&mut self, (number, answer): Parcel) {
        if number >= COPY {
            return;
        }
        let (usual, weather) = (self.usual(), self.weather(false));
        let lost = !self.reliable && self.random.chance(LOSS);
        match weather {
            _ if lost => self.put(0, Way::Failure(number)),
            Weathered::Lost => self.put(usual, Way::Failure(number)),
            Weathered::Passes => self.put(usual, Way::Answer((number, answer))),
            Weathered::Late(us) => self.put(usual + us, Way::Answer((number, answer))),
        }
    }

    fn arrives(&mut self, way: Way) {
        match way {
            Way::Request(request) => {
                self.arrived += 1;
                self.place.give(request);
            }
            Way::Answer((ticket, answer)) => {
                self.bytes += answer.len() as u64;
                let answer = postcard::from_bytes(&answer).expect("the server has written it");
                let answered = match answer {
                    Answer::Reply(reply) => Answered::Reply(reply),
                    Answer::NotExecuted { leader } => {
                        Answered::NotExecuted(leader.map(|leader| usize::from(leader.0)))
                    }
                };
                self.answered.insert(ticket, answered);
            }
            Way::Failure(ticket) => {
                self.answered.insert(ticket, Answered::Failed);
            }
        }
    }

    fn run_until(&mut self, until: u64) {
        loop {
            let first = self.ways.first_key_value().map(|((at, _), _)| *at);
            let next = first.map_or(until, |at| at.min(until));
            if let Some(answer) = self.place.answer(next) {
                self.leaves(answer);
                continue;
            }
            let now = self.place.now();
            match self.ways.first_entry() {
                Some(entry) if entry.key().0 <= now => {
                    let way = entry.remove();
                    self.arrives(way);
                }
                _ if now >= until => return,
                _ => {}
            }
        }
    }
}

impl<P: Place> Bed for Single<P> {
    fn servers(&self) -> usize {
        1
    }

    fn is_real(&self) -> bool {
        P::IS_REAL
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.place.now())
    }

    fn sleep(&mut self, time: Duration) {
        self.run_until(self.place.now() + micros(time));
    }

    /// There is no other server.
    fn link(&mut self, _: usize, _: usize, _: bool) {}

    fn set_reliable(&mut self, reliable: bool) {
        self.reliable = reliable;
    }

    fn set_long_reordering(&mut self, _: bool) {}

    fn set_harsh(&mut self, harsh: Option<Harsh>) -> bool {
        self.harsh = harsh;
        true
    }

    fn crash(&mut self, _: usize) {
        unreachable!("no scenario of lab 2 kills its server: it has no disk");
    }

    fn start(&mut self, _: usize) {}

    fn state(&self, _: usize) -> Option<State> {
        Some(State { term: 0, leads: true })
    }

    fn propose(&mut self, _: usize, _: Command) -> Proposed {
        Proposed { number: 0, term: 0, leads: false }
    }

    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)> {
        Vec::new()
    }

    fn requests_to(&self, _: usize) -> u64 {
        self.arrived
    }

    fn requests(&self) -> u64 {
        self.requests
    }

    /// Every request that arrives is one.
    fn commands(&self) -> u64 {
        self.arrived
    }

    fn snapshots(&self) -> u64 {
        0
    }

    fn losses(&self) -> u64 {
        0
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn copies(&self) -> u64 {
        self.copies
    }

    fn new_client(&mut self) -> ClientId {
        self.clients += 1;
        ClientId::new(BEGINNING_MS + self.place.now() / 1000, self.clients.into())
    }

    fn send(&mut self, _: usize, _: u64, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = self.tickets;
        let exactly_once = is_executed_once(&request);
        let request = postcard::to_allocvec(&request).expect("a request is plain data");
        self.requests += 1;
        self.bytes += request.len() as u64;
        let mut after = self.usual();
        if !self.reliable {
            after += self.random.between(0, DELAY_MS) * 1000;
        }
        let lost = !self.reliable && self.random.chance(LOSS);
        let copy = self.harsh.as_mut().and_then(Harsh::copy_after).filter(|_| exactly_once);
        if let (Some(later), false) = (copy, lost) {
            self.copies += 1;
            self.put(after + later, Way::Request((COPY + ticket, request.clone())));
        }
        match self.weather(true) {
            _ if lost => self.put(after, Way::Failure(ticket)),
            Weathered::Lost => self.put(after, Way::Failure(ticket)),
            Weathered::Passes => self.put(after, Way::Request((ticket, request))),
            Weathered::Late(us) => self.put(after + us, Way::Request((ticket, request))),
        }
        ticket
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Answered> {
        self.answered.remove(&ticket)
    }

    fn number_at(&self, _: usize, _: &str) -> Option<i64> {
        None
    }

    fn log_bytes(&self, _: usize) -> u64 {
        0
    }

    fn snapshot_bytes(&self, _: usize) -> u64 {
        0
    }

    fn heap_bytes(&self) -> Option<u64> {
        counting::is_installed().then(|| self.place.heap_bytes())
    }

    fn broken(&self) -> Option<String> {
        None
    }

    fn broken_at_end(&mut self, _: &[Vec<Command>]) -> Option<String> {
        None
    }
}
