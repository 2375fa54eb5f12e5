//! Network namespaces: one for each node, and a hub between them in which the clients live.
//!
//! `checks chaos` starts itself again inside the hub, so that nothing of a run ever touches the machine's own network,
//! and what is mounted there goes with the last process of it. Every address is bound to a hardware address once and
//! for all. A *cut* from A to B binds B's, in A, to one that nobody has: what A sends to B vanishes without a word,
//! while what B sends still arrives. Partitions of any shape are sets of such cuts.
//!
//! Names have the number of the process that made them. What a killed one has left is removed by the next run.

use crate::engine::INTERRUPTED;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What all names begin with.
const PREFIX: &str = "quorate-chaos-";
/// Where the system shows namespaces by name.
const NAMES: &str = "/run/netns";
/// A hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:00:ff";
/// The clients' number in addresses and names.
const HUB: usize = 99;

fn name(pid: u32, place: usize) -> String {
    if place == HUB { format!("{PREFIX}{pid}-hub") } else { format!("{PREFIX}{pid}-{place}") }
}

/// A node's address.
pub fn host(node: usize) -> String {
    format!("10.77.0.{}", node + 1)
}

fn hardware(place: usize) -> String {
    format!("02:00:00:00:00:{:02x}", place + 1)
}

/// Runs a program to its end.
///
/// # Errors
/// If it can't be started, or says that it has failed; with what it says.
pub fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    let output = command.args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("can't run {program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}` fails: {}", words.join(" "), said.trim()))
}

fn ip(words: &str) -> Result<String, String> {
    run("ip", &words.split(' ').collect::<Vec<_>>())
}

fn bind(from: &str, to: usize, hardware: &str, device: &str) -> Result<(), String> {
    let address = host(to);
    let words =
        format!("-n {from} neigh replace {address} lladdr {hardware} dev {device} nud permanent");
    ip(&words).map(|_| ())
}

/// The namespaces of a run. They go with it.
#[derive(Debug)]
pub struct Hub {
    pid: u32,
}

impl Hub {
    /// Makes them.
    ///
    /// # Errors
    /// If that is not allowed here, or a program is missing.
    pub fn create(nodes: usize) -> Result<Self, String> {
        let hub = Self { pid: std::process::id() };
        let centre = name(hub.pid, HUB);
        ip(&format!("netns add {centre}"))?;
        ip(&format!("-n {centre} link set lo up"))?;
        let bridge = hardware(HUB);
        ip(&format!("-n {centre} link add br0 address {bridge} type bridge"))?;
        ip(&format!("-n {centre} addr add {}/24 dev br0", host(HUB)))?;
        ip(&format!("-n {centre} link set br0 up"))?;
        for node in 0..nodes {
            hub.add(node, &centre, nodes)?;
        }
        Ok(hub)
    }

    fn add(&self, node: usize, centre: &str, nodes: usize) -> Result<(), String> {
        let space = name(self.pid, node);
        ip(&format!("netns add {space}"))?;
        ip(&format!(
            "-n {centre} link add v{node} type veth peer name eth0 address {} netns {space}",
            hardware(node)
        ))?;
        ip(&format!("-n {centre} link set v{node} master br0 up"))?;
        ip(&format!("-n {space} addr add {}/24 dev eth0", host(node)))?;
        ip(&format!("-n {space} link set lo up"))?;
        ip(&format!("-n {space} link set eth0 up"))?;
        for other in (0..nodes).chain([HUB]).filter(|other| *other != node) {
            bind(&space, other, &hardware(other), "eth0")?;
        }
        bind(centre, node, &hardware(node), "br0")
    }

    /// Runs this program again inside, with the same arguments. Its exit code.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn rerun(&self) -> Result<u8, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name(self.pid, HUB)]).arg(program);
        command.args(std::env::args_os().skip(1)).args(["--inside", &self.pid.to_string()]);
        // Ctrl-C reaches this process alone, which passes it on once: a second one would leave it no time.
        let child = command.process_group(0).spawn();
        let mut child = child.map_err(|error| format!("can't start inside: {error}"))?;
        let mut told = false;
        loop {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended {
                return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
            }
            if INTERRUPTED.load(Ordering::Relaxed) && !told {
                told = true;
                if let Ok(pid) = i32::try_from(child.id()) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        remove(|pid| pid == self.pid);
    }
}

/// Removes namespaces of this program whose process is gone, with what still runs in them.
pub fn sweep() {
    remove(|pid| !Path::new(&format!("/proc/{pid}")).exists());
}

fn remove(whose: impl Fn(u32) -> bool) {
    let Ok(entries) = std::fs::read_dir(NAMES) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
        let owner = owner.and_then(|(pid, _)| pid.parse().ok());
        if !owner.is_some_and(&whose) {
            continue;
        }
        // Whoever is in there was started by that run.
        for pid in ip(&format!("netns pids {name}")).unwrap_or_default().split_whitespace() {
            let _ = run("kill", &["-9", pid]);
        }
        if let Err(error) = ip(&format!("netns del {name}")) {
            eprintln!("{error}");
        }
    }
}

/// The ways between the nodes, and between them and the clients, as they are now.
#[derive(Debug)]
pub struct Links {
    /// Who made the namespaces; None if there are none.
    pid: Option<u32>,
    nodes: usize,
    /// How many faults have cut each.
    cuts: BTreeMap<(usize, usize), u32>,
    /// How packets are delayed here, in the words of `tc`.
    pub slowing: Option<&'static str>,
}

impl Links {
    /// All is well. `pid` made the namespaces.
    pub fn new(pid: Option<u32>, nodes: usize) -> Self {
        let mut links = Self { pid, nodes, cuts: BTreeMap::new(), slowing: None };
        let ways = [
            "netem delay 40ms 30ms loss 3%",
            // Where the kernel lacks that: a narrow way with a short queue, which delays and drops.
            "tbf rate 300kbit burst 3kb limit 6kb",
        ];
        if pid.is_some() {
            let works = |way: &&&str| links.shape(0, way).and_then(|()| links.unshape(0)).is_ok();
            links.slowing = ways.iter().find(works).copied();
        }
        links
    }

    /// The clients' place in cuts.
    pub const fn clients(&self) -> usize {
        self.nodes
    }

    /// What a node's command begins with.
    pub fn prefix(&self, node: usize) -> Vec<String> {
        let space = self.pid.map(|pid| name(pid, node));
        space.map_or_else(Vec::new, |space| {
            ["ip", "netns", "exec", &space].map(str::to_owned).to_vec()
        })
    }

    fn set(&self, (from, to): (usize, usize), whole: bool) -> Result<(), String> {
        let Some(pid) = self.pid else { return Ok(()) };
        let place = |place: usize| if place == self.nodes { HUB } else { place };
        let (from, to) = (place(from), place(to));
        let device = if from == HUB { "br0" } else { "eth0" };
        let right = hardware(to);
        bind(&name(pid, from), to, if whole { &right } else { NOBODY }, device)
    }

    /// Cuts these ways.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn cut(&mut self, ways: &[(usize, usize)]) -> Result<(), String> {
        for way in ways {
            self.set(*way, false)?;
            *self.cuts.entry(*way).or_default() += 1;
        }
        Ok(())
    }

    /// Takes a cut of these ways back. One that another fault has cut too stays so.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn heal(&mut self, ways: &[(usize, usize)]) -> Result<(), String> {
        for way in ways {
            let left = self.cuts.get_mut(way).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                self.cuts.remove(way);
                self.set(*way, true)?;
            }
        }
        Ok(())
    }

    fn shape(&self, node: usize, way: &str) -> Result<(), String> {
        let Some(pid) = self.pid else { return Ok(()) };
        let space = name(pid, node);
        ip(&format!("netns exec {space} tc qdisc replace dev eth0 root {way}")).map(|_| ())
    }

    fn unshape(&self, node: usize) -> Result<(), String> {
        let Some(pid) = self.pid else { return Ok(()) };
        let space = name(pid, node);
        ip(&format!("netns exec {space} tc qdisc del dev eth0 root")).map(|_| ())
    }

    /// Makes what a node sends late, and loses some of it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn slow(&self, node: usize) -> Result<(), String> {
        self.slowing.map_or(Ok(()), |way| self.shape(node, way))
    }

    /// Makes it quick again.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn quicken(&self, node: usize) -> Result<(), String> {
        self.slowing.map_or(Ok(()), |_| self.unshape(node))
    }
}
