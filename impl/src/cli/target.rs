//! Which servers a command asks, and how long it waits for them.

use super::Failed;
use quorate::client::{Address, Options};
use std::path::PathBuf;
use std::time::Duration;

/// What every command that asks a server takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// A server; or several of one cluster, with commas
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:7400",
        env = "QUORATE_ADDR"
    )]
    addr: Vec<Address>,
    /// The file with the server's password
    #[arg(long, value_name = "FILE", env = "QUORATE_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// How long an answer is waited for
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

impl Target {
    /// The servers.
    pub fn addresses(&self) -> &[Address] {
        &self.addr
    }

    /// The times to wait and the password.
    pub fn options(&self) -> Result<Options, Failed> {
        let answer = Duration::from_millis(self.timeout_ms);
        let defaults = Options::default();
        let password = self.password_file.as_ref().map(|path| {
            let mut bytes = std::fs::read(path).map_err(|error| {
                format!(
                    "can't read {}: {error}. Name a file that this user may read",
                    path.display()
                )
            })?;
            while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                bytes.pop();
            }
            Ok::<_, Failed>(bytes)
        });
        Ok(Options {
            connect: defaults.connect.min(answer),
            answer,
            password: password.transpose()?,
            ..defaults
        })
    }
}
