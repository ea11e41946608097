//! Backups of the system: create, inspect, drill. A backup counts once it was read back and every record in it opened.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{BackupView, ProofView},
    backup::{Header, MAX_REMINDER, NodeLine, Start, one_line},
    bundle::{Bundle, Holder},
    id::KeyVersion,
    secret::SecretText,
};

use super::{Engine, Progress, now, system::act};
use crate::{
    backup::{Cost, Plan, Proof, Reader, Sink, write},
    call::Call,
    store::{BackupRow, Change, Item, NodeRow, RotationMove, SystemRow},
};

/// The fewest characters of a new backup's passphrase. Enterprise SSO asks for 7; guessing is cheaper now.
const SHORTEST_PASSPHRASE: usize = 12;

/// The product as headers name it.
const PRODUCT: &str = concat!("Sealport ", env!("CARGO_PKG_VERSION"));

impl Engine {
    pub(super) fn backup(
        &self,
        file: &Path,
        passphrase: &SecretText,
        reminder: Option<String>,
        secret_only: bool,
        call: &Call,
    ) -> Result<BackupView, Error> {
        self.backup_for(file, passphrase, reminder, secret_only, None, call)
    }

    /// A backup; with `rotation` it is the one that proves this version before it is used.
    pub(super) fn backup_for(
        &self,
        file: &Path,
        passphrase: &SecretText,
        reminder: Option<String>,
        secret_only: bool,
        rotation: Option<KeyVersion>,
        call: &Call,
    ) -> Result<BackupView, Error> {
        let system = self.system()?;
        let mut bundle = system.bundle()?;
        // A connection of its own: others read and write meanwhile, and the header still tells what is inside.
        let store = system.reader_aside()?;
        let moment = store.one_moment()?;
        let (row, (ports, records)) = (store.system()?, store.counts()?);
        // What is active is told by the same moment as the records.
        bundle.activate(row.active_version);
        let (ports, records) = if secret_only { (0, 0) } else { (ports, records) };
        let header = header(&row, &bundle, reminder, secret_only, ports, records)?;
        let mut progress = Progress::new(call, "Proving the backup", records);
        let mut done = 0;
        let mut writing = Progress::new(call, "Writing the backup", records);
        let proof = make(
            file,
            &header,
            &Of { row: &row, nodes: &store.nodes()?, bundle: &bundle },
            passphrase,
            |put| {
                if secret_only {
                    return Ok(());
                }
                store.snapshot(|item| {
                    if matches!(item, Item::Record(_)) {
                        done += 1;
                        writing.at(done)?;
                    }
                    put(item)
                })
            },
            &mut |count| progress.at(count),
        )?;
        drop(moment);
        let view = view(file, header, Some(proof))?;
        let backup = proven(&view);
        let entry = act(call, "backup.create", backup.file.clone(), opened_words(&proof));
        let prove = |to| {
            let sealed = view.header.versions.iter().any(|held| held.version == to);
            if sealed { Ok(RotationMove::Prove { to, file: view.file.clone() }) } else { Err(not_in_it(to)) }
        };
        let rotation = rotation.map(prove).transpose()?;
        let change = Change { acts: vec![entry], backup: Some(backup), rotation, ..Change::default() };
        if let Err(error) = system.write(change) {
            // A copy of every secret that no entry tells of must not lie about.
            let _ = std::fs::remove_file(file);
            return Err(error);
        }
        Ok(view)
    }

    pub(super) fn drill(
        &self,
        file: &Path,
        passphrase: &SecretText,
        call: &Call,
    ) -> Result<BackupView, Error> {
        let reader = Reader::open(file)?;
        let header = reader.header().clone();
        let mut progress = Progress::new(call, "Opening every record", header.records);
        let proof = reader.drill(passphrase, &mut |count| progress.at(count))?;
        let view = view(file, header, Some(proof))?;
        // A drill needs no system; where there is one and the backup is its own, it counts.
        if let Ok(system) = self.system() {
            let own = system.row.id == view.header.system;
            let detail = if own { opened_words(&proof) } else { "a backup of another system".to_owned() };
            let entry = act(call, "backup.drill", view.file.clone(), detail);
            let backup = own.then(|| proven(&view));
            system.write(Change { acts: vec![entry], backup, ..Change::default() })?;
        }
        Ok(view)
    }
}

/// Refused where its length makes guessing cheap.
pub(super) fn check_passphrase(passphrase: &SecretText) -> Result<(), Error> {
    if passphrase.expose().chars().count() >= SHORTEST_PASSPHRASE {
        return Ok(());
    }
    Err(Error::new(
        Code::Usage,
        format!("The passphrase of the backup has fewer than {SHORTEST_PASSPHRASE} characters."),
    )
    .hint("Take several words: whoever has the file can guess as long as they like."))
}

fn not_in_it(version: KeyVersion) -> Error {
    Error::new(Code::Integrity, format!("The backup does not hold version {version} of the master secret."))
}

/// The header of a file, without its passphrase.
pub(super) fn inspect(file: &Path) -> Result<BackupView, Error> {
    let header = Reader::open(file)?.header().clone();
    view(file, header, None)
}

/// What a backup is of, beside the records.
pub(super) struct Of<'a> {
    pub row: &'a SystemRow,
    pub nodes: &'a [NodeRow],
    pub bundle: &'a Bundle,
}

/// Writes and drills a backup of a system.
pub(super) fn make(
    file: &Path,
    header: &Header,
    of: &Of<'_>,
    passphrase: &SecretText,
    feed: impl FnOnce(&mut Sink<'_>) -> Result<(), Error>,
    progress: &mut dyn FnMut(u64) -> Result<(), Error>,
) -> Result<Proof, Error> {
    check_passphrase(passphrase)?;
    let start = Start {
        format: 1,
        header: String::new(),
        // Opened because the backup is where it must survive; age seals it.
        bundle: SecretText::from(of.bundle.to_text(Holder::Heir)),
        node: NodeLine { id: of.row.node, name: of.row.node_name.clone() },
        system_created: of.row.created,
        epoch: Some(of.row.epoch),
        ca: of.row.ca.as_ref().map(|ca| STANDARD.encode(ca)),
        nodes: of.nodes.iter().cloned().map(Into::into).collect(),
    };
    write(file, Plan { header, start, passphrase, cost: Cost::BACKUP }, feed, progress)
}

pub(super) fn header(
    row: &SystemRow,
    bundle: &Bundle,
    reminder: Option<String>,
    secret_only: bool,
    ports: u64,
    records: u64,
) -> Result<Header, Error> {
    let reminder = reminder.map(|text| one_line("passphrase reminder", &text, MAX_REMINDER)).transpose()?;
    Ok(Header {
        format: 1,
        system: row.id,
        system_name: row.name.clone(),
        created: now(),
        product: PRODUCT.to_owned(),
        generation: row.generation,
        active_version: bundle.active(),
        versions: bundle.views(),
        reminder: reminder.filter(|text| !text.is_empty()),
        secret_only,
        ports,
        records,
    })
}

pub(super) fn view(file: &Path, header: Header, proof: Option<Proof>) -> Result<BackupView, Error> {
    let bytes =
        std::fs::metadata(file).map_err(|cause| crate::files::unavailable("read", file, cause))?.len();
    let proven =
        proof.map(|proof| ProofView { at: now(), records_opened: proof.opened, seconds: proof.seconds });
    Ok(BackupView { file: crate::files::absolute(file).display().to_string(), bytes, header, proven })
}

/// The row that remembers a backup that was proven.
pub(super) fn proven(view: &BackupView) -> BackupRow {
    BackupRow {
        file: view.file.clone(),
        created: view.header.created,
        proven: view.proven.as_ref().map_or_else(now, |proof| proof.at),
        active_version: view.header.active_version,
        versions: view.header.versions.iter().map(|held| held.version).collect(),
        generation: view.header.generation,
        secret_only: view.header.secret_only,
        ports: view.header.ports,
        records: view.header.records,
        reminder: view.header.reminder.clone(),
    }
}

pub(super) fn opened_words(proof: &Proof) -> String {
    format!("proven: {} sealed parts opened in {:.1} s", proof.opened, proof.seconds)
}
