//! Exporting documents as binding files: the document as it came, each port in its newest state that grew out of it.

use std::{collections::BTreeSet, path::Path};

use sealport_core::{
    Code, Error,
    api::{ExportSecrets, ExportView, ExportedFileView},
    backup::hex,
    id::{RecordId, Revision},
    port::{Document, Limits, Port, PortElement, Replacement},
    record::{DocumentHead, PortHead, RecordKind, from_plain},
    secret::{SecretText, Wiped},
};
use sha2::{Digest, Sha256};

use super::{
    Engine, Progress,
    import::identity,
    system::{System, act, open},
};
use crate::{
    call::Call,
    files::{Existing, write_private},
    store::Change,
};

/// A document ready to be written.
struct Ready {
    id: RecordId,
    name: String,
    ports: u64,
    bytes: Wiped<Vec<u8>>,
}

impl Engine {
    pub(super) fn export(
        &self,
        out: &Path,
        secrets: ExportSecrets,
        only: Option<RecordId>,
        call: &Call,
    ) -> Result<ExportView, Error> {
        let system = self.system()?;
        let wanted: Vec<RecordId> = system.index(|index| {
            let documents = index.documents();
            match only {
                Some(id) => documents.iter().filter(|d| d.id == id).map(|d| d.id).collect(),
                None => documents.iter().filter(|d| !index.superseded(d)).map(|d| d.id).collect(),
            }
        })?;
        if wanted.is_empty() {
            return Err(match only {
                Some(id) => Error::new(Code::NotFound, format!("There is no document {id}."))
                    .hint("List them with `sealport port documents`."),
                None => Error::new(Code::NotFound, "There is no document to export.")
                    .hint("Import a binding file first: `sealport port import FILE`."),
            });
        }
        let mut progress = Progress::new(call, "Exporting documents", wanted.len() as u64);
        let mut ready: Vec<Ready> = Vec::with_capacity(wanted.len());
        let mut names = BTreeSet::new();
        for (done, id) in (1..).zip(wanted) {
            let mut document = render(&system, id, secrets)?;
            document.name = free_name(&document.name, &mut names);
            ready.push(document);
            progress.at(done)?;
        }
        std::fs::create_dir_all(out)
            .map_err(|cause| crate::files::unavailable("make the folder", out, cause))?;
        if let Some(taken) = ready.iter().map(|document| out.join(&document.name)).find(|path| path.exists())
        {
            return Err(Error::new(Code::AlreadyExists, format!("{} is there already.", taken.display()))
                .hint("An export writes over nothing. Choose an empty folder."));
        }
        let manner = match secrets {
            ExportSecrets::Mask => "secrets masked",
            ExportSecrets::Include => "secrets in the clear",
        };
        // The entries are durable before anything leaves the database.
        let acts = ready
            .iter()
            .map(|d| act(call, "port.export", d.name.clone(), format!("{manner}, {} ports", d.ports)));
        system.write(Change { acts: acts.collect(), ..Change::default() })?;

        let mut files = Vec::with_capacity(ready.len());
        for document in ready {
            let path = out.join(&document.name);
            if let Err(error) = write_private(&path, &document.bytes, Existing::Refuse) {
                for ExportedFileView { name, .. } in &files {
                    let _ = std::fs::remove_file(out.join(name));
                }
                return Err(error);
            }
            files.push(ExportedFileView {
                document: document.id,
                bytes: document.bytes.len() as u64,
                ports: document.ports,
                name: document.name,
            });
        }
        Ok(ExportView { folder: out.display().to_string(), files, secrets })
    }
}

/// One document with its ports as they are now.
fn render(system: &System, id: RecordId, secrets: ExportSecrets) -> Result<Ready, Error> {
    let row = system.read(|store| store.record(id))?;
    let row = row
        .filter(|row| row.kind == RecordKind::Document)
        .ok_or_else(|| Error::new(Code::NotFound, format!("There is no document {id}.")))?;
    let unlocked = system.unlocked()?;
    let plain = open(&unlocked.keys, &row, row.kind.body(), row.revision, &row.envelope)
        .inspect_err(|error| system.suspect(error))?;
    let (head, bytes): (DocumentHead, _) = from_plain(&plain)?;
    let document = Document::read(Wiped::new(bytes.to_vec()), &Limits::default())?;
    let mut ports = 0;
    let mut failure = None;
    let mut replace = |element: &PortElement| match replacement(system, &document, element, secrets) {
        Ok(replacement) => {
            ports += u64::from(!matches!(replacement, Replacement::Remove));
            replacement
        }
        Err(error) => {
            failure.get_or_insert(error);
            Replacement::Keep
        }
    };
    let bytes = match secrets {
        ExportSecrets::Include => document.write(&mut replace),
        ExportSecrets::Mask => document.write_masked(&mut replace),
    };
    match failure {
        Some(error) => Err(error),
        None => Ok(Ready { id, name: head.name, ports, bytes }),
    }
}

/// What stands for a port of a document: its newest state that grew out of the very text in the document, or nothing
/// where it was deleted.
fn replacement(
    system: &System,
    document: &Document,
    element: &PortElement,
    secrets: ExportSecrets,
) -> Result<Replacement, Error> {
    let text = document.text(element);
    let base = hex(&Sha256::digest(text.as_bytes()));
    let known = system.index(|index| index.port(&identity(element)).map(|port| port.id()))?;
    let port = match known.map(|id| newest(system, id, &base)).transpose()?.flatten() {
        Some((head, _)) if head.deleted => return Ok(Replacement::Remove),
        Some((_, port)) => port,
        None if secrets == ExportSecrets::Include => return Ok(Replacement::Keep),
        None => Port::read(SecretText::new(text.to_owned()), Default::default())?,
    };
    Ok(Replacement::With(match secrets {
        // Opened because the administrator asked for the secrets; the entry in the audit trail says so.
        ExportSecrets::Include => SecretText::new(port.element().to_owned()),
        ExportSecrets::Mask => port.masked(),
    }))
}

fn newest(system: &System, id: RecordId, base: &str) -> Result<Option<(PortHead, Port)>, Error> {
    let opened = system.port(id)?;
    if opened.head.deleted || opened.head.bases.contains(base) {
        return Ok(Some((opened.head, opened.port)));
    }
    for number in (1..opened.row.revision.0).rev() {
        let (head, port) = system.port_at(&opened.row, Revision(number))?;
        if head.bases.contains(base) {
            return Ok(Some((head, port)));
        }
    }
    Ok(None)
}

/// The name, or the name with a number where it is taken. Cases count as equal: on some disks they are.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{stem} ({number}){ending}");
        number += 1;
    }
    candidate
}
