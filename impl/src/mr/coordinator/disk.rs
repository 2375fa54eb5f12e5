//! The thread that writes the journal and gives outputs their names.
//!
//! All records that wait go with one write and one sync, and syncs have some time between them: tasks that take less
//! than a sync would cost one each, which is a third of what the coordinator takes for them.

use super::core::Mail;
use crate::mailbox::Mailbox;
use crate::mr::error::Error;
use crate::mr::folder::Claim;
use crate::mr::journal::{self, Journal};
use crate::mr::{Notice, places};
use mapreduce::{Location, Store};
use protocol::mr::{AttemptId, Record};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long from the beginning of one sync to the next. The end of the maps, of a reduce and of the job may each wait
/// for so long.
const BETWEEN: Duration = Duration::from_millis(5);

/// What there is to do.
#[derive(Debug)]
pub(super) enum Chore {
    Write(Record<String>),
    Publish(AttemptId),
}

/// The thread, and how to reach it.
#[derive(Debug)]
pub(super) struct Disk {
    pub chores: Mailbox<Chore>,
    pub thread: JoinHandle<()>,
}

struct Clerk {
    store: Arc<dyn Store>,
    dir: Location,
    work: Location,
    journal: Journal,
    /// How many records earlier lives have written.
    before: u64,
    mail: Mailbox<Mail>,
    notice: Notice,
}

pub(super) fn start(
    claim: &Claim,
    journal: Journal,
    mail: Mailbox<Mail>,
    notice: Notice,
) -> Result<Disk, Error> {
    let (dir, work, before) = (claim.dir.clone(), claim.work.clone(), journal.durable());
    let store = Arc::clone(&claim.store);
    let mut clerk = Clerk { store, dir, work, journal, before, mail, notice };
    // Never full: there are no more chores than tasks' attempts have news.
    let chores: Mailbox<Chore> = Mailbox::new(1);
    let inbox = chores.clone();
    let run = move || {
        let _last = Last(clerk.mail.clone(), clerk.work.join(journal::NAME));
        let mut all = Vec::new();
        while inbox.take(&mut all) {
            let begun = Instant::now();
            if !clerk.work_off(&mut all) {
                return;
            }
            // What comes meanwhile goes with the next.
            thread::sleep(BETWEEN.saturating_sub(begun.elapsed()));
        }
    };
    let thread = Builder::new().name("mr disk".into()).spawn(run).map_err(Error::thread)?;
    Ok(Disk { chores, thread })
}

/// A panic of this thread is the core's to know: it would wait for a disk that nobody asks.
struct Last(Mailbox<Mail>, Location);

impl Drop for Last {
    fn drop(&mut self) {
        if thread::panicking() {
            let (path, why) = (self.1.clone(), "the thread that writes it panicked".to_owned());
            let _ = self.0.post_always(Mail::Broken(Error::Journal { path, why }));
        }
    }
}

impl Clerk {
    /// False if nothing can be promised any more.
    fn work_off(&mut self, chores: &mut Vec<Chore>) -> bool {
        let mut publish = Vec::new();
        for chore in chores.drain(..) {
            match chore {
                Chore::Write(record) => self.journal.add(&record),
                Chore::Publish(attempt) => publish.push(attempt),
            }
        }
        if let Err(error) = self.journal.sync() {
            self.tell(Mail::Broken(error));
            return false;
        }
        self.tell(Mail::Durable(self.journal.durable() - self.before));
        let published = places::publish(&*self.store, &self.dir, &self.work, &publish);
        for (attempt, done) in publish.into_iter().zip(published) {
            if let Err(error @ mapreduce::Error::Store { .. }) = done {
                self.tell(Mail::Broken(Error::Unknown(error)));
                return false;
            }
            let done = done.map_err(|error| {
                let text = error.to_string();
                (self.notice)(&text);
                text
            });
            self.tell(Mail::Published(attempt, done));
        }
        true
    }

    fn tell(&self, mail: Mail) {
        // A core that takes no mail any more has ended, and wants nothing.
        let _ = self.mail.post_always(mail);
    }
}
