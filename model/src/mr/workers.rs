//! What workers do, and what becomes of files.

use super::state::{File, Name, Run, State};
use super::{Corner, Mill, RECORD, Rules, Violation, counter};
use protocol::Machine as _;
use protocol::mr::{Act, AttemptId, Counters, Event, Input, Kind, Parting, TaskId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

impl<R: Rules> Mill<R> {
    /// A worker takes a step, and what it wants is done.
    pub(super) fn move_worker(&self, state: &mut State<R>, index: usize, event: Event<u8>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut out = Vec::new();
            let seat = Arc::make_mut(&mut state.seats[index]);
            let was_connected = seat.machine.is_connected();
            seat.machine.step(event, &mut out);
            for act in out {
                let seat = Arc::make_mut(&mut state.seats[index]);
                match act {
                    Act::Send(letter) => seat.up.push_back(letter),
                    Act::Start { attempt, inputs, skip } => {
                        seat.run = Some(Run { attempt, inputs, skip, maps: None });
                    }
                    Act::Stop(_) => (seat.run, seat.naming) = (None, None),
                    Act::Name(attempt) if self.bounds.torn => seat.naming = Some(attempt),
                    Act::Name(attempt) => {
                        self.name(state, attempt);
                        events.push_back(Event::Named(attempt));
                    }
                    Act::Delete(attempt) => {
                        let of = self.rules.file(attempt);
                        let files = Arc::make_mut(&mut state.files);
                        files.remove(&Name::Aside(of));
                        files.remove(&Name::Of(of));
                    }
                    Act::Arm | Act::Disarm => {}
                    Act::Leave(parting) => {
                        self.leave(state, &parting);
                        if was_connected {
                            self.part(state, index);
                        }
                    }
                }
            }
        }
    }

    /// MR-STAY-1. Nobody leaves before the end, but who is not wanted.
    fn leave(&self, state: &mut State<R>, parting: &Parting<u8>) {
        let may = match parting {
            Parting::Over(_) => state.history.over.is_some(),
            Parting::Refused(_) => self.bounds.stranger,
            Parting::Alone => state.coordinator.is_none(),
        };
        if !may {
            Arc::make_mut(&mut state.history).violate(Violation::LeftEarly);
        }
        match parting {
            Parting::Alone => self.corners.reach(Corner::Alone),
            Parting::Refused(_) => self.corners.reach(Corner::Refused),
            Parting::Over(_) => {}
        }
    }

    /// What a worker runs takes a step: it reads and writes half of its file, then the rest; or all at once.
    pub(super) fn work(&self, state: &mut State<R>, index: usize) {
        let Some(run) = state.seats[index].run.clone() else { return };
        let attempt = run.attempt;
        let target = match self.rules.writes_aside() {
            true => Name::Aside(self.rules.file(attempt)),
            false => Name::Of(self.rules.file(attempt)),
        };
        let end = |state: &mut State<R>, event| {
            Arc::make_mut(&mut state.seats[index]).run = None;
            self.move_worker(state, index, event);
        };
        let Some(maps) = run.maps.clone() else {
            if self.is_bad(attempt.task) && !run.skip.contains(&RECORD) {
                return end(state, Event::Failed(attempt, Some(RECORD), 0));
            }
            let maps = match self.read(state, &run) {
                Ok(maps) => maps,
                Err(output) => return end(state, Event::Unreadable(attempt, output)),
            };
            if self.bounds.torn {
                self.write(state, target, File { writer: attempt, whole: false, maps: [].into() });
                let seat = Arc::make_mut(&mut state.seats[index]);
                if let Some(run) = &mut seat.run {
                    run.maps = Some(maps);
                }
                return;
            }
            self.write(state, target, File { writer: attempt, whole: true, maps });
            return end(state, Event::Wrote(attempt, count_of(attempt)));
        };
        // Somebody else may have written there meanwhile.
        let whole = state.files.get(&target).is_some_and(|file| file.writer == attempt);
        self.write(state, target, File { writer: attempt, whole, maps });
        end(state, Event::Wrote(attempt, count_of(attempt)));
    }

    /// What an attempt reads. The error is the output that can't be read.
    fn read(&self, state: &State<R>, run: &Run) -> Result<BTreeMap<u32, BTreeSet<u64>>, AttemptId> {
        let TaskId { kind, index } = run.attempt.task;
        if kind == Kind::Map {
            return Ok([(index, (*run.skip).clone())].into());
        }
        let mut maps = BTreeMap::new();
        for (index, attempt) in (0..).zip(run.inputs.iter()) {
            let output = AttemptId { task: TaskId { kind: Kind::Map, index }, attempt: *attempt };
            // MR-READ-1.
            match state.files.get(&Name::Of(self.rules.file(output))) {
                Some(file) => maps.extend(file.maps.clone()),
                None if self.rules.reads_all() => return Err(output),
                None => {}
            }
        }
        Ok(maps)
    }

    /// A file's bytes. Under a name that is read all of them must be there.
    fn write(&self, state: &mut State<R>, name: Name, file: File) {
        if !file.whole && !matches!(name, Name::Aside(_)) {
            Arc::make_mut(&mut state.history).violate(Violation::HalfAFile);
        }
        Arc::make_mut(&mut state.files).insert(name, file);
    }

    /// A file that was written aside gets its name.
    pub(super) fn name(&self, state: &mut State<R>, attempt: AttemptId) {
        let of = self.rules.file(attempt);
        let file = Arc::make_mut(&mut state.files).remove(&Name::Aside(of));
        if let Some(file) = file {
            self.write(state, Name::Of(of), file);
        }
    }

    /// A reduce's file becomes its output; what the coordinator is told of that.
    pub(super) fn publish(&self, state: &mut State<R>, attempt: AttemptId) -> Input<u8> {
        state.publishing.remove(&attempt);
        let output = Name::Output(attempt.task.index);
        let of = Name::Of(self.rules.file(attempt));
        let file = Arc::make_mut(&mut state.files).remove(&of);
        let Some(file) = file else {
            return match state.files.contains_key(&output) {
                true => {
                    self.corners.reach(Corner::PublishedAgain);
                    Input::Published(attempt)
                }
                false => Input::NotPublished(attempt, 2),
            };
        };
        let history = Arc::make_mut(&mut state.history);
        if state.files.contains_key(&output) {
            history.violate(Violation::OutputChanged);
        }
        if file.whole && !self.is_right(&file) {
            history.violate(Violation::WrongOutput);
        }
        self.write(state, output, file);
        Input::Published(attempt)
    }

    /// Whether an output is that of a sequential run: each map once, without what nobody can read.
    fn is_right(&self, file: &File) -> bool {
        let maps = 0..u32::from(self.bounds.maps);
        let right = maps.map(|index| {
            let bad = self.is_bad(TaskId { kind: Kind::Map, index });
            (index, bad.then_some(RECORD).into_iter().collect())
        });
        file.maps == right.collect()
    }

    /// Whether no attempt of a task survives its record.
    pub(super) fn is_bad(&self, task: TaskId) -> bool {
        self.bounds.bad && task == TaskId { kind: Kind::Map, index: 0 }
    }
}

/// What an attempt counts: no other counts as much.
fn count_of(attempt: AttemptId) -> Counters {
    let mut counters = Counters::NONE;
    counters.add(counter(attempt.task), attempt.attempt.cast_signed());
    counters
}
