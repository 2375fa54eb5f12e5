//! The coordinator's process: its port, its journal, and the thread that has the machine.
//!
//! `core.rs` is that thread, `links.rs` the connections, `out.rs` what goes over
//! them, `disk.rs` the journal and the outputs' names.

mod core;
mod disk;
mod links;
mod out;
mod report;

use self::core::{Core, Mail};
use super::error::Error;
use super::folder::Claim;
use super::journal::{self, Journal};
use super::pace::Pace;
use super::status::Status;
use super::wire::Sheet;
use super::{Notice, RELEASE, places};
use crate::mailbox::Mailbox;
use crate::peer::Secret;
use crate::sync::{AtomicBool, Ordering};
use crate::waiter::waiter;
use protocol::mr::{Coordinator as Machine, Ending, Limits, Paper, Record, Spec};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How much mail may wait for the core. Who brings more waits.
const MAIL: usize = 4096;

/// How long is long.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// An attempt that reads and writes nothing for this long has failed. Its worker says so. Zero: never.
    pub task_timeout: Duration,
    /// An attempt of which its worker says nothing for this long is given up (the labs: 10 s).
    pub silence: Duration,
    /// An attempt that takes twice as long as others is run a second time, but not before this.
    pub backup_after: Duration,
    /// Workers of an earlier coordinator have this long to come back.
    pub gather: Duration,
    /// Workers have this long to hear that the job is over.
    pub farewell: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            task_timeout: Duration::from_secs(60),
            silence: Duration::from_secs(10),
            backup_after: Duration::from_secs(10),
            gather: Duration::from_secs(3),
            farewell: Duration::from_secs(5),
        }
    }
}

/// What a coordinator is told at its start.
pub struct Options {
    /// Where workers connect to.
    pub listener: TcpListener,
    /// What proves that a worker is one. Without it the listener must be on loopback.
    pub secret: Option<Secret>,
    /// How often tasks may fail, and how many records may be skipped.
    pub limits: Limits,
    /// What an attempt may use.
    pub engine: mapreduce::Limits,
    /// Whether intermediate files are written as JSON lines too.
    pub debug_intermediate: bool,
    /// How long is long.
    pub times: Times,
    /// Gets lines about what happens.
    pub notice: Notice,
    /// Is called when the coordinator has ended.
    pub ended: Box<dyn FnOnce() + Send>,
}

/// How a coordinator has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The job is over.
    Over(Ending<String>),
    /// It was stopped; the job can be gone on with.
    Stopped,
}

/// A job's coordinator, which runs.
#[derive(Debug)]
pub struct Coordinator {
    address: SocketAddr,
    mail: Mailbox<Mail>,
    core: JoinHandle<Result<(Ended, Status), Error>>,
    stopped: Arc<AtomicBool>,
}

impl Coordinator {
    /// Begins or goes on with the job of an output directory, which must stay claimed as long as this runs.
    ///
    /// # Errors
    /// If the journal can't be used, or the port is open to other machines and there is no secret.
    pub fn start(claim: &Claim, options: Options) -> Result<Self, Error> {
        let address = check(&options.listener, options.secret.as_ref())?;
        let (journal, records) = Journal::open(claim)?;
        let (machine, effects) = recover(claim, options.limits, records)?;
        places::make(&claim.work, machine.life())?;
        let mail = Mailbox::new(MAIL);
        let disk = disk::start(claim, journal, mail.clone(), options.notice.clone())?;
        let stopped = Arc::new(AtomicBool::new(false));
        let shared = links::Shared {
            sheet: sheet(claim, &options),
            site: super::wire::site(options.secret),
            mail: mail.clone(),
            stopped: Arc::clone(&stopped),
        };
        let pace = Pace::new(options.times.backup_after);
        let splits = claim.job.splits.clone();
        let core = Core::new(machine, splits, options.times, pace, mail.clone(), disk)?;
        let core = core.with_notice(options.notice);
        links::listen(options.listener, Arc::new(shared))?;
        let last = Last {
            mail: mail.clone(),
            stopped: Arc::clone(&stopped),
            address,
            ended: Some(options.ended),
        };
        let run = move || {
            let _last = last;
            core.run(effects)
        };
        let core = Builder::new().name("mr core".into()).spawn(run).map_err(Error::thread)?;
        Ok(Self { address, mail, core, stopped })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far the job is; nothing if the coordinator has ended.
    pub fn status(&self) -> Option<Status> {
        let (teller, waiter) = waiter();
        self.mail.post_always(Mail::Asked(teller)).ok()?;
        waiter.wait().ok()
    }

    /// Stops it; the job can be gone on with.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<> {
        let mail = self.mail.clone();
        move || {
            // It may have ended by itself.
            let _ = mail.post_always(Mail::Stop);
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits for its end: how it ended, and how far the job was.
    ///
    /// # Errors
    /// If the journal could not be written.
    pub fn wait(self) -> Result<(Ended, Status), Error> {
        self.core.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What the core's thread does last, by whatever it ends.
struct Last {
    mail: Mailbox<Mail>,
    stopped: Arc<AtomicBool>,
    address: SocketAddr,
    ended: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.mail.close();
        // Those who asked must not wait for ever.
        let mut mails = Vec::new();
        while self.mail.try_take(&mut mails) && !mails.is_empty() {
            mails.clear();
        }
        self.stopped.store(true, Ordering::Release);
        // The thread that accepts waits for somebody.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        if let Some(ended) = self.ended.take() {
            ended();
        }
    }
}

/// Whether workers can be let in at a port; its address. To be asked before a directory is claimed for nothing.
///
/// # Errors
/// If it is open to other machines, and there is no secret.
pub fn check(listener: &TcpListener, secret: Option<&Secret>) -> Result<SocketAddr, Error> {
    let address = listener.local_addr();
    let address = address.map_err(|source| Error::System { what: "use the port", source })?;
    if secret.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(Error::Unprotected(address));
    }
    Ok(address)
}

type Effects = Vec<protocol::mr::Effect<String>>;

/// The machine as the journal says.
fn recover(
    claim: &Claim,
    limits: Limits,
    records: Vec<Record<String>>,
) -> Result<(Machine<String>, Effects), Error> {
    let job = claim.job();
    let spec = Spec {
        job: job.number,
        version: RELEASE,
        maps: job.splits.len() as u32,
        reduces: job.asked.reduces,
        limits,
    };
    let mut effects = Vec::new();
    // Who runs a job again that has failed asks for it.
    let machine = Machine::recover(Paper, spec, records, true, &mut effects)
        .map_err(|source| Error::Unfit { path: claim.work.join(journal::NAME), source })?;
    Ok((machine, effects))
}

fn sheet(claim: &Claim, options: &Options) -> Box<Sheet> {
    let job = claim.job();
    Box::new(Sheet {
        job: job.number,
        program: job.program.clone(),
        maps: job.splits.len() as u32,
        reduces: job.asked.reduces,
        work: claim.work.clone(),
        limits: options.engine,
        debug_intermediate: options.debug_intermediate,
        skips: options.limits.skips > 0,
        task_timeout_ms: options.times.task_timeout.as_millis() as u64,
    })
}

#[cfg(test)]
mod tests;
