//! A replicated key/value store that speaks the Redis protocol.

pub mod commands;
pub mod glob;
pub mod number;
pub mod resp;
pub mod slot;
