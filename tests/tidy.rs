//! The invariants of the repository that no compiler holds: who may depend on what, who may name what, and how files look.
//!
//! Each test names its sabotage: the change that it must catch.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "tidy/docs.rs"]
mod docs;

/// What the core may be built from. Nothing here reads a clock, a file, a socket or the environment.
const CORE_MAY_USE: &[&str] = &[
    "aes-gcm",
    "base64",
    "hkdf",
    "jiff",
    "memchr",
    "quick-xml",
    "rand_core",
    "secrecy",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "toml",
    "ts-rs",
    "uuid",
    "zeroize",
];

/// Libraries that one package alone may name as a dependency.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sealport-desktop", &["arboard", "ksni", "notify-rust", "rfd", "tauri", "tauri-build"]),
    (
        "sealport-node",
        &[
            "hmac",
            "keyring",
            "keyring-core",
            "metrics",
            "metrics-exporter-prometheus",
            "rusqlite",
            "rusqlite_migration",
            "tokio",
        ],
    ),
];

/// Names that one place alone may write in Rust code: the cipher, and the keyring.
const ONLY_NAMED_IN: &[(&str, &[&str])] = &[
    ("crates/sealport-core/src/seal", &["aes_gcm"]),
    (
        "crates/sealport-node/src/custody",
        &[
            "keyring::",
            "keyring_core",
            "secret_service",
            "zbus_secret_service_keyring_store",
            "apple_native_keyring_store",
            "windows_native_keyring_store",
        ],
    ),
];

const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files of the repository by their path with `/`: those git tracks, and new ones that it does not ignore.
fn files() -> Vec<String> {
    let words = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = Command::new("git").args(words).current_dir(root()).output().expect("git is installed");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout).unwrap();
    // A file that was deleted but not yet committed is still listed.
    let files: Vec<String> = text
        .split('\0')
        .filter(|file| !file.is_empty() && root().join(file).is_file())
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 20, "only {} files were found", files.len());
    files
}

/// Files with one of these endings, each with its text.
fn ending(ends: &[&str]) -> Vec<(String, String)> {
    let ours = files().into_iter().filter(|file| ends.iter().any(|end| file.ends_with(end)));
    ours.map(|file| (file.clone(), read(&file))).collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Direct dependencies by package, of every kind and for every system.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let told = Command::new(cargo).args(words).current_dir(root()).output().unwrap();
    assert!(told.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let names = |list: &serde_json::Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = told["packages"].as_array().unwrap();
    packages.iter().map(|p| (p["name"].as_str().unwrap().to_owned(), names(&p["dependencies"]))).collect()
}

/// Sabotage: add `sealport-node` to the core's dependencies, or `sealport-desktop` to the node's.
#[test]
fn arrows_run_from_core_to_node_to_desktop() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sealport-core", &[][..]),
        ("sealport-node", &["sealport-core"][..]),
        ("sealport-desktop", &["sealport-core", "sealport-node"][..]),
        ("sealport-tests", &["sealport-core", "sealport-node"][..]),
    ]);
    let packages = dependencies();
    assert_eq!(
        packages.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>()
    );
    for (package, uses) in &packages {
        for ours in uses.iter().filter(|name| name.starts_with("sealport")) {
            assert!(allowed[package.as_str()].contains(&ours.as_str()), "{package} may not depend on {ours}");
        }
    }
}

/// Sabotage: add `tokio` to the core, or `rfd` to the node.
#[test]
fn each_library_stays_where_it_belongs() {
    let packages = dependencies();
    let core = packages["sealport-core"].iter().map(String::as_str);
    // What only its tests use may be more, but nothing that the world's packages own.
    let dev: toml::Table = read("crates/sealport-core/Cargo.toml").parse().unwrap();
    let dev = dev.get("dev-dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    for name in core.filter(|name| !dev.contains_key(*name)) {
        assert!(CORE_MAY_USE.contains(&name), "sealport-core may not depend on {name}");
    }
    for (package, uses) in &packages {
        for (owner, libraries) in
            ONLY_IN.iter().filter(|(owner, _)| owner != package && package != "sealport-tests")
        {
            for name in *libraries {
                assert!(!uses.contains(*name), "{package} may not depend on {name}: it belongs to {owner}");
            }
        }
    }
    assert!(!packages["sealport-tests"].contains("tauri"), "the tests see the window from outside only");
}

/// Sabotage: write `use aes_gcm::Aes256Gcm;` in any other file.
#[test]
fn one_place_names_the_cipher_and_one_the_keyring() {
    for (file, text) in ending(&[".rs"]).iter().filter(|(file, _)| !file.starts_with("tests/")) {
        for (place, names) in ONLY_NAMED_IN.iter().filter(|(place, _)| !file.starts_with(place)) {
            for name in *names {
                assert!(
                    !code(text).any(|line| line.contains(name)),
                    "{file} names {name}, which belongs to {place}"
                );
            }
        }
    }
}

/// Sabotage: import `@tauri-apps/api/core` in a component.
#[test]
fn one_file_of_the_page_knows_tauri() {
    for (file, text) in ending(&[".ts", ".tsx"]) {
        let knows =
            text.lines().any(|line| line.contains("@tauri-apps/") && !line.trim_start().starts_with("//"));
        assert!(
            !knows || file == "ui/src/platform/tauri.ts",
            "{file} imports Tauri; only platform/tauri.ts may"
        );
    }
}

/// Sabotage: append 600 lines to a file.
#[test]
fn no_source_file_is_too_long() {
    for (file, text) in ending(&[".rs", ".ts", ".tsx", ".css", ".mjs"]) {
        let generated = text.starts_with("// Generated");
        let lines = text.lines().count();
        assert!(generated || lines <= LONGEST_FILE, "{file} has {lines} lines; {LONGEST_FILE} is the end");
    }
}

/// Sabotage: delete the first line of a Rust file.
#[test]
fn every_rust_file_says_what_it_is() {
    for (file, text) in ending(&[".rs"]) {
        assert!(text.starts_with("//! "), "{file} does not open with `//!`");
    }
}

/// Sabotage: write `todo` with its exclamation mark into any function.
#[test]
fn nothing_is_left_to_do_in_code() {
    // Put together here, so that this file does not hold them.
    let left = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!"));
    for (file, text) in ending(&[".rs"]) {
        for name in &left {
            assert!(!code(&text).any(|line| line.contains(name.as_str())), "{file} holds {name}");
        }
    }
}

/// Sabotage: write a path below your own home into a comment.
#[test]
fn no_path_of_a_machine_stands_in_the_repository() {
    let homes = ["root", "home", "work", "Users"].map(|folder| format!("/{folder}/"));
    // A made-up user, in samples and tests, and an address on the web are no machine of ours.
    let made_up = |text: &str| text.starts_with("/home/ana/") || text.starts_with("/home/user/");
    for file in files() {
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        for home in &homes {
            for (place, _) in text.match_indices(home.as_str()) {
                let inside = text[..place].ends_with(|c: char| c.is_alphanumeric() || "._-$}".contains(c));
                let line = text[..place].lines().count().max(1);
                assert!(inside || made_up(&text[place..]), "{file}:{line} holds a path of a machine: {home}");
            }
        }
    }
}

/// Sabotage: add a command to `build.rs` alone, or take one from the capability file.
#[test]
fn the_window_has_one_set_of_commands() {
    let quoted_words = |text: &str, quote: char| -> BTreeSet<String> {
        text.split(quote).skip(1).step_by(2).map(str::to_owned).collect()
    };
    let between = |text: &str, start: &str, end: &str| -> String {
        let rest = text.split_once(start).unwrap_or_else(|| panic!("{start} is not there")).1;
        rest.split_once(end).unwrap_or_else(|| panic!("{end} is not there")).0.to_owned()
    };
    let declared = quoted_words(&between(&read("src-tauri/build.rs"), "COMMANDS: &[&str] = &[", "];"), '"');
    assert!(declared.len() >= 10);

    let commands = read("src-tauri/src/commands.rs");
    let written: BTreeSet<String> = commands
        .split("#[tauri::command]")
        .skip(1)
        .map(|rest| between(rest, "fn ", "(").trim().to_owned())
        .collect();
    assert_eq!(written, declared, "commands.rs and build.rs");

    let handled = between(&read("src-tauri/src/main.rs"), "generate_handler![", "]");
    let handled: BTreeSet<String> = handled
        .split(',')
        .filter_map(|name| name.trim().strip_prefix("commands::"))
        .map(str::to_owned)
        .collect();
    assert_eq!(handled, declared, "main.rs and build.rs");

    let capability: serde_json::Value =
        serde_json::from_str(&read("src-tauri/capabilities/main.json")).unwrap();
    let granted: BTreeSet<&str> =
        capability["permissions"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect();
    let ours: BTreeSet<String> = granted
        .iter()
        .filter_map(|name| name.strip_prefix("allow-"))
        .map(|name| name.replace('-', "_"))
        .collect();
    assert_eq!(ours, declared, "capabilities/main.json and build.rs");
    let foreign: Vec<&str> = granted.iter().copied().filter(|name| !name.starts_with("allow-")).collect();
    assert_eq!(foreign, ["core:event:allow-listen", "core:event:allow-unlisten"]);

    let page = root().join("ui/src/platform/tauri.ts");
    // The page may come later than the shell; from then on it belongs to the set.
    if let Ok(text) = fs::read_to_string(page) {
        let called: BTreeSet<String> =
            text.split("invoke('").skip(1).map(|rest| rest.split_once('\'').unwrap().0.to_owned()).collect();
        assert_eq!(called, declared, "ui/src/platform/tauri.ts and build.rs");
    }
}

/// Tauri would add a hash for every inline script that it finds in the page, so it is told to leave the policy alone.
/// Sabotage: add 'unsafe-inline', or let Tauri change the policy.
#[test]
fn the_page_may_run_its_own_files_only() {
    let conf: serde_json::Value = serde_json::from_str(&read("src-tauri/tauri.conf.json")).unwrap();
    let security = &conf["app"]["security"];
    let policy: BTreeMap<&str, &str> =
        security["csp"].as_str().unwrap().split("; ").map(|rule| rule.split_once(' ').unwrap()).collect();
    let expected = BTreeMap::from([
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
        ("img-src", "'self' data:"),
        ("font-src", "'self'"),
        ("connect-src", "ipc: http://ipc.localhost"),
        ("form-action", "'none'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
    ]);
    assert_eq!(policy, expected);
    assert_eq!(security["dangerousDisableAssetCspModification"], true);
    assert_eq!(security["freezePrototype"], true);
    assert_eq!(conf["app"]["withGlobalTauri"], false);
    assert!(conf["build"].get("devUrl").is_none(), "the page comes from the binary, never from a server");
}

/// Lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}
