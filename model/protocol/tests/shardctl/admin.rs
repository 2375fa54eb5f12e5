//! An administrator's side of a request.

use super::*;
use protocol::Machine;
use protocol::shardctl::{Admin, Asked, Effect, Input, Outcome};

/// An administrator and what it has said last.
struct Person {
    admin: Admin,
    said: Vec<Effect>,
}

impl Person {
    fn new(client: u128) -> Self {
        Self { admin: Admin::new(Exact, ClientId(client)), said: Vec::new() }
    }

    fn step(&mut self, input: Input) -> &[Effect] {
        self.said.clear();
        self.admin.step(input, &mut self.said);
        &self.said
    }

    /// What it asks now, and under which number.
    fn asks(&mut self, input: Input) -> (u64, Asked) {
        match self.step(input) {
            [Effect::Send { seq, asked, .. }] => (*seq, asked.clone()),
            other => panic!("it asks nothing: {other:?}"),
        }
    }

    fn ends(&mut self, input: Input) -> Outcome {
        match self.step(input) {
            [Effect::Ended(outcome)] => outcome.clone(),
            other => panic!("it goes on: {other:?}"),
        }
    }
}

fn answer(desk: &mut Desk, seq: u64, asked: &Asked) -> Input {
    let reply = match asked {
        Asked::Change(command) => desk.controller.apply(command),
        Asked::Query(query) => desk.controller.read(query),
    };
    Input::Answer { seq, reply }
}

/// Up to where its change is under way.
fn asked(person: &mut Person, desk: &mut Desk, change: Change) -> (u64, Asked) {
    let (seq, question) = person.asks(Input::Ask(change));
    assert_eq!(question, Asked::Query(Query::Config(None)));
    person.asks(answer(desk, seq, &question))
}

#[test]
fn a_request_is_done_or_refused() {
    let (mut desk, mut person) = (Desk::new(TEN), Person::new(1));
    let (seq, change) = asked(&mut person, &mut desk, join(&[1]));
    assert_eq!(person.step(Input::Ask(join(&[2]))), [Effect::Busy]);
    let done = answer(&mut desk, seq, &change);
    assert_eq!(person.ends(done), Outcome::Done { number: 1 });
    let (seq, change) = asked(&mut person, &mut desk, leave(&[1]));
    let refused = answer(&mut desk, seq, &change);
    assert_eq!(person.ends(refused), Outcome::Refused(Refusal::LastGroup));
    assert!(!person.admin.is_busy());
}

/// CTL-ADMIN-1, CTL-ADMIN-2: the first copy was executed and its answer was lost; the second is stale.
#[test]
fn who_is_stale_looks_whose_it_is() {
    let (mut desk, mut person) = (Desk::new(TEN), Person::new(1));
    let (seq, change) = asked(&mut person, &mut desk, join(&[1]));
    let lost = answer(&mut desk, seq, &change);
    assert_eq!(lost, Input::Answer { seq, reply: Reply::Changed { number: 1 } });
    desk.changed(join(&[5]));
    let again = person.asks(Input::Retry);
    assert_eq!(again, (seq, change), "the same, and not another request");
    let stale = answer(&mut desk, seq, &again.1);
    let (look, question) = person.asks(stale);
    assert_eq!(question, Asked::Query(Query::Config(Some(1))));
    let own = answer(&mut desk, look, &question);
    assert_eq!(person.ends(own), Outcome::Done { number: 1 });
}

/// CTL-ADMIN-2: two ask for the same, and one of them gets it.
#[test]
fn another_one_has_changed_it() {
    let (mut desk, mut one, mut two) = (Desk::new(TEN), Person::new(1), Person::new(2));
    let (seq, change) = asked(&mut one, &mut desk, join(&[1]));
    let (late, other) = asked(&mut two, &mut desk, join(&[1]));
    let done = answer(&mut desk, seq, &change);
    assert_eq!(one.ends(done), Outcome::Done { number: 1 });
    let stale = answer(&mut desk, late, &other);
    let (look, question) = two.asks(stale);
    let others = answer(&mut desk, look, &question);
    assert_eq!(two.ends(others), Outcome::Stale, "though it is as it wanted it");
}

/// CTL-ADMIN-3.
#[test]
fn what_was_dropped_is_unknown() {
    let (mut desk, mut person) = (Desk::with(TEN, &[1]), Person::new(1));
    let (seq, change) = asked(&mut person, &mut desk, join(&[2]));
    desk.changed(join(&[3]));
    desk.changed(leave(&[3]));
    desk.finish(1, 3);
    desk.finish(3, 3);
    assert_eq!(desk.numbers(), [3]);
    let stale = answer(&mut desk, seq, &change);
    let (look, question) = person.asks(stale);
    let dropped = answer(&mut desk, look, &question);
    assert_eq!(person.ends(dropped), Outcome::Unknown);
}

/// CTL-ADMIN-4: a server that is behind does not have the configuration yet, and answers with its latest.
#[test]
fn an_earlier_configuration_decides_nothing() {
    let (mut desk, mut person) = (Desk::with(TEN, &[1]), Person::new(1));
    let (seq, change) = asked(&mut person, &mut desk, join(&[2]));
    let mut behind = Desk { controller: desk.controller.clone(), asked: 0 };
    let lost = answer(&mut desk, seq, &change);
    let stale = answer(&mut desk, seq, &change);
    assert_ne!(lost, stale);
    let (look, question) = person.asks(stale);
    let early = answer(&mut behind, look, &question);
    assert_eq!(person.step(early), []);
    assert_eq!(person.asks(Input::Retry), (look, question.clone()));
    let own = answer(&mut desk, look, &question);
    assert_eq!(person.ends(own), Outcome::Done { number: 2 });
}

/// CTL-ADMIN-5: an answer to an earlier call is none to this one.
#[test]
fn late_answers_are_dropped() {
    let (mut desk, mut person) = (Desk::new(TEN), Person::new(1));
    let (first, change) = asked(&mut person, &mut desk, join(&[1]));
    let done = answer(&mut desk, first, &change);
    person.ends(done.clone());
    asked(&mut person, &mut desk, join(&[2]));
    assert_eq!(person.step(done), []);
    assert!(person.admin.is_busy());
}

/// CTL-ADMIN-6.
#[test]
fn what_is_not_answered_is_sent_again() {
    let mut person = Person::new(1);
    let (seq, question) = person.asks(Input::Ask(join(&[1])));
    for attempt in 2..5 {
        let again = Effect::Send { seq, attempt, asked: question.clone() };
        assert_eq!(person.step(Input::Retry), [again]);
    }
    assert_eq!(Person::new(2).step(Input::Retry), [], "nothing is under way");
}
