//! Arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(gatehouse::cli::main(std::env::args_os()))
}
