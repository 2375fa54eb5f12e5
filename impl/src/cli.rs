//! What a person types.

mod admin;
mod bench;
#[cfg(unix)]
mod lock;
#[cfg(unix)]
mod mr;
mod print;
mod prompt;
mod server;
mod status;
mod target;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A replicated key/value store that speaks the Redis protocol, and never lies.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Server(Box<server::Arguments>),
    Status(status::Arguments),
    Cli(prompt::Arguments),
    #[cfg(unix)]
    Lock(lock::Arguments),
    #[cfg(unix)]
    Mr(mr::Arguments),
    Bench(bench::Arguments),
    Admin(admin::Arguments),
}

/// Carries it out. What goes wrong is said on stderr.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Server(arguments) => server::run(*arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Cli(arguments) => prompt::run(arguments),
        #[cfg(unix)]
        Command::Lock(arguments) => return lock::run(arguments),
        #[cfg(unix)]
        Command::Mr(arguments) => mr::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Admin(arguments) => admin::run(arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quorate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever ends a command.
type Failed = Box<dyn std::error::Error + Send + Sync>;
