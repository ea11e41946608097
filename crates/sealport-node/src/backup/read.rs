//! Reading a backup: its header without a passphrase, then all of it, each thing checked before it is passed on.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    iter,
    path::{Path, PathBuf},
    time::Instant,
};

use age::{DecryptError, Decryptor, armor::ArmoredReader, scrypt};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    backup::{End, Header, Line, MAX_HEADER, NodeLine, header_hash, read_header},
    bundle::Bundle,
    id::Epoch,
    port::{Marks, Port},
    record::{DocumentHead, PortHead, PortSummary, RecordKind, from_plain},
    seal::{Context, Keys, SealedKind},
    secret::{SecretText, Wiped},
    time::Timestamp,
};

use super::{ARMOR, armor::Strict, damaged, passphrase, unreadable};
use crate::store::{Former, Item, NodeRow, Row};

/// No line inside is longer than this: a document of 64 MiB in base64, and some.
const MAX_LINE: u64 = 100 << 20;
/// The highest scrypt work factor that is tried: 4 GiB. More is an attack on this machine.
const MAX_WORK: u8 = 22;

/// A backup file whose header was read.
pub struct Reader {
    file: PathBuf,
    input: File,
    bytes: u64,
    header: Header,
    header_text: String,
}

/// What a drill proved.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// Envelopes that were opened: records, summaries and former revisions.
    pub opened: u64,
    /// How long it took.
    pub seconds: f64,
}

/// What stands inside beside the items.
pub struct Contents {
    /// The master secret.
    pub bundle: Bundle,
    /// The node that wrote the backup.
    pub node: NodeLine,
    /// When the system was made.
    pub system_created: Timestamp,
    /// How often the master had changed; 1 in a backup that does not say.
    pub epoch: Epoch,
    /// Certificate of the system's authority, DER.
    pub ca: Option<Vec<u8>>,
    /// The node registry.
    pub nodes: Vec<NodeRow>,
    /// What was proved on the way.
    pub proof: Proof,
}

impl Reader {
    /// Opens a file and reads its header; no passphrase is needed. The header is authenticated only by `read_all`.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let broken = |cause| unreadable(file, cause);
        let mut input = File::open(file).map_err(broken)?;
        let bytes = input.metadata().map_err(broken)?.len();
        let mut start = vec![0; MAX_HEADER];
        let mut filled = 0;
        while filled < start.len() {
            match input.read(&mut start[filled..]).map_err(broken)? {
                0 => break,
                count => filled += count,
            }
        }
        start.truncate(filled);
        let at = start
            .windows(ARMOR.len())
            .position(|window| window == ARMOR.as_bytes())
            .ok_or_else(|| damaged(file, "its encrypted part does not begin"))?;
        let header_text =
            String::from_utf8(start[..at].to_vec()).map_err(|_| damaged(file, "its header is not text"))?;
        let header = read_header(&header_text)?;
        Ok(Self { file: file.to_owned(), input, bytes, header, header_text })
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Length of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens everything and keeps nothing. `progress` is told the records read so far and may end it.
    pub fn drill(
        self,
        secret: &SecretText,
        progress: &mut dyn FnMut(u64) -> Result<(), Error>,
    ) -> Result<Proof, Error> {
        let mut records = 0;
        let contents = self.read_all(secret, &mut |item| {
            if matches!(item, Item::Record(_)) {
                records += 1;
                progress(records)?;
            }
            Ok(())
        })?;
        Ok(contents.proof)
    }

    /// Reads all of it. An item is passed on only after its envelopes opened and hold what they say; that the file is
    /// whole is known only when this returns, so what was passed on must not count before.
    ///
    /// # Errors
    /// `wrong_passphrase`, or `integrity` for any byte that is not as it was written.
    pub fn read_all(
        mut self,
        secret: &SecretText,
        each: &mut dyn FnMut(Item) -> Result<(), Error>,
    ) -> Result<Contents, Error> {
        let begun = Instant::now();
        let file = self.file.clone();
        let fault = |what: &str| damaged(&file, what);
        self.input
            .seek(SeekFrom::Start(self.header_text.len() as u64))
            .map_err(|cause| unreadable(&file, cause))?;
        let armor = ArmoredReader::new(Strict::new(BufReader::with_capacity(1 << 20, self.input)));
        let decryptor = Decryptor::new(armor).map_err(|cause| refused(&file, cause))?;
        let mut identity = scrypt::Identity::new(passphrase(secret));
        identity.set_max_work_factor(MAX_WORK);
        let inside = decryptor
            .decrypt(iter::once(&identity as &dyn age::Identity))
            .map_err(|cause| refused(&file, cause))?;
        let input = BufReader::with_capacity(1 << 20, inside);
        let mut lines = Lines { file: &file, input, line: Wiped::new(Vec::with_capacity(1 << 16)) };

        let Line::Start(start) = lines.next()? else { return Err(fault("its first line is not the first")) };
        if start.format != 1 || start.header != header_hash(&self.header_text) {
            return Err(fault("its header is not the one that it was written with"));
        }
        // Opened to be parsed into the bundle's own secret types.
        let bundle = Bundle::from_text(start.bundle.expose())?;
        if bundle.system() != self.header.system || bundle.active() != self.header.active_version {
            return Err(fault("its header names another system or secret version"));
        }
        let checks = bundle.views().into_iter().map(|v| (v.version, v.kcv));
        if !checks.eq(self.header.versions.iter().map(|v| (v.version, v.kcv.clone()))) {
            return Err(fault("the check values in its header are not those of its secret"));
        }

        let check = Check { file: &file, keys: Keys::derive(&bundle) };
        let mut count = End { records: 0, revisions: 0, audit: 0 };
        let mut ports = 0;
        let mut opened = 0;
        let mut present: Option<Row> = None;
        loop {
            match lines.next()? {
                Line::Record(line) => {
                    let row = Row::from_line(line).ok_or_else(|| fault("a record in it is not one"))?;
                    check.record(&row)?;
                    count.records += 1;
                    ports += u64::from(row.kind != RecordKind::Document);
                    opened += 2;
                    present = Some(row.without_content());
                    each(Item::Record(row))?;
                }
                Line::Revision(line) => {
                    let former =
                        Former::from_line(line).ok_or_else(|| fault("a revision in it is not one"))?;
                    let record = present.as_ref().filter(|record| record.id == former.id);
                    check.former(record.ok_or_else(|| fault("a revision in it has no record"))?, &former)?;
                    count.revisions += 1;
                    opened += 1;
                    each(Item::Former(former))?;
                }
                Line::Audit(line) => {
                    count.audit += 1;
                    // A trail that was edited before the backup is kept as it is: the status of the restored system
                    // says where the chain breaks. Order is checked here.
                    if line.seq != count.audit {
                        return Err(fault("its audit trail is out of order"));
                    }
                    each(Item::Audit(line))?;
                }
                Line::End(end) if end == count => break,
                Line::End(_) => return Err(fault("it holds fewer records than were written")),
                Line::Start(_) => return Err(fault("it begins twice")),
            }
        }
        lines.ends()?;
        if (self.header.records, self.header.ports) != (count.records, ports) {
            return Err(fault("it holds another number of records than its header says"));
        }
        let proof = Proof { opened, seconds: begun.elapsed().as_secs_f64() };
        let not_ours = || fault("its node registry is not one");
        let ca = start.ca.map(|ca| STANDARD.decode(ca)).transpose().map_err(|_| not_ours())?;
        let nodes = start.nodes.into_iter().map(NodeRow::from_line);
        Ok(Contents {
            bundle,
            node: start.node,
            system_created: start.system_created,
            epoch: start.epoch.unwrap_or(Epoch::FIRST),
            ca,
            nodes: nodes.collect::<Option<_>>().ok_or_else(not_ours)?,
            proof,
        })
    }
}

/// The lines inside, each within its limit.
struct Lines<'a, R> {
    file: &'a Path,
    input: R,
    /// The present one. The first, which holds the bundle, fits without a move that would leave a copy behind.
    line: Wiped<Vec<u8>>,
}

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<Line, Error> {
        self.line.clear();
        self.input
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line)
            .map_err(|cause| damaged(self.file, "a part of it does not open").because(cause))?;
        if self.line.pop() != Some(b'\n') {
            return Err(damaged(self.file, "it is cut off"));
        }
        serde_json::from_slice(&self.line).map_err(|_| damaged(self.file, "a line inside is not one of ours"))
    }

    fn ends(&mut self) -> Result<(), Error> {
        let mut more = [0];
        match self.input.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged(self.file, "there is more behind its end")),
            Err(cause) => Err(damaged(self.file, "its end does not open").because(cause)),
        }
    }
}

/// Opens what a backup carries, as a restored system would.
struct Check<'a> {
    file: &'a Path,
    keys: Keys,
}

impl Check<'_> {
    fn record(&self, row: &Row) -> Result<(), Error> {
        self.body(row, row.revision, &row.envelope)?;
        let plain = self.open(row, row.kind.summary(), row.revision, &row.summary)?;
        match row.kind {
            RecordKind::Port(_) => from_plain::<PortSummary>(&plain).map(drop),
            RecordKind::Document => from_plain::<DocumentHead>(&plain).map(drop),
        }
    }

    fn former(&self, record: &Row, former: &Former) -> Result<(), Error> {
        self.body(record, former.revision, &former.envelope)
    }

    fn body(&self, row: &Row, revision: sealport_core::id::Revision, envelope: &[u8]) -> Result<(), Error> {
        let plain = self.open(row, row.kind.body(), revision, envelope)?;
        let text_fault = || damaged(self.file, "a port in it is not text");
        match row.kind {
            RecordKind::Port(_) => {
                let (head, body) = from_plain::<PortHead>(&plain)?;
                let element = String::from_utf8(body.to_vec()).map_err(|_| text_fault())?;
                let marks = Marks { marked: head.marked, filled: head.filled };
                Port::read(SecretText::new(element), marks).map(drop)
            }
            RecordKind::Document => from_plain::<DocumentHead>(&plain).map(drop),
        }
    }

    fn open(
        &self,
        row: &Row,
        kind: SealedKind,
        revision: sealport_core::id::Revision,
        envelope: &[u8],
    ) -> Result<Wiped<Vec<u8>>, Error> {
        let context = Context { record: row.id, application: &row.application, kind, revision };
        self.keys
            .open(context, envelope)
            .map_err(|cause| damaged(self.file, &format!("{} in it does not open", row.name)).because(cause))
    }
}

fn refused(file: &Path, cause: DecryptError) -> Error {
    let shown = file.display();
    match cause {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            Error::new(Code::WrongPassphrase, format!("The passphrase does not open {shown}."))
                .hint("Check the reminder in its header, upper and lower case, and the keyboard layout.")
        }
        DecryptError::ExcessiveWork { .. } => damaged(file, "it asks for more work than any Sealport writes"),
        other => damaged(file, "its encrypted part was changed or cut off").because(other.to_string()),
    }
}
