//! Documents that mean harm or are broken: each is refused with a word and a place, or read within the limits.

use std::{fs, path::Path};

use sealport_core::{
    port::{Document, Limits, Marks, Port, Replacement},
    secret::Wiped,
};

use super::secret;

/// Documents that mean harm or are broken, each with a word that its refusal must say; empty: it may be read.
fn hostile() -> Vec<(Vec<u8>, &'static str)> {
    let wrap = |inner: &str| {
        format!(
            "<BindingInfo Assembly=\"a\" Version=\"1\"><SendPortCollection>{inner}</SendPortCollection></BindingInfo>"
        )
    };
    let mut all: Vec<(Vec<u8>, &str)> = Vec::new();
    let mut add = |text: String, word| all.push((text.into_bytes(), word));
    let laughs: String =
        (1..9).map(|i| format!("<!ENTITY l{i} \"{}\">", format!("&l{};", i - 1).repeat(10))).collect();
    add(format!("<!DOCTYPE a [<!ENTITY l0 \"ha\">{laughs}]><BindingInfo>&l8;</BindingInfo>"), "DTD");
    for dtd in [
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE a PUBLIC \"-//x\" \"http://127.0.0.1/x.dtd\">",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM \"http://127.0.0.1/\"> %p;]>",
        "<!DOCTYPE BindingInfo>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///dev/zero\">]>",
    ] {
        add(format!("{dtd}<BindingInfo/>"), "DTD");
    }
    for entity in [
        "&e;",
        "&nbsp;",
        "&LT;",
        "&#0;",
        "&#xD800;",
        "&#x110000;",
        "&#xFFFF;",
        "&#;",
        "&#x;",
        "&#-1;",
        "&#+65;",
        "&;",
    ] {
        add(wrap(&format!("<SendPort Name=\"a\">{entity}</SendPort>")), "refe|entity");
        add(wrap(&format!("<SendPort Name=\"{entity}\"/>")), "refe|entity");
    }
    add(wrap(&("<a>".repeat(300) + &"</a>".repeat(300))), "deeper");
    add(format!("<BindingInfo>{}", "<a>".repeat(1_000_000)), "deeper");
    let attributes: String = (0..300).map(|i| format!(" a{i}=\"\"")).collect();
    add(wrap(&format!("<SendPort{attributes}/>")), "attributes");
    add(wrap(&"<a/>".repeat(2_000_001)), "2000000 elements");
    for (broken, word) in [
        ("<SendPort></ReceivePort>", "end tag"),
        ("<SendPort a=\"1\" a=\"2\"/>", "twice"),
        ("<SendPort a=\"<\"/>", "`<`"),
        ("<SendPort a=1/>", "attribute"),
        ("<SendPort a/>", "attribute"),
        ("<SendPort a=\"1\"b=\"2\"/>", "space"),
        ("<1a/>", "name"),
        ("< a/>", "name"),
        ("<a 1b=\"\"/>", "attribute name"),
        ("<a>]]></a>", "]]>"),
        ("<a>\u{1}</a>", "character"),
        ("<a>\u{FFFE}</a>", "character"),
        ("<!-- a -- b --><a/>", "comment"),
        ("<?XML a?><a/>", "instruction"),
        ("<a>&</a>", "`&`"),
        ("<a b=\"&\"/>", "`&`"),
    ] {
        add(wrap(broken), word);
    }
    for (broken, word) in [
        ("", "no root"),
        ("   ", "no root"),
        ("text", "outside"),
        ("<BindingInfo/><BindingInfo/>", "second root"),
        ("<BindingInfo/>x", "outside"),
        ("<BindingInfo/>&#65;", "outside"),
        ("<![CDATA[x]]><BindingInfo/>", "outside"),
        (" <?xml version=\"1.0\"?><BindingInfo/>", "declaration"),
        ("<?xml version=\"1.1\"?><BindingInfo/>", "1.0"),
        ("<?xml version=\"1.0\" encoding=\"utf-7\"?><BindingInfo/>", "encoding"),
        ("<?xml version=\"1.0\" encoding=\"utf-16\"?><BindingInfo/>", "encoding"),
        ("<?xml version=\"1.0\" encoding=\"windows-1252\"?><BindingInfo/>", "encoding"),
        ("\u{FEFF}\u{FEFF}<BindingInfo/>", "outside"),
        (
            "\u{FEFF}\u{FEFF}\u{FEFF}<?xml version=\"1.0\"?><BindingInfo><a>\u{e9}</a></BindingInfo>",
            "outside",
        ),
        ("<html/>", "BindingInfo"),
        ("<BindingInfo>", "ends before"),
        ("<BindingInfo><a b=\"", "ends within"),
        ("<BindingInfo><!-- ", "ends within"),
        ("<BindingInfo><![CDATA[ ", "ends within"),
        ("<BindingInfo", "ends within"),
    ] {
        add(broken.to_owned(), word);
    }
    let units =
        |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
    let le = |bytes: Vec<u8>| [vec![0xFF, 0xFE], bytes].concat();
    all.push((b"<BindingInfo>\xFF</BindingInfo>".to_vec(), "UTF-8"));
    all.push((b"<BindingInfo>\xC0\xBC</BindingInfo>".to_vec(), "UTF-8"));
    all.push((b"<BindingInfo>\xED\xA0\x80</BindingInfo>".to_vec(), "UTF-8"));
    all.push((units("<BindingInfo/>", u16::to_le_bytes), "byte order mark"));
    all.push((units("<BindingInfo/>", u16::to_be_bytes), "byte order mark"));
    all.push((le([units("<BindingInfo/>", u16::to_le_bytes), vec![0x41]].concat()), "ends within"));
    all.push((
        le([units("<BindingInfo>", u16::to_le_bytes), vec![0x00, 0xD8, 0x41, 0x00]].concat()),
        "UTF-16",
    ));
    all.push((
        le(units("<?xml version=\"1.0\" encoding=\"utf-8\"?><BindingInfo/>", u16::to_le_bytes)),
        "encoding",
    ));
    all.push((vec![0xFF, 0xFE, 0, 0, b'<', 0, 0, 0], "UTF-32"));
    all.push((vec![b' '; (64 << 20) + 1], "64 MiB"));
    // Harmless in themselves, and read: a huge text, a document in a string in a string and so on.
    all.push((wrap(&format!("<SendPort Name=\"a\">{}</SendPort>", "x".repeat(8 << 20))).into_bytes(), ""));
    let mut inner = "<a>x</a>".to_owned();
    for _ in 0..14 {
        inner = format!("<a>{}</a>", inner.replace('&', "&amp;").replace('<', "&lt;"));
    }
    all.push((wrap(&format!("<SendPort Name=\"a\">{inner}</SendPort>")).into_bytes(), ""));
    all.push((wrap(&format!("<SendPort Name=\"a\">{}</SendPort>", "<b/>".repeat(20_000))).into_bytes(), ""));
    all
}

/// Sabotage: leave out any one check of `xml::scan` or of `encoding::decode`.
#[test]
fn hostile_documents_are_refused_with_the_place_or_read_within_limits() {
    let all = hostile();
    assert!(all.len() >= 60);
    for (index, (bytes, word)) in all.iter().enumerate() {
        let start: String = String::from_utf8_lossy(&bytes[..bytes.len().min(160)]).into_owned();
        match Document::read(Wiped::new(bytes.clone()), &Limits::default()) {
            Ok(document) => {
                assert!(word.is_empty(), "{index}: read, but should say {word}: {start}");
                for element in document.ports() {
                    let port = Port::read(secret(document.text(element)), Marks::default()).unwrap();
                    let _ = (port.summary(), port.properties().len(), port.masked());
                }
                assert!(*document.write(|_| Replacement::Keep) == *bytes);
            }
            Err(error) => {
                let says = word.split('|').any(|word| !word.is_empty() && error.message.contains(word));
                assert!(says, "{index}: says {:?} of {start}", error.message);
                assert!(error.place.is_some(), "{index}: no place in {:?}", error.message);
            }
        }
    }
    // Every truncation of a real file is refused, and none of them is a panic.
    let whole = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/HarbourFreight.Booking.BindingInfo.xml"),
    )
    .unwrap();
    for end in (0..whole.len()).step_by(101) {
        assert!(
            Document::read(Wiped::new(whole[..end].to_vec()), &Limits::default()).is_err(),
            "cut at {end}"
        );
    }
    println!("{} hostile documents", all.len());
}
