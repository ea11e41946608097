//! The service of one data directory: the local socket, the network, and the following of a master. The command `serve` and
//! the desktop run the same one.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use sealport_core::{
    Error,
    api::{NodeState, Request, Response},
};

use crate::{
    alert::watch::Watch,
    call::{Call, Handle, Hear},
    config::Config,
    engine::Engine,
    local,
    net::ops,
};

/// A data directory, owned and served until this is dropped.
pub struct Service {
    engine: Arc<Engine>,
    _watch: Watch,
    ops: Mutex<Option<ops::Server>>,
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
        engine.begin_rotating();
        let watch = Watch::start(&engine)?;
        Ok(Self { engine, _watch: watch, ops: Mutex::default(), _local: local })
    }

    /// Serves health and metrics: at `at`, else where the setting `metrics` says, else at `otherwise`. The address that was
    /// had; `None` where it is off.
    ///
    /// # Errors
    /// `usage` for an address that is not this machine's alone, `unavailable` where the port is taken.
    pub fn serve_ops(&self, at: Option<&str>, otherwise: Option<&str>) -> Result<Option<SocketAddr>, Error> {
        let set = self.engine.settings()?.metrics;
        let Some(at) = at.or(set.as_deref()).or(otherwise).filter(|at| *at != "off") else { return Ok(None) };
        let server = ops::Server::start(&self.engine, at)?;
        let address = server.address;
        *self.ops.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(Some(address))
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

    fn subscribe(&self, hear: &Hear) -> Result<(), Error> {
        self.engine.subscribe(hear)
    }
}
