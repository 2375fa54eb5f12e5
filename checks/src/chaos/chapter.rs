//! A chapter: clients call while faults come and go, then everything is mended, and what is there is read by every
//! node. A run is chapter after chapter, each with keys and a history of its own: so a long run needs no more memory
//! than a short one, and a finding is known soon after it happened.

use super::admin;
use super::clients::{Caller, Pen, Stage, act, clerk, once, stock};
use super::faults::{Fault, Held, Record, World};
use super::judge::Final;
use super::tally::{Kind, Tally};
use crate::engine::INTERRUPTED;
use linear::history::Told;
use linear::kv::{Bytes, History, Op, Recorder, Ret};
use quorate::client::{Address, Connection, Options};
use quorate::resp::Frame;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No event that is waited for takes longer, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// So many replies to each kind of client come before the first fault.
const SERVED: u64 = 20;
/// How long clients go on when all is well again.
const PEACE: Duration = Duration::from_millis(700);
/// How often nodes that differ are asked again: a write that nobody knew of may have come in between.
const ROUNDS: usize = 10;
/// Reads that are sent at once.
const BATCH: usize = 100;

/// What a chapter is made of.
#[derive(Debug)]
pub struct Script {
    /// Its number.
    pub number: usize,
    /// How long it is without what comes behind the faults.
    pub length: Duration,
    /// What goes wrong.
    pub plan: Vec<Fault>,
    /// How many clients there are.
    pub clients: usize,
    /// Where the nodes are, for any client.
    pub addresses: Vec<SocketAddr>,
    /// What clients' choices follow from.
    pub seed: u64,
    /// Who waits for the run; it ends with them.
    pub parent: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub struct Chapter {
    /// All calls, those that read in the end among them.
    pub history: History,
    /// Which clients send again as if it were new.
    pub stock: BTreeSet<u64>,
    /// By node, what each key holds in the end.
    pub finals: Vec<BTreeMap<Bytes, Final>>,
    /// The faults that were.
    pub faults: Vec<Record>,
    /// What kept it from its end: the system does not do what a fault needs, or the cluster does not come back when all
    /// is mended.
    pub trouble: Option<String>,
}

/// Whether the run is to end.
pub fn is_over(parent: Option<u32>) -> bool {
    let orphaned = parent.is_some_and(|pid| std::os::unix::process::parent_id() != pid);
    orphaned || INTERRUPTED.load(Ordering::Relaxed)
}

/// Plays a chapter.
pub fn play(
    script: &Script,
    world: &mut World,
    tally: &Tally,
    tell: &mut dyn FnMut(&str),
) -> Chapter {
    let (recorder, stop) = (Recorder::new(), AtomicBool::new(false));
    // What a full disk has done shows itself long before all keys are read.
    world.nodes.iter_mut().for_each(|node| node.may_end = false);
    let password = world.password.clone();
    let stage = Stage {
        chapter: script.number,
        begun: Instant::now(),
        nodes: &script.addresses,
        password: &password,
        tally,
        stop: &stop,
        seed: script.seed,
        keys: Mutex::new(BTreeSet::new()),
    };
    let mut pens: Vec<Pen> =
        (0..script.clients + script.addresses.len()).map(|_| recorder.client()).collect();
    let readers = pens.split_off(script.clients);
    tally.resume();
    let played = std::thread::scope(|scope| {
        for (number, pen) in pens.into_iter().enumerate() {
            let stage = &stage;
            scope.spawn(move || client(stage, number, pen));
        }
        // However this ends, the clients do too.
        let _stopped = Stopped(&stop);
        let mut faults = Vec::new();
        let done = conduct(script, world, tally, &mut faults, tell);
        let done = done.and_then(|()| recover(world, script));
        let done = done.and_then(|()| settle(world, script));
        std::thread::sleep(PEACE);
        (faults, done)
    });
    tally.pause();
    let (mut faults, done) = played;
    faults.sort_by(|one: &Record, other| one.from_s.total_cmp(&other.from_s));
    let keys = stage.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
    let read = done.and_then(|()| read_all(script, &password, readers, &keys));
    let (finals, trouble) = match read {
        Ok(finals) => (finals, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    let stock = (0..script.clients).filter(|number| kind(*number) == Kind::Stock);
    let stock = stock.map(|number| number as u64).collect();
    Chapter { history: recorder.take(), stock, finals, faults, trouble }
}

/// Of each three clients, one of each kind.
fn kind(number: usize) -> Kind {
    Kind::ALL[number % Kind::ALL.len()]
}

fn client(stage: &Stage<'_>, number: usize, pen: Pen) {
    let nth = number / Kind::ALL.len();
    let mut caller: Box<dyn Caller + '_> = match kind(number) {
        Kind::Clerk => match clerk::Clerk::new(stage, nth) {
            Ok(clerk) => Box::new(clerk),
            Err(error) => return stage.tally.odd(format!("there is no Clerk: {error}")),
        },
        Kind::Once => match once::Once::new(stage, nth) {
            Ok(once) => Box::new(once),
            Err(error) => return stage.tally.odd(format!("there is no client for ONCE: {error}")),
        },
        Kind::Stock => Box::new(stock::Stock::new(stage, nth)),
    };
    act(stage, number, pen, caller.as_mut());
}

/// A fault that is there now.
struct Active {
    until: Instant,
    held: Held,
    record: Record,
}

/// Waits until clients of each kind are served: what comes before that tests nothing.
fn warm_up(script: &Script, world: &mut World, tally: &Tally) -> Result<(), String> {
    let replies = || tally.counts().map(|count| count.replies);
    let (begun, before) = (Instant::now(), replies());
    while !is_over(script.parent) {
        world.look()?;
        if before.iter().zip(replies()).all(|(before, now)| now - before >= SERVED) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let text = "are not served, and no fault has begun yet";
            return Err(format!("clients of some kind {text}: {before:?}, then {:?}", replies()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Begins and ends the faults of the plan.
fn conduct(
    script: &Script,
    world: &mut World,
    tally: &Tally,
    records: &mut Vec<Record>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    warm_up(script, world, tally)?;
    let begun = Instant::now();
    let mut plan = script.plan.iter().peekable();
    let mut active: Vec<Active> = Vec::new();
    let mut finish = |world: &mut World, one: Active| {
        world.end(one.held)?;
        records.push(Record { to_s: tally.now().as_secs_f64(), ..one.record });
        Ok::<_, String>(())
    };
    while begun.elapsed() < script.length && !is_over(script.parent) {
        std::thread::sleep(Duration::from_millis(10));
        while let Some(due) = active.iter().position(|one| one.until <= Instant::now()) {
            finish(world, active.swap_remove(due))?;
        }
        world.look()?;
        if let Some(fault) = plan.next_if(|fault| fault.at <= begun.elapsed()) {
            let same = active.iter().any(|one| one.record.kind == fault.kind);
            let from_s = tally.now().as_secs_f64();
            let happens = if same { None } else { world.begin(fault)? };
            if let Some((held, what)) = happens {
                let record = Record { kind: fault.kind, what, from_s, to_s: from_s };
                active.push(Active { until: Instant::now() + fault.lasts, held, record });
            }
        }
        let names: Vec<String> = active
            .iter()
            .map(|one| format!("{} ({})", one.record.kind.name(), one.record.what))
            .collect();
        tell(&names.join(", "));
    }
    // The latest first: a node that was killed while it was cut off is started when it can be reached.
    while let Some(one) = active.pop() {
        finish(world, one)?;
    }
    world.mend()
}

/// Waits until every node serves a read that is up to date.
pub fn recover(world: &mut World, script: &Script) -> Result<(), String> {
    let begun = Instant::now();
    for (number, address) in script.addresses.iter().enumerate() {
        loop {
            world.look()?;
            let answer = open(*address, &world.password)
                .and_then(|mut connection| connection.call(&["GET", "nothing"]).ok());
            match answer {
                Some(Frame::Null | Frame::Bulk(_)) => break,
                _ if is_over(script.parent) => return Ok(()),
                answer if begun.elapsed() > PATIENCE => {
                    return Err(format!(
                        "node {number} does not serve reads {} s after everything was mended: {answer:?}",
                        PATIENCE.as_secs()
                    ));
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
    Ok(())
}

/// Waits until slots are where they belong.
fn settle(world: &World, script: &Script) -> Result<(), String> {
    if world.groups == 0 || is_over(script.parent) {
        return Ok(());
    }
    admin::settle(world).map(|_| ())
}

fn open(address: SocketAddr, password: &str) -> Option<Connection> {
    let options = Options {
        answer: Duration::from_secs(5),
        password: Some(password.into()),
        ..Options::default()
    };
    Connection::open(&Address::from(address), &options).ok()
}

/// Reads all keys by every node, each of them at once, until all say the same or have been asked often enough.
fn read_all(
    script: &Script,
    password: &str,
    readers: Vec<Pen>,
    keys: &BTreeSet<Bytes>,
) -> Result<Vec<BTreeMap<Bytes, Final>>, String> {
    let mut readers = readers;
    let mut finals: Vec<BTreeMap<Bytes, Final>> = Vec::new();
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(Duration::from_millis(200));
        }
        finals = std::thread::scope(|scope| {
            let threads: Vec<_> = readers
                .iter_mut()
                .zip(&script.addresses)
                .map(|(pen, address)| scope.spawn(|| read_by(*address, password, Some(pen), keys)))
                .collect();
            let read = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err("a reader has panicked".into()))
            });
            read.collect::<Result<Vec<_>, String>>()
        })?;
        if finals.windows(2).all(|pair| pair[0] == pair[1]) {
            break;
        }
    }
    Ok(finals)
}

/// What one node says of these keys. With a pen, each read is noted.
///
/// # Errors
/// If it does not answer for too long.
pub fn read_by(
    address: SocketAddr,
    password: &str,
    mut pen: Option<&mut Pen>,
    keys: &BTreeSet<Bytes>,
) -> Result<BTreeMap<Bytes, Final>, String> {
    let begun = Instant::now();
    let mut found = BTreeMap::new();
    let mut connection = None;
    let wanted: Vec<&Bytes> = keys.iter().collect();
    // Reads that are noted go one by one: their order is what is judged.
    let batch = if pen.is_some() { 1 } else { BATCH };
    for keys in wanted.chunks(batch) {
        loop {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{address} does not answer reads when all is over"));
            }
            if connection.is_none() {
                connection = open(address, password);
            }
            let Some(open) = &mut connection else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            let call = pen.as_mut().map(|pen| pen.call(Op::get(keys[0])));
            let said = read_batch(open, keys);
            if let (Some(call), Some(said)) = (call, &said) {
                call.end(Told::Reply(match &said[0] {
                    Some((value, version)) => Ret::value(value, *version),
                    None => Ret::NoKey,
                }));
            }
            if let Some(said) = said {
                found.extend(keys.iter().map(|key| Bytes::clone(key)).zip(said));
                break;
            }
            connection = None;
        }
    }
    Ok(found)
}

/// Takes these keys away.
///
/// # Errors
/// If no node does it for too long.
pub fn delete(
    addresses: &[SocketAddr],
    password: &str,
    keys: &BTreeSet<Bytes>,
) -> Result<(), String> {
    let begun = Instant::now();
    let wanted: Vec<&Bytes> = keys.iter().collect();
    for keys in wanted.chunks(BATCH) {
        let mut nodes = addresses.iter().cycle();
        let gone = |connection: &mut Connection| {
            keys.iter().for_each(|key| connection.push(&[b"DEL".as_slice(), key]));
            connection.send().ok()?;
            keys.iter().try_for_each(|_| match connection.receive().ok()? {
                Frame::Integer(_) => Some(()),
                _ => None,
            })
        };
        while nodes.next().and_then(|at| open(*at, password)).as_mut().and_then(gone).is_none() {
            if begun.elapsed() > PATIENCE {
                return Err("no node deletes keys when all is over".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// One answer for each key; None if they can't be had on this connection.
fn read_batch(connection: &mut Connection, keys: &[&Bytes]) -> Option<Vec<Final>> {
    keys.iter().for_each(|key| connection.push(&[b"KV.GET".as_slice(), key]));
    connection.send().ok()?;
    let mut said = Vec::new();
    for _ in keys {
        let Frame::Array(parts) = connection.receive().ok()? else { return None };
        said.push(match parts.as_slice() {
            [Frame::Null, _] => None,
            [Frame::Bulk(value), Frame::Integer(version)] => {
                Some((value.as_slice().into(), u64::try_from(*version).ok()?))
            }
            _ => return None,
        });
    }
    Some(said)
}

/// Stops the clients when it goes.
struct Stopped<'a>(&'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
