//! Importing binding files: all of them or none, planned first and written in one transaction.
//!
//! A port that comes again keeps the secrets that were filled in and its history. What the file says and what the
//! store holds are compared after that, so that the same file again changes nothing.

use std::collections::BTreeMap;

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
    opened::Opened,
    ports::missing_views,
    system::{System, act, head_of, written},
    system_rng,
};
use crate::{
    call::Call,
    store::{Change, Put},
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
        let plan = |ports| {
            let mut import = Import {
                system,
                call,
                progress,
                done: 0,
                ports,
                change: Change::default(),
                present: BTreeMap::new(),
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
            for incoming in documents {
                import.document(incoming)?;
            }
            import.ports.end()?;
            Ok((import.change, import.view))
        };
        // To read the ports and look through them costs about as much as to plan and seal them: each has its thread.
        let read = |out: &mut Sink<'_, Read>| {
            for Incoming { document, .. } in documents {
                for port in document.ports() {
                    out(Read::port(document.text(port))?)?;
                }
            }
            Ok(((), ()))
        };
        let ((), (change, mut view)) = beside(read, plan)?;
        if !dry_run && !change.puts.is_empty() {
            let written = system.write(change)?;
            self.changed(written.generation);
            view.kept = written.kept;
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
struct Import<'a> {
    system: &'a System,
    call: &'a Call<'a>,
    progress: Progress<'a>,
    done: u64,
    /// The ports of all files, in their order.
    ports: Coming<Read, ()>,
    change: Change,
    /// For the ports that this import already writes, where their latest state stands in the change.
    present: BTreeMap<PortIdentity, usize>,
    view: ImportView,
}

impl Import<'_> {
    fn document(&mut self, incoming: &Incoming) -> Result<(), Error> {
        let sha256 = hex(&Sha256::digest(incoming.document.bytes()));
        let known = self.system.index(|index| {
            // A file that a later one took the place of is new again: it is the newest word on its ports.
            let same = |d: &&super::index::Document| {
                d.sha256 == sha256 && d.name == incoming.name && !index.superseded(d)
            };
            index.documents().into_iter().rev().find(same).map(|d| d.id)
        })?;
        let id = known.unwrap_or_else(|| RecordId::make_new(&mut system_rng()));
        let before = (self.view.created, self.view.changed);
        let mut warnings = incoming.document.warnings().to_vec();
        let mut missing = 0;
        for element in incoming.document.ports() {
            missing += self.port(incoming, id, element, &mut warnings)?;
            self.done += 1;
            self.progress.at(self.done)?;
        }
        let ports: Vec<_> = incoming.document.ports().iter().map(identity).collect();
        self.view.documents.push(ImportedDocumentView {
            id,
            name: incoming.name.clone(),
            ports: ports.len() as u64,
            missing_secrets: missing,
            warnings,
        });
        let (created, changed) = (self.view.created - before.0, self.view.changed - before.1);
        if known.is_none() {
            let head = DocumentHead {
                name: incoming.name.clone(),
                sha256,
                encoding: incoming.document.encoding().to_owned(),
                bytes: incoming.document.bytes().len() as u64,
                ports,
                written: written(self.call, "imported"),
            };
            self.change.puts.push(self.seal_document(id, &head, incoming.document.bytes())?);
        }
        let detail =
            format!("{created} new, {changed} changed, {} ports in all", incoming.document.ports().len());
        self.change.acts.push(act(self.call, "port.import", incoming.name.clone(), detail));
        Ok(())
    }

    /// Plans one port; gives how many of its secrets are missing.
    fn port(
        &mut self,
        incoming: &Incoming,
        document: RecordId,
        element: &PortElement,
        warnings: &mut Vec<String>,
    ) -> Result<u64, Error> {
        let Some(Read { port, base }) = self.ports.next() else {
            // Whatever ended the reading says why.
            return Err(Error::new(Code::Cancelled, "The ports were not read to their end."));
        };
        let identity = identity(element);
        let present = self.present(&identity)?;
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
    fn present(&self, identity: &PortIdentity) -> Result<Option<Opened>, Error> {
        if let Some(at) = self.present.get(identity) {
            return self.system.planned(&self.change.puts[*at]).map(Some);
        }
        let id = self.system.index(|index| index.port(identity).map(|port| port.id()))?;
        id.map(|id| self.system.port(id)).transpose()
    }

    fn put(
        &mut self,
        identity: &PortIdentity,
        (id, revision, read): (RecordId, Revision, Option<[u8; 32]>),
        head: PortHead,
        port: &Port,
    ) -> Result<(), Error> {
        let put = Put { read, ..self.system.seal_port(id, revision, &head, port)? };
        self.present.insert(identity.clone(), self.change.puts.len());
        self.change.puts.push(put);
        Ok(())
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
        })
    }
}

pub(super) fn identity(element: &PortElement) -> PortIdentity {
    PortIdentity { application: element.application.clone(), name: element.name.clone(), kind: element.kind }
}
