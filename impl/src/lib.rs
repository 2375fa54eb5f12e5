//! A replicated key/value store that speaks the Redis protocol.

pub mod glob;
pub mod number;
pub mod slot;
