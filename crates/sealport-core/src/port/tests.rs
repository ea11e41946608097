//! The port model on ports of its own: each lexical form of a secret, and each way that an edit takes.

use super::{Document, Limits, Marks, Port, Replacement};
use crate::{
    Code,
    api::{PortKind, SecretState},
    secret::{SecretText, Wiped},
};

fn send(adapter: &str, address: &str, data: &str) -> String {
    format!(
        "<SendPort Name=\"P\"><Description xsi:nil=\"true\" /><PrimaryTransport><Address>{address}</Address>\
         <TransportType Name=\"{adapter}\" /><TransportTypeData>{data}</TransportTypeData></PrimaryTransport>\
         <ApplicationName>A</ApplicationName></SendPort>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn port(text: &str) -> Port {
    Port::read(SecretText::new(text.to_owned()), Marks::default()).unwrap()
}

fn bag(adapter: &str, properties: &str) -> Port {
    port(&send(adapter, "x", &escape(&format!("<CustomProps>{properties}</CustomProps>"))))
}

fn state(port: &Port, end: &str) -> Option<SecretState> {
    let path = port.resolve(end).unwrap();
    port.properties().into_iter().find(|p| p.path == path).unwrap().secret
}

#[test]
fn a_null_becomes_a_string_and_a_null_again() {
    let masked = bag("FILE", "<Username vt=\"8\">u</Username><Password vt=\"1\" />");
    assert_eq!(state(&masked, "Password"), Some(SecretState::Missing));
    let filled = masked.set("password", "a<&>\"").unwrap();
    assert!(
        filled.element().contains("&lt;Password vt=\"8\"&gt;a&amp;lt;&amp;amp;&amp;gt;\"&lt;/Password&gt;")
    );
    assert_eq!(filled.reveal("Password").unwrap().expose(), "a<&>\"");
    assert_eq!(filled.masked().expose(), masked.element());
    assert_eq!(filled.marks().filled.len(), 1);
}

#[test]
fn absent_secrets_are_inserted_in_one_order() {
    let user = "<UserName vt=\"8\">u</UserName><ProxyUserName vt=\"8\">p</ProxyUserName>";
    let port = bag("WCF-SQL", user);
    assert_eq!(port.summary().missing_secrets, 2);
    let one = port.set("/Password".trim_start_matches('/'), "1").unwrap().set("ProxyPassword", "2").unwrap();
    let two = port.set("ProxyPassword", "2").unwrap().set("Password", "1").unwrap();
    assert_eq!(one.element(), two.element());
    assert!(
        one.element().contains("&lt;Password vt=\"8\"&gt;1&lt;/Password&gt;&lt;ProxyPassword vt=\"8\"&gt;2")
    );
}

#[test]
fn where_no_user_is_named_nothing_is_missing() {
    assert!(bag("WCF-SQL", "<UserName vt=\"8\" />").missing().is_empty());
    let config = "<AdapterConfig vt=\"8\">&lt;Config&gt;&lt;password&gt;&lt;/password&gt;&lt;/Config&gt;</AdapterConfig>";
    assert_eq!(state(&bag("MSMQ", config), "Config/password"), Some(SecretState::Unused));
    let with_user = config.replace("&lt;password", "&lt;userName&gt;u&lt;/userName&gt;&lt;password");
    assert_eq!(state(&bag("MSMQ", &with_user), "Config/password"), Some(SecretState::Missing));
}

#[test]
fn an_address_and_its_uri_are_one_value() {
    let config = escape("<Config><uri>ftp://h/a</uri><password>******</password></Config>");
    let data =
        escape(&format!("<CustomProps><AdapterConfig vt=\"8\">{config}</AdapterConfig></CustomProps>"));
    let port = port(&send("FTP", "ftp://h/a", &data));
    for path in ["PrimaryTransport/Address", "Config/uri"] {
        let moved = port.set(path, "ftp://i/b").unwrap();
        assert_eq!(moved.element().matches("ftp://i/b").count(), 2);
        assert_eq!(moved.set(path, "ftp://h/a").unwrap().element(), port.element());
    }
}

#[test]
fn secrets_in_texts_are_masked_kept_and_set() {
    let port = port(&send("HTTP", "https://u:s1@h/x?pwd=s2&amp;code={c}", ""));
    assert_eq!(port.summary().address, "https://u:******@h/x?pwd=******&code={c}");
    assert_eq!(state(&port, "~code"), Some(SecretState::Reference));
    let moved = port.set("Address", "https://u:******@other/x?pwd=******&code={c}").unwrap();
    assert!(moved.element().contains("https://u:s1@other/x?pwd=s2&amp;code={c}"));
    assert_eq!(port.set("~pwd", "n&w").unwrap_err().code, Code::Usage);
    assert_eq!(port.set("~pwd", "new").unwrap().reveal("~pwd").unwrap().expose(), "new");
    let changes = Port::changes(&port, &port.set("~pwd", "new").unwrap());
    assert!(
        changes.iter().all(|c| c.secret && c.before.is_none() && c.after.is_none()) && changes.len() == 1
    );
}

/// Sabotage: leave the mask out of `Slots::mask` for attributes.
#[test]
fn a_mark_hides_a_value_at_any_level() {
    let behaviour = escape("<behavior><x note='s1'/></behavior>");
    let port = bag(
        "WCF-Custom",
        &format!("<EndpointBehaviorConfiguration vt=\"8\">{behaviour}</EndpointBehaviorConfiguration>"),
    );
    let marked = port.mark("@note", true).unwrap();
    assert_eq!(state(&marked, "@note"), Some(SecretState::Set));
    assert!(!marked.masked().expose().contains("s1"));
    let whole = port.mark("CustomProps/EndpointBehaviorConfiguration", true);
    let whole = whole
        .or_else(|_| {
            port.mark("PrimaryTransport/TransportTypeData/CustomProps/EndpointBehaviorConfiguration", true)
        })
        .unwrap();
    assert!(!whole.masked().expose().contains("s1"));
    assert_eq!(marked.mark("@note", false).unwrap().masked().expose(), port.element());
    assert_eq!(port.mark("@Name", true).unwrap_err().code, Code::Usage);
}

#[test]
fn nil_text_gets_a_value_and_structure_does_not() {
    let port = bag("FILE", "");
    let told = port.set("Description", "a\u{e9}").unwrap();
    assert!(told.element().contains("<Description>a\u{e9}</Description>"));
    assert_eq!(port.set("ApplicationName", "B").unwrap_err().code, Code::Usage);
    assert_eq!(port.set("Description", "\u{1}").unwrap_err().code, Code::Usage);
    assert_eq!(port.set("NoSuch", "B").unwrap_err().code, Code::NotFound);
}

#[test]
fn settings_that_are_not_well_formed_are_one_secret() {
    let port = port(&send("FILE", "x", "&lt;CustomProps&gt;&lt;Password vt=\"8\"&gt;s1&lt;/CustomProps&gt;"));
    assert_eq!(state(&port, "TransportTypeData"), Some(SecretState::Set));
    assert!(!port.masked().expose().contains("s1"));
}

#[test]
fn receive_locations_are_adopted_by_name() {
    let location = |name: &str, password: &str| {
        format!(
            "<ReceiveLocation Name=\"{name}\"><Address>x</Address><ReceiveLocationTransportType Name=\"FILE\" />\
             <ReceiveLocationTransportTypeData><CustomProps><Username vt=\"8\">u</Username>{password}</CustomProps>\
             </ReceiveLocationTransportTypeData><Enable>true</Enable></ReceiveLocation>"
        )
    };
    let receive = |locations: [String; 2]| {
        port(&format!(
            "<ReceivePort Name=\"R\"><ReceiveLocations>{}</ReceiveLocations></ReceivePort>",
            locations.concat()
        ))
    };
    let null = "<Password vt=\"1\" />";
    let old = receive([location("a", null), location("b", null)]);
    let old =
        old.set("ReceiveLocation[1]/ReceiveLocationTransportTypeData/CustomProps/Password", "for a").unwrap();
    let (new, warnings) = Port::adopt(receive([location("b", null), location("a", null)]), &old).unwrap();
    assert!(warnings.is_empty());
    let second = "ReceiveLocation[2]/ReceiveLocationTransportTypeData/CustomProps/Password";
    assert_eq!(new.reveal(second).unwrap().expose(), "for a");
    assert_eq!(new.summary().missing_secrets, 1);
    assert!(new.marks().filled.iter().all(|path| path.ends_with(second)));
    // What was filled in stays, and says so.
    let other = "<Password vt=\"8\">n3w</Password>";
    let (kept, warnings) = Port::adopt(receive([location("a", other), location("b", other)]), &old).unwrap();
    assert_eq!(
        kept.reveal("ReceiveLocation[1]/ReceiveLocationTransportTypeData/CustomProps/Password")
            .unwrap()
            .expose(),
        "for a"
    );
    assert!(warnings.len() == 1 && warnings[0].contains("\"R\"") && !warnings[0].contains("n3w"));
}

#[test]
fn a_document_masks_what_is_outside_its_ports() {
    let text = "<BindingInfo Assembly=\"a\" Version=\"1\"><SendPortCollection><SendPort Name=\"P\"><ApplicationName> A&amp;B </ApplicationName>\
                </SendPort></SendPortCollection><PartyCollection><Party><CustomData password='s1'/></Party></PartyCollection></BindingInfo>";
    let document = Document::read(Wiped::new(text.as_bytes().to_vec()), &Limits::default()).unwrap();
    assert_eq!(document.ports()[0].application, "A&B");
    assert_eq!(document.ports()[0].kind, PortKind::SendPort);
    assert_eq!(*document.write(|_| Replacement::Keep), text.as_bytes());
    let masked = document.write_masked(|_| Replacement::Keep);
    assert_eq!(String::from_utf8_lossy(&masked), text.replace("s1", "******"));
}

/// The identity that a document gives a port is the one that the port itself has: records are kept by it.
/// Sabotage: take any kind of port from a collection; take the last ApplicationName, or one of another element.
#[test]
fn a_port_and_its_document_agree_on_its_application() {
    let name = |application: &str| format!("<ApplicationName>{application}</ApplicationName>");
    let many = [
        name(" A&amp;B "),
        name("A") + &name("B"),
        "<ApplicationName/>".to_owned() + &name("B"),
        name("<x/>") + &name("B"),
        name("A<!-- b -->"),
        format!("<Other>{}</Other>", name("B")),
        String::new(),
    ];
    let ports: String = many.iter().map(|inner| format!("<SendPort Name='P'>{inner}</SendPort>")).collect();
    let stray = name("C") + &format!("<Other>{0}</Other><ReceivePort>{0}</ReceivePort>", name("C"));
    let collection = format!("<SendPortCollection>{ports}<SendPort Name='P'/>{stray}</SendPortCollection>");
    let text = format!("<BindingInfo Assembly='a' Version='1'>{collection}</BindingInfo>");
    let document = Document::read(Wiped::new(text.as_bytes().to_vec()), &Limits::default()).unwrap();
    assert_eq!(document.ports().len(), many.len() + 1);
    for element in document.ports() {
        let read = port(document.text(element));
        assert_eq!(read.application(), element.application, "{}", document.text(element));
        assert!(element.application != "C");
    }
    assert_eq!(document.ports()[0].application, "A&B");
}

/// Sabotage: leave `is_broken_up` out of `Slots::mask`.
#[test]
fn a_secret_between_comments_is_masked() {
    for broken in [
        "https://u:<!--\u{e9}\u{e9}-->s1@h/",
        "https://<!--a longer one \u{e9}-->u:s1@h/",
        "https://u:<![CDATA[s]]>1@h/",
        "<?x y?>https://u:s<!-- -->1@h/?pwd=s1",
    ] {
        let port = port(&send("HTTP", broken, ""));
        let masked = port.masked();
        assert!(!masked.expose().contains("s1") && !masked.expose().contains("[s]"), "{}", masked.expose());
        assert!(masked.expose().contains("https://u:******@h/"), "{}", masked.expose());
        assert_eq!(port.reveal("~password").unwrap().expose(), "s1");
        assert_eq!(port.set("~password", "s2").unwrap().reveal("~password").unwrap().expose(), "s2");
    }
}

/// Sabotage: let `resolve` give the path back as it was spelt.
#[test]
fn a_mark_holds_by_any_spelling_of_its_path() {
    let port = bag("FILE", "<FileName vt=\"8\">s1</FileName>");
    let path = "PrimaryTransport[1]/TransportTypeData/CustomProps[1]/FileName";
    let marked = port.mark(path, true).unwrap();
    assert!(!marked.masked().expose().contains("s1"));
    assert_eq!(marked.mark(path, false).unwrap().masked().expose(), port.element());
    assert_eq!(port.set(path, "s2").unwrap().reveal("FileName").unwrap().expose(), "s2");
    // What only says how a value is written is none: a mark on it would hide nothing.
    let refused = port.mark("PrimaryTransport/TransportTypeData/CustomProps/FileName/@vt", true);
    assert_eq!(refused.unwrap_err().code, Code::Usage);
}

/// Sabotage: take stars for a value in `set_plain`.
#[test]
fn stars_are_never_carried_over_a_secret() {
    let at = |address: &str| port(&send("HTTP", address, ""));
    let old = at("https://h/x?pwd=s1&amp;pwd=s2");
    let starred = old.set("Address", "https://h/x?pwd=****&pwd=new").unwrap();
    let marked: Vec<_> = starred.marks().filled.iter().map(String::as_str).collect();
    assert_eq!(marked, ["PrimaryTransport/Address/~pwd[2]"]);
    assert_eq!(starred.summary().missing_secrets, 1);
    let (adopted, warnings) = Port::adopt(at("https://h/x?pwd=s3&amp;pwd=s4"), &starred).unwrap();
    assert_eq!(adopted.reveal("~pwd[1]").unwrap().expose(), "s3");
    assert_eq!(adopted.reveal("~pwd[2]").unwrap().expose(), "new");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

/// What would take minutes if each thing were looked for among all the others.
/// Sabotage: look for `=` in all that follows in `detect::connection`; leave out `taken` in `detect::query`; leave out
/// `MOST_PARTS`: the test does not end within two minutes.
#[test]
fn large_ports_that_mean_harm_are_read_in_seconds() {
    let semicolons = format!("@{}", ";".repeat(2 << 20));
    assert_eq!(port(&send("HTTP", &semicolons, "")).properties().len(), 6);
    let questions = port(&send("HTTP", &"?pwd=s1".repeat(100_000), ""));
    assert_eq!(questions.summary().address, "?pwd=******");
    let many = port(&send("HTTP", &format!("?x{}", "&amp;pwd=s1".repeat(100_000)), ""));
    assert_eq!(many.summary().address, "******");
    assert!(!many.masked().expose().contains("s1"));
    assert_eq!(Port::changes(&many, &many.set("Address", "x").unwrap()).len(), 1);
    let location = |number| {
        format!(
            "<ReceiveLocation><Address>ftp://u:p@h{number}</Address><ReceiveLocationTransportType Name='A{number}'/></ReceiveLocation>"
        )
    };
    let locations: String = (0..10_000).map(location).collect();
    let wide = port(&format!(
        "<ReceivePort Name='R'><ReceiveLocations>{locations}</ReceiveLocations></ReceivePort>"
    ));
    assert_eq!(wide.transports().len(), 10_000);
    assert!(wide.summary().adapter.ends_with("A9999"));
    assert!(!wide.masked().expose().contains("u:p@"));
}

/// As deep as the limits allow, on the small stack of a thread.
#[test]
fn the_deepest_port_is_read() {
    let mut inner = "pwd=s1&amp;x=1".to_owned();
    for _ in 0..13 {
        let deep = format!("{}{inner}{}", "<a>".repeat(250), "</a>".repeat(250));
        inner = escape(&deep);
    }
    let port = port(&send("FILE", "x", &inner));
    let deepest = port.properties().into_iter().max_by_key(|property| property.depth).unwrap();
    assert!(deepest.path.len() > 5_000 && deepest.depth >= 12, "{}", deepest.depth);
    assert!(port.resolve(&deepest.path).is_ok());
    let _ = (port.summary(), port.masked());
}

/// Ports that differ in values alone are compared side by side, others by path: both tell the same.
/// Sabotage: leave out of `Slots::beside` the names of locations, the names of parts, or the ordinals of `Twins`.
#[test]
fn what_differs_is_the_same_side_by_side_and_by_path() {
    let location = |name: &str, address: &str| {
        format!(
            "<ReceiveLocation Name='{name}'><Address>{address}</Address>\
             <ReceiveLocationTransportType Name='FTP'/></ReceiveLocation>"
        )
    };
    let receive = |locations: &[String]| {
        let all = locations.concat();
        port(&format!("<ReceivePort Name='R'><ReceiveLocations>{all}</ReceiveLocations></ReceivePort>"))
    };
    let (a, b) = (location("a", "ftp://u:p@one/?sig=s"), location("b", "ftp://two"));
    let twins = |first: &str, second: &str| {
        bag(
            "WCF-Custom",
            &format!("<X vt='8'>{first}</X><X vt='8'>{second}</X><Password vt='8'>s1</Password>"),
        )
    };
    let sides = [
        receive(&[a.clone(), b.clone()]),
        receive(&[b.clone(), a.clone()]),
        receive(std::slice::from_ref(&a)),
        receive(&[location("c", "ftp://u:p@one/?sig=s"), b.clone()]),
        receive(&[location("a", "ftp://u:q@one/?code=s"), b.clone()]),
        receive(&[location("a", "ftp://u:q@other/?sig=t"), location("b", "ftp://three")]),
        twins("1", "2"),
        twins("2", "1"),
        bag("WCF-Custom", "<X vt='8'>1</X><Y vt='8'>2</Y><Password vt='8'>s2</Password>"),
        bag("WCF-Custom", "<X vt='8'>1</X><Password vt='8'>s2</Password>"),
        bag("WCF-Custom", "<X vt='8'>1</X><Password vt='1'/>"),
        bag("WCF-Custom", "<a><x>1</x></a><a><y>2</y></a><a><z>3</z></a>"),
        bag("WCF-Custom", "<a><x>1</x><y>2</y></a><a><z>3</z></a>"),
    ];
    let mut beside = 0;
    for from in &sides {
        for to in &sides {
            let (old, new) = (from.open(), to.open());
            beside += usize::from(old.slots.beside(old.tree, new.slots, new.tree).is_some());
            assert_eq!(Port::changes(from, to), Port::changes_by_path(from, to), "{from:?} {to:?}");
        }
    }
    // Each with itself, and those that differ in values alone.
    assert!(beside > sides.len() && beside < sides.len() * 3, "{beside}");
}
