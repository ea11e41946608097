//! The encodings that BizTalk writes: bytes to text and back, without a loss.

use std::ops::Deref;

use super::{
    Limits,
    xml::{Fault, place_of},
};
use crate::{Code, Error, error::Place, secret::Wiped};

/// How a document's bytes spell its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf8Bom => "UTF-8 with BOM",
            Encoding::Utf16Le => "UTF-16LE",
            Encoding::Utf16Be => "UTF-16BE",
        }
    }

    /// The text as bytes, byte order mark first where there was one.
    pub fn encode(self, text: &str) -> Wiped<Vec<u8>> {
        match self {
            Encoding::Utf8 => Wiped::new(text.as_bytes().to_vec()),
            Encoding::Utf8Bom => Wiped::new([b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            Encoding::Utf16Le | Encoding::Utf16Be => {
                let bytes = |unit: u16| {
                    if self == Encoding::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() }
                };
                let units = 1 + text.encode_utf16().count();
                let mut out = Wiped::new(Vec::with_capacity(units * 2));
                out.extend_from_slice(&bytes(0xFEFF));
                text.encode_utf16().for_each(|unit| out.extend_from_slice(&bytes(unit)));
                out
            }
        }
    }
}

/// The text of a document, with the bytes that it was read from.
pub(super) struct Text {
    /// Whatever the bytes are, if they are UTF-8: then they are not held twice.
    whole: Wiped<String>,
    /// Where the text begins: behind the byte order mark.
    from: usize,
    /// The bytes, where they are not UTF-8.
    other: Option<Wiped<Vec<u8>>>,
    pub encoding: Encoding,
}

impl Text {
    /// The bytes that it was read from.
    pub fn bytes(&self) -> &[u8] {
        self.other.as_ref().map_or(self.whole.as_bytes(), |bytes| bytes)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.whole[self.from..]
    }
}

/// The text that the bytes of a document spell. Refused: too large, bytes that are not text, an encoding that
/// BizTalk does not write, and a declaration that contradicts the bytes.
pub(super) fn decode(bytes: Wiped<Vec<u8>>, limits: &Limits) -> Result<Text, Error> {
    if bytes.len() > limits.bytes {
        let most = limits.bytes >> 20;
        return Err(malformed(format!("the file is larger than {most} MiB"), Place { line: 1, column: 1 }));
    }
    let other = |whole, bytes, encoding| Text { whole, from: 0, other: Some(bytes), encoding };
    let text = match bytes.as_slice() {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Err(unknown("UTF-32")),
        [0xFF, 0xFE, rest @ ..] => other(utf16(rest, u16::from_le_bytes)?, bytes, Encoding::Utf16Le),
        [0xFE, 0xFF, rest @ ..] => other(utf16(rest, u16::from_be_bytes)?, bytes, Encoding::Utf16Be),
        [b'<', 0, ..] | [0, b'<', ..] => return Err(unknown("UTF-16 without a byte order mark")),
        _ => utf8(bytes)?,
    };
    check_declaration(&text, text.encoding)?;
    Ok(text)
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

fn utf8(mut bytes: Wiped<Vec<u8>>) -> Result<Text, Error> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(whole) => {
            let (from, encoding) = if whole.starts_with(BYTE_ORDER_MARK) {
                (BYTE_ORDER_MARK.len_utf8(), Encoding::Utf8Bom)
            } else {
                (0, Encoding::Utf8)
            };
            Ok(Text { whole: Wiped::new(whole), from, other: None, encoding })
        }
        Err(error) => {
            let end = error.utf8_error().valid_up_to();
            let bytes = Wiped::new(error.into_bytes());
            let good = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
            let good = good.strip_prefix(BYTE_ORDER_MARK).unwrap_or(good);
            Err(malformed("there are bytes that are not UTF-8", place_of(good, good.len())))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Wiped<String>, Error> {
    // At most three bytes of UTF-8 for a unit: the buffer never moves, so no copy is left behind.
    let mut text = Wiped::new(String::with_capacity(bytes.len() / 2 * 3));
    let pairs = bytes.chunks_exact(2);
    let odd = !pairs.remainder().is_empty();
    for c in char::decode_utf16(pairs.map(|pair| unit([pair[0], pair[1]]))) {
        match c {
            Ok(c) => text.push(c),
            Err(_) => {
                let place = place_of(&text, text.len());
                return Err(malformed("there are bytes that are not UTF-16", place));
            }
        }
    }
    if odd {
        return Err(malformed("the file ends within a character of UTF-16", place_of(&text, text.len())));
    }
    Ok(text)
}

/// The name that the declaration gives must be the encoding of the bytes.
fn check_declaration(text: &str, encoding: Encoding) -> Result<(), Error> {
    let Some(declaration) = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map(|(d, _)| d)
    else {
        return Ok(());
    };
    let Some((_, after)) = declaration.split_once("encoding") else { return Ok(()) };
    let name = after.trim_start().trim_start_matches('=').trim_start();
    let name = name.get(1..).unwrap_or_default().split(['"', '\'']).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let fits = match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => name == "utf-8" || (name == "us-ascii" && text.is_ascii()),
        Encoding::Utf16Le => name == "utf-16" || name == "utf-16le" || name == "unicode",
        Encoding::Utf16Be => name == "utf-16" || name == "utf-16be",
    };
    if fits {
        return Ok(());
    }
    let at = text.find("encoding").unwrap_or(0);
    let told = format!("the file declares another encoding than it has ({})", encoding.name());
    Err(Fault::new(told, at)
        .into_error(text)
        .hint("save it as UTF-8 or UTF-16 with the declaration to match"))
}

fn unknown(what: &str) -> Error {
    malformed(format!("the file is {what}, which is not read"), Place { line: 1, column: 1 })
        .hint("save it as UTF-8, or as UTF-16 with a byte order mark")
}

fn malformed(message: impl Into<String>, place: Place) -> Error {
    let message = format!("line {}, column {}: {}", place.line, place.column, message.into());
    Error::new(Code::MalformedDocument, message).at(place)
}
