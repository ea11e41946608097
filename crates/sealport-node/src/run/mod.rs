//! The one loop: a node follows its master, and a master remembers its nodes. Only here the protocol's machines step.

mod follower;
mod poll;
pub(crate) mod rotate;
mod seat;

pub use follower::Follower;
pub use seat::{Disturbed, Seat};
