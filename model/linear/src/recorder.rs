//! Takes a history down from threads.
//!
//! One lock orders the events: a call is noted before it is sent, and a return after the answer has come, so whatever
//! the cluster did in between lies between the two. The time is read under the lock too, and never goes back.

use crate::history::{History, Told};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Takes down what clients on several threads do. Copies take it down in the same place.
#[derive(Debug)]
pub struct Recorder<O, R> {
    begun: Instant,
    shared: Arc<Mutex<Shared<O, R>>>,
}

#[derive(Debug)]
struct Shared<O, R> {
    history: History<O, R>,
    clients: u64,
}

/// One client's part of it.
#[derive(Debug)]
pub struct Client<O, R> {
    recorder: Recorder<O, R>,
    number: u64,
}

/// A call that has not ended. If it is dropped its client was told nothing: [`Told::Unknown`].
#[derive(Debug)]
#[must_use = "a call that is dropped has an unknown end"]
pub struct Open<'a, O, R> {
    client: &'a mut Client<O, R>,
    ended: bool,
}

impl<O, R> Clone for Recorder<O, R> {
    fn clone(&self) -> Self {
        Self { begun: self.begun, shared: Arc::clone(&self.shared) }
    }
}

impl<O, R> Default for Recorder<O, R> {
    fn default() -> Self {
        let shared = Shared { history: History::new(), clients: 0 };
        Self { begun: Instant::now(), shared: Arc::new(Mutex::new(shared)) }
    }
}

impl<O, R> Recorder<O, R> {
    /// Nothing has happened yet; time begins now.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new client, with a number of its own. Give each thread one.
    pub fn client(&self) -> Client<O, R> {
        let mut shared = self.lock();
        let number = shared.clients;
        shared.clients += 1;
        Client { recorder: self.clone(), number }
    }

    /// What has happened so far, and begins again with nothing. Calls that are open then are open in the history.
    pub fn take(&self) -> History<O, R> {
        std::mem::take(&mut self.lock().history)
    }

    /// A history stays one event after the other whatever becomes of the thread that noted the last.
    fn lock(&self) -> MutexGuard<'_, Shared<O, R>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl<O, R> Client<O, R> {
    /// Its number in the history.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Notes a call. Send it after this.
    pub fn call(&mut self, op: O) -> Open<'_, O, R> {
        let mut shared = self.recorder.lock();
        let now = self.recorder.now_us();
        shared.history.call(self.number, now, op).expect("the last call of this client has ended");
        drop(shared);
        Open { client: self, ended: false }
    }
}

impl<O, R> Open<'_, O, R> {
    /// Notes how it ended. Do it when the answer is there, not before.
    pub fn end(mut self, told: Told<R>) {
        self.note(told);
    }

    /// Notes a reply.
    pub fn reply(self, reply: R) {
        self.end(Told::Reply(reply));
    }

    fn note(&mut self, told: Told<R>) {
        self.ended = true;
        let Client { recorder, number } = &*self.client;
        let mut shared = recorder.lock();
        let now = recorder.now_us();
        // Its call may have been taken away with the history that it stands in.
        let _ = shared.history.end(*number, now, told);
    }
}

impl<O, R> Drop for Open<'_, O, R> {
    fn drop(&mut self) {
        if !self.ended {
            self.note(Told::Unknown);
        }
    }
}
