//! What several tests need.

#![allow(dead_code, unused_imports)]

pub mod process;
pub mod proxy;
pub mod suite;
