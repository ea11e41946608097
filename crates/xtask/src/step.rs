//! Steps in order: each named and timed, the first failure ends them, and a table says at the end what was done.
//!
//! Promises: a count in the table was printed by the tool itself; a step that counts nothing shows none.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::tool::{self, Done, Stop};

/// Tests that passed and failed, as the tools said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    passed: u64,
    failed: u64,
}

/// The steps so far.
pub struct Steps {
    done: Vec<(&'static str, Duration, Counts, bool)>,
    begun: Instant,
}

impl Steps {
    /// None yet.
    pub fn new() -> Self {
        Self { done: Vec::new(), begun: Instant::now() }
    }

    /// Does a step that is our own work. `hint` says what to do where it fails.
    pub fn act(&mut self, name: &'static str, hint: &str, work: impl FnOnce() -> Done) -> Done {
        self.step(name, hint, || work().map(|()| Counts::default()))
    }

    /// Runs programs as one step, and counts the tests that they report.
    pub fn run(&mut self, name: &'static str, hint: &str, commands: &mut [Command]) -> Done {
        self.step(name, hint, || {
            let mut sum = Counts::default();
            for command in commands {
                sum.add(watch(command, &mut |line| println!("{line}"))?);
            }
            Ok(sum)
        })
    }

    /// Runs programs as one step, as many at a time as there are processors: what waits for others leaves one to what computes.
    /// Each is shown whole when it ends, and all of them run, whichever fails.
    pub fn run_beside(&mut self, name: &'static str, hint: &str, programs: Vec<(String, Command)>) -> Done {
        let lanes = thread::available_parallelism().map_or(1, usize::from);
        self.step(name, hint, || beside(programs, lanes))
    }

    fn step(&mut self, name: &'static str, hint: &str, work: impl FnOnce() -> Result<Counts, Stop>) -> Done {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = work();
        let counts = outcome.as_ref().copied().unwrap_or_default();
        self.done.push((name, begun.elapsed(), counts, outcome.is_ok()));
        outcome.map(drop).map_err(|stop| Stop::new(format!("step \"{name}\" failed: {stop}"), hint))
    }

    /// The table of what was done.
    pub fn table(&self) -> String {
        let mut text = format!("\n{:32}{:>10}{:>9}{:>9}\n", "step", "seconds", "passed", "failed");
        let mut sum = Counts::default();
        for (name, took, counts, well) in &self.done {
            let (passed, failed) = match (counts, well) {
                (_, false) => ("".into(), "FAILED".into()),
                (Counts { passed: 0, failed: 0 }, true) => ("".into(), "ok".into()),
                (counts, true) => (counts.passed.to_string(), counts.failed.to_string()),
            };
            text += &format!("{name:32}{:>10.1}{passed:>9}{failed:>9}\n", took.as_secs_f64());
            sum.add(*counts);
        }
        let all = self.begun.elapsed().as_secs_f64();
        text + &format!("{:32}{all:>10.1}{:>9}{:>9}\n", "all", sum.passed, sum.failed)
    }
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// What one line of output reports: cargo's "test result: ok. 3 passed; 0 failed", vitest's "Tests  3 passed (3)",
    /// and the "3 passed, 0 failed" of our own scripts.
    fn of(line: &str) -> Counts {
        let plain = without_colours(line);
        let text = plain.trim();
        let reports = ["test result:", "Tests "].iter().any(|start| text.starts_with(start))
            || (text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(" passed, "));
        let words: Vec<&str> = if reports { text.split_whitespace().collect() } else { Vec::new() };
        let before = |what: &str| -> u64 {
            let found = words.windows(2).find(|pair| pair[1].trim_end_matches([';', ',', '.']) == what);
            found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        Counts { passed: before("passed"), failed: before("failed") }
    }
}

fn beside(programs: Vec<(String, Command)>, lanes: usize) -> Result<Counts, Stop> {
    let waiting = Mutex::new(VecDeque::from(programs));
    let done = Mutex::new((Counts::default(), Vec::new()));
    let lane = || {
        loop {
            let next = waiting.lock().expect("no lane panics").pop_front();
            let Some((name, mut command)) = next else { return };
            let (begun, mut shown) = (Instant::now(), String::new());
            let outcome = watch(&mut command, &mut |line| shown += &format!("{line}\n"));
            let mut done = done.lock().expect("no lane panics");
            println!("-- {name}, {:.1} s\n{shown}", begun.elapsed().as_secs_f64());
            match outcome {
                Ok(counts) => done.0.add(counts),
                Err(stop) => done.1.push(format!("{name}: {stop}")),
            }
        }
    };
    thread::scope(|scope| (0..lanes).for_each(|_| drop(scope.spawn(lane))));
    match done.into_inner().expect("no lane panics") {
        (counts, failed) if failed.is_empty() => Ok(counts),
        (_, failed) => Err(Stop::new(failed.join("\n"), "")),
    }
}

/// Runs a program, hands on each line of its standard output, and counts what it reports.
fn watch(command: &mut Command, show: &mut dyn FnMut(&str)) -> Result<Counts, Stop> {
    println!("$ {}", tool::line(command));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| tool::not_started(command, &e))?;
    let mut counts = Counts::default();
    let out = child.stdout.take().expect("standard output was piped");
    for line in BufReader::new(out).split(b'\n') {
        let line = line.map_err(|e| Stop::new(format!("its output broke off: {e}"), ""))?;
        let line = String::from_utf8_lossy(&line);
        counts.add(Counts::of(&line));
        show(&line);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(counts),
        Ok(status) => Err(Stop::new(format!("`{}` ({status})", tool::line(command)), "")),
        Err(e) => Err(Stop::new(format!("`{}`: {e}", tool::line(command)), "")),
    }
}

/// The text without terminal colours.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain += before;
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or("");
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_own_figures_are_counted() {
        let of = |passed, failed| Counts { passed, failed };
        let cargo =
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(Counts::of(cargo), of(12, 0));
        assert_eq!(Counts::of("test result: FAILED. 4 passed; 2 failed; 0 ignored"), of(4, 2));
        assert_eq!(
            Counts::of("\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m97 passed\x1b[39m\x1b[22m (97)"),
            of(97, 0)
        );
        assert_eq!(Counts::of("      Tests  1 failed | 5 passed (6)"), of(5, 1));
        assert_eq!(Counts::of("31 passed, 1 failed"), of(31, 1));
        assert_eq!(Counts::of("Test Files  4 passed (4)"), of(0, 0));
        assert_eq!(Counts::of("the 3 passed ports, 2 failed"), of(0, 0));
    }

    /// Sabotage: let a lane end at the first failure; leave the failed out of what is told.
    #[test]
    #[cfg(unix)]
    fn beside_each_other_all_run_and_each_failure_is_named() {
        let say = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        };
        let both = || {
            vec![
                ("a".to_owned(), say("echo 2 passed, 0 failed")),
                ("b".to_owned(), say("echo 3 passed, 0 failed")),
            ]
        };
        assert_eq!(beside(both(), 2).unwrap(), Counts { passed: 5, failed: 0 });
        let folder = std::env::temp_dir().join(format!("sealport-lanes-{}", std::process::id()));
        let mark = format!("touch '{}'", folder.display());
        let mut programs = vec![("broken".to_owned(), say("exit 3")), ("gone".to_owned(), say("exit 4"))];
        programs.push(("last".to_owned(), say(&mark)));
        let told = beside(programs, 1).unwrap_err().to_string();
        assert!(told.contains("broken: ") && told.contains("gone: ") && !told.contains("last"), "{told}");
        std::fs::remove_file(folder).unwrap();
    }

    #[test]
    fn the_first_failure_ends_the_steps_and_stays_in_the_table() {
        let mut steps = Steps::new();
        assert!(steps.act("easy", "", || Ok(())).is_ok());
        let stop = steps.act("hard", "do it again", || Err(Stop::new("it broke", ""))).unwrap_err();
        assert_eq!(stop.to_string(), "step \"hard\" failed: it broke\n  do it again");
        let table = steps.table();
        assert!(table.lines().any(|line| line.starts_with("easy") && line.ends_with("ok")));
        assert!(table.lines().any(|line| line.starts_with("hard") && line.ends_with("FAILED")));
    }
}
