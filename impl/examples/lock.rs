//! Two workers write to one file, one at a time, and the file turns late writes away.
//!
//! ```text
//! quorate server --dir d &
//! cargo run --example lock -- 127.0.0.1:7400
//! ```

use quorate::client::{Address, Clerk, Lock, LockError, Options, Version};
use std::time::Duration;

/// Stands for what the lock guards: a file, a device, another service.
#[derive(Debug, Default)]
pub struct Guarded {
    greatest: Version,
    /// Who wrote, and with which fencing version.
    pub written: Vec<(String, Version)>,
}

impl Guarded {
    /// A holder whose fencing version is less than one that was seen is late: somebody else has the lock.
    pub fn write(&mut self, who: &str, fence: Version) -> bool {
        if fence < self.greatest {
            return false;
        }
        self.greatest = fence;
        self.written.push((who.into(), fence));
        true
    }
}

/// Writes once while holding the lock.
pub fn work(who: &str, addresses: &[Address], guarded: &mut Guarded) -> Result<bool, LockError> {
    let clerk = Clerk::connect(addresses, Options::default())?;
    let mut lock = Lock::with_ttl(clerk, "example:lock", Duration::from_secs(10))?;
    let fence = lock.acquire()?;
    // Work that takes long renews the lock by `lock.renew_at()`.
    let written = guarded.write(who, fence);
    lock.release()?;
    Ok(written)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Result<Vec<Address>, _> =
        std::env::args().skip(1).map(|text| text.parse::<Address>()).collect();
    let addresses = addresses?;
    let mut guarded = Guarded::default();
    for who in ["one", "other", "one"] {
        work(who, &addresses, &mut guarded)?;
    }
    for (who, fence) in &guarded.written {
        println!("{who} wrote with fencing version {fence}");
    }
    Ok(())
}
