//! A program that counts its own runs, exactly once each, and keeps a document that several may edit.
//!
//! ```text
//! quorate server --dir d &
//! cargo run --example clerk -- 127.0.0.1:7400
//! ```

use quorate::client::{Address, Clerk, Error, Options, Put};

/// Adds a line to the document, whoever else does so at the same time.
fn add_line(clerk: &mut Clerk, line: &str) -> Result<u64, Error> {
    loop {
        let (mut text, version) = match clerk.get("document")? {
            Some(value) => (value.bytes, value.version),
            None => (Vec::new(), 0),
        };
        // After a Maybe the line may be there already.
        if text.split(|byte| *byte == b'\n').any(|there| there == line.as_bytes()) {
            return Ok(version);
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        match clerk.put("document", &text, version)? {
            Put::Written(version) => return Ok(version),
            // Another was faster, or the answer was lost: look again.
            Put::VersionMismatch | Put::NoKey | Put::Maybe => {}
        }
    }
}

/// Counts this run and adds its line. Which run it was.
pub fn run(addresses: &[Address]) -> Result<i64, Error> {
    let mut clerk = Clerk::connect(addresses, Options::default())?;
    // Counted once, even if the answer is lost and the request is sent again.
    let run = clerk.increment("runs", 1)?;
    add_line(&mut clerk, &format!("run {run}"))?;
    Ok(run)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Result<Vec<Address>, Error> =
        std::env::args().skip(1).map(|text| text.parse()).collect();
    println!("this is run {}", run(&addresses?)?);
    Ok(())
}
