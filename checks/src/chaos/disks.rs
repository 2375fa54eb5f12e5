//! Disks that are full, stand still, or are slow.
//!
//! Where this program may mount file systems (inside its own namespaces, so they go with it), one node's folder lies
//! on a small one in memory, which a file can fill; another's on one in a file, which the kernel can freeze: every
//! write to it waits until it is thawed. Whoever freezes also thaws, even if this program is killed meanwhile. Where
//! strace may attach to a process, one node's syncs take longer. What any user can do is to keep the disk that all the
//! others share busy with synced writes. Left out: a disk that fails or lies; the tests of the log and the simulator
//! have those.

use super::network::run;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A file system of a node's own, in MiB.
const SIZE: u64 = 64;
/// What is written at once.
const BLOCK: usize = 1 << 20;

/// A file system that this program has mounted.
#[derive(Debug)]
pub struct Mounted {
    /// Where.
    pub place: PathBuf,
    image: Option<PathBuf>,
}

impl Mounted {
    /// A file system in memory.
    ///
    /// # Errors
    /// If that is not allowed.
    pub fn in_memory(place: &Path) -> Result<Self, String> {
        make(place)?;
        let size = format!("size={SIZE}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "none", &place.to_string_lossy()])?;
        Ok(Self { place: place.into(), image: None })
    }

    /// A file system in a file.
    ///
    /// # Errors
    /// If that is not allowed, or a program for it is missing.
    pub fn in_file(place: &Path) -> Result<Self, String> {
        make(place)?;
        let image = place.with_extension("image");
        let sized = File::create(&image).and_then(|file| file.set_len(SIZE << 20));
        sized.map_err(|error| format!("can't write {}: {error}", image.display()))?;
        let (file, folder) = (image.to_string_lossy(), place.to_string_lossy());
        run("mkfs.ext4", &["-q", "-F", &file])?;
        run("mount", &["-o", "loop", &file, &folder])?;
        let new = Self { place: place.into(), image: Some(image.clone()) };
        // That it can be frozen is tried while nobody depends on it.
        let mut freezer = new.freeze(Duration::ZERO)?;
        match freezer.wait() {
            Ok(status) if status.success() => Ok(new),
            _ => Err(format!("can't freeze the file system at {}", place.display())),
        }
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Writes until there is no more room.
    pub fn fill(&self) {
        let Ok(mut file) = File::create(self.filler()) else { return };
        let mut length = BLOCK;
        while length > 0 {
            // The last bytes too: smaller pieces when a larger one finds no room.
            while file.write_all(&vec![0; length]).is_ok() {}
            length /= 4;
        }
    }

    /// Gives the room back.
    pub fn empty(&self) {
        let _ = std::fs::remove_file(self.filler());
    }

    /// Freezes the file system for so long. Wait for the process that does it.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn freeze(&self, time: Duration) -> Result<Child, String> {
        const SCRIPT: &str =
            "trap '' INT TERM HUP; fsfreeze -f \"$0\" || exit 1; sleep \"$1\"; fsfreeze -u \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(&self.place).arg(format!("{:.3}", time.as_secs_f64()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().map_err(|error| format!("can't run fsfreeze: {error}"))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A process that was killed lets its files go a moment later.
        for _ in 0..100 {
            match run("umount", &[&self.place.to_string_lossy()]) {
                Ok(_) => break,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        self.image.iter().for_each(|image| {
            let _ = std::fs::remove_file(image);
        });
    }
}

fn make(place: &Path) -> Result<(), String> {
    std::fs::create_dir_all(place)
        .map_err(|error| format!("can't make {}: {error}", place.display()))
}

/// Somebody who makes each sync of a process take longer. The process goes on as before when this ends, by whatever.
#[derive(Debug)]
pub struct Drag {
    tracer: Child,
    /// What it says: kept, for whoever writes where nobody can read is ended.
    told: BufReader<ChildStderr>,
}

impl Drag {
    /// Begins.
    ///
    /// # Errors
    /// If strace can't be started, or may not attach to the process.
    pub fn begin(pid: u32, longer: Duration) -> Result<Self, String> {
        let inject = format!("inject=fsync,fdatasync:delay_enter={}", longer.as_micros());
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        command.args(["-e", "trace=fsync,fdatasync", "-e", &inject]).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut tracer = command.spawn().map_err(|error| format!("can't run strace: {error}"))?;
        let told = tracer.stderr.take().expect("it is piped");
        // It says that it has attached, or why it has not.
        let (mut drag, mut line) = (Self { tracer, told: BufReader::new(told) }, String::new());
        let _ = drag.told.read_line(&mut line);
        if line.contains("attached") { Ok(drag) } else { Err(format!("strace: {}", line.trim())) }
    }

    /// Whether it can be had here: tried on a process that does nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn try_out() -> Result<(), String> {
        let mut sleep = Command::new("sleep");
        sleep.arg("60").stdin(Stdio::null());
        let mut sleeper = sleep.spawn().map_err(|error| format!("can't run sleep: {error}"))?;
        let tried = Self::begin(sleeper.id(), Duration::from_micros(1)).map(drop);
        let _ = sleeper.kill();
        let _ = sleeper.wait();
        tried
    }
}

impl Drop for Drag {
    fn drop(&mut self) {
        // The kernel lets the process go when its tracer is no more.
        let _ = self.tracer.kill();
        let _ = self.tracer.wait();
    }
}

/// Somebody who writes and syncs all the time.
#[derive(Debug)]
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    file: PathBuf,
}

impl Busy {
    /// Begins, with a file in this folder.
    pub fn begin(folder: &Path) -> Self {
        let (stop, file) = (Arc::new(AtomicBool::new(false)), folder.join("busy"));
        let (asked, path) = (Arc::clone(&stop), file.clone());
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                let Ok(mut file) = File::create(&path) else { return };
                for _ in 0..8 {
                    let written = file.write_all(&vec![0xa5; BLOCK]).and_then(|()| file.sync_all());
                    if written.is_err() || asked.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        });
        Self { stop, thread: Some(thread), file }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
        let _ = std::fs::remove_file(&self.file);
    }
}
