//! `cargo xtask test`: every check there is, in order, from the machine's packages to the real window.

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
    let rust = &mut [workspace("test", &[]), xtask(&["test"])];
    steps.run("Rust tests, types in step", "run the failing test alone: cargo test -p PACKAGE NAME", rust)?;
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
    let mut command = workspace("test", &["--test", "e2e"]);
    session.enter(&mut command);
    command
        .env("SEALPORT_BIN_DIR", tool::target().join("debug"))
        .env("SEALPORT_ARTIFACTS", tool::artifacts()?)
        .args(["--", "--nocapture", "--test-threads=1"]);
    steps.run("end to end in the real window", hint, &mut [command])
}
