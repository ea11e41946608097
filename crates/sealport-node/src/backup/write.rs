//! Writing a backup: to a temporary file beside its place, synced, renamed, then read back and drilled.

use std::{
    fs::File,
    io::{BufWriter, Write},
    iter,
    path::Path,
};

use age::{
    Encryptor,
    armor::{ArmoredWriter, Format},
    scrypt,
};
use sealport_core::{
    Error,
    backup::{End, Header, Line, Start, header_hash, write_header},
    secret::{SecretText, Wiped},
};

use super::{Proof, Reader, Sink, passphrase, unreadable};
use crate::store::Item;

/// What a guess at the passphrase costs: scrypt with N = 2^log_n, r = 8, p = 1, so 2^log_n KiB of memory.
#[derive(Clone, Copy)]
pub struct Cost(u8);

impl Cost {
    /// 256 MiB and about a second, twice OWASP's minimum for scrypt (N = 2^17).
    pub const BACKUP: Cost = Cost(18);

    /// Next to nothing, for tests that open a file thousands of times.
    pub const FOR_TESTS: Cost = Cost(2);
}

/// What a backup is made of, but for its items.
pub struct Plan<'a> {
    /// What people read.
    pub header: &'a Header,
    /// The first line inside, its `header` hash left empty.
    pub start: Start,
    /// The passphrase of the age part.
    pub passphrase: &'a SecretText,
    /// What a guess costs.
    pub cost: Cost,
}

/// Writes a backup of the items that `feed` passes on, and drills it where it then stands. Whatever fails, no file
/// stays behind.
///
/// # Errors
/// `already_exists` where the file is there, `unavailable` where it can't be written, `integrity` where what was
/// written does not open.
pub fn write(
    file: &Path,
    plan: Plan<'_>,
    feed: impl FnOnce(&mut Sink<'_>) -> Result<(), Error>,
    progress: &mut dyn FnMut(u64) -> Result<(), Error>,
) -> Result<Proof, Error> {
    if file.exists() {
        return Err(unreadable(file, std::io::ErrorKind::AlreadyExists.into()));
    }
    let secret = plan.passphrase;
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // tempfile makes it readable by its owner alone.
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(|cause| unreadable(file, cause))?;
    write_all(file, temporary.as_file_mut(), plan, feed)?;
    temporary.as_file().sync_all().map_err(|cause| unreadable(file, cause))?;
    temporary.persist_noclobber(file).map_err(|failure| unreadable(file, failure.error))?;
    let proof = sync_folder(folder)
        .map_err(|cause| unreadable(file, cause))
        .and_then(|()| Reader::open(file)?.drill(secret, progress));
    if proof.is_err() {
        // What does not open must not lie there looking like a backup.
        let _ = std::fs::remove_file(file);
    }
    proof
}

fn write_all(
    file: &Path,
    out: &mut File,
    mut plan: Plan<'_>,
    feed: impl FnOnce(&mut Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let broken = |cause| unreadable(file, cause);
    let header = write_header(plan.header);
    let mut out = BufWriter::with_capacity(1 << 20, out);
    out.write_all(header.as_bytes()).map_err(broken)?;
    let mut recipient = scrypt::Recipient::new(passphrase(plan.passphrase));
    recipient.set_work_factor(plan.cost.0);
    let armored = ArmoredWriter::wrap_output(&mut out, Format::AsciiArmor).map_err(broken)?;
    let mut inside = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .expect("there is one recipient")
        .wrap_output(armored)
        .map_err(broken)?;

    plan.start.header = header_hash(&header);
    let mut end = End { records: 0, revisions: 0, audit: 0 };
    put(&mut inside, &Line::Start(plan.start)).map_err(broken)?;
    feed(&mut |item| {
        let line = match item {
            Item::Record(row) => {
                end.records += 1;
                Line::Record(row.into())
            }
            Item::Former(former) => {
                end.revisions += 1;
                Line::Revision(former.into())
            }
            Item::Audit(line) => {
                end.audit += 1;
                Line::Audit(line)
            }
        };
        put(&mut inside, &line).map_err(broken)
    })?;
    put(&mut inside, &Line::End(end)).map_err(broken)?;
    inside.finish().and_then(ArmoredWriter::finish).map_err(broken)?;
    out.flush().map_err(broken)
}

fn put(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    let text = Wiped::new(serde_json::to_string(line).expect("a line is plain JSON"));
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// Makes a rename last. Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
