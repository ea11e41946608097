//! What a node that joined keeps beside its database: whose it is and how it reaches the master. No secret; its
//! private key rests in custody.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    id::{NodeId, SystemId},
};
use serde::{Deserialize, Serialize};

use crate::files::{self, Existing};

/// Name of the file in a data directory.
pub const FILE: &str = "membership.json";

const LIMIT: u64 = 64 << 10;

/// Membership in a system whose master is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The system.
    pub system: SystemId,
    /// Its name.
    pub system_name: String,
    /// This node.
    pub node: NodeId,
    /// `https://host:port` of the master.
    pub url: String,
    /// Certificate of this node, DER in base64.
    certificate: String,
    /// Certificate of the authority, DER in base64.
    ca: String,
}

impl Membership {
    /// A membership with these certificates (DER).
    pub fn new(
        system: SystemId,
        system_name: String,
        node: NodeId,
        url: String,
        certificate: &[u8],
        ca: &[u8],
    ) -> Self {
        let (certificate, ca) = (STANDARD.encode(certificate), STANDARD.encode(ca));
        Self { system, system_name, node, url, certificate, ca }
    }

    /// The membership that a data directory holds; `None` on a master and in an empty one.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path = data_dir.join(FILE);
        let text = match files::read_limited(&path, LIMIT) {
            Err(error) if error.code == Code::NotFound => return Ok(None),
            text => text?,
        };
        let membership: Self = serde_json::from_slice(&text).map_err(|e| damaged(&path).because(e))?;
        if membership.certificate().is_err() || membership.ca().is_err() {
            return Err(damaged(&path));
        }
        Ok(Some(membership))
    }

    /// Writes it, in the place of another.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(Code::Internal, "the membership could not be written").because(e))?;
        files::write_private(&data_dir.join(FILE), text.as_bytes(), Existing::Replace)
    }

    /// Takes a new certificate (DER).
    pub fn renewed(&self, certificate: &[u8]) -> Self {
        Self { certificate: STANDARD.encode(certificate), ..self.clone() }
    }

    /// The master is elsewhere.
    pub fn moved(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Takes it away: this node is the master now.
    pub fn remove(data_dir: &Path) -> Result<(), Error> {
        let path = data_dir.join(FILE);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(files::unavailable("take away", &path, cause))
            }
            _ => Ok(()),
        }
    }

    /// Certificate of this node, DER.
    pub fn certificate(&self) -> Result<Vec<u8>, Error> {
        STANDARD.decode(&self.certificate).map_err(|e| damaged(Path::new(FILE)).because(e))
    }

    /// Certificate of the authority, DER.
    pub fn ca(&self) -> Result<Vec<u8>, Error> {
        STANDARD.decode(&self.ca).map_err(|e| damaged(Path::new(FILE)).because(e))
    }
}

fn damaged(path: &Path) -> Error {
    Error::new(Code::Integrity, format!("{} is damaged.", path.display()))
        .hint("Take it from a copy, or join again in a new data directory.")
}
