//! A database becomes another system's, in one transaction: its records stay, sealed anew, and everything about other nodes goes.

use rusqlite::params;
use sealport_core::{Code, Error};

use super::{
    Act, NodeChange, NodeRow, Resealed, Result, Store, SystemRow, fleet, reseal, sqlite::append_audit,
};

/// What a database is from then on.
#[derive(Debug)]
pub struct Separation<'a> {
    /// The new system; its generation follows the present one.
    pub row: &'a SystemRow,
    /// Its only node.
    pub own: &'a NodeRow,
    /// The public key of its grants.
    pub grant_key: &'a [u8],
    /// The end of the trail, which stays.
    pub acts: &'a [Act],
}

impl Store {
    /// Makes this database the new system's. `next` gives every record and every former revision, sealed anew, and in the end
    /// nothing. All of it is there afterwards, or nothing has changed.
    pub fn separate(
        &mut self,
        to: &Separation<'_>,
        mut next: impl FnMut() -> Result<Vec<Resealed>>,
    ) -> Result<()> {
        self.transact("Making the database another system's", |tx| {
            let generation = to.row.generation.0;
            loop {
                let parts = match next() {
                    Ok(parts) => parts,
                    Err(error) => return Ok(Err(error)),
                };
                if parts.is_empty() {
                    break;
                }
                for part in &parts {
                    reseal::place(tx, part, generation)?;
                }
            }
            let left: u64 = tx.query_row(
                "SELECT (SELECT count(*) FROM record WHERE generation <> ?1)
                      + (SELECT count(*) FROM former WHERE generation <> ?1)",
                [generation],
                |row| row.get(0),
            )?;
            if left > 0 {
                return Ok(Err(Error::new(
                    Code::Internal,
                    format!("{left} parts were not sealed anew. Nothing was changed."),
                )));
            }
            tx.execute_batch(
                "DELETE FROM node; DELETE FROM invite; DELETE FROM granted; DELETE FROM stranded; DELETE FROM rotation;
                 DELETE FROM destroyed; DELETE FROM backup; DELETE FROM spool;",
            )?;
            tx.execute(
                "UPDATE system SET id = ?1, name = ?2, created = ?3, node = ?4, master = ?4, node_name = ?5, epoch = ?6,
                        active_version = ?7, generation = ?8, ca = ?9, grant_key = ?10, seen_epoch = 0,
                        seen_generation = 0, damaged = 0, standing = 'member', cloned_since = NULL, promised_epoch = 0,
                        promised_to = NULL, stood_down = 0",
                params![
                    to.row.id.as_bytes(),
                    to.row.name,
                    to.row.created.as_millis(),
                    to.row.node.as_bytes(),
                    to.row.node_name,
                    to.row.epoch.0,
                    to.row.active_version.0,
                    generation,
                    to.row.ca,
                    to.grant_key,
                ],
            )?;
            let add = NodeChange::Add { node: to.own.clone(), invite: None };
            if let Err(error) = fleet::change_node(tx, &add, generation)? {
                return Ok(Err(error));
            }
            append_audit(tx, to.acts)?;
            Ok(Ok(()))
        })
    }
}
