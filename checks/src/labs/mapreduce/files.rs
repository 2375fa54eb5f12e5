//! The shared folder, in memory: files by their names, and half of what is being written.

use super::apps::Pair;
use super::judge::{Judge, WHOLE};
use protocol::mr::AttemptId;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How a file is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Name {
    /// An attempt writes it aside.
    Aside(AttemptId),
    /// It is an attempt's.
    Of(AttemptId),
    /// It is the output of a reduce.
    Output(u32),
}

/// What is in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Somebody writes it, or has died over it.
    Half,
    /// A map's: pairs by partition.
    Parts(Rc<Vec<Vec<Pair>>>),
    /// A reduce's.
    Lines(Rc<Vec<u8>>),
}

#[derive(Clone, Debug)]
struct File {
    writer: AttemptId,
    content: Content,
}

/// The folder.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<Name, File>);

impl Files {
    /// What is in a file.
    pub(super) fn content(&self, name: Name) -> Option<&Content> {
        self.0.get(&name).map(|file| &file.content)
    }

    /// Who has written a file.
    pub(super) fn writer(&self, name: Name) -> Option<AttemptId> {
        self.0.get(&name).map(|file| file.writer)
    }

    /// An attempt writes. Under a name that is read all of it must be there.
    pub(super) fn write(
        &mut self,
        name: Name,
        writer: AttemptId,
        content: Content,
        judge: &mut Judge,
    ) {
        if content == Content::Half && !matches!(name, Name::Aside(_)) {
            judge.violate(WHOLE, format!("{name:?} is seen in part, of {writer:?}"));
        }
        self.0.insert(name, File { writer, content });
    }

    /// A file gets another name, in one step. Whether there was one.
    pub(super) fn rename(&mut self, from: Name, to: Name, judge: &mut Judge) -> bool {
        let Some(File { writer, content }) = self.0.remove(&from) else { return false };
        self.write(to, writer, content, judge);
        true
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, name: Name) -> bool {
        self.0.remove(&name).is_some()
    }

    /// The outputs that can be seen.
    pub(super) fn outputs(&self) -> BTreeMap<u32, Rc<Vec<u8>>> {
        let output = |(name, file): (&Name, &File)| match (name, &file.content) {
            (Name::Output(index), Content::Lines(lines)) => Some((*index, Rc::clone(lines))),
            (Name::Output(index), _) => Some((*index, Rc::default())),
            _ => None,
        };
        self.0.iter().filter_map(output).collect()
    }

    /// The maps' files that are there, by their attempts.
    pub(super) fn of_maps(&self) -> Vec<AttemptId> {
        let whole = |(name, file): (&Name, &File)| match (name, &file.content) {
            (Name::Of(_), Content::Parts(_)) => Some(file.writer),
            _ => None,
        };
        self.0.iter().filter_map(whole).collect()
    }
}
