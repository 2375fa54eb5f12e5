//! What several tests need.

pub mod process;
pub mod suite;
