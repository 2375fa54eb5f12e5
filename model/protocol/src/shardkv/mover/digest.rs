//! What a recorder notes of a mover after each of its rounds, so that a replay can say where it went another way.

use super::{Duty, Mover};
use core::hash::{Hash, Hasher};

impl<R> Mover<R> {
    /// Feeds all of it to a hasher. Of the copies that are sent, what they are ([`kv::Sum`](crate::kv::Sum)); of parts
    /// that are under way, which: what is in them was in an effect. So it costs the same however much a slot has.
    fn digest(&self, state: &mut impl Hasher) {
        let Self {
            rules: _,
            settings,
            stream,
            since,
            latest,
            proposed,
            next,
            reported,
            sending,
            staging,
            called_off,
        } = self;
        (settings, stream, since, latest, proposed, next, reported).hash(state);
        (staging, called_off, sending.len()).hash(state);
        for (slot, sending) in sending {
            slot.hash(state);
            sending.digest(state);
        }
    }
}

impl<R> Duty<R> {
    /// Feeds the term and the mover to a hasher.
    pub fn digest(&self, state: &mut impl Hasher) {
        let Self { rules: _, settings, mover } = self;
        (settings, mover.as_ref().map(|(term, _)| term)).hash(state);
        if let Some((_, mover)) = mover {
            mover.digest(state);
        }
    }
}
