//! Folders, jobs and watchers for the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use mapreduce::input::{PlanOptions, plan};
use mapreduce::{Application, Error, Job, Limits, Split, Totals, Watch, output_path, reference};

/// A folder that is gone afterwards.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mapreduce-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the tests' folder can be written");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("the tests' folder can be written");
        path.to_str().expect("UTF-8").to_owned()
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("the tests' folder can be written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// How a job is run.
#[derive(Clone, Debug)]
pub struct Setting {
    pub reduces: u32,
    pub split_bytes: u64,
    pub limits: Limits,
}

impl Default for Setting {
    fn default() -> Self {
        Self { reduces: 3, split_bytes: 1 << 20, limits: Limits::default() }
    }
}

pub fn job(scratch: &Scratch, splits: Vec<Split>, setting: &Setting) -> Job {
    Job {
        name: "test".to_owned(),
        splits,
        reduces: setting.reduces,
        folder: scratch.folder("work"),
        out: scratch.folder("out"),
        limits: setting.limits,
        debug_intermediate: false,
    }
}

pub fn planned(
    app: &dyn Application,
    words: &[String],
    setting: &Setting,
) -> Result<Vec<Split>, Error> {
    let options = PlanOptions { split_bytes: setting.split_bytes, form: app.form(), stdin: None };
    plan(words, &options)
}

/// Runs a job over files and reads its output. Nothing else may be left, whether it succeeds or not.
pub fn run(
    app: &dyn Application,
    texts: &[(&str, &[u8])],
    setting: &Setting,
    watch: &dyn Watch,
) -> Result<(Vec<Vec<u8>>, Totals), Error> {
    let scratch = Scratch::new();
    let words: Vec<_> = texts.iter().map(|(name, text)| scratch.write(name, text)).collect();
    let mut splits = planned(app, &words, setting)?;
    for split in &mut splits {
        // The folder's name is no part of what is expected.
        split.name = split.name.rsplit('/').next().expect("a name").to_owned();
    }
    let job = job(&scratch, splits, setting);
    let done = mapreduce::run_sequential(&job, app, watch);
    assert_eq!(names(&job.folder), [""; 0], "nothing is left of {done:?}");
    let totals = done?;
    let expected: Vec<_> = (0..setting.reduces).map(|reduce| format!("mr-out-{reduce}")).collect();
    let mut sorted = expected;
    sorted.sort();
    assert_eq!(names(&job.out), sorted);
    let read = |reduce| fs::read(output_path(&job.out, reduce)).expect("an output");
    Ok(((0..setting.reduces).map(read).collect(), totals))
}

/// Runs a job and compares it with the reference.
pub fn compare(app: &dyn Application, texts: &[(&str, &[u8])], setting: &Setting) -> Totals {
    let expected = reference::run(app, texts, setting.reduces).expect("the reference runs");
    let (output, totals) = run(app, texts, setting, &mapreduce::Unwatched).expect("the job runs");
    for (reduce, (output, expected)) in output.iter().zip(&expected).enumerate() {
        assert_eq!(
            String::from_utf8_lossy(output),
            String::from_utf8_lossy(expected),
            "output {reduce} with {setting:?}"
        );
        assert_eq!(output, expected);
    }
    totals
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Witness {
    pub record: AtomicU64,
    pub most_held: AtomicI64,
    pub done: AtomicU64,
    pub total: AtomicU64,
    /// Calls off when it has been asked so often; 0 never does.
    pub patience: u64,
    pub asked: AtomicU64,
    pub said: Mutex<Vec<String>>,
}

impl Witness {
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panics with the lock").clone()
    }

    fn look(&self) {
        self.most_held.fetch_max(counting::held_bytes(), Ordering::Relaxed);
    }
}

impl Watch for Witness {
    fn cancelled(&self) -> bool {
        self.look();
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.patience > 0 && asked >= self.patience
    }

    fn progress(&self, done: u64, total: u64) {
        self.look();
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn record(&self, number: u64) {
        self.look();
        self.record.store(number, Ordering::Relaxed);
    }

    fn status(&self, text: &str) {
        self.said.lock().expect("nobody panics with the lock").push(format!("status {text}"));
    }

    fn log(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        self.said.lock().expect("nobody panics with the lock").push(line);
    }
}
