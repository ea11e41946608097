//! One revision of a port: opened, known again by its imprint, and the next one sealed on top of it.

use std::time::Instant;

use sealport_core::{
    Code, Error,
    id::{RecordId, Revision},
    port::{Marks, Port},
    record::{PortHead, PortSummary, RecordKind, from_plain, make_sealed},
    seal::{Context, Imprint},
    secret::{SecretText, Wiped},
};

use super::{
    held,
    system::{System, open},
    system_rng,
};
use crate::store::{Former, Put, Row};

/// One revision of a port, opened.
pub(super) struct Opened {
    pub row: Row,
    pub head: PortHead,
    pub port: Port,
    plain: Wiped<Vec<u8>>,
}

impl Opened {
    /// What this revision is known by to whoever reads it.
    pub fn imprint(&self, system: &System) -> Result<Imprint, Error> {
        Ok(system.unlocked()?.keys.derive_imprint(self.row.id, self.row.revision, &self.plain))
    }

    /// Whether this is what was read then.
    pub fn is_imprint(&self, system: &System, imprint: Imprint) -> Result<bool, Error> {
        Ok(system.unlocked()?.keys.is_imprint(imprint, self.row.id, self.row.revision, &self.plain))
    }
}

impl System {
    /// The present revision of the one port that `text` means: an id, or a name that only one port has.
    pub(super) fn named(&self, text: &str) -> Result<Opened, Error> {
        // Neither an id nor a name that only one port has needs the list, which costs a second over very many ports: a
        // command that opens one port is quick.
        let id = match text.parse() {
            Ok(id) => Some(id),
            Err(_) if held(&self.index).is_some() => None,
            Err(_) => self.read(|store| store.only_port_named(text))?,
        };
        match id {
            Some(id) => self.port(id),
            None => self.port(self.index(|index| index.find(text))??),
        }
    }

    /// The present revision of a port.
    pub(super) fn port(&self, id: RecordId) -> Result<Opened, Error> {
        let row = self.read(|store| store.record(id))?.filter(|row| row.kind != RecordKind::Document);
        self.open_row(row.ok_or_else(|| Error::new(Code::NotFound, format!("There is no port {id}.")))?)
    }

    /// The port that a row holds.
    pub(super) fn open_row(&self, row: Row) -> Result<Opened, Error> {
        let plain = self.open_plain(&row, row.revision, &row.envelope)?;
        let (head, port) = read_port(&row, &plain)?;
        Ok(Opened { row, head, port, plain })
    }

    /// A former or the present revision of a port.
    pub fn port_at(&self, row: &Row, revision: Revision) -> Result<(PortHead, Port), Error> {
        let former = self.read(|store| store.revision(row, revision))?.ok_or_else(|| {
            Error::new(Code::NotFound, format!("{} has no revision {revision}.", row.name))
                .hint(format!("It has revisions 1 to {}: see `sealport port history`.", row.revision))
        })?;
        self.open_former(row, &former)
    }

    pub fn open_former(&self, row: &Row, former: &Former) -> Result<(PortHead, Port), Error> {
        self.open_port(row, former.revision, &former.envelope)
    }

    pub(super) fn open_port(
        &self,
        row: &Row,
        revision: Revision,
        envelope: &[u8],
    ) -> Result<(PortHead, Port), Error> {
        read_port(row, &self.open_plain(row, revision, envelope)?)
    }

    fn open_plain(&self, row: &Row, revision: Revision, envelope: &[u8]) -> Result<Wiped<Vec<u8>>, Error> {
        self.may_open()?;
        let unlocked = self.unlocked()?;
        let begun = Instant::now();
        let plain = open(&unlocked.keys, row, row.kind.body(), revision, envelope).inspect_err(|error| {
            self.meters.count("sealport_open_failures_total", &[]);
            self.suspect(error);
        })?;
        self.meters.took("sealport_open_seconds", begun.elapsed());
        Ok(plain)
    }

    /// The next revision of a port, made on this one: where another stands by the time that it is written, it is not.
    pub fn seal_edit(&self, row: &Row, head: &PortHead, port: &Port) -> Result<Put, Error> {
        let put = self.seal_port(row.id, row.revision.next(), head, port)?;
        Ok(Put { read: Some(row.digest()), ..put })
    }

    /// A new revision of a port, sealed and ready to be written, whatever the one before it holds.
    pub fn seal_port(
        &self,
        id: RecordId,
        revision: Revision,
        head: &PortHead,
        port: &Port,
    ) -> Result<Put, Error> {
        let keys = &self.unlocked()?.keys;
        let kind = RecordKind::Port(port.kind());
        let summary = summarise(head, port);
        let context = |kind| Context { record: id, application: port.application(), kind, revision };
        let mut rng = system_rng();
        let begun = Instant::now();
        let put = Put {
            id,
            kind,
            application: port.application().to_owned(),
            name: port.name().to_owned(),
            revision,
            key_version: keys.active(),
            // The element is opened to be sealed.
            envelope: make_sealed(keys, context(kind.body()), head, port.element().as_bytes(), &mut rng),
            summary: make_sealed(keys, context(kind.summary()), &summary, b"", &mut rng),
            read: None,
            listed: Some(summary),
        };
        self.meters.took("sealport_seal_seconds", begun.elapsed());
        Ok(put)
    }
}

/// The port that a row's plaintext holds.
fn read_port(row: &Row, plain: &[u8]) -> Result<(PortHead, Port), Error> {
    let (head, body): (PortHead, _) = from_plain(plain)?;
    let swapped = || {
        Error::new(Code::Integrity, format!("The record of {} holds another port.", row.name))
            .hint("The database was changed by other means. Restore the latest backup.")
    };
    if head.name != row.name {
        return Err(swapped());
    }
    let element = std::str::from_utf8(body).map_err(|_| swapped())?;
    let marks = Marks { marked: head.marked.clone(), filled: head.filled.clone() };
    let port = Port::read(SecretText::new(element.to_owned()), marks)?;
    if port.name() != row.name || port.application() != row.application {
        return Err(swapped());
    }
    Ok((head, port))
}

fn summarise(head: &PortHead, port: &Port) -> PortSummary {
    let summary = port.summary();
    PortSummary {
        name: port.name().to_owned(),
        adapter: summary.adapter,
        address: summary.address,
        user: summary.user,
        missing_secrets: summary.missing_secrets,
        enabled: summary.enabled,
        deleted: head.deleted,
        at: head.written.at,
        by: head.written.by.clone(),
    }
}

#[cfg(test)]
mod tests {
    use sealport_core::{
        api::{Assignment, PortFilter, Request, Response},
        backup::hex,
    };

    use super::*;
    use crate::engine::{Engine, ask, system::own_act};

    /// The same number, and another content: as after a change of master that stranded the revision which was read.
    /// Sabotage: compare the number alone in `expect_seen`; leave it out of `mark`, `revert` or `set_deleted`; leave the digest out
    /// of `seal_edit`, or the arm out of `admit_write`.
    #[test]
    fn an_edit_is_written_on_what_was_read_and_on_nothing_else() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        let list = Request::PortList { filter: PortFilter::default(), offset: 0, limit: Some(1) };
        let Response::Ports(list) = ask(&engine, list).unwrap() else { panic!("a list") };
        let id = list.ports[0].id;
        let show = || match ask(&engine, Request::PortShow { port: id.to_string(), revision: None }) {
            Ok(Response::Port(view)) => view,
            other => panic!("a port: {other:?}"),
        };
        let set = |imprint, value: &str| {
            let value = SecretText::new(value.to_owned());
            let changes = vec![Assignment { path: "Description".to_owned(), value }];
            let request = Request::PortSet {
                port: id.to_string(),
                changes,
                if_revision: Some(show().revision),
                if_imprint: imprint,
                note: None,
                dry_run: false,
            };
            ask(&engine, request)
        };
        let stands = |put: &Put| {
            system.damage(&format!(
                "UPDATE record SET envelope = x'{}', summary = x'{}' WHERE id = x'{}'",
                hex(&put.envelope),
                hex(&put.summary),
                hex(id.as_bytes())
            ));
        };
        let read = show();
        assert!(read.imprint.is_some());
        let before = system.port(id).unwrap();
        let early = system.seal_edit(&before.row, &before.head, &before.port).unwrap();
        // Sealed anew, it is what was read, and only whoever holds its envelope reads it again.
        stands(&system.seal_port(id, before.row.revision, &before.head, &before.port).unwrap());
        assert_eq!(show().imprint, read.imprint);
        let late = |put: Put| {
            let acts = vec![own_act("port.edit", "a port", "")];
            let change = crate::store::Change { puts: vec![put], acts, ..Default::default() };
            system.write(change).err().map(|error| error.code)
        };
        assert_eq!(late(early), Some(Code::RevisionConflict));
        set(read.imprint, "first").unwrap();
        // Another content under the same number is not.
        let read = show();
        let before = system.port(id).unwrap();
        let early = system.seal_edit(&before.row, &before.head, &before.port).unwrap();
        let mut head = before.head.clone();
        head.written.by = "someone else".to_owned();
        stands(&system.seal_port(id, before.row.revision, &head, &before.port).unwrap());
        assert_eq!(show().revision, read.revision);
        let refused = set(read.imprint, "second").unwrap_err();
        assert_eq!((refused.code, refused.code.exit()), (Code::RevisionConflict, 7), "{refused}");
        assert!(refused.message.contains("not as it was read"), "{refused}");
        let (port, if_revision, if_imprint) = (id.to_string(), Some(read.revision), read.imprint);
        let path = "Description".to_owned();
        for decided in [
            Request::PortMark { port: port.clone(), path, secret: true, if_revision, if_imprint },
            Request::PortRevert { port: port.clone(), to: Revision(1), if_revision, if_imprint },
            Request::PortDelete { port: port.clone(), if_revision, if_imprint },
            Request::PortUndelete { port, if_revision, if_imprint },
        ] {
            let words = format!("{decided:?}");
            let refused = ask(&engine, decided).unwrap_err();
            assert_eq!(refused.code, Code::RevisionConflict, "{words}: {refused}");
            assert!(refused.message.contains("not as it was read"), "{words}: {refused}");
        }
        assert_eq!(late(early), Some(Code::RevisionConflict));
        assert_eq!(show().revision, read.revision, "nothing was written");
        set(show().imprint, "third").unwrap();
        set(None, "fourth").unwrap();
        assert_eq!(show().revision.0, read.revision.0 + 2);
    }
}
