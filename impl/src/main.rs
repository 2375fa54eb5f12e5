//! The program `quorate`.
#![forbid(unsafe_code)]

#[cfg(not(quorate_loom))]
mod cli;

#[cfg(not(quorate_loom))]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    cli::run(cli::Arguments::parse())
}

/// loom's tests need what the threads share, and no program; cargo builds one beside every test.
#[cfg(quorate_loom)]
fn main() {}
