//! One port: the text of its element, secrets included, and the views into it. A port never changes: an edit gives
//! another one.

use std::sync::OnceLock;

use super::{
    Limits, Marks,
    detect::{self, MASK, Part},
    document::{application, kind_of},
    edit::{Edit, insert_child, set_value, splice},
    escape::Escape,
    node::{NodeId, Vt},
    slots::{Place, Slot, Slots, is_whole, part_step},
    tree::Tree,
    xml::{Fault, is_char},
};
use crate::{
    Code, Error,
    api::{PortKind, SecretState},
    secret::{SecretText, Wiped},
};

/// One port element with all that is in it.
pub struct Port {
    /// The text of the element, read with all that is in it.
    tree: Tree<'static>,
    /// Found when they are first asked for.
    slots: OnceLock<Slots>,
    marks: Marks,
    kind: PortKind,
    name: String,
    application: String,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port({:?} {:?}, hidden)", self.kind, self.name)
    }
}

/// A port's element, read: what its methods work with.
pub(super) struct Read<'a> {
    pub tree: &'a Tree<'static>,
    pub slots: &'a Slots,
}

impl Port {
    /// Reads a port element. Fails with `malformed_document` where it is not one.
    pub fn read(element: SecretText, marks: Marks) -> Result<Port, Error> {
        // The text may be all secret, so the fault's words are general; they never quote it.
        let mut tree = Tree::read(element, &Limits::default())?;
        let (root, text) = (tree.root(), tree.layer_text(0));
        let kind = kind_of(tree.name(root)).ok_or_else(|| {
            Fault::new("this is not a send port, receive port or send port group", 0).into_error(text)
        })?;
        let name = tree.child_value(root, "@Name").map(|name| name.to_string()).unwrap_or_default();
        let application = tree
            .child(root, "ApplicationName")
            .filter(|&node| tree.is_leaf(node))
            .map(|node| application(&text[tree.node(node).inner()]))
            .unwrap_or_default();
        tree.expand(&Limits::default(), |tree, node| is_whole(tree, node, &marks));
        Ok(Port { tree, slots: OnceLock::new(), marks, kind, name, application })
    }

    /// Finds its values and secrets now, not when they are first asked for: for whoever has a thread to spare.
    pub fn look_through(&self) {
        self.open();
    }

    /// What it is.
    pub fn kind(&self) -> PortKind {
        self.kind
    }

    /// Its application; empty where the element names none.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of its element, secrets included.
    pub fn element(&self) -> &str {
        self.tree.layer_text(0)
    }

    /// What an administrator decided about its properties.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The full path of a property from any end of it, at the border of a step; in any case, if it is still the only
    /// one. Fails with `not_found`, or with `usage` and the candidates.
    pub fn resolve(&self, path_or_end: &str) -> Result<String, Error> {
        let read = self.open();
        if find(&read, path_or_end).is_some() {
            return Ok(path_or_end.to_owned());
        }
        let paths: Vec<String> =
            read.slots.slots.iter().map(|slot| read.slots.path(read.tree, slot)).collect();
        let ends = |path: &str, end: &str| {
            path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let lower = path_or_end.to_lowercase();
        for found in [
            paths.iter().filter(|path| ends(path, path_or_end)).collect::<Vec<_>>(),
            paths.iter().filter(|path| ends(&path.to_lowercase(), &lower)).collect(),
        ] {
            match found.as_slice() {
                [] => {}
                [path] => return Ok((*path).clone()),
                several => {
                    let some: Vec<&str> = several.iter().take(8).map(|path| path.as_str()).collect();
                    let told =
                        format!("{} properties of \"{}\" end in {path_or_end}", several.len(), self.name);
                    return Err(
                        Error::new(Code::Usage, told).hint(format!("name one of: {}", some.join(", ")))
                    );
                }
            }
        }
        // A path that the element has a place for, or a document in it, is a full path already.
        if let Some(node) = read.tree.find(path_or_end) {
            return Ok(read.tree.path(node));
        }
        if let Some((_, parent, property)) = self.insertable(&read, path_or_end) {
            return Ok(format!("{}/{}", read.tree.path(parent), property.name));
        }
        Err(self.unknown(path_or_end))
    }

    /// The port with another value at a path (or a unique end of one). A value that XML can't hold, or that would not
    /// read back as it is, is refused. Stars left in a text keep the secret that they stand for.
    pub fn set(&self, path: &str, value: &str) -> Result<Port, Error> {
        let path = self.resolve(path)?;
        if let Some(c) = value.chars().find(|&c| !is_char(c)) {
            let told = format!(
                "the value for {path} holds the character U+{:04X}, which XML can't hold",
                u32::from(c)
            );
            return Err(Error::new(Code::Usage, told).hint("leave the character out"));
        }
        let read = self.open();
        let Some(slot) = find(&read, &path) else {
            let (edits, property) = self.insertion(&read, &path, value).ok_or_else(|| self.unknown(&path))?;
            debug_assert!(property.secret, "only secrets are inserted");
            return self.filled(&path, value, splice(self.element(), edits));
        };
        if slot.secret.is_some() {
            if value == MASK {
                return Port::read(SecretText::new(self.element().to_owned()), self.marks.clone());
            }
            if detect::is_mask(value) {
                return Err(Error::new(
                    Code::Usage,
                    format!("the value for {path} is only stars, as a mask is"),
                )
                .hint("give the secret itself"));
            }
            let edits = self.secret_edits(&read, slot, value);
            return self.filled(&path, value, splice(self.element(), edits));
        }
        self.set_plain(&read, slot, &path, value)
    }

    /// The port with a property marked as secret, or no longer so. Fails with `usage` where it can't be: it is not a
    /// value that may be changed, or it is a secret for another reason.
    pub fn mark(&self, path: &str, secret: bool) -> Result<Port, Error> {
        let path = self.resolve(path)?;
        let read = self.open();
        let mut marks = self.marks.clone();
        let refuse = |told: &str| Error::new(Code::Usage, format!("{path} {told}"));
        if secret {
            let node = read.tree.find(&path).ok_or_else(|| refuse("is no value that can be marked"))?;
            let n = read.tree.node(node);
            if n.has_elements || read.tree.is_syntax(node) || is_structural(read.tree, node) {
                return Err(refuse("names or holds parts of the port and can't be marked")
                    .hint("mark the single values"));
            }
            marks.marked.insert(path);
        } else if !marks.marked.remove(&path) {
            return Err(refuse("was not marked by an administrator")
                .hint("what is a secret by its name or adapter stays one"));
        }
        Port::read(SecretText::new(self.element().to_owned()), marks)
    }

    /// The value of a property, secret or not. Fails with `not_found` where it has none.
    pub fn reveal(&self, path: &str) -> Result<SecretText, Error> {
        let path = self.resolve(path)?;
        let read = self.open();
        let slot = find(&read, &path).ok_or_else(|| self.unknown(&path))?;
        if slot.secret == Some(SecretState::Missing) {
            return Err(Error::new(Code::NotFound, format!("{path} of \"{}\" has no value yet", self.name))
                .hint("fill it in first"));
        }
        let value = read.slots.value(read.tree, slot).ok_or_else(|| self.unknown(&path))?;
        Ok(SecretText::new(value.to_owned()))
    }

    /// The text of its element with a mask in the place of every secret in the clear.
    pub fn masked(&self) -> SecretText {
        let read = self.open();
        splice(self.element(), read.slots.mask(read.tree))
    }

    /// The element read with all that is in it.
    pub(super) fn open(&self) -> Read<'_> {
        Read { tree: &self.tree, slots: self.slots.get_or_init(|| Slots::find(&self.tree, &self.marks)) }
    }

    /// The edits that give a secret slot this value, the address and its `uri` together.
    pub(super) fn secret_edits(&self, read: &Read<'_>, slot: &Slot, value: &str) -> Vec<Edit> {
        match &slot.place {
            Place::Absent => slot.property.map_or_else(Vec::new, |property| {
                insert(read.tree, read.slots, slot.transport, slot.node, &property.name, value)
            }),
            Place::Whole => set_linked(read, slot, value),
            Place::Part { part, .. } => {
                let old = read.tree.value(slot.node);
                let new = Wiped::new([&old[..part.span.start], value, &old[part.span.end..]].concat());
                set_linked(read, slot, &new)
            }
        }
    }

    /// The edits that insert a secret which the adapter's table knows and the document has a place for.
    pub(super) fn insertion(
        &self,
        read: &Read<'_>,
        path: &str,
        value: &str,
    ) -> Option<(Vec<Edit>, &'static super::adapters::Property)> {
        let (transport, node, property) = self.insertable(read, path)?;
        Some((insert(read.tree, read.slots, Some(transport), node, &property.name, value), property))
    }

    fn insertable(
        &self,
        read: &Read<'_>,
        path: &str,
    ) -> Option<(usize, NodeId, &'static super::adapters::Property)> {
        let (parent, name) = path.rsplit_once('/')?;
        let node = read.tree.find(parent)?;
        let index =
            read.slots.transports.iter().position(|t| t.bag == Some(node) || t.config == Some(node))?;
        let (_, property) = read.slots.transports[index].adapter?.property(name)?;
        (property.secret && property.name == name).then_some((index, node, property))
    }

    fn set_plain(&self, read: &Read<'_>, slot: &Slot, path: &str, value: &str) -> Result<Port, Error> {
        if is_structural(read.tree, slot.node) {
            return Err(Error::new(Code::Usage, format!("{path} can't be changed here"))
                .hint("change it in BizTalk and import the bindings again"));
        }
        let n = read.tree.node(slot.node);
        let number = value.parse::<i64>().is_ok() || detect::is_reference(value);
        match n.vt {
            Vt::Boolean if !(matches!(value, "0" | "-1") || detect::is_reference(value)) => {
                return Err(Error::new(Code::Usage, format!("{path} is a boolean")).hint("give 0 or -1"));
            }
            Vt::Integer if !number => {
                return Err(
                    Error::new(Code::Usage, format!("{path} is a number")).hint("give a whole number")
                );
            }
            _ => {}
        }
        // Stars in the new text stand for the secrets of the old one, by name and order.
        let old = read.tree.value(slot.node);
        let (old_parts, new_parts) = (detect::parts(&old), detect::parts(value));
        let mut marks = self.marks.clone();
        let mut new = Wiped::new(String::with_capacity(value.len() + old.len()));
        let mut at = 0;
        for (index, part) in new_parts.iter().enumerate() {
            let is_twin = |other: &&Part| other.name == part.name;
            let number = new_parts[..index].iter().filter(is_twin).count();
            let was = old_parts.iter().filter(is_twin).nth(number).map(|part| &old[part.span.clone()]);
            let now = &value[part.span.clone()];
            new.push_str(&value[at..part.span.start]);
            new.push_str(if now == MASK { was.unwrap_or(MASK) } else { now });
            if !now.is_empty() && !detect::is_mask(now) && was != Some(now) {
                let twins = new_parts.iter().filter(is_twin).count();
                let step = part_step(&part.name, number + 1, twins);
                marks.filled.insert(format!("{path}/{step}"));
            }
            at = part.span.end;
        }
        new.push_str(&value[at..]);
        Port::read(splice(self.element(), set_linked(read, slot, &new)), marks)
    }

    /// The port with this element, in which a secret was set; refused where it would not read back.
    fn filled(&self, path: &str, value: &str, element: SecretText) -> Result<Port, Error> {
        let mut marks = self.marks.clone();
        if value.is_empty() {
            marks.filled.remove(path);
        } else {
            marks.filled.insert(path.to_owned());
        }
        let port = Port::read(element, marks)?;
        if !value.is_empty() {
            let read = port.open();
            let back = find(&read, path).and_then(|slot| read.slots.value(read.tree, slot));
            if back.as_deref() != Some(value) {
                let told = format!("the value for {path} can't stand within its text as it is");
                return Err(Error::new(Code::Usage, told)
                    .hint("percent-encode it in an address, put it in quotes in a connection string"));
            }
        }
        Ok(port)
    }

    fn unknown(&self, path: &str) -> Error {
        Error::new(Code::NotFound, format!("\"{}\" has no property {path}", self.name))
            .hint("`sealport port show` lists its properties")
    }
}

/// The slot at a full path.
pub(super) fn find<'r>(read: &'r Read<'_>, path: &str) -> Option<&'r Slot> {
    let last = path.rsplit('/').next()?;
    let candidates = read.slots.slots.iter().filter(|slot| match &slot.place {
        Place::Part { part, .. } => last.strip_prefix('~').is_some_and(|name| name.starts_with(&part.name)),
        Place::Absent => slot.property.is_some_and(|property| property.name == last),
        Place::Whole => last.trim_start_matches('@').starts_with(read.tree.name(slot.node)),
    });
    candidates.into_iter().find(|slot| read.slots.path(read.tree, slot) == path)
}

/// What names a port or its adapter: changing it would make another port of it, or a broken one.
pub(super) fn is_structural(tree: &Tree<'_>, node: NodeId) -> bool {
    let (name, parent) = (tree.name(node), tree.parent(node));
    let parent_name = parent.map_or("", |parent| tree.name(parent));
    if tree.level(node) > 0 {
        return false;
    }
    if !tree.node(node).is_attribute {
        let complex = [
            "SendHandler",
            "ReceiveHandler",
            "ReceivePipeline",
            "SendPipeline",
            "TransmitPipeline",
            "TransportType",
            "ReceiveLocationTransportType",
            "EncryptionCert",
            "Transforms",
            "InboundTransforms",
            "OutboundTransforms",
            "SendPorts",
            "ReceiveLocations",
            "TransportTypeData",
            "ReceiveLocationTransportTypeData",
        ];
        return name == "ApplicationName" || complex.contains(&name);
    }
    match name {
        "Name" => {
            parent == Some(tree.root())
                || ["ReceiveLocation", "TransportType", "ReceiveLocationTransportType"].contains(&parent_name)
        }
        "ConfigurationClsid" | "Capabilities" => true,
        _ => false,
    }
}

fn set_linked(read: &Read<'_>, slot: &Slot, value: &str) -> Vec<Edit> {
    let mut edits = set_value(read.tree, slot.node, value);
    if let Some(other) = read.slots.linked(slot) {
        edits.extend(set_value(read.tree, other, value));
    }
    edits
}

/// Secrets that are inserted stand last, in the order of the table: so the order of the fills leaves no trace.
fn insert(
    tree: &Tree<'_>,
    slots: &Slots,
    transport: Option<usize>,
    parent: NodeId,
    name: &str,
    value: &str,
) -> Vec<Edit> {
    let adapter = transport.and_then(|index| slots.transports[index].adapter);
    let rank = |name: &str| {
        adapter.and_then(|adapter| adapter.property(name)).filter(|(_, p)| p.secret).map(|(i, _)| i)
    };
    let own = rank(name);
    let typed = transport.is_some_and(|index| slots.transports[index].bag == Some(parent));
    let vt = if typed { " vt=\"8\"" } else { "" };
    let element = Wiped::new(["<", name, vt, ">", &Escape::Text.apply(value), "</", name, ">"].concat());
    insert_child(tree, parent, &element, |sibling| rank(sibling).is_some_and(|sibling| Some(sibling) > own))
}
