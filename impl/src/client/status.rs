//! How the nodes of a cluster are: each is asked on its port for clients.

use super::links::Links;
use super::{Address, Broken, Connection, Error, Options};
use crate::resp::Frame;
use protocol::NodeId;
use std::collections::BTreeMap;

/// A node as another tells of it in CLUSTER NODES.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// 40 hexadecimal digits.
    pub name: String,
    /// Its port for cluster clients.
    pub address: Address,
    /// Whether it is the one that was asked.
    pub asked: bool,
}

/// What a node of a sharded cluster says of one of its servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerHealth {
    /// Its group; none of the controller.
    pub group: Option<u64>,
    /// leader, follower or candidate.
    pub role: String,
    /// The number of the node that it takes for the leader.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// Up to where it knows the log to be committed.
    pub commit: u64,
    /// Up to where it has applied the log.
    pub applied: u64,
    /// What its snapshot covers.
    pub snapshot: u64,
    /// The number of the group's configuration; this and what follows is 0 of the controller.
    pub configuration: u64,
    /// How many slots it serves.
    pub slots: u64,
    /// How many are on their way to the group.
    pub coming: u64,
    /// How many are on their way from it.
    pub going: u64,
    /// Keys.
    pub keys: u64,
}

/// What a node says of itself. In a sharded cluster role, term and what belongs to them are of one of its servers,
/// which leads if any does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// Its number within the cluster.
    pub node: u64,
    /// leader, follower or candidate.
    pub role: String,
    /// The number of the node that it takes for the leader.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// Up to where it knows the log to be committed.
    pub commit: u64,
    /// Up to where it has applied the log.
    pub applied: u64,
    /// What its snapshot covers.
    pub snapshot: u64,
    /// Keys.
    pub keys: u64,
    /// What its process takes, in bytes.
    pub memory_bytes: u64,
    /// Clients that are connected to it.
    pub clients: u64,
    /// For how long it runs, in seconds.
    pub uptime_s: u64,
    /// The program's version.
    pub version: String,
    /// Its servers in a sharded cluster, the controller's first; empty where there is one group.
    pub servers: Vec<ServerHealth>,
}

/// A node, and what it says or why it says nothing.
#[derive(Debug)]
pub struct NodeStatus {
    /// Its name and where it was asked.
    pub member: Member,
    /// What came of it.
    pub health: Result<Health, Error>,
}

fn text(frame: Frame) -> Result<String, Error> {
    match frame {
        Frame::Bulk(text) | Frame::Verbatim(_, text) => {
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Frame::Error(text) => Err(Error::Refused(String::from_utf8_lossy(&text).into_owned())),
        other => Err(Error::Unexpected(super::wire::shown(&other))),
    }
}

/// The nodes of the cluster that a server belongs to.
///
/// # Errors
/// If the server does not answer, or with something else.
pub fn members(connection: &mut Connection) -> Result<Vec<Member>, Error> {
    let lines = text(connection.call(&["CLUSTER", "NODES"])?)?;
    let member = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        let (address, _) = words.next()?.split_once('@')?;
        let asked = words.next()?.split(',').any(|flag| flag == "myself");
        Some(Member { name, address: address.parse().ok()?, asked })
    };
    let members: Option<Vec<Member>> = lines.lines().map(member).collect();
    members.ok_or(Error::Unexpected(lines))
}

/// The other nodes than the one that answers first, by their ports for cluster clients.
pub(super) fn others(links: &mut Links) -> Result<Vec<Address>, Error> {
    let connection = links.open(NodeId(0))?;
    let members = members(connection)?;
    Ok(members.into_iter().filter(|member| !member.asked).map(|member| member.address).collect())
}

/// What a server says of itself.
///
/// # Errors
/// If the server does not answer, or with something else.
pub fn health(connection: &mut Connection) -> Result<Health, Error> {
    let text = text(connection.call(&["INFO"])?)?;
    let lines: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(':')).collect();
    let line = |name: &str| {
        let missing = || Error::Unexpected(format!("INFO without {name}"));
        lines.get(name).copied().ok_or_else(missing)
    };
    let number = |name: &str| {
        let wrong = || Error::Unexpected(format!("INFO with another {name} than a number"));
        line(name)?.parse::<u64>().map_err(|_| wrong())
    };
    let keys = lines.get("db0").and_then(|db| db.strip_prefix("keys=")?.split(',').next());
    Ok(Health {
        node: number("raft_node")?,
        role: line("raft_role")?.to_owned(),
        leader: line("raft_leader")?.parse().ok(),
        term: number("raft_term")?,
        commit: number("raft_commit_index")?,
        applied: number("raft_applied_index")?,
        snapshot: number("raft_snapshot_index")?,
        keys: keys.and_then(|keys| keys.parse().ok()).unwrap_or(0),
        memory_bytes: number("used_memory")?,
        clients: number("connected_clients")?,
        uptime_s: number("uptime_in_seconds")?,
        version: line("quorate_version")?.to_owned(),
        servers: servers(&text)?,
    })
}

/// The servers that INFO tells of: `raft_controller:…` and `raft_group_ID:…`.
fn servers(text: &str) -> Result<Vec<ServerHealth>, Error> {
    let mut servers = Vec::new();
    for (name, told) in text.lines().filter_map(|line| line.split_once(':')) {
        let group = match name.strip_prefix("raft_group_") {
            Some(group) => group.parse().ok(),
            None if name == "raft_controller" => None,
            None => continue,
        };
        let words: BTreeMap<&str, &str> =
            told.split(',').filter_map(|word| word.split_once('=')).collect();
        let wrong = || Error::Unexpected(format!("INFO with {name}:{told}"));
        let number = |name: &str| match words.get(name) {
            // What the controller has not.
            None if group.is_none() => Ok(0),
            word => word.and_then(|word| word.parse::<u64>().ok()).ok_or_else(wrong),
        };
        servers.push(ServerHealth {
            group,
            role: (*words.get("role").ok_or_else(wrong)?).to_owned(),
            leader: words.get("leader").and_then(|leader| leader.parse().ok()),
            term: number("term")?,
            commit: number("commit")?,
            applied: number("applied")?,
            snapshot: number("snapshot")?,
            configuration: number("configuration")?,
            slots: number("slots")?,
            coming: number("coming")?,
            going: number("going")?,
            keys: number("keys")?,
        });
    }
    servers.sort_by_key(|server| server.group);
    Ok(servers)
}

/// Asks each node of the cluster that the first of these servers that answers belongs to. The nodes are in one order
/// whoever is asked.
///
/// # Errors
/// If none of the servers answers.
pub fn cluster(addresses: &[Address], options: &Options) -> Result<Vec<NodeStatus>, Error> {
    let mut trouble = Error::NoAddress;
    for address in addresses {
        let asked = Connection::open(address, options).map_err(Error::from);
        let found = asked.and_then(|mut connection| {
            let members = members(&mut connection)?;
            Ok((connection, members))
        });
        match found {
            Ok((mut connection, members)) => {
                return Ok(members
                    .into_iter()
                    .map(|member| {
                        let health = match member.asked {
                            true => health(&mut connection),
                            false => ask(&member.address, options),
                        };
                        NodeStatus { member, health }
                    })
                    .collect());
            }
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

fn ask(address: &Address, options: &Options) -> Result<Health, Error> {
    let opened: Result<Connection, Broken> = Connection::open(address, options);
    health(&mut opened?)
}
