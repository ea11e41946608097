//! Every value of a port in the order of the document, and what is known of the secrets among them.
//!
//! A slot is secret because an administrator marked it, the adapter's table says so, its name does, or its value
//! does; in this order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Marks,
    adapters::{Adapter, Family, Property},
    detect::{self, MASK, Part},
    document::kind_of,
    edit::Edit,
    node::{NodeId, Vt},
    tree::{Tree, Value},
};
use crate::{
    api::{PortKind, SecretState},
    secret::Wiped,
};

/// A text with more secrets in it than this is one secret: what is done for each of them reads the whole text.
const MOST_PARTS: usize = 64;

/// A transport of a send port or a receive location.
pub(super) struct Transport {
    pub node: NodeId,
    pub address: Option<NodeId>,
    /// TransportType: the adapter by name and class.
    pub adapter_node: Option<NodeId>,
    pub adapter: Option<&'static Adapter>,
    /// The element whose children are the properties, and the document in its AdapterConfig.
    pub bag: Option<NodeId>,
    pub config: Option<NodeId>,
    /// The `uri` of the document, where it repeats the address.
    pub uri: Option<NodeId>,
    /// The empty shell of a secondary transport.
    pub shell: bool,
}

/// Where a slot's value stands.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The whole value of the node.
    Whole,
    /// A part of it.
    Part { part: Part, index: usize },
    /// Nowhere: the property would be a child of the node.
    Absent,
}

/// A value, or a place for one.
pub(super) struct Slot {
    pub node: NodeId,
    pub place: Place,
    pub secret: Option<SecretState>,
    pub transport: Option<usize>,
    pub property: Option<&'static Property>,
    pub marked: bool,
    /// The user name beside a secret.
    pub user: Option<NodeId>,
}

/// The slots of a port.
pub(super) struct Slots {
    pub transports: Vec<Transport>,
    pub slots: Vec<Slot>,
    /// For each node the first of its slots; they stand together. `u32::MAX` where it has none.
    of_node: Vec<u32>,
}

impl Slots {
    /// Finds them. Costs one walk over the tree; paths are built only where there are marks.
    pub fn find(tree: &Tree<'_>, marks: &Marks) -> Self {
        // Hardly ever more slots than nodes.
        let slots = Vec::with_capacity(tree.len());
        let mut found = Self { transports: transports(tree), slots, of_node: Vec::new() };
        let transport_at = found.transports.iter().enumerate().map(|(index, t)| (t.node, index)).collect();
        let mut walk = Walk { tree, marks, transport_at, out: &mut found };
        for child in tree.children(tree.root()) {
            walk.node(child, None);
        }
        found.link_secrets(tree);
        found.of_node = vec![u32::MAX; tree.len()];
        for (index, slot) in found.slots.iter().enumerate().rev() {
            if !matches!(slot.place, Place::Absent) {
                found.of_node[slot.node as usize] = u32::try_from(index).unwrap_or(u32::MAX);
            }
        }
        found
    }

    /// The path of a slot.
    pub fn path(&self, tree: &Tree<'_>, slot: &Slot) -> String {
        let path = tree.path(slot.node);
        match &slot.place {
            Place::Whole => path,
            Place::Part { part, index } => {
                let twins = self.of(slot.node).filter(
                    |other| matches!(&other.place, Place::Part { part: p, .. } if p.name == part.name),
                );
                format!("{path}/{}", part_step(&part.name, *index, twins.count()))
            }
            Place::Absent => format!("{path}/{}", slot.property.map_or("", |property| &property.name)),
        }
    }

    /// The edits that put a mask in the place of every secret in the clear.
    pub fn mask(&self, tree: &Tree<'_>) -> Vec<Edit> {
        let set = self.slots.iter().filter(|slot| slot.secret == Some(SecretState::Set));
        set.flat_map(|slot| match &slot.place {
            // Between comments the characters of a value can't be told by their offsets: it is written anew.
            Place::Part { .. } if tree.is_broken_up(slot.node) => {
                super::edit::set_value(tree, slot.node, &self.shown(tree, slot.node))
            }
            Place::Part { part, .. } => vec![tree.part_edit(slot.node, part.span.clone(), MASK)],
            _ => mask_whole(tree, slot.node),
        })
        .collect()
    }

    /// The text of a slot's value, if it stands in the document.
    pub fn value<'t>(&self, tree: &'t Tree<'_>, slot: &Slot) -> Option<Value<'t>> {
        match &slot.place {
            Place::Absent => None,
            Place::Whole => Some(tree.value(slot.node)),
            Place::Part { part, .. } => {
                Some(Value::Read(Wiped::new(tree.value(slot.node)[part.span.clone()].to_owned())))
            }
        }
    }

    /// The other node that repeats this value: the address and the `uri` of a transport.
    pub fn linked(&self, slot: &Slot) -> Option<NodeId> {
        let transport = &self.transports[slot.transport?];
        match (transport.address, transport.uri) {
            (Some(address), Some(uri)) if address == slot.node => Some(uri),
            (Some(address), Some(uri)) if uri == slot.node => Some(address),
            _ => None,
        }
    }

    /// A value of the tree as a view may show it: secrets in it masked.
    pub fn shown(&self, tree: &Tree<'_>, node: NodeId) -> String {
        let mut parts = Vec::new();
        for slot in self.of(node) {
            match &slot.place {
                Place::Whole if slot.secret.is_some() => return MASK.to_owned(),
                Place::Part { part, .. } => parts.push(part.clone()),
                _ => {}
            }
        }
        detect::masked(&tree.value(node), &parts)
    }

    /// The slots of a node: its value, then the secrets within it.
    fn of(&self, node: NodeId) -> impl Iterator<Item = &Slot> {
        let first = self.of_node.get(node as usize).map_or(usize::MAX, |&first| first as usize);
        self.slots.get(first..).unwrap_or_default().iter().take_while(move |slot| slot.node == node)
    }

    /// Whether this slot only repeats a secret of the address.
    pub fn repeats(&self, slot: &Slot) -> bool {
        slot.transport.is_some_and(|index| self.transports[index].uri == Some(slot.node))
    }

    /// Each slot beside the one of another port that has the same path, where both have the same ones in the same order
    /// and receive locations by the same names: as after most edits. No path is built.
    pub fn beside<'s>(
        &'s self,
        tree: &Tree<'_>,
        other: &'s Slots,
        other_tree: &Tree<'_>,
    ) -> Option<impl Iterator<Item = (&'s Slot, &'s Slot)>> {
        let mut twins = Twins { trees: (tree, other_tree), known: vec![NodeId::MAX; tree.len()] };
        let alike = self.slots.len() == other.slots.len()
            && self.transports.len() == other.transports.len()
            && self.transports.iter().zip(&other.transports).all(|(one, another)| {
                let (name, other_name) =
                    (tree.child_value(one.node, "@Name"), other_tree.child_value(another.node, "@Name"));
                twins.are(one.node, another.node) && name.as_deref() == other_name.as_deref()
            })
            && self.slots.iter().zip(&other.slots).all(|(one, another)| {
                let step = match (&one.place, &another.place) {
                    (Place::Whole, Place::Whole) => true,
                    (Place::Part { part, index }, Place::Part { part: p, index: i }) => {
                        part.name == p.name && index == i
                    }
                    (Place::Absent, Place::Absent) => {
                        one.property.map(|property| &property.name)
                            == another.property.map(|property| &property.name)
                    }
                    _ => false,
                };
                step && one.transport == another.transport && twins.are(one.node, another.node)
            });
        alike.then(|| self.slots.iter().zip(&other.slots))
    }

    /// What is secret as a whole in an address is so in the `uri` that repeats it, and the other way round.
    fn link_secrets(&mut self, tree: &Tree<'_>) {
        let secret: BTreeSet<NodeId> = (self.slots.iter())
            .filter(|slot| slot.secret.is_some() && matches!(slot.place, Place::Whole))
            .filter_map(|slot| self.linked(slot))
            .collect();
        if secret.is_empty() {
            return;
        }
        self.slots.retain(|slot| matches!(slot.place, Place::Whole) || !secret.contains(&slot.node));
        for slot in self.slots.iter_mut().filter(|slot| slot.secret.is_none() && secret.contains(&slot.node))
        {
            slot.secret = Some(state(&tree.value(slot.node), Vt::Absent, false));
        }
    }
}

/// Nodes of two trees that have the same path.
struct Twins<'a, 't> {
    trees: (&'a Tree<'t>, &'a Tree<'t>),
    /// For each node of the first tree its twin, once it is known.
    known: Vec<NodeId>,
}

impl Twins<'_, '_> {
    fn are(&mut self, one: NodeId, other: NodeId) -> bool {
        if self.known[one as usize] != NodeId::MAX {
            return self.known[one as usize] == other;
        }
        let (tree, other_tree) = self.trees;
        let are = match (tree.parent(one), other_tree.parent(other)) {
            (None, None) => true,
            (Some(parent), Some(other_parent)) => {
                tree.node(one).is_attribute == other_tree.node(other).is_attribute
                    && tree.ordinal(one) == other_tree.ordinal(other)
                    && tree.name(one) == other_tree.name(other)
                    && self.are(parent, other_parent)
            }
            _ => false,
        };
        if are {
            self.known[one as usize] = other;
        }
        are
    }
}

/// The last step of the path of a part: its name and, where it has twins in its text, its place among them from 1.
pub(super) fn part_step(name: &str, index: usize, twins: usize) -> String {
    if twins > 1 { format!("~{name}[{index}]") } else { format!("~{name}") }
}

/// Whether nothing of this node's value is to be read as a document, given the marks: it is one secret.
pub(super) fn is_whole(tree: &Tree<'_>, node: NodeId, marks: &Marks) -> bool {
    detect::is_secret_name(tree.local_name(node)) || is_marked(tree, node, marks)
}

fn is_marked(tree: &Tree<'_>, node: NodeId, marks: &Marks) -> bool {
    if marks.marked.is_empty() && marks.filled.is_empty() {
        return false;
    }
    // A path is built only where a mark may fit it.
    let name = tree.name(node);
    let fits = |path: &String| {
        path.rsplit('/').next().is_some_and(|last| last.trim_start_matches('@').starts_with(name))
    };
    if !marks.marked.iter().chain(&marks.filled).any(fits) {
        return false;
    }
    let path = tree.path(node);
    marks.marked.contains(&path) || marks.filled.contains(&path)
}

/// The edits that mask the value of a node: BizTalk's null in a bag, stars elsewhere.
fn mask_whole(tree: &Tree<'_>, node: NodeId) -> Vec<Edit> {
    let n = tree.node(node);
    let vt = tree.child(node, "@vt").filter(|_| !n.is_attribute);
    let Some(vt) = vt else { return super::edit::set_value(tree, node, MASK) };
    let close: Range<usize> = n.inner().start - 1..n.span().end;
    let mut edits = vec![tree.lift(n.layer, close, Wiped::new(" />".to_owned()))];
    let vt = tree.node(vt);
    edits.push(tree.lift(vt.layer, vt.inner(), Wiped::new("1".to_owned())));
    edits
}

fn state(value: &str, vt: Vt, user: bool) -> SecretState {
    let value = value.trim();
    match value {
        _ if vt == Vt::Null || detect::is_mask(value) => SecretState::Missing,
        "" if user => SecretState::Missing,
        "" => SecretState::Unused,
        _ if detect::is_reference(value) => SecretState::Reference,
        _ => SecretState::Set,
    }
}

fn transports(tree: &Tree<'_>) -> Vec<Transport> {
    let root = tree.root();
    match kind_of(tree.name(root)) {
        Some(PortKind::SendPort) => ["PrimaryTransport", "SecondaryTransport"]
            .into_iter()
            .filter_map(|name| tree.child(root, name))
            .map(|node| transport(tree, node, "TransportType", "TransportTypeData"))
            .collect(),
        Some(PortKind::ReceivePort) => (tree.children(root))
            .filter(|&child| tree.name(child) == "ReceiveLocations")
            .flat_map(|locations| tree.children(locations))
            .filter(|&child| tree.name(child) == "ReceiveLocation")
            .map(|node| {
                transport(tree, node, "ReceiveLocationTransportType", "ReceiveLocationTransportTypeData")
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn transport(tree: &Tree<'_>, node: NodeId, type_name: &str, data: &str) -> Transport {
    let address = tree.child(node, "Address").filter(|&address| tree.is_leaf(address));
    let adapter_node = tree.child(node, type_name);
    let attribute = |name| adapter_node.and_then(|node| tree.child_value(node, name));
    let name = attribute("@Name");
    let clsid = attribute("@ConfigurationClsid");
    let adapter = Adapter::find(name.as_deref().unwrap_or_default(), clsid.as_deref().unwrap_or_default());
    let bag = tree.child(node, data).and_then(|data| tree.only_element(data));
    let config =
        bag.and_then(|bag| tree.child(bag, "AdapterConfig")).and_then(|config| tree.only_element(config));
    let uri = config.and_then(|config| tree.child(config, "uri")).filter(|&uri| {
        tree.is_leaf(uri) && address.is_some_and(|address| *tree.value(address) == *tree.value(uri))
    });
    let empty = |node: Option<NodeId>| node.is_none_or(|node| tree.value(node).is_empty());
    let shell =
        tree.name(node) == "SecondaryTransport" && name.is_none_or(|name| name.is_empty()) && empty(address);
    Transport { node, address, adapter_node, adapter, bag, config, uri, shell }
}

struct Walk<'a, 't> {
    tree: &'a Tree<'t>,
    marks: &'a Marks,
    transport_at: BTreeMap<NodeId, usize>,
    out: &'a mut Slots,
}

impl Walk<'_, '_> {
    fn node(&mut self, node: NodeId, transport: Option<usize>) {
        let tree = self.tree;
        if tree.is_syntax(node) {
            return;
        }
        let transport = transport.or_else(|| self.transport_at.get(&node).copied());
        let leaf = tree.is_leaf(node);
        if leaf {
            self.leaf(node, transport);
        }
        for child in tree.children(node) {
            self.node(child, transport);
        }
        if let Some(index) = transport.filter(|_| !leaf) {
            self.absent(node, index);
        }
    }

    fn leaf(&mut self, node: NodeId, transport: Option<usize>) {
        let tree = self.tree;
        let n = tree.node(node);
        // An element that only carries attributes has no value of its own.
        if n.empty && !n.nil && n.vt == Vt::Absent && tree.children(node).any(|child| !tree.is_syntax(child))
        {
            return;
        }
        let parent = tree.parent(node);
        let of = transport.map(|index| &self.out.transports[index]);
        let property = of
            .filter(|of| parent.is_some() && (parent == of.bag || parent == of.config))
            .and_then(|of| of.adapter)
            .and_then(|adapter| adapter.property(tree.name(node)))
            .map(|(_, property)| property);
        let marked = !self.marks.marked.is_empty() && self.marks.marked.contains(&tree.path(node));
        let value = tree.value(node);
        let name = tree.local_name(node);
        let by_table = property.is_some_and(|property| property.secret);
        let by_name = || {
            detect::is_secret_name(name)
                && n.vt != Vt::Boolean
                && !["true", "false", "yes", "no"].iter().any(|word| value.eq_ignore_ascii_case(word))
        };
        let secret = marked
            || n.vt == Vt::Null
            || by_table
            || by_name()
            || detect::is_mask(&value)
            || is_opaque(name, &value)
            || is_marked(tree, node, self.marks);
        let mut slot =
            Slot { node, place: Place::Whole, secret: None, transport, property, marked, user: None };
        if secret {
            slot.user = parent.and_then(|parent| self.user_beside(node, parent, property));
            let needed = slot.user.is_some() && parent.is_some_and(|parent| self.applies(parent, property));
            slot.secret = Some(state(&value, n.vt, needed));
            self.out.slots.push(slot);
            return;
        }
        let parts =
            if matches!(n.vt, Vt::Boolean | Vt::Integer) { Vec::new() } else { detect::parts(&value) };
        if parts.len() > MOST_PARTS {
            self.out.slots.push(Slot { secret: Some(SecretState::Set), ..slot });
            return;
        }
        self.out.slots.push(slot);
        let mut names: Vec<&str> = Vec::new();
        for part in &parts {
            let index = 1 + names.iter().filter(|name| **name == part.name).count();
            names.push(&part.name);
            let secret = Some(state(&value[part.span.clone()], Vt::Absent, false));
            let place = Place::Part { part: part.clone(), index };
            self.out.slots.push(Slot {
                node,
                place,
                secret,
                transport,
                property: None,
                marked: false,
                user: None,
            });
        }
    }

    /// Slots for the secrets that the table knows and the document leaves out beside their user.
    fn absent(&mut self, node: NodeId, index: usize) {
        let transport = &self.out.transports[index];
        let family = transport.adapter.map(|adapter| adapter.family);
        let holder = if family == Some(Family::AdapterConfig) { transport.config } else { transport.bag };
        let Some(adapter) = transport.adapter.filter(|_| holder == Some(node)) else { return };
        for property in adapter.properties.iter().filter(|p| p.secret && !p.beside.is_empty()) {
            if self.named(node, &property.name).is_some() || !self.applies(node, Some(property)) {
                continue;
            }
            let Some(user) = self.user(node, &property.beside) else { continue };
            self.out.slots.push(Slot {
                node,
                place: Place::Absent,
                secret: Some(SecretState::Missing),
                transport: Some(index),
                property: Some(property),
                marked: false,
                user: Some(user),
            });
        }
    }

    fn named(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.tree.children(parent).find(|&child| self.tree.name(child).eq_ignore_ascii_case(name))
    }

    /// The child of this name, if it is a leaf with a value.
    fn user(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.named(parent, name)
            .filter(|&user| self.tree.is_leaf(user) && !self.tree.value(user).trim().is_empty())
    }

    /// Whether the settings beside it are those with which a secret is used.
    fn applies(&self, parent: NodeId, property: Option<&Property>) -> bool {
        let Some(when) = property.and_then(|property| property.when.as_ref()) else { return true };
        self.user(parent, &when.property)
            .is_none_or(|other| when.values.iter().any(|value| **value == *self.tree.value(other)))
    }

    /// The user name that a secret belongs to: as the table says, else by its own name.
    fn user_beside(&self, node: NodeId, parent: NodeId, property: Option<&Property>) -> Option<NodeId> {
        if let Some(property) = property {
            return (!property.beside.is_empty()).then(|| self.user(parent, &property.beside)).flatten();
        }
        let name = self.tree.local_name(node).to_ascii_lowercase();
        let stem = ["password", "passphrase", "pwd"].iter().find_map(|word| name.strip_suffix(word))?;
        ["username", "user", "userid"].iter().find_map(|word| self.user(parent, &format!("{stem}{word}")))
    }
}

/// Settings that should be a document and are not well-formed: nothing in them can be told apart.
fn is_opaque(name: &str, value: &str) -> bool {
    matches!(name, "TransportTypeData" | "ReceiveLocationTransportTypeData" | "AdapterConfig")
        && value.contains('<')
}
