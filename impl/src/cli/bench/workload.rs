//! What the clients ask, and what they must be told.
//!
//! A value says whose it is: it begins with its key's number and is padded to its length. So a GET that gets another
//! key's value, or a part of one, is found out. Counters and appended values belong to one client each, which knows
//! what every answer must be.

use super::{Failed, Tally, Workload};
use quorate::client::{Connection, id};
use quorate::resp::Frame;
use std::collections::VecDeque;
use std::time::Instant;

/// What all clients of a run share.
#[derive(Clone, Debug)]
pub struct Run {
    workload: Workload,
    keys: u64,
    value_bytes: usize,
    /// In front of every key of the run.
    prefix: String,
    seed: u64,
}

/// What an answer must be.
enum Expected {
    Ok,
    Number(i64),
    Value(u64),
}

/// One client.
pub struct Client {
    run: Run,
    connection: Connection,
    number: u64,
    random: u64,
    /// What the client has appended to each of its keys, in bytes.
    lengths: Vec<usize>,
    count: i64,
    client_id: String,
    expected: VecDeque<Expected>,
}

/// Keys that a client appends to.
const APPENDED: u64 = 16;
/// A longer value begins anew.
const LONGEST: usize = 16 << 10;
/// Requests that are sent together when keys are prepared, read and deleted.
const BATCH: u64 = 256;

const fn mixed(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn shown(frame: &Frame) -> String {
    super::super::print::pretty(frame).trim_end().chars().take(200).collect()
}

impl Run {
    pub fn new(workload: Workload, keys: u32, value_bytes: usize) -> Result<Self, Failed> {
        let seed = getrandom::u64()?;
        let prefix = format!("bench:{seed:016x}:");
        Ok(Self { workload, keys: u64::from(keys), value_bytes, prefix, seed })
    }

    fn key(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    fn own_key(&self, client: u64, number: u64) -> String {
        format!("{}{client}:{number}", self.prefix)
    }

    fn value(&self, number: u64) -> Vec<u8> {
        let mut value = format!("{number};").into_bytes();
        value.resize(self.value_bytes, b'x');
        value
    }

    /// Whether all clients use the same keys, and those have values of [`Run::value`].
    const fn shares_keys(&self) -> bool {
        matches!(self.workload, Workload::Set | Workload::Get | Workload::Mixed)
    }

    /// Sends one request for each of these numbers, and looks at the answers.
    fn all(
        connection: &mut Connection,
        numbers: u64,
        words: impl Fn(u64) -> Vec<Vec<u8>>,
        mut look: impl FnMut(u64, Frame) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let mut first = 0;
        while first < numbers {
            let end = (first + BATCH).min(numbers);
            (first..end).for_each(|number| connection.push(&words(number)));
            connection.send()?;
            for number in first..end {
                look(number, connection.receive()?)?;
            }
            first = end;
        }
        Ok(())
    }

    /// Writes the keys that will be read.
    pub fn prepare(&self, connection: &mut Connection) -> Result<(), Failed> {
        if !matches!(self.workload, Workload::Get | Workload::Mixed) {
            return Ok(());
        }
        let set = |number| vec![b"SET".to_vec(), self.key(number).into(), self.value(number)];
        Self::all(connection, self.keys, set, |_, frame| match frame {
            Frame::Simple(_) => Ok(()),
            other => Err(format!("a key can't be written: {}", shown(&other)).into()),
        })
    }

    /// Reads all keys that clients share: each has its own value, or was never written.
    pub fn check(&self, connection: &mut Connection, tally: &mut Tally) -> Result<(), Failed> {
        if !self.shares_keys() {
            return Ok(());
        }
        let get = |number| vec![b"GET".to_vec(), self.key(number).into()];
        Self::all(connection, self.keys, get, |number, frame| {
            let right = match &frame {
                Frame::Bulk(value) => *value == self.value(number),
                Frame::Null => self.workload == Workload::Set,
                _ => false,
            };
            if !right {
                tally.wrong(1, format!("in the end key {number} has {}", shown(&frame)));
            }
            Ok(())
        })
    }

    /// Deletes the run's keys.
    pub fn delete(&self, connection: &mut Connection, clients: u32) -> Result<(), Failed> {
        let per_client = match self.workload {
            Workload::Append => APPENDED,
            _ => 1,
        };
        let (shared, own) = match self.shares_keys() {
            true => (self.keys, 0),
            false => (0, u64::from(clients) * per_client),
        };
        let key = |number| match self.shares_keys() {
            true => self.key(number),
            false => self.own_key(number / per_client, number % per_client),
        };
        let delete = |number| vec![b"DEL".to_vec(), key(number).into()];
        Self::all(connection, shared + own, delete, |_, frame| match frame {
            Frame::Integer(_) => Ok(()),
            other => Err(format!("a key can't be deleted: {}", shown(&other)).into()),
        })
    }

    /// A client of the run.
    pub fn client(&self, number: u64, connection: Connection) -> Result<Client, Failed> {
        Ok(Client {
            run: self.clone(),
            connection,
            number,
            random: mixed(self.seed ^ mixed(number)),
            lengths: vec![0; APPENDED as usize],
            count: 0,
            client_id: id::text(id::fresh()?),
            expected: VecDeque::new(),
        })
    }
}

impl Client {
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.random)
    }

    /// Sends so many requests, and looks at their answers.
    pub fn batch(&mut self, requests: u64, tally: &mut Tally) -> Result<(), Failed> {
        let acknowledged = self.count;
        for _ in 0..requests {
            let expected = self.ask(acknowledged);
            self.expected.push_back(expected);
        }
        let begun = Instant::now();
        self.connection.send()?;
        while let Some(expected) = self.expected.pop_front() {
            let frame = self.connection.receive()?;
            let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.latencies.saturating_record(us.max(1));
            tally.requests += 1;
            let right = match (&expected, &frame) {
                (Expected::Ok, Frame::Simple(text)) => text == b"OK",
                (Expected::Number(number), Frame::Integer(told)) => number == told,
                (Expected::Value(key), Frame::Bulk(value)) => *value == self.run.value(*key),
                _ => false,
            };
            if !right {
                tally.wrong(1, expected.missed(&frame));
            }
        }
        Ok(())
    }

    /// Pushes one request, and says what its answer must be.
    fn ask(&mut self, acknowledged: i64) -> Expected {
        let random = self.next_random();
        let key = (random >> 1) % self.run.keys;
        let writes = match self.run.workload {
            Workload::Set => true,
            Workload::Get => false,
            Workload::Mixed => random & 1 == 0,
            Workload::Append => return self.append(random % APPENDED),
            Workload::Once => return self.once(acknowledged),
        };
        let name = self.run.key(key).into_bytes();
        if writes {
            self.connection.push(&[b"SET".to_vec(), name, self.run.value(key)]);
            Expected::Ok
        } else {
            self.connection.push(&[b"GET".to_vec(), name]);
            Expected::Value(key)
        }
    }

    fn append(&mut self, number: u64) -> Expected {
        let name = self.run.own_key(self.number, number).into_bytes();
        let value = self.run.value(number);
        let length = &mut self.lengths[number as usize];
        if *length + value.len() > LONGEST.max(value.len()) {
            *length = value.len();
            self.connection.push(&[b"SET".to_vec(), name, value]);
            return Expected::Ok;
        }
        *length += value.len();
        let expected = Expected::Number(*length as i64);
        self.connection.push(&[b"APPEND".to_vec(), name, value]);
        expected
    }

    fn once(&mut self, acknowledged: i64) -> Expected {
        self.count += 1;
        let key = self.run.own_key(self.number, 0);
        let (seq, acknowledged) = (self.count.to_string(), acknowledged.to_string());
        let id = self.client_id.as_str();
        self.connection.push(&["ONCE", &key, id, &seq, "ACK", &acknowledged, "INCR", &key]);
        Expected::Number(self.count)
    }

    /// Reads what the client alone has written.
    pub fn check(&mut self, tally: &mut Tally) -> Result<(), Failed> {
        match self.run.workload {
            Workload::Append => {
                for number in 0..APPENDED {
                    let key = self.run.own_key(self.number, number);
                    let frame = self.connection.call(&["STRLEN", &key])?;
                    let expected = Expected::Number(self.lengths[number as usize] as i64);
                    if !matches!((&expected, &frame), (Expected::Number(a), Frame::Integer(b)) if a == b)
                    {
                        tally.wrong(1, expected.missed(&frame));
                    }
                }
            }
            Workload::Once => {
                let key = self.run.own_key(self.number, 0);
                let frame = self.connection.call(&["GET", &key])?;
                let right = match &frame {
                    Frame::Bulk(value) => *value == self.count.to_string().into_bytes(),
                    other => *other == Frame::Null && self.count == 0,
                };
                if !right {
                    tally.wrong(1, format!("{} increments made {}", self.count, shown(&frame)));
                }
            }
            Workload::Set | Workload::Get | Workload::Mixed => {}
        }
        Ok(())
    }
}

impl Expected {
    fn missed(&self, frame: &Frame) -> String {
        let must = match self {
            Self::Ok => "OK".into(),
            Self::Number(number) => number.to_string(),
            Self::Value(key) => format!("the value of key {key}"),
        };
        format!("{} instead of {must}", shown(frame))
    }
}
