//! Files for other programs than ours, checked by those programs where they are installed, and by their rules where not:
//! Prometheus' rules, launchd's list, PowerShell's scripts.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use quick_xml::{Reader, events::Event};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// What a program says of a file; `None`, said aloud, where it is not installed.
fn checked(command: &mut Command, what: &str) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(_) => {
            println!("{} is not here: {what} were not checked by it", command.get_program().display());
            None
        }
    }
}

/// Sabotage: leave a bracket of a rule's expression out (where `promtool` is installed).
#[test]
fn prometheus_takes_the_rules() {
    let file = root().join("docs/monitoring/sealport.rules.yml");
    let mut promtool = Command::new("promtool");
    let Some(output) = checked(promtool.args(["check", "rules"]).arg(&file), "the rules") else { return };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}

/// Keys of launchd.plist(5) that stand in ours, with the kinds of value that each takes.
const KEYS: &[(&str, &[&str])] = &[
    ("Label", &["string"]),
    ("ProgramArguments", &["array"]),
    ("UserName", &["string"]),
    ("EnvironmentVariables", &["dict"]),
    ("RunAtLoad", &["true", "false"]),
    ("KeepAlive", &["true", "false", "dict"]),
    ("Umask", &["integer", "string"]),
    ("HardResourceLimits", &["dict"]),
    ("StandardErrorPath", &["string"]),
    ("ProcessType", &["string"]),
];
/// Keys within those.
const INNER: &[(&str, &[&str])] = &[
    ("SEALPORT_DATA_DIR", &["string"]),
    ("SEALPORT_CUSTODY_PASSPHRASE_FILE", &["string"]),
    ("SuccessfulExit", &["true", "false"]),
    ("Core", &["integer"]),
];

/// The keys of a property list with their depth and the kind of their value. Fails where it is not well formed.
fn keys(text: &str) -> Vec<(usize, String, String)> {
    let mut reader = Reader::from_str(text);
    let (mut open, mut keys, mut key) = (Vec::<String>::new(), Vec::new(), None::<String>);
    loop {
        let event = reader.read_event().unwrap_or_else(|e| panic!("byte {}: {e}", reader.error_position()));
        let name = match &event {
            Event::Start(tag) | Event::Empty(tag) => tag.name().as_ref().to_owned(),
            _ => String::new(),
        };
        if !name.is_empty() && name != "key" {
            let depth = open.iter().filter(|name| *name == "dict").count();
            let wanted = open.last().is_some_and(|parent| parent == "dict");
            assert_eq!(wanted, key.is_some(), "<{name}> after the key {key:?}");
            keys.extend(key.take().map(|key| (depth, key, name.clone())));
        }
        match event {
            Event::Start(_) => open.push(name),
            Event::End(_) => _ = open.pop(),
            Event::Text(text) if open.last().is_some_and(|name| name == "key") => {
                assert_eq!(key.replace(text.to_string()), None, "a key without a value");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty() && key.is_none(), "it ends within {open:?}");
    keys
}

/// Sabotage: leave an end tag out; misspell a key; give `RunAtLoad` a string.
#[test]
fn launchd_knows_every_key_of_its_list() {
    let text = read("packaging/launchd/net.sealport.serve.plist");
    assert!(text.contains("<plist version=\"1.0\">"));
    let keys = keys(&text);
    for (depth, key, kind) in &keys {
        let known = if *depth == 1 { KEYS } else { INNER };
        let known = known.iter().find(|(known, _)| known == key);
        let (_, kinds) = known.unwrap_or_else(|| panic!("launchd knows no key {key}"));
        assert!(kinds.contains(&kind.as_str()), "{key} can't be <{kind}>");
    }
    for needed in ["Label", "ProgramArguments"] {
        assert!(keys.iter().any(|(depth, key, _)| *depth == 1 && key == needed), "no {needed}");
    }
}

/// Sabotage: leave a brace out (where `pwsh` is installed).
#[test]
fn powershell_reads_the_scripts() {
    for file in ["packaging/windows/install.ps1", "packaging/windows/uninstall.ps1"] {
        let path = root().join(file);
        let script = format!(
            "$e = $null; [void][System.Management.Automation.Language.Parser]::ParseFile('{}', [ref]$null, [ref]$e); \
             $e | ForEach-Object {{ $_.Message }}; exit $e.Count",
            path.display()
        );
        let mut pwsh = Command::new("pwsh");
        let Some(output) = checked(pwsh.args(["-NoProfile", "-Command", &script]), "the scripts") else {
            return;
        };
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
