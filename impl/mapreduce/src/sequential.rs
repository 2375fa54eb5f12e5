//! A job's tasks, and all of them one after the other in the calling thread.
//!
//! For debugging an application, and for jobs that are not worth a second process. The result is that of any other
//! way to run the job, byte for byte.

use std::fs;
use std::path::PathBuf;

use crate::app::Application;
use crate::counters::Counters;
use crate::error::{Error, storage};
use crate::files::{Durability, publish};
use crate::input::Split;
use crate::map::run_map_from;
use crate::reduce::run_reduce;
use crate::store::Stores;
use crate::task::{Intermediate, Limits, MapTask, Place, ReduceTask, Watch, output_path};

/// What is the same for all tasks of a job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// What its map tasks read: [`crate::input::plan()`].
    pub splits: Vec<Split>,
    /// How many reduce tasks it has.
    pub reduces: u32,
    /// Where intermediate files and attempts' outputs are. It must exist, on the file system of `out`.
    pub folder: PathBuf,
    /// Where the output is seen. It must exist: [`crate::prepare_output`].
    pub out: PathBuf,
    /// What an attempt may use.
    pub limits: Limits,
    /// Whether intermediate files are written as JSON lines too.
    pub debug_intermediate: bool,
}

impl Job {
    fn place(&self, index: u32, attempt: u32) -> Place {
        let (job, maps) = (self.name.clone(), self.splits.len() as u32);
        Place { job, index, attempt, maps, reduces: self.reduces }
    }

    /// An attempt of a map task, `index` less than the number of splits.
    pub fn map_task(&self, index: u32, attempt: u32) -> MapTask {
        MapTask {
            place: self.place(index, attempt),
            split: self.splits[index as usize].clone(),
            folder: self.folder.clone(),
            limits: self.limits,
            skip: Vec::new(),
            debug_intermediate: self.debug_intermediate,
        }
    }

    /// An attempt of a reduce task over one intermediate file of each map task.
    pub fn reduce_task(&self, index: u32, attempt: u32, inputs: Vec<Intermediate>) -> ReduceTask {
        ReduceTask {
            place: self.place(index, attempt),
            inputs,
            folder: self.folder.clone(),
            limits: self.limits,
            skip: Vec::new(),
        }
    }
}

/// What the tasks of a job counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All map tasks together.
    pub map: Counters,
    /// All reduce tasks together.
    pub reduce: Counters,
}

/// Runs a job in the calling thread. Its intermediate files are gone afterwards.
///
/// # Errors
/// The first error of a task. There is no second attempt: whoever debugs wants to see the first failure.
pub fn run_sequential(
    job: &Job,
    app: &dyn Application,
    watch: &dyn Watch,
) -> Result<Totals, Error> {
    let mut inputs = Vec::new();
    let done = run_tasks(job, app, watch, &mut inputs);
    let mut removed = Ok(());
    for input in inputs {
        let Some(path) = input.path.local() else { continue };
        removed = removed.and(fs::remove_file(path).map_err(storage("remove", path)));
    }
    done.and_then(|totals| removed.map(|()| totals))
}

fn run_tasks(
    job: &Job,
    app: &dyn Application,
    watch: &dyn Watch,
    inputs: &mut Vec<Intermediate>,
) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut stores = Stores::default();
    for index in 0..job.splits.len() as u32 {
        let task = job.map_task(index, 0);
        let output = run_map_from(&*stores.of(&task.split.path)?, &task, app, watch)?;
        totals.map.merge(&output.counters);
        inputs.push(output.file);
    }
    for index in 0..job.reduces {
        let output = run_reduce(&job.reduce_task(index, 0, inputs.clone()), app, watch)?;
        totals.reduce.merge(&output.counters);
        publish(&output.path, &output_path(&job.out, index), Durability::Process)?;
    }
    Ok(totals)
}
