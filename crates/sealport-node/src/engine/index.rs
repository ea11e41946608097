//! The list of ports in memory: opened summaries in order, searched as the administrator types. Documents stand in it
//! too. Secrets never do: summaries hold masked addresses.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use memchr::memmem;
use sealport_core::{
    Code, Error,
    api::{ApplicationFacetView, FacetView, FacetsView, PortFilter, PortKind, PortListView, PortSummaryView},
    id::RecordId,
    record::{DocumentHead, PortIdentity, PortSummary, RecordKind, from_plain},
    seal::Keys,
};

use super::system::open;
use crate::store::{Put, Row, Store};

/// Every port and document, without their bodies.
#[derive(Default)]
pub(super) struct Index {
    ports: BTreeMap<PortIdentity, Entry>,
    /// The same ports by id.
    by_id: HashMap<RecordId, PortIdentity>,
    /// What the tree beside the list shows, until the next write.
    facets: OnceLock<FacetsView>,
    documents: BTreeMap<RecordId, Document>,
}

struct Entry {
    view: PortSummaryView,
    /// What search looks in, lower case.
    text: String,
}

/// A document and when it came, by the order of writes.
pub(super) struct Document {
    pub id: RecordId,
    pub head: DocumentHead,
    pub order: u64,
}

impl Index {
    /// Opens every summary of a database.
    pub fn read(keys: &Keys, store: &Store) -> Result<Self, Error> {
        let mut index = Self::default();
        store.summaries(|row| {
            let plain = open(keys, &row, row.kind.summary(), row.revision, &row.summary)?;
            index.add(row, &plain)
        })?;
        Ok(index)
    }

    /// Takes in what was just written here.
    pub fn put(&mut self, keys: &Keys, put: &Put) -> Result<(), Error> {
        let row = Row::without_content_of(put);
        self.take(keys, row, &put.summary)
    }

    /// Takes in a row that was just written.
    pub fn take(&mut self, keys: &Keys, row: Row, summary: &[u8]) -> Result<(), Error> {
        let plain = super::system::open(keys, &row, row.kind.summary(), row.revision, summary)?;
        self.add(row, &plain)
    }

    fn add(&mut self, row: Row, plain: &[u8]) -> Result<(), Error> {
        match row.kind {
            RecordKind::Document => {
                let (head, _) = from_plain(plain)?;
                let order = self.documents.len() as u64;
                self.documents.entry(row.id).or_insert(Document { id: row.id, head, order });
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
                let text = [&row.name, &row.application, &summary.adapter, &summary.address, &summary.user]
                    .map(|part| part.to_lowercase())
                    .join("\n");
                let identity = PortIdentity { application: row.application, name: row.name, kind };
                let view = PortSummaryView {
                    id: row.id,
                    kind,
                    application: identity.application.clone(),
                    name: identity.name.clone(),
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
                self.facets.take();
                self.by_id.insert(row.id, identity.clone());
                self.ports.insert(identity, Entry { view, text });
            }
        }
        Ok(())
    }

    /// The port with this identity, deleted or not.
    pub fn port(&self, identity: &PortIdentity) -> Option<&PortSummaryView> {
        self.ports.get(identity).map(|entry| &entry.view)
    }

    /// The port with this id, deleted or not.
    pub fn by_id(&self, id: RecordId) -> Option<&PortSummaryView> {
        self.by_id.get(&id).and_then(|identity| self.port(identity))
    }

    /// Every port, in order.
    pub fn ports(&self) -> impl Iterator<Item = &PortSummaryView> {
        self.ports.values().map(|entry| &entry.view)
    }

    /// Documents in the order they came.
    pub fn documents(&self) -> Vec<&Document> {
        let mut documents: Vec<_> = self.documents.values().collect();
        documents.sort_by_key(|document| (document.head.written.at, document.order));
        documents
    }

    /// Whether a later document of the same name holds every port of this one.
    pub fn superseded(&self, document: &Document) -> bool {
        let moment = |d: &Document| (d.head.written.at, d.order);
        !document.head.ports.is_empty()
            && self.documents.values().any(|later| {
                later.head.name == document.head.name
                    && moment(later) > moment(document)
                    && document.head.ports.iter().all(|port| later.head.ports.contains(port))
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
        let mut fits: Vec<_> = self.ports().filter(|view| view.name == text).collect();
        if fits.iter().any(|view| !view.deleted) {
            fits.retain(|view| !view.deleted);
        }
        match fits.as_slice() {
            [one] => Ok(one.id),
            [] => Err(Error::new(Code::NotFound, format!("There is no port by the name or id “{text}”."))
                .hint("List them with `sealport port list --search TEXT`.")),
            several => {
                let list: Vec<_> = several
                    .iter()
                    .map(|view| {
                        format!(
                            "{} ({}, {})",
                            view.id,
                            kind_words(view.kind),
                            application_words(&view.application)
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
        let search = filter.search.as_deref().unwrap_or_default().to_lowercase();
        let words: Vec<_> = search.split_whitespace().map(memmem::Finder::new).collect();
        let adapter = filter.adapter.as_deref().map(str::to_lowercase);
        let fits = |entry: &&Entry| {
            let view = &entry.view;
            view.deleted == filter.deleted
                && (!filter.missing || view.missing_secrets > 0)
                && filter.kind.is_none_or(|kind| kind == view.kind)
                && filter.application.as_ref().is_none_or(|application| *application == view.application)
                && adapter
                    .as_ref()
                    .is_none_or(|adapter| adapters(view).any(|own| own.to_lowercase() == *adapter))
                && words.iter().all(|word| word.find(entry.text.as_bytes()).is_some())
        };
        let mut total = 0;
        let mut ports = Vec::new();
        let end = limit.map_or(u64::MAX, |limit| u64::from(offset) + u64::from(limit));
        for entry in self.ports.values().filter(fits) {
            if (u64::from(offset)..end).contains(&total) {
                ports.push(entry.view.clone());
            }
            total += 1;
        }
        PortListView { ports, total, facets: self.facets.get_or_init(|| self.count_facets()).clone() }
    }

    fn count_facets(&self) -> FacetsView {
        let mut applications: BTreeMap<&str, ApplicationFacetView> = BTreeMap::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for view in self.ports().filter(|view| !view.deleted) {
            let facet = applications.entry(&view.application).or_insert_with(|| ApplicationFacetView {
                name: view.application.clone(),
                receive_ports: 0,
                send_ports: 0,
                send_port_groups: 0,
                missing_secrets: 0,
            });
            match view.kind {
                PortKind::ReceivePort => facet.receive_ports += 1,
                PortKind::SendPort => facet.send_ports += 1,
                PortKind::SendPortGroup => facet.send_port_groups += 1,
            }
            facet.missing_secrets += view.missing_secrets;
            for adapter in adapters(view) {
                *counts.entry(adapter).or_default() += 1;
            }
        }
        FacetsView {
            applications: applications.into_values().collect(),
            adapters: counts
                .into_iter()
                .map(|(name, ports)| FacetView { name: name.to_owned(), ports })
                .collect(),
        }
    }
}

fn adapters(view: &PortSummaryView) -> impl Iterator<Item = &str> {
    view.adapter.split(", ").filter(|adapter| !adapter.is_empty())
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
