//! Measures the data engine of `quorate mr` without the rest of it: threads instead of workers, no coordinator.
//!
//! ```text
//! mapreduce-benches text BYTES FILE            makes text: words of a Zipf-like distribution
//! mapreduce-benches lines BYTES FILE           makes lines of 100 bytes with random keys
//! mapreduce-benches wc WORKERS FILE OUT        word count by the engine
//! mapreduce-benches limit WORKERS FILE OUT     word count by 40 lines of rayon: the physical limit
//! mapreduce-benches sort WORKERS MB FILE OUT   sort by the engine, with so much memory in all
//! mapreduce-benches cat WORKERS FILE OUT       cat as mapper and reducer: streaming's own cost
//! ```
//!
//! All print seconds. OUT is a folder that is made anew, beside which the job's own files are.

mod generate;
mod limit;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mapreduce::apps::Program;
use mapreduce::input::{PlanOptions, plan};
use mapreduce::streaming::Streaming;
use mapreduce::{
    Application, Durability, Job, Limits, MapOutput, Unwatched, output_path, prepare_output,
    publish, run_map, run_reduce,
};

type Done = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Done {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let begun = Instant::now();
    match words[..] {
        ["text", bytes, file] => generate::text(bytes.parse()?, Path::new(file))?,
        ["lines", bytes, file] => generate::lines(bytes.parse()?, Path::new(file))?,
        ["limit", workers, file, out] => limit::word_count(workers.parse()?, file, Path::new(out))?,
        ["wc", workers, file, out] => run(Program::built_in("wc", &[]), workers, 256, file, out)?,
        ["sort", workers, mb, file, out] => {
            run(Program::built_in("sort", &[]), workers, mb.parse()?, file, out)?;
        }
        ["cat", workers, file, out] => {
            let cat = || Some("cat".to_owned());
            let streaming = Streaming { mapper: cat(), reducer: cat(), ..Streaming::default() };
            run(Program::Streaming(streaming), workers, 256, file, out)?;
        }
        _ => return Err("see the top of benches/mapreduce/src/main.rs".into()),
    }
    println!("{:.3}", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a job on threads that share nothing: worker w has the tasks w, w + workers, …
fn run(mut program: Program, workers: &str, memory_mb: usize, file: &str, out: &str) -> Done {
    let workers: usize = workers.parse()?;
    let reduces = workers as u32 * 2;
    let memory_bytes = (memory_mb << 20) / workers;
    let app = program.load()?;
    // What is read fits into the memory, so that it is sorted once and not spilled before.
    let split_bytes = (memory_bytes as u64 * 5 / 8).min(64 << 20);
    let options = PlanOptions { split_bytes, form: app.form(), stdin: None };
    let splits = plan(&[file.to_owned()], &options)?;
    program.prepare(&splits, reduces)?;
    let app = program.load()?;
    let out = PathBuf::from(out);
    prepare_output(&out)?;
    let folder = out.with_extension("work");
    prepare_output(&folder)?;
    let limits = Limits { memory_bytes, ..Limits::default() };
    let name = "bench".to_owned();
    let job = Job { name, splits, reduces, folder, out, limits, debug_intermediate: false };
    let begun = Instant::now();
    let outputs = shared(workers, job.splits.len(), |index| {
        Ok(run_map(&job.map_task(index, 0), &*app, &Unwatched)?)
    })?;
    let mapped = begun.elapsed();
    let inputs: Vec<_> = outputs.iter().map(|output: &MapOutput| output.file.clone()).collect();
    shared(workers, reduces as usize, |index| {
        let task = job.reduce_task(index, 0, inputs.clone());
        let output = run_reduce(&task, &*app as &dyn Application, &Unwatched)?;
        Ok(publish(&output.path, &output_path(&job.out, index), Durability::Process)?)
    })?;
    let spills: u64 = outputs.iter().map(|output| output.counters.spills).sum();
    eprintln!(
        "{} maps in {:.3} s ({spills} spills), {reduces} reduces in {:.3} s",
        inputs.len(),
        mapped.as_secs_f64(),
        (begun.elapsed() - mapped).as_secs_f64()
    );
    fs::remove_dir_all(&job.folder)?;
    Ok(())
}

/// Runs `count` tasks on threads, and collects what they give, in order.
fn shared<T: Send>(
    workers: usize,
    count: usize,
    task: impl Fn(u32) -> Result<T, Box<dyn Error + Send + Sync>> + Sync,
) -> Result<Vec<T>, Box<dyn Error + Send + Sync>> {
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let task = &task;
    std::thread::scope(|scope| {
        let work = |worker: usize| {
            let tasks = (worker..count).step_by(workers);
            let one = |index| task(index as u32).map(|result| (index, result));
            tasks.map(one).collect::<Result<Vec<_>, _>>()
        };
        let threads: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        for thread in threads {
            for (index, result) in thread.join().map_err(|_| "a worker panicked")?? {
                results[index] = Some(result);
            }
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })?;
    Ok(results.into_iter().flatten().collect())
}
