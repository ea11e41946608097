//! References and escaping: from raw characters to a value, and back, with the way between their offsets.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr_iter};

use super::xml::is_char;
use crate::secret::Wiped;

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Characters of an element.
    Text,
    /// An attribute value in these quotes.
    Attribute(u8),
    /// A CDATA section.
    CData,
}

impl Escape {
    /// The value as raw characters.
    pub fn apply(self, value: &str) -> Wiped<String> {
        // The buffer has its final size: one that grows leaves copies of a secret behind.
        if self == Escape::CData {
            let pieces: Vec<&str> = value.split("]]>").collect();
            return Wiped::new(pieces.join("]]]]><![CDATA[>"));
        }
        let length = value.chars().map(|c| self.of(c).map_or(c.len_utf8(), str::len)).sum();
        let mut raw = Wiped::new(String::with_capacity(length));
        for c in value.chars() {
            match self.of(c) {
                Some(reference) => raw.push_str(reference),
                None => raw.push(c),
            }
        }
        raw
    }

    fn of(self, c: char) -> Option<&'static str> {
        match (c, self) {
            (_, Escape::CData) => None,
            ('&', _) => Some("&amp;"),
            ('<', _) => Some("&lt;"),
            ('>', _) => Some("&gt;"),
            ('"', Escape::Attribute(b'"')) => Some("&quot;"),
            ('\'', Escape::Attribute(b'\'')) => Some("&apos;"),
            ('\t', Escape::Attribute(_)) => Some("&#x9;"),
            ('\n', Escape::Attribute(_)) => Some("&#xA;"),
            ('\r', Escape::Attribute(_)) => Some("&#xD;"),
            _ => None,
        }
    }
}

/// A value, and where each of its characters stands in the raw text.
pub(super) struct Unescaped {
    pub value: Wiped<String>,
    /// After each reference: offset in the value, offset in the raw text. Between them both advance together.
    steps: Vec<(usize, usize)>,
}

impl Unescaped {
    /// Reads well-formed raw text; what is not a reference stays as it is.
    pub fn read(raw: &str) -> Self {
        let mut value = Wiped::new(String::with_capacity(raw.len()));
        let mut steps = Vec::with_capacity(memchr_iter(b'&', raw.as_bytes()).count());
        unescape_into(raw, &mut value, |in_value, in_raw| steps.push((in_value, in_raw)));
        Self { value, steps }
    }

    /// Text in which nothing is escaped.
    pub fn plain(raw: &str) -> Self {
        Self { value: Wiped::new(raw.to_owned()), steps: Vec::new() }
    }

    /// The raw span of a span of the value.
    pub fn raw(&self, span: Range<usize>) -> Range<usize> {
        self.raw_at(span.start)..self.raw_at(span.end)
    }

    fn raw_at(&self, at: usize) -> usize {
        match self.steps.partition_point(|step| step.0 <= at) {
            0 => at,
            n => self.steps[n - 1].1 + (at - self.steps[n - 1].0),
        }
    }
}

/// The value of well-formed raw text; borrowed where nothing is escaped. A caller that may meet a secret wipes it.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr(b'&', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut value = String::with_capacity(raw.len());
    unescape_into(raw, &mut value, |_, _| {});
    Cow::Owned(value)
}

/// What a reference (without `&` and `;`) stands for.
pub(super) fn resolve(name: &str) -> Result<char, &'static str> {
    match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let Some(number) = name.strip_prefix('#') else {
        return Err("there is an entity that XML does not define");
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    // `from_str_radix` takes a sign; XML does not.
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
        .and_then(char::from_u32)
        .filter(|&c| is_char(c))
        .ok_or("there is a character reference that XML does not allow")
}

/// Checks the references of an attribute value; gives the reason and the offset of the first bad one.
pub(super) fn check(raw: &str) -> Result<(), (&'static str, usize)> {
    let mut at = 0;
    while let Some(amp) = memchr(b'&', &raw.as_bytes()[at..]) {
        let start = at + amp;
        let end = memchr(b';', &raw.as_bytes()[start..])
            .ok_or(("a `&` does not start a reference", start))?
            + start;
        resolve(&raw[start + 1..end]).map_err(|why| (why, start))?;
        at = end + 1;
    }
    Ok(())
}

fn unescape_into(raw: &str, value: &mut String, mut step: impl FnMut(usize, usize)) {
    let mut at = 0;
    while let Some(amp) = memchr(b'&', &raw.as_bytes()[at..]) {
        let start = at + amp;
        value.push_str(&raw[at..start]);
        // The longest allowed reference is `&#x10FFFF;`, leading zeros apart.
        let end = memchr(b';', &raw.as_bytes()[start..]).map(|semicolon| start + semicolon);
        match end.and_then(|end| resolve(&raw[start + 1..end]).ok().map(|c| (c, end))) {
            Some((c, end)) => {
                value.push(c);
                at = end + 1;
                step(value.len(), at);
            }
            None => {
                value.push('&');
                at = start + 1;
            }
        }
    }
    value.push_str(&raw[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lead_back_to_the_raw_text() {
        let raw = "a&lt;b&#x41;c&amp;&amp;";
        let read = Unescaped::read(raw);
        assert_eq!(*read.value, "a<bAc&&");
        let spans: Vec<&str> = (0..7).map(|i| &raw[read.raw(i..i + 1)]).collect();
        assert_eq!(spans, ["a", "&lt;", "b", "&#x41;", "c", "&amp;", "&amp;"]);
        assert_eq!(read.raw(7..7), raw.len()..raw.len());
    }

    #[test]
    fn references_that_xml_refuses_are_refused() {
        for bad in ["nbsp", "#0", "#x0", "#xD800", "#xFFFE", "#+65", "#x", "#", "#x110000", "", "#6A"] {
            assert!(resolve(bad).is_err(), "{bad}");
        }
        assert_eq!(resolve("#x41"), Ok('A'));
    }

    #[test]
    fn what_is_escaped_reads_back() {
        let value = "a<b>&\"'\t\r\n]]>é";
        for escape in [Escape::Text, Escape::Attribute(b'"'), Escape::Attribute(b'\'')] {
            assert_eq!(unescape(&escape.apply(value)), value);
        }
        assert_eq!(*Escape::CData.apply("x]]>y"), "x]]]]><![CDATA[>y");
    }
}
