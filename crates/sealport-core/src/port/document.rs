//! A binding file: the ports in it, and the file again around them.
//!
//! Writing with every port kept gives the bytes that were read.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Limits, Marks, Replacement,
    encoding::{self, Text},
    escape::unescape,
    slots::Slots,
    tree::Tree,
    xml::{Attribute, Fault, Token, scan},
};
use crate::{
    Error,
    api::PortKind,
    secret::{SecretText, Wiped},
};

/// A binding file that was read.
pub struct Document {
    text: Text,
    ports: Vec<PortElement>,
    warnings: Vec<String>,
    limits: Limits,
}

/// A port in a document.
#[derive(Clone, Debug)]
pub struct PortElement {
    /// What it is.
    pub kind: PortKind,
    /// Its application; empty where the file names none.
    pub application: String,
    /// Its name; empty where it has none.
    pub name: String,
    span: Range<usize>,
}

impl Document {
    /// Reads a binding file. Fails with `malformed_document` and the place where the bytes are not a well-formed
    /// binding file within the limits.
    pub fn read(bytes: Wiped<Vec<u8>>, limits: &Limits) -> Result<Document, Error> {
        let text = encoding::decode(bytes, limits)?;
        let mut finder = Finder {
            text: &text,
            depth: 0,
            collection: None,
            ports: Vec::new(),
            within: false,
            application: Application::Unseen,
            warnings: Vec::new(),
        };
        if let Err(fault) = scan(&text, 0, limits, |token| finder.take(token)) {
            return Err(fault.into_error(&text));
        }
        let Finder { ports, mut warnings, .. } = finder;
        let mut seen = BTreeSet::new();
        for port in &ports {
            if port.name.is_empty() {
                warnings.push(format!("a {} has no name", noun(port.kind)));
            } else if !seen.insert((port.kind, &port.application, &port.name)) {
                warnings.push(format!("the {} \"{}\" stands twice in the file", noun(port.kind), port.name));
            }
        }
        Ok(Document { text, ports, warnings, limits: limits.clone() })
    }

    /// The bytes that it was read from.
    pub fn bytes(&self) -> &[u8] {
        self.text.bytes()
    }

    /// The encoding: "UTF-8", "UTF-8 with BOM", "UTF-16LE" or "UTF-16BE".
    pub fn encoding(&self) -> &'static str {
        self.text.encoding.name()
    }

    /// The ports, in the order of the document.
    pub fn ports(&self) -> &[PortElement] {
        &self.ports
    }

    /// The text of a port element, exactly as in the document, secrets included.
    pub fn text(&self, port: &PortElement) -> &str {
        &self.text[port.span.clone()]
    }

    /// What is unusual about the file; never a secret.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The document again, in its own encoding, each port element as `replace` says.
    pub fn write(&self, replace: impl FnMut(&PortElement) -> Replacement) -> Wiped<Vec<u8>> {
        self.write_with(replace, Vec::new())
    }

    /// The same, with the secrets outside port elements masked too (parties, orchestrations).
    pub fn write_masked(&self, replace: impl FnMut(&PortElement) -> Replacement) -> Wiped<Vec<u8>> {
        let skip: Vec<Range<usize>> = self.ports.iter().map(|port| port.span.clone()).collect();
        let edits = Tree::read_around(&self.text, &skip, &self.limits).map_or_else(
            // The text was scanned when it was read, so this can't be; if it were, nothing unmasked leaves.
            |_| vec![(0..self.text.len(), Wiped::new(String::new()))],
            |tree| Slots::find(&tree, &Marks::default()).mask(&tree),
        );
        self.write_with(replace, edits)
    }

    fn write_with(
        &self,
        mut replace: impl FnMut(&PortElement) -> Replacement,
        mut edits: Vec<(Range<usize>, Wiped<String>)>,
    ) -> Wiped<Vec<u8>> {
        for port in &self.ports {
            match replace(port) {
                Replacement::Keep => {}
                Replacement::With(text) => {
                    edits.push((port.span.clone(), Wiped::new(text.expose().to_owned())));
                }
                Replacement::Remove => {
                    let before = self.text[..port.span.start].trim_end_matches([' ', '\t', '\r', '\n']).len();
                    edits.push((before..port.span.end, Wiped::new(String::new())));
                }
            }
        }
        let text: SecretText = super::edit::splice(&self.text, edits);
        self.text.encoding.encode(text.expose())
    }
}

fn noun(kind: PortKind) -> &'static str {
    match kind {
        PortKind::ReceivePort => "receive port",
        PortKind::SendPort => "send port",
        PortKind::SendPortGroup => "send port group",
    }
}

/// The kind of port that an element of this name is.
pub(super) fn kind_of(element: &str) -> Option<PortKind> {
    match element {
        "SendPort" => Some(PortKind::SendPort),
        "ReceivePort" => Some(PortKind::ReceivePort),
        "DistributionList" => Some(PortKind::SendPortGroup),
        _ => None,
    }
}

/// Finds the ports while the tokens go by.
struct Finder<'a> {
    text: &'a str,
    depth: usize,
    /// The kind of port that the collection we are in holds.
    collection: Option<PortKind>,
    /// Whether the last of these is still open.
    within: bool,
    /// That port's application.
    application: Application,
    ports: Vec<PortElement>,
    warnings: Vec<String>,
}

/// A port's first ApplicationName, as `Port` takes it too: one identity for both.
enum Application {
    Unseen,
    /// Its content starts here.
    Open(usize),
    Seen,
}

impl Finder<'_> {
    fn take(&mut self, token: Token<'_>) -> Result<(), Fault> {
        match token {
            Token::Open { span, name, attributes, empty } => {
                let name = &self.text[name];
                match self.depth {
                    0 => self.root(name, attributes, span.start)?,
                    1 => {
                        self.collection = match name {
                            "SendPortCollection" => Some(PortKind::SendPort),
                            "ReceivePortCollection" => Some(PortKind::ReceivePort),
                            "DistributionListCollection" => Some(PortKind::SendPortGroup),
                            _ => None,
                        }
                    }
                    2 => {
                        if let Some(kind) = self.collection.filter(|&kind| kind_of(name) == Some(kind)) {
                            let name = attribute(self.text, attributes, "Name").unwrap_or_default();
                            self.ports.push(PortElement { kind, application: String::new(), name, span });
                            self.within = !empty;
                            self.application = Application::Unseen;
                        }
                    }
                    3 if self.within
                        && name == "ApplicationName"
                        && matches!(self.application, Application::Unseen) =>
                    {
                        self.application =
                            if empty { Application::Seen } else { Application::Open(span.end) };
                    }
                    // An application's name holds no elements.
                    4 if matches!(self.application, Application::Open(_)) => {
                        self.application = Application::Seen;
                    }
                    _ => {}
                }
                self.depth += usize::from(!empty);
            }
            Token::Close { span } => {
                self.depth -= 1;
                let Some(port) = self.ports.last_mut().filter(|_| self.within) else { return Ok(()) };
                match (self.depth, &self.application) {
                    (2, _) => {
                        port.span.end = span.end;
                        self.within = false;
                    }
                    (3, &Application::Open(start)) => {
                        port.application = application(&self.text[start..span.start]);
                        self.application = Application::Seen;
                    }
                    _ => {}
                }
            }
            Token::Text { .. } | Token::CData { .. } | Token::Aside { .. } => {}
        }
        Ok(())
    }

    fn root(&mut self, name: &str, attributes: &[Attribute], at: usize) -> Result<(), Fault> {
        if name != "BindingInfo" {
            return Err(Fault::new(
                "this is not a BizTalk binding file: its root element is not BindingInfo",
                at,
            ));
        }
        let missing: Vec<&str> = ["Assembly", "Version"]
            .into_iter()
            .filter(|wanted| attribute(self.text, attributes, wanted).is_none())
            .collect();
        if !missing.is_empty() {
            self.warnings
                .push(format!("the root element has no {}: BizTalk did not write it", missing.join(", ")));
        }
        Ok(())
    }
}

fn attribute(text: &str, attributes: &[Attribute], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| text[attribute.name.clone()] == *name)?;
    Some(unescape(&text[found.value.clone()]).into_owned())
}

/// The name of an application from the raw content of its element.
pub(super) fn application(raw: &str) -> String {
    unescape(raw.trim()).into_owned()
}
