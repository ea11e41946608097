//! A document and the documents in its strings, as one tree of spans.
//!
//! Level 0 is the text that was given. A value that is itself one XML element opens a further layer: its unescaped
//! text, and the way from its offsets back to the raw characters. A path leads through layers as through elements.

use std::{ops::Range, sync::OnceLock};

use memchr::memrchr;

use super::{
    Limits,
    edit::{Edit, shift},
    escape::{Escape, Unescaped, unescape},
    node::{NONE, Node, NodeId, Vt, offset},
    xml::{Attribute, Fault, Token, scan},
};
use crate::{
    Error,
    secret::{SecretText, Wiped},
};

struct Layer<'a> {
    text: Text<'a>,
    /// `None` at level 0.
    within: Option<Within>,
    depth: u32,
}

enum Text<'a> {
    Borrowed(&'a str),
    Owned(SecretText),
    Unescaped(Unescaped),
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            // Opened to be looked into; the tree's owner decides what leaves.
            Text::Owned(text) => text.expose(),
            Text::Unescaped(unescaped) => &unescaped.value,
        }
    }
}

struct Within {
    layer: u32,
    /// Where the raw value starts in that layer.
    base: usize,
    escape: Escape,
}

/// A document with everything in it.
pub(super) struct Tree<'a> {
    layers: Vec<Layer<'a>>,
    nodes: Vec<Node>,
    /// For each element its place, from 1, among siblings of its name; 0 where it is the only one. Filled when a path
    /// is first asked for.
    ordinals: OnceLock<Vec<u32>>,
}

impl Tree<'static> {
    /// Reads one element, and no document in its strings yet: `expand` does that.
    pub fn read(text: SecretText, limits: &Limits) -> Result<Self, Error> {
        Self::flat(Text::Owned(text), &[], limits)
    }
}

impl<'a> Tree<'a> {
    /// Reads a document with the elements at `skip` (in order) left out.
    pub fn read_around(text: &'a str, skip: &[Range<usize>], limits: &Limits) -> Result<Self, Error> {
        let mut tree = Self::flat(Text::Borrowed(text), skip, limits)?;
        tree.expand(limits, |tree, node| super::detect::is_secret_name(tree.local_name(node)));
        Ok(tree)
    }

    fn flat(text: Text<'a>, skip: &[Range<usize>], limits: &Limits) -> Result<Self, Error> {
        let layers = vec![Layer { text, within: None, depth: 0 }];
        let text = layers[0].text.as_str();
        if u32::try_from(text.len()).is_err() {
            return Err(Fault::new("the text is longer than 4 GiB", 0).into_error(text));
        }
        let mut nodes = Vec::with_capacity(text.len() / 20);
        let mut builder = Builder { nodes: &mut nodes, text, layer: 0, at: NONE };
        let mut skip = skip.iter();
        let mut skipped: Range<usize> = skip.next().cloned().unwrap_or(usize::MAX..usize::MAX);
        scan(text, 0, limits, |token| {
            let (Token::Open { span, .. }
            | Token::Close { span }
            | Token::Text { span }
            | Token::CData { span }
            | Token::Aside { span }) = &token;
            if span.start >= skipped.end {
                skipped = skip.next().cloned().unwrap_or(usize::MAX..usize::MAX);
            }
            if !skipped.contains(&span.start) {
                builder.take(token);
            }
            Ok(())
        })
        .map_err(|fault| fault.into_error(text))?;
        Ok(Self { layers, nodes, ordinals: OnceLock::new() })
    }

    /// Opens the documents in strings, and those in their strings. `whole` says which values are kept whole, by tree
    /// and node.
    pub fn expand(&mut self, limits: &Limits, whole: impl Fn(&Tree<'_>, NodeId) -> bool) {
        let mut node = 0;
        while (node as usize) < self.nodes.len() {
            if self.may_hold_document(node, limits) && !whole(self, node) {
                self.expand_one(node, limits);
            }
            node += 1;
        }
    }

    fn may_hold_document(&self, node: NodeId, limits: &Limits) -> bool {
        let n = self.node(node);
        if n.has_elements || self.is_broken_up(node) || n.inner().len() < 4 {
            return false;
        }
        let raw = &self.layer_text(n.layer)[n.cdata().unwrap_or(n.inner())];
        let raw = raw.trim_start_matches([' ', '\t', '\r', '\n', '\u{FEFF}']);
        let starts = if n.cdata.is_some() {
            raw.starts_with('<')
        } else {
            raw.starts_with("&lt;") || raw.starts_with("&#")
        };
        starts
            && (self.layers[n.layer as usize].depth as usize) < limits.nesting
            && self.nodes.len() < limits.elements
    }

    fn expand_one(&mut self, node: NodeId, limits: &Limits) {
        let n = self.node(node);
        let text = self.layer_text(n.layer);
        let (inner, escape) = match n.cdata() {
            Some(inner) => (inner, Escape::CData),
            None if n.is_attribute => (n.inner(), Escape::Attribute(text.as_bytes()[n.inner().end])),
            None => (n.inner(), Escape::Text),
        };
        let raw = &text[inner.clone()];
        let unescaped = match escape {
            Escape::CData => Unescaped::plain(raw),
            _ => Unescaped::read(raw),
        };
        let from = unescaped.value.len()
            - unescaped.value.trim_start_matches([' ', '\t', '\r', '\n', '\u{FEFF}']).len();
        let (layer, depth) = (n.layer, self.layers[n.layer as usize].depth + 1);
        let (nodes_before, new_layer) =
            (self.nodes.len(), u32::try_from(self.layers.len()).unwrap_or(u32::MAX));
        let mut builder =
            Builder { nodes: &mut self.nodes, text: &unescaped.value, layer: new_layer, at: node };
        let left = Limits { elements: limits.elements - nodes_before.min(limits.elements), ..limits.clone() };
        let read = scan(&unescaped.value, from, &left, |token| {
            builder.take(token);
            Ok(())
        });
        if read.is_err() {
            self.nodes.truncate(nodes_before);
            self.unlink_after(node, nodes_before);
            return;
        }
        self.ordinals.take();
        self.nodes[node as usize].embedded = true;
        let within = Some(Within { layer, base: inner.start, escape });
        self.layers.push(Layer { text: Text::Unescaped(unescaped), within, depth });
    }

    /// Forgets the children of `node` that were cut off with the arena.
    fn unlink_after(&mut self, node: NodeId, length: usize) {
        let kept: Vec<NodeId> = self.child_ids(node).take_while(|&child| (child as usize) < length).collect();
        self.nodes[node as usize].first = kept.first().copied().unwrap_or(NONE);
        self.nodes[node as usize].last = kept.last().copied().unwrap_or(NONE);
        if let Some(&last) = kept.last() {
            self.nodes[last as usize].next = NONE;
        }
    }

    fn child_ids(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let length = self.nodes.len();
        let valid = move |id: NodeId| (id != NONE && (id as usize) < length).then_some(id);
        std::iter::successors(valid(self.node(node).first), move |&id| valid(self.node(id).next))
    }

    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The element that was read.
    pub fn root(&self) -> NodeId {
        0
    }

    pub fn layer_text(&self, layer: u32) -> &str {
        self.layers[layer as usize].text.as_str()
    }

    /// How many documents this node is within.
    pub fn level(&self, node: NodeId) -> u32 {
        self.layers[self.node(node).layer as usize].depth
    }

    /// Attributes first, then elements.
    pub fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.child_ids(node)
    }

    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        Some(self.node(node).parent).filter(|&parent| parent != NONE)
    }

    /// The child element or attribute (`@Name`) of this name.
    pub fn child(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let (name, attribute) = name.strip_prefix('@').map_or((name, false), |name| (name, true));
        self.children(node)
            .find(|&child| self.node(child).is_attribute == attribute && self.name(child) == name)
    }

    /// The first child that is an element.
    pub fn only_element(&self, node: NodeId) -> Option<NodeId> {
        self.children(node).find(|&child| !self.node(child).is_attribute)
    }

    /// The name as written, prefix included.
    pub fn name(&self, node: NodeId) -> &str {
        let n = self.node(node);
        &self.layer_text(n.layer)[Range::from(n.name)]
    }

    pub fn local_name(&self, node: NodeId) -> &str {
        let name = self.name(node);
        memrchr(b':', name.as_bytes()).map_or(name, |colon| &name[colon + 1..])
    }

    /// Whether it has a value of its own: no elements and no document in it.
    pub fn is_leaf(&self, node: NodeId) -> bool {
        let n = self.node(node);
        !n.has_elements && !n.embedded
    }

    /// Attributes that say how a value is written and are none themselves.
    pub fn is_syntax(&self, node: NodeId) -> bool {
        if !self.node(node).is_attribute {
            return false;
        }
        let name = self.name(node);
        name == "vt" || name == "xmlns" || name.starts_with("xmlns:") || self.is_nil_attribute(node)
    }

    pub fn is_nil_attribute(&self, node: NodeId) -> bool {
        self.name(node).strip_suffix(":nil").is_some()
    }

    /// The characters of a value as they are written. They may be a secret.
    pub fn raw(&self, node: NodeId) -> &str {
        let n = self.node(node);
        &self.layer_text(n.layer)[n.inner()]
    }

    /// The value of a leaf. It may be a secret: it wipes itself.
    pub fn value(&self, node: NodeId) -> Value<'_> {
        let n = self.node(node);
        let text = self.layer_text(n.layer);
        if let Some(inner) = n.cdata() {
            return Value::Raw(&text[inner]);
        }
        let raw = &text[n.inner()];
        if n.markup {
            return Value::Read(without_markup(raw));
        }
        match unescape(raw) {
            std::borrow::Cow::Borrowed(raw) => Value::Raw(raw),
            std::borrow::Cow::Owned(value) => Value::Read(Wiped::new(value)),
        }
    }

    /// The value of a child element or attribute, if it is a leaf.
    pub fn child_value(&self, node: NodeId, name: &str) -> Option<Value<'_>> {
        self.child(node, name).filter(|&child| self.is_leaf(child)).map(|child| self.value(child))
    }

    /// Whether comments, instructions or several CDATA sections stand among the characters of its value.
    pub fn is_broken_up(&self, node: NodeId) -> bool {
        let n = self.node(node);
        n.markup && n.cdata.is_none()
    }

    /// An edit of a span of a value's characters. Not for a value that is broken up.
    pub fn part_edit(&self, node: NodeId, part: Range<usize>, new: &str) -> Edit {
        let n = self.node(node);
        let text = self.layer_text(n.layer);
        let (span, escape) = match n.cdata() {
            Some(inner) => (shift(part, inner.start), Escape::CData),
            None => {
                let raw = Unescaped::read(&text[n.inner()]).raw(part);
                let quote = text.as_bytes().get(n.inner().end).copied().unwrap_or(b'"');
                (
                    shift(raw, n.inner().start),
                    if n.is_attribute { Escape::Attribute(quote) } else { Escape::Text },
                )
            }
        };
        self.lift(n.layer, span, escape.apply(new))
    }

    /// An edit of a layer's text as the edit of the outermost text that brings it about.
    pub fn lift(&self, layer: u32, mut span: Range<usize>, mut new: Wiped<String>) -> Edit {
        let mut layer = &self.layers[layer as usize];
        while let (Text::Unescaped(unescaped), Some(within)) = (&layer.text, &layer.within) {
            span = shift(unescaped.raw(span), within.base);
            new = within.escape.apply(&new);
            layer = &self.layers[within.layer as usize];
        }
        (span, new)
    }

    /// The path of a node below the root; empty for the root.
    pub fn path(&self, node: NodeId) -> String {
        let Some(parent) = self.parent(node) else { return String::new() };
        let mut path = self.path(parent);
        if !path.is_empty() {
            path.push('/');
        }
        let name = self.name(node);
        if self.node(node).is_attribute {
            path.push('@');
            path.push_str(name);
            return path;
        }
        path.push_str(name);
        match self.ordinal(node) {
            0 => {}
            ordinal => path.push_str(&format!("[{ordinal}]")),
        }
        path
    }

    /// The place of a node among siblings of its name, from 1; 0 where it is the only one, and for attributes.
    pub fn ordinal(&self, node: NodeId) -> u32 {
        self.ordinals.get_or_init(|| self.count_siblings())[node as usize]
    }

    fn count_siblings(&self) -> Vec<u32> {
        let mut ordinals = vec![0; self.nodes.len()];
        let mut siblings = Vec::new();
        for parent in (0..self.nodes.len()).filter(|&id| self.nodes[id].first != NONE) {
            let elements = self.child_ids(parent as NodeId).filter(|&child| !self.node(child).is_attribute);
            siblings.extend(elements.map(|child| (self.name(child), child)));
            // By name, and of one name in the order of the document.
            siblings.sort_unstable();
            for twins in siblings.chunk_by(|one, other| one.0 == other.0).filter(|twins| twins.len() > 1) {
                for (ordinal, (_, child)) in (1..).zip(twins) {
                    ordinals[*child as usize] = ordinal;
                }
            }
            siblings.clear();
        }
        ordinals
    }

    /// The node at a path.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        path.split('/').try_fold(self.root(), |node, step| {
            let (name, index) = match step.strip_suffix(']').and_then(|step| step.rsplit_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok()?.checked_sub(1)?),
                None => (step, 0),
            };
            let (name, attribute) = name.strip_prefix('@').map_or((name, false), |name| (name, true));
            self.children(node)
                .filter(|&child| self.node(child).is_attribute == attribute && self.name(child) == name)
                .nth(index)
        })
    }
}

/// The value of a leaf: a slice of its document, or characters that had to be read and are wiped.
pub(super) enum Value<'a> {
    Raw(&'a str),
    Read(Wiped<String>),
}

impl std::ops::Deref for Value<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Value::Raw(raw) => raw,
            Value::Read(value) => value,
        }
    }
}

/// The characters of an element's content between its comments, instructions and CDATA borders.
fn without_markup(raw: &str) -> Wiped<String> {
    let mut value = Wiped::new(String::with_capacity(raw.len()));
    let wrapped = Wiped::new(["<a>", raw, "</a>"].concat());
    let read = scan(&wrapped, 0, &Limits::default(), |token| {
        match token {
            Token::Text { span } => value.push_str(&Wiped::new(unescape(&wrapped[span]).into_owned())),
            Token::CData { span } => value.push_str(&wrapped[span.start + 9..span.end - 3]),
            _ => {}
        }
        Ok(())
    });
    debug_assert!(read.is_ok(), "the content was scanned as part of its document");
    value
}

struct Builder<'b> {
    nodes: &'b mut Vec<Node>,
    text: &'b str,
    layer: u32,
    /// The element that is open.
    at: NodeId,
}

impl Builder<'_> {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Open { span, name, attributes, empty } => self.open(span, name, attributes, empty),
            Token::Close { span } => {
                let node = &mut self.nodes[self.at as usize];
                node.inner.end = offset(span.start);
                node.span.end = offset(span.end);
                if node.cdata.is_some_and(|c| c.start != node.inner.start + 9 || c.end + 3 != node.inner.end)
                {
                    node.cdata = None;
                }
                self.at = node.parent;
            }
            Token::Text { .. } => {}
            Token::CData { span } => {
                if let Some(node) = self.open_node() {
                    node.cdata = (!node.markup).then_some((span.start + 9..span.end - 3).into());
                    node.markup = true;
                }
            }
            Token::Aside { .. } => {
                if let Some(node) = self.open_node() {
                    node.markup = true;
                    node.cdata = None;
                }
            }
        }
    }

    /// The open element of this layer; none outside its root.
    fn open_node(&mut self) -> Option<&mut Node> {
        let layer = self.layer;
        self.nodes.get_mut(self.at as usize).filter(|node| node.layer == layer)
    }

    fn open(&mut self, span: Range<usize>, name: Range<usize>, attributes: &[Attribute], empty: bool) {
        if let Some(parent) = self.open_node() {
            parent.has_elements = true;
        }
        let inner = span.end..span.end;
        let id = self.push(self.at, span, name, inner, false);
        for attribute in attributes {
            let whole = attribute.name.start..attribute.value.end + 1;
            self.push(id, whole, attribute.name.clone(), attribute.value.clone(), true);
            let value = &self.text[attribute.value.clone()];
            match &self.text[attribute.name.clone()] {
                "vt" => {
                    self.nodes[id as usize].vt = match value {
                        "1" => Vt::Null,
                        "11" => Vt::Boolean,
                        "2" | "3" | "16" | "17" | "18" | "19" | "20" | "21" | "22" | "23" => Vt::Integer,
                        _ => Vt::Text,
                    }
                }
                name if name.ends_with(":nil") => {
                    self.nodes[id as usize].nil = matches!(value, "true" | "1");
                }
                _ => {}
            }
        }
        self.nodes[id as usize].empty = empty;
        if !empty {
            self.at = id;
        }
    }

    fn push(
        &mut self,
        parent: NodeId,
        span: Range<usize>,
        name: Range<usize>,
        inner: Range<usize>,
        is_attribute: bool,
    ) -> NodeId {
        // Limits keep the number of elements and of their attributes below 2^32.
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            layer: self.layer,
            parent,
            first: NONE,
            last: NONE,
            next: NONE,
            is_attribute,
            name: name.into(),
            span: span.into(),
            inner: inner.into(),
            empty: false,
            markup: false,
            cdata: None,
            nil: false,
            vt: Vt::Absent,
            has_elements: false,
            embedded: false,
        });
        if let Some(p) = self.nodes.get_mut(parent as usize) {
            let last = std::mem::replace(&mut p.last, id);
            if last == NONE {
                p.first = id;
            } else {
                self.nodes[last as usize].next = id;
            }
        }
        id
    }
}
