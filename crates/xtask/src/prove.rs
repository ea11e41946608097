//! `cargo xtask test`: every check there is, in order, from the machine's packages to the real window.

use std::{path::PathBuf, process::Stdio};

use crate::{
    session::Session,
    setup::{self, Part},
    step::Steps,
    tool::{self, Done, Stop},
};

/// Runs all checks and prints a table; `fast` leaves out the real window.
pub fn test(fast: bool) -> Done {
    let mut steps = Steps::new();
    let outcome = all(&mut steps, fast);
    print!("{}", steps.table());
    if outcome.is_ok() && fast {
        println!("left out: the real window (--fast)");
    }
    outcome
}

fn all(steps: &mut Steps, fast: bool) -> Done {
    let xtask = |args: &[&str]| {
        let mut command = tool::cargo(args);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    };
    // The Rust tests need a message bus and a keyring of their own too, so the parts are the same with --fast.
    let parts = &[Part::Build, Part::Tests, Part::Headless];
    steps.act("setup", "install what it names, then again", || setup::system(parts))?;
    // The desktop application holds the page, so the page comes before anything that compiles it.
    steps.act("page", "mend what npm names in ui/", setup::page)?;
    let format = &mut [tool::cargo(&["fmt", "--all", "--check"]), xtask(&["fmt", "--check"])];
    steps.run("format", "run `cargo fmt --all`, and once more in crates/xtask", format)?;
    let lint = |target: &[&str]| {
        let mut command = workspace("clippy", target);
        command.args(["--quiet", "--", "-D", "warnings"]);
        command
    };
    let lint_xtask = ["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"];
    let clippy = &mut [lint(&["--all-targets"]), lint(&["--test", "e2e"]), xtask(&lint_xtask)];
    steps.run("clippy", "mend what it names; a warning is an error here", clippy)?;
    let mut built = Vec::new();
    steps.act("build of the Rust tests", "mend what the compiler names", || {
        built = test_binaries()?;
        Ok(())
    })?;
    let hint = "run the failing test alone: cargo test --workspace --test NAME";
    steps.run_beside("Rust tests, types in step", hint, built)?;
    let rest = &mut [workspace("test", &["--doc"]), xtask(&["test"])];
    steps.run("examples in the docs, xtask", "run what failed alone", rest)?;
    for (name, script) in [
        ("page: lint", "lint"),
        ("page: types", "typecheck"),
        ("page: tests", "test"),
        ("page: in Chromium", "e2e:chromium"),
    ] {
        let hint = format!("run `npm run {script}` in ui/");
        steps.run(name, &hint, &mut [tool::npm(&["run", "--silent", script])])?;
    }
    // With the tests, since their libraries have features of their own.
    let build = &mut [workspace("build", &["--bins", "--tests"])];
    steps.run("desktop build", "mend what the compiler names", build)?;
    if fast { Ok(()) } else { window(steps) }
}

/// Tests that take minutes come first, so that none of them runs alone at the end.
const LONG: &[&str] = &["promotion", "model", "rotation", "fleet", "partitions"];

/// Builds the tests, and gives a command for each binary as cargo would start it: in its package's folder, with its name.
fn test_binaries() -> Result<Vec<(String, std::process::Command)>, Stop> {
    let mut build = workspace("test", &["--no-run", "--message-format=json-render-diagnostics"]);
    let told = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let told = told.map_err(|e| tool::not_started(&build, &e))?;
    if !told.status.success() {
        return Err(Stop::new(format!("`{}` ({})", tool::line(&build), told.status), ""));
    }
    let told = String::from_utf8_lossy(&told.stdout);
    let mut found: Vec<(String, std::process::Command)> = told.lines().filter_map(test_binary).collect();
    if found.is_empty() {
        return Err(Stop::new(format!("`{}` names no test", tool::line(&build)), "look at what it prints"));
    }
    found.sort_by_key(|(name, _)| LONG.iter().position(|long| long == name).unwrap_or(LONG.len()));
    Ok(found)
}

/// The test binary that a message of cargo's names, if it names one.
fn test_binary(message: &str) -> Option<(String, std::process::Command)> {
    // The target says that it may be tested; the profile, that it is built as a test.
    let profile = message.split(r#""profile":"#).nth(1)?.split('}').next()?;
    let program = field(message, "executable").filter(|_| profile.contains(r#""test":true"#))?;
    let package = PathBuf::from(field(message, "manifest_path")?);
    let name = message.split(r#""target":"#).nth(1).and_then(|target| field(target, "name"))?;
    let mut command = std::process::Command::new(program);
    let folder = package.parent()?;
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
    Some((name, command))
}

/// The text of a field in a line of JSON that cargo wrote; of a path, whose only escape is that of a backslash.
fn field(message: &str, name: &str) -> Option<String> {
    let rest = message.split_once(&format!(r#""{name}":""#))?.1;
    Some(rest.split_once('"')?.0.replace(r"\\", r"\"))
}

/// A step over the whole workspace, always with the same features: so every step shares one build of each library, and
/// that of the end-to-end test does not begin again with the first of them.
fn workspace(verb: &str, target: &[&str]) -> std::process::Command {
    let mut command = tool::cargo(&[verb, "--locked", "--workspace", "--all-features"]);
    command.args(target);
    command
}

/// The end-to-end test, in a session of its own. It finds the binaries through the environment.
fn window(steps: &mut Steps) -> Done {
    let hint = "screenshots and logs are in artifacts/; `cargo xtask run` shows the window";
    let mut session = None;
    steps.act("a session of its own", "run it by hand: Xvfb, dbus-daemon, gnome-keyring-daemon", || {
        session = Some(Session::start(1400, 1000)?);
        Ok(())
    })?;
    let session = session.ok_or_else(|| Stop::new("the session is gone", "run the command again"))?;
    let command = &mut end_to_end(&session, "debug")?;
    let command = command.args(["--", "--nocapture", "--test-threads=1"]);
    steps.run("end to end in the real window", hint, std::slice::from_mut(command))
}

/// The end-to-end test in a session, with the programs of this profile.
fn end_to_end(session: &Session, profile: &str) -> Result<std::process::Command, Stop> {
    let mut command = workspace("test", &["--test", "e2e"]);
    session.enter(&mut command);
    command
        .env("SEALPORT_BIN_DIR", tool::target().join(profile))
        .env("SEALPORT_ARTIFACTS", tool::artifacts()?);
    Ok(command)
}

/// Measures the window of a release build, as people have it, in a session of its own.
pub fn window_speed() -> Done {
    setup::system(&[Part::Build, Part::Headless, Part::Tests])?;
    setup::page()?;
    tool::run(&mut tool::cargo(&["build", "--locked", "--release", "--workspace", "--bins"]))?;
    tool::run(&mut workspace("test", &["--test", "e2e", "--no-run"]))?;
    let session = Session::start(1400, 1000)?;
    tool::run(end_to_end(&session, "release")?.args(["--", "--ignored", "--nocapture", "speed"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_binary_is_found_in_what_cargo_tells() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w#sealport-tests@0.1.0","manifest_path":"/w/tests/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"model","src_path":"/w/tests/model.rs","edition":"2024","test":true},"profile":{"opt_level":"0","debuginfo":2,"test":true},"features":[],"filenames":["/w/target/debug/deps/model-1"],"executable":"/w/target/debug/deps/model-1","fresh":false}"#;
        let (name, command) = test_binary(line).unwrap();
        assert_eq!(name, "model");
        assert_eq!(command.get_program(), "/w/target/debug/deps/model-1");
        assert_eq!(command.get_current_dir(), Some(std::path::Path::new("/w/tests")));
        let program = line.replace(r#""debuginfo":2,"test":true}"#, r#""debuginfo":2,"test":false}"#);
        assert!(test_binary(&program).is_none(), "a program is no test");
        let library = line.replace(r#""executable":"/w/target/debug/deps/model-1""#, r#""executable":null"#);
        assert!(test_binary(&library).is_none());
    }
}
