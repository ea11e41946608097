//! The binary `sealport`.

use std::{process::ExitCode, sync::Arc};

use sealport_core::Error;
use sealport_node::{call::Handle, cli, config::Config, engine::Engine};

fn main() -> ExitCode {
    cli::main(open)
}

fn open(config: Config) -> Result<Arc<dyn Handle>, Error> {
    Ok(Engine::shared(config)?)
}
