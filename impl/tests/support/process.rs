//! Real `quorate server` processes for tests: started, killed as a power cut would, and started again in their folders.
//!
//! A process lives no longer than its [`Node`], and a folder no longer than its [`Cluster`]. Ports are looked for
//! below those that the system gives to outgoing connections, so a node that is started again finds its own free. What
//! a server has written on its stderr is shown if the test fails.

#![allow(dead_code)]

use quorate::resp::reply::write_command;
use quorate::resp::{Decoder, Frame};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No event that a test waits for takes longer, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of one test. It goes with its owner.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quorate-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // One that a killed test of the same process number has left.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder can be made where temporary files go");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program under test.
pub fn quorate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.stdin(Stdio::null());
    command
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// If there is none for [`PATIENCE`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks one thing of a server on a connection of its own.
pub fn ask(address: SocketAddr, words: &[&str]) -> io::Result<Frame> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut bytes = Vec::new();
    write_command(&mut bytes, words);
    socket.write_all(&bytes)?;
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => decoder.feed(&buffer[..length]),
        }
    }
}

/// The value of a line of INFO, if the server answers.
pub fn info(address: SocketAddr, name: &str) -> Option<String> {
    let frame = ask(address, &["INFO"]).ok()?;
    let (Frame::Bulk(text) | Frame::Verbatim(_, text)) = frame else { return None };
    let text = String::from_utf8(text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::to_owned)
}

/// A server's process.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// Kept open: who writes into a pipe that nobody reads fails.
    _stdout: BufReader<ChildStdout>,
    log: PathBuf,
    /// For any client.
    pub plain: SocketAddr,
    /// For cluster clients.
    pub cluster: SocketAddr,
}

impl Node {
    /// Starts one, and waits until it says where it listens; None if it ends instead.
    pub fn start(dir: &Path, arguments: &[String]) -> Option<Self> {
        let log = dir.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).expect("a log file");
        let mut command = quorate();
        command.arg("server").arg("--dir").arg(dir).args(arguments).stderr(stderr);
        Self::start_as(command, log)
    }

    /// The same as another command, whose stderr goes to a file.
    pub fn start_as(mut command: Command, log: PathBuf) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut port = |before: &str| -> Option<SocketAddr> {
            let mut lines = stdout.by_ref().lines().map_while(Result::ok);
            let line = lines.find(|line| line.contains(before))?;
            let (host, port) = line.split_once(" -h ")?.1.split_once(" -p ")?;
            Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
        };
        let ports = port("any client").zip(port("cluster client"));
        let Some((plain, cluster)) = ports else {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        };
        Some(Self { child, _stdout: stdout, log, plain, cluster })
    }

    /// How it has ended, by itself.
    pub fn end(&mut self) -> ExitStatus {
        wait_for("the end of a server", || self.child.try_wait().expect("it can be asked"))
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- {}\n{text}", self.log.display());
        }
    }
}

/// The nodes of a cluster.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Option<Node>>,
    arguments: Vec<Vec<String>>,
    addresses: Vec<SocketAddr>,
    folder: Folder,
}

/// A port such that the three that a node uses behind it are free too.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..10_000 {
        // Tests that run at once begin at different places.
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(7);
        let from = std::process::id().wrapping_mul(61).wrapping_add(next);
        let port = 10_000 + (from % 1_000) as u16 + 4_000 * ((from / 1_000) % 4) as u16;
        if (0..4).all(|door| free(port + 1_000 * door)) {
            return port;
        }
    }
    panic!("no free ports between 10000 and 26000");
}

impl Cluster {
    /// Starts so many nodes, and waits until they have a leader.
    pub fn start(nodes: usize) -> Self {
        Self::start_with(nodes, &[])
    }

    /// The same for a test that says what every answer is: nobody is deposed because this machine is busy.
    pub fn steady(nodes: usize) -> Self {
        Self::start_with(nodes, &["--election-min-ms", "3000", "--election-max-ms", "5000"])
    }

    /// The same with more arguments for each of them.
    pub fn start_with(nodes: usize, more: &[&str]) -> Self {
        Self::start_by(nodes, |_, _| more.iter().map(ToString::to_string).collect())
    }

    /// Nodes of a sharded cluster: the controller is on all of them, and so is each of so many groups.
    pub fn sharded(nodes: usize, groups: u16, more: &[&str]) -> Self {
        Self::start_by(nodes, |_, list| {
            let mut all = vec!["--controller".to_owned(), list.to_owned()];
            for group in 1..=groups {
                all.extend(["--group".to_owned(), format!("{group}={list}")]);
            }
            all.extend(more.iter().map(ToString::to_string));
            all
        })
    }

    /// The same with more arguments by a node's number and all nodes' addresses.
    pub fn start_by(nodes: usize, more: impl Fn(usize, &str) -> Vec<String>) -> Self {
        for _ in 0..20 {
            let ports = (0..nodes).map(|_| (Ipv4Addr::LOCALHOST, free_port()).into());
            let addresses: Vec<SocketAddr> = ports.collect();
            let list = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
            let arguments = addresses.iter().enumerate().map(|(number, address)| {
                let words = ["--listen", &address.to_string(), "--nodes", &list];
                let words = words.iter().map(ToString::to_string);
                words.chain(more(number, &list)).collect()
            });
            let arguments = arguments.collect();
            let folder = Folder::new();
            let nodes = (0..nodes).map(|_| None).collect();
            let mut cluster = Self { nodes, arguments, addresses, folder };
            // Another test may have taken a port meanwhile.
            if (0..cluster.nodes.len()).all(|number| cluster.try_start_node(number)) {
                cluster.leader();
                return cluster;
            }
        }
        panic!("twenty times a port was taken before the node had it");
    }

    fn try_start_node(&mut self, number: usize) -> bool {
        let dir = self.folder.path().join(format!("node-{number}"));
        self.nodes[number] = Node::start(&dir, &self.arguments[number]);
        self.nodes[number].is_some()
    }

    /// Starts a node that was killed, in its old folder.
    pub fn start_node(&mut self, number: usize) {
        assert!(self.nodes[number].is_none(), "node {number} runs");
        assert!(self.try_start_node(number), "node {number} does not start again");
    }

    /// Kills a node and starts it with more arguments.
    pub fn restart_with(&mut self, number: usize, more: &[&str]) {
        self.kill(number);
        self.arguments[number].extend(more.iter().map(ToString::to_string));
        self.start_node(number);
    }

    /// Kills a node as `kill -9` does.
    pub fn kill(&mut self, number: usize) {
        assert!(self.nodes[number].take().is_some(), "node {number} runs");
    }

    /// Whether a node runs.
    pub fn runs(&self, number: usize) -> bool {
        self.nodes[number].is_some()
    }

    /// A node that runs.
    pub fn node(&self, number: usize) -> &Node {
        self.nodes[number].as_ref().expect("the node runs")
    }

    /// Where its nodes serve any client, whether they run or not.
    pub fn plain(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where its nodes serve cluster clients, whether they run or not.
    pub fn cluster(&self) -> Vec<SocketAddr> {
        let behind = |at: &SocketAddr| SocketAddr::new(at.ip(), at.port() + 1_000);
        self.addresses.iter().map(behind).collect()
    }

    /// The node that leads, as soon as one that runs says so of itself.
    pub fn leader(&self) -> usize {
        wait_for("a leader", || {
            let term = |number: usize| {
                let at = self.nodes[number].as_ref()?.plain;
                let leads = info(at, "raft_role")? == "leader";
                let term: u64 = info(at, "raft_term")?.parse().ok()?;
                leads.then_some((term, number))
            };
            (0..self.nodes.len()).filter_map(term).max().map(|(_, number)| number)
        })
    }

    /// Its nodes' folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
