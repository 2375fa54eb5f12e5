//! Files that are not on this machine, as far as the engine can tell: it must do with them what it does with its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mapreduce::store::{Found, Local, Opened, Part};
use mapreduce::{
    Application, Blame, Durability, Error, Intermediate, Job, Location, Program, Store, Unwatched,
    Watch, run_map_from, run_reduce_from,
};

use crate::support::{Scratch, Setting, job, names, planned};

/// A bucket, of which the objects are files of a folder.
#[derive(Debug)]
struct Far(PathBuf);

impl Far {
    fn at(&self, at: &Location) -> Location {
        let Location::Object { bucket, key } = at else { panic!("{at} is asked of a bucket") };
        assert_eq!(bucket, "far");
        Location::Local(self.0.join(key))
    }
}

fn far(key: &str) -> Location {
    Location::parse(&format!("s3://far/{key}")).expect("a location")
}

impl Store for Far {
    fn reach(&self, _: &Location) -> Result<(), Error> {
        Ok(())
    }

    fn find(&self, word: &Location) -> Result<Vec<Found>, Error> {
        Local.find(&self.at(word))
    }

    fn open<'a>(
        &self,
        at: &Location,
        part: Part,
        watch: &'a dyn Watch,
    ) -> io::Result<Box<dyn Opened + 'a>> {
        Local.open(&self.at(at), part, watch)
    }

    fn put(&self, file: &Path, to: &Location, watch: &dyn Watch) -> Result<(), Error> {
        Local.put(file, &self.at(to), watch)
    }

    fn publish(
        &self,
        outputs: &[(Location, Location)],
        durability: Durability,
    ) -> Vec<Result<(), Error>> {
        let here = |(attempt, to): &(Location, Location)| (self.at(attempt), self.at(to));
        Local.publish(&outputs.iter().map(here).collect::<Vec<_>>(), durability)
    }

    fn create(&self, at: &Location, bytes: &[u8]) -> Result<bool, Error> {
        Local.create(&self.at(at), bytes)
    }

    fn read(&self, at: &Location) -> Result<Option<Vec<u8>>, Error> {
        Local.read(&self.at(at))
    }

    fn list(&self, below: &Location) -> Result<Vec<Location>, Error> {
        Local.list(&self.at(below))
    }

    fn remove(&self, files: &[Location]) -> Result<(), Error> {
        Local.remove(&files.iter().map(|at| self.at(at)).collect::<Vec<_>>())
    }

    fn try_out(&self, _: &Location) -> Result<(), Error> {
        Ok(())
    }
}

/// A job of which all files are far away.
struct Stage {
    scratch: Scratch,
    store: Far,
    job: Job,
    app: Box<dyn Application>,
}

const MAPS: usize = 20;

fn stage() -> Stage {
    let scratch = Scratch::new();
    let letter = |digit: u32| char::from(b'a' + (digit % 26) as u8);
    let word = |number: u32| [number, number / 26, number / 676].map(letter);
    let line = |number: u32| String::from_iter(word(number % 731)) + " x\n";
    let text: String = (0..4_000).map(line).collect();
    scratch.folder("far");
    let word = scratch.write("far/text", text);
    let store = Far(scratch.path("far"));
    let app = Program::built_in("indexer", &[]).load().expect("an application");
    // So little memory that a map task writes several runs.
    let limits = mapreduce::Limits { memory_bytes: 4 << 10, open_files: 3, ..Default::default() };
    let split_bytes = fs::metadata(&word).expect("the file").len() / MAPS as u64 + 1;
    let setting = Setting { reduces: 3, split_bytes, limits };
    let splits = planned(&*app, &[word], &setting).expect("a plan");
    assert_eq!(splits.len(), MAPS);
    let job = job(&scratch, splits, &setting);
    Stage { scratch, store, job, app }
}

impl Stage {
    /// Runs a map whose file is here or far away; what it has made is brought there too.
    fn map(&self, index: usize, is_far: bool) -> Intermediate {
        let mut task = self.job.map_task(index as u32, u32::from(is_far));
        if is_far {
            task.split.path = far("text");
        }
        let store: &dyn Store = if is_far { &self.store } else { &Local };
        let made = run_map_from(store, &task, &*self.app, &Unwatched).expect("a map");
        let path = made.file.path.local().expect("it is written here");
        if !is_far {
            return made.file;
        }
        let to = far(&format!("map-{index}"));
        self.store.put(path, &to, &Unwatched).expect("it is put");
        Intermediate { path: to, ..made.file }
    }

    fn reduce(&self, index: u32, inputs: &[Intermediate]) -> Result<Vec<u8>, Error> {
        let is_far = inputs[0].path.local().is_none();
        let store: &dyn Store = if is_far { &self.store } else { &Local };
        let task = self.job.reduce_task(index, u32::from(is_far), inputs.to_vec());
        let made = run_reduce_from(store, &task, &*self.app, &Unwatched)?;
        Ok(fs::read(made.path).expect("the output"))
    }
}

#[test]
fn what_is_far_away_gives_the_same() {
    let stage = stage();
    let [here, there] =
        [false, true].map(|far| (0..MAPS).map(|index| stage.map(index, far)).collect::<Vec<_>>());
    let before = names(&stage.job.folder);
    for index in 0..3 {
        let [here, there] = [&here, &there].map(|inputs| stage.reduce(index, inputs));
        let [here, there] = [here, there].map(|bytes| bytes.expect("an output"));
        assert!(!here.is_empty());
        assert_eq!(here, there, "reduce {index}");
    }
    let after = names(&stage.job.folder);
    assert_eq!(before.len() + 6, after.len(), "nothing but outputs is new: {after:?}");
}

/// Whatever has happened to a far file is told as the map's lost output, or makes no difference.
#[test]
fn a_far_file_that_is_damaged_or_gone_is_a_lost_output() {
    let stage = stage();
    let inputs: Vec<_> = (0..MAPS).map(|index| stage.map(index, true)).collect();
    let good = stage.reduce(1, &inputs).expect("an output");
    let path = stage.scratch.path("far/map-7");
    let whole = fs::read(&path).expect("the file");
    let lost = |what: &str| match stage.reduce(1, &inputs) {
        Ok(bytes) => assert_eq!(bytes, good, "{what}"),
        Err(error) => {
            assert_eq!(error.blame(), Blame::MapOutput { map: 7, attempt: 1 }, "{what}: {error}");
        }
    };
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, bytes).expect("it is written");
        lost(&format!("byte {at}"));
    }
    for length in (0..whole.len()).step_by(101) {
        fs::write(&path, &whole[..length]).expect("it is written");
        let error = stage.reduce(1, &inputs).expect_err("it is cut");
        assert_eq!(error.blame(), Blame::MapOutput { map: 7, attempt: 1 }, "{error}");
    }
    fs::remove_file(&path).expect("the file");
    let error = stage.reduce(1, &inputs).expect_err("it is gone");
    assert_eq!(error.blame(), Blame::MapOutput { map: 7, attempt: 1 }, "{error}");
    assert!(error.to_string().contains("s3://far/map-7"), "{error}");
}

#[test]
fn a_build_without_stores_says_so() {
    if cfg!(feature = "s3") {
        return;
    }
    let words = ["s3://far/text".to_owned()];
    let error = mapreduce::input::plan(&words, &Default::default()).expect_err("there is no store");
    assert!(error.to_string().contains("build with `--features s3`"), "{error}");
}
