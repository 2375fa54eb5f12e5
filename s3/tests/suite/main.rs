//! `quorate mr`, built with the feature `s3`, and a real S3 server: what users see of jobs that go well, of workers,
//! coordinators and servers that die, of bad input.

mod bad;
mod equal;
mod kills;
mod stage;
mod stores;
