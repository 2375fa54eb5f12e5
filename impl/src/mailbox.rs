//! A mailbox: how other threads reach a thread that owns its state.
//!
//! Many post, one takes. The owner takes *all* its mail at once, by swapping its empty list with the full
//! one: the lock is held for as long as three words take to move, both lists keep their memory, and what
//! one pass has to do grows by itself with the load.
//!
//! A mailbox has a bound, and a post beyond it is refused and given back: whoever posts for a client
//! tells the client. What must not be refused goes in by [`Mailbox::post_always`]: the due timers and the
//! reports of the disk, of which there are never more than there are timers and writes under way. There
//! are no timeouts; a thread that needs one gets mail from the timer thread.
//!
//! An owner that waits for its sockets instead has a waker ([`Mailbox::with_waker`]), which is called
//! when the first mail comes into the empty box. It takes all there is when it wakes, so one call will do.
//!
//! Mail often holds a promise to answer (a [`Teller`](crate::waiter::Teller)). So who stops taking
//! closes the box and takes until it is told that nothing is left, or those who wait would wait on.

use crate::monitor::{self, Monitor, Sound};
use std::fmt;
use std::sync::Arc;

/// The decisions on which it hangs that no mail is lost and none refused without need.
pub trait Rules: monitor::Rules {
    /// MAIL-BOUND. Whether a box with room for `bound` refuses another one, when it has `mails`.
    fn is_full(mails: usize, bound: usize) -> bool {
        mails >= bound
    }

    /// MAIL-LAST. Whether nothing will ever be taken any more.
    fn is_over(closed: bool, mails: usize) -> bool {
        closed && mails == 0
    }

    /// MAIL-WAKE. Whether the waker is called for a post that found `before` mails and left `after`.
    fn wakes(before: usize, after: usize) -> bool {
        before == 0 && after > 0
    }
}

impl Rules for Sound {}

/// Why a post was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The mailbox holds as much as it may.
    #[error("the mailbox is full: its thread is behind; try again later")]
    Full,
    /// Nobody will take from it any more.
    #[error("the mailbox is closed: its thread is stopping")]
    Closed,
}

/// A mail that was refused, and why.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused<T> {
    /// The mail, unchanged.
    pub mail: T,
    /// The reason.
    pub why: Refusal,
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("why", &self.why).finish_non_exhaustive()
    }
}

/// A handle of a mailbox. Clones are handles of the same one.
pub struct Mailbox<T, R = Sound>(Arc<Shared<T, R>>);

struct Shared<T, R> {
    queue: Monitor<Queue<T>, R>,
    bound: usize,
    waker: Option<Box<dyn Fn() + Send + Sync>>,
}

struct Queue<T> {
    mail: Vec<T>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// A mailbox that refuses a post when it has `bound` mails. Its owner waits in [`take`](Self::take).
    pub fn new(bound: usize) -> Self {
        Self::with_rules(bound, None)
    }

    /// A mailbox whose owner waits elsewhere: `waker` is called by whoever posts into the empty box, or
    /// closes it, after that is done, and outside the lock. The owner then calls
    /// [`try_take`](Self::try_take).
    pub fn with_waker(bound: usize, waker: Box<dyn Fn() + Send + Sync>) -> Self {
        Self::with_rules(bound, Some(waker))
    }
}

impl<T, R: Rules> Mailbox<T, R> {
    /// For tests: a mailbox by other rules.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn with_rules(bound: usize, waker: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        assert!(bound > 0, "a mailbox has room for one mail at least");
        let queue = Monitor::new(Queue { mail: Vec::new(), closed: false });
        Self(Arc::new(Shared { queue, bound, waker }))
    }

    /// Puts a mail behind all others.
    ///
    /// # Errors
    /// Gives the mail back if the box is full or closed.
    pub fn post(&self, mail: T) -> Result<(), Refused<T>> {
        self.put(|queue, bound| match queue.closed {
            true => Err(Refused { mail, why: Refusal::Closed }),
            false if R::is_full(queue.mail.len(), bound) => {
                Err(Refused { mail, why: Refusal::Full })
            }
            false => {
                queue.mail.push(mail);
                Ok(())
            }
        })
    }

    /// Puts a mail behind all others, whatever the bound; for mail whose number has a bound of its own.
    ///
    /// # Errors
    /// Gives the mail back if the box is closed.
    pub fn post_always(&self, mail: T) -> Result<(), Refused<T>> {
        self.put(|queue, _| match queue.closed {
            true => Err(Refused { mail, why: Refusal::Closed }),
            false => {
                queue.mail.push(mail);
                Ok(())
            }
        })
    }

    /// Puts in as much of `mails` as there is room for, in order, with nothing of others between. What
    /// was refused stays in the list.
    ///
    /// # Errors
    /// If some are left: because the box is full, or it is closed.
    pub fn post_many(&self, mails: &mut Vec<T>) -> Result<(), Refusal> {
        self.put(|queue, bound| {
            if queue.closed {
                return if mails.is_empty() { Ok(()) } else { Err(Refusal::Closed) };
            }
            let there = queue.mail.len();
            let room = (0..mails.len()).find(|more| R::is_full(there + more, bound));
            queue.mail.extend(mails.drain(..room.unwrap_or(mails.len())));
            if mails.is_empty() { Ok(()) } else { Err(Refusal::Full) }
        })
    }

    /// Waits until there is mail, and moves all of it behind what is in `into`, which should be empty:
    /// then the lists change places. One thread takes. False, and nothing moved, once the box is closed
    /// and empty.
    pub fn take(&self, into: &mut Vec<T>) -> bool {
        self.0.queue.wait(|queue| {
            if R::is_over(queue.closed, queue.mail.len()) {
                Some(false)
            } else if queue.mail.is_empty() {
                None
            } else {
                hand_over(&mut queue.mail, into);
                Some(true)
            }
        })
    }

    /// As [`take`](Self::take), without waiting: true with nothing moved says that there is no mail now.
    pub fn try_take(&self, into: &mut Vec<T>) -> bool {
        self.0.queue.look(|queue| {
            let over = R::is_over(queue.closed, queue.mail.len());
            hand_over(&mut queue.mail, into);
            !over
        })
    }

    /// Lets nothing in any more. What is in it can be taken.
    pub fn close(&self) {
        self.0.queue.change(|queue| queue.closed = true);
        self.wake();
    }

    fn put<X>(&self, put: impl FnOnce(&mut Queue<T>, usize) -> X) -> X {
        let (answer, wakes) = self.0.queue.change(|queue| {
            let before = queue.mail.len();
            let answer = put(queue, self.0.bound);
            (answer, R::wakes(before, queue.mail.len()))
        });
        if wakes {
            self.wake();
        }
        answer
    }

    fn wake(&self) {
        if let Some(waker) = &self.0.waker {
            waker();
        }
    }
}

fn hand_over<T>(mail: &mut Vec<T>, into: &mut Vec<T>) {
    if into.is_empty() {
        std::mem::swap(mail, into);
    } else {
        into.append(mail);
    }
}

impl<T, R> Clone for Mailbox<T, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, R> fmt::Debug for Mailbox<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("bound", &self.0.bound).finish_non_exhaustive()
    }
}
