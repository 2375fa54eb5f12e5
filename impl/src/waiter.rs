//! One answer, for one thread that waits for it.
//!
//! A [`Teller`] goes with the question and tells once; the [`Waiter`] stays and waits. Either may go
//! away: a teller that is dropped, in whatever list it was forgotten or in a thread that panicked, wakes
//! its waiter, and a waiter that is dropped lets the teller have its answer back. So nobody waits for
//! what will not come, and an answer that nobody hears can be put to use.

use crate::monitor::{self, Monitor, Sound};
use std::fmt;
use std::sync::Arc;

/// The decisions on which it hangs that every waiter hears something.
pub trait Rules: monitor::Rules {
    /// WAIT-END. Whether a teller that goes without having told says so.
    fn says_goodbye() -> bool {
        true
    }

    /// WAIT-BACK. What is left of an answer for which there is a place.
    fn put<T>(place: &mut Place<T>, answer: T) -> Result<(), T> {
        match place {
            Place::Left => Err(answer),
            Place::Empty | Place::Told(_) | Place::Abandoned => {
                *place = Place::Told(answer);
                Ok(())
            }
        }
    }
}

impl Rules for Sound {}

/// Where the answer goes.
#[derive(Debug)]
pub enum Place<T> {
    /// Nothing was told yet.
    Empty,
    /// The answer.
    Told(T),
    /// The teller went without having told.
    Abandoned,
    /// The waiter went; or it has the answer.
    Left,
}

/// Nobody will tell: the teller is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("whoever was to answer is gone; what was asked for may or may not have been done")]
pub struct Abandoned;

/// Who tells. It is used up by telling.
pub struct Teller<T, R: Rules = Sound>(Option<Arc<Monitor<Place<T>, R>>>);

/// Who waits. It is used up by waiting.
pub struct Waiter<T, R: Rules = Sound>(Option<Arc<Monitor<Place<T>, R>>>);

/// A teller, and the waiter that hears it.
pub fn waiter<T>() -> (Teller<T>, Waiter<T>) {
    with_rules()
}

/// For tests: a pair by other rules.
pub fn with_rules<T, R: Rules>() -> (Teller<T, R>, Waiter<T, R>) {
    let place = Arc::new(Monitor::new(Place::Empty));
    (Teller(Some(Arc::clone(&place))), Waiter(Some(place)))
}

impl<T, R: Rules> Teller<T, R> {
    /// Tells.
    ///
    /// # Errors
    /// Gives the answer back if the waiter is gone.
    pub fn tell(mut self, answer: T) -> Result<(), T> {
        let place = self.0.take().expect("a teller tells once");
        place.change(|place| R::put(place, answer))
    }
}

impl<T, R: Rules> Drop for Teller<T, R> {
    fn drop(&mut self) {
        if let Some(place) = self.0.take().filter(|_| R::says_goodbye()) {
            place.change(|place| {
                if matches!(place, Place::Empty) {
                    *place = Place::Abandoned;
                }
            });
        }
    }
}

impl<T, R: Rules> Waiter<T, R> {
    /// Waits until the teller has told, or is gone.
    ///
    /// # Errors
    /// If it is gone and has not told.
    pub fn wait(mut self) -> Result<T, Abandoned> {
        let place = self.0.take().expect("a waiter waits once");
        place.wait(|place| match place {
            Place::Empty => None,
            Place::Told(_) | Place::Abandoned | Place::Left => {
                match std::mem::replace(place, Place::Left) {
                    Place::Told(answer) => Some(Ok(answer)),
                    Place::Empty | Place::Abandoned | Place::Left => Some(Err(Abandoned)),
                }
            }
        })
    }
}

impl<T, R: Rules> Drop for Waiter<T, R> {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            // An answer that came is dropped here, outside the lock: it may be anything.
            let told = place.look(|place| std::mem::replace(place, Place::Left));
            drop(told);
        }
    }
}

impl<T, R: Rules> fmt::Debug for Teller<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

impl<T, R: Rules> fmt::Debug for Waiter<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}
