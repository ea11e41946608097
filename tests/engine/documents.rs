//! Documents that come again and go out again: what is exported is what is true now.

use sealport_core::api::ImportOutcome;

use super::*;

/// What an export of every document holds, by file name.
fn exported(engine: &Engine, home: &Home, folder: &str) -> BTreeMap<String, String> {
    let out = home.path(folder);
    view!(Exported, engine, export(&out, ExportSecrets::Include, None));
    let text = |name: &String| String::from_utf8_lossy(&fs::read(out.join(name)).unwrap()).into_owned();
    names_in(&out).into_iter().map(|name| (name.clone(), text(&name))).collect()
}

fn one(name: &str, address: &str) -> String {
    binding("Again", &[SendPort { name, address, user: "u", password: None }])
}

/// Sabotage: `superseded` left out of the search for a known document in the import, and the second file goes out.
#[test]
fn a_file_that_comes_back_takes_its_place_again() {
    let (home, engine) = (Home::new(), Engine::explore().unwrap());
    let (old, new) = (one("P", "ftp://old/"), one("P", "ftp://new/"));
    for (round, text) in [&old, &new, &old, &new, &new].into_iter().enumerate() {
        view!(Imported, &engine, import(&[("p.xml", text.as_bytes())]));
        let files = exported(&engine, &home, &format!("out{round}"));
        assert_eq!(files.get("p.xml"), Some(text), "round {round}");
        assert!(!files.contains_key("p (2).xml"), "round {round}");
    }
    // The last import brought nothing new, and the four before it a document each.
    let documents = view!(Documents, &engine, Request::DocumentList).documents;
    assert_eq!(documents.iter().filter(|document| document.name == "p.xml").count(), 4);
}

/// Sabotage: `opened.head.deleted` left out of `newest`, and the port comes back from its first revision.
#[test]
fn a_deleted_port_is_in_no_file_that_goes_out() {
    let (home, engine) = (Home::new(), Engine::explore().unwrap());
    let both = binding(
        "Again",
        &[("P", "ftp://old/"), ("Q", "ftp://q/")].map(|(name, address)| SendPort {
            name,
            address,
            user: "u",
            password: None,
        }),
    );
    view!(Imported, &engine, import(&[("both.xml", both.as_bytes())]));
    view!(Imported, &engine, import(&[("p.xml", one("P", "ftp://new/").as_bytes())]));
    view!(Saved, &engine, Request::PortDelete { port: "P".to_owned(), if_revision: None, if_imprint: None });
    let files = exported(&engine, &home, "deleted");
    assert!(files["both.xml"].contains("ftp://q/"));
    assert!(files.values().all(|text| !text.contains("\"P\"")), "{files:?}");
    view!(
        Saved,
        &engine,
        Request::PortUndelete { port: "P".to_owned(), if_revision: None, if_imprint: None }
    );
    let files = exported(&engine, &home, "back");
    assert!(files["both.xml"] == both && files["p.xml"].contains("ftp://new/"));
}

/// A form that fills what is missing needs to know the port that it fills. Sabotage: no id for what is unchanged.
#[test]
fn the_plan_of_an_import_names_the_ports_that_are_there() {
    let engine = Engine::explore().unwrap();
    let plan = |text: &str, dry_run| {
        let files = vec![import_file("p.xml", text.as_bytes())];
        let plan = view!(Imported, &engine, Request::PortImport { files, dry_run }).plan;
        let [port] = &plan[..] else { panic!("one port, not {plan:?}") };
        let [missing] = &port.missing[..] else { panic!("one secret, not {port:?}") };
        (port.outcome, missing.port.clone())
    };
    assert_eq!(plan(&one("P", "ftp://h/"), false), (ImportOutcome::Created, String::new()));
    let id = view!(Port, &engine, show("P")).id.to_string();
    assert_eq!(plan(&one("P", "ftp://h/"), true), (ImportOutcome::Unchanged, id.clone()));
    assert_eq!(plan(&one("P", "ftp://i/"), true), (ImportOutcome::Changed, id));
}

/// Sabotage: the passphrase kept without opening the bundle with it where the keys are here already.
#[test]
fn a_wrong_passphrase_is_never_kept() {
    let home = Home::new();
    let engine = home.init();
    let unlock = |passphrase| Request::Unlock { passphrase: secret(passphrase) };
    assert_eq!(code(&engine, unlock("wrong words")), Code::WrongPassphrase);
    view!(Status, &engine, unlock(CUSTODY));
}
