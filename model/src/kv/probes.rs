//! What a scene has reached: the `sometimes` beside every `always`.

use super::event::Event;
use super::history::{Call, History};
use crate::lists::corners;
use protocol::kv::Reply;
use protocol::kv::clerk::Outcome;

corners! {
    SentAgain "a call was sent again",
    MessageLost "a message was lost for good",
    FromRecord "a write was answered from its record",
    AfterAcknowledged "a copy of a write came when its client had its reply already, and was not executed",
    MaybeExecuted "a call that ended in Maybe had been executed",
    MaybeNotExecuted "a call that ended in Maybe had not been executed",
    ExecutedAfterMaybe "a call that had ended in Maybe was executed then",
    Mismatch "a write was refused for its version",
    MissingKey "a conditional write was refused because the key was not there",
    Deleted "a key was deleted",
    WrittenAnew "a key was written that had been deleted",
    SessionExpired "a client was turned away whose records were dropped",
    SeqReused "a number was refused that had been used for another command",
    ClientAhead "a client's id was refused because it is from the future",
    Acquired "a client acquired the lock",
    AcquiredByLook "a client found by a look that it has the lock",
    Waited "a client saw that another has the lock",
    Released "a client released the lock",
    NotKept "a reply was too long to be kept, and its call was sent again",
    TooManyUnacknowledged "a call was refused because too many replies were not acknowledged",
    StampBehind "an entry's stamp was behind the group's clock",
    Expired "a tick took out a key that was due",
    DueAndNotTakenOut "a key was due and was not taken out yet",
    TickLeftSome "a tick took out as many keys as it may, and left others that were due",
    WrittenAfterExpiry "a key was written that had expired",
    WatchHeld "a transaction was executed whose watched keys were as they had been seen",
    WatchedChanged "a transaction failed because a watched key had changed",
    WatchedCame "a transaction failed because a key had come that was missing when it was watched",
    NeighbourWent "a transaction failed that need not have: it watched a missing key, and another key of the slot went",
    FaultInside "an operation of a transaction faulted, and the ones behind it were executed",
    Flushed "all keys went at once",
    ScannedAcrossChange "a scan ended that some keys had outlasted while others changed",
    LateHolder "a holder that was late was turned away by its version",
    Restarted "the server began anew from its snapshot",
    Renewed "a holder put its end off",
    RenewalUnknown "a holder was not told whether its end was put off",
    Ended "a holder stopped because its time was over",
    HolderDied "a holder died, or one that was about to be",
    AcquiredTooLate "a client learned that it has the lock when its time was over",
    ReleasedLate "a holder that released the lock learned that it was not its own any more",
    CameLate "a renewal or a release came when another had the lock, and changed nothing",
    OldOutcome "an answer came to a call that its client had given up",
}

impl Corners {
    /// Notes what was seen at an actor; `history` knows of it already.
    pub fn note(&self, actor: u8, event: &Event, history: &History) {
        match event {
            Event::Called { .. } => {}
            Event::SentAgain => self.reach(Corner::SentAgain),
            Event::Returned { seq, outcome, .. } => {
                self.note_return((actor, *seq), outcome, history)
            }
            Event::Executed { client, seq, changes } => {
                if history.was_maybe((*client as u8, *seq)) {
                    self.reach(Corner::ExecutedAfterMaybe);
                }
                for (key, version) in changes {
                    match version {
                        None => self.reach(Corner::Deleted),
                        Some(_) if history.was_deleted(key) => self.reach(Corner::WrittenAnew),
                        Some(_) => {}
                    }
                }
            }
            // The history and its mirror tell what they were.
            Event::Applied(_)
            | Event::Watched { .. }
            | Event::Scanned { .. }
            | Event::Used { .. }
            | Event::Restarted => {}
            Event::Unchanged { reply } => match reply {
                Reply::Written { .. } | Reply::Appended { .. } => self.reach(Corner::FromRecord),
                Reply::Acknowledged => self.reach(Corner::AfterAcknowledged),
                Reply::VersionMismatch => self.reach(Corner::Mismatch),
                Reply::NoKey => self.reach(Corner::MissingKey),
                Reply::SessionExpired => self.reach(Corner::SessionExpired),
                Reply::SeqReused => self.reach(Corner::SeqReused),
                Reply::ClientAhead => self.reach(Corner::ClientAhead),
                Reply::NotKept => self.reach(Corner::NotKept),
                Reply::TooManyUnacknowledged => self.reach(Corner::TooManyUnacknowledged),
                _ => {}
            },
            Event::Acquired { looked, .. } => {
                self.reach(Corner::Acquired);
                if *looked {
                    self.reach(Corner::AcquiredByLook);
                }
            }
            Event::Waits => self.reach(Corner::Waited),
            Event::Released => self.reach(Corner::Released),
            Event::Reached(corner) => self.reach(*corner),
            Event::GaveUp { seq } => self.note_maybe((actor, *seq), history),
            Event::Failed { .. } => {}
        }
    }

    fn note_return(&self, call: Call, outcome: &Outcome, history: &History) {
        if *outcome == Outcome::Maybe {
            self.note_maybe(call, history);
        }
    }

    fn note_maybe(&self, call: Call, history: &History) {
        self.reach(match history.was_executed(call) {
            true => Corner::MaybeExecuted,
            false => Corner::MaybeNotExecuted,
        });
    }
}
