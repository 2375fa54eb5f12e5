//! Calls of sessions on their way to servers, and answers on their way back.

use super::callers::Caller;
use super::router::{Tellings, told_of};
use super::waits::Wait;
use super::{Core, Loop};
use crate::kv::Admitted;
use crate::mailbox::Refusal;
use crate::raft::{Outcome, Request, What};
use crate::rsm::encode;
use crate::session::{Answer, Asked, Call, NodeCall, Outcome as Told, Port, Query};
use protocol::kv::{Op, Reply, Work};
use protocol::shardkv::GroupId;

/// How often the slots of those who wait for a key are looked at, in milliseconds.
pub(super) const LOOK_MS: u64 = 1000;

impl Loop {
    /// At the beginning of a round: what the node knows.
    pub(super) fn refresh(&mut self) {
        self.views.note_time();
        if !self.views.is_due() {
            return;
        }
        let now = self.views.up_ms();
        let found = match &mut self.core {
            Core::One(_) => Default::default(),
            Core::Sharded(router) => router.found(now),
        };
        self.views.refresh(self.connections.len(), found);
        let view = self.views.current();
        if let (Core::Sharded(router), Some(shards)) = (&mut self.core, &view.shards) {
            router.configure(shards);
        }
    }

    /// Turns a session's calls into requests.
    pub(super) fn ask(&mut self, token: usize) {
        let mut calls = std::mem::take(&mut self.calls);
        let value_bytes = self.options.limits.request.bulk_bytes();
        let value_bytes = u32::try_from(value_bytes).unwrap_or(u32::MAX);
        for Asked { place, call } in calls.drain(..) {
            let Some(connection) = self.connections.get(token) else { continue };
            let caller = Caller { token, id: connection.session.id(), place };
            let forwards = connection.port == Port::Plain;
            match call {
                Call::Write(work) => self.write(caller, work, value_bytes, forwards),
                Call::Read(query) => self.read(caller, query, forwards),
                Call::Wait { key, version, timeout_ms } => {
                    let until =
                        (timeout_ms > 0).then(|| self.views.up_ms().saturating_add(timeout_ms));
                    let wait = Wait { caller, key, version, until };
                    self.ask_for(&wait);
                    self.doors.waits.add(wait);
                }
                Call::Node(call) => self.node_call(caller, &call),
                Call::Control(_) if matches!(self.core, Core::One(_)) => {
                    self.answer(caller, Told::NoController);
                }
                call @ Call::Control(_) => self.route(caller, (call, 0), true),
            }
        }
        self.calls = calls;
    }

    fn write(&mut self, caller: Caller, work: Work, value_bytes: u32, forwards: bool) {
        if matches!(self.core, Core::Sharded(_)) {
            return self.route(caller, (Call::Write(work), value_bytes), forwards);
        }
        match encode(&Admitted { work, value_bytes }) {
            Ok(command) => {
                let what = What::Command(command);
                self.requests.push(Request { caller, what, forwards });
            }
            Err(error) => {
                tracing::error!(%error, "a command that can't be written down");
                self.answer(caller, Told::Busy);
            }
        }
    }

    fn read(&mut self, caller: Caller, query: Query, forwards: bool) {
        if matches!(self.core, Core::Sharded(_)) {
            return self.route(caller, (Call::Read(query), 0), forwards);
        }
        self.requests.push(Request { caller, what: What::Query(query), forwards: false });
    }

    /// Takes a call to the group that serves its slot.
    fn route(&mut self, caller: Caller, call: (Call, u32), forwards: bool) {
        let (view, now) = (self.views.current(), self.views.up_ms());
        let (Core::Sharded(router), Some(shards)) = (&mut self.core, &view.shards) else { return };
        let tellings = router.ask(caller, call, forwards, now, shards);
        self.tell_all(tellings);
    }

    fn tell_all(&mut self, tellings: Tellings) {
        tellings.into_iter().for_each(|(caller, told)| self.tell(caller, told));
    }

    /// A client is told. Who waits for a version waits on if this is not it.
    fn tell(&mut self, caller: Caller, told: Told) {
        if let Told::Done(answer) = &told
            && !self.doors.waits.ends(caller, answer)
        {
            return;
        }
        self.doors.waits.forget_call(caller);
        self.answer(caller, told);
    }

    /// Asks again for slots that were between two groups.
    pub(super) fn ask_again(&mut self) {
        let (view, now) = (self.views.current(), self.views.up_ms());
        let (Core::Sharded(router), Some(shards)) = (&mut self.core, &view.shards) else { return };
        let tellings = router.ask_again(now, shards);
        self.tell_all(tellings);
    }

    pub(super) fn ask_for(&mut self, wait: &Wait) {
        self.read(wait.caller, Query::Op { key: wait.key.clone(), op: Op::Get }, false);
    }

    fn node_call(&mut self, caller: Caller, call: &NodeCall) {
        let now = self.views.now_ms();
        let answer = match call {
            NodeCall::ListClients(filter) => {
                let sessions = self.connections.iter().map(|(_, connection)| &connection.session);
                let listed = sessions.filter(|session| filter.admits(session, now));
                Answer::Text(listed.map(|session| session.describe(now) + "\n").collect())
            }
            NodeCall::KillClients(filter) => {
                let mut count = 0;
                for (token, connection) in &mut self.connections {
                    if filter.admits(&connection.session, now) {
                        count += 1;
                        connection.session.end();
                        self.dirty.push(token);
                    }
                }
                Answer::Reply(Reply::Int(count))
            }
            NodeCall::ResetCounters => {
                self.views.counters = crate::view::Counters::default();
                Answer::Reply(Reply::Ok)
            }
        };
        self.answer(caller, Told::Done(answer));
    }

    /// What a core says of a request; of which group, if it is one's.
    pub(super) fn told(
        &mut self,
        caller: Caller,
        group: Option<GroupId>,
        outcome: Outcome<Answer>,
    ) {
        let now = self.views.up_ms();
        let view = self.views.current();
        let (Core::Sharded(router), Some(shards)) = (&mut self.core, &view.shards) else {
            return self.tell(caller, told_of(outcome));
        };
        let again = router.is_asked_again(caller);
        let tellings = router.told(caller, group, outcome, now, shards);
        self.tell_all(tellings);
        // Its key rose while it was being read.
        if let Some(wait) = self.doors.waits.of(caller).filter(|_| again) {
            self.ask_for(&wait);
        }
    }

    fn answer(&mut self, caller: Caller, outcome: Told) {
        let Caller { token, id, place } = caller;
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.session.id() != id {
            return;
        }
        self.views.counters.commands += 1;
        let view = self.views.current();
        let mut calls = Vec::new();
        connection.session.answer(place, outcome, &view, self.views.now_ms(), &mut calls);
        self.dirty.push(token);
        if !calls.is_empty() {
            self.calls.append(&mut calls);
            self.ask(token);
        }
    }

    /// Ends the waits whose time is over. In a sharded cluster the others are looked at now and then: their slots may
    /// have gone to other nodes.
    pub(super) fn end_waits(&mut self) {
        let now = self.views.up_ms();
        if matches!(self.core, Core::Sharded(_)) && now >= self.waits_looked_ms + LOOK_MS {
            self.waits_looked_ms = now;
            for wait in self.doors.waits.all() {
                self.ask_for(&wait);
            }
        }
        for caller in self.doors.waits.over(self.views.up_ms()) {
            self.answer(caller, Told::Done(Answer::TimedOut));
        }
    }

    /// Posts what was asked in this round.
    pub(super) fn post(&mut self) {
        let (view, now) = (self.views.current(), self.views.up_ms());
        let turned = match &mut self.core {
            Core::Sharded(router) => match &view.shards {
                Some(shards) => router.post(now, shards),
                None => return,
            },
            Core::One(_) if self.requests.is_empty() => return,
            Core::One(core) => match core.post(std::mem::take(&mut self.requests)) {
                Ok(()) => return,
                Err(refused) => {
                    let told = match refused.why {
                        Refusal::Full => Told::Busy,
                        Refusal::Closed => Told::NoLeader,
                    };
                    let turned = refused.mail.into_iter();
                    turned.map(|request| (request.caller, told.clone())).collect()
                }
            },
        };
        self.tell_all(turned);
    }
}
