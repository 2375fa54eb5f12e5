//! The timer thread of a running node.

use super::Timers;
use crate::sync::Parker;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// A thread that runs [`Timers`], and ends with this value.
#[derive(Debug)]
pub struct TimerThread<const N: usize> {
    timers: Arc<Timers<N>>,
    thread: Option<JoinHandle<()>>,
}

impl<const N: usize> TimerThread<N> {
    /// Begins the thread. `now` is the clock, in microseconds, and never goes back; `fire` gets a slot
    /// and the generation with which it was armed, and should not take long: nothing else fires
    /// meanwhile.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn spawn(
        now: impl Fn() -> u64 + Send + 'static,
        fire: impl FnMut(usize, u64) + Send + 'static,
    ) -> io::Result<Self> {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let timers = Arc::new(Timers::new(Box::new(move || unparker.unpark())));
        let park = move |left: Option<_>| match left {
            None => parker.park(),
            Some(left) => parker.park_timeout(left),
        };
        let run = Arc::clone(&timers);
        let thread = Builder::new().name("timer".into()).spawn(move || run.run(now, park, fire))?;
        Ok(Self { timers, thread: Some(thread) })
    }

    /// The timers, to arm and disarm.
    pub fn timers(&self) -> &Arc<Timers<N>> {
        &self.timers
    }
}

impl<const N: usize> Drop for TimerThread<N> {
    /// Stops the thread and waits for its end.
    fn drop(&mut self) {
        self.timers.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        // A panic of `fire` goes on in whoever owns the thread; not where that panics already.
        if let Some(Err(panic)) = ended
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
