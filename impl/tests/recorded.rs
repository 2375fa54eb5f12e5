//! A recorded server whose trace can't be written any more: nothing of the step leaves, the server ends and says why,
//! and its folder is as good as before.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

use protocol::NodeId;
use protocol::log::Entry;
use protocol::quorum::NodeSet;
use protocol::raft::{Body, Message};
use quorate::peer::{Received, Transport};
use quorate::raft::{Callers, Error, Network, Options, Outcome, Server, Sink};
use quorate::rsm::{NoReply, Rsm};
use quorate::trace::lives;
use quorate::wal::Identity;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

#[path = "../examples/counter.rs"]
mod counter;

use counter::Counter;

/// A folder of this test's own, empty but for that of the trace.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recorded-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.join("trace")).unwrap();
    path
}

/// Where the next trace of a folder is written until its life has begun.
fn draft(folder: &Path) -> PathBuf {
    folder.join("trace/begun.draft")
}

/// A pipe in its place, of which this has both ends, so that nobody waits for the other; what is written until it is
/// dropped finds room in it. Then the next batch can't be written: on any machine, and at no other moment.
fn pipe(folder: &Path) -> File {
    // Not by a program: until it runs, a child has all that is open here, other tests' pipes and locks too.
    nix::unistd::mkfifo(&draft(folder), nix::sys::stat::Mode::S_IRWXU).unwrap();
    File::options().read(true).write(true).open(draft(folder)).unwrap()
}

fn start(folder: &Path, record: bool) -> Result<Rsm<Counter>, Error> {
    let mut options = Options::alone();
    options.record = record.then(|| folder.join("trace"));
    let identity = Identity { cluster: 7, node: 0 };
    Rsm::start(&folder.join("data"), identity, options, None, Counter::default())
}

/// Submits until it is executed.
fn add(rsm: &Rsm<Counter>, more: u64) -> u64 {
    loop {
        match rsm.submit(&more) {
            Ok(count) => return count,
            Err(NoReply::NotExecuted { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// What is read, as soon as it leads.
fn count(rsm: &Rsm<Counter>) -> u64 {
    loop {
        if let Ok(count) = rsm.read(()) {
            return count;
        }
    }
}

#[test]
fn no_write_reaches_the_disk_that_can_not_be_written_down() {
    let folder = folder("alone");
    let pipe = pipe(&folder);
    let rsm = start(&folder, true).unwrap();
    assert_eq!(add(&rsm, 5), 5);
    drop(pipe);
    // Its only effect that could have left is the write for the disk.
    let told = rsm.submit(&7);
    assert_eq!(told, Err(NoReply::Unknown), "nobody says that it was, or that it was not");
    assert_eq!(rsm.submit(&8), Err(NoReply::NotExecuted { leader: None }), "it has stopped");
    let error = rsm.stop().expect_err("nobody has told it to stop");
    assert!(matches!(error, Error::Trace(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("can't write") && text.contains("life-00000001.trace"), "{text}");
    assert!(text.ends_with("Make room there, or leave out --record"), "{text}");
    // The write was not on the disk.
    let rsm = start(&folder, false).unwrap();
    assert_eq!(count(&rsm), 5);
    assert_eq!(add(&rsm, 1), 6);
    rsm.stop().unwrap();
}

/// A replay could not say from which state it was answered.
#[test]
fn no_read_is_answered_that_can_not_be_written_down() {
    let folder = folder("read");
    let pipe = pipe(&folder);
    let rsm = start(&folder, true).unwrap();
    assert_eq!(add(&rsm, 5), 5);
    assert_eq!(count(&rsm), 5);
    drop(pipe);
    assert_eq!(rsm.read(()), Err(NoReply::NotExecuted { leader: None }), "a read changes nothing");
    let error = rsm.stop().expect_err("nobody has told it to stop");
    assert!(matches!(error, Error::Trace(_)), "{error}");
}

/// No room even for a beginning: the server does not start, its folder is as it was, and so is that of the trace.
#[test]
fn a_trace_that_can_not_be_begun() {
    let folder = folder("full");
    let rsm = start(&folder, true).unwrap();
    assert_eq!(add(&rsm, 5), 5);
    rsm.stop().unwrap();
    std::os::unix::fs::symlink("/dev/full", draft(&folder)).unwrap();
    let error = start(&folder, true).err().expect("there is no room").to_string();
    assert!(error.contains("begun.draft: No space left on device"), "{error}");
    assert!(error.ends_with("Make room there, or leave out --record"), "{error}");
    assert_eq!(lives(&folder.join("trace")).unwrap().len(), 1);
    let rsm = start(&folder, false).unwrap();
    assert_eq!(count(&rsm), 5);
    rsm.stop().unwrap();
    // There is room again.
    std::fs::remove_file(draft(&folder)).unwrap();
    let rsm = start(&folder, true).unwrap();
    assert_eq!(add(&rsm, 1), 6);
    rsm.stop().unwrap();
    assert_eq!(lives(&folder.join("trace")).unwrap().len(), 2);
}

/// What a server says to others, noted.
struct Noted(Sender<Body>);

impl Transport for Noted {
    fn send(&self, _: NodeId, message: &Message, _: &mut dyn Iterator<Item = &Entry<Arc<[u8]>>>) {
        let _ = self.0.send(message.body);
    }

    fn send_snapshot(&self, _: NodeId, message: Message, _: PathBuf) {
        let _ = self.0.send(message.body);
    }
}

/// Nobody asks.
struct Nobody;

impl Callers<Counter> for Nobody {
    type Caller = ();

    fn tell(&mut self, (): (), _: Outcome<u64>) {}

    fn flush(&mut self) {}
}

#[test]
fn no_message_is_sent_that_can_not_be_written_down() {
    let folder = folder("follower");
    let pipe = pipe(&folder);
    let mut options = Options::new(NodeId(1), NodeSet::first(3));
    options.record = Some(folder.join("trace"));
    // It does nothing by itself.
    options.election = (Duration::from_secs(3600), Duration::from_secs(7200));
    let ((out, sent), (give, sink)) = (channel(), channel::<Sink>());
    let network = Network::Other(Box::new(move |sink| {
        give.send(sink).unwrap();
        Box::new(Noted(out))
    }));
    let (data, identity) = (folder.join("data"), Identity { cluster: 7, node: 1 });
    let server = Server::start(&data, identity, options, network, Counter::default(), Nobody);
    let (server, sink) = (server.unwrap(), sink.recv().unwrap());
    let hear = |round| {
        let message = Message { term: 1, body: Body::Heartbeat { commit: 0, round } };
        sink(Received::Message { from: NodeId(0), message, entries: Vec::new() });
    };
    hear(5);
    assert_eq!(sent.recv_timeout(Duration::from_secs(60)), Ok(Body::Alive { round: 5 }));
    drop(pipe);
    hear(6);
    let error = server.wait().expect_err("nobody has told it to stop").to_string();
    assert!(error.ends_with("Make room there, or leave out --record"), "{error}");
    assert_eq!(sent.iter().collect::<Vec<_>>(), [], "what is in no trace was not sent");
}
