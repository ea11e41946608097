//! The binary `sealport`.

use std::{process::ExitCode, sync::Arc};

use sealport_core::{Code, Error};
use sealport_node::{call::Handle, cli, config::Config};

fn main() -> ExitCode {
    cli::main(open)
}

fn open(config: Config) -> Result<Arc<dyn Handle>, Error> {
    Err(Error::new(
        Code::Unavailable,
        format!("no process has the data directory {} open", config.data_dir.display()),
    )
    .hint("Start the Sealport window on it, then try again."))
}
