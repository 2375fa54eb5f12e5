//! Transcripts and diagrams of paths that are walked by hand.

mod walk;

use model::bounds::{ANY_NUMBER, Bounds, Net};
use model::cluster::Action;
use model::diagram::{sequence, sequence_from};
use model::node::{DiskFault, Stimulus, quiet_broken_claims};
use model::transcript::{render, replay, step};
use protocol::quorum::NodeSet;
use protocol::raft::{Body, Paper, Rules, Timer};
use protocol::{Index, NodeId};
use stateright::actor::{ActorModelAction, Id};
use walk::Walk;

/// Room for all that the tests do.
fn wide(servers: usize) -> Bounds {
    let all = NodeSet::first(servers);
    Bounds {
        max_term: 3,
        max_log: 4,
        losses: ANY_NUMBER,
        crashes: 2,
        victims: all,
        heartbeats: true,
        reads: 2,
        readers: all,
        compactions: 1,
        compactors: all,
        ..Bounds::plain(servers)
    }
}

fn walk() -> Walk {
    Walk::new(wide(3), Paper, DiskFault::None)
}

fn is_append(body: &Body) -> bool {
    matches!(body, Body::AppendEntries { .. })
}

/// An election, an entry that commits, and a message that is lost.
fn commits_one<R: Rules>(rules: R) -> Walk<R> {
    let mut walk = Walk::new(wide(3), rules, DiskFault::None);
    walk.elect(0, 1);
    walk.flush(0);
    walk.deliver(0, 1, is_append);
    walk.lose(0, 2, is_append);
    walk.flush(1);
    walk.deliver(1, 0, |body| matches!(body, Body::Accepted { .. }));
    walk
}

fn groups(svg: &str, class: &str) -> usize {
    svg.matches(&format!("<g class=\"{class}")).count()
}

fn deliveries(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, ActorModelAction::Deliver { .. })).count()
}

/// Whether every tag is closed in its turn, every text is escaped, and there is one root.
fn well_formed(xml: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml.trim_end();
    let mut roots = 0;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        if open.is_empty() && !text.is_empty() {
            return Err(format!("text outside the root: {text}"));
        }
        entities(text)?;
        let end = tag.find('>').ok_or("a tag has no end")?;
        let inside = &tag[1..end];
        rest = &tag[end + 1..];
        if inside.contains('<') || inside.matches('"').count() % 2 != 0 {
            return Err(format!("bad tag: {inside}"));
        }
        entities(inside)?;
        if let Some(name) = inside.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("{name} is closed out of turn"));
            }
        } else {
            roots += usize::from(open.is_empty());
            if !inside.ends_with('/') {
                open.push(inside.split(' ').next().unwrap_or_default());
            }
        }
    }
    match (open.is_empty(), rest.is_empty(), roots) {
        (true, true, 1) => Ok(()),
        _ => Err(format!("left open: {open:?}, left over: {rest:?}, roots: {roots}")),
    }
}

fn entities(text: &str) -> Result<(), String> {
    for (position, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
        if !known.iter().any(|entity| text[position..].starts_with(entity)) {
            return Err(format!("a bare & in {text}"));
        }
    }
    Ok(())
}

#[test]
fn the_checker_of_tags_finds_faults() {
    assert_eq!(well_formed("<a x=\"1\"><b/>t &lt; u</a>"), Ok(()));
    for bad in ["<a><b></a></b>", "<a>", "<a>R&D</a>", "<a/><b/>", "<a x=\"1></a>", "<a/>t"] {
        assert!(well_formed(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_transcript_tells_every_consequence() {
    let walk = commits_one(Paper);
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    let expected = " 1  n0  campaign
        n0 follower in t0 → candidate in t1
        n0 asks its disk: t1 vote n0
 2  n0  disk finishes a write
        n0's disk has t1 vote n0
        n0 → n1  t1 RequestVote last 0.0
        n0 → n2  t1 RequestVote last 0.0
 3  n0 → n1  t1 RequestVote last 0.0
        n1 follower in t0 → follower in t1
        n1 asks its disk: t1 vote n0
 4  n1  disk finishes a write
        n1's disk has t1 vote n0
        n1 → n0  t1 VoteGranted
 5  n1 → n0  t1 VoteGranted
        n0 candidate in t1 → leader in t1
        n0 log | → |1|  |∅|
        n0 asks its disk: entry 1.1 [∅]
        n0 → n1  t1 AppendEntries prev 0.0 entries 1.1 commit 0 [∅]
        n0 → n2  t1 AppendEntries prev 0.0 entries 1.1 commit 0 [∅]
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("\n 8  lost  n0 ⇥ n2  t1 AppendEntries"), "{text}");
    assert!(text.contains("n0 commit 0 → 1\n"), "{text}");
    assert!(text.contains("n0 applied 0 → 1\n"), "{text}");
    let last: Vec<_> = text.lines().rev().take(3).collect();
    assert!(last[2].starts_with("n0★ LEADER") && last[0].starts_with("n2  follower"), "{text}");
}

#[test]
fn a_transcript_says_what_a_crash_forgot() {
    let mut walk = walk();
    walk.on(1, Stimulus::Campaign);
    walk.on(1, Stimulus::Crash);
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains("n1 forgets the unfinished write: t1 vote n1\n"), "{text}");
    assert!(text.contains("n1 candidate in t1 → follower in t0"), "{text}");
    walk.on(1, Stimulus::Crash);
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains("n1 had everything on its disk\n"), "{text}");
}

#[test]
fn a_transcript_follows_a_read() {
    let mut walk = commits_one(Paper);
    walk.on(0, Stimulus::Read);
    walk.on(0, Stimulus::Timer(Timer::Heartbeat));
    walk.deliver(0, 1, |body| matches!(body, Body::Heartbeat { .. }));
    walk.deliver(1, 0, |body| matches!(body, Body::Alive { .. }));
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains("n0 is asked for read 101: 1 committed by now\n"), "{text}");
    assert!(text.contains("t1 Heartbeat commit 1 round 1  (is under way already)\n"), "{text}");
    assert!(text.contains("n0 may answer read 101 once it has applied 1\n"), "{text}");
}

#[test]
fn a_step_that_changes_nothing_has_no_consequences() {
    let mut walk = Walk::new(wide(1), Paper, DiskFault::None);
    walk.on(0, Stimulus::Campaign);
    walk.flush(0);
    let heartbeat = ActorModelAction::Timeout(Id::from(0), Stimulus::Timer(Timer::Heartbeat));
    assert_eq!(step(&walk.cluster, &walk.state, &heartbeat), None);
    let campaign = walk.actions[0].clone();
    assert_eq!(step(&walk.cluster, &walk.state, &campaign), None, "it leads already");
    let lines = step(&walk.cluster, &walk.start, &campaign).expect("a campaign begins");
    // Alone, it had begun one at its start.
    assert_eq!(lines[0], "n0 candidate in t1 → candidate in t2");
}

#[test]
fn a_replay_ends_where_the_walk_did() {
    for seed in 0..20 {
        let mut walk = walk();
        walk.wander(60, seed);
        let end = replay(&walk.cluster, &walk.start, &walk.actions);
        assert!(end == Ok(walk.state), "seed {seed}");
    }
}

#[test]
fn an_impossible_action_is_named_by_its_number() {
    let mut walk = commits_one(Paper);
    let vote = walk.actions[2].clone();
    let at = walk.actions.len() + 1;
    let disk = ActorModelAction::Timeout(Id::from(2), Stimulus::Disk);
    let nobody = ActorModelAction::Timeout(Id::from(7), Stimulus::Crash);
    let campaign = walk.actions[0].clone();
    for (action, why) in [
        (vote, "no such message is under way"),
        (disk, "no write is pending"),
        (nobody, "there is no n7"),
        (campaign, "it leads already"),
    ] {
        walk.actions.push(action);
        let error = replay(&walk.cluster, &walk.start, &walk.actions).err().unwrap_or_default();
        assert!(error.starts_with(&format!("step {at} is not possible: ")), "{error}");
        assert!(error.ends_with(why), "{error}");
        assert!(render(&walk.cluster, &walk.start, &walk.actions).contains(&error));
        let svg = sequence(&walk.cluster, &walk.actions);
        assert!(svg.contains(&format!("step {at} is not possible")), "{svg}");
        walk.actions.pop();
    }
}

#[test]
fn a_diagram_has_an_arrow_for_each_delivery() {
    let walk = commits_one(Paper);
    let svg = sequence(&walk.cluster, &walk.actions);
    assert_eq!(well_formed(&svg), Ok(()));
    assert_eq!(groups(&svg, "arrow"), deliveries(&walk.actions));
    assert_eq!(groups(&svg, "lost\""), 1, "the loss is marked");
    assert_eq!(groups(&svg, "stub"), 1, "n2 is never asked for its vote");
    assert!(svg.contains(">lost: t1 AppendEntries<"), "{svg}");
    assert!(svg.contains(">t1 |1| commit 1<"), "{svg}");
    assert_eq!(groups(&svg, "wrong"), 0);
    assert_eq!(svg, sequence(&walk.cluster, &walk.actions), "the same each time");
}

#[test]
fn a_repeated_delivery_is_dashed() {
    let bounds = Bounds { net: Net::Duplicate, ..wide(3) };
    let mut walk = Walk::new(bounds, Paper, DiskFault::None);
    walk.elect(0, 1);
    walk.deliver(0, 2, is_append);
    walk.flush(2);
    walk.deliver(0, 2, is_append);
    let svg = sequence(&walk.cluster, &walk.actions);
    assert_eq!(well_formed(&svg), Ok(()));
    assert_eq!(groups(&svg, "arrow"), deliveries(&walk.actions));
    assert_eq!(groups(&svg, "arrow entries again"), 1);
}

#[test]
fn a_diagram_may_begin_anywhere() {
    let walk = commits_one(Paper);
    let (first, rest) = walk.actions.split_at(5);
    let middle = replay(&walk.cluster, &walk.start, first).expect("the path was walked");
    let svg = sequence_from(&walk.cluster, &middle, rest);
    assert_eq!(well_formed(&svg), Ok(()));
    assert_eq!(groups(&svg, "arrow"), deliveries(rest));
    assert!(svg.contains("under way at the start, delivered in 2"), "{svg}");
}

#[test]
fn diagrams_of_all_sizes_are_well_formed() {
    for (servers, steps) in [(1, 0), (1, 30), (2, 80), (3, 300), (5, 150), (7, 300)] {
        for net in [Net::Reorder, Net::Duplicate] {
            let mut walk = Walk::new(Bounds { net, ..wide(servers) }, Paper, DiskFault::None);
            walk.wander(steps, servers as u64);
            let svg = sequence(&walk.cluster, &walk.actions);
            assert_eq!(well_formed(&svg), Ok(()), "{servers} servers");
            assert_eq!(groups(&svg, "arrow"), deliveries(&walk.actions), "{servers} servers");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "every number is one");
        }
    }
}

/// Votes again and again in one term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct VotesTwice;

impl Rules for VotesTwice {
    fn may_vote(&self, _: Option<NodeId>, _: NodeId) -> bool {
        true
    }
}

#[test]
fn a_violated_property_stands_in_a_banner() {
    let mut walk = Walk::new(wide(3), VotesTwice, DiskFault::None);
    walk.elect(0, 2);
    walk.elect(1, 2);
    let svg = sequence(&walk.cluster, &walk.actions);
    assert_eq!(well_formed(&svg), Ok(()));
    assert_eq!(groups(&svg, "wrong"), 1);
    assert!(svg.contains(">violated: Election Safety<"), "{svg}");
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains("VIOLATED: Election Safety\n"), "{text}");
}

#[test]
fn a_disk_that_lies_is_told() {
    let mut walk = Walk::new(wide(3), Paper, DiskFault::LosesAppends);
    walk.elect(0, 1);
    walk.flush(0);
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains("n0's disk reports entry 1.1 [∅] and has not made it\n"), "{text}");
    let svg = sequence(&walk.cluster, &walk.actions);
    assert!(svg.contains(">disk lies: entry 1.1 [∅]<"), "{svg}");
}

/// Tells followers what is committed whether they have it or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct TellsTooMuch;

impl Rules for TellsTooMuch {
    fn heartbeat_commit(&self, commit: Index, _: Index) -> Index {
        commit
    }
}

#[test]
fn a_broken_claim_is_told() {
    quiet_broken_claims();
    let mut walk = commits_one(TellsTooMuch);
    walk.on(0, Stimulus::Timer(Timer::Heartbeat));
    walk.deliver(0, 2, |body| matches!(body, Body::Heartbeat { .. }));
    let claim = "BROKEN: only what is in the log is committed";
    let text = render(&walk.cluster, &walk.start, &walk.actions);
    assert!(text.contains(&format!("        {claim}\n")), "{text}");
    let svg = sequence(&walk.cluster, &walk.actions);
    assert_eq!(well_formed(&svg), Ok(()));
    assert!(svg.contains(&format!("n2 {claim}")) && svg.contains(">violated: Claims<"), "{svg}");
}
