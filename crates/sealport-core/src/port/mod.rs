//! Port configurations: the lossless reading, editing and writing of BizTalk binding files.
//!
//! A [`Document`] is a binding file; it finds the ports in it and writes the file again around them. A [`Port`] is the
//! text of one port element, secrets included, with views into it: every value at every level of the documents that
//! BizTalk writes into strings. Nothing is ever re-serialised: an edit replaces the characters of its own value, at
//! the level of escaping where they stand, and every other character stays as it is.
//!
//! Views, errors and warnings never hold a secret value; only [`Port::element`], [`Port::reveal`] and what a
//! document writes do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::secret::SecretText;

pub use document::{Document, PortElement};
pub use element::Port;

mod adapters;
mod adopt;
mod detect;
mod document;
mod edit;
mod element;
mod encoding;
mod escape;
mod node;
mod slots;
#[cfg(test)]
mod tests;
mod tree;
mod views;
mod xml;

/// How much a document may hold. Over a limit it is refused, with the limit's name and the place.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Elements within elements.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Elements in all.
    pub elements: usize,
    /// Documents within strings of documents; what is deeper stays text.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 256, attributes: 256, elements: 2_000_000, nesting: 12 }
    }
}

/// What [`Document::write`] puts in the place of a port element.
pub enum Replacement {
    /// The element as it came.
    Keep,
    /// This text.
    With(SecretText),
    /// Nothing; the white space before the element goes with it.
    Remove,
}

/// What an administrator decided about the properties of a port, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Properties that are secret because an administrator says so.
    pub marked: BTreeSet<String>,
    /// Secrets whose value was set through Sealport; importing again keeps them.
    pub filled: BTreeSet<String>,
}

/// A port in a line of a list. Holds no secret value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Adapters of its transports or locations, without repeats, joined by ", ".
    pub adapter: String,
    /// Address of the first transport or location, secrets in it masked.
    pub address: String,
    /// User names, without repeats, joined by ", ".
    pub user: String,
    /// How many secrets wait to be filled in.
    pub missing_secrets: u64,
    /// For receive ports: `true` when all locations are enabled, `false` when none is; `None` between and elsewhere.
    pub enabled: Option<bool>,
    /// The description; empty where there is none.
    pub description: String,
}

/// A secret that waits to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSecret {
    /// Path of the property.
    pub path: String,
    /// What to call it.
    pub label: String,
    /// User name beside it; empty where there is none.
    pub user: String,
    /// Adapter of its transport; empty outside transports.
    pub adapter: String,
    /// Address of its transport, secrets in it masked.
    pub address: String,
}
