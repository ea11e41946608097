//! Edits as spans and texts: how a new value gets into the raw characters where the old one stands, and from an
//! inner document out through every level of escaping.

use std::ops::Range;

use super::{
    escape::{Escape, Unescaped},
    node::{NodeId, Vt},
    tree::Tree,
};
use crate::secret::{SecretText, Wiped};

/// A replacement of raw characters.
pub(super) type Edit = (Range<usize>, Wiped<String>);

/// `text` with the edits in it, in a buffer of its final size. Of two edits that overlap, the first stands.
pub(super) fn splice(text: &str, mut edits: Vec<Edit>) -> SecretText {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    edits.dedup_by(|next, first| next.0.start < first.0.end);
    let removed: usize = edits.iter().map(|(span, _)| span.len()).sum();
    let added: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Wiped::new(String::with_capacity(text.len() - removed + added));
    let mut at = 0;
    for (span, new) in edits {
        out.push_str(&text[at..span.start]);
        out.push_str(&new);
        at = span.end;
    }
    out.push_str(&text[at..]);
    SecretText::from(out)
}

/// The edits of the outermost text that give `node` this value.
pub(super) fn set_value(tree: &Tree, node: NodeId, value: &str) -> Vec<Edit> {
    let n = tree.node(node);
    let text = tree.layer_text(n.layer);
    let raw = &text[n.inner()];
    let lift = |(span, new): Edit| tree.lift(n.layer, span, new);
    if n.is_attribute {
        let escape = Escape::Attribute(text.as_bytes()[n.inner().end]);
        return differing(raw, value, escape)
            .map(|(span, new)| lift((shift(span, n.inner().start), new)))
            .into_iter()
            .collect();
    }
    let mut edits = Vec::new();
    for attribute in tree.children(node).filter(|&child| tree.node(child).is_attribute) {
        let a = tree.node(attribute);
        match tree.name(attribute) {
            "vt" if n.vt == Vt::Null => edits.push((a.inner(), Wiped::new("8".to_owned()))),
            _ if n.nil && tree.is_nil_attribute(attribute) => {
                let start = text[..a.span().start].trim_end_matches([' ', '\t', '\r', '\n']).len();
                edits.push((start..a.span().end, Wiped::new(String::new())));
            }
            _ => {}
        }
    }
    if n.empty {
        if !value.is_empty() {
            let tail = n.span().end - 2;
            let start = text[..tail].trim_end_matches([' ', '\t', '\r', '\n']).len();
            let new = [">", &Escape::Text.apply(value), "</", tree.name(node), ">"].concat();
            edits.push((start..n.span().end, Wiped::new(new)));
        }
    } else if let Some(inner) = n.cdata() {
        let raw = &text[inner.clone()];
        edits.extend((raw != value).then(|| (inner.clone(), Escape::CData.apply(value))));
    } else if n.markup {
        edits.push((n.inner(), Escape::Text.apply(value)));
    } else if let Some((span, new)) = differing(raw, value, Escape::Text) {
        edits.push((shift(span, n.inner().start), new));
    }
    edits.into_iter().map(lift).collect()
}

/// The edits that put `element` (raw characters of its level) last into `parent`, before the children that
/// `after` names.
pub(super) fn insert_child(
    tree: &Tree,
    parent: NodeId,
    element: &str,
    after: impl Fn(&str) -> bool,
) -> Vec<Edit> {
    let p = tree.node(parent);
    let text = tree.layer_text(p.layer);
    if p.empty {
        let start = text[..p.span().end - 2].trim_end_matches([' ', '\t', '\r', '\n']).len();
        let new = Wiped::new([">", element, "</", tree.name(parent), ">"].concat());
        return vec![tree.lift(p.layer, start..p.span().end, new)];
    }
    let children: Vec<NodeId> =
        tree.children(parent).filter(|&child| !tree.node(child).is_attribute).collect();
    let kept = children.iter().rposition(|&child| !after(tree.name(child))).map_or(0, |last| last + 1);
    let at = match kept {
        0 => p.inner().start,
        n => tree.node(children[n - 1]).span().end,
    };
    // The new element is indented as its neighbours are.
    let indent = children.first().map_or("", |&first| {
        let before = &text[p.inner().start..tree.node(first).span().start];
        &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..]
    });
    vec![tree.lift(p.layer, at..at, Wiped::new([indent, element].concat()))]
}

/// The one edit of raw characters that turns their value into `value` and touches only what differs.
fn differing(raw: &str, value: &str, escape: Escape) -> Option<Edit> {
    let old = Unescaped::read(raw);
    if *old.value == *value {
        return None;
    }
    let (prefix, suffix) = shared(&old.value, value);
    let span = old.raw(prefix..old.value.len() - suffix);
    Some((span, escape.apply(&value[prefix..value.len() - suffix])))
}

/// Bytes that both start with and, in what remains, end with; at borders of characters.
fn shared(a: &str, b: &str) -> (usize, usize) {
    let prefix: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix =
        a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    (prefix, suffix)
}

pub(super) fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
