//! What the checks need to know of MapReduce's model.

use super::{Bounds, Corner, Mill, Rules, SETTLES, bounds_text, validate};
use crate::system::{Renaming, System};
use crate::telling;
use std::sync::atomic::AtomicBool;

impl<R: Rules> System for Mill<R> {
    type Message = super::Message;
    type Stimulus = super::Stimulus;
    type Bounds = Bounds;
    type Corner = Corner;

    const NAME: &'static str = "mr";

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn bounds_text(bounds: &Bounds) -> String {
        bounds_text(bounds)
    }

    fn validate(bounds: &Bounds) -> Result<(), String> {
        validate(bounds)
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    fn reached(&self) -> Vec<Corner> {
        let all = Corner::ALL.iter().copied();
        all.filter(|&corner| self.corners.reached(corner)).collect()
    }

    fn corner_text(corner: Corner) -> &'static str {
        corner.text()
    }

    fn converged(&self) -> u64 {
        self.corners.settled()
    }

    fn thorough(&self, property: &str) -> Self {
        let mut mill = self.clone();
        if property == SETTLES {
            mill.bounds.settle_every = 1;
        }
        mill
    }

    fn representative() -> Option<Renaming<Self>> {
        None
    }

    fn transcript(&self, path: &[Self::Action]) -> String {
        telling::transcript(self, path)
    }

    fn picture(&self, path: &[Self::Action]) -> String {
        telling::picture(self, path)
    }

    fn follow(&self, path: &[Self::Action]) -> Result<Self::State, String> {
        telling::follow(self, path)
    }
}
