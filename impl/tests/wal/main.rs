//! The write-ahead log under a disk that does its worst, and under every change of its bytes.

mod bugs;
mod cases;
mod crashes;
mod damage;
mod folder;
mod format;
mod refusals;
mod segments;
mod sim;
