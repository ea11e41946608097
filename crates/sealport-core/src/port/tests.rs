//! The port model on ports of its own: each lexical form of a secret, and each way that an edit takes.

use super::{Document, Limits, Marks, Port, Replacement};
use crate::{
    Code,
    api::{PortKind, SecretState},
    secret::SecretText,
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
    let document = Document::read(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(document.ports()[0].application, "A&B");
    assert_eq!(document.ports()[0].kind, PortKind::SendPort);
    assert_eq!(*document.write(|_| Replacement::Keep), text.as_bytes());
    let masked = document.write_masked(|_| Replacement::Keep);
    assert_eq!(String::from_utf8_lossy(&masked), text.replace("s1", "******"));
}
