//! Each reduction of SPEC.md against the same model without it: what is reachable, and what is noticed.

use model::bounds::{ANY_NUMBER, Bounds, Net};
use model::cluster::{Cluster, State};
use model::mutants::{Hunt, Mutant, TABLE};
use model::node::{DiskFault, Node, Stimulus};
use model::search::{self, Outcome, fingerprint};
use model::symmetry::representative;
use protocol::raft::{Paper, RoleName};
use protocol::{LogId, NodeId, quorum::NodeSet};
use stateright::Model;
use stateright::actor::ActorModelAction;
use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

type S = State<Paper>;

fn cluster(bounds: Bounds) -> Cluster<Paper> {
    Cluster::new(bounds, Paper, DiskFault::None)
}

fn small() -> Bounds {
    Bounds { max_term: 1, max_log: 0, ..Bounds::plain(3) }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Every reachable state that `keep` lets pass, seen through `project`. Every property holds in all.
fn reachable(
    cluster: &Cluster<Paper>,
    keep: impl Fn(&S) -> bool,
    project: impl Fn(&S) -> u64,
) -> HashSet<u64> {
    let mut seen = HashSet::new();
    let mut projected = HashSet::new();
    let mut frontier: VecDeque<S> = cluster.init_states().into();
    while let Some(state) = frontier.pop_front() {
        assert_eq!(search::violated(cluster, &state), None);
        projected.insert(project(&state));
        for next in cluster.next_states(&state) {
            if keep(&next) && seen.insert(fingerprint(&next)) {
                frontier.push_back(next);
            }
        }
    }
    assert!(seen.len() > 300, "only {} states: that compares nothing", seen.len());
    projected
}

/// Servers and history, without the network and without the count of losses.
fn servers_and_history(state: &S) -> u64 {
    let mut history = state.history.clone();
    history.lost = 0;
    hash((&state.actor_states, &history))
}

/// By which property a mutant dies in other bounds than its own.
fn dies_by(id: &str, change: impl Fn(Bounds) -> Bounds) -> Option<&'static str> {
    let hunt: &Hunt = TABLE.iter().find(|hunt| hunt.id == id).expect("the mutant is in the table");
    let bounds = change(hunt.cluster().bounds);
    let cluster = Cluster::new(bounds, Mutant(hunt.bug), hunt.fault);
    let (_, start) = model::script::follow(&cluster, hunt.prefix).expect("the prefix can be taken");
    match search::shortest(&cluster, start, 300_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

fn same_deaths(ids: &[&str], change: impl Fn(Bounds) -> Bounds + Copy) {
    for id in ids {
        let usual = dies_by(id, |bounds| bounds);
        assert!(usual.is_some(), "{id} dies");
        assert_eq!(usual, dies_by(id, change), "{id}");
    }
}

/// RED-VOID: the same servers and histories are reached with void answers left in the network.
#[test]
fn void_answers() {
    let n01 = NodeSet::first(2);
    let with = Bounds { max_term: 2, max_log: 0, campaigners: n01, ..Bounds::plain(3) };
    let without = Bounds { drop_void: false, ..with };
    assert_eq!(
        reachable(&cluster(with), |_| true, servers_and_history),
        reachable(&cluster(without), |_| true, servers_and_history)
    );
    same_deaths(&["E3", "E5", "L14", "Q4", "P1"], |bounds| Bounds { drop_void: false, ..bounds });
}

/// RED-MERGE: what merging twins leaves out is in the run with duplication, and such a run finds the
/// mutant that only a second copy shows.
#[test]
fn merged_messages() {
    let merged = Bounds { max_log: 2, ..small() };
    let repeated = Bounds { net: Net::Duplicate, ..merged };
    let once = reachable(&cluster(merged), |_| true, servers_and_history);
    let often = reachable(&cluster(repeated), |_| true, servers_and_history);
    assert!(once.is_subset(&often));
    let reorder = |bounds| Bounds { net: Net::Reorder, ..bounds };
    assert_eq!(dies_by("L2", reorder), None, "one copy does not show it");
    assert!(dies_by("L2", |bounds| bounds).is_some(), "two do");
    same_deaths(&["E3", "E5", "Q2", "L16"], |bounds| Bounds { net: Net::Duplicate, ..bounds });
}

/// RED-SYMMETRY: states of three servers have up to six names, and mutants die under one of them.
#[test]
fn symmetry() {
    let bounds = Bounds { crashes: 1, victims: NodeSet::first(3), ..small() };
    let all = reachable(&cluster(bounds), |_| true, fingerprint).len();
    let state = |state: &S| fingerprint(&representative(state));
    let alike = reachable(&cluster(bounds), |_| true, state).len();
    assert!(alike * 6 >= all, "no state of three servers has more than six names");
    assert!(alike * 4 < all, "almost all states have several: {alike} of {all}");
    for id in ["E3", "E5", "Q2", "L16"] {
        let hunt = TABLE.iter().find(|hunt| hunt.id == id).expect("the mutant is in the table");
        let found = checks::engine::explore(
            &hunt.cluster(),
            checks::engine::Strategy::Symmetry,
            1,
            checks::engine::Limits { states: usize::MAX, memory_mib: u64::MAX },
            |_| {},
        );
        let violation = found.expect("no checker panics").violation;
        assert_eq!(violation.map(|violation| violation.property), Some(hunt.property), "{id}");
    }
}

/// RED-VICTIM: with one crash in all, one designated victim reaches every state up to names.
#[test]
fn one_victim() {
    let anyone = Bounds { crashes: 1, victims: NodeSet::first(3), ..small() };
    let one = Bounds { victims: NodeSet::only(NodeId(0)), ..anyone };
    let nameless = |state: &S| {
        let mut state = state.clone();
        state.history.told_apart = Default::default();
        fingerprint(&representative(&state))
    };
    assert_eq!(
        reachable(&cluster(anyone), |_| true, nameless),
        reachable(&cluster(one), |_| true, nameless)
    );
    let n0 = NodeSet::only(NodeId(0));
    same_deaths(&["E3", "E4", "E5", "E6", "Q4"], |bounds| Bounds { victims: n0, ..bounds });
}

/// RED-LOSS: explicit loss adds no servers and no histories.
#[test]
fn loss_is_delay() {
    for net in [Net::Reorder, Net::Duplicate] {
        let never = Bounds { net, max_log: 1, crashes: 1, victims: NodeSet::first(1), ..small() };
        let any = Bounds { losses: ANY_NUMBER, ..never };
        let one = Bounds { losses: 1, ..never };
        let late = reachable(&cluster(never), |_| true, servers_and_history);
        assert_eq!(late, reachable(&cluster(one), |_| true, servers_and_history));
        if net == Net::Reorder {
            assert_eq!(late, reachable(&cluster(any), |_| true, servers_and_history));
        }
    }
    same_deaths(&["E3", "E5", "Q2"], |bounds| Bounds { losses: ANY_NUMBER, ..bounds });
}

/// All of a server but what pre-votes read: whether a leader was heard, and the timers.
fn without_contact(node: &Node<Paper>) -> u64 {
    let raft = node.replica().raft();
    hash((
        (raft.hard_state(), raft.terms(), raft.commit(), raft.role(), raft.leader()),
        (raft.progress(), raft.round(), node.replica().log(), node.replica().pending_writes()),
        (&node.pending, &node.disk, node.boots, node.reads, node.applied()),
    ))
}

/// RED-CONTACT: without pre-votes it does not matter when the `Contact` timer fires.
#[test]
fn contact_at_once() {
    let bounds = Bounds { max_log: 2, campaigners: NodeSet::only(NodeId(0)), ..small() };
    let project = |state: &S| {
        let nodes: Vec<_> = state.actor_states.iter().map(|node| without_contact(node)).collect();
        hash((nodes, &state.history, &state.network))
    };
    let at_once = reachable(&cluster(bounds), |_| true, project);
    let late = reachable(&cluster(bounds).with_late_contact(), |_| true, project);
    assert_eq!(at_once, late);
}

/// RED-CAMPAIGN: terms, votes, logs, commits and disks with pre-votes are among those without.
#[test]
fn forced_elections() {
    let forced = Bounds { campaigners: NodeSet::first(2), ..small() };
    let asking = Bounds { pre_vote: true, forced_elections: false, ..forced };
    let asking = Bounds { campaigners: NodeSet::only(NodeId(0)), ..asking };
    let project = |state: &S| {
        let node = |node: &Node<Paper>| {
            let raft = node.replica().raft();
            let role = match raft.role() {
                RoleName::PreCandidate => RoleName::Follower,
                role => role,
            };
            hash((raft.hard_state(), raft.terms(), raft.commit(), role, &node.disk, node.boots))
        };
        let nodes: Vec<_> = state.actor_states.iter().map(|n| node(n)).collect();
        hash((nodes, &state.history.leaders, &state.history.committed))
    };
    let with = reachable(&cluster(asking), |_| true, project);
    let without = reachable(&cluster(forced), |_| true, project);
    assert!(with.len() > 100 && with.is_subset(&without));
}

/// RED-APPLIED: a service outside, which keeps every entry it applies and every snapshot's content, has
/// exactly the history's prefix of the length that the state remembers.
#[test]
fn applied_index() {
    let bounds = Bounds {
        max_term: 3,
        max_log: 4,
        crashes: 3,
        victims: NodeSet::first(3),
        compactions: 3,
        compactors: NodeSet::first(3),
        heartbeats: true,
        ..Bounds::plain(3)
    };
    let cluster = cluster(bounds);
    let mut random = checks::walk::Random(20_261_121);
    let (mut applied, mut restored) = (0, 0);
    for _ in 0..400 {
        let (a, r) = follow_services(&cluster, &mut random);
        (applied, restored) = (applied + a, restored + r);
    }
    assert!(applied > 1_000, "entries were applied: {applied}");
    assert!(restored > 10, "snapshots were restored: {restored}");
}

type Service = Vec<(u64, String)>;

fn follow_services(cluster: &Cluster<Paper>, random: &mut checks::walk::Random) -> (usize, usize) {
    let mut state = cluster.init_states().remove(0);
    let mut services: Vec<Service> = vec![Vec::new(); 3];
    let mut files: HashMap<LogId, Service> = HashMap::from([(LogId::ZERO, Vec::new())]);
    let (mut applied, mut restored) = (0, 0);
    for _ in 0..250 {
        let mut actions = Vec::new();
        cluster.actions(&state, &mut actions);
        if actions.is_empty() {
            break;
        }
        let action = actions.swap_remove(random.below(actions.len()));
        let Some(next) = cluster.next_state(&state, action.clone()) else { continue };
        for (number, service) in services.iter_mut().enumerate() {
            let (old, new) = (&state.actor_states[number], &next.actor_states[number]);
            let (before, base) = (old.replica().raft(), new.replica().raft().terms().base());
            let me =
                matches!(&action, ActorModelAction::Timeout(id, _) if usize::from(*id) == number);
            if me && matches!(action, ActorModelAction::Timeout(_, Stimulus::Crash)) {
                *service = files[&base].clone();
            } else if me && before.terms().base() != base {
                files.insert(base, service[..base.index as usize].to_vec());
            } else if old.applied() < base.index {
                *service = files[&base].clone();
                restored += 1;
            }
            for index in service.len() as u64 + 1..=new.applied() {
                let entry = new.replica().log().get(index).expect("what is applied is in the log");
                let term = new.replica().raft().terms().term_at(index).expect("and has a term");
                service.push((term, format!("{entry:?}")));
                applied += 1;
            }
            let history = next.history.committed.iter().take(new.applied() as usize);
            let prefix: Service = history.map(|c| (c.term, format!("{:?}", c.entry))).collect();
            assert_eq!(*service, prefix, "n{number} after {}", model::cluster::describe(&action));
        }
        state = next;
    }
    (applied, restored)
}

/// RED-BOUNDS: not offering what leaves the bounds is the same as leaving out what has left them.
#[test]
fn bounds_are_guards() {
    let n0 = NodeSet::only(NodeId(0));
    let none = Bounds { victims: n0, compactors: n0, readers: n0, campaigners: n0, ..small() };
    let within = |state: &S| {
        let History { crashes, compactions, asked } = History::of(state);
        let terms = state.actor_states.iter().all(|node| node.replica().raft().term() <= 1);
        terms && crashes <= 1 && compactions <= 1 && asked <= 1
    };
    // What happens on disks, and what is asked: all of it at once is the product of both.
    let disks = Bounds { crashes: 1, compactions: 1, max_log: 2, ..none };
    let asked = Bounds { crashes: 1, reads: 1, max_log: 2, ..none };
    for (small, large) in [
        (disks, Bounds { crashes: 2, compactions: 2, max_term: 2, ..disks }),
        (asked, Bounds { crashes: 2, reads: 2, max_term: 2, ..asked }),
    ] {
        assert_eq!(
            reachable(&cluster(small), |_| true, fingerprint),
            reachable(&cluster(large), within, fingerprint)
        );
    }
}

struct History {
    crashes: u8,
    compactions: u8,
    asked: u8,
}

impl History {
    fn of(state: &S) -> Self {
        let history = &state.history;
        Self { crashes: history.crashes, compactions: history.compactions, asked: history.asked }
    }
}

/// RED-BOUNDS, RED-SYMMETRY: rivals in turn lead their own terms only, and no renaming takes one's turn to the
/// other.
#[test]
fn rivals_in_turn() {
    let two = NodeSet::first(2);
    let bounds = Bounds {
        max_term: 2,
        max_log: 2,
        crashes: 1,
        victims: two,
        campaigners: two,
        in_turn: true,
        ..Bounds::plain(2)
    };
    let in_turn = |state: &S| {
        let leads = |term: usize| state.history.leaders.get(term - 1).copied().flatten();
        leads(1).is_none_or(|(node, _)| node == NodeId(0))
            && leads(2).is_none_or(|(node, _)| node == NodeId(1))
    };
    let led = Cell::new(0);
    reachable(
        &cluster(bounds),
        |_| true,
        |state| {
            assert!(in_turn(state) && in_turn(&representative(state)), "{state:?}");
            led.set(led.get().max(state.history.leaders.iter().flatten().count()));
            0
        },
    );
    assert_eq!(led.get(), 2, "both terms had their leader");
}

/// RED-BOUNDS: a leader begins no more rounds of reads than it may, and begins as many.
#[test]
fn rounds_are_bounded() {
    let run = model::runs::find("raft-reads-again").expect("the run is in the list");
    let most = Cell::new(0);
    reachable(
        &cluster(run.bounds),
        |_| true,
        |state| {
            let rounds = state.actor_states.iter().map(|node| node.replica().raft().round());
            most.set(most.get().max(rounds.max().unwrap_or(0)));
            0
        },
    );
    assert_eq!(most.get(), run.bounds.max_round);
}
