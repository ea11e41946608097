//! Nodes over the network: the authority and its certificates, TLS, what goes over the wire, the server and the client.

pub mod authority;
mod bodies;
pub mod client;
mod crowd;
pub mod endpoints;
mod lives;
pub mod openapi;
pub mod ops;
mod places;
pub mod server;
pub mod tls;
pub mod wire;
