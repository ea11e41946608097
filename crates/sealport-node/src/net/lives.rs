//! Which process of a node asks, by the header that each of its requests carries, and the refusal of one that is a copy.

use std::{net::IpAddr, sync::Arc};

use axum::{http::HeaderMap, response::Response};
use sealport_core::{Code, Error, machine::Life};

use super::{server::problem, wire::CLONED};
use crate::{engine::System, life, store::NodeRow};

/// Which process of the caller asks, and the count of that, on a master. One that is a copy gets nothing.
pub(super) fn spoke(
    system: &System,
    node: Option<&NodeRow>,
    headers: &HeaderMap,
) -> Result<Option<(Life, u64)>, Life> {
    let said = headers.get(life::LIFE).and_then(|said| said.to_str().ok()).and_then(life::from_header);
    let (Some(node), Some((life, heard)), Some(seat)) = (node, said, &system.seat) else { return Ok(None) };
    match seat.spoke(node.id, life, heard) {
        Some(beat) => Ok(Some((life, beat))),
        None => Err(life),
    }
}

/// What a copy is told. That it came is written down aside: whether that works is nothing to it.
pub(super) fn cloned(system: &Arc<System>, node: &NodeRow, life: Life, from: Option<IpAddr>) -> Response {
    let (system, node) = (system.clone(), node.clone());
    tokio::task::spawn_blocking(move || system.copy_came(&node, life, from));
    let error = Error::new(
        Code::NotPermitted,
        "Another process holds the identity of this node, and has for longer: this one is its copy.",
    )
    .hint("Make it a system of its own with `sealport node separate`, or end it.");
    problem(&error, Some(CLONED))
}
