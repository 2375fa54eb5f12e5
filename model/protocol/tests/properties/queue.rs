//! `Queue` against a twin that notes with each thing how many writes were asked for before it.

use super::cases;
use proptest::prelude::*;
use protocol::queue::Queue;

#[derive(Clone, Debug)]
enum Step {
    Write,
    After(u8),
    Durable(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Write),
        4 => (0..4u8).prop_map(Step::After),
        2 => (0..4usize).prop_map(Step::Durable),
    ]
}

/// What waits, each with the number of writes that must be finished first.
#[derive(Default)]
struct Twin {
    asked: usize,
    finished: usize,
    waits: Vec<(usize, u8)>,
}

impl Twin {
    fn after(&mut self, thing: u8) -> Option<u8> {
        if self.asked == self.finished {
            return Some(thing);
        }
        if !self.waits.contains(&(self.asked, thing)) {
            self.waits.push((self.asked, thing));
        }
        None
    }

    fn durable(&mut self, count: usize) -> Vec<u8> {
        self.finished += count;
        let ready = |waiting: &(usize, u8)| waiting.0 <= self.finished;
        let released = self.waits.iter().filter(|waiting| ready(waiting)).map(|waiting| waiting.1);
        let released = released.collect();
        self.waits.retain(|waiting| waiting.0 > self.finished);
        released
    }
}

proptest! {
    #![proptest_config(cases(1024))]

    /// RAFT-DISK-1. What a write releases, in which order, and that nothing waits twice behind the same
    /// write.
    #[test]
    fn a_write_releases_what_waits_for_it(steps in prop::collection::vec(step(), 0..40)) {
        let (mut queue, mut twin) = (Queue::default(), Twin::default());
        for step in steps {
            match step {
                Step::Write => {
                    queue.write();
                    twin.asked += 1;
                }
                Step::After(thing) => prop_assert_eq!(queue.after(thing), twin.after(thing)),
                Step::Durable(count) => {
                    let count = count.min(queue.writes());
                    let mut released = vec![99];
                    queue.durable(count, &mut released);
                    let mut expected = vec![99];
                    expected.extend(twin.durable(count));
                    prop_assert_eq!(released, expected);
                }
            }
            prop_assert_eq!(queue.writes(), twin.asked - twin.finished);
        }
        // In the end the disk catches up, and nothing is left.
        let mut released = Vec::new();
        queue.durable(queue.writes(), &mut released);
        prop_assert_eq!(released, twin.durable(twin.asked - twin.finished));
        prop_assert_eq!(queue, Queue::default());
    }

    /// Finishing writes one by one releases the same, in the same order, as finishing them at once:
    /// one sync for many writes changes nothing but the time.
    #[test]
    fn group_commit_changes_no_order(steps in prop::collection::vec(step(), 0..40)) {
        let mut queue = Queue::default();
        for step in steps {
            match step {
                Step::Write => queue.write(),
                Step::After(thing) => _ = queue.after(thing),
                Step::Durable(_) => {}
            }
        }
        let (mut at_once, mut one_by_one) = (Vec::new(), Vec::new());
        let mut twin = queue.clone();
        twin.durable(twin.writes(), &mut at_once);
        while queue.writes() > 0 {
            queue.durable(1, &mut one_by_one);
        }
        prop_assert_eq!(at_once, one_by_one);
    }

    /// Renaming keeps what waits behind which write.
    #[test]
    fn renaming_keeps_the_stretches(steps in prop::collection::vec(step(), 0..40)) {
        let mut queue = Queue::default();
        for step in steps {
            match step {
                Step::Write => queue.write(),
                Step::After(thing) => _ = queue.after(thing),
                Step::Durable(_) => {}
            }
        }
        let mut renamed = queue.mapped(|thing| 9 - thing, |thing| *thing);
        prop_assert_eq!(renamed.writes(), queue.writes());
        while queue.writes() > 0 {
            let (mut here, mut there) = (Vec::new(), Vec::new());
            queue.durable(1, &mut here);
            renamed.durable(1, &mut there);
            let mut here: Vec<u8> = here.into_iter().map(|thing| 9 - thing).collect();
            here.sort_unstable();
            prop_assert_eq!(here, there);
        }
    }
}

#[test]
#[should_panic(expected = "the disk finishes only what was asked of it")]
fn a_disk_that_finishes_too_much_is_refused() {
    let mut queue: Queue<u8> = Queue::default();
    queue.write();
    queue.durable(2, &mut Vec::new());
}
