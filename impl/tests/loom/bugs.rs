//! Rules that are wrong in one step.

use super::report::{self, Filled};
use loom::sync::atomic::AtomicU64;
use quorate::gate::{self, Closed, Filling};
use quorate::monitor::{self, Monitor};
use quorate::sync::Ordering;
use quorate::waiter::Place;
use quorate::{mailbox, timer, waiter};

/// A bug: which rules it has right, and which one wrong.
macro_rules! bug {
    ($name:ident: $($right:path),*; $wrong:path { $($rule:item)+ }) => {
        #[derive(Debug)]
        pub struct $name;

        impl $wrong for $name {
            $($rule)+
        }
        $(impl $right for $name {})*
    };
}

bug! {
    // SYNC-RING: rings, and then makes the change.
    RingsFirst: mailbox::Rules, gate::Rules, waiter::Rules;
    monitor::Rules {
        fn change<S, X>(monitor: &Monitor<S, Self>, change: impl FnOnce(&mut S) -> X) -> X {
            let waits = std::mem::take(&mut monitor.lock().waits);
            if waits {
                monitor.bell().notify_one();
            }
            change(&mut monitor.lock().state)
        }
    }
}

bug! {
    // SYNC-SLEEP: looks, lets go of the lock, takes it again and sleeps.
    LooksAway: mailbox::Rules, gate::Rules, waiter::Rules;
    monitor::Rules {
        fn wait<S, X>(monitor: &Monitor<S, Self>, mut look: impl FnMut(&mut S) -> Option<X>) -> X {
            loop {
                let mut inside = monitor.lock();
                inside.waits = true;
                if let Some(found) = look(&mut inside.state) {
                    return found;
                }
                drop(inside);
                drop(monitor.bell().wait(monitor.lock()));
            }
        }
    }
}

bug! {
    // MAIL-BOUND: a box with room for one more is full.
    RefusesTheLast: monitor::Rules;
    mailbox::Rules {
        fn is_full(mails: usize, bound: usize) -> bool {
            mails + 1 >= bound
        }
    }
}

bug! {
    // MAIL-LAST: a closed box is over, whatever is in it.
    EndsAtOnce: monitor::Rules;
    mailbox::Rules {
        fn is_over(closed: bool, _: usize) -> bool {
            closed
        }
    }
}

bug! {
    // MAIL-WAKE: the first mail comes alone.
    WakesForOne: monitor::Rules;
    mailbox::Rules {
        fn wakes(_: usize, after: usize) -> bool {
            after == 1
        }
    }
}

bug! {
    // GATE-FILL: asks whether the gate is open, lets go, and fills.
    FillsLater: monitor::Rules;
    gate::Rules {
        fn fill<B, X>(
            gate: &Monitor<Filling<B>, Self>,
            fill: impl FnOnce(&mut B) -> X,
        ) -> Result<X, Closed> {
            if gate.look(|filling| filling.closed) {
                return Err(Closed);
            }
            Ok(gate.change(|filling| {
                filling.filled = true;
                fill(&mut filling.buffer)
            }))
        }
    }
}

bug! {
    // GATE-FILL: says that something is there, lets go, and fills.
    MarksFirst: monitor::Rules;
    gate::Rules {
        fn fill<B, X>(
            gate: &Monitor<Filling<B>, Self>,
            fill: impl FnOnce(&mut B) -> X,
        ) -> Result<X, Closed> {
            gate.change(|filling| filling.filled = true);
            gate.change(|filling| if filling.closed { Err(Closed) } else { Ok(fill(&mut filling.buffer)) })
        }
    }
}

bug! {
    // GATE-SWAP: takes the buffer, lets go, and says that nothing is there.
    SwapsInTwo: monitor::Rules;
    gate::Rules {
        fn take<B>(gate: &Monitor<Filling<B>, Self>, empty: B) -> Option<B> {
            let open = gate.wait(|filling| match filling.filled {
                false if filling.closed => Some(false),
                false => None,
                true => Some(true),
            });
            open.then(|| {
                let full = gate.look(|filling| std::mem::replace(&mut filling.buffer, empty));
                gate.look(|filling| filling.filled = false);
                full
            })
        }
    }
}

bug! {
    // GATE-REPORT: reports what is about to be written.
    ReportsFirst:;
    report::Rules {
        fn serve(filled: &mut Filled, sync: impl FnOnce(), report: impl FnOnce(u64)) {
            report(std::mem::take(&mut filled.writes));
            sync();
        }
    }
}

bug! {
    // GATE-REPORT: a buffer comes back with what was reported.
    CountsAgain:;
    report::Rules {
        fn serve(filled: &mut Filled, sync: impl FnOnce(), report: impl FnOnce(u64)) {
            sync();
            report(filled.writes);
        }
    }
}

bug! {
    // WAIT-END: a teller goes and says nothing.
    GoesSilently: monitor::Rules;
    waiter::Rules {
        fn says_goodbye() -> bool {
            false
        }
    }
}

bug! {
    // WAIT-BACK: tells whether or not somebody is there.
    TellsTheWind: monitor::Rules;
    waiter::Rules {
        fn put<T>(place: &mut Place<T>, answer: T) -> Result<(), T> {
            *place = Place::Told(answer);
            Ok(())
        }
    }
}

bug! {
    // TIMER-FENCE: the look may come before the store.
    NoFence:;
    timer::Rules {
        fn store_before_look() {}
    }
}

bug! {
    // TIMER-SCAN: says when it will wake after it has looked, and only then.
    SaysItLate:;
    timer::Rules {
        fn begin_scan(_: &AtomicU64) {}
    }
}

bug! {
    // TIMER-PAIR: the old deadline stands while the new generation is written.
    MixesArms:;
    timer::Rules {
        fn begin_arm(_: &AtomicU64) {}
    }
}

bug! {
    // TIMER-ONCE: clears whatever is there by now.
    TakesBlindly:;
    timer::Rules {
        fn take(word: &AtomicU64, _: u64) -> Result<(), u64> {
            word.store(u64::MAX, Ordering::Release);
            Ok(())
        }
    }
}

bug! {
    // TIMER-WAKE: the thread is not woken if it wakes anyhow.
    LetsItSleep:;
    timer::Rules {
        fn wakes(_: u64, next_wake: u64) -> bool {
            next_wake == u64::MAX
        }
    }
}
