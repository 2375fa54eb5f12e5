//! Groups on nodes of their own, with one server each, and the controller on another: nobody hears of a group by
//! chance.

use crate::cluster::{
    CtlServer, Handles, KvServer, SETTINGS, Threads, Ticks, name, options, peers,
};
use protocol::NodeId;
use protocol::kv::Bytes;
use protocol::quorum::NodeSet;
use protocol::shardctl::Change;
use protocol::shardkv::GroupId;
use quorate::peer::{self, Peers};
use quorate::raft::{Error, Host, Options};
use quorate::shardctl::{Shardctl, Teller};
use quorate::shardkv::{Carrier, Mover, Post, Shardkv};
use quorate::wal::{self, Identity};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Node 0 has the controller, and each other node the group of its number.
pub struct Apart {
    controller: CtlServer,
    groups: Vec<KvServer>,
    logs: Vec<JoinHandle<Result<(), Error>>>,
    /// While it is set nothing ticks.
    pub pauses: Arc<AtomicBool>,
    stops: Arc<AtomicBool>,
    ticks: JoinHandle<()>,
}

/// Makes a group come, with its node.
pub fn join(group: u8) -> Change {
    let node = Bytes::from(name(group).as_str());
    Change::Join(vec![(GroupId(group.into()), vec![node])])
}

fn alone(me: u8) -> Options {
    Options { voters: NodeSet::only(NodeId(me)), ..options(me) }
}

type Log = JoinHandle<Result<(), Error>>;

fn open(folder: &Path, me: u8, count: u8, peers: &Arc<Peers>) -> (Host, Log, Arc<Post>) {
    let names = (0..count).map(name).collect();
    let post = Post::open(NodeId(me), names, vec![NodeId(0)], Some(Arc::clone(peers)));
    let identity = Identity { cluster: 7, node: me.into() };
    let (host, log) = Host::open(folder, identity, 3, 64 << 10).expect("it opens");
    (host, thread::spawn(|| log.run()), post)
}

impl Apart {
    /// Starts nodes in folders of their own.
    pub fn start(folder: &Path, groups: u8) -> Self {
        let count = groups + 1;
        let listeners: Vec<TcpListener> =
            (0..count).map(|_| peer::bind("127.0.0.1:0").expect("loopback has ports")).collect();
        let at = |listener: &TcpListener| listener.local_addr().expect("it listens").to_string();
        let addresses: Vec<String> = listeners.iter().map(at).collect();
        let (mut controller, mut servers) = (None, Vec::new());
        let (mut logs, mut ticking) = (Vec::new(), Vec::new());
        for (listener, me) in listeners.into_iter().zip(0..count) {
            let others = (0..count).zip(addresses.clone()).filter(|(node, _)| *node != me);
            let others = others.map(|(node, address)| (NodeId(node), address)).collect();
            let folder = folder.join(me.to_string());
            let peers = peers(&folder, me, listener, others);
            let (host, log, post) = open(&folder, me, count, &peers);
            let carrier = Arc::clone(&post) as Arc<dyn Carrier>;
            let group = wal::GroupId(me.into());
            if me == 0 {
                let callers = Teller::new(Threads, carrier);
                let door = callers.door();
                let server =
                    host.start(group, alone(me), Arc::clone(&peers), Shardctl::new(), callers);
                let server = server.expect("it starts");
                let door = door(server.handle());
                post.put_controller(Arc::new(move |letter| door.put(&letter)));
                controller = Some(server);
            } else {
                let gid = GroupId(me.into());
                let callers = Mover::new(gid, SETTINGS, Threads, carrier);
                let door = callers.door();
                let service = Shardkv::new(gid);
                let server = host.start(group, alone(me), Arc::clone(&peers), service, callers);
                let server = server.expect("it starts");
                let door = door(server.handle());
                ticking.push(Ticks::Group(door.clone()));
                post.put_group(gid, Arc::new(move |letter| door.put(letter)));
                servers.push(server);
            }
            ticking.push(Ticks::Node(post));
            logs.push(log);
            peers.go().expect("there are threads");
        }
        let (stops, pauses) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, paused) = (Arc::clone(&stops), Arc::clone(&pauses));
        let ticks = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if !paused.load(Ordering::Relaxed) {
                    ticking.iter().for_each(Ticks::tick);
                }
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let controller = controller.expect("node 0 has it");
        Self { controller, groups: servers, logs, pauses, stops, ticks }
    }

    /// What an administrator needs.
    pub fn handles(&self) -> Handles {
        let of = |(server, group): (&KvServer, u64)| (GroupId(group), server.handle());
        let groups: BTreeMap<_, _> = self.groups.iter().zip(1..).map(of).collect();
        Handles { controllers: vec![self.controller.handle()], groups: vec![groups] }
    }

    /// Stops all of it.
    pub fn stop(self) {
        self.stops.store(true, Ordering::Relaxed);
        self.ticks.thread().unpark();
        self.ticks.join().expect("it does not panic");
        for server in self.groups {
            server.stop();
            server.wait().expect("nothing went wrong");
        }
        self.controller.stop();
        self.controller.wait().expect("nothing went wrong");
        for log in self.logs {
            log.join().expect("it does not panic").expect("nothing went wrong");
        }
    }
}
