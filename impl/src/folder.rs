//! Whose a folder is: a small file that says which node of which cluster, and in which format.
//!
//! It is written once, when the folder is new, and read at every start, so that a folder that was swapped, copied or
//! written by another release is refused before anything in it is touched.

use crate::config::Config;
use crate::disk::{Disk, DiskFile, Folder};
use crate::wal::Identity;
use protocol::NodeId;
use protocol::quorum::NodeSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NAME: &str = "identity.toml";
/// The format of the folder that this build writes and reads.
pub const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    cluster: String,
    node: u8,
    nodes: Vec<String>,
    /// The controller's nodes, in a sharded cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    controller: Vec<String>,
    /// The nodes of each group that was begun here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, Vec<String>>,
    /// Whether a log was begun in it.
    #[serde(default)]
    begun: bool,
}

/// Why a folder is not this node's. Each message says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error("can't {what} {}: {error}. Choose a folder that this user may write, on a disk with room", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        error: Arc<io::Error>,
    },
    /// Another process has it.
    #[error("{}: another server has this folder. Stop it, or choose another with --dir", .0.display())]
    InUse(PathBuf),
    /// The file can't be read.
    #[error(
        "{}: {why}. Restore the file from a copy, or choose another folder", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another release wrote it.
    #[error(
        "{}: the folder has format {found}, and this program reads format {FORMAT}. \
        Start the release that wrote it, or choose another folder", path.display()
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It had a log.
    #[error(
        "{}: the log is gone. Restore it from a copy, or replace this node by one with a new id and an empty folder; \
        an emptied folder under the old id would break promises that this node has made to others", .0.display()
    )]
    Lost(PathBuf),
    /// It is of another controller, or of none.
    #[error(
        "{}: the folder is of a cluster with {begun} as its controller, and this one has {said}. \
        Name the same with --controller, or choose another folder with --dir", path.display()
    )]
    Controller {
        /// The folder.
        path: PathBuf,
        /// The controller's nodes of the folder.
        begun: String,
        /// Those that were said now.
        said: String,
    },
    /// A group has other nodes.
    #[error(
        "{}: group {group} was begun on {begun}, and is said to be on {said}. A group keeps its nodes: name them as \
        they were, or make a new group and let this one leave", path.display()
    )]
    Group {
        /// The folder.
        path: PathBuf,
        /// The group's id.
        group: String,
        /// Its nodes.
        begun: String,
        /// Those that were said now.
        said: String,
    },
    /// It is another node's.
    #[error(
        "{}: the folder belongs to node {node} of the cluster of {nodes}, and this is node {me} of that of {mine}. \
        Start it with the listen and nodes that belong to it, or choose another folder with --dir", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        node: u8,
        /// The nodes of its cluster.
        nodes: String,
        /// Who asks.
        me: u8,
        /// The nodes of the cluster that asks.
        mine: String,
    },
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { what, path, error: error.into() }
}

/// A cluster of several nodes is known by its name and its nodes, so that all of them come to the same number without
/// talking. One node alone takes a number of its own: no two such clusters are one.
fn cluster(config: &Config, nodes: &[String]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(config.cluster.as_bytes());
    let controller = controller(config);
    if !controller.is_empty() {
        // Nodes may be added to a sharded cluster; its controller stays where it is.
        hash.update(b"\0controller");
        controller.iter().for_each(|node| hash.update(format!("\0{node}")));
    } else if nodes.len() == 1 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let random = std::hash::RandomState::new();
        let random = std::hash::BuildHasher::hash_one(&random, std::process::id());
        hash.update(now.unwrap_or_default().as_nanos().to_le_bytes());
        hash.update(random.to_le_bytes());
    } else {
        nodes.iter().for_each(|node| hash.update(format!("\0{node}")));
    }
    let bytes: [u8; 32] = hash.finalize().into();
    u128::from_be_bytes(bytes[..16].try_into().expect("sixteen of them"))
}

fn addresses(config: &Config, nodes: NodeSet) -> Vec<String> {
    let address = |node: NodeId| &config.nodes[usize::from(node.0)];
    nodes.iter().map(address).map(|node| node.with(node.plain)).collect()
}

/// The controller's nodes; none if the cluster is not sharded.
fn controller(config: &Config) -> Vec<String> {
    let nodes = config.sharded.as_ref().map(|sharded| addresses(config, sharded.controllers));
    nodes.unwrap_or_default()
}

/// The nodes of each group that this node is in.
fn groups(config: &Config) -> BTreeMap<String, Vec<String>> {
    let groups = config.sharded.iter().flat_map(|sharded| &sharded.groups);
    let here = groups.filter(|(_, nodes)| nodes.contains(config.me));
    here.map(|(group, nodes)| (group.to_string(), addresses(config, *nodes))).collect()
}

/// Takes the node's folder: makes it if it is new, and says whose it is.
///
/// # Errors
/// If it can't be used, is somebody else's, or is in use.
pub fn take(config: &Config) -> Result<(Identity, std::fs::File), Error> {
    let dir = &config.dir;
    let folder = Folder::new(dir).map_err(io("make the folder", dir))?;
    let lock = folder.lock().map_err(io("lock the folder", dir))?;
    let lock = lock.ok_or_else(|| Error::InUse(dir.clone()))?;
    let nodes: Vec<String> = config.nodes.iter().map(|node| node.with(node.plain)).collect();
    let path = dir.join(NAME);
    let file = match std::fs::read(&path) {
        Ok(bytes) => parse(&path, &bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let number = format!("{:032x}", cluster(config, &nodes));
            let file = File {
                format: FORMAT,
                cluster: number,
                node: config.me.0,
                nodes: nodes.clone(),
                controller: controller(config),
                groups: groups(config),
                begun: false,
            };
            write(&folder, &file)?;
            file
        }
        Err(error) => return Err(io("read", &path)(error)),
    };
    let damaged = |why: &str| Error::Damaged { path: path.clone(), why: why.into() };
    let number = u128::from_str_radix(&file.cluster, 16)
        .map_err(|_| damaged("the cluster's number is no hexadecimal number"))?;
    let begun = file.begun;
    // One node alone may change its address; its log goes with its folder.
    let alone = config.sharded.is_none() && file.nodes.len() == 1 && nodes.len() == 1;
    let same = match config.sharded {
        Some(_) => nodes.starts_with(&file.nodes),
        None => file.nodes == nodes,
    };
    if file.controller != controller(config) {
        return Err(Error::Controller {
            path: dir.clone(),
            begun: named(&file.controller),
            said: named(&controller(config)),
        });
    }
    if !alone && (file.node != config.me.0 || !same) {
        return Err(Error::Foreign {
            path: dir.clone(),
            node: file.node,
            nodes: file.nodes.join(", "),
            me: config.me.0,
            mine: nodes.join(", "),
        });
    }
    if !alone && number != cluster(config, &nodes) {
        return Err(damaged("it is of a cluster with another name; give the same --cluster"));
    }
    if config.sharded.is_some() {
        grow(&folder, dir, file, nodes, groups(config))?;
    }
    let log = dir.join("wal");
    let has_log = || std::fs::read_dir(&log).is_ok_and(|files| files.flatten().any(is_segment));
    if begun && !has_log() {
        return Err(Error::Lost(log));
    }
    Ok((Identity { cluster: number, node: config.me.0.into() }, lock))
}

fn named(nodes: &[String]) -> String {
    if nodes.is_empty() { "no nodes".into() } else { nodes.join(", ") }
}

/// Notes nodes that were added to a sharded cluster, and groups that are new here.
fn grow(
    folder: &Folder,
    dir: &Path,
    file: File,
    nodes: Vec<String>,
    groups: BTreeMap<String, Vec<String>>,
) -> Result<(), Error> {
    let mut all = file.groups.clone();
    for (group, nodes) in groups {
        match all.get(&group) {
            Some(begun) if *begun != nodes => {
                return Err(Error::Group {
                    path: dir.to_owned(),
                    group,
                    begun: named(begun),
                    said: named(&nodes),
                });
            }
            Some(_) => {}
            None => drop(all.insert(group, nodes)),
        }
    }
    if file.nodes == nodes && file.groups == all {
        return Ok(());
    }
    write(folder, &File { nodes, groups: all, ..file })
}

fn is_segment(file: std::fs::DirEntry) -> bool {
    file.path().extension().is_some_and(|extension| extension == "wal")
}

/// Notes that the node has a log now: from here on a folder without one has lost it.
///
/// # Errors
/// If the note can't be written.
pub fn begin(config: &Config) -> Result<(), Error> {
    let path = config.dir.join(NAME);
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    let file = parse(&path, &bytes)?;
    if file.begun {
        return Ok(());
    }
    let folder = Folder::new(&config.dir).map_err(io("open the folder", &config.dir))?;
    write(&folder, &File { begun: true, ..file })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |why: &str| Error::Damaged { path: path.to_owned(), why: why.into() };
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let no_toml = |error: toml::de::Error| damaged(error.message());
    let Format { format } = toml::from_str(text).map_err(no_toml)?;
    if format != FORMAT {
        let folder = path.parent().unwrap_or(path);
        return Err(Error::Format { path: folder.to_owned(), found: format });
    }
    let file: File = toml::from_str(text).map_err(no_toml)?;
    if usize::from(file.node) >= file.nodes.len() {
        return Err(damaged("its node is none of its nodes"));
    }
    Ok(file)
}

fn write(folder: &Folder, file: &File) -> Result<(), Error> {
    let text = toml::to_string(file).expect("plain fields can be written");
    let draft = format!("{NAME}.draft");
    let path = folder.path(NAME);
    let _ = std::fs::remove_file(folder.path(&draft));
    let mut made = folder.create(&draft).map_err(io("create", &path))?;
    made.write_at(0, text.as_bytes()).map_err(io("write", &path))?;
    made.sync_all().map_err(io("sync", &path))?;
    folder.rename(&draft, NAME).map_err(io("rename", &path))?;
    folder.sync().map_err(io("sync the folder of", &path))
}
