//! The service of one data directory: the local socket, the network, and the following of a master. The command `serve` and
//! the desktop run the same one.

use std::sync::Arc;

use sealport_core::{
    Error,
    api::{NodeState, Request, Response},
};

use crate::{
    call::{Call, Handle},
    config::Config,
    engine::Engine,
    local,
};

/// A data directory, owned and served until this is dropped.
pub struct Service {
    engine: Arc<Engine>,
    _local: local::Server,
}

impl Service {
    /// Opens the data directory and serves it. `listen` takes the place of the setting.
    ///
    /// The network begins when there is a system whose custody is open: at once, or after `init`, `restore`, `unlock`. That
    /// its port is taken is no error here but in [`Service::network`], so that a window still opens.
    ///
    /// # Errors
    /// `busy` where another process has the directory, `integrity` where its database is damaged.
    pub fn start(config: Config, listen: Option<String>) -> Result<Self, Error> {
        let data_dir = config.data_dir.clone();
        let engine = Engine::shared(config)?;
        let local = local::Server::start(engine.clone(), &data_dir)?;
        let _ = engine.listen(listen);
        Ok(Self { engine, _local: local })
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Where the service is reached by other nodes; `None` on a node that follows another, and before there is a system.
    ///
    /// # Errors
    /// Why it is not: the port is taken, or custody does not give the keys.
    pub fn network(&self) -> Result<Option<std::net::SocketAddr>, Error> {
        self.engine.listening()
    }

    /// The state of the node.
    pub fn state(&self) -> NodeState {
        self.engine.state()
    }
}

impl Handle for Service {
    fn handle(&self, request: Request, call: &Call<'_>) -> Result<Response, Error> {
        self.engine.handle(request, call)
    }
}
