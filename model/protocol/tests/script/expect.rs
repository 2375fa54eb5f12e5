//! What a script says must be so, besides what it records.
//!
//! `expect all …` asks it of every server that is connected and up, `not` anywhere turns it round.
//!
//! | expectation | holds if |
//! |---|---|
//! | `one leader`, `no leader` | so many connected servers lead |
//! | `logs equal` | all connected servers have the same log |
//! | `sent 2 AppendEntries`, `sent at most 9` | so many (of these names) since `mark` |
//! | `n0 leader` (`follower`, `candidate`, `pre-candidate`) | that is its role |
//! | `n0 term 3`, `n0 vote n1`, `n0 follows n1` | memory says so; `none` for no server |
//! | `n0 disk term 3`, `n0 disk vote n1`, `n0 disk log 1 1` | the disk says so |
//! | `n0 log 1 1 4*2` | these are the terms behind its snapshot |
//! | `n0 commit 3`, `n0 committed 3` | its commit index is that, is at least that |
//! | `n0 base 3`, `n0 writes 2`, `n0 heard` | compacted index; unfinished writes; contact |
//! | `n0 entry 3 x` | that command is in its log at 3 |
//! | `n0 applied x y`, `n0 applied 12 commands` | the service was given these, no-ops aside |
//! | `n0 lab 2 x` | x is applied at the labs' index 2: the index less the runs through it |
//! | `n0 sees n1 replicate match 3 next 4` | the leader's view of a follower |
//! | `n0 read 1 open` (`lost`, `from 3`) | what became of a read |

use crate::support::Tag;
use crate::support::group::Group;
use crate::support::server::{Outcome, Server};
use crate::support::show::{kind, role_name};
use protocol::log::Entry;
use protocol::raft::Body;
use protocol::terms::Terms;
use protocol::{HardState, Index, NodeId, ReadId, Term};
use std::fmt::Debug;
use std::str::FromStr;

/// The messages sent since the last `mark`.
pub type Counts = Vec<Body>;

/// Whether it is so, and what is.
type Verdict = Result<(bool, String), String>;

/// Checks one expectation; the error says what is so instead.
pub fn expect(group: &Group, sent: &Counts, words: &[&str]) -> Result<(), String> {
    let negated = words.contains(&"not");
    let words: Vec<&str> = words.iter().copied().filter(|word| *word != "not").collect();
    let verdicts = match words.as_slice() {
        ["one", "leader"] => vec![leaders(group, 1)],
        ["no", "leader"] => vec![leaders(group, 0)],
        ["logs", "equal"] => vec![logs_equal(group)],
        ["sent", "at", "most", most, kinds @ ..] => {
            let (most, count) = (number::<usize>(most)?, count(sent, kinds));
            vec![Ok((count <= most, format!("{count} were sent")))]
        }
        ["sent", exact, kinds @ ..] => {
            let count = count(sent, kinds);
            vec![Ok((count == number(exact)?, format!("{count} were sent")))]
        }
        ["all", rest @ ..] => {
            let all = group.servers.iter().filter(|server| server.is_connected());
            all.map(|server| of_server(group, server, rest)).collect()
        }
        [word, rest @ ..] => {
            let server = group.server(node(group, word)?);
            vec![of_server(group, server, rest)]
        }
        [] => return Err("unknown expectation".to_owned()),
    };
    for verdict in verdicts {
        match verdict? {
            (true, _) if negated => return Err("but it is so".to_owned()),
            (false, is) if !negated => return Err(is),
            _ => {}
        }
    }
    Ok(())
}

fn leaders(group: &Group, count: usize) -> Verdict {
    let leaders = group.leaders();
    Ok((leaders.len() == count, format!("leaders: {leaders:?}")))
}

fn logs_equal(group: &Group) -> Verdict {
    let up: Vec<&Server> = group.servers.iter().filter(|server| server.is_connected()).collect();
    for pair in up.windows(2) {
        let [one, two] = [pair[0].replica.raft().terms(), pair[1].replica.raft().terms()];
        let from = one.base().index.max(two.base().index);
        let same = |index: Index| {
            let entries = [pair[0].replica.log().get(index), pair[1].replica.log().get(index)];
            one.id_at(index) == two.id_at(index) && (index == from || entries[0] == entries[1])
        };
        if one.last() != two.last() || !(from..=one.last().index).all(same) {
            return Ok((false, format!("{one:?} differs from {two:?}")));
        }
    }
    Ok((true, String::new()))
}

fn count(sent: &Counts, kinds: &[&str]) -> usize {
    let meant = |body: &&Body| {
        kinds.is_empty()
            || kinds.contains(&kind(body))
            || (kinds.contains(&"requests") && body.is_request())
    };
    sent.iter().filter(meant).count()
}

fn of_server(group: &Group, server: &Server, words: &[&str]) -> Verdict {
    let raft = server.replica.raft();
    let is = |so: bool| Ok((so, format!("it is {raft:?}")));
    match words {
        [role @ ("leader" | "follower" | "candidate" | "pre-candidate")] => {
            is(role_name(raft.role()) == *role)
        }
        ["heard"] => is(raft.heard()),
        ["follows", leader] => is(raft.leader() == node_or_none(group, leader)?),
        ["term" | "vote", _] => of_hard_state(group, raft.hard_state(), words),
        ["log", terms @ ..] => of_log(raft.terms(), terms),
        ["disk", "log", terms @ ..] => of_log(&server.durable.terms, terms),
        ["disk", rest @ ..] => of_hard_state(group, server.durable.hard, rest),
        ["commit", index] => is(raft.commit() == number(index)?),
        ["committed", index] => is(raft.commit() >= number(index)?),
        ["base", index] => is(raft.terms().base().index == number(index)?),
        ["writes", count] => same(server.pending.len(), number(count)?),
        ["sees", peer, progress @ ..] => {
            let seen = raft.progress().get(usize::from(node(group, peer)?.0));
            let seen = seen.map_or(String::new(), |seen| format!("{seen:?}"));
            same(seen, progress.join(" "))
        }
        ["read", id, rest @ ..] => of_read(server, ReadId(number(id)?), rest),
        _ => of_commands(server, words),
    }
}

fn of_hard_state(group: &Group, hard: HardState, words: &[&str]) -> Verdict {
    match words {
        ["term", term] => same(hard.term, number(term)?),
        ["vote", vote] => same(hard.vote, node_or_none(group, vote)?),
        _ => Err("unknown expectation".to_owned()),
    }
}

fn of_log(log: &Terms, words: &[&str]) -> Verdict {
    let first = log.base().index + 1;
    let is: Vec<_> = (first..=log.last().index).filter_map(|index| log.term_at(index)).collect();
    same(is, terms(words)?)
}

fn of_read(server: &Server, id: ReadId, words: &[&str]) -> Verdict {
    let read = server.reads.get(&id).ok_or("that read was not asked here")?;
    match words {
        ["open"] => same(read.outcome, Outcome::Open),
        ["lost"] => same(read.outcome, Outcome::Lost),
        ["from", index] => same(read.outcome, Outcome::Readable(number(index)?)),
        _ => Err("unknown expectation".to_owned()),
    }
}

fn of_commands(server: &Server, words: &[&str]) -> Verdict {
    let command = |entry: &Entry<Tag>| match entry {
        Entry::NoOp => None,
        Entry::Command(Tag(name)) => Some(name.clone()),
    };
    let applied: Vec<String> = server.service.iter().filter_map(command).collect();
    match words {
        ["entry", index, name] => {
            let entry = server.replica.log().get(number(index)?);
            same(entry.and_then(command).as_deref(), Some(name))
        }
        ["applied", count, "commands"] => same(applied.len(), number(count)?),
        ["applied", names @ ..] => same(applied, names.iter().map(ToString::to_string).collect()),
        ["lab", lab, name] => {
            let (terms, lab) = (server.replica.raft().terms(), number::<Index>(lab)?);
            let first = terms.base().index.max(1);
            let found = (first..=server.service.len() as Index)
                .filter(|index| index - terms.runs_through(*index) == lab)
                .find_map(|index| command(&server.service[index as usize - 1]));
            same(found.as_deref(), Some(name))
        }
        _ => Err("unknown expectation".to_owned()),
    }
}

fn same<T: PartialEq + Debug>(is: T, expected: T) -> Verdict {
    Ok((is == expected, format!("it is {is:?}")))
}

/// The server of that name.
pub fn node(group: &Group, word: &str) -> Result<NodeId, String> {
    let unknown = || format!("there is no server `{word}`");
    let number: u8 = word.strip_prefix('n').and_then(|n| n.parse().ok()).ok_or_else(unknown)?;
    if usize::from(number) < group.servers.len() { Ok(NodeId(number)) } else { Err(unknown()) }
}

fn node_or_none(group: &Group, word: &str) -> Result<Option<NodeId>, String> {
    if word == "none" { Ok(None) } else { node(group, word).map(Some) }
}

/// `x*3` is x, three times.
pub fn expand(word: &str) -> Result<(&str, Option<usize>), String> {
    match word.split_once('*') {
        Some((word, count)) => Ok((word, Some(number(count)?))),
        None => Ok((word, None)),
    }
}

/// The terms of a log: `1 1 4*2`.
pub fn terms(words: &[&str]) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    for word in words {
        let (term, count) = expand(word)?;
        terms.extend(std::iter::repeat_n(number::<Term>(term)?, count.unwrap_or(1)));
    }
    Ok(terms)
}

fn number<N: FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}
