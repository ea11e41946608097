//! The list of ports in memory: opened summaries in order, searched as the administrator types. Documents stand in it
//! too. Secrets never do: summaries hold masked addresses.

use std::{collections::BTreeMap, sync::OnceLock};

use sealport_core::{
    Code, Error,
    api::{ApplicationFacetView, FacetView, FacetsView, PortFilter, PortKind, PortListView, PortSummaryView},
    id::RecordId,
    record::{DocumentHead, PortIdentity, PortSummary, RecordKind, from_plain},
    seal::Keys,
    time::Timestamp,
};
use sha2::{Digest, Sha256};

use super::system::open;
use crate::store::{Put, Row, Store};

mod ports;
pub(super) use ports::Listed;
use ports::Ports;

/// Every port and document, without their bodies.
#[derive(Default)]
pub(super) struct Index {
    ports: Ports,
    /// What the tree beside the list shows, until the next write.
    facets: OnceLock<FacetsView>,
    documents: BTreeMap<RecordId, Document>,
}

/// A document and when it came, by the order of writes.
pub(super) struct Document {
    pub id: RecordId,
    /// File name without folders.
    pub name: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    pub encoding: String,
    /// Length of its bytes.
    pub bytes: u64,
    pub imported: Timestamp,
    order: u64,
    /// Which ports it holds, sorted.
    ports: Box<[Mark]>,
}

/// A port by a hash of its identity, as wide as an id: a document of thousands of ports needs no more of them than to tell
/// whether another holds the same ones.
type Mark = [u8; 16];

impl Document {
    fn new(id: RecordId, head: DocumentHead, order: u64) -> Self {
        let mut ports: Box<[Mark]> = head.ports.iter().map(mark).collect();
        ports.sort_unstable();
        let DocumentHead { name, sha256, encoding, bytes, written, .. } = head;
        Self { id, name, sha256, encoding, bytes, imported: written.at, order, ports }
    }

    /// How many ports it holds.
    pub fn ports(&self) -> u64 {
        self.ports.len() as u64
    }

    fn holds(&self, port: &Mark) -> bool {
        self.ports.binary_search(port).is_ok()
    }

    fn moment(&self) -> (Timestamp, u64) {
        (self.imported, self.order)
    }
}

impl Index {
    /// Opens every summary of a database.
    pub fn read(keys: &Keys, store: &Store) -> Result<Self, Error> {
        let mut index = Self::default();
        store.summaries(|row| {
            let plain = open(keys, &row, row.kind.summary(), row.revision, &row.summary)?;
            index.add(row, &plain, Ports::append)
        })?;
        index.ports.tidy();
        Ok(index)
    }

    /// Takes in what was just written here.
    pub fn put(&mut self, keys: &Keys, put: &Put) -> Result<(), Error> {
        let row = Row::without_content_of(put);
        match (&put.listed, put.kind) {
            (Some(summary), RecordKind::Port(kind)) => {
                self.enlist(row, kind, summary.clone(), Ports::put);
                Ok(())
            }
            _ => self.take(keys, row, &put.summary),
        }
    }

    /// Takes in a row that was just written.
    pub fn take(&mut self, keys: &Keys, row: Row, summary: &[u8]) -> Result<(), Error> {
        let plain = super::system::open(keys, &row, row.kind.summary(), row.revision, summary)?;
        self.add(row, &plain, Ports::put)
    }

    fn add(&mut self, row: Row, plain: &[u8], add: fn(&mut Ports, &PortSummaryView)) -> Result<(), Error> {
        match row.kind {
            RecordKind::Document => {
                let (head, _) = from_plain(plain)?;
                let order = self.documents.len() as u64;
                self.documents.entry(row.id).or_insert_with(|| Document::new(row.id, head, order));
            }
            RecordKind::Port(kind) => {
                let (summary, _): (PortSummary, _) = from_plain(plain)?;
                if summary.name != row.name {
                    return Err(Error::new(
                        Code::Integrity,
                        format!("The summary of {} is of another port.", row.name),
                    )
                    .hint("The database was changed by other means. Restore the latest backup."));
                }
                self.enlist(row, kind, summary, add);
            }
        }
        Ok(())
    }

    fn enlist(
        &mut self,
        row: Row,
        kind: PortKind,
        summary: PortSummary,
        add: fn(&mut Ports, &PortSummaryView),
    ) {
        self.facets.take();
        let view = PortSummaryView {
            id: row.id,
            kind,
            application: row.application,
            name: row.name,
            adapter: summary.adapter,
            address: summary.address,
            user: summary.user,
            revision: row.revision,
            missing_secrets: summary.missing_secrets,
            enabled: summary.enabled,
            deleted: summary.deleted,
            changed_at: summary.at,
            changed_by: summary.by,
        };
        add(&mut self.ports, &view);
    }

    /// The port with this identity, deleted or not.
    pub fn port(&self, identity: &PortIdentity) -> Option<Listed<'_>> {
        self.ports.port(identity)
    }

    /// The port with this id, deleted or not.
    pub fn by_id(&self, id: RecordId) -> Option<Listed<'_>> {
        self.ports.by_id(id)
    }

    /// Every port, in order.
    pub fn ports(&self) -> impl Iterator<Item = Listed<'_>> {
        self.ports.iter()
    }

    /// Documents in the order they came.
    pub fn documents(&self) -> Vec<&Document> {
        let mut documents: Vec<_> = self.documents.values().collect();
        documents.sort_by_key(|document| document.moment());
        documents
    }

    /// Whether a later document of the same name holds every port of this one.
    pub fn superseded(&self, document: &Document) -> bool {
        !document.ports.is_empty()
            && self.documents.values().any(|later| {
                later.name == document.name
                    && later.moment() > document.moment()
                    && document.ports.iter().all(|port| later.holds(port))
            })
    }

    /// The port that `text` means: an id, or the name of only one port.
    pub fn find(&self, text: &str) -> Result<RecordId, Error> {
        if let Ok(id) = text.parse::<RecordId>() {
            return if self.by_id(id).is_some() {
                Ok(id)
            } else {
                Err(Error::new(Code::NotFound, format!("There is no port {id}.")))
            };
        }
        let mut fits: Vec<_> = self.ports().filter(|port| port.name() == text).collect();
        if fits.iter().any(|port| !port.deleted()) {
            fits.retain(|port| !port.deleted());
        }
        match fits.as_slice() {
            [one] => Ok(one.id()),
            [] => Err(Error::new(Code::NotFound, format!("There is no port by the name or id “{text}”."))
                .hint("List them with `sealport port list --search TEXT`.")),
            several => {
                let list: Vec<_> = several
                    .iter()
                    .map(|port| {
                        format!(
                            "{} ({}, {})",
                            port.id(),
                            kind_words(port.kind()),
                            application_words(port.application())
                        )
                    })
                    .collect();
                Err(Error::new(Code::Usage, format!("{} ports are called “{text}”.", several.len()))
                    .hint(format!("Name one by its id: {}.", list.join("; "))))
            }
        }
    }

    /// The ports that fit a filter, `limit` of them from `offset` on, and what the tree beside them shows.
    pub fn list(&self, filter: &PortFilter, offset: u32, limit: Option<u32>) -> PortListView {
        let mut total = 0;
        let mut ports = Vec::new();
        let end = limit.map_or(u64::MAX, |limit| u64::from(offset) + u64::from(limit));
        for port in self.ports.fitting(filter) {
            if (u64::from(offset)..end).contains(&total) {
                ports.push(port.view());
            }
            total += 1;
        }
        PortListView { ports, total, facets: self.facets().clone() }
    }

    /// What there is in each application, and by each adapter, without what is deleted.
    pub fn facets(&self) -> &FacetsView {
        self.facets.get_or_init(|| self.count_facets())
    }

    /// How many ports are deleted.
    pub fn deleted(&self) -> u64 {
        let kinds =
            |facet: &ApplicationFacetView| facet.receive_ports + facet.send_ports + facet.send_port_groups;
        self.ports.len() as u64 - self.facets().applications.iter().map(kinds).sum::<u64>()
    }

    /// How many secrets are missing, without those of deleted ports.
    pub fn missing_secrets(&self) -> u64 {
        self.facets().applications.iter().map(|facet| facet.missing_secrets).sum()
    }

    fn count_facets(&self) -> FacetsView {
        let mut applications: Vec<ApplicationFacetView> = Vec::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for port in self.ports().filter(|port| !port.deleted()) {
            // The list is ordered by application.
            if applications.last().is_none_or(|facet| facet.name != port.application()) {
                applications.push(ApplicationFacetView {
                    name: port.application().to_owned(),
                    receive_ports: 0,
                    send_ports: 0,
                    send_port_groups: 0,
                    missing_secrets: 0,
                });
            }
            let facet = applications.last_mut().expect("one was just pushed");
            match port.kind() {
                PortKind::ReceivePort => facet.receive_ports += 1,
                PortKind::SendPort => facet.send_ports += 1,
                PortKind::SendPortGroup => facet.send_port_groups += 1,
            }
            facet.missing_secrets += port.missing_secrets();
            for adapter in port.adapters() {
                *counts.entry(adapter).or_default() += 1;
            }
        }
        FacetsView {
            applications,
            adapters: counts
                .into_iter()
                .map(|(name, ports)| FacetView { name: name.to_owned(), ports })
                .collect(),
        }
    }
}

fn mark(port: &PortIdentity) -> Mark {
    let mut hash = Sha256::new();
    for part in [port.application.as_str(), port.name.as_str(), kind_words(port.kind)] {
        // Lengths too: "ab" and "c" are not "a" and "bc".
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|at| hash[at])
}

/// A kind in an administrator's words.
pub(super) fn kind_words(kind: PortKind) -> &'static str {
    match kind {
        PortKind::ReceivePort => "receive port",
        PortKind::SendPort => "send port",
        PortKind::SendPortGroup => "send port group",
    }
}

/// An application in words, also where there is none.
pub(super) fn application_words(application: &str) -> &str {
    if application.is_empty() { "no application" } else { application }
}
