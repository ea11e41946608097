//! Rows as the lines that backups and sync carry: envelopes and hashes become text, and come back the same.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    backup::{RecordLine, RegistryLine, RevisionLine, from_hex, hex},
    id::Generation,
    record::RecordKind,
};

use super::{Former, NodeRow, Put, Row};

impl From<Row> for RecordLine {
    fn from(row: Row) -> Self {
        RecordLine {
            id: row.id,
            kind: row.kind.body().name().to_owned(),
            application: row.application,
            name: row.name,
            revision: row.revision,
            key_version: row.key_version,
            generation: row.generation,
            envelope: STANDARD.encode(&row.envelope),
            summary: STANDARD.encode(&row.summary),
        }
    }
}

impl From<&Put> for RecordLine {
    fn from(put: &Put) -> Self {
        RecordLine {
            id: put.id,
            kind: put.kind.body().name().to_owned(),
            application: put.application.clone(),
            name: put.name.clone(),
            revision: put.revision,
            key_version: put.key_version,
            // The master gives it its generation.
            generation: Generation(0),
            envelope: STANDARD.encode(&put.envelope),
            summary: STANDARD.encode(&put.summary),
        }
    }
}

impl Row {
    /// The row of a line; `None` where the line is not one of ours.
    pub fn from_line(line: RecordLine) -> Option<Self> {
        Some(Row {
            id: line.id,
            kind: RecordKind::named(&line.kind)?,
            application: line.application,
            name: line.name,
            revision: line.revision,
            key_version: line.key_version,
            generation: line.generation,
            envelope: STANDARD.decode(&line.envelope).ok()?,
            summary: STANDARD.decode(&line.summary).ok()?,
        })
    }
}

impl From<Former> for RevisionLine {
    fn from(former: Former) -> Self {
        RevisionLine {
            id: former.id,
            revision: former.revision,
            key_version: former.key_version,
            generation: former.generation,
            envelope: STANDARD.encode(&former.envelope),
        }
    }
}

impl Former {
    /// The former revision of a line; `None` where the line is not one of ours.
    pub fn from_line(line: RevisionLine) -> Option<Self> {
        Some(Former {
            id: line.id,
            revision: line.revision,
            key_version: line.key_version,
            generation: line.generation,
            envelope: STANDARD.decode(&line.envelope).ok()?,
        })
    }
}

impl From<NodeRow> for RegistryLine {
    fn from(node: NodeRow) -> Self {
        RegistryLine {
            id: node.id,
            name: node.name,
            standby: node.standby,
            administrator: node.administrator,
            revoked: node.revoked,
            key: hex(&node.key_hash),
            address: node.address,
            version: node.version,
            joined: node.joined,
            certificate_expires: node.certificate_expires,
            spooled: node.spooled,
            generation: node.generation,
        }
    }
}

impl NodeRow {
    /// The node of a line; `None` where the line is not one of ours.
    pub fn from_line(line: RegistryLine) -> Option<Self> {
        Some(NodeRow {
            id: line.id,
            name: line.name,
            standby: line.standby,
            administrator: line.administrator,
            revoked: line.revoked,
            key_hash: from_hex(&line.key)?,
            address: line.address,
            version: line.version,
            joined: line.joined,
            certificate_expires: line.certificate_expires,
            spooled: line.spooled,
            generation: line.generation,
        })
    }
}
