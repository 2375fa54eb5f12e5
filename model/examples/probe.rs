use model::{bounds::*, cluster::Cluster, node::DiskFault, probes::Probe};
use protocol::{NodeId, quorum::NodeSet, raft::Paper};
use stateright::{Checker, Model};
use std::time::Instant;
fn run(name: &str, b: Bounds) {
    let filter = std::env::args().nth(1);
    if filter.is_some_and(|f| !name.contains(&f)) {
        return;
    }
    let m = Cluster::new(b, Paper, DiskFault::None);
    let probes = m.probes.clone();
    let t = Instant::now();
    let limit: usize =
        std::env::var("LIMIT").ok().and_then(|l| l.parse().ok()).unwrap_or(1_000_000);
    let c = m.clone().checker().threads(2).target_state_count(limit * 6).spawn_dfs();
    while !c.is_done() && c.unique_state_count() < limit {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let s = t.elapsed().as_secs_f64();
    let (u, g) = (c.unique_state_count(), c.state_count());
    println!(
        "{name}: unique {u} generated {g} depth {} {s:.1}s {:.0}/s done {}",
        c.max_depth(),
        u as f64 / s,
        c.is_done()
    );
    for (n, p) in c.discoveries() {
        println!("  VIOLATED {n}");
        let mut st = m.init_states().remove(0);
        for a in p.into_actions() {
            println!("    {}", model::cluster::describe(&a));
            st = m.next_state(&st, a).unwrap();
        }
        println!("{st:#?}");
    }
    let r: Vec<_> = Probe::ALL.iter().filter(|p| probes.reached(**p)).collect();
    println!("  {r:?}");
    if !c.is_done() {
        std::process::exit(0);
    }
}
fn main() {
    model::node::quiet_broken_claims();
    let n = |l: &[u8]| -> NodeSet { l.iter().map(|&i| NodeId(i)).collect() };
    let p = Bounds::plain(3);
    run("b1 t2 l0 camp01", Bounds { max_term: 2, max_log: 0, campaigners: n(&[0, 1]), ..p });
    run("b2 t2 l0 dup", Bounds { max_term: 2, max_log: 0, net: Net::Duplicate, ..p });
    run(
        "b3 t2 l0 dup camp01 crash0",
        Bounds {
            max_term: 2,
            max_log: 0,
            net: Net::Duplicate,
            crashes: 1,
            victims: n(&[0]),
            campaigners: n(&[0, 1]),
            ..p
        },
    );
    run(
        "b4 t2 l0 camp01 crash0",
        Bounds {
            max_term: 2,
            max_log: 0,
            crashes: 1,
            victims: n(&[0]),
            campaigners: n(&[0, 1]),
            ..p
        },
    );
    run(
        "b5 t1 l1 hb dup",
        Bounds { max_term: 1, max_log: 2, heartbeats: true, net: Net::Duplicate, ..p },
    );
    run(
        "b6 t1 l2 snap",
        Bounds {
            max_term: 1,
            max_log: 2,
            compactions: 1,
            compactors: n(&[0, 1, 2]),
            campaigners: n(&[0]),
            ..p
        },
    );
    run(
        "b7 t1 read hb",
        Bounds {
            max_term: 1,
            max_log: 0,
            reads: 1,
            readers: n(&[0, 1, 2]),
            campaigners: n(&[0]),
            ..p
        },
    );
    run(
        "b8 t1 prevote",
        Bounds { max_term: 1, max_log: 0, pre_vote: true, forced_elections: false, ..p },
    );
    run(
        "b9 t2 prevote",
        Bounds {
            max_term: 2,
            max_log: 0,
            pre_vote: true,
            forced_elections: false,
            campaigners: n(&[0, 1]),
            ..p
        },
    );
}
