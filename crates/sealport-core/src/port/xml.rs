//! Well-formed XML as tokens with byte spans. quick-xml finds the tokens; this file adds the checks that it leaves
//! out and the limits. DTDs and entities other than the five of XML are refused.

use std::ops::Range;

use memchr::{memchr, memchr2};
use quick_xml::{Reader, events::Event};

use super::Limits;
use crate::{Code, Error, error::Place};

/// Why a text is refused, and at which byte.
#[derive(Debug)]
pub(super) struct Fault {
    /// A sentence without a value of the document.
    pub message: String,
    /// Byte offset in the scanned text.
    pub at: usize,
}

impl Fault {
    pub fn new(message: impl Into<String>, at: usize) -> Self {
        Self { message: message.into(), at }
    }

    /// The fault as the caller sees it, with line and column in `text`.
    pub fn into_error(self, text: &str) -> Error {
        let place = place_of(text, self.at);
        Error::new(
            Code::MalformedDocument,
            format!("line {}, column {}: {}", place.line, place.column, self.message),
        )
        .hint("export the bindings again from BizTalk, or mend the file in an editor")
        .at(place)
    }
}

/// Line and column of a byte offset; an offset within a character counts as its start.
pub(super) fn place_of(text: &str, at: usize) -> Place {
    let at = (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    Place { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

/// An attribute as spans of the scanned text; its quote stands at `value.end`.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub name: Range<usize>,
    pub value: Range<usize>,
}

/// A piece of a document; spans are bytes of the scanned text.
pub(super) enum Token<'a> {
    /// A start tag, or an empty-element tag (`empty`).
    Open { span: Range<usize>, name: Range<usize>, attributes: &'a [Attribute], empty: bool },
    /// An end tag.
    Close { span: Range<usize> },
    /// Characters, or one reference to a character.
    Text { span: Range<usize> },
    /// A CDATA section.
    CData { span: Range<usize> },
    /// A comment, an instruction or the declaration.
    Aside { span: Range<usize> },
}

/// Scans `text` from byte `from` as one document and hands each token to `sink`.
/// Fails where it is not well-formed or over a limit; tokens before the fault were handed over.
pub(super) fn scan(
    text: &str,
    from: usize,
    limits: &Limits,
    mut sink: impl FnMut(Token<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // The reader would drop it without counting it, and every span after it would be off.
    if text[from..].starts_with('\u{FEFF}') {
        return Err(Fault::new("there is text outside the root element", from));
    }
    check_characters(text, from)?;
    let mut reader = Reader::from_str(&text[from..]);
    reader.config_mut().check_comments = true;
    let mut attributes = Vec::with_capacity(8);
    let (mut depth, mut elements, mut root_seen, mut last_open) = (0usize, 0usize, false, from);
    loop {
        let start = from + position(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(of_reader(&error, from + position(reader.error_position()), depth)),
        };
        let span = start..from + position(reader.buffer_position());
        match event {
            Event::Start(tag) => {
                count(&mut elements, &mut depth, &mut root_seen, limits, start)?;
                last_open = start;
                let name = read_tag(text, &tag, start, limits, &mut attributes)?;
                sink(Token::Open { span, name, attributes: &attributes, empty: false })?;
            }
            Event::Empty(tag) => {
                count(&mut elements, &mut depth, &mut root_seen, limits, start)?;
                depth -= 1;
                let name = read_tag(text, &tag, start, limits, &mut attributes)?;
                sink(Token::Open { span, name, attributes: &attributes, empty: true })?;
            }
            Event::End(_) => {
                depth -= 1;
                sink(Token::Close { span })?;
            }
            Event::Text(chars) => {
                if depth == 0 && !is_white(&chars) {
                    return Err(Fault::new("there is text outside the root element", start));
                }
                if memchr(b'>', chars.as_bytes()).is_some() && chars.contains("]]>") {
                    return Err(Fault::new("`]]>` stands in text", start));
                }
                sink(Token::Text { span })?;
            }
            Event::GeneralRef(reference) => {
                if depth == 0 {
                    return Err(Fault::new("there is text outside the root element", start));
                }
                super::escape::resolve(&reference).map_err(|why| Fault::new(why, start))?;
                sink(Token::Text { span })?;
            }
            Event::CData(_) if depth == 0 => {
                return Err(Fault::new("there is text outside the root element", start));
            }
            Event::CData(_) => sink(Token::CData { span })?,
            Event::Comment(_) => sink(Token::Aside { span })?,
            Event::PI(instruction) => {
                if instruction.target().eq_ignore_ascii_case("xml") || !is_name(instruction.target()) {
                    return Err(Fault::new("a processing instruction has a name that is not allowed", start));
                }
                sink(Token::Aside { span })?;
            }
            Event::Decl(declaration) => {
                if start != from {
                    return Err(Fault::new("the XML declaration is not at the start", start));
                }
                match declaration.version() {
                    Ok(version) if version == "1.0" => {}
                    Ok(_) => return Err(Fault::new("only XML 1.0 is read", start)),
                    Err(_) => return Err(Fault::new("the XML declaration is malformed", start)),
                }
                sink(Token::Aside { span })?;
            }
            Event::DocType(_) => {
                return Err(Fault::new("a document type declaration (DTD) is not allowed", start));
            }
            Event::Eof if depth > 0 => {
                return Err(Fault::new("the document ends before this element does", last_open));
            }
            Event::Eof if !root_seen => return Err(Fault::new("there is no root element", start)),
            Event::Eof => return Ok(()),
        }
    }
}

/// Whether there is nothing but XML's white space.
pub(super) fn is_white(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether XML can hold this character.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn count(
    elements: &mut usize,
    depth: &mut usize,
    root_seen: &mut bool,
    limits: &Limits,
    at: usize,
) -> Result<(), Fault> {
    if *depth == 0 && std::mem::replace(root_seen, true) {
        return Err(Fault::new("there is a second root element", at));
    }
    *depth += 1;
    *elements += 1;
    if *depth > limits.depth {
        return Err(Fault::new(format!("elements are nested deeper than {}", limits.depth), at));
    }
    if *elements > limits.elements {
        return Err(Fault::new(format!("there are more than {} elements", limits.elements), at));
    }
    Ok(())
}

/// Checks a start tag; gives the span of its name and fills `attributes`.
fn read_tag(
    text: &str,
    tag: &quick_xml::events::BytesStart<'_>,
    start: usize,
    limits: &Limits,
    attributes: &mut Vec<Attribute>,
) -> Result<Range<usize>, Fault> {
    attributes.clear();
    let name = start + 1..start + 1 + tag.name().as_ref().len();
    if !is_name(&text[name.clone()]) {
        return Err(Fault::new("an element name is not valid", start));
    }
    if is_white(tag.attributes_raw()) {
        return Ok(name);
    }
    // Where a slice of the scanned text stands in it; a copy would stand nowhere.
    let place = |slice: &str| {
        let at = (slice.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        (at + slice.len() <= text.len()).then_some(at..at + slice.len())
    };
    let mut iter = tag.attributes();
    for attribute in iter.with_checks(false) {
        let malformed = || Fault::new("an attribute is malformed", start);
        let attribute = attribute.map_err(|_| malformed())?;
        if attributes.len() == limits.attributes {
            return Err(Fault::new(
                format!("an element has more than {} attributes", limits.attributes),
                start,
            ));
        }
        let (key, value): (&str, &str) = (attribute.key.as_ref(), &attribute.value);
        let name = place(key).ok_or_else(malformed)?;
        let inner = place(value).ok_or_else(malformed)?;
        if !is_name(key) {
            return Err(Fault::new("an attribute name is not valid", name.start));
        }
        if !matches!(text.as_bytes()[name.start - 1], b' ' | b'\t' | b'\r' | b'\n') {
            return Err(Fault::new("there is no space before an attribute", name.start));
        }
        if memchr2(b'<', b'&', value.as_bytes()).is_some() {
            if value.contains('<') {
                return Err(Fault::new("`<` stands in an attribute value", inner.start));
            }
            super::escape::check(value).map_err(|(why, at)| Fault::new(why, inner.start + at))?;
        }
        attributes.push(Attribute { name, value: inner });
    }
    find_duplicate(text, attributes)
        .map_or(Ok(name), |at| Err(Fault::new("an attribute stands twice in one element", at)))
}

/// Where the second of two attributes of the same name stands.
fn find_duplicate(text: &str, attributes: &[Attribute]) -> Option<usize> {
    let key = |attribute: &Attribute| &text.as_bytes()[attribute.name.clone()];
    if attributes.len() <= 16 {
        return attributes.iter().enumerate().find_map(|(i, attribute)| {
            attributes[..i].iter().any(|other| key(other) == key(attribute)).then_some(attribute.name.start)
        });
    }
    let mut sorted: Vec<&Attribute> = attributes.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(key(b)));
    sorted.windows(2).find(|pair| key(pair[0]) == key(pair[1])).map(|pair| pair[1].name.start)
}

/// The bytes that most names are made of.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] =
            matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b':' | b'-' | b'.');
        byte += 1;
    }
    plain
};

fn is_name(name: &str) -> bool {
    let start = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
    if name.as_bytes().first().is_some_and(|&b| start(b)) && name.bytes().all(|b| PLAIN[usize::from(b)]) {
        return true;
    }
    let mut chars = name.chars();
    let first = |c: char| match c {
        'A'..='Z' | 'a'..='z' | '_' | ':' => true,
        '\0'..='\u{BF}' | '×' | '÷' | '\u{300}'..='\u{36F}' | '\u{37E}' => false,
        '\u{2000}'..='\u{200B}' | '\u{200E}'..='\u{206F}' | '\u{2190}'..='\u{2BFF}' => false,
        '\u{2FF0}'..='\u{3000}' | '\u{FDD0}'..='\u{FDEF}' | '\u{E000}'..='\u{F8FF}' => false,
        c => is_char(c) && c < '\u{F0000}',
    };
    chars.next().is_some_and(first)
        && chars.all(|c| {
            first(c)
                || matches!(c, '0'..='9' | '-' | '.' | '·' | '\u{300}'..='\u{36F}' | '\u{203F}' | '\u{2040}')
        })
}

/// Refuses the characters that XML can't hold; a block without suspects costs one vectorised pass.
fn check_characters(text: &str, from: usize) -> Result<(), Fault> {
    for (index, block) in text.as_bytes()[from..].chunks(256).enumerate() {
        let suspect = block.iter().fold(false, |found, &b| {
            found | ((b < 0x20) & (b != b'\n') & (b != b'\r') & (b != b'\t')) | (b == 0xEF)
        });
        if !suspect {
            continue;
        }
        let at = from + index * 256;
        for (i, &b) in block.iter().enumerate() {
            let control = b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t');
            let rest = &text.as_bytes()[at + i..];
            if control || rest.starts_with(&[0xEF, 0xBF, 0xBE]) || rest.starts_with(&[0xEF, 0xBF, 0xBF]) {
                return Err(Fault::new("there is a character that XML does not allow", at + i));
            }
        }
    }
    Ok(())
}

fn of_reader(error: &quick_xml::Error, at: usize, depth: usize) -> Fault {
    use quick_xml::errors::{Error, IllFormedError, SyntaxError};
    let message = match error {
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "an end tag does not fit its start tag",
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag has no start tag",
        Error::IllFormed(IllFormedError::UnclosedReference) => "a `&` does not start a reference",
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` stands in a comment",
        Error::IllFormed(IllFormedError::MissingDoctypeName)
        | Error::Syntax(SyntaxError::UnclosedDoctype) => "a document type declaration (DTD) is not allowed",
        Error::Syntax(SyntaxError::UnclosedTag) if depth > 0 => "the document ends within a tag",
        Error::Syntax(_) => "the document ends within its markup",
        _ => "this is not well-formed XML",
    };
    Fault::new(message, at)
}
