//! The encodings that BizTalk writes: bytes to text and back, without a loss.

use zeroize::Zeroizing;

use super::{
    Limits,
    xml::{Fault, place_of},
};
use crate::{Code, Error, error::Place};

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
    pub fn encode(self, text: &str) -> Zeroizing<Vec<u8>> {
        match self {
            Encoding::Utf8 => Zeroizing::new(text.as_bytes().to_vec()),
            Encoding::Utf8Bom => Zeroizing::new([b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            Encoding::Utf16Le | Encoding::Utf16Be => {
                let bytes = |unit: u16| {
                    if self == Encoding::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() }
                };
                let units = 1 + text.encode_utf16().count();
                let mut out = Zeroizing::new(Vec::with_capacity(units * 2));
                out.extend_from_slice(&bytes(0xFEFF));
                text.encode_utf16().for_each(|unit| out.extend_from_slice(&bytes(unit)));
                out
            }
        }
    }
}

/// The text of a document, and how it was spelt. Refused: too large, bytes that are not text, an encoding that
/// BizTalk does not write, and a declaration that contradicts the bytes.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Zeroizing<String>, Encoding), Error> {
    if bytes.len() > limits.bytes {
        let most = limits.bytes >> 20;
        return Err(malformed(format!("the file is larger than {most} MiB"), Place { line: 1, column: 1 }));
    }
    let (text, encoding) = match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Err(unknown("UTF-32")),
        [0xFF, 0xFE, rest @ ..] => (utf16(rest, u16::from_le_bytes)?, Encoding::Utf16Le),
        [0xFE, 0xFF, rest @ ..] => (utf16(rest, u16::from_be_bytes)?, Encoding::Utf16Be),
        [b'<', 0, ..] | [0, b'<', ..] => return Err(unknown("UTF-16 without a byte order mark")),
        [0xEF, 0xBB, 0xBF, rest @ ..] => (utf8(rest)?, Encoding::Utf8Bom),
        _ => (utf8(bytes)?, Encoding::Utf8),
    };
    check_declaration(&text, encoding)?;
    Ok((text, encoding))
}

fn utf8(bytes: &[u8]) -> Result<Zeroizing<String>, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            Err(malformed("there are bytes that are not UTF-8", place_of(good, good.len())))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Zeroizing<String>, Error> {
    // At most three bytes of UTF-8 for a unit: the buffer never moves, so no copy is left behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3));
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
