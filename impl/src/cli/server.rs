//! `quorate server`: one node, until it is told to stop.

use super::Failed;
use quorate::config::{Config, Settings, group_flag};
use quorate::node::{Node, Ports};
use quorate::sync::{AtomicBool, Ordering};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs one node: alone, or as one of the nodes of a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One node:          quorate server --dir d --listen 127.0.0.1:7400
                   redis-cli -p 7400
Three nodes here:  for p in 7400 7401 7402; do
                     quorate server --dir d-$p --listen 127.0.0.1:$p \\
                       --nodes 127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402 &
                   done
Sharded:           the same with --controller and, once for each group that the node is in, --group

A node listens on four ports: the one named for any client, 1000 above it for cluster clients,
2000 above it for the other nodes, 3000 above it for those who watch over it.")]
pub struct Arguments {
    /// A TOML file with settings; flags count more. Its keys are the names of the flags
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's folder, made if it is not there [default: quorate-data]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where clients are served [default: 127.0.0.1:7400]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// All nodes of the cluster, this one included: the same list on each
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    nodes: Vec<String>,
    /// The nodes of the controller, which says whose the slots are: makes it a sharded cluster, whose nodes have groups
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    controller: Vec<String>,
    /// A group of a sharded cluster and its nodes; once for each that this node is in
    #[arg(long, value_name = "ID=HOST:PORT,…", value_parser = group_flag)]
    group: Vec<(String, Vec<String>)>,
    /// A group that this node was in and will never be in again, for it has left: its commands in the log and its
    /// snapshots go. Once is enough
    #[arg(long, value_name = "ID")]
    forget_group: Vec<String>,
    /// The cluster's name, the same on each node [default: quorate]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The file with the secret that the nodes share; needed off loopback
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The file with the password that clients must give; needed off loopback
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The period of a leader's heartbeats [default: 50]
    #[arg(long, value_name = "MS")]
    heartbeat_ms: Option<u64>,
    /// The least election timeout [default: 250]
    #[arg(long, value_name = "MS")]
    election_min_ms: Option<u64>,
    /// The most election timeout [default: 500]
    #[arg(long, value_name = "MS")]
    election_max_ms: Option<u64>,
    /// How long a write waits to be decided before its client is told UNCERTAIN [default: 1500]
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// A snapshot is taken when the commands in the log, or what they take of its files, exceed this [default:
    /// 67108864]
    #[arg(long, value_name = "BYTES")]
    snapshot_bytes: Option<u64>,
    /// The longest key or value that this node takes or, by APPEND or SETRANGE, makes [default: 8388608]
    #[arg(long, value_name = "BYTES")]
    max_value_bytes: Option<usize>,
    /// The most clients at once [default: 10000]. Besides, up to 1024 wait to be let in, at each port, or as many as
    /// the system allows (net.core.somaxconn)
    #[arg(long, value_name = "N")]
    max_clients: Option<usize>,
    /// Write down in this folder all that goes into this node's servers, for `checks replay`. It grows with every
    /// command, without a bound
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

impl Arguments {
    fn settings(self) -> Result<Settings, Failed> {
        let flags = Settings {
            dir: self.dir,
            listen: self.listen,
            nodes: self.nodes,
            controller: self.controller,
            groups: self.group.into_iter().collect(),
            forget_groups: self.forget_group,
            cluster: self.cluster,
            ports: Default::default(),
            secret_file: self.secret_file,
            password_file: self.password_file,
            heartbeat_ms: self.heartbeat_ms,
            election_min_ms: self.election_min_ms,
            election_max_ms: self.election_max_ms,
            deadline_ms: self.deadline_ms,
            snapshot_bytes: self.snapshot_bytes,
            max_value_bytes: self.max_value_bytes,
            max_clients: self.max_clients,
            record: self.record,
        };
        let file = self.config.as_deref().map(Settings::from_file).transpose()?;
        Ok(flags.or(file.unwrap_or_default()))
    }
}

/// Starts the node and waits for its end.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    heap::join_at_once();
    let filter = EnvFilter::try_from_env("QUORATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    let config = arguments.settings()?.check()?;
    let node = Node::start(&config)?;
    let stop = node.stopper();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping; once more to stop at once");
        stop();
    })?;
    // Whoever started it may not want to read this.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), greeting(&config, &node).as_bytes());
    node.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// Where it listens, and how to reach it.
fn greeting(config: &Config, node: &Node) -> String {
    let Ports { plain, cluster, admin } = node.ports();
    format!(
        "quorate node {} of {} is up\n\
        \x20 any client      redis-cli -h {} -p {}\n\
        \x20 cluster client  redis-cli -c -h {} -p {}\n\
        \x20 figures         http://{admin}/metrics\n\
        \x20 folder          {}\n",
        config.me.0,
        config.nodes.len(),
        plain.ip(),
        plain.port(),
        cluster.ip(),
        cluster.port(),
        config.dir.display()
    )
}
