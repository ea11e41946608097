//! What a node did of its own, on its way into the trail: the master takes it from the nodes that follow, and from itself.
//!
//! A node forgets what was taken, so nothing is taken that would be lost with this database.

use sealport_core::{Code, Error};

use super::{Engine, serving::named};
use crate::{
    net::wire::{BackupLine, SpoolAnswer, SpoolAsk, Spooled, StrandedLine},
    store::{Change, NodeChange, NodeRow},
};

impl Engine {
    /// Takes what a node did of its own into the trail, each entry once. The node forgets what is taken.
    pub(crate) fn spool_for(&self, node: &NodeRow, ask: SpoolAsk) -> Result<SpoolAnswer, Error> {
        if let Some(epoch) = ask.epoch {
            self.system()?.has_history_of(node, epoch, &ask.audit)?;
        }
        self.take_spool(node, ask.entries)
    }

    fn take_spool(&self, node: &NodeRow, entries: Vec<(u64, Spooled)>) -> Result<SpoolAnswer, Error> {
        let system = self.system()?;
        let mut upto = node.spooled;
        for (seq, entry) in entries {
            upto = upto.max(seq);
            let backup = entry.backup.map(BackupLine::row);
            let mut nodes = vec![NodeChange::Spooled(node.id, seq)];
            let known = system.gate(|store| store.nodes())?;
            let known = |id| known.iter().any(|row| row.id == id && !row.revoked && id != system.row.node);
            nodes.extend(entry.revoked.filter(|id| node.standby && known(*id)).map(NodeChange::Revoke));
            let stranded = entry.stranded.and_then(StrandedLine::row);
            let stranded = stranded.filter(|row| !system.holds_the_same(row)).into_iter().collect();
            let change =
                Change { acts: vec![named(node, entry.act)], backup, nodes, stranded, ..Change::default() };
            match system.write_here(&change) {
                Err(error) if error.code == Code::AlreadyExists => {}
                written => drop(written?),
            }
        }
        Ok(SpoolAnswer { upto, at: Some(system.position().borrow().at) })
    }

    /// Takes into the trail what this node did while it followed another. It is the master now, so there is nobody to send
    /// that to; what is stranded in it would wait for ever.
    pub(super) fn take_own_spool(&self) -> Result<(), Error> {
        let system = self.system()?;
        while let Some((seq, text)) = system.spooled(1)?.pop() {
            let entry = Spooled::read(&text)?;
            let nodes = system.gate(|store| store.nodes())?;
            let Some(own) = nodes.iter().find(|row| row.id == system.row.node) else { return Ok(()) };
            let taken = self.take_spool(own, vec![(seq, entry)])?;
            system.spool_taken(taken.upto)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sealport_core::machine::AuditMark;

    use super::*;
    use crate::{engine::system::own_act, net::wire::ActLine};

    /// Sabotage: leave `has_history_of` out of `spool_for`; or the comparison of epochs out of `lacks_history`.
    #[test]
    fn nothing_is_taken_from_a_node_that_has_more_than_this_master() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        let node = system.gate(|store| store.nodes()).unwrap().remove(0);
        let entry = |seq| {
            let act = ActLine::from(&own_act("port.reveal", format!("spooled {seq}"), ""));
            (seq, Spooled { act, backup: None, stranded: None, revoked: None })
        };
        let here = || system.position().borrow().clone();
        let began = here().audit.line;
        let mark = here().audit;
        let more = [
            (here().at.epoch, AuditMark { line: mark.line + 1, ..mark.clone() }),
            (here().at.epoch, AuditMark { hash: "other".to_owned(), ..mark.clone() }),
            (here().at.epoch.next(), mark.clone()),
        ];
        for (epoch, audit) in more {
            let ask = SpoolAsk { epoch: Some(epoch), audit, entries: vec![entry(1)] };
            let refused = engine.spool_for(&node, ask).err().unwrap();
            assert_eq!(refused.code, Code::EncryptionUnavailable, "{refused}");
            assert_eq!(here().audit.line, began, "it was taken");
        }
        // One of a former epoch, one that is behind, one that has nothing yet, and one that does not say.
        let mut fine = vec![(None, AuditMark::default()), (Some(here().at.epoch), AuditMark::default())];
        fine.push((Some(sealport_core::id::Epoch(0)), AuditMark { line: 9_999, hash: "other".to_owned() }));
        fine.push((Some(here().at.epoch), mark));
        for (seq, (epoch, audit)) in (1..).zip(fine) {
            let taken =
                engine.spool_for(&node, SpoolAsk { epoch, audit, entries: vec![entry(seq)] }).unwrap();
            assert_eq!((taken.upto, here().audit.line), (seq, began + seq));
        }
    }
}
