//! A worker's connection: made, read until it is lost, and made again.

use super::{Mail, Options};
use crate::mailbox::{Mailbox, Refusal};
use crate::mr::error::{Error, is_final, words};
use crate::mr::wire::{self, Outbox, ToCoordinator, ToWorker, WAITING};
use crate::peer::error::Trouble;
use crate::peer::frame::Malformed;
use crate::peer::hello::{Purpose, Site};
use std::io::BufReader;
use std::net::{Shutdown, TcpStream};
use std::thread::{self, Builder};
use std::time::Duration;

/// How long to wait before a connection is made again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Begins the thread. It ends when the worker takes no mail any more.
pub(super) fn start(options: &Options, mail: Mailbox<Mail>) -> Result<(), Error> {
    let (address, site) = (options.connect.clone(), wire::site(options.secret.clone()));
    let run = move || keep(&address, &site, &mail);
    Builder::new().name("mr link".into()).spawn(run).map_err(Error::thread)?;
    Ok(())
}

fn keep(address: &str, site: &Site, mail: &Mailbox<Mail>) {
    let mut delay = RETRY.0;
    loop {
        let mut was_up = false;
        let trouble = match wire::dial(address, site, Purpose::Work) {
            Ok(stream) => carry(&stream, mail, &mut was_up),
            Err(trouble) => trouble,
        };
        let told = if is_final(&trouble) {
            Mail::Refused(Error::handshake(address, &trouble))
        } else {
            Mail::Broken { was_up, why: words(&trouble) }
        };
        if mail.post_always(told).is_err() || is_final(&trouble) {
            return;
        }
        delay = if was_up { RETRY.0 } else { (delay * 2).min(RETRY.1) };
        thread::park_timeout(delay);
    }
}

/// Reads what the coordinator says until the connection is lost; says why it is.
fn carry(stream: &TcpStream, mail: &Mailbox<Mail>, was_up: &mut bool) -> Trouble {
    let mut frames = wire::frames(BufReader::new(stream));
    let sheet = loop {
        match wire::next(&mut frames) {
            Ok(ToWorker::Sheet(sheet)) => break sheet,
            Ok(ToWorker::Pulse) => {}
            Ok(_) => return Malformed::Place("in front of what the job is").into(),
            Err(trouble) => return trouble,
        }
    };
    let out: Outbox = Mailbox::new(WAITING);
    if mail.post_always(Mail::Connected(sheet, out.clone())).is_err() {
        return Trouble::LetGo;
    }
    *was_up = true;
    thread::scope(|scope| {
        let outbox = out.clone();
        let write = move || wire::write(&outbox, stream, |_| {});
        let writer = Builder::new().name("mr link out".into()).spawn_scoped(scope, write);
        let trouble = match writer {
            Ok(_) => loop {
                match wire::next(&mut frames) {
                    Ok(ToWorker::Pulse) => {
                        // If the box is full, what is in it is sign of life enough.
                        let _ = out.post(wire::frame(&ToCoordinator::Pulse));
                    }
                    Ok(ToWorker::Errand(errand)) => {
                        if !post(mail, Mail::Errand(errand)) {
                            break Trouble::LetGo;
                        }
                    }
                    Ok(_) => break Malformed::Place("behind what the job is").into(),
                    Err(trouble) => break trouble,
                }
            },
            Err(error) => error.into(),
        };
        out.close();
        let _ = stream.shutdown(Shutdown::Both);
        trouble
    })
}

/// False if nobody takes it any more. Waits if there is no room.
fn post(mailbox: &Mailbox<Mail>, mut mail: Mail) -> bool {
    loop {
        match mailbox.post(mail) {
            Ok(()) => return true,
            Err(refused) if refused.why == Refusal::Full => {
                mail = refused.mail;
                thread::park_timeout(Duration::from_millis(2));
            }
            Err(_) => return false,
        }
    }
}
