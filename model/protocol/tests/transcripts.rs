//! Golden transcripts: what the protocol does in the situations of the paper and of the labs, one
//! line for each input and each effect, for a reader with the paper in hand.
//!
//! A file under `transcripts/` is a script. A line that begins in the first column is a command
//! (`script/player.rs` lists them), a line with a `#` is a comment, and an indented line is a
//! consequence of the command above it. The consequences are compared with what the protocol does
//! now; `UPDATE_TRANSCRIPTS=1 cargo test -p protocol --test transcripts` rewrites them, to be read
//! as a diff. A line `# SPEC:` names the rules of SPEC.md that a file shows. What a file is about also
//! stands in it as an `expect`, which no rewriting changes,
//! and Figure 3's safety properties are checked after every step of every file.

mod script;
#[allow(dead_code, reason = "the properties use the rest")]
mod support;

use std::collections::BTreeSet;

/// One test for each file, and one that no file is left out.
macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            script::check(stringify!($name));
        })*

        #[test]
        fn every_file_is_run() {
            let run = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            assert_eq!(script::names(), run, "files, and names in tests/transcripts.rs");
        }
    };
}

transcripts! {
    basics
    figure2_all_servers_apply
    figure2_all_servers_later_term
    figure2_followers_election_timeout
    figure2_followers_timer
    figure2_candidates_start
    figure2_candidates_win
    figure2_candidates_own_vote
    figure2_candidates_append_entries
    figure2_candidates_timeout
    figure2_leaders_first_message
    figure2_leaders_command
    figure2_leaders_next_index
    figure2_leaders_commit
    figure2_request_vote_stale_term
    figure2_request_vote_once
    figure2_request_vote_up_to_date
    figure2_append_entries_stale_term
    figure2_append_entries_consistency
    figure2_append_entries_conflict
    figure2_append_entries_keep
    figure2_append_entries_commit
    figure7
    figure8_danger
    figure8_rule
    disk_candidate_waits
    disk_crash_forgets
    disk_leader_commits_without_own
    disk_queue_order
    disk_restart
    disk_vote_waits
    prevote_log_up_to_date
    prevote_lower_term
    prevote_no_contact
    prevote_refused_while_heard
    prevote_rejoin
    quorum_snapshot_counts
    quorum_step_down
    pipeline_batch
    pipeline_late_rejection
    pipeline_lost_message
    pipeline_window
    snapshot_append_below_base
    snapshot_compact
    snapshot_compact_refused
    snapshot_drops_tail
    snapshot_install
    snapshot_keeps_tail
    snapshot_lost
    snapshot_older_term
    snapshot_stale
    read_follower
    read_follower_cost
    read_leader
    read_lost_leadership
    read_old_answer
    read_own_id
    read_shared_round
    read_waits_for_no_op
    lab_initial_election
    lab_re_election
    lab_many_elections
    lab_basic_agree
    lab_rpc_bytes
    lab_follower_failure
    lab_leader_failure
    lab_fail_agree
    lab_fail_no_agree
    lab_concurrent_starts
    lab_rejoin
    lab_backup
    lab_count
    lab_persist1
    lab_persist2
    lab_persist3
    lab_figure8
    lab_unreliable_agree
    lab_snapshot_basic
    lab_snapshot_install
    lab_snapshot_install_crash
    lab_snapshot_all_crash
    lab_snapshot_init
}

#[test]
fn a_script_is_refused_with_its_line() {
    let refused = |text: &str| script::play("x.txt", text).expect_err("the script is wrong");
    assert_eq!(refused("group 3\nfly n0\n"), "x.txt:2: `fly n0`: unknown command `fly`");
    assert_eq!(refused("timer n0 election"), "x.txt:1: `timer n0 election`: `group` comes first");
    assert_eq!(refused("group 3\ncrash n7"), "x.txt:2: `crash n7`: there is no server `n7`");
    assert_eq!(
        refused("group 3\ncrash n1 n2"),
        "x.txt:2: `crash n1 n2`: malformed, see `crash nX`"
    );
    assert_eq!(
        refused("group 3\ndeliver n0→n1"),
        "x.txt:2: `deliver n0→n1`: no message on its way is meant"
    );
    assert_eq!(
        refused("group 3\nexpect n0 leader"),
        "x.txt:2: `expect n0 leader`: it is follower t0 no vote log | commit 0"
    );
    assert_eq!(
        refused("group 3\nexpect n0 not follower"),
        "x.txt:2: `expect n0 not follower`: but it is so"
    );
    assert_eq!(
        refused("group 3\nexpect n0 wise"),
        "x.txt:2: `expect n0 wise`: unknown expectation"
    );
}

#[test]
fn a_changed_consequence_is_shown_with_its_line() {
    let old = "# why\ngroup 1\n  a\n  b\nstate\n  c\n";
    let new = "# why\ngroup 1\n  a\n  x\n  y\nstate\n  c\n";
    assert_eq!(script::difference("f.txt", old, old), None);
    let expected =
        "f.txt:2: group 1\n  f.txt:4\n  - expected   b\n  + got        x\n  + got        y\n";
    assert_eq!(script::difference("f.txt", old, new).as_deref(), Some(expected));
}
