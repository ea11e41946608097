//! The rules of the machines, one by one. How they work together is shown by the simulator in `tests/`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod clone;
mod granting;
mod master;
mod node;
mod promotion;
mod rotation;
