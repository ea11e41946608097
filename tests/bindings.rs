//! Binding files, real ones and our own: read, counted, written again byte for byte, masked, edited, filled, adopted.
//!
//! The real ones stand outside the repository (`SEALPORT_CORPUS`, or `shared/corpus` in a folder above it); without
//! them the tests say so and run over `samples/` alone.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use quick_xml::{Reader, events::Event};
use sealport_core::{
    api::{PortKind, SecretState, ValueType},
    port::{Document, Limits, Marks, Port, Replacement},
    secret::{SecretText, Wiped},
};

#[path = "bindings/hostile.rs"]
mod hostile;

struct Case {
    name: String,
    bytes: Vec<u8>,
    document: Document,
}

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = std::env::var_os("SEALPORT_CORPUS").map(PathBuf::from).or_else(|| {
        root.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir())
    });
    if found.is_none() {
        println!("skipped: no corpus of real binding files here; only samples/ is tested");
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("xml")) {
            found.push(path);
        }
    }
}

/// Every file there is, read. Fails where one can't be.
fn cases() -> Vec<Case> {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples"), &mut paths);
    assert_eq!(paths.len(), 4, "samples/ holds four files");
    if let Some(corpus) = corpus() {
        files(&corpus.join("bindings"), &mut paths);
        assert!(paths.len() > 170, "the corpus is whole");
    }
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let document = Document::read(Wiped::new(bytes.clone()), &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
        Case { name: format!("{}/{}", name[name.len() - 1], name[0]), bytes, document }
    };
    paths.into_iter().map(read).collect()
}

fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => {
            let units = rest.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16(&units.collect::<Vec<_>>()).unwrap()
        }
        bytes => String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn ports(case: &Case) -> Vec<Port> {
    let port = |text: &str| Port::read(secret(text), Marks::default()).unwrap();
    case.document.ports().iter().map(|element| port(case.document.text(element))).collect()
}

/// Send ports, receive ports, locations, groups; and how often each adapter is named by a transport.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    send: usize,
    receive: usize,
    locations: usize,
    groups: usize,
    adapters: BTreeMap<String, usize>,
}

/// Counts by element names alone, with nothing of the code under test.
fn counts_by_names(text: &str) -> Counts {
    let mut counts = Counts::default();
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}'));
    let mut path: Vec<String> = Vec::new();
    loop {
        let (tag, empty) = match reader.read_event().unwrap() {
            Event::Start(tag) => (tag, false),
            Event::Empty(tag) => (tag, true),
            Event::End(_) => {
                path.pop();
                continue;
            }
            Event::Eof => return counts,
            _ => continue,
        };
        let name = tag.name().as_ref().to_owned();
        let parent = path.last().map_or("", String::as_str);
        match (parent, name.as_str()) {
            ("SendPortCollection", "SendPort") => counts.send += 1,
            ("ReceivePortCollection", "ReceivePort") => counts.receive += 1,
            ("ReceiveLocations", "ReceiveLocation") => counts.locations += 1,
            ("DistributionListCollection", "DistributionList") => counts.groups += 1,
            ("PrimaryTransport" | "SecondaryTransport", "TransportType")
            | ("ReceiveLocation", "ReceiveLocationTransportType") => {
                let adapter = tag.try_get_attribute("Name").unwrap().map(|a| a.value.into_owned());
                if let Some(adapter) = adapter.filter(|adapter| !adapter.is_empty()) {
                    *counts.adapters.entry(adapter).or_default() += 1;
                }
            }
            _ => {}
        }
        if !empty {
            path.push(name);
        }
    }
}

fn counts_of(case: &Case) -> Counts {
    let mut counts = Counts::default();
    for port in ports(case) {
        match port.kind() {
            PortKind::SendPort => counts.send += 1,
            PortKind::ReceivePort => counts.receive += 1,
            PortKind::SendPortGroup => counts.groups += 1,
        }
        for transport in port.transports() {
            counts.locations += usize::from(port.kind() == PortKind::ReceivePort);
            if !transport.adapter.is_empty() {
                *counts.adapters.entry(transport.adapter).or_default() += 1;
            }
        }
    }
    counts
}

/// Sabotage: skip the last port of a document. (Ports in a collection that is not theirs: a test beside the code.)
#[test]
fn counts_are_those_of_an_independent_count() {
    let mut total = Counts::default();
    for case in cases() {
        let counts = counts_of(&case);
        assert_eq!(counts, counts_by_names(&decode(&case.bytes)), "{}", case.name);
        total.send += counts.send;
        total.receive += counts.receive;
        total.locations += counts.locations;
        total.groups += counts.groups;
        for (adapter, n) in counts.adapters {
            *total.adapters.entry(adapter).or_default() += n;
        }
    }
    println!("in all: {total:?}");
}

/// The table of the corpus' own README, counted by other means when it was collected. Sabotage: as above.
#[test]
fn counts_are_those_that_the_corpus_states() {
    let Some(corpus) = corpus() else { return };
    let readme = fs::read_to_string(corpus.join("README.md")).unwrap();
    let by_name: BTreeMap<String, Case> = cases().into_iter().map(|case| (case.name.clone(), case)).collect();
    let (mut folder, mut compared) = (String::new(), 0);
    for line in readme.lines() {
        if let Some(repository) = line.strip_prefix("### ") {
            folder = repository.trim().replace('/', "__");
        }
        let Some(case) = line.strip_prefix("| `").and_then(|rest| {
            let file = rest.split('`').next()?;
            by_name.get(&format!("{folder}/{file}"))
        }) else {
            continue;
        };
        let number = |what: &str| -> usize {
            let before = line.split(what).next().filter(|before| before.len() < line.len());
            before.and_then(|before| before.trim_end().rsplit(' ').next()?.parse().ok()).unwrap_or(0)
        };
        let counts = counts_of(case);
        let stated = [
            number(" send ports"),
            number(" receive ports"),
            number(" receive locations"),
            number(" send port groups"),
        ];
        assert_eq!([counts.send, counts.receive, counts.locations, counts.groups], stated, "{}", case.name);
        compared += 1;
    }
    assert!(compared > 150, "only {compared} lines of the table were found");
    println!("{compared} files agree with the table");
}

/// Sabotage: trim what `splice` gives, or drop the byte order mark.
#[test]
fn what_is_not_edited_is_written_byte_for_byte() {
    let mut bytes = 0;
    for case in cases() {
        assert!(*case.document.write(|_| Replacement::Keep) == case.bytes, "{}: kept", case.name);
        let own = case.document.write(|element| {
            let port = Port::read(secret(case.document.text(element)), Marks::default()).unwrap();
            Replacement::With(secret(port.element()))
        });
        assert!(*own == case.bytes, "{}: with each port's own text", case.name);
        bytes += case.bytes.len();
    }
    println!("{bytes} bytes come back as they were");
}

/// Sabotage: take the white space behind a port away too.
#[test]
fn a_removed_port_leaves_the_rest_as_it_was() {
    for case in cases() {
        let left = case.document.write(|_| Replacement::Remove);
        let again = Document::read(left, &Limits::default()).unwrap();
        assert!(again.ports().is_empty(), "{}", case.name);
        let (whole, mut spans) = (decode(&case.bytes), Vec::<Range<usize>>::new());
        for element in case.document.ports() {
            let from = spans.last().map_or(0, |span| span.end);
            let at = from + whole[from..].find(case.document.text(element)).unwrap();
            spans.push(at..at + case.document.text(element).len());
        }
        for (index, _) in case.document.ports().iter().enumerate().take(3) {
            let mut at = 0;
            let one = case.document.write(|_| {
                at += 1;
                if at == index + 1 { Replacement::Remove } else { Replacement::Keep }
            });
            let again = Document::read(Wiped::new(one.to_vec()), &Limits::default()).unwrap();
            // The port and the white space before it are gone, and nothing else changed.
            let end = spans[index].end;
            let before = whole[..spans[index].start].trim_end_matches([' ', '\t', '\r', '\n']);
            assert!(decode(&one) == [before, &whole[end..]].concat(), "{}: port {index}", case.name);
            let kept = case.document.ports().iter().enumerate().filter(|(i, _)| *i != index);
            assert!(kept.map(|(_, p)| case.document.text(p)).eq(again.ports().iter().map(|p| again.text(p))));
        }
    }
}

/// The stretch in which two texts differ: everything before and after is the same.
fn differing(a: &str, b: &str) -> Range<usize> {
    let prefix = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let room = a.len().min(b.len()) - prefix;
    let suffix = a.bytes().rev().zip(b.bytes().rev()).take(room).take_while(|(x, y)| x == y).count();
    prefix..a.len() - suffix
}

/// Sabotage: leave the mask out of `Slots::mask` for parts of a text. (For attributes: a test beside the code.)
#[test]
fn a_masked_export_differs_only_at_secrets_in_the_clear() {
    let (mut secrets, mut files) = (0, 0);
    for case in cases() {
        let masked = case.document.write_masked(|element| {
            let port = Port::read(secret(case.document.text(element)), Marks::default()).unwrap();
            Replacement::With(port.masked())
        });
        let text = decode(&masked);
        assert!(!text.contains("PLACEHOLDERPASSWORD1") && !text.contains("PLACEHLD2"), "{}", case.name);
        let mut expected = 0;
        for port in ports(&case) {
            let set: Vec<String> = (port.properties().iter())
                .filter(|property| property.secret == Some(SecretState::Set))
                .map(|property| property.path.clone())
                .collect();
            expected += set.len();
            let masked = port.masked();
            if set.is_empty() {
                assert!(masked.expose() == port.element(), "{}: {} has no secret", case.name, port.name());
                continue;
            }
            for path in &set {
                let value = port.reveal(path).unwrap();
                assert!(!value.is_empty());
            }
            // Filling the masked text again with the very values gives the port back: nothing else was touched.
            let mut back = Port::read(masked, Marks::default()).unwrap();
            assert_eq!(
                back.missing().len(),
                port.missing().len() + count_unlinked(&port, &set),
                "{}",
                case.name
            );
            for path in &set {
                back = back.set(path, port.reveal(path).unwrap().expose()).unwrap();
            }
            assert!(back.element() == port.element(), "{}: {} comes back", case.name, port.name());
        }
        if expected == 0 {
            let span = differing(&decode(&case.bytes), &text);
            assert!(masked.as_slice() == case.bytes, "{}: {:?}", case.name, &decode(&case.bytes)[span]);
        }
        secrets += expected;
        files += usize::from(expected > 0);
    }
    println!("{secrets} secrets in the clear in {files} files, all masked");
    if corpus().is_some() {
        assert!(secrets >= 6, "the five placeholder passwords and the one in an address are among them");
    }
}

/// Secrets that the settings repeat are one thing to fill in.
fn count_unlinked(port: &Port, set: &[String]) -> usize {
    let addresses: Vec<&String> = set.iter().filter(|path| path.contains("Address/~")).collect();
    let repeats = set.iter().filter(|path| {
        path.contains("/uri/~")
            && addresses.iter().any(|a| port.reveal(a).unwrap() == port.reveal(path).unwrap())
    });
    set.len() - repeats.count()
}

/// Sabotage: give the value of a secret in `views::property` too.
#[test]
fn no_view_holds_a_secret() {
    let mut checked = 0;
    for case in cases() {
        for port in ports(&case) {
            let filled = (port.missing().iter())
                .fold(port, |port, missing| port.set(&missing.path, "Sw0rdf1sh!").unwrap());
            let views = format!(
                "{:?}{:?}{:?}{:?}",
                filled.summary(),
                filled.properties(),
                filled.transports(),
                filled.missing()
            );
            for secret in ["Sw0rdf1sh!", "PLACEHOLDERPASSWORD1", "PLACEHLD2"] {
                assert!(!views.contains(secret), "{}: {}", case.name, filled.name());
            }
            assert!(filled.missing().is_empty(), "{}: {} {:?}", case.name, filled.name(), filled.missing());
            assert!(!filled.masked().expose().contains("Sw0rdf1sh!"), "{}: {}", case.name, filled.name());
            checked += 1;
        }
        let warnings = case.document.warnings().concat();
        assert!(!warnings.contains("PLACEHOLDER"));
    }
    println!("{checked} ports checked");
}

fn another(value: &str, property: &sealport_core::api::PropertyView) -> String {
    match property.value_type {
        _ if property.choices.len() == 2 && property.value_type == ValueType::Boolean => {
            property.choices.iter().find(|choice| *choice != value).unwrap().clone()
        }
        ValueType::Integer => format!("{}", value.parse::<i64>().unwrap_or(0) + 1),
        _ => format!("{value}<&\"é>"),
    }
}

/// Sabotage: escape once too little in `Tree::lift`, or write the whole value in place of what differs.
#[test]
fn an_edit_touches_its_own_span_and_goes_back() {
    let mut edits = 0;
    for case in cases() {
        for port in &ports(&case) {
            for property in port.properties().iter().filter(|p| p.writable && p.secret.is_none()) {
                let Some(value) = &property.value else { continue };
                if value.contains("******") {
                    continue;
                }
                let new = another(value, property);
                let place = || format!("{}: {} {}", case.name, port.name(), property.path);
                let changed = port.set(&property.path, &new).unwrap_or_else(|e| panic!("{}: {e}", place()));
                let seen = changed.properties().into_iter().find(|p| p.path == property.path);
                assert_eq!(seen.and_then(|p| p.value).as_ref(), Some(&new), "{}", place());
                let changes = Port::changes(port, &changed);
                assert!(changes.iter().any(|c| c.path == property.path), "{}", place());
                let others: Vec<_> = changes.iter().filter(|c| c.path != property.path).collect();
                let linked = |path: &str| path.ends_with("/Address") || path.ends_with("/uri");
                let follows = |path: &str| {
                    linked(path) && linked(&property.path)
                        // A user name that came or went makes slots for secrets beside it.
                        || path.contains("assword")
                };
                assert!(others.iter().all(|c| follows(&c.path)), "{}: {others:?}", place());
                let back = changed.set(&property.path, value).unwrap();
                if value.is_empty() {
                    let again = back.properties().into_iter().find(|p| p.path == property.path).unwrap();
                    assert_eq!(again.value.as_deref(), Some(""), "{}", place());
                } else {
                    assert!(back.element() == port.element(), "{}", place());
                    if others.is_empty() {
                        let span = differing(port.element(), changed.element());
                        assert!(span.len() <= value.len() * 5, "{}", place());
                    }
                }
                edits += 1;
            }
        }
    }
    println!("{edits} values changed and changed back");
}

/// Sabotage: carry no marks in `Port::carry`. (The order of what is inserted is held by a test beside the code.)
#[test]
fn filling_in_any_order_survives_another_import() {
    let mut ports: Vec<Port> = cases().iter().flat_map(ports).filter(|p| !p.missing().is_empty()).collect();
    ports.dedup_by(|a, b| a.element() == b.element());
    assert!(ports.len() >= 10, "there are ports with missing secrets");
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let input = (0..ports.len(), any::<u64>(), "[ -~é]{1,12}");
    let run = runner.run(&input, |(index, order, value)| {
        let port = &ports[index];
        let mut missing = port.missing();
        missing.sort_by_key(|m| {
            m.path.bytes().fold(order, |h, b| h.rotate_left(7) ^ u64::from(b).wrapping_mul(order | 1))
        });
        let mut filled = Port::read(secret(port.element()), Marks::default()).unwrap();
        for slot in &missing {
            match filled.set(&slot.path, &value) {
                Ok(next) => filled = next,
                // Within a text not every value can stand; a mask is none.
                Err(error) => {
                    prop_assert!(slot.path.contains('~') || value.chars().all(|c| c == '*'), "{error}")
                }
            }
        }
        let incoming = Port::read(secret(port.element()), Marks::default()).unwrap();
        let (adopted, warnings) = Port::adopt(incoming, &filled).unwrap();
        prop_assert!(adopted.element() == filled.element());
        prop_assert_eq!(adopted.marks(), filled.marks());
        prop_assert!(warnings.is_empty(), "{:?}", warnings);
        // A masked export of it, imported again, loses nothing either.
        let masked = Port::read(filled.masked(), Marks::default()).unwrap();
        let (again, _) = Port::adopt(masked, &filled).unwrap();
        for slot in &missing {
            prop_assert_eq!(again.reveal(&slot.path).ok(), filled.reveal(&slot.path).ok());
        }
        Ok(())
    });
    run.unwrap();
    println!("{} ports with missing secrets", ports.len());
}

/// Sabotage: write the mask before a secret instead of in its place.
#[test]
fn exporting_an_export_changes_nothing_more() {
    let export = |document: &Document| {
        document.write_masked(|element| {
            let port = Port::read(secret(document.text(element)), Marks::default()).unwrap();
            Replacement::With(port.masked())
        })
    };
    for case in cases() {
        let once = export(&case.document);
        let twice = export(&Document::read(Wiped::new(once.to_vec()), &Limits::default()).unwrap());
        assert!(*once == *twice, "{}", case.name);
    }
}
