//! `cargo xtask`: runs, tests, measures and bundles Sealport, and installs what that needs on Debian and Ubuntu.
//!
//! Depends on nothing but Rust, so that it compiles in seconds on a fresh machine.

use std::process::ExitCode;

use tool::{Done, Stop};

mod bundle;
mod prove;
mod session;
mod setup;
mod step;
mod tool;
mod window;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run [--release] [-- ARGS]   build and open the Sealport window; with no display, under Xvfb with a screenshot
  test [--fast]               every check there is; --fast leaves out the real window
  bench [-- local | net | window]
                              ratios against the bare libraries, measured in one run; how quick the window is
  campaign [NAME]             a long fault campaign; without NAME lists them
  bundle                      a .deb and an .rpm (Linux)";

/// A long campaign.
struct Campaign {
    name: &'static str,
    shows: &'static str,
    how: How,
}

enum How {
    /// The ignored test `campaign` that this package builds from this file of `tests/`.
    Test(&'static str, &'static str),
    /// The benchmark, with these words.
    Bench(&'static [&'static str]),
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        name: "model",
        shows: "every order of the protocol's steps with two and three nodes (SEALPORT_SECONDS for each)",
        how: How::Test("sealport-tests", "model"),
    },
    Campaign {
        name: "rotation",
        shows: "100,000 records sealed anew under kills, restarts and edits (SEALPORT_RECORDS, SEALPORT_KILLS, SEALPORT_SEED)",
        how: How::Test("sealport-node", "rotation"),
    },
    Campaign {
        name: "races",
        shows: "10,000 races of two or three administrators for the master (SEALPORT_RACES, SEALPORT_SEED)",
        how: How::Test("sealport-node", "promotion"),
    },
    Campaign {
        name: "simulator",
        shows: "100,000 cases of the core in a world that fails (SEALPORT_CASES, SEALPORT_SEED)",
        how: How::Test("sealport-tests", "simulator"),
    },
    Campaign {
        name: "partitions",
        shows: "five machines in network namespaces: 1,000 cuts with promotions (SEALPORT_CUTS), then cuts for 30 minutes \
                (SEALPORT_MINUTES, SEALPORT_SEED)",
        how: How::Test("sealport-node", "partitions"),
    },
    Campaign {
        name: "fleet",
        shows: "10,000 nodes on one master for 10 minutes, and all of them back after an outage of 5",
        how: How::Bench(&["fleet", "10000", "600", "300"]),
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (ours, passed_on) = split(&args);
    let outcome = match ours.split_first() {
        Some((&"run", flags)) => flag(flags, "--release").and_then(|release| window::run(release, passed_on)),
        Some((&"test", flags)) => flag(flags, "--fast").and_then(prove::test),
        Some((&"bench", [])) => bench(passed_on),
        Some((&"campaign", rest)) => campaign(rest),
        Some((&"bundle", [])) => bundle::bundle(),
        Some((&("help" | "--help" | "-h"), [])) => {
            println!("{USAGE}");
            Ok(())
        }
        Some(_) => Err(Stop::usage(format!("no such command: {}\n\n{USAGE}", ours.join(" ")))),
        None => Err(Stop::usage(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("{stop}");
            ExitCode::from(stop.exit)
        }
    }
}

/// Our own words, and what stands behind `--` for the program that is started.
fn split(args: &[String]) -> (Vec<&str>, &[String]) {
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    (args[..end].iter().map(String::as_str).collect(), args.get(end + 1..).unwrap_or_default())
}

/// Whether the one flag a command knows is given; anything else is refused.
fn flag(given: &[&str], known: &str) -> Result<bool, Stop> {
    match given {
        [] => Ok(false),
        [one] if *one == known => Ok(true),
        _ => Err(Stop::usage(format!("{} is not known here; {known} is\n\n{USAGE}", given.join(" ")))),
    }
}

fn bench(passed_on: &[impl AsRef<std::ffi::OsStr>]) -> Done {
    if let [word] = passed_on
        && word.as_ref() == "window"
    {
        return prove::window_speed();
    }
    // A restart is measured with the secret in a real keyring.
    setup::system(&[setup::Part::Build, setup::Part::Headless])?;
    tool::run(
        tool::cargo(&["bench", "--locked", "-p", "sealport-tests", "--bench", "ratios", "--"])
            .args(passed_on),
    )
}

fn campaign(rest: &[&str]) -> Done {
    let found = match rest {
        [] => {
            CAMPAIGNS.iter().for_each(|Campaign { name, shows, .. }| println!("{name:20} {shows}"));
            return Ok(());
        }
        [name] => CAMPAIGNS.iter().find(|campaign| campaign.name == *name),
        _ => None,
    };
    let Some(Campaign { how, .. }) = found else {
        return Err(Stop::usage(format!(
            "no campaign {}; `cargo xtask campaign` lists them",
            rest.join(" ")
        )));
    };
    match how {
        How::Test(package, test) => {
            setup::system(&[setup::Part::Build, setup::Part::Tests, setup::Part::Headless])?;
            let target = ["test", "--locked", "--release", "-p", package, "--test", test];
            tool::run(tool::cargo(&target).args(["--", "--ignored", "--exact", "--nocapture", "campaign"]))
        }
        How::Bench(words) => bench(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_two_dashes_is_passed_on() {
        let args: Vec<String> = ["run", "--release", "--", "--data-dir", "x"].map(String::from).into();
        let (ours, passed_on) = split(&args);
        assert_eq!(ours, ["run", "--release"]);
        assert_eq!(passed_on, ["--data-dir", "x"]);
        assert!(split(&args[..2]).1.is_empty());
        assert!(split(&args[..3]).1.is_empty());
    }

    #[test]
    fn an_unknown_flag_is_refused_with_exit_code_2() {
        assert!(flag(&["--fast"], "--fast").unwrap());
        assert!(!flag(&[], "--fast").unwrap());
        assert_eq!(flag(&["--slow"], "--fast").unwrap_err().exit, 2);
        assert_eq!(campaign(&["nothing-of-the-kind"]).unwrap_err().exit, 2);
    }
}
