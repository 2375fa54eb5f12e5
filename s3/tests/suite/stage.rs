//! A server with a bucket, a folder, and commands that run there.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use s3::{ACCESS_KEY, SECRET_KEY, Server};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The bucket of a test.
pub const BUCKET: &str = "bucket";

/// The place of a test.
pub struct Stage {
    folder: PathBuf,
    pub server: Server,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits for something that happens by itself.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const WORDS: [&str; 8] = ["sea", "whale", "ship", "tom", "river", "fog", "moor", "letter"];

/// So many lines of text, the same for the same number.
pub fn text(mut seed: u64, lines: usize) -> String {
    let mut out = String::new();
    for line in 0..lines {
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            out.push_str(WORDS[(seed >> 61) as usize]);
            out.push(' ');
        }
        out.push_str(&format!("{}\n", line % 97));
    }
    out
}

impl Stage {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        for part in ["here", "tmp", "store/bucket"] {
            fs::create_dir_all(folder.join(part)).expect("the folder can be made");
        }
        let server = Server::start(&folder.join("store"), 0);
        Self { folder, server }
    }

    /// With texts in the bucket and the same here: plain, compressed, empty.
    pub fn with_texts() -> Self {
        let stage = Self::new();
        for number in 0..5 {
            stage.both(&format!("texts/{number}.txt"), text(number, 300).as_bytes());
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, text(9, 500).as_bytes()).expect("in memory");
        stage.both("texts/packed.txt", &packed.finish().expect("in memory"));
        stage.both("texts/empty.txt", b"");
        stage
    }

    /// A file of the commands' folder.
    pub fn here(&self, name: &str) -> PathBuf {
        self.folder.join("here").join(name)
    }

    /// An object of the bucket, as the server has it.
    pub fn object(&self, key: &str) -> PathBuf {
        self.folder.join("store").join(BUCKET).join(key)
    }

    pub fn write(&self, path: &Path, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
        fs::write(path, bytes).expect("it can be written");
    }

    /// Writes a file here, and an object of the same name.
    pub fn both(&self, name: &str, bytes: &[u8]) {
        self.write(&self.here(name), bytes);
        self.write(&self.object(name), bytes);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.here(name)).unwrap_or_default()
    }

    /// All objects below a key.
    pub fn keys(&self, below: &str) -> Vec<String> {
        let mut folders = vec![self.object(below)];
        let mut keys = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.object(below)).expect("it is below");
                    keys.push(name.to_string_lossy().into_owned());
                }
            }
        }
        keys.sort();
        keys
    }

    /// The outputs of a job, which are all that it has left.
    #[track_caller]
    pub fn outputs(&self, out: &str, reduces: usize) -> Vec<Vec<u8>> {
        let mut expected: Vec<_> = (0..reduces).map(|index| format!("mr-out-{index}")).collect();
        expected.sort();
        assert_eq!(self.keys(out), expected, "nothing but the output is below {out}");
        let scratch = fs::read_dir(self.folder.join("tmp")).expect("it is there").count();
        assert_eq!(scratch, 0, "nothing is left among the temporary files");
        let read = |index| fs::read(self.object(&format!("{out}/mr-out-{index}")));
        (0..reduces).map(|index| read(index).expect("an output")).collect()
    }

    /// All lines of the outputs, in order.
    #[track_caller]
    pub fn lines(&self, out: &str, reduces: usize) -> Vec<String> {
        let all = String::from_utf8(self.outputs(out, reduces).concat()).expect("text");
        let mut lines: Vec<_> = all.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The outputs of a job that has run here.
    pub fn outputs_here(&self, out: &str, reduces: usize) -> Vec<Vec<u8>> {
        let read = |index| fs::read(self.here(&format!("{out}/mr-out-{index}")));
        (0..reduces).map(|index| read(index).expect("an output")).collect()
    }

    /// A command of quorate's, as if on a machine of its own.
    pub fn command(&self, words: &[&str]) -> Command {
        let program = std::env::var("QUORATE").expect("QUORATE says where the program is");
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.server.address()));
        command.env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.env("TMPDIR", self.folder.join("tmp"));
        command.arg("mr").args(words).current_dir(self.here(""));
        command
    }

    /// Starts it; `name` is what its output is kept under.
    pub fn start_as(&self, name: &str, mut command: Command) -> Running {
        let [stdout, stderr] =
            ["stdout", "stderr"].map(|kind| self.folder.join(format!("{name}.{kind}")));
        let file = |path: &Path| File::create(path).expect("it can be made");
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let child = command.spawn().expect("the program can be started");
        Running { child, stdout, stderr }
    }

    pub fn start(&self, name: &str, words: &[&str]) -> Running {
        self.start_as(name, self.command(words))
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
        assert!(ended.status.success(), "{words:?}: {ended:?}");
        ended
    }

    /// Runs it, and it says why not.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], text: &str) {
        self.run(words).refuses(text);
    }

    /// What a coordinator says of its job.
    #[track_caller]
    pub fn status(&self, address: &str) -> serde_json::Value {
        let told = self.done(&["status", "--connect", address, "--json"]).stdout;
        serde_json::from_str(&told).expect("JSON")
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

impl Ended {
    #[track_caller]
    pub fn refuses(&self, text: &str) {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        assert!(self.stderr.contains(text), "it does not say {text:?}: {self:?}");
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Whether a process is gone, or waits for nothing but to be noticed.
fn has_ended(process: i32) -> bool {
    let stat = read(Path::new(&format!("/proc/{process}/stat")));
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

impl Running {
    /// Waits until it has said this.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        wait_for(text, || {
            let has_ended = has_ended(self.child.id() as i32);
            let said = read(&self.stderr);
            let says = said.contains(text);
            assert!(says || !has_ended, "it has ended: {said}");
            says.then_some(said)
        })
    }

    /// Where its coordinator listens.
    #[track_caller]
    pub fn address(&self) -> String {
        let said = self.says("shows how far it is");
        let (_, behind) = said.split_once("--connect ").expect("it says so");
        behind.split_once('`').expect("it says so").0.to_owned()
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<Pid> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let threads = threads.into_iter().flatten().flatten();
        let lists = threads.map(|thread| read(&thread.path().join("children"))).collect::<String>();
        lists.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a number"))).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Kills it, and waits until all that it has started are gone too.
    pub fn kill(self) {
        let children = self.children();
        self.signal(Signal::SIGKILL);
        drop(self);
        for child in children {
            wait_for("the end of a worker", || has_ended(child.as_raw()).then_some(()));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let status = wait_for("its end", || self.child.try_wait().expect("it is ours"));
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
