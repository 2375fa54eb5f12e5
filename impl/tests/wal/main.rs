//! The write-ahead log under a disk that does its worst, and under every change of its bytes.

mod cases;
mod crashes;
mod sim;
