//! The connections of workers, and of those who ask how far the job is.

use super::core::{LinkId, Mail};
use super::out::Out;
use crate::mailbox::{Mailbox, Refusal};
use crate::mr::error::{Error, words};
use crate::mr::wire::{self, Sheet, ToCoordinator, ToWorker};
use crate::peer::error::Trouble;
use crate::peer::hello::{Purpose, Site};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::waiter::waiter;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::Duration;

/// How many connections there may be.
const CONNECTIONS: u64 = 4096;
/// How long to wait when there is no room: for another connection, or in the core's box.
const CROWDED: Duration = Duration::from_millis(2);

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub site: Site,
    pub sheet: Box<Sheet>,
    pub mail: Mailbox<Mail>,
    pub stopped: Arc<AtomicBool>,
}

/// Begins to accept connections.
pub(super) fn listen(listener: TcpListener, shared: Arc<Shared>) -> Result<(), Error> {
    let run = move || {
        let (mut next, open) = (0, Arc::new(AtomicU64::new(0)));
        loop {
            let accepted = listener.accept();
            if shared.stopped.load(Ordering::Acquire) {
                return;
            }
            let Ok((stream, address)) = accepted else {
                // Too many files are open, most likely; some will be closed.
                thread::park_timeout(CROWDED * 50);
                continue;
            };
            next += 1;
            if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let (shared, count, stream) =
                (Arc::clone(&shared), Arc::clone(&open), Arc::new(stream));
            let link = LinkId(next);
            let serve = move || {
                serve(&shared, link, &stream, address);
                count.fetch_sub(1, Ordering::AcqRel);
            };
            if Builder::new().name("mr link".into()).spawn(serve).is_err() {
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
    };
    Builder::new().name("mr accept".into()).spawn(run).map_err(Error::thread)?;
    Ok(())
}

fn serve(shared: &Shared, link: LinkId, stream: &Arc<TcpStream>, address: SocketAddr) {
    let received = stream.set_nodelay(true).map_err(Trouble::Io);
    let received = received.and_then(|()| shared.site.receive(stream));
    let ended = match received {
        Ok((_, Purpose::Work)) => carry(shared, link, stream, address),
        Ok((_, Purpose::Status)) => tell(shared, stream),
        Ok((_, Purpose::Messages | Purpose::Snapshot)) => Err(Trouble::Foreign),
        Err(trouble) => Err(trouble),
    };
    if let Err(trouble @ Trouble::Turned { .. }) = &ended {
        let text = format!("a connection from {address} was refused: {}", words(trouble));
        let _ = shared.mail.post(Mail::Note(text));
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Says how far the job is.
fn tell(shared: &Shared, mut stream: &TcpStream) -> Result<(), Trouble> {
    wire::prepare(stream)?;
    let (teller, waiter) = waiter();
    shared.mail.post(Mail::Asked(teller)).map_err(|_| Trouble::LetGo)?;
    let status = waiter.wait().map_err(|_| Trouble::LetGo)?;
    Ok(stream.write_all(&wire::frame(&ToWorker::Status(Box::new(status))))?)
}

/// Carries what a worker and the core have to say each other, until the connection is lost or let go.
fn carry(
    shared: &Shared,
    link: LinkId,
    stream: &Arc<TcpStream>,
    address: SocketAddr,
) -> Result<(), Trouble> {
    wire::prepare(stream)?;
    (&**stream).write_all(&wire::frame(&ToWorker::Sheet(shared.sheet.clone())))?;
    let out = Out::new(Arc::clone(stream));
    let queue = out.queue();
    post(shared, Mail::Came { link, out, address })?;
    let ended = thread::scope(|scope| {
        let write = || queue.work_off(stream);
        let writer = Builder::new().name("mr link out".into()).spawn_scoped(scope, write)?;
        let trouble = read(shared, link, stream);
        queue.close();
        let _ = stream.shutdown(Shutdown::Read);
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Err(trouble)
    });
    // The core may have ended, and forgotten it.
    let _ = shared.mail.post_always(Mail::Gone(link));
    ended
}

fn read(shared: &Shared, link: LinkId, stream: &TcpStream) -> Trouble {
    let mut frames = wire::frames(BufReader::new(stream));
    loop {
        let posted = match wire::next(&mut frames) {
            Ok(ToCoordinator::Pulse) => Ok(()),
            Ok(said) => post(shared, Mail::Said(link, said)),
            Err(trouble) => return trouble,
        };
        if let Err(trouble) = posted {
            return trouble;
        }
    }
}

/// Brings mail to the core. If it is behind, the worker has to wait.
fn post(shared: &Shared, mut mail: Mail) -> Result<(), Trouble> {
    loop {
        match shared.mail.post(mail) {
            Ok(()) => return Ok(()),
            Err(refused) if refused.why == Refusal::Full => {
                mail = refused.mail;
                thread::park_timeout(CROWDED);
            }
            Err(_) => return Err(Trouble::LetGo),
        }
    }
}
