//! Before the first chapter and behind the last: folders, file systems, processes.

use super::admin;
use super::disks::{Drag, Mounted};
use super::faults::World;
use super::network::{self, Links};
use super::nodes::Node;
use super::program;
use crate::walk::Random;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often other ports are tried.
const TRIES: usize = 5;
/// The log that makes a snapshot: small, so that there are many.
const SNAPSHOT_BYTES: &str = "400000";
/// The port for any client, in a namespace.
const PORT: u16 = 7400;
/// In a folder as long as its run is under way: the number of the process.
const RUNNING: &str = "running";

/// What is to be set up.
#[derive(Debug)]
pub struct Plan {
    /// The server program.
    pub program: PathBuf,
    /// How many nodes.
    pub nodes: usize,
    /// How many groups; 0 is a cluster of the store.
    pub groups: u8,
    /// Which node gets which disk.
    pub seed: u64,
    /// Who made the namespaces.
    pub inside: Option<u32>,
    /// Whether the servers are recorded.
    pub record: bool,
    /// Where the run's folder is made.
    pub out: PathBuf,
}

/// What was set up.
#[derive(Debug)]
pub struct Set {
    /// Nodes that serve.
    pub world: World,
    /// Where their folders and logs are.
    pub folder: PathBuf,
    /// What can't be tried here, and why.
    pub not_tried: Vec<String>,
}

/// Sets everything up, and waits until it serves. `missing` says why there are no namespaces.
///
/// # Errors
/// If that can't be done.
pub fn set(plan: &Plan, missing: Option<&str>) -> Result<Set, String> {
    std::fs::create_dir_all(&plan.out)
        .map_err(|error| format!("can't make {}: {error}", plan.out.display()))?;
    sweep(&plan.out);
    let mut trouble = String::new();
    for _ in 0..TRIES {
        let mut set = prepare(plan, missing)?;
        match start(&mut set.world).and_then(|()| join(&set.world)) {
            Ok(()) => return Ok(set),
            // On loopback somebody else may have taken a port.
            Err(error) => trouble = error,
        }
        let Set { world, folder, .. } = set;
        drop(world);
        clear(&folder, false);
        if plan.inside.is_some() {
            break;
        }
    }
    Err(format!("the nodes don't start: {trouble}"))
}

fn prepare(plan: &Plan, missing: Option<&str>) -> Result<Set, String> {
    let name = format!("chaos-{}-{}", plan.seed, std::process::id());
    let folder = plan.out.join(name);
    let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
    let wrong = |error| format!("can't make {}: {error}", folder.display());
    let folder = made.map_err(wrong)?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text)
            .map_err(|error| format!("can't write {}: {error}", path.display()))?;
        Ok::<_, String>(path)
    };
    write(RUNNING, &std::process::id().to_string())?;
    let password = format!("chaos-{}-password", std::process::id());
    let files = (write("secret", "what the nodes share")?, write("password", &password)?);
    let addresses = addresses(plan)?;
    let links = Links::new(plan.inside, plan.nodes);
    let mut not_tried: Vec<String> = Vec::new();
    if let Some(missing) = missing {
        not_tried.push(format!("partitions, slow network, full and frozen disk: {missing}"));
    } else if links.slowing.is_none() {
        not_tried.push("slow network: tc can't do it here".into());
    }
    let list: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let node = |(number, address): (usize, &SocketAddr)| {
        let mut command = links.prefix(number);
        let words = [plan.program.to_string_lossy().into_owned(), "server".into()];
        command.extend(words);
        command.extend(["--nodes".into(), list.join(",")]);
        command.extend(admin::arguments(&list.join(","), plan.groups));
        command.extend(["--secret-file".into(), files.0.to_string_lossy().into_owned()]);
        command.extend(["--password-file".into(), files.1.to_string_lossy().into_owned()]);
        command.extend(["--snapshot-bytes".into(), SNAPSHOT_BYTES.into()]);
        let mut node = Node::new(number, *address, &folder, command);
        node.trace = plan.record.then(|| folder.join(format!("trace-{number}")));
        node
    };
    let mut nodes: Vec<Node> = addresses.iter().enumerate().map(node).collect();
    match program::faketime() {
        Some(library) => nodes.iter_mut().try_for_each(|node| {
            node.fake_clock(&library).map_err(|error| format!("can't write a clock: {error}"))
        })?,
        None => not_tried.push("clock jumps: there is no libfaketime here".into()),
    }
    let (mut small, mut icy) = (None, None);
    if plan.inside.is_some() {
        // Mounts in here are seen by nobody outside, and go with the last process.
        let first = Random(plan.seed).below(plan.nodes);
        let second = (first + 1) % plan.nodes;
        match Mounted::in_memory(&folder.join("small")) {
            Ok(disk) => {
                nodes[first].dir = disk.place.join("node");
                small = Some((first, disk));
            }
            Err(error) => not_tried.push(format!("full disk: {error}")),
        }
        match Mounted::in_file(&folder.join("icy")) {
            Ok(disk) => {
                nodes[second].dir = disk.place.join("node");
                icy = Some((second, disk));
            }
            Err(error) => not_tried.push(format!("frozen disk: {error}")),
        }
    }
    let tried = Drag::try_out().map_err(|error| not_tried.push(format!("slow syncs: {error}")));
    let world = World {
        nodes,
        groups: plan.groups,
        links,
        small,
        icy,
        folder: folder.clone(),
        password,
        drags: tried.is_ok(),
        full: false,
        ended: 0,
        problems: Vec::new(),
    };
    Ok(Set { world, folder, not_tried })
}

/// Lets groups join, if there are any.
fn join(world: &World) -> Result<(), String> {
    if world.groups == 0 { Ok(()) } else { admin::begin(world).map(|_| ()) }
}

fn addresses(plan: &Plan) -> Result<Vec<SocketAddr>, String> {
    if plan.inside.is_some() {
        let at = |node| format!("{}:{PORT}", network::host(node)).parse();
        let found: Result<Vec<SocketAddr>, _> = (0..plan.nodes).map(at).collect();
        return found.map_err(|error| error.to_string());
    }
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut found = Vec::new();
    // Below the ports that the system gives away; runs at once begin at different places.
    let mut random = Random(u64::from(std::process::id()) ^ plan.seed);
    for _ in 0..10_000 {
        let port = 10_000 + random.below(1_000) as u16 + 4_000 * random.below(4) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if !found.contains(&address) && (0..4).all(|door| free(port + 1_000 * door)) {
            found.push(address);
        }
        if found.len() == plan.nodes {
            return Ok(found);
        }
    }
    Err("there are no free ports between 10000 and 26000".into())
}

fn start(world: &mut World) -> Result<(), String> {
    world.nodes.iter_mut().try_for_each(Node::start)?;
    let begun = Instant::now();
    for number in 0..world.nodes.len() {
        loop {
            world.look()?;
            if let Some(problem) = world.problems.pop() {
                return Err(problem);
            }
            let node = &world.nodes[number];
            let health = node.health(&world.password, Duration::from_secs(2));
            if health.is_some_and(|health| health.leader.is_some()) {
                break;
            }
            if begun.elapsed() > super::chapter::PATIENCE {
                return Err(format!(
                    "node {number} knows no leader; its log: {}",
                    node.log.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// What the servers' own logs tell.
#[derive(Clone, Default, Debug)]
pub struct Logs {
    /// What no fault explains.
    pub panics: Vec<String>,
    /// How often a node has come to lead.
    pub elections: u64,
    /// How often a node was so far behind that it got a snapshot.
    pub snapshots: u64,
}

impl Logs {
    /// Reads them.
    pub fn read(world: &World) -> Self {
        let mut logs = Self::default();
        for node in &world.nodes {
            let log = std::fs::read(&node.log).unwrap_or_default();
            for line in String::from_utf8_lossy(&log).lines() {
                logs.elections += u64::from(line.contains("role=Leader"));
                logs.snapshots += u64::from(line.contains("snapshot received"));
                if line.contains("panicked") {
                    logs.panics.push(format!("node {}: {line}", node.number));
                }
            }
        }
        logs
    }
}

/// Removes a run's folder; after a failure only what says that the run is under way.
pub fn clear(folder: &Path, keep: bool) {
    let _ = if keep {
        std::fs::remove_file(folder.join(RUNNING))
    } else {
        std::fs::remove_dir_all(folder)
    };
}

/// Removes the folders of runs that were killed.
fn sweep(out: &Path) {
    let Ok(entries) = std::fs::read_dir(out) else { return };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let Ok(pid) = std::fs::read_to_string(folder.join(RUNNING)) else { continue };
        let ours =
            folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("chaos-"));
        if ours && !Path::new("/proc").join(pid.trim()).exists() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}
