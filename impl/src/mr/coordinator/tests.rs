//! Workers that no worker of ours would be, at a coordinator's port.
#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

use super::*;
use crate::mr::wire::{self, Errand, ToCoordinator, ToWorker};
use crate::mr::{Asked, claim};
use crate::peer::error::Trouble;
use crate::peer::frame::Frames;
use crate::peer::hello::Purpose;
use mapreduce::Program;
use protocol::mr::{AttemptId, Hello, Letter, Refusal, Report, Session, WorkerId};
use std::io::Write;
use std::path::PathBuf;

/// A job of one map and one reduce, and its coordinator.
struct Stage {
    folder: PathBuf,
    claim: Claim,
    coordinator: Coordinator,
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("quorate-mr-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("text"), "a\n").unwrap();
        let asked = Asked {
            program: Program::built_in("wc", &[]),
            inputs: vec![folder.join("text").to_str().unwrap().to_owned()],
            reduces: 1,
            split_bytes: 1 << 20,
        };
        let claim = claim(&folder.join("out").into(), &asked, &mut std::io::empty()).unwrap();
        let options = Options {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            secret: None,
            limits: Limits::DEFAULT,
            engine: mapreduce::Limits::default(),
            debug_intermediate: false,
            times: Times::default(),
            notice: Arc::new(|_| {}),
            ended: Box::new(|| {}),
        };
        let coordinator = Coordinator::start(&claim, options).unwrap();
        Self { folder, claim, coordinator }
    }

    fn hello(&self) -> Hello<String> {
        let (job, version) = (self.claim.job().number, RELEASE);
        Hello { job, version, host: 1, running: None, reports: Vec::new() }
    }

    fn worker(&self) -> Guest {
        let address = self.coordinator.address().to_string();
        let stream = wire::dial(&address, &wire::site(None), Purpose::Work).unwrap();
        let mut frames = wire::frames(stream.try_clone().unwrap());
        let first = wire::next(&mut frames).unwrap();
        assert!(matches!(first, ToWorker::Sheet(_)), "{first:?}");
        Guest { stream, frames }
    }

    /// Waits until the job stands so.
    fn wait(&self, what: &str, is_so: impl Fn(&Status) -> bool) {
        let begun = std::time::Instant::now();
        while !is_so(&self.coordinator.status().unwrap()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn end(self) {
        self.coordinator.stopper()();
        assert_eq!(self.coordinator.wait().unwrap().0, Ended::Stopped);
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A worker's end of a connection.
struct Guest {
    stream: TcpStream,
    frames: Frames<TcpStream>,
}

impl Guest {
    fn say(&mut self, letter: Letter<String>) {
        let frame = wire::frame(&ToCoordinator::Letter(letter));
        self.stream.write_all(&frame).unwrap();
    }

    /// The next errand; None if the connection has ended.
    fn hear(&mut self) -> Option<Errand> {
        loop {
            match wire::next(&mut self.frames) {
                Ok(ToWorker::Pulse) => {}
                Ok(ToWorker::Errand(errand)) => return Some(errand),
                Ok(other) => panic!("{other:?}"),
                Err(Trouble::Closed | Trouble::Io(_)) => return None,
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn is_refused(&mut self, why: Refusal) {
        assert_eq!(self.hear(), Some(Errand::Refused(why)));
        assert_eq!(self.hear(), None, "it is let go");
    }

    fn is_given(&mut self) -> AttemptId {
        match self.hear() {
            Some(Errand::Run { attempt, .. }) => attempt,
            other => panic!("{other:?}"),
        }
    }
}

const SESSION: Session = Session { worker: WorkerId(7), incarnation: 1 };

#[test]
fn one_of_another_version_or_another_job_is_told_so() {
    let stage = Stage::new("other");
    let hello = stage.hello();
    let mut guest = stage.worker();
    guest.say(Letter::Hello(SESSION, Hello { version: RELEASE + 1, ..hello.clone() }));
    guest.is_refused(Refusal::OtherVersion);
    let mut guest = stage.worker();
    guest.say(Letter::Hello(SESSION, Hello { job: hello.job ^ 1, ..hello.clone() }));
    guest.is_refused(Refusal::OtherJob);
    let mut guest = stage.worker();
    guest.say(Letter::Hello(SESSION, hello));
    guest.is_given();
    stage.end();
}

#[test]
fn one_that_names_the_session_of_another_does_not_take_it() {
    let stage = Stage::new("twice");
    let mut first = stage.worker();
    first.say(Letter::Hello(SESSION, stage.hello()));
    let attempt = first.is_given();
    let mut second = stage.worker();
    second.say(Letter::Hello(SESSION, stage.hello()));
    second.is_refused(Refusal::Stale);
    drop(second);
    // The first one has its attempt still, and what it says of it counts.
    let cause = "as it likes".to_owned();
    first.say(Letter::Report(SESSION, Report::Failed { attempt, at: None, cause }));
    assert_eq!(first.is_given().number(), 2);
    stage.end();
}

#[test]
fn one_that_speaks_for_another_is_let_go() {
    let stage = Stage::new("liar");
    let mut guest = stage.worker();
    guest.say(Letter::Hello(SESSION, stage.hello()));
    let attempt = guest.is_given();
    let other = Session { worker: WorkerId(8), ..SESSION };
    guest.say(Letter::Report(other, Report::Progress { attempt, at: None }));
    assert_eq!(guest.hear(), None, "it is let go");
    stage.wait("the map is idle", |status| status.map.idle == 1 && status.workers.is_empty());
    stage.end();
}
