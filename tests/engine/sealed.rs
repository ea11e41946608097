//! What rests on disk: nothing of it readable, and nothing of it movable from one place to another.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::Connection;

use super::*;

/// Three ports of one application and one of another, each with its own password; `A1` in three revisions.
fn filled(home: &Home) -> Engine {
    let engine = home.init();
    let port = |name, address, password| SendPort { name, address, user: "u", password: Some(password) };
    let first = [port("A1", "ftp://a1/", "of-a1"), port("A2", "ftp://a2/", "of-a2")];
    view!(Imported, &engine, import(&[("a.xml", binding("A", &first).as_bytes())]));
    let second = [port("B1", "ftp://b1/", "of-b1")];
    view!(Imported, &engine, import(&[("b.xml", binding("B", &second).as_bytes())]));
    view!(Saved, &engine, set("A1", "RetryCount", "4", None));
    view!(Saved, &engine, set("A1", "RetryCount", "5", None));
    engine
}

/// Swaps a column between two rows.
fn swap(table: &str, column: &str, one: &str, other: &str) -> String {
    format!(
        "CREATE TEMP TABLE two AS SELECT
           (SELECT {column} FROM {table} WHERE {one}) AS a, (SELECT {column} FROM {table} WHERE {other}) AS b;
         UPDATE {table} SET {column} = (SELECT b FROM two) WHERE {one};
         UPDATE {table} SET {column} = (SELECT a FROM two) WHERE {other};
         DROP TABLE two"
    )
}

/// Sabotage: `kind` left out of the associated data, or the record, or `application` there and in the key of the
/// application; the comparison of the revision left out; those of the name in the index, or both in `open_port`.
#[test]
fn records_swapped_renamed_or_rolled_back_in_the_database_are_refused() {
    let home = Home::new();
    drop(filled(&home));
    let file = home.data_dir().join("sealport.db");
    let (a1, a2, b1) = ("name = 'A1'", "name = 'A2'", "name = 'B1'");
    let document = |name: &str| format!("kind = 'document' AND name = '{name}'");
    let (doc_a, doc_b) = (document("a.xml"), document("b.xml"));
    let id = "id = (SELECT id FROM record WHERE name = 'A1')";
    let (former1, former2) = (format!("{id} AND revision = 1"), format!("{id} AND revision = 2"));
    let (kind, id_of_a1): (String, String) = {
        let database = Connection::open(&file).unwrap();
        let query = "SELECT kind, lower(hex(id)) FROM record WHERE name = 'A1'";
        database.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let out = home.path("out");
    let any_list = || list(PortFilter::default());
    let old_as_new = format!("(SELECT envelope FROM former WHERE {former2})");
    type Ask<'a> = Box<dyn Fn() -> Request + 'a>;
    let shows = |port: &'static str| -> Ask<'_> { Box::new(move || reveal(port, "Password")) };
    let cases: Vec<(&str, String, Ask<'_>)> = vec![
        ("envelopes of one application", swap("record", "envelope", a1, a2), shows("A1")),
        ("envelopes of two applications", swap("record", "envelope", a1, b1), shows("B1")),
        ("summaries", swap("record", "summary", a1, a2), Box::new(any_list)),
        ("summaries of two applications", swap("record", "summary", a1, b1), Box::new(any_list)),
        ("both", swap("record", "envelope", a1, a2) + ";" + &swap("record", "summary", a1, a2), shows("A1")),
        ("a name", format!("UPDATE record SET name = 'A9' WHERE {a1}"), Box::new(any_list)),
        // By its id a port opens without the list.
        (
            "a name, seen by the id",
            format!("UPDATE record SET name = 'A9' WHERE {a1}"),
            Box::new(|| reveal(&id_of_a1, "Password")),
        ),
        ("an application", format!("UPDATE record SET application = 'B' WHERE {a1}"), Box::new(any_list)),
        ("a kind", format!("UPDATE record SET kind = 'receive_port' WHERE {a1}"), Box::new(any_list)),
        ("a revision", format!("UPDATE record SET revision = 9 WHERE {a1}"), Box::new(any_list)),
        ("an id", format!("UPDATE record SET id = randomblob(16) WHERE {a2}"), Box::new(any_list)),
        (
            "a former state as the present",
            format!("UPDATE record SET envelope = {old_as_new} WHERE {a1}"),
            shows("A1"),
        ),
        ("former states", swap("former", "envelope", &former1, &former2), Box::new(|| history("A1"))),
        (
            "documents",
            swap("record", "envelope", &doc_a, &doc_b),
            Box::new(|| export(&out, ExportSecrets::Include, None)),
        ),
        ("a summary as an envelope", format!("UPDATE record SET envelope = summary WHERE {a1}"), shows("A1")),
        (
            "one bit of an envelope",
            format!(
                "UPDATE record SET envelope = CAST(substr(envelope, 1, length(envelope) - 1) || x'00' AS BLOB) WHERE {a1}"
            ),
            shows("A1"),
        ),
    ];
    assert_eq!(kind, "send_port", "the name that the case of the kind relies on");
    let whole = fs::read(&file).unwrap();
    for (what, sql, request) in cases {
        {
            let database = Connection::open(&file).unwrap();
            database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
            database.execute_batch(&sql).unwrap();
        }
        assert!(fs::read(&file).unwrap() != whole, "{what}: nothing was changed");
        let engine = home.open();
        let error = ask(&engine, request()).map(|_| ()).expect_err(what);
        assert_eq!(error.code, Code::Integrity, "{what}: {error}");
        assert_eq!(error.code.exit(), 6);
        assert!(!error.hint.is_empty() && !error.to_string().contains("of-a"), "{what}: {error}");
        assert!(names_in(&out).is_empty(), "{what}");
        drop(engine);
        fs::write(&file, &whole).unwrap();
    }
    let engine = home.open();
    assert_eq!(view!(Revealed, &engine, reveal("A1", "Password")).value.expose(), "of-a1");
}

/// What is looked for, by its first bytes.
struct Search {
    needles: HashMap<[u8; 8], Vec<(String, Vec<u8>)>>,
}

impl Search {
    /// Each value raw, in UTF-16 of both orders, in hex of both cases, and in base64 at each of its three offsets.
    fn new(values: &[String]) -> Self {
        let mut needles: HashMap<_, Vec<_>> = HashMap::new();
        for value in values {
            let bytes = value.as_bytes();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let wide = |order: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(order).collect::<Vec<u8>>();
            let mut forms = vec![
                bytes.to_vec(),
                wide(u16::to_le_bytes),
                wide(u16::to_be_bytes),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
            ];
            for offset in 0..3 {
                let text = STANDARD.encode([&vec![0; offset], bytes].concat()).into_bytes();
                // The letters that hold bits of the value alone.
                let (start, end) = ((offset * 8).div_ceil(6), (offset + bytes.len()) * 8 / 6);
                forms.push(text[start..end].to_vec());
            }
            for form in forms {
                let key = form[..8].try_into().unwrap();
                needles.entry(key).or_default().push((value.clone(), form));
            }
        }
        Self { needles }
    }

    fn hits(&self, hay: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, window) in hay.windows(8).enumerate() {
            let key: [u8; 8] = window.try_into().unwrap();
            for (value, form) in self.needles.get(&key).into_iter().flatten() {
                if hay[at..].starts_with(form) {
                    found.insert(value.clone());
                }
            }
        }
        found
    }
}

/// A hundred values that occur nowhere else, planted by every way in; then every file is searched.
#[test]
fn nothing_that_is_sealed_stands_in_the_clear_on_disk() {
    let home = Home::new();
    let engine = home.init();
    let canary =
        |what: &str, number: usize| format!("{what}{number:02}qZ7canary{:05x}", number * 7919 + what.len());
    let mut values = Vec::new();
    for number in 0..24 {
        let mut one = |what: &str| {
            values.push(canary(what, number));
            values[values.len() - 1].clone()
        };
        let (password, host, user) = (one("pw"), one("host"), one("user"));
        let (name, address) = (format!("P{number}"), format!("ftp://{host}/"));
        let late = number % 3 == 0;
        let port = SendPort {
            name: &name,
            address: &address,
            user: &user,
            password: if late { None } else { Some(&password) },
        };
        let text = binding("Canaries", &[port]);
        // Every other file as UTF-16.
        let bytes: Vec<u8> = if number % 2 == 0 {
            text.into_bytes()
        } else {
            let text = text.replace("utf-8", "utf-16");
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        };
        view!(Imported, &engine, import(&[(&format!("{name}.xml"), &bytes)]));
        if late {
            assert_eq!(view!(Filled, &engine, fill(&[(&name, "", &password)])).filled, 1);
        }
        if number < 28 {
            view!(Saved, &engine, set(&name, "Address", &format!("ftp://{}/", one("moved")), None));
        }
        if number < 6 {
            view!(Saved, &engine, set(&name, "Password", &one("again"), None));
            let changes = vec![Assignment { path: "RetryCount".to_owned(), value: secret("9") }];
            let (port, note) = (name.clone(), Some(one("note")));
            let request =
                Request::PortSet { port, changes, if_revision: None, if_imprint: None, note, dry_run: false };
            view!(Saved, &engine, request);
        }
    }
    assert!(values.len() >= 100, "{}", values.len());
    let search = Search::new(&values);
    // The search finds what is there: an export with secrets, as it is, in hex and in base64.
    let out = home.path("out");
    view!(Exported, &engine, export(&out, ExportSecrets::Include, None));
    let exported = || names_in(&out).into_iter().map(|name| fs::read(out.join(name)).unwrap());
    let planted = search.hits(&exported().flatten().collect::<Vec<u8>>());
    assert!(planted.len() > 60, "{}", planted.len());
    let clear: Vec<u8> = exported().filter(|bytes| !bytes.starts_with(&[0xFF, 0xFE])).flatten().collect();
    let found = search.hits(&clear);
    assert!(found.len() > 30 && search.hits(STANDARD.encode(&clear).as_bytes()) == found);
    let hex: String = clear.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(search.hits(hex.as_bytes()), found);
    // A masked export holds addresses, and no password of any kind.
    let masked = home.path("masked");
    view!(Exported, &engine, export(&masked, ExportSecrets::Mask, None));
    for name in names_in(&masked) {
        let found = search.hits(&fs::read(masked.join(&name)).unwrap());
        assert!(
            found.iter().all(|value| !value.starts_with("pw") && !value.starts_with("again")),
            "{found:?}"
        );
    }
    let passwords: BTreeSet<_> = revealed(&engine).into_values().collect();
    assert!(passwords.len() == 24 && passwords.iter().all(|value| planted.contains(value)));

    let backup = home.path("b.sealport");
    let request = Request::BackupCreate {
        file: local(&backup),
        passphrase: secret(PASSPHRASE),
        reminder: None,
        secret_only: false,
    };
    view!(Backup, &engine, request);
    let (mut bytes, mut files) = (0, 0);
    let mut look = |file: &Path| {
        let content = fs::read(file).unwrap();
        (bytes, files) = (bytes + content.len(), files + 1);
        // Sabotage: the address written into the detail of an audit entry.
        assert!(search.hits(&content).is_empty(), "{}: {:?}", file.display(), search.hits(&content));
    };
    look(&backup);
    let names = names_in(&home.data_dir());
    assert!(
        ["sealport.db", "sealport.db-wal", "custody.age"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
    names.iter().for_each(|name| look(&home.data_dir().join(name)));
    drop(engine);
    names_in(&home.data_dir()).iter().for_each(|name| look(&home.data_dir().join(name)));
    println!("{} values in 8 forms each: none in {files} files of {bytes} bytes", values.len());
}
