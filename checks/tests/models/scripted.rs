//! Paths of the models on the product's threads: mutants misbehave there as they do in the model, the right rules do
//! not, and corners are reached.

use checks::catalog::{self, Group, Kind, Named, Raft};
use checks::scripted::{Played, Scene, counterexample, play, play_by, transcript, witness};
use model::group::{self, Wrong};
use model::mutants::{Bug, Mutant};
use model::node::quiet_broken_claims;
use protocol::raft::Paper;
use protocol::rsm::Decided;

/// More than any of these searches visits.
const STATES: usize = 500_000;

/// Plays a mutant's shortest counterexample with its rules and with the right ones.
fn misbehaves<K>(id: &str)
where
    K: Kind<Right: Scene, Wrong: Scene>,
{
    quiet_broken_claims();
    let hunt = catalog::mutant::<K>(id).expect("there is such a mutant");
    let found = counterexample::<K>(hunt, STATES).expect("the mutant dies");
    let property = found.property.expect("a counterexample has a property");
    assert_eq!(property, K::prey(hunt).property, "{id}");

    let wrong = play(&K::hunted(hunt), &found.path)
        .unwrap_or_else(|differs| panic!("{id}: the threads differ from the model\n{differs}"));
    let told = transcript(&wrong.steps);
    assert_eq!(wrong.refused, None, "{id}: the threads take every step\n{told}");
    assert!(wrong.model.contains(property), "{id}: the model's own verdict\n{told}");
    assert!(wrong.threads.contains(property), "{id}: {:?} on the threads\n{told}", wrong.threads);

    let right = play(&K::hunted(&K::control(hunt)), &found.path)
        .unwrap_or_else(|differs| panic!("{id}, right: the threads differ\n{differs}"));
    let told = transcript(&right.steps);
    assert!(right.model.is_empty(), "{id}: right rules, {:?} in the model\n{told}", right.model);
    assert!(right.threads.is_empty(), "{id}: right rules, {:?}\n{told}", right.threads);
}

/// Who leads: votes, terms, and what must be on the disk before it is said.
#[test]
fn elections_go_wrong_on_threads() {
    for id in ["E1", "E2", "E3", "E7", "E9", "E10", "Q1", "Q2"] {
        misbehaves::<Raft>(id);
    }
}

/// What is said before it is durable, and what a crash then takes back.
#[test]
fn order_of_disk_and_messages_goes_wrong_on_threads() {
    for id in ["E4", "E5", "Q4", "L16", "L16b"] {
        misbehaves::<Raft>(id);
    }
}

/// What is in the logs, and what of it is committed.
#[test]
fn logs_and_commits_go_wrong_on_threads() {
    for id in ["L1", "L2", "L6", "L7", "Q6", "Q7", "Q9", "Q10", "Q11", "Q16"] {
        misbehaves::<Raft>(id);
    }
}

#[test]
fn snapshots_go_wrong_on_threads() {
    for id in ["S1", "S3"] {
        misbehaves::<Raft>(id);
    }
    misbehaves::<Group>("QR1");
}

#[test]
fn reads_go_wrong_on_threads() {
    for id in ["V7", "V8", "Q13", "Q14"] {
        misbehaves::<Raft>(id);
    }
    for id in ["K9", "K9b", "QR2"] {
        misbehaves::<Group>(id);
    }
}

/// What callers are told, and a snapshot without the records by which no call is executed twice.
#[test]
fn tells_and_records_go_wrong_on_threads() {
    for id in ["K3", "K4", "K7", "K13", "QR3", "QR4", "S11"] {
        misbehaves::<Group>(id);
    }
}

fn comes_to<S: Scene>(bounds: S::Bounds, corner: S::Corner, model: impl Fn(S::Bounds) -> S) {
    let found = witness(&model(bounds), corner, STATES).expect("the corner is reached");
    // A model of its own, whose corners are not reached yet.
    let system = model(bounds);
    let Played { steps, refused, threads, .. } = play(&system, &found.path)
        .unwrap_or_else(|differs| panic!("{corner:?}: the threads differ\n{differs}"));
    assert_eq!(refused, None, "{corner:?}\n{}", transcript(&steps));
    assert_eq!(steps.len(), found.path.len(), "{corner:?}");
    assert!(threads.is_empty(), "{corner:?}: {threads:?}");
    assert!(system.reached().contains(&corner), "{corner:?}: the model is there");
}

fn named<C: Copy + std::fmt::Debug>(corners: &[C], name: &str) -> C {
    let corner = corners.iter().find(|corner| format!("{corner:?}") == name);
    *corner.unwrap_or_else(|| panic!("a run that reaches {name}"))
}

/// A witness of a corner ends on threads in the state in which the model ends.
#[test]
fn corners_are_reached_on_threads() {
    let corners = [
        ("raft-election", "Deposed"),
        ("raft-election", "CommittedInherited"),
        ("raft-election", "CommittedWithoutOwnDisk"),
        ("raft-figure-8", "SuffixOverwritten"),
        ("raft-figure-8", "Rejected"),
        ("raft-restart", "RecoveredLeaderLeadsAgain"),
        ("raft-restart", "CrashForgotVote"),
        ("raft-one", "Compacted"),
        ("raft-one", "ReadConfirmed"),
        ("raft-snapshot", "SnapshotInstalled"),
        ("raft-reads", "ReadForwarded"),
        ("raft-pre-vote", "Elected"),
        ("raft-check-quorum", "QuorumLost"),
        ("group-truncate", "BySuccessor"),
        ("group-late", "ParkedThenProposed"),
        ("group-late", "EarlierAnswer"),
        ("group-reads", "ReadAskedAgain"),
    ];
    for (run, name) in corners {
        match catalog::find(run) {
            Ok(Named::Raft(run)) => comes_to(run.bounds, named(run.reaches, name), Raft::right),
            Ok(Named::Group(run)) => comes_to(run.bounds, named(run.reaches, name), Group::right),
            _ => panic!("there is a run {run} with servers"),
        }
    }
}

/// Threads with other rules than the model's are found out, at the step at which they do something else.
#[test]
fn other_rules_are_told_apart() {
    quiet_broken_claims();
    let hunt = catalog::mutant::<Raft>("Q4").expect("there is such a mutant");
    let path = counterexample::<Raft>(hunt, STATES).expect("the mutant dies").path;
    let right = Raft::hunted(&Raft::control(hunt));
    let (rushes, waits) = (Mutant(Bug::VoteBeforeDisk), Mutant(Bug::None));
    let sooner = play_by(&right, (rushes, Decided), &path).err();
    let sooner = sooner.expect("a vote that leaves before it is durable is noticed");
    assert!(sooner.contains("sent what the model has not: n1 → n0  t1 VoteGranted"), "{sooner}");
    let later = play_by(&Raft::hunted(hunt), (waits, Decided), &path).err();
    let later = later.expect("a vote that does not leave is noticed");
    assert!(later.contains("have not sent n1 → n0  t1 VoteGranted"), "{later}");

    let hunt = catalog::mutant::<Group>("K7").expect("there is such a mutant");
    let path = counterexample::<Group>(hunt, STATES).expect("the mutant dies").path;
    let right = Group::hunted(&Group::control(hunt));
    let told = play_by(&right, (Paper, Wrong(group::Bug::LateIsRefused)), &path).err();
    let told = told.expect("an answer that is not the model's is noticed");
    assert!(told.contains("the threads have told"), "{told}");
}
