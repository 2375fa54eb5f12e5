//! What the nodes of a cluster know of each other: messages that are under way, entries, and snapshots.

use super::Network;
use super::letters::Letters;
use super::window::Window;
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use protocol::{Index, LogId, NodeId, SnapshotId};
use quorate::rsm::Coded;
use quorate::trace::of_entry;
use quorate::wal::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::rc::Rc;

/// From whom, to whom.
type Way = (NodeId, NodeId);

/// How often each was sent more than it came; less than 0 where the network has copied it.
type UnderWay<K> = HashMap<K, i64>;

/// What all replayed nodes share.
pub struct Shared<S> {
    present: Vec<NodeId>,
    network: Network,
    sent: HashMap<Way, UnderWay<Message>>,
    /// Commands that were passed on, by ticket and fingerprint.
    calls: UnderWay<(Way, u64, u64)>,
    /// Answers to them: who answers, whom; the ticket there, and the outcome's fingerprint.
    answers: UnderWay<(Way, u64, u64)>,
    entries: HashMap<LogId, u64>,
    /// By index, what was committed, and by whom first.
    committed: HashMap<Index, (LogId, u64, NodeId)>,
    /// The states of snapshots, and their files' checksums.
    states: BTreeMap<SnapshotId, (Coded<S>, u32)>,
    /// Letters that go from group to group.
    pub letters: Rc<RefCell<Letters>>,
    /// Times.
    pub window: Window,
    /// Whether the next message that comes may be a part of one that was sent. Not before all that can be sent was: it
    /// may be sent yet, as it is.
    pub takes_part: bool,
    /// Messages that were matched.
    pub messages: u64,
    /// Commands that were passed on, and answers to them, that were matched.
    pub passed: u64,
}

impl<S> Shared<S> {
    /// Nothing is known yet. What nodes that are not here say is believed.
    pub fn new(present: &[NodeId], network: Network) -> Self {
        Self {
            present: present.to_vec(),
            network,
            sent: HashMap::new(),
            calls: HashMap::new(),
            answers: HashMap::new(),
            entries: HashMap::new(),
            committed: HashMap::new(),
            states: BTreeMap::new(),
            letters: Rc::default(),
            window: Window::default(),
            takes_part: false,
            messages: 0,
            passed: 0,
        }
    }

    /// Whether a node's trace is here.
    pub fn is_present(&self, node: NodeId) -> bool {
        self.present.contains(&node)
    }

    /// How many entries were committed.
    pub fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    /// A message leaves.
    pub fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.is_present(to) {
            *self.sent.entry((from, to)).or_default().entry(message).or_default() += 1;
        }
    }

    /// How often a message came behind all its sendings.
    pub fn copies(&self) -> u64 {
        let more = |left: &i64| u64::try_from(-left).unwrap_or(0);
        self.sent.values().flat_map(HashMap::values).map(more).sum()
    }

    /// A message comes: false if it was not sent or, where nobody copies, not as often.
    pub fn receive(&mut self, from: NodeId, to: NodeId, message: &Message) -> bool {
        if !self.is_present(from) {
            return true;
        }
        let Some(under_way) = self.sent.get_mut(&(from, to)) else { return false };
        if !take(under_way, message, self.network) {
            if !self.takes_part || !take_part(under_way, message, self.network) {
                return false;
            }
            self.takes_part = false;
        }
        self.messages += 1;
        true
    }

    /// A command is passed on.
    pub fn pass(&mut self, from: NodeId, to: NodeId, ticket: u64, command: u64) {
        if self.is_present(to) {
            *self.calls.entry(((from, to), ticket, command)).or_default() += 1;
        }
    }

    /// Commands that were passed on come together: who has passed each on, its ticket there, and its fingerprint.
    /// Unless all were, none has come, and this says which was not: it may be passed on yet.
    pub fn passed(
        &mut self,
        to: NodeId,
        commands: impl Iterator<Item = (NodeId, u64, u64)>,
    ) -> Result<(), (NodeId, u64)> {
        let mut taken = Vec::new();
        for (from, ticket, command) in commands.filter(|call| self.present.contains(&call.0)) {
            let call = ((from, to), ticket, command);
            if !take(&mut self.calls, &call, Network::Once) {
                for call in taken {
                    *self.calls.entry(call).or_default() += 1;
                }
                return Err((from, ticket));
            }
            taken.push(call);
        }
        self.passed += taken.len() as u64;
        Ok(())
    }

    /// A command that was passed on comes, and goes no further: false if none under this ticket was.
    pub fn turned_away(&mut self, from: NodeId, to: NodeId, ticket: u64) -> bool {
        if !self.is_present(from) {
            return true;
        }
        let any = self.calls.keys().find(|key| (key.0, key.1) == ((from, to), ticket));
        let any = any.copied();
        any.is_some_and(|call| take(&mut self.calls, &call, Network::Once))
    }

    /// An answer to a command that was passed on leaves.
    pub fn answer(&mut self, from: NodeId, to: NodeId, ticket: u64, outcome: u64) {
        if self.is_present(to) {
            *self.answers.entry(((from, to), ticket, outcome)).or_default() += 1;
        }
    }

    /// An answer comes: with this outcome or, where that was too long to be sent, another.
    pub fn answered(
        &mut self,
        from: NodeId,
        to: NodeId,
        ticket: u64,
        outcome: u64,
        unknown: bool,
    ) -> bool {
        if !self.is_present(from) {
            return true;
        }
        let answer = ((from, to), ticket, outcome);
        let mut came = take(&mut self.answers, &answer, Network::Once);
        if !came && unknown {
            let any = self.answers.keys().find(|key| (key.0, key.1) == ((from, to), ticket));
            let any = any.copied();
            came = any.is_some_and(|key| take(&mut self.answers, &key, Network::Once));
        }
        self.passed += u64::from(came);
        came
    }

    /// An entry was written: false if another one has its term and index.
    pub fn write_entry(&mut self, id: LogId, entry: &Entry<Bytes>) -> bool {
        let print = of_entry(entry);
        *self.entries.entry(id).or_insert(print) == print
    }

    /// An entry came in a message: whether its sender had written it.
    pub fn knows_entry(&mut self, from: NodeId, id: LogId, entry: &Entry<Bytes>) -> bool {
        if self.is_present(from) {
            self.entries.get(&id) == Some(&of_entry(entry))
        } else {
            self.write_entry(id, entry)
        }
    }

    /// A node has applied an entry: the one that was committed at this index, if it is another, and by whom.
    pub fn commit(
        &mut self,
        node: NodeId,
        id: LogId,
        entry: &Entry<Bytes>,
    ) -> Result<(), (LogId, NodeId)> {
        let print = of_entry(entry);
        let (first, known, by) = *self.committed.entry(id.index).or_insert((id, print, node));
        if (first, known) == (id, print) { Ok(()) } else { Err((first, by)) }
    }

    /// A snapshot was made, or is there at a start. Its state, and its checksum.
    pub fn keep(&mut self, id: SnapshotId, state: Coded<S>, sum: u32) {
        self.states.entry(id).or_insert((state, sum));
    }

    /// A snapshot that was made.
    pub fn state(&self, id: SnapshotId) -> Option<&(Coded<S>, u32)> {
        self.states.get(&id)
    }

    /// No node will ask for a snapshot in front of this index.
    pub fn forget(&mut self, index: Index) {
        self.states.retain(|id, _| id.last.index >= index);
    }
}

fn take<K: Hash + Eq>(under_way: &mut UnderWay<K>, key: &K, network: Network) -> bool {
    match under_way.get_mut(key) {
        Some(1) if network == Network::Once => under_way.remove(key).is_some(),
        Some(left) => {
            *left -= 1;
            true
        }
        None => false,
    }
}

/// A batch that was too long for a frame comes in parts, each a message that its leader could have sent. What comes
/// behind a part may come yet.
fn take_part(under_way: &mut UnderWay<Message>, part: &Message, network: Network) -> bool {
    let Body::AppendEntries { prev, count, .. } = part.body else { return false };
    let cut = |whole: &Message| {
        let Body::AppendEntries { prev: first, .. } = whole.body else { return None };
        let front = u32::try_from(prev.index.checked_sub(first.index)?).ok()?;
        let rest = if front == 0 { *whole } else { whole.split(front)?.1 };
        let (found, behind) = match rest.split(count) {
            Some((found, behind)) => (found, Some(behind)),
            None => (rest, None),
        };
        (found == *part).then_some((*whole, behind))
    };
    let Some((whole, behind)) = under_way.keys().find_map(cut) else { return false };
    take(under_way, &whole, network);
    behind.into_iter().for_each(|behind| *under_way.entry(behind).or_default() += 1);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(first: Index, count: u32) -> Message {
        let (prev, run, commit) = (LogId::new(1, first), 1, 0);
        Message { term: 1, body: Body::AppendEntries { prev, run, count, commit } }
    }

    fn sent(messages: &[Message]) -> Shared<()> {
        sent_by(Network::Once, messages)
    }

    fn sent_by(network: Network, messages: &[Message]) -> Shared<()> {
        let mut shared = Shared::new(&[NodeId(0), NodeId(1)], network);
        messages.iter().for_each(|message| shared.send(NodeId(0), NodeId(1), *message));
        shared
    }

    fn comes(shared: &mut Shared<()>, message: Message) -> bool {
        shared.receive(NodeId(0), NodeId(1), &message)
    }

    /// A sender that repeats itself, on a network that changes the order, sends what could be a part of something else.
    #[test]
    fn what_may_be_sent_yet_is_no_part() {
        let mut shared = sent(&[append(10, 4)]);
        assert!(!comes(&mut shared, append(12, 2)), "it was not sent so far");
        shared.send(NodeId(0), NodeId(1), append(12, 2));
        assert!(comes(&mut shared, append(12, 2)), "now it was");
        assert!(comes(&mut shared, append(10, 4)), "and the longer one is still under way");
        assert!(!comes(&mut shared, append(12, 2)) && !comes(&mut shared, append(10, 4)));
    }

    #[test]
    fn parts_are_taken_one_at_a_time() {
        let mut shared = sent(&[append(10, 4)]);
        shared.takes_part = true;
        assert!(comes(&mut shared, append(10, 1)) && !shared.takes_part);
        assert!(comes(&mut shared, append(11, 3)), "what is left is as good as sent");
        shared.takes_part = true;
        assert!(!comes(&mut shared, append(12, 1)), "all of it has come");
    }

    #[test]
    fn copies_come_where_the_network_makes_them() {
        let mut once = sent(&[append(10, 4)]);
        assert!(comes(&mut once, append(10, 4)) && !comes(&mut once, append(10, 4)));
        assert_eq!((once.messages, once.copies()), (1, 0));
        let mut copies = sent_by(Network::Copies, &[append(10, 4)]);
        assert!((0..3).all(|_| comes(&mut copies, append(10, 4))));
        assert_eq!((copies.messages, copies.copies()), (3, 2));
        // One of them was a message that its sender has repeated.
        copies.send(NodeId(0), NodeId(1), append(10, 4));
        assert_eq!(copies.copies(), 1);
    }

    /// A copy is of what was sent, to whom it was sent.
    #[test]
    fn no_network_makes_messages() {
        for network in [Network::Once, Network::Copies] {
            let mut shared = sent_by(network, &[append(10, 4)]);
            assert!(comes(&mut shared, append(10, 4)));
            assert!(!comes(&mut shared, append(10, 3)), "{network:?}: another");
            assert!(!shared.receive(NodeId(1), NodeId(0), &append(10, 4)), "{network:?}: back");
            shared.takes_part = true;
            assert!(!comes(&mut shared, append(10, 5)), "{network:?}: more than it was");
            assert_eq!((shared.messages, shared.copies()), (1, 0), "{network:?}");
        }
    }

    /// What is passed on goes over a connection, which copies nothing.
    #[test]
    fn calls_and_answers_come_once() {
        let (from, to, ticket) = (NodeId(0), NodeId(1), 7);
        for network in [Network::Once, Network::Copies] {
            let mut shared = sent_by(network, &[]);
            let comes =
                |shared: &mut Shared<_>, calls: &[_]| shared.passed(to, calls.iter().copied());
            shared.pass(from, to, ticket, 1);
            assert_eq!(comes(&mut shared, &[(from, ticket, 1)]), Ok(()), "{network:?}");
            let missing = Err((from, ticket));
            assert_eq!(comes(&mut shared, &[(from, ticket, 1)]), missing, "{network:?}");
            // Two at once: the one waits until the other is there.
            let both = [(from, ticket, 2), (from, ticket + 1, 2)];
            shared.pass(from, to, ticket, 2);
            assert_eq!(comes(&mut shared, &both), Err((from, ticket + 1)), "{network:?}");
            shared.pass(from, to, ticket + 1, 2);
            assert_eq!(comes(&mut shared, &both), Ok(()), "{network:?}");
            assert_eq!(comes(&mut shared, &both), missing, "{network:?}");
            shared.answer(to, from, ticket, 2);
            assert!(shared.answered(to, from, ticket, 2, false), "{network:?}");
            assert!(!shared.answered(to, from, ticket, 2, false), "{network:?}");
            assert!(!shared.answered(to, from, ticket, 3, true), "{network:?}: unknown is no more");
        }
    }

    /// A part may be a copy's.
    #[test]
    fn parts_of_copies_are_taken() {
        let mut shared = sent_by(Network::Copies, &[append(10, 4)]);
        assert!(comes(&mut shared, append(10, 4)));
        shared.takes_part = true;
        assert!(comes(&mut shared, append(10, 1)) && comes(&mut shared, append(11, 3)));
        assert_eq!(shared.copies(), 1, "of the whole");
    }
}
