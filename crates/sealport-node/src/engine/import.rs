//! Importing binding files: all of them or none, in one transaction that is written while the rest is still planned.
//!
//! A port that comes again keeps the secrets that were filled in and its history. What the file says and what the
//! store holds are compared after that, so that the same file again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{ImportFile, ImportOutcome, ImportPlanView, ImportView, ImportedDocumentView},
    backup::hex,
    id::{RecordId, Revision},
    port::{Document, Limits, Marks, Port, PortElement},
    record::{DocumentHead, PortHead, PortIdentity, RecordKind, make_sealed},
    seal::Context,
    secret::{SecretText, Wiped},
};
use sha2::{Digest, Sha256};

use super::{
    Engine, Progress,
    beside::{Coming, Sink, beside},
    index,
    opened::Opened,
    ports::missing_views,
    system::{System, act, head_of, written},
    system_rng,
};
use crate::{
    call::Call,
    store::{Act, Change, Put, Row},
};

impl Engine {
    pub(super) fn import(
        &self,
        files: Vec<ImportFile>,
        dry_run: bool,
        call: &Call,
    ) -> Result<ImportView, Error> {
        let system = self.system()?;
        system.unlocked()?;
        let mut documents = Vec::with_capacity(files.len());
        for file in files {
            documents.push(Incoming::read(file)?);
        }
        // Sealed again where another version of the master secret became active meanwhile.
        self.sealing_anew(|| self.import_documents(&system, &documents, dry_run, call))
    }

    fn import_documents(
        &self,
        system: &System,
        documents: &[Incoming],
        dry_run: bool,
        call: &Call,
    ) -> Result<ImportView, Error> {
        let total = documents.iter().map(|incoming| incoming.document.ports().len() as u64).sum();
        let doing = if dry_run { "Reading ports" } else { "Sealing ports" };
        let progress = Progress::new(call, doing, total);
        let plan = |ports: Coming<Read, ()>, out: &mut Sink<'_, Put>| {
            // Before anything is passed on: who plans must not wait for the list while the writer is taken.
            let known =
                documents.iter().map(|one| Known::find(system, one)).collect::<Result<Vec<_>, _>>()?;
            let mut import = Import {
                system,
                call,
                progress,
                done: 0,
                ports,
                out,
                acts: Vec::new(),
                again: more_than_once(documents),
                planned: BTreeMap::new(),
                view: ImportView {
                    documents: Vec::new(),
                    created: 0,
                    changed: 0,
                    unchanged: 0,
                    dry_run,
                    plan: Vec::new(),
                    kept: None,
                },
            };
            for (incoming, known) in documents.iter().zip(&known) {
                import.document(incoming, known)?;
            }
            import.ports.end()?;
            Ok((Change { acts: import.acts, ..Change::default() }, import.view))
        };
        let carry_out = |ports| {
            if dry_run {
                let (_, view) = plan(ports, &mut |_| Ok(()))?;
                return Ok((view, None));
            }
            system.write_planned(|out| plan(ports, out))
        };
        // To read the ports and look through them costs about as much as to plan, seal and write them.
        let read = |out: &mut Sink<'_, Read>| {
            for Incoming { document, .. } in documents {
                for port in document.ports() {
                    out(Read::port(document.text(port))?)?;
                }
            }
            Ok(((), ()))
        };
        let ((), (mut view, wrote)) = beside(read, carry_out)?;
        if let Some(wrote) = wrote {
            self.changed(wrote.generation);
            view.kept = wrote.kept;
        }
        Ok(view)
    }
}

/// A file of the request, parsed.
struct Incoming {
    name: String,
    document: Document,
}

impl Incoming {
    fn read(file: ImportFile) -> Result<Self, Error> {
        let name = file_name(&file.name)?;
        // Opened to be parsed: a binding file may hold secrets.
        let bytes = STANDARD.decode(file.content.expose()).map_err(|cause| {
            Error::new(Code::Usage, format!("{name} did not arrive whole.")).because(cause)
        })?;
        let document = Document::read(Wiped::new(bytes), &Limits::default()).map_err(|mut error| {
            error.message = format!("{name}: {}", error.message);
            error
        })?;
        Ok(Self { name, document })
    }
}

/// A file beside what the list has of it.
struct Known {
    /// SHA-256 of its bytes, in hex.
    sha256: String,
    /// The document that it is already.
    document: Option<RecordId>,
    /// For each of its ports the record that has its identity.
    ports: Vec<Option<RecordId>>,
}

impl Known {
    fn find(system: &System, Incoming { name, document }: &Incoming) -> Result<Self, Error> {
        let sha256 = hex(&Sha256::digest(document.bytes()));
        system.index(|index| {
            // A file that a later one took the place of is new again: it is the newest word on its ports.
            let same = |d: &&&index::Document| d.sha256 == sha256 && d.name == *name && !index.superseded(d);
            let known = index.documents().iter().rev().find(same).map(|d| d.id);
            let port = |element| index.port(&identity(element)).map(|port| port.id());
            let ports = document.ports().iter().map(port).collect();
            Self { document: known, ports, sha256 }
        })
    }
}

/// The ports that more than one element of the files is.
fn more_than_once(documents: &[Incoming]) -> BTreeSet<PortIdentity> {
    let mut all: Vec<_> = documents
        .iter()
        .flat_map(|incoming| incoming.document.ports())
        .map(|port| (&port.application, &port.name, port.kind))
        .collect();
    all.sort_unstable();
    let twins = all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    twins
        .map(|(application, name, kind)| PortIdentity {
            application: application.clone(),
            name: name.clone(),
            kind,
        })
        .collect()
}

/// A port of a file, read.
struct Read {
    port: Port,
    /// Hash of its text: what an export knows its place by.
    base: String,
}

impl Read {
    fn port(text: &str) -> Result<Self, Error> {
        let port = Port::read(SecretText::new(text.to_owned()), Marks::default())?;
        port.look_through();
        Ok(Self { port, base: hex(&Sha256::digest(text.as_bytes())) })
    }
}

/// A file name as it may stand in a folder: the last part of what was given.
fn file_name(given: &str) -> Result<String, Error> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = !name.is_empty() && name != "." && name != ".." && !name.chars().any(char::is_control);
    if !plain || name.len() > 200 {
        return Err(Error::new(Code::Usage, "A file of the import has no usable name.")
            .hint("Rename it to something like Orders.BindingInfo.xml."));
    }
    Ok(name.to_owned())
}

/// An import on its way.
struct Import<'a, 'o> {
    system: &'a System,
    call: &'a Call<'a>,
    progress: Progress<'a>,
    done: u64,
    /// The ports of all files, in their order.
    ports: Coming<Read, ()>,
    /// Writes a record, or lets go of it in a dry run.
    out: &'a mut Sink<'o, Put>,
    acts: Vec<Act>,
    /// The ports that come more than once.
    again: BTreeSet<PortIdentity>,
    /// Of those, what this import makes of them so far.
    planned: BTreeMap<PortIdentity, Row>,
    view: ImportView,
}

impl Import<'_, '_> {
    fn document(&mut self, incoming: &Incoming, known: &Known) -> Result<(), Error> {
        let id = known.document.unwrap_or_else(|| RecordId::make_new(&mut system_rng()));
        if known.document.is_none() {
            let head = DocumentHead {
                name: incoming.name.clone(),
                sha256: known.sha256.clone(),
                encoding: incoming.document.encoding().to_owned(),
                bytes: incoming.document.bytes().len() as u64,
                ports: incoming.document.ports().iter().map(identity).collect(),
                written: written(self.call, "imported"),
            };
            let put = self.seal_document(id, &head, incoming.document.bytes())?;
            (self.out)(put)?;
        }
        let before = (self.view.created, self.view.changed);
        let mut warnings = incoming.document.warnings().to_vec();
        let mut missing = 0;
        for (element, known) in incoming.document.ports().iter().zip(&known.ports) {
            missing += self.port(incoming, id, (element, *known), &mut warnings)?;
            self.done += 1;
            self.progress.at(self.done)?;
        }
        let ports = incoming.document.ports().len();
        self.view.documents.push(ImportedDocumentView {
            id,
            name: incoming.name.clone(),
            ports: ports as u64,
            missing_secrets: missing,
            warnings,
        });
        let (created, changed) = (self.view.created - before.0, self.view.changed - before.1);
        let detail = format!("{created} new, {changed} changed, {ports} ports in all");
        self.acts.push(act(self.call, "port.import", incoming.name.clone(), detail));
        Ok(())
    }

    /// Plans one port; gives how many of its secrets are missing.
    fn port(
        &mut self,
        incoming: &Incoming,
        document: RecordId,
        (element, known): (&PortElement, Option<RecordId>),
        warnings: &mut Vec<String>,
    ) -> Result<u64, Error> {
        let Some(Read { port, base }) = self.ports.next() else {
            // Whatever ended the reading says why.
            return Err(Error::new(Code::Cancelled, "The ports were not read to their end."));
        };
        let identity = identity(element);
        let present = self.present(&identity, known)?;
        let known = present.as_ref().map(|present| present.row.id.to_string()).unwrap_or_default();
        let (outcome, changes, port) = match present {
            None => {
                let head = PortHead {
                    bases: [base].into(),
                    document,
                    name: identity.name.clone(),
                    marked: Default::default(),
                    filled: Default::default(),
                    deleted: false,
                    written: written(self.call, "imported"),
                };
                let id = RecordId::make_new(&mut system_rng());
                self.put(&identity, (id, Revision::FIRST, None), head, &port)?;
                self.view.created += 1;
                (ImportOutcome::Created, Vec::new(), port)
            }
            Some(present) => {
                let Opened { row, head: before, port: current, .. } = present;
                let (port, said) = Port::adopt(port, &current)?;
                warnings.extend(said);
                let same = port.element() == current.element() && !before.deleted;
                if same && before.bases.contains(&base) {
                    self.view.unchanged += 1;
                    (ImportOutcome::Unchanged, Vec::new(), port)
                } else {
                    let changes = Port::changes(&current, &port);
                    let mut bases = if same { before.bases.clone() } else { Default::default() };
                    bases.insert(base);
                    let mut said = written(self.call, "imported again");
                    said.changed = changes.iter().map(|change| change.label.clone()).collect();
                    let head = PortHead { bases, document, deleted: false, ..before };
                    let head = head_of(&port, head, said);
                    let place = (row.id, row.revision.next(), Some(row.digest()));
                    self.put(&identity, place, head, &port)?;
                    if same {
                        self.view.unchanged += 1;
                        (ImportOutcome::Unchanged, Vec::new(), port)
                    } else {
                        self.view.changed += 1;
                        (ImportOutcome::Changed, changes, port)
                    }
                }
            }
        };
        let missing = missing_views(&port, &known);
        let count = missing.len() as u64;
        let summary = port.summary();
        self.view.plan.push(ImportPlanView {
            document: incoming.name.clone(),
            kind: identity.kind,
            application: identity.application,
            name: identity.name,
            adapter: summary.adapter,
            address: summary.address,
            outcome,
            changes,
            missing,
        });
        Ok(count)
    }

    /// The port as it is now, or as this import has made it already.
    fn present(&self, identity: &PortIdentity, known: Option<RecordId>) -> Result<Option<Opened>, Error> {
        if let Some(row) = self.planned.get(identity) {
            return self.system.open_row(row.clone()).map(Some);
        }
        known.map(|id| self.system.port(id)).transpose()
    }

    fn put(
        &mut self,
        identity: &PortIdentity,
        (id, revision, read): (RecordId, Revision, Option<[u8; 32]>),
        head: PortHead,
        port: &Port,
    ) -> Result<(), Error> {
        let put = Put { read, ..self.system.seal_port(id, revision, &head, port)? };
        if self.again.contains(identity) {
            let row = Row { envelope: put.envelope.clone(), ..Row::without_content_of(&put) };
            self.planned.insert(identity.clone(), row);
        }
        (self.out)(put)
    }

    fn seal_document(&self, id: RecordId, head: &DocumentHead, bytes: &[u8]) -> Result<Put, Error> {
        let keys = &self.system.unlocked()?.keys;
        let kind = RecordKind::Document;
        let context = |kind| Context { record: id, application: "", kind, revision: Revision::FIRST };
        let mut rng = system_rng();
        Ok(Put {
            id,
            kind,
            application: String::new(),
            name: head.name.clone(),
            revision: Revision::FIRST,
            key_version: keys.active(),
            envelope: make_sealed(keys, context(kind.body()), head, bytes, &mut rng),
            summary: make_sealed(keys, context(kind.summary()), head, b"", &mut rng),
            read: None,
            listed: None,
        })
    }
}

pub(super) fn identity(element: &PortElement) -> PortIdentity {
    PortIdentity { application: element.application.clone(), name: element.name.clone(), kind: element.kind }
}

#[cfg(test)]
mod tests {
    use sealport_core::api::{PortFilter, PortListView, Request, Response};

    use super::{super::ask, *};

    fn import(engine: &Engine, names: &[String], address: &str) -> Result<ImportView, Error> {
        let port = |name| {
            format!(
                "<SendPort Name=\"{name}\"><ApplicationName>A</ApplicationName><PrimaryTransport><Address>{address}</Address>\
                 <TransportType Name=\"FTP\" /></PrimaryTransport></SendPort>"
            )
        };
        let ports: String = names.iter().map(port).collect();
        let text = format!("<BindingInfo><SendPortCollection>{ports}</SendPortCollection></BindingInfo>");
        let content = SecretText::new(STANDARD.encode(text));
        let files = vec![ImportFile { name: "a.xml".to_owned(), content }];
        match ask(engine, Request::PortImport { files, dry_run: false })? {
            Response::Imported(view) => Ok(view),
            other => panic!("an import: {other:?}"),
        }
    }

    fn list(engine: &Engine) -> PortListView {
        match ask(engine, Request::PortList { filter: PortFilter::default(), offset: 0, limit: None }) {
            Ok(Response::Ports(list)) => list,
            other => panic!("a list: {other:?}"),
        }
    }

    fn shown(engine: &Engine) -> serde_json::Value {
        serde_json::to_value(list(engine)).unwrap()
    }

    fn names(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("Port{number:03}")).collect()
    }

    /// Records are written while the rest is planned: what is found out late must leave none of them.
    /// Sabotage: in `write_here_coming`, go on with an entry of one's own where `coming.end()` fails: hundreds of ports are there.
    #[test]
    fn an_import_that_fails_at_its_last_port_leaves_none_of_those_before_it() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        import(&engine, &names(400..401), "ftp://one/").unwrap();
        let last =
            list(&engine).ports.into_iter().find(|port| port.name == "Port400").expect("it was imported");
        let sound = hex(&system.read(|store| store.record(last.id)).unwrap().unwrap().envelope);
        let envelope = |hex: &str| {
            system.damage(&format!("UPDATE record SET envelope = x'{hex}' WHERE name = 'Port400'"));
        };
        let (before, total) = (shown(&engine), list(&engine).total);
        let audit = system.position().borrow().audit.clone();
        envelope("00");
        let failed = import(&engine, &names(0..401), "ftp://two/").unwrap_err();
        assert_eq!(failed.code, Code::Integrity, "{failed}");
        assert_eq!(system.read(|store| store.counts()).unwrap().0, total);
        assert_eq!((shown(&engine), system.position().borrow().audit.clone()), (before, audit));
        // The writer is free again, and the same import is carried out where nothing stands in its way.
        envelope(&sound);
        let done = import(&engine, &names(0..401), "ftp://two/").unwrap();
        assert_eq!((done.created, done.changed, done.unchanged), (400, 1, 0));
    }

    /// Sabotage: tell the list another address than the one that `summarise` seals.
    #[test]
    fn the_list_is_told_what_is_sealed() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        for address in ["ftp://one/", "ftp://two/"] {
            import(&engine, &names(0..40), address).unwrap();
            let told = shown(&engine);
            *super::super::held(&system.index) = None;
            assert_eq!(shown(&engine), told);
            let at = list(&engine).ports.into_iter().filter(|port| port.address == address);
            assert_eq!(at.count(), 40);
        }
    }
}
