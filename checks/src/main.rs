//! `cargo run -p checks`: see README.md, or `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    checks::program::main()
}
