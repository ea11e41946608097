//! An element or attribute of a tree: which it is, where it stands, and what is known of its value.

use std::ops::Range;

/// Index of a node in its tree.
pub(super) type NodeId = u32;

/// No node.
pub(super) const NONE: NodeId = NodeId::MAX;

/// The VARIANT type of a property of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vt {
    /// No `vt` attribute.
    Absent,
    /// 1: there is no value.
    Null,
    /// 11: `0` or `-1`.
    Boolean,
    /// A whole number.
    Integer,
    /// Anything else.
    Text,
}

/// A span of a layer's text in half the room: what is read lies far below 4 GiB, and trees are gone through many times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: offset(range.start), end: offset(range.end) }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start as usize..span.end as usize
    }
}

/// An offset as a span holds it.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a longer text is refused when it is read")
}

/// An element or an attribute; spans are bytes of its layer's text.
pub(super) struct Node {
    pub layer: u32,
    pub parent: NodeId,
    pub first: NodeId,
    pub last: NodeId,
    pub next: NodeId,
    pub is_attribute: bool,
    pub name: Span,
    pub span: Span,
    pub inner: Span,
    /// An empty-element tag.
    pub empty: bool,
    /// It holds comments, instructions or CDATA.
    pub markup: bool,
    pub cdata: Option<Span>,
    pub nil: bool,
    pub vt: Vt,
    /// It holds elements of its own layer.
    pub has_elements: bool,
    /// Its value is a document, whose root is its child.
    pub embedded: bool,
}

impl Node {
    /// The whole element, or the attribute with its quotes.
    pub fn span(&self) -> Range<usize> {
        self.span.into()
    }

    /// The content, or the characters between the quotes.
    pub fn inner(&self) -> Range<usize> {
        self.inner.into()
    }

    /// Where its one CDATA section has its characters, if that is all it holds.
    pub fn cdata(&self) -> Option<Range<usize>> {
        self.cdata.map(Range::from)
    }
}
