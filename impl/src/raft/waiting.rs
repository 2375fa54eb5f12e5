//! Who waits on this server, and since when: tickets in a row, the oldest in front.

use crate::peer;
use crate::trace;
use protocol::NodeId;
use protocol::rsm::Ticket;
use std::collections::VecDeque;

/// Whose request it is.
#[derive(Debug)]
pub enum Origin<C> {
    /// A caller of this server.
    Caller(C),
    /// Another server that passed it on, and its ticket there.
    Peer(NodeId, peer::Ticket),
}

/// One who waits.
#[derive(Debug)]
pub struct Slot<C> {
    /// Whose request it is.
    pub origin: Origin<C>,
    /// The command, if it may be passed on to the leader.
    pub command: Option<Vec<u8>>,
    /// The command's length.
    pub bytes: usize,
}

/// All who wait, by ticket.
///
/// Invariant: the first slot, if there is one, is taken.
#[derive(Debug)]
pub struct Waiting<C> {
    slots: VecDeque<Option<Slot<C>>>,
    first: Ticket,
    taken: usize,
    bytes: usize,
    /// At this time, in microseconds, the next ticket was this.
    marks: VecDeque<(u64, Ticket)>,
}

impl<C> Default for Waiting<C> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), first: 1, taken: 0, bytes: 0, marks: VecDeque::new() }
    }
}

impl<C> Waiting<C> {
    /// How many wait.
    pub const fn len(&self) -> usize {
        self.taken
    }

    /// How long their commands are together, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The ticket that is given next.
    pub fn next(&self) -> Ticket {
        self.first + self.slots.len() as u64
    }

    /// Gives a ticket.
    pub fn add(&mut self, slot: Slot<C>) -> Ticket {
        let ticket = self.next();
        self.taken += 1;
        self.bytes += slot.bytes;
        self.slots.push_back(Some(slot));
        ticket
    }

    fn place(&self, ticket: Ticket) -> Option<usize> {
        usize::try_from(ticket.checked_sub(self.first)?).ok()
    }

    /// Who has the ticket, if they still wait.
    pub fn get(&self, ticket: Ticket) -> Option<&Slot<C>> {
        let place = self.place(ticket)?;
        self.slots.get(place)?.as_ref()
    }

    /// Which server has passed on the command of the one with the ticket, and its ticket there.
    pub fn origin(&self, ticket: Ticket) -> trace::Origin {
        match self.get(ticket)?.origin {
            Origin::Caller(_) => None,
            Origin::Peer(node, there) => Some((node, there.number())),
        }
    }

    /// Takes the one with the ticket out.
    pub fn take(&mut self, ticket: Ticket) -> Option<Slot<C>> {
        let place = self.place(ticket)?;
        let slot = self.slots.get_mut(place)?.take()?;
        self.taken -= 1;
        self.bytes -= slot.bytes;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        Some(slot)
    }

    /// Takes all of them out.
    pub fn take_all(&mut self) -> impl Iterator<Item = Slot<C>> + use<C> {
        (self.first, self.taken, self.bytes) = (self.next(), 0, 0);
        std::mem::take(&mut self.slots).into_iter().flatten()
    }

    /// Notes the time, in microseconds: tickets from now on are younger.
    pub fn mark(&mut self, now_us: u64) {
        let next = self.next();
        if self.marks.back().is_none_or(|&(_, ticket)| ticket < next) {
            self.marks.push_back((now_us, next));
        }
    }

    /// Tickets below this were given before `then_us`.
    pub fn below(&self, then_us: u64) -> Ticket {
        let older = self.marks.iter().take_while(|&&(time, _)| time <= then_us);
        older.last().map_or(0, |&(_, ticket)| ticket)
    }

    /// Forgets the marks in front of `then_us` but for the last.
    pub fn forget(&mut self, then_us: u64) {
        while self.marks.get(1).is_some_and(|&(time, _)| time <= then_us) {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: u8) -> Slot<u8> {
        Slot { origin: Origin::Caller(name), command: None, bytes: 3 }
    }

    #[test]
    fn tickets_rise_and_are_taken_once() {
        let mut waiting = Waiting::default();
        let tickets: Vec<Ticket> = (0..5).map(|name| waiting.add(slot(name))).collect();
        assert!(tickets.is_sorted());
        for ticket in [tickets[1], tickets[0], tickets[4]] {
            assert!(waiting.take(ticket).is_some());
            assert!(waiting.take(ticket).is_none());
        }
        assert_eq!((waiting.len(), waiting.bytes()), (2, 6));
        assert!(waiting.get(tickets[2]).is_some());
        assert!(waiting.add(slot(9)) > tickets[4]);
        let next = waiting.next();
        assert_eq!(waiting.take_all().count(), 3);
        assert_eq!((waiting.len(), waiting.bytes(), waiting.next()), (0, 0, next));
    }

    #[test]
    fn marks_tell_who_is_older() {
        let mut waiting = Waiting::default();
        let first = waiting.add(slot(0));
        waiting.mark(100);
        let second = waiting.add(slot(1));
        waiting.mark(200);
        assert_eq!(waiting.below(99), 0);
        assert!(first < waiting.below(100) && second >= waiting.below(199));
        waiting.forget(250);
        assert!(second < waiting.below(250));
    }
}
