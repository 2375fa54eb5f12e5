//! On files of this machine, which are as good as objects here: one can be made where there is none, or not.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

use super::*;
use crate::mr::journal::Journal;
use mapreduce::Program;
use mapreduce::store::Local;
use protocol::mr::Record;
use std::fs;
use std::path::PathBuf;

struct Stage(PathBuf);

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quorate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("text"), "a\n").unwrap();
        Self(path)
    }

    fn dir(&self) -> Location {
        self.0.join("out").into()
    }

    fn asked(&self, reduces: u32) -> Asked {
        let inputs = vec![self.0.join("text").to_str().unwrap().to_owned()];
        Asked { program: Program::built_in("wc", &[]), inputs, reduces, split_bytes: 100 }
    }

    fn claim(&self, reduces: u32) -> Result<Claim, Error> {
        claim(Arc::new(Local), &self.dir(), &self.asked(reduces), &mut std::io::empty())
    }

    fn refused(&self, reduces: u32) -> String {
        self.claim(reduces).expect_err("it is refused").to_string()
    }

    /// All files in the directory.
    fn files(&self) -> Vec<String> {
        let front = self.dir().join("").to_string();
        let found = Local.list(&self.dir()).unwrap();
        found.iter().map(|at| at.to_string().replace(&front, "")).collect()
    }
}

fn began(life: u32) -> Record<String> {
    Record::Began { life, job: 1, maps: 1, reduces: 1, again: false }
}

#[test]
fn one_job_begins_and_the_same_goes_on() {
    let stage = Stage::new("prefix-one");
    let first = stage.claim(2).unwrap();
    assert!(!first.is_resumed());
    let again = stage.claim(2).unwrap();
    assert!(again.is_resumed() && again.job == first.job && again.work == first.work);
    assert!(stage.refused(3).contains("begun with --reduces 2"));
    fs::write(stage.0.join("text"), "a\nb\n").unwrap();
    assert!(stage.refused(2).contains("text was changed"));
}

#[test]
fn when_it_is_over_nothing_is_left_and_its_outputs_are_in_the_way() {
    let stage = Stage::new("prefix-over");
    let claim = stage.claim(2).unwrap();
    let (mut journal, _) = Journal::open_at(&claim).unwrap();
    journal.add(&began(1));
    journal.sync().unwrap();
    Local.create(&stage.dir().join("mr-out-1"), b"x").unwrap();
    assert!(stage.claim(2).is_ok(), "its own outputs are not in the way");
    clear(&*claim.store, &claim.dir, &claim.work).unwrap();
    assert_eq!(stage.files(), ["mr-out-1"]);
    assert!(stage.refused(2).contains("holds mr-out-1"));
    fs::remove_file(stage.0.join("out/mr-out-1")).unwrap();
    assert!(!stage.claim(2).unwrap().is_resumed());
}

/// Whichever of its steps was the last: whoever looks next finishes it.
#[test]
fn who_dies_while_it_clears_is_followed_by_the_next() {
    for steps in 0..4 {
        let stage = Stage::new(&format!("prefix-dies-{steps}"));
        let Claim { dir, work, store, .. } = stage.claim(1).unwrap();
        store.create(&work.join("whole/1/map-0-1"), b"x").unwrap();
        let all: [&dyn Fn() -> Result<(), Error>; 3] = [
            &|| store.create(&work.with_suffix(OVER), b"over").map(drop).map_err(Error::from),
            &|| remove_below(&*store, &work),
            &|| Ok(store.remove(&[Job::of(&dir.join(HIDDEN))])?),
        ];
        all.iter().take(steps).for_each(|step| step().unwrap());
        let next = stage.claim(1).unwrap();
        assert_eq!(next.is_resumed(), steps == 0, "after {steps} steps");
        let mut expected = vec![".quorate-mr/job".to_owned()];
        if steps == 0 {
            let work = work.to_string().replace(&dir.join("").to_string(), "");
            expected.insert(0, format!("{work}/whole/1/map-0-1"));
        }
        assert_eq!(stage.files(), expected, "after {steps} steps");
    }
}

#[test]
fn what_is_not_the_jobs_is_in_its_way() {
    let stage = Stage::new("prefix-other");
    Local.create(&stage.dir().join("letter"), b"dear").unwrap();
    assert!(stage.refused(1).contains("holds letter"));
    assert_eq!(stage.files(), ["letter"], "nothing was made");
    fs::remove_file(stage.0.join("out/letter")).unwrap();
    let claim = stage.claim(1).unwrap();
    Local.create(&stage.dir().join("mr-out-1"), b"").unwrap();
    assert!(stage.refused(1).contains("holds mr-out-1"), "it has one output, number 0");
    drop(claim);
}
