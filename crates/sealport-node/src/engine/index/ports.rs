//! The ports of the list in little room: some 250 bytes each, of which most are its own name, address and user.
//!
//! Promises: what many ports share (application, adapter, who wrote) is kept once. All other texts stand in two pieces of
//! memory, one to show and one to search, in the order of the list, so that a search reads on instead of leaping about.

use std::{collections::HashMap, mem, sync::Arc};

use memchr::memmem::Finder;
use sealport_core::{
    api::{PortFilter, PortKind, PortSummaryView},
    id::{RecordId, Revision},
    record::PortIdentity,
    time::Timestamp,
};

/// Texts that no port has any more may take this many bytes, and as much as those that one has.
const LOST: usize = 1 << 20;

/// Every port of a list, by its identity.
#[derive(Default)]
pub struct Ports {
    entries: Vec<Entry>,
    /// Where in `entries` each port stands, in the order of the list.
    order: Vec<u32>,
    /// The same by id.
    by_id: HashMap<RecordId, u32>,
    shared: Shared,
    /// Name, address and user of each port, one after another.
    shown: String,
    /// The same in lower case, with line feeds between them, for search.
    searched: String,
    /// Bytes of `shown` that no port has any more.
    lost: usize,
}

struct Entry {
    id: RecordId,
    revision: Revision,
    missing_secrets: u64,
    changed_at: Timestamp,
    /// Where its texts begin in `shown`, and how long each is.
    shown_at: usize,
    name: u32,
    address: u32,
    user: u32,
    /// How long its text in `searched` is, and where that begins.
    searched: u32,
    searched_at: usize,
    /// Numbers of what is shared.
    application: u32,
    adapter: u32,
    changed_by: u32,
    kind: PortKind,
    enabled: Option<bool>,
    deleted: bool,
}

impl Entry {
    fn length(&self) -> usize {
        (self.name + self.address + self.user) as usize
    }
}

/// What orders the list.
type Identity<'a> = (&'a str, &'a str, PortKind);

impl Ports {
    /// Takes a port in, at the place of the one that has its identity.
    pub fn put(&mut self, view: &PortSummaryView) {
        let place = self.place((&view.application, &view.name, view.kind));
        let entry = self.entry(view);
        match place {
            Ok(at) => {
                let slot = self.order[at];
                let former = mem::replace(&mut self.entries[slot as usize], entry);
                self.lost += former.length();
                self.by_id.remove(&former.id);
                self.by_id.insert(view.id, slot);
            }
            Err(at) => {
                let slot = small(self.entries.len());
                self.entries.push(entry);
                self.order.insert(at, slot);
                self.by_id.insert(view.id, slot);
            }
        }
        if self.lost > LOST && self.lost > self.shown.len() / 2 {
            self.tidy();
        }
    }

    /// Takes a port in whose identity no other has; it is in the list after `tidy`.
    pub fn append(&mut self, view: &PortSummaryView) {
        let entry = self.entry(view);
        self.entries.push(entry);
    }

    /// Brings entries and texts into the order of the list, and lets go of what no port has any more.
    pub fn tidy(&mut self) {
        let (shown, shared) = (mem::take(&mut self.shown), &self.shared);
        self.entries.sort_unstable_by(|one, other| {
            identity(shared, &shown, one).cmp(&identity(shared, &shown, other))
        });
        self.shown = gathered(
            &shown,
            self.entries.iter_mut().map(|entry| {
                let length = entry.length();
                (&mut entry.shown_at, length)
            }),
        );
        drop(shown);
        self.searched = gathered(
            &mem::take(&mut self.searched),
            self.entries.iter_mut().map(|entry| (&mut entry.searched_at, entry.searched as usize)),
        );
        self.lost = 0;
        self.entries.shrink_to_fit();
        self.order = (0..small(self.entries.len())).collect();
        self.by_id = self.entries.iter().map(|entry| entry.id).zip(0..).collect();
    }

    /// How many there are, deleted ones among them.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The port with this identity.
    pub fn port(&self, identity: &PortIdentity) -> Option<Listed<'_>> {
        let place = self.place((&identity.application, &identity.name, identity.kind));
        place.ok().map(|at| self.at(self.order[at]))
    }

    /// The port with this id.
    pub fn by_id(&self, id: RecordId) -> Option<Listed<'_>> {
        self.by_id.get(&id).map(|slot| self.at(*slot))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        self.order.iter().map(|slot| self.at(*slot))
    }

    /// Those that fit a filter, in order.
    pub fn fitting(&self, filter: &PortFilter) -> impl Iterator<Item = Listed<'_>> {
        let search = filter.search.as_deref().unwrap_or_default().to_lowercase();
        let words: Vec<_> = search.split_whitespace().map(|word| self.shared.word(word)).collect();
        let application = filter.application.as_deref().map(|name| self.shared.numbers.get(name).copied());
        let adapter = filter.adapter.as_deref().map(|name| self.shared.naming(&name.to_lowercase()));
        let &PortFilter { kind, missing, deleted, .. } = filter;
        self.iter().filter(move |listed| {
            let entry = listed.entry;
            entry.deleted == deleted
                && (!missing || entry.missing_secrets > 0)
                && kind.is_none_or(|kind| kind == entry.kind)
                && application.is_none_or(|wanted| wanted == Some(entry.application))
                && adapter.as_ref().is_none_or(|wanted| wanted[entry.adapter as usize])
                && words.iter().all(|word| word.is_in(listed))
        })
    }

    fn at(&self, slot: u32) -> Listed<'_> {
        Listed { ports: self, entry: &self.entries[slot as usize] }
    }

    /// Where in `order` an identity stands, or belongs.
    fn place(&self, wanted: Identity<'_>) -> Result<usize, usize> {
        let at = |slot: &u32| identity(&self.shared, &self.shown, &self.entries[*slot as usize]);
        self.order.binary_search_by(|slot| at(slot).cmp(&wanted))
    }

    /// An entry, with its texts behind all others.
    fn entry(&mut self, view: &PortSummaryView) -> Entry {
        let own = [&view.name, &view.address, &view.user];
        let (shown_at, searched_at) = (self.shown.len(), self.searched.len());
        for text in own {
            self.shown.push_str(text);
            self.searched.push_str(&text.to_lowercase());
            self.searched.push('\n');
        }
        let [name, address, user] = own.map(|text| small(text.len()));
        Entry {
            id: view.id,
            revision: view.revision,
            missing_secrets: view.missing_secrets,
            changed_at: view.changed_at,
            shown_at,
            name,
            address,
            user,
            searched: small(self.searched.len() - searched_at),
            searched_at,
            application: self.shared.number(&view.application),
            adapter: self.shared.number(&view.adapter),
            changed_by: self.shared.number(&view.changed_by),
            kind: view.kind,
            enabled: view.enabled,
            deleted: view.deleted,
        }
    }
}

/// One port of the list.
#[derive(Clone, Copy)]
pub struct Listed<'a> {
    ports: &'a Ports,
    entry: &'a Entry,
}

impl<'a> Listed<'a> {
    /// Its id.
    pub fn id(&self) -> RecordId {
        self.entry.id
    }

    /// What it is.
    pub fn kind(&self) -> PortKind {
        self.entry.kind
    }

    /// Its application; empty where the file names none.
    pub fn application(&self) -> &'a str {
        self.ports.shared.text(self.entry.application)
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        identity(&self.ports.shared, &self.ports.shown, self.entry).1
    }

    /// The adapters of its transports or locations, each once.
    pub fn adapters(&self) -> impl Iterator<Item = &'a str> {
        each_adapter(self.ports.shared.text(self.entry.adapter))
    }

    /// How many secrets it lacks.
    pub fn missing_secrets(&self) -> u64 {
        self.entry.missing_secrets
    }

    /// Whether it is deleted.
    pub fn deleted(&self) -> bool {
        self.entry.deleted
    }

    /// All that a list shows of it.
    pub fn view(&self) -> PortSummaryView {
        let Self { ports: Ports { shared, shown, .. }, entry } = self;
        let own = &shown[entry.shown_at..][..entry.length()];
        let (name, rest) = own.split_at(entry.name as usize);
        let (address, user) = rest.split_at(entry.address as usize);
        PortSummaryView {
            id: entry.id,
            kind: entry.kind,
            application: shared.text(entry.application).to_owned(),
            name: name.to_owned(),
            adapter: shared.text(entry.adapter).to_owned(),
            address: address.to_owned(),
            user: user.to_owned(),
            revision: entry.revision,
            missing_secrets: entry.missing_secrets,
            enabled: entry.enabled,
            deleted: entry.deleted,
            changed_at: entry.changed_at,
            changed_by: shared.text(entry.changed_by).to_owned(),
        }
    }
}

/// Texts that many ports have, each by a number of its own.
#[derive(Default)]
struct Shared {
    texts: Vec<Text>,
    numbers: HashMap<Arc<str>, u32>,
}

struct Text {
    shown: Arc<str>,
    /// In lower case.
    searched: Box<str>,
}

impl Shared {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (number, shown) = (small(self.texts.len()), Arc::<str>::from(text));
        self.texts.push(Text { shown: shown.clone(), searched: text.to_lowercase().into() });
        self.numbers.insert(shown, number);
        number
    }

    fn text(&self, number: u32) -> &str {
        &self.texts[number as usize].shown
    }

    /// Of each text, whether it names this adapter.
    fn naming(&self, adapter: &str) -> Vec<bool> {
        self.texts.iter().map(|text| each_adapter(&text.searched).any(|own| own == adapter)).collect()
    }

    /// A word to search by.
    fn word(&self, word: &str) -> Word {
        let own = Finder::new(word).into_owned();
        let shared = self.texts.iter().map(|text| own.find(text.searched.as_bytes()).is_some()).collect();
        Word { own, shared }
    }
}

/// A word that is searched for.
struct Word {
    own: Finder<'static>,
    /// Of each text that is shared, whether the word is in it.
    shared: Vec<bool>,
}

impl Word {
    fn is_in(&self, Listed { ports, entry }: &Listed<'_>) -> bool {
        let own = &ports.searched.as_bytes()[entry.searched_at..][..entry.searched as usize];
        self.shared[entry.application as usize]
            || self.shared[entry.adapter as usize]
            || self.own.find(own).is_some()
    }
}

fn identity<'a>(shared: &'a Shared, shown: &'a str, entry: &Entry) -> Identity<'a> {
    (shared.text(entry.application), &shown[entry.shown_at..][..entry.name as usize], entry.kind)
}

/// The pieces of a text, one after another: each has its beginning moved, and keeps its length.
fn gathered<'a>(text: &str, pieces: impl Iterator<Item = (&'a mut usize, usize)>) -> String {
    let mut gathered = String::with_capacity(text.len());
    for (at, length) in pieces {
        let piece = &text[*at..][..length];
        *at = gathered.len();
        gathered.push_str(piece);
    }
    gathered.shrink_to_fit();
    gathered
}

fn each_adapter(text: &str) -> impl Iterator<Item = &str> {
    text.split(", ").filter(|adapter| !adapter.is_empty())
}

/// A length or a place. No record is as long as 4 GiB, and no list.
fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a list has less than 2^32 ports, and a text less than 2^32 bytes")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use rand_core::Rng;

    use super::*;

    const KINDS: [PortKind; 3] = [PortKind::ReceivePort, PortKind::SendPort, PortKind::SendPortGroup];

    fn below(rng: &mut ChaCha20Rng, end: u32) -> usize {
        (rng.next_u32() % end) as usize
    }

    /// A port of few words, some of which grow or shrink in lower case.
    fn any(rng: &mut ChaCha20Rng) -> PortSummaryView {
        let mut one = |words: &[&str]| words[below(rng, words.len() as u32)].to_owned();
        let application = one(&["", "Ticketing", "FREIGHT", "İstanbul", "a"]);
        let adapter = one(&["", "FILE", "FTP, FILE", "Ẑ, WCF-SQL", "file"]);
        let address = one(&["", "ftp://Host/%MessageID%", "C:\\In\\*.xml", "ΣΑΣ", "ⱥⱥ"]);
        let user = one(&["", "svc-Biztalk", "Ürün", "NT\\Ⱥ"]);
        let changed_by = one(&["anna", "Bert"]);
        let name = one(&["Orders", "orders", "Ödeme", "Refunds.İade", "A", ""]);
        PortSummaryView {
            id: RecordId::make_new(rng),
            kind: KINDS[below(rng, 3)],
            application,
            name,
            adapter,
            address,
            user,
            revision: Revision(u64::from(rng.next_u32())),
            missing_secrets: u64::from(rng.next_u32() % 2),
            enabled: [None, Some(true), Some(false)][below(rng, 3)],
            deleted: below(rng, 4) == 0,
            changed_at: Timestamp::from_millis(i64::from(rng.next_u32())),
            changed_by,
        }
    }

    fn any_filter(rng: &mut ChaCha20Rng) -> PortFilter {
        let mut one = |words: &[&str]| {
            let word = words[below(rng, words.len() as u32)];
            (word != "-").then(|| word.to_owned())
        };
        let search = one(&[
            "-",
            "ORDERS",
            "i̇",
            "σας",
            "ftp file",
            "ticketing svc",
            "\n",
            "s\na",
            "ⱥ",
            "host x",
            "ordersftp:",
        ]);
        let application = one(&["-", "-", "-", "", "Ticketing", "ticketing", "nobody's"]);
        let adapter = one(&["-", "-", "-", "file", "Wcf-sql", "FT", ""]);
        let kind = Some(KINDS[below(rng, 3)]).filter(|_| below(rng, 2) == 0);
        PortFilter {
            search,
            application,
            adapter,
            kind,
            missing: below(rng, 4) == 0,
            deleted: below(rng, 4) == 0,
        }
    }

    /// What fits, by the words of the contract and one view after another.
    fn fits(view: &PortSummaryView, filter: &PortFilter) -> bool {
        let text = [&view.name, &view.application, &view.adapter, &view.address, &view.user]
            .map(|part| part.to_lowercase());
        let is_in = |word: &str| text.iter().any(|part| part.contains(word));
        let adapter = |wanted: &String| {
            each_adapter(&view.adapter).any(|own| own.to_lowercase() == wanted.to_lowercase())
        };
        view.deleted == filter.deleted
            && (!filter.missing || view.missing_secrets > 0)
            && filter.kind.is_none_or(|kind| kind == view.kind)
            && filter.application.as_ref().is_none_or(|wanted| *wanted == view.application)
            && filter.adapter.as_ref().is_none_or(adapter)
            && filter.search.as_ref().is_none_or(|search| search.to_lowercase().split_whitespace().all(is_in))
    }

    fn same<'a>(ports: impl Iterator<Item = Listed<'a>>, views: impl Iterator<Item = &'a PortSummaryView>) {
        let listed: Vec<_> = ports.map(|listed| format!("{:?}", listed.view())).collect();
        let views: Vec<_> = views.map(|view| format!("{view:?}")).collect();
        assert_eq!(listed, views);
    }

    /// Whatever is put in, in whatever order and however often, the list is the one that whole views in a sorted map give.
    /// Sabotage: search the texts as they are shown, put what is new at the end of `order`, let the id of a port that was
    /// replaced stay, leave the places as they were in `gathered`, or join name and address without a line feed. Seen: other
    /// ports than the model's each time.
    #[test]
    fn the_list_is_that_of_whole_views_in_order() {
        let mut found = 0;
        for seed in 0..40 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let (mut ports, mut model) = (Ports::default(), BTreeMap::new());
            for step in 0..120 {
                let view = any(&mut rng);
                let key = (view.application.clone(), view.name.clone(), view.kind);
                ports.put(&view);
                let former = model.insert(key, view);
                assert!(former.is_none_or(|former| ports.by_id(former.id).is_none()), "seed {seed}");
                if step % 50 == 49 {
                    ports.tidy();
                }
            }
            same(ports.iter(), model.values());
            assert_eq!(ports.len(), model.len());
            for view in model.values() {
                let identity = PortIdentity {
                    application: view.application.clone(),
                    name: view.name.clone(),
                    kind: view.kind,
                };
                for listed in [ports.port(&identity).unwrap(), ports.by_id(view.id).unwrap()] {
                    assert_eq!(
                        (listed.id(), listed.name(), listed.application()),
                        (view.id, &*view.name, &*view.application)
                    );
                }
            }
            for _ in 0..40 {
                let filter = any_filter(&mut rng);
                let fitting: Vec<_> = model.values().filter(|view| fits(view, &filter)).collect();
                found += fitting.len();
                same(ports.fitting(&filter), fitting.into_iter());
            }
        }
        assert!(found > 1_000, "the filters let {found} ports through");
    }

    fn many(count: u32, make: impl Fn(u32) -> PortSummaryView) -> Ports {
        let mut ports = Ports::default();
        // As rows come from a database: in another order than the list's.
        (0..count).for_each(|number| ports.append(&make(number.wrapping_mul(7_919) % count)));
        ports.tidy();
        ports
    }

    fn view(number: u32, rng: &mut ChaCha20Rng) -> PortSummaryView {
        PortSummaryView {
            application: format!("B{}", number % 10),
            name: format!("B{}.{number}.ToPartner", number % 10),
            kind: PortKind::SendPort,
            adapter: "FTP".to_owned(),
            address: format!("ftp://partner{number}.example:21/in/%MessageID%"),
            user: "svc-biztalk".to_owned(),
            ..any(rng)
        }
    }

    impl Ports {
        /// Bytes that it takes.
        fn room(&self) -> usize {
            let of_map = |capacity: usize, each: usize| capacity * 8 / 7 * (each + 1);
            self.entries.capacity() * size_of::<Entry>()
                + self.order.capacity() * size_of::<u32>()
                + of_map(self.by_id.capacity(), size_of::<(RecordId, u32)>())
                + self.shown.capacity()
                + self.searched.capacity()
                + self.shared.texts.len() * 200
        }
    }

    /// Sabotage: count no text as lost, or keep the room that was reserved while the rows came. Seen: 2,508 bytes a port after
    /// the changes, and 329 before them.
    #[test]
    fn a_port_takes_little_room_however_often_it_changes() {
        const COUNT: u32 = 20_000;
        let rng = std::cell::RefCell::new(ChaCha20Rng::seed_from_u64(1));
        let mut ports = many(COUNT, |number| view(number, &mut rng.borrow_mut()));
        let each = ports.room() / COUNT as usize;
        println!("{each} bytes a port");
        assert!(each < 320, "{each} bytes a port");
        for round in 0..10 {
            for number in 0..COUNT {
                let mut view = view(number, &mut rng.borrow_mut());
                view.address.push_str(&round.to_string());
                ports.put(&view);
            }
        }
        let each = ports.room() / COUNT as usize;
        println!("{each} bytes a port after ten changes of each");
        assert!(each < 900, "{each} bytes a port after ten changes of each");
        assert_eq!(ports.len(), COUNT as usize);
        let filter = PortFilter { search: Some("PARTNER77.".to_owned()), ..PortFilter::default() };
        let all = [&filter, &PortFilter { deleted: true, ..filter.clone() }];
        assert_eq!(all.iter().flat_map(|filter| ports.fitting(filter)).count(), 1);
    }
}
