//! A folder with input, and commands that run there.

use crate::support::process::{Folder, PATIENCE, quorate, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Instant;

/// The folder of a test.
pub struct Stage(Folder);

/// Words of a small language.
const WORDS: [&str; 12] = [
    "sea", "whale", "Ahab", "ship", "tom", "river", "fog", "moor", "hound", "letter", "clock", "x",
];

/// So many lines of text, the same for the same number.
pub fn text(mut seed: u64, lines: usize) -> String {
    let mut out = String::new();
    for line in 0..lines {
        for _ in 0..9 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            let number = seed >> 40;
            out.push_str(WORDS[(number % 12) as usize]);
            out.push(if number.is_multiple_of(31) { ',' } else { ' ' });
        }
        out.push_str(&format!("{}\n", line % 97));
    }
    out
}

impl Stage {
    /// An empty one.
    pub fn new() -> Self {
        Self(Folder::new())
    }

    /// With the labs' eight files, smaller.
    pub fn with_books() -> Self {
        let stage = Self::new();
        let names = [
            "being_ernest",
            "dorian_gray",
            "frankenstein",
            "grimm",
            "huckleberry_finn",
            "metamorphosis",
            "sherlock_holmes",
            "tom_sawyer",
        ];
        for (number, name) in names.iter().enumerate() {
            stage.write(&format!("pg-{name}.txt"), text(number as u64 + 1, 300 + 40 * number));
        }
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// What is in a folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.flatten().map(name).collect();
        names.sort();
        names
    }

    /// The outputs, which are all that is in the folder.
    #[track_caller]
    pub fn outputs(&self, out: &str, reduces: usize) -> Vec<String> {
        let mut expected: Vec<_> = (0..reduces).map(|index| format!("mr-out-{index}")).collect();
        expected.sort();
        assert_eq!(self.names(out), expected, "nothing but the output is in {out}");
        (0..reduces).map(|index| self.read(&format!("{out}/mr-out-{index}"))).collect()
    }

    /// All lines of the outputs, sorted.
    #[track_caller]
    pub fn lines(&self, out: &str, reduces: usize) -> Vec<String> {
        let all = self.outputs(out, reduces).concat();
        let mut lines: Vec<_> = all.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Starts `quorate mr` with these words; `name` is what its output is kept under.
    pub fn start(&self, name: &str, words: &[&str]) -> Running {
        self.start_where(name, words, &[])
    }

    /// The same, with these variables in its environment.
    pub fn start_where(&self, name: &str, words: &[&str], set: &[(&str, &str)]) -> Running {
        let file = |kind: &str| File::create(self.path(&format!("{name}.{kind}"))).unwrap();
        let mut command = quorate();
        command.arg("mr").args(words).current_dir(self.path("")).envs(set.iter().copied());
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        self.running(name, child)
    }

    /// A process whose output is kept under this name.
    pub fn running(&self, name: &str, child: Child) -> Running {
        let [stdout, stderr] =
            ["stdout", "stderr"].map(|kind| self.path(&format!("{name}.{kind}")));
        Running { child, stdout, stderr }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Ended {
        self.start("run", words).end()
    }

    /// Runs it, and it ends well.
    #[track_caller]
    pub fn done(&self, words: &[&str]) -> Ended {
        let ended = self.run(words);
        assert!(ended.status.success(), "{ended:?}");
        ended
    }

    /// Runs a job in one process, for comparison.
    #[track_caller]
    pub fn sequential(&self, words: &[&str]) {
        self.done(&[&["run", "--sequential"], words].concat());
    }
}

/// A process.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a process has said, and how it has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

impl Running {
    /// What it has said so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = self.stderr();
            if said.contains(text) {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not say {text:?}: {said}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Where its coordinator listens.
    pub fn address(&self) -> String {
        let said = self.says("shows how far it is");
        let (_, behind) = said.split_once("--connect ").unwrap();
        behind.split_once('`').unwrap().0.to_owned()
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<Pid> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let threads = threads.into_iter().flatten().flatten();
        let lists = threads.map(|thread| read(&thread.path().join("children"))).collect::<String>();
        lists.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.stderr());
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        Ended { status, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Workers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process is gone.
#[track_caller]
pub fn gone(pid: Pid) {
    // A zombie that nobody waits for is as good as gone.
    wait_for("the end of a process", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
        state.unwrap_or(true).then_some(())
    });
}
