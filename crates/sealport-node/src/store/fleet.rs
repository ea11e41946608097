//! The registry of nodes, open invitations, and the spool of what a node did of its own.

use rusqlite::{OptionalExtension, Row as SqlRow, Transaction, params};
use sealport_core::{
    Code, Error,
    api::NodeRole,
    id::{Generation, NodeId},
    time::Timestamp,
};

use super::{Result, Store, sqlite::moment};

/// One node of the registry.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct NodeRow {
    pub id: NodeId,
    pub name: String,
    /// Standby or processing; which of the standbys is master, the system says.
    pub standby: bool,
    pub administrator: bool,
    pub revoked: bool,
    /// SHA-256 of the node's public key (SubjectPublicKeyInfo).
    pub key_hash: [u8; 32],
    pub address: Option<String>,
    pub version: String,
    pub joined: Timestamp,
    pub certificate_expires: Timestamp,
    pub spooled: u64,
    pub generation: Generation,
}

impl NodeRow {
    /// Its role, given who is master.
    pub fn role(&self, master: NodeId) -> NodeRole {
        match (self.id == master, self.standby) {
            (true, _) => NodeRole::Master,
            (false, true) => NodeRole::Standby,
            (false, false) => NodeRole::Processing,
        }
    }
}

/// An invitation, known by the hash of its token.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the columns of the table")]
pub struct InviteRow {
    pub token_hash: [u8; 32],
    pub name: String,
    pub standby: bool,
    pub administrator: bool,
    pub expires: Timestamp,
}

/// A change of the registry. Each raises the generation, so that every node hears of it.
#[derive(Clone, Debug)]
pub enum NodeChange {
    /// A new node. With the hash of a token, the invitation is used up; it must be there and not be over.
    Add {
        /// The node.
        node: NodeRow,
        /// The invitation that lets it in, and the moment it is judged at.
        invite: Option<([u8; 32], Timestamp)>,
    },
    /// Shuts a node out.
    Revoke(NodeId),
    /// Another name.
    Rename(NodeId, String),
    /// What a node says of itself when it renews its certificate.
    Renew {
        /// Which.
        id: NodeId,
        /// End of the new certificate.
        expires: Timestamp,
    },
    /// Where a node serves, and what it runs.
    Seen {
        /// Which.
        id: NodeId,
        /// `host:port`.
        address: Option<String>,
        /// Version of Sealport.
        version: String,
    },
    /// The trail takes this entry of a node's spool. `already_exists` where it has it: then nothing is written.
    Spooled(NodeId, u64),
}

const NODE: &str = "id, name, role, administrator, revoked, key_hash, address, version, joined, certificate_expires, spooled, generation";

impl Store {
    /// All nodes, revoked ones too, by name.
    pub fn nodes(&self) -> Result<Vec<NodeRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {NODE} FROM node ORDER BY name COLLATE NOCASE, joined"))
            .and_then(|mut query| query.query_map([], node)?.collect())
            .map_err(self.place.on("Reading the nodes"))
    }

    /// How many nodes there are, without those that are revoked.
    pub fn members(&self) -> Result<u64> {
        self.connection
            .prepare_cached("SELECT count(*) FROM node WHERE revoked = 0")
            .and_then(|mut query| query.query_row([], |row| row.get(0)))
            .map_err(self.place.on("Counting the nodes"))
    }

    /// The node with this key, revoked or not.
    pub fn node_by_key(&self, key_hash: &[u8; 32]) -> Result<Option<NodeRow>> {
        self.connection
            .prepare_cached(&format!("SELECT {NODE} FROM node WHERE key_hash = ?"))
            .and_then(|mut query| query.query_row([key_hash], node).optional())
            .map_err(self.place.on("Reading a node"))
    }

    /// The invitation with this token, over or not.
    pub fn invite(&self, token_hash: &[u8; 32]) -> Result<Option<InviteRow>> {
        self.connection
            .query_row(
                "SELECT token_hash, name, role, administrator, expires FROM invite WHERE token_hash = ?",
                [token_hash],
                |row| {
                    Ok(InviteRow {
                        token_hash: row.get(0)?,
                        name: row.get(1)?,
                        standby: row.get::<_, String>(2)? == STANDBY,
                        administrator: row.get(3)?,
                        expires: moment(row.get(4)?),
                    })
                },
            )
            .optional()
            .map_err(self.place.on("Reading an invitation"))
    }

    /// Keeps an entry until the master's trail has it. Durable when this returns.
    pub fn spool(&mut self, entry: &str) -> Result<u64> {
        self.transact("Keeping an audit entry", |tx| {
            tx.execute("INSERT INTO spool (entry) VALUES (?)", [entry])?;
            Ok(Ok(tx.last_insert_rowid().unsigned_abs()))
        })
    }

    /// Numbers of entries begin at this moment, in milliseconds, which is above all that were used before.
    pub fn begin_spool(&mut self, now: Timestamp) -> Result<()> {
        self.transact("Making the spool", |tx| {
            tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('spool', ?)", [now.as_millis()])?;
            Ok(Ok(()))
        })
    }

    /// The oldest entries of the spool, at most `limit`, by number.
    pub fn spooled(&self, limit: u32) -> Result<Vec<(u64, String)>> {
        self.connection
            .prepare_cached("SELECT seq, entry FROM spool ORDER BY seq LIMIT ?")
            .and_then(|mut query| query.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(self.place.on("Reading kept audit entries"))
    }

    /// Forgets the spool up to an entry that the master's trail holds.
    pub fn spool_taken(&mut self, upto: u64) -> Result<()> {
        self.transact("Forgetting audit entries", |tx| {
            tx.execute("DELETE FROM spool WHERE seq <= ?", [upto])?;
            Ok(Ok(()))
        })
    }
}

pub(super) const STANDBY: &str = "standby";
pub(super) const PROCESSING: &str = "processing";

pub(super) fn change_node(
    tx: &Transaction<'_>,
    change: &NodeChange,
    generation: u64,
) -> rusqlite::Result<Result<()>> {
    let known = |changed: usize, id: &NodeId| {
        if changed == 1 { Ok(()) } else { Err(Error::new(Code::NotFound, format!("There is no node {id}."))) }
    };
    Ok(match change {
        NodeChange::Add { node, invite } => {
            if let Some((hash, now)) = invite {
                let used = tx.execute(
                    "DELETE FROM invite WHERE token_hash = ? AND expires >= ?",
                    params![hash, now.as_millis()],
                )?;
                if used == 0 {
                    return Ok(Err(Error::new(
                        Code::NotPermitted,
                        "The token was used already, or its 15 minutes are over.",
                    )
                    .hint("Ask an administrator for a new one: `sealport node invite`.")));
                }
            }
            let taken: Option<String> = tx
                .query_row(
                    "SELECT name FROM node WHERE revoked = 0 AND (name = ? COLLATE NOCASE OR key_hash = ?)",
                    params![node.name, node.key_hash],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(taken) = taken {
                return Ok(Err(Error::new(Code::AlreadyExists, format!("There is a node {taken} already."))
                    .hint("Invite it under another name, or revoke the other one first.")));
            }
            put_node(tx, node, generation)?;
            Ok(())
        }
        NodeChange::Revoke(id) => known(
            tx.execute(
                "UPDATE node SET revoked = 1, generation = ? WHERE id = ?",
                params![generation, id.as_bytes()],
            )?,
            id,
        ),
        NodeChange::Rename(id, name) => {
            let taken: bool = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM node WHERE revoked = 0 AND name = ? COLLATE NOCASE AND id <> ?)",
                params![name, id.as_bytes()],
                |row| row.get(0),
            )?;
            if taken {
                return Ok(Err(Error::new(Code::AlreadyExists, format!("There is a node {name} already."))
                    .hint("Choose another name.")));
            }
            known(
                tx.execute(
                    "UPDATE node SET name = ?, generation = ? WHERE id = ?",
                    params![name, generation, id.as_bytes()],
                )?,
                id,
            )
        }
        NodeChange::Renew { id, expires } => known(
            tx.execute(
                "UPDATE node SET certificate_expires = ?, generation = ? WHERE id = ?",
                params![expires.as_millis(), generation, id.as_bytes()],
            )?,
            id,
        ),
        NodeChange::Seen { id, address, version } => known(
            tx.execute(
                "UPDATE node SET address = ?, version = ?, generation = ? WHERE id = ?",
                params![address, version, generation, id.as_bytes()],
            )?,
            id,
        ),
        NodeChange::Spooled(id, seq) => {
            // Decided here, in the transaction that writes the entry: the same batch may be under way twice.
            let fresh = tx.execute(
                "UPDATE node SET spooled = ?1 WHERE id = ?2 AND spooled < ?1",
                params![seq, id.as_bytes()],
            )?;
            if fresh == 1 {
                Ok(())
            } else {
                Err(Error::new(
                    Code::AlreadyExists,
                    format!("The trail has entry {seq} of this node already."),
                ))
            }
        }
    })
}

/// Writes a node as it is, in the place of an older state of it.
pub(super) fn put_node(tx: &Transaction<'_>, node: &NodeRow, generation: u64) -> rusqlite::Result<()> {
    tx.prepare_cached(&format!(
        "INSERT OR REPLACE INTO node ({NODE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?
    .execute(params![
        node.id.as_bytes(),
        node.name,
        if node.standby { STANDBY } else { PROCESSING },
        node.administrator,
        node.revoked,
        node.key_hash,
        node.address,
        node.version,
        node.joined.as_millis(),
        node.certificate_expires.as_millis(),
        node.spooled,
        generation,
    ])?;
    Ok(())
}

pub(super) fn put_invite(tx: &Transaction<'_>, invite: &InviteRow, now: Timestamp) -> rusqlite::Result<()> {
    // Whatever is over goes when the next one comes.
    tx.execute("DELETE FROM invite WHERE expires < ?", [now.as_millis()])?;
    tx.execute(
        "INSERT INTO invite VALUES (?, ?, ?, ?, ?)",
        params![
            invite.token_hash,
            invite.name,
            if invite.standby { STANDBY } else { PROCESSING },
            invite.administrator,
            invite.expires.as_millis(),
        ],
    )?;
    Ok(())
}

pub(super) fn nodes_since(store: &Store, after: Generation) -> Result<Vec<NodeRow>> {
    store
        .connection
        .prepare_cached(&format!("SELECT {NODE} FROM node WHERE generation > ?"))
        .and_then(|mut query| query.query_map([after.0], node)?.collect())
        .map_err(store.place.on("Reading the nodes"))
}

fn node(row: &SqlRow<'_>) -> rusqlite::Result<NodeRow> {
    Ok(NodeRow {
        id: NodeId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        standby: row.get::<_, String>(2)? == STANDBY,
        administrator: row.get(3)?,
        revoked: row.get(4)?,
        key_hash: row.get(5)?,
        address: row.get(6)?,
        version: row.get(7)?,
        joined: moment(row.get(8)?),
        certificate_expires: moment(row.get(9)?),
        spooled: row.get(10)?,
        generation: Generation(row.get(11)?),
    })
}
