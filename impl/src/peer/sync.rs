//! Locks, until the crate has one place for them.

pub(super) use crossbeam_utils::sync::{Parker, Unparker};

use std::sync::{self, MutexGuard};

#[derive(Debug, Default)]
pub(super) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no thread has panicked")
    }
}
