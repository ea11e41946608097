//! Which process of a node asks, by the header that each of its requests carries, and the refusal of one that is a copy.

use axum::{http::HeaderMap, response::Response};
use sealport_core::{Code, Error, machine::Life};

use super::{server::problem, wire::CLONED};
use crate::{engine::System, life, store::NodeRow};

/// Which process of the caller asks, and the count of that, on a master. One that is a copy gets nothing.
pub(super) fn spoke(
    system: &System,
    node: Option<&NodeRow>,
    headers: &HeaderMap,
) -> Result<Option<(Life, u64)>, Box<Response>> {
    let said = headers.get(life::LIFE).and_then(|said| said.to_str().ok()).and_then(life::from_header);
    let (Some(node), Some((life, heard)), Some(seat)) = (node, said, &system.seat) else { return Ok(None) };
    match seat.spoke(node.id, life, heard) {
        Some(beat) => Ok(Some((life, beat))),
        None => Err(Box::new(cloned())),
    }
}

/// What a copy is told.
pub(super) fn cloned() -> Response {
    let error = Error::new(
        Code::NotPermitted,
        "Another process holds the identity of this node, and has for longer: this one is its copy.",
    )
    .hint("Make it a system of its own with `sealport node separate`, or end it.");
    problem(&error, Some(CLONED))
}
