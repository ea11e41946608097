//! What a list, a form and a diff show of a port. No secret value is in any of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MissingSecret, Port, Summary, detect,
    element::{Read, find, is_structural},
    node::Vt,
    slots::{Place, Slot, Transport},
    tree::Value,
};
use crate::api::{ChangeView, PortKind, PropertyView, SecretState, TransportView, ValueType};

impl Port {
    /// The port in one line.
    pub fn summary(&self) -> Summary {
        let read = self.open();
        let (mut adapters, mut users, mut enabled) = (Vec::new(), Vec::new(), Vec::new());
        for transport in read.slots.transports.iter().filter(|transport| !transport.shell) {
            adapters.push(adapter_name(&read, transport));
            for node in [transport.bag, transport.config].into_iter().flatten() {
                let names = read.tree.children(node).filter(|&child| {
                    let name = read.tree.name(child);
                    ["username", "user", "userid", "overusername"]
                        .iter()
                        .any(|user| name.eq_ignore_ascii_case(user))
                });
                for user in names.filter(|&child| read.tree.is_leaf(child)) {
                    users.push(read.slots.shown(read.tree, user));
                }
            }
            enabled.extend(enable(&read, transport));
        }
        let first = enabled.first().copied().filter(|_| self.kind() == PortKind::ReceivePort);
        let all_or_none = first.filter(|first| enabled.iter().all(|enabled| enabled == first));
        Summary {
            adapter: joined(adapters),
            address: read.slots.transports.first().map(|t| address(&read, t)).unwrap_or_default(),
            user: joined(users),
            missing_secrets: read.slots.slots.iter().filter(|slot| is_missing(&read, slot)).count() as u64,
            enabled: all_or_none,
            description: read
                .tree
                .child(read.tree.root(), "Description")
                .filter(|&node| read.tree.is_leaf(node))
                .map(|node| read.slots.shown(read.tree, node))
                .unwrap_or_default(),
        }
    }

    /// Every value of the port, in the order of the document.
    pub fn properties(&self) -> Vec<PropertyView> {
        let read = self.open();
        let shown = |slot: &&Slot| slot.transport.is_none_or(|index| !read.slots.transports[index].shell);
        read.slots.slots.iter().filter(shown).map(|slot| property(self, &read, slot)).collect()
    }

    /// Its transports or receive locations.
    pub fn transports(&self) -> Vec<TransportView> {
        let read = self.open();
        let views = read.slots.transports.iter().filter(|transport| !transport.shell).map(|transport| {
            let handler = ["SendHandler", "ReceiveHandler"]
                .iter()
                .find_map(|name| read.tree.child(transport.node, name))
                .and_then(|handler| read.tree.child_value(handler, "@Name"));
            TransportView {
                path: read.tree.path(transport.node),
                label: transport_label(&read, transport),
                adapter: adapter_name(&read, transport),
                address: address(&read, transport),
                handler: handler.map(|name| name.to_string()).unwrap_or_default(),
                enabled: enable(&read, transport),
            }
        });
        views.collect()
    }

    /// The secrets that wait to be filled in. A secret in an address that the settings repeat counts once.
    pub fn missing(&self) -> Vec<MissingSecret> {
        let read = self.open();
        let missing = read.slots.slots.iter().filter(|slot| is_missing(&read, slot)).map(|slot| {
            let transport = slot.transport.map(|index| &read.slots.transports[index]);
            MissingSecret {
                path: read.slots.path(read.tree, slot),
                label: label(&read, slot),
                user: slot.user.map(|user| read.slots.shown(read.tree, user)).unwrap_or_default(),
                adapter: transport.map(|transport| adapter_name(&read, transport)).unwrap_or_default(),
                address: transport.map(|transport| address(&read, transport)).unwrap_or_default(),
            }
        });
        missing.collect()
    }

    /// Whether the secret at this path is one of them.
    pub fn misses(&self, path: &str) -> bool {
        let read = self.open();
        find(&read, path).is_some_and(|slot| is_missing(&read, slot))
    }

    /// What differs between two states of a port, property by property; receive locations are told apart by name.
    pub fn changes(from: &Port, to: &Port) -> Vec<ChangeView> {
        let (old, new) = (from.open(), to.open());
        match old.slots.beside(old.tree, new.slots, new.tree) {
            Some(pairs) => pairs
                .filter(|(one, other)| !is_as_it_was(&old, one, &new, other))
                .filter_map(|(one, other)| change((from, &old, Some(one)), (to, &new, Some(other))))
                .collect(),
            None => Self::changes_by_path(from, to),
        }
    }

    /// The same where properties came or went: each is looked for by its path.
    pub(super) fn changes_by_path(from: &Port, to: &Port) -> Vec<ChangeView> {
        let (from_read, to_read) = (from.open(), to.open());
        let (old, new) = (from_read.keyed(), to_read.keyed());
        let before: BTreeMap<&str, &Slot> = old.iter().map(|(key, slot)| (key.as_str(), *slot)).collect();
        let after: BTreeSet<&str> = new.iter().map(|(key, _)| key.as_str()).collect();
        let mut changes = Vec::new();
        for (key, slot) in &new {
            let old = before.get(key.as_str()).copied();
            changes.extend(change((from, &from_read, old), (to, &to_read, Some(slot))));
        }
        for (_, slot) in old.iter().filter(|(key, _)| !after.contains(key.as_str())) {
            changes.extend(change((from, &from_read, Some(slot)), (to, &to_read, None)));
        }
        changes
    }
}

impl Read<'_> {
    /// The slots by a path that names receive locations instead of counting them.
    pub(super) fn keyed(&self) -> Vec<(String, &Slot)> {
        let named = self.named();
        let slots = self.slots.slots.iter().map(|slot| {
            let path = self.slots.path(self.tree, slot);
            let key = slot.transport.and_then(|index| named[index].as_ref()?.key(&path));
            (key.unwrap_or(path), slot)
        });
        slots.collect()
    }

    /// A path with the receive location in it named instead of counted.
    pub(super) fn key(&self, path: &str) -> String {
        let named = self.named();
        named.iter().flatten().find_map(|named| named.key(path)).unwrap_or_else(|| path.to_owned())
    }

    /// Each transport that has a name.
    fn named(&self) -> Vec<Option<Named<'_>>> {
        let named = self.slots.transports.iter().map(|transport| {
            let name = self.tree.child_value(transport.node, "@Name")?;
            Some(Named { name, path: self.tree.path(transport.node) })
        });
        named.collect()
    }

    /// The path of a key, if the receive location in it is here.
    pub(super) fn path_of_key(&self, key: &str) -> Option<String> {
        let Some((name, rest)) = key.strip_prefix('\n').and_then(|key| key.split_once('\n')) else {
            return Some(key.to_owned());
        };
        let transport = self.slots.transports.iter().find(|transport| {
            self.tree.child_value(transport.node, "@Name").is_some_and(|own| *own == *name)
        })?;
        Some(format!("{}{rest}", self.tree.path(transport.node)))
    }
}

/// A transport by its name, and where it is.
struct Named<'a> {
    name: Value<'a>,
    path: String,
}

impl Named<'_> {
    /// The key of a path within it.
    fn key(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.path)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("\n{}\n{rest}", &*self.name))
    }
}

/// Whether a slot and its twin of `beside` hold the same characters, seen and kept in the same way. Nearly all do after an
/// edit, and no value is read for that.
fn is_as_it_was(old: &Read<'_>, one: &Slot, new: &Read<'_>, other: &Slot) -> bool {
    let (before, after) = (old.tree.node(one.node), new.tree.node(other.node));
    one.secret == other.secret
        && before.nil == after.nil
        && old.tree.raw(one.node) == new.tree.raw(other.node)
}

type Side<'a, 'r> = (&'a Port, &'a Read<'r>, Option<&'a Slot>);

fn change<'a>(from: Side<'a, 'a>, to: Side<'a, 'a>) -> Option<ChangeView> {
    let secret = [from.2, to.2].into_iter().flatten().any(|slot| slot.secret.is_some());
    let shown = |side: &Side<'_, '_>| side.2.and_then(|slot| value(side.1, slot));
    let (before, after) = if secret {
        if known(from).as_deref() == known(to).as_deref() {
            return None;
        }
        (None, None)
    } else {
        let (before, after) = (shown(&from), shown(&to));
        if before == after && from.2.is_some() == to.2.is_some() {
            return None;
        }
        (before, after)
    };
    let side = if to.2.is_some() { to } else { from };
    let view = property(side.0, side.1, side.2?);
    Some(ChangeView { path: view.path, label: view.label, section: view.section, before, after, secret })
}

/// What a secret is compared by. It goes nowhere.
fn known<'a>(side: Side<'a, 'a>) -> Option<Value<'a>> {
    let slot = side.2.filter(|slot| slot.secret != Some(SecretState::Missing))?;
    side.1.slots.value(side.1.tree, slot).filter(|value| !value.is_empty())
}

/// The value as a view shows it: none of a secret, and none where there is none.
fn value(read: &Read<'_>, slot: &Slot) -> Option<String> {
    let plain = slot.secret.is_none() && matches!(slot.place, Place::Whole) && !read.tree.node(slot.node).nil;
    plain.then(|| read.slots.shown(read.tree, slot.node))
}

fn property(port: &Port, read: &Read<'_>, slot: &Slot) -> PropertyView {
    let n = read.tree.node(slot.node);
    let whole = matches!(slot.place, Place::Whole);
    let value = value(read, slot);
    let (value_type, choices) = match &value {
        Some(value) => spelling(value, n.vt, slot),
        None if whole && slot.secret.is_none() => (ValueType::Null, Vec::new()),
        None => (ValueType::Text, Vec::new()),
    };
    PropertyView {
        path: read.slots.path(read.tree, slot),
        label: label(read, slot),
        section: section(port, read, slot),
        depth: read.tree.level(slot.node) + u32::from(!whole),
        value_type: if slot.secret == Some(SecretState::Reference) {
            ValueType::Reference
        } else {
            value_type
        },
        value,
        secret: slot.secret,
        marked: slot.marked,
        choices,
        writable: !whole || !is_structural(read.tree, slot.node),
    }
}

/// How a value is spelt, and which values may stand in its place.
fn spelling(value: &str, vt: Vt, slot: &Slot) -> (ValueType, Vec<String>) {
    let strings = |values: [&str; 2]| values.map(str::to_owned).to_vec();
    if detect::is_reference(value.trim()) {
        return (ValueType::Reference, Vec::new());
    }
    let known = slot.property.map(|property| property.choices.clone()).unwrap_or_default();
    match (vt, value) {
        (Vt::Boolean, _) => (ValueType::Boolean, strings(["0", "-1"])),
        (_, "true" | "false") => (ValueType::Boolean, strings(["true", "false"])),
        (_, "True" | "False") => (ValueType::Boolean, strings(["True", "False"])),
        (Vt::Integer, _) => (ValueType::Integer, known),
        (Vt::Absent, _) if value.len() < 19 && value.parse::<i64>().is_ok() => (ValueType::Integer, known),
        _ => (ValueType::Text, known),
    }
}

fn label(read: &Read<'_>, slot: &Slot) -> String {
    if let Some(property) = slot.property {
        return property.label.clone();
    }
    let name = read.tree.name(slot.node);
    let parent = read.tree.parent(slot.node).filter(|&parent| parent != read.tree.root());
    match (&slot.place, parent) {
        (Place::Part { part, .. }, _) => format!("{name} {}", part.name),
        (_, Some(parent)) if read.tree.node(slot.node).is_attribute => {
            format!("{} {name}", read.tree.name(parent))
        }
        _ => name.to_owned(),
    }
}

/// Where a value belongs: by the child of the port, or of the receive location, that it is in.
fn section(port: &Port, read: &Read<'_>, slot: &Slot) -> String {
    let transport = slot.transport.map(|index| &read.slots.transports[index]);
    let border = transport.map_or(read.tree.root(), |transport| transport.node);
    let mut top = slot.node;
    while let Some(parent) = read.tree.parent(top).filter(|&parent| parent != border && top != border) {
        top = parent;
    }
    let group = match read.tree.name(top) {
        name if name.ends_with("Pipeline") || name.ends_with("PipelineData") => "Pipelines",
        "Filter" => "Filter",
        "Transforms" | "InboundTransforms" | "OutboundTransforms" => "Maps",
        "EncryptionCert" => "Encryption certificate",
        "SendPorts" => "Members",
        name if name.starts_with("Schedule")
            || (name.starts_with("ReceiveLocation")
                && !name.contains("TransportType")
                && name != "ReceiveLocations") =>
        {
            "Schedule"
        }
        _ => "",
    };
    match (transport, group) {
        (None, "") => "General".to_owned(),
        (None, group) => group.to_owned(),
        (Some(transport), "") => {
            let label = transport_label(read, transport);
            if port.kind() == PortKind::ReceivePort { format!("Receive location {label}") } else { label }
        }
        (Some(_), group) if read.slots.transports.len() == 1 || port.kind() != PortKind::ReceivePort => {
            group.to_owned()
        }
        (Some(transport), group) => format!("{group} {}", transport_label(read, transport)),
    }
}

fn transport_label(read: &Read<'_>, transport: &Transport) -> String {
    match read.tree.name(transport.node) {
        "PrimaryTransport" => "Primary transport".to_owned(),
        "SecondaryTransport" => "Secondary transport".to_owned(),
        _ => read.tree.child_value(transport.node, "@Name").map(|name| name.to_string()).unwrap_or_default(),
    }
}

fn adapter_name(read: &Read<'_>, transport: &Transport) -> String {
    transport
        .adapter_node
        .and_then(|node| read.tree.child_value(node, "@Name"))
        .map(|name| name.to_string())
        .unwrap_or_default()
}

fn address(read: &Read<'_>, transport: &Transport) -> String {
    transport.address.map(|node| read.slots.shown(read.tree, node)).unwrap_or_default()
}

fn enable(read: &Read<'_>, transport: &Transport) -> Option<bool> {
    read.tree
        .child_value(transport.node, "Enable")
        .and_then(|value| value.trim().to_ascii_lowercase().parse().ok())
}

fn is_missing(read: &Read<'_>, slot: &Slot) -> bool {
    slot.secret == Some(SecretState::Missing) && !read.slots.repeats(slot)
}

/// What there is, each once.
fn joined(mut items: Vec<String>) -> String {
    items.retain(|item| !item.is_empty());
    if let [one] = items.as_mut_slice() {
        return std::mem::take(one);
    }
    let mut seen = BTreeSet::new();
    let each: Vec<&str> = items.iter().map(String::as_str).filter(|item| seen.insert(*item)).collect();
    each.join(", ")
}
