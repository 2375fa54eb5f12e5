//! One node, raw bytes, and a server that should not start.

use crate::support::process::{Folder, Node, PATIENCE, quorate, wait_for};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A node alone, and its folder.
pub struct One {
    pub node: Node,
    pub folder: Folder,
}

/// Starts a node alone, and waits until it writes.
pub fn one(more: &[&str]) -> One {
    let folder = Folder::new();
    let node = again(&folder, more);
    One { node, folder }
}

/// Starts a node alone in a folder that is there.
pub fn again(folder: &Folder, more: &[&str]) -> Node {
    let words = ["--listen", "127.0.0.1:0"].iter().chain(more).map(ToString::to_string);
    let arguments: Vec<String> = words.collect();
    let node = Node::start(&dir(folder), &arguments).expect("it starts");
    wait_for("a leader", || (talk(node.plain, b"SET ready 1\r\n") == "+OK\r\n").then_some(()));
    node
}

/// The node's own folder.
pub fn dir(folder: &Folder) -> PathBuf {
    folder.path().join("d")
}

impl One {
    /// What it has said on stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("d.log")).unwrap_or_default()
    }

    /// Waits until it has said this.
    pub fn wait_for_log(&self, text: &str) {
        wait_for(text, || self.log().contains(text).then_some(()));
    }

    /// Sends bytes, and reads what comes until the server closes or one line has come.
    pub fn talk(&self, bytes: &[u8]) -> String {
        talk(self.node.plain, bytes)
    }

    /// What INFO says of its memory, in bytes.
    pub fn memory(&self) -> u64 {
        let text = crate::support::process::info(self.node.plain, "used_memory");
        text.and_then(|text| text.parse().ok()).expect("it says how much")
    }

    /// That it serves others as before.
    pub fn still_works(&self) {
        assert_eq!(self.talk(b"GET ready\r\n"), "$1\r\n1\r\n");
    }
}

/// A connection that does not wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the port is open");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket
}

/// Sends bytes, closes that side, and reads all that comes.
pub fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = connect(address);
    let mut reply = Vec::new();
    // A server that closes early may reset the connection: what had come by then counts.
    let _ = socket.write_all(bytes);
    let mut buffer = [0; 1 << 16];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => reply.extend_from_slice(&buffer[..length]),
        }
        let lines = reply.iter().filter(|&&byte| byte == b'\n').count();
        if reply.ends_with(b"\r\n") && lines > usize::from(reply[0] == b'$' && reply[1] != b'-') {
            break;
        }
    }
    String::from_utf8_lossy(&reply).into_owned()
}

/// Whether the server has closed the connection.
pub fn is_closed(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 1 << 10]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}

/// A request of these words, any bytes.
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    quorate::resp::reply::write_command(&mut bytes, words);
    bytes
}

/// Starts a server that should end by itself: whether it ended well, and what it has said on stderr.
pub fn run_to_end(arguments: &[&str]) -> (bool, String) {
    let mut command = quorate();
    command.arg("server").args(arguments);
    to_end(command)
}

/// The same for any command.
pub fn to_end(mut command: Command) -> (bool, String) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Guard(child.expect("the program starts"));
    let mut stderr = child.0.stderr.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let status = wait_for("the end of a server", || child.0.try_wait().expect("it can be asked"));
    (status.success(), reader.join().expect("the reader ends"))
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// That a server alone does not start in this folder, and what it says.
pub fn refused(dir: &Path) -> String {
    refused_as(dir, &["--listen", "127.0.0.1:0"])
}

/// That a server does not start in this folder, and what it says. The last line is the message.
pub fn refused_as(dir: &Path, more: &[&str]) -> String {
    let dir = dir.to_string_lossy().into_owned();
    let mut arguments = vec!["--dir", &dir];
    arguments.extend(more);
    let (well, text) = run_to_end(&arguments);
    assert!(!well, "it should have said that it failed: {text}");
    let message = text.lines().last().unwrap_or_default();
    assert!(message.starts_with("quorate: "), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    message.to_owned()
}
