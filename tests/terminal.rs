//! The command line in a real terminal, as a person meets it: passphrases that aren't shown, questions, progress,
//! Ctrl+C at every moment, and tables that fit.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    fmt::Write as _,
    fs,
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use rustix::process::Signal;
use sealport_core::{
    Code, Error,
    api::{Notice, Request, Response},
};
use sealport_node::call::{Call, Handle};

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;
#[path = "harness/served.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod served;
#[path = "harness/terminal.rs"]
#[allow(dead_code, unreachable_pub, reason = "only tests in a terminal use it")]
mod terminal;

use desk::{BACKUP, CUSTODY, Desk, FILE, INIT, PORT, err, finish, names_in, sealport};
use served::Served;
use terminal::{CTRL_C, CTRL_D, Terminal};

/// Shows what is typed, takes it by lines, makes a signal of Ctrl+C: a terminal as a shell expects it.
const SOUND: [bool; 3] = [true, true, true];
const ASK_ALL: &str = "init --name Hub --custody passphrase --backup first.sealport";
/// Sealing so many ports takes more than a second on any machine.
const SECONDS_OF_PORTS: usize = 12_000;
/// Work on so many lasts longer than a key press.
const MOMENT_OF_PORTS: usize = 4_000;

/// A command that has to ask for its passphrases.
fn asking(desk: &Desk, line: &str) -> Terminal {
    let mut command = desk.command("data", line, &[]);
    command.env_remove("SEALPORT_CUSTODY_PASSPHRASE_FILE");
    Terminal::start(command, 80)
}

fn plain(desk: &Desk, line: &str, columns: u16) -> Terminal {
    Terminal::start(desk.command("data", line, &[]), columns)
}

fn with_system() -> Desk {
    let desk = Desk::new();
    desk.json("data", INIT, &[]);
    desk
}

/// A binding file with so many ports.
fn large(ports: usize) -> String {
    let mut text = String::from("<BindingInfo Version=\"3.5.1.0\"><SendPortCollection>");
    for number in 0..ports {
        let _ = write!(
            text,
            "<SendPort Name=\"Send{number}\" IsStatic=\"true\" IsTwoWay=\"false\"><PrimaryTransport>\
             <Address>ftp://host/{number}</Address><TransportType Name=\"FTP\" /></PrimaryTransport>\
             <ApplicationName>Large</ApplicationName></SendPort>"
        );
    }
    text + "</SendPortCollection></BindingInfo>"
}

/// Sabotage: `Prompt::seen` in `unseen`, and the words are on the screen.
#[test]
fn a_new_passphrase_is_asked_twice_and_never_shown() {
    let desk = Desk::new();
    let mut terminal = asking(&desk, ASK_ALL);
    terminal.expect("Backup passphrase: ");
    assert_eq!(terminal.modes(), [false, true, true]);
    terminal.answer("correct horse battery stable");
    terminal.expect("Once more: ");
    terminal.answer(BACKUP);
    // A slip costs another try, and so does nothing at all.
    terminal.expect("was not the same twice. Try again.");
    terminal.expect("Backup passphrase: ");
    terminal.answer("");
    terminal.expect("is empty. Try again.");
    for question in ["Backup passphrase: ", "Once more: "] {
        terminal.expect(question);
        // What was mistyped is taken back by the usual keys.
        terminal.press("nonsense\u{15}");
        terminal.answer(BACKUP);
    }
    for question in ["Custody passphrase: ", "Once more: "] {
        terminal.expect(question);
        terminal.answer(CUSTODY);
    }
    terminal.expect("System ");
    assert_eq!(terminal.modes(), SOUND);
    let ended = terminal.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    for secret in ["horse", "words", "nonsense"] {
        assert!(!ended.said.contains(secret), "{}", ended.said);
    }
    // What was typed is what it is sealed under.
    let drill = desk.json("data", "backup drill first.sealport --passphrase-file backup", &[]);
    assert!(drill["proven"].is_object());
    assert_eq!(desk.json("data", "port list", &[])["total"], 0);
    // A passphrase that opens is asked once.
    let mut terminal = asking(&desk, "port list");
    terminal.expect("Custody passphrase: ");
    terminal.answer(CUSTODY);
    let ended = terminal.end();
    assert!(ended.screen.contains("No port fits.") && !ended.said.contains("Once more"), "{}", ended.screen);
}

#[test]
fn what_is_no_passphrase_makes_nothing() {
    let desk = Desk::new();
    let before = names_in(&desk.path(""));
    // Three tries, then the end.
    let mut terminal = asking(&desk, ASK_ALL);
    for keys in ["\r", CTRL_D, "\r"] {
        terminal.expect("Backup passphrase: ");
        terminal.press(keys);
    }
    let ended = terminal.end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.screen.contains("error: the backup passphrase is empty"), "{}", ended.screen);
    assert_eq!(names_in(&desk.path("")), before);
    // Too short: the engine says so, and there is neither a system nor a backup.
    let mut terminal = asking(&desk, "init --name Hub --custody passphrase --backup first.sealport");
    for (question, words) in [("Backup", "short"), ("Once", "short"), ("Custody", CUSTODY), ("Once", CUSTODY)]
    {
        terminal.expect(question);
        terminal.answer(words);
    }
    let ended = terminal.end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.screen.contains("has fewer than 12 characters"), "{}", ended.screen);
    assert!(!desk.path("first.sealport").exists());
    assert_eq!(desk.json("data", "status", &[])["state"], "no_system");
}

/// Sabotage: leave `interrupt::listen` out of `main`, and the terminal stays silent.
#[test]
fn ctrl_c_in_a_prompt_gives_the_terminal_back() {
    let desk = Desk::new();
    let before = names_in(&desk.path(""));
    for second in [false, true] {
        for signal in [None, Some(Signal::TERM), Some(Signal::HUP)] {
            let mut terminal = asking(&desk, ASK_ALL);
            terminal.expect("Backup passphrase: ");
            if second {
                terminal.answer(BACKUP);
                terminal.expect("Once more: ");
            }
            match signal {
                // Keys and Ctrl+C come in their order; a signal can be faster than keys that are still on their way, which the
                // terminal would then show by itself.
                None => terminal.press(&format!("half a pass{CTRL_C}")),
                Some(signal) => terminal.signal(signal),
            }
            let ended = terminal.end();
            assert_eq!(ended.code, Some(130), "{signal:?}: {}", ended.said);
            assert_eq!(ended.modes, SOUND, "{signal:?}");
            assert!(!ended.said.contains("half") && !ended.said.contains("error"), "{}", ended.said);
            assert_eq!(names_in(&desk.path("")), before);
        }
    }
}

/// Sabotage: take "n" for a yes in `confirm`, and the port is deleted.
#[test]
fn what_can_not_be_undone_easily_is_asked_first() {
    let desk = with_system();
    desk.json("data", "port import", &[FILE]);
    let delete = format!("port delete {PORT}");
    let is_there = || desk.json("data", "port list --search", &[PORT])["total"] == 1;
    for keys in ["n\r", "\r", "nonsense\r", CTRL_D, CTRL_C] {
        let mut terminal = plain(&desk, &delete, 80);
        terminal.expect("Its history stays and it can come back. [y/N] ");
        terminal.press(keys);
        let ended = terminal.end();
        let code = if keys == CTRL_C { 130 } else { 4 };
        assert_eq!(ended.code, Some(code), "{keys:?}: {}", ended.said);
        assert!(
            code == 130 || ended.screen.contains("\nerror: not confirmed; nothing was changed"),
            "{}",
            ended.screen
        );
        assert_eq!(ended.modes, SOUND);
        assert!(is_there(), "{keys:?}");
    }
    // Somebody is there, and can't be asked.
    let log = fs::File::create(desk.path("log")).unwrap();
    let command = pty_process::blocking::Command::from(desk.command("data", &delete, &[])).stderr(log);
    let ended = Terminal::start_with(command, 80).end();
    assert_eq!(ended.code, Some(2), "{}", ended.said);
    assert!(fs::read_to_string(desk.path("log")).unwrap().contains("hint: Add --yes"));
    assert!(is_there());
    let mut terminal = plain(&desk, &delete, 80);
    terminal.expect("[y/N] ");
    terminal.answer("Y");
    assert_eq!(terminal.end().code, Some(0));
    assert!(!is_there());
    desk.json("data", "port undelete", &[PORT]);
    let ended = plain(&desk, &format!("{delete} --yes"), 80).end();
    assert_eq!((ended.code, ended.said.contains("[y/N]")), (Some(0), false), "{}", ended.said);
    assert!(!is_there());
}

/// Sabotage: `abandon` in place of `finish_and_clear`, and the bar stays; take `!global.quiet` away, and it is drawn there.
/// `self` is the same word on every machine, so it is no proof of which one is meant.
/// Sabotage: ask for the word that was given. Seen: `self` is taken.
#[test]
fn an_emergency_asks_for_the_name_of_this_node() {
    let desk = with_system();
    let name = desk.json("data", "status", &[])["node"]["name"].as_str().unwrap().to_owned();
    let answered = |answer: &str| {
        let mut terminal = plain(&desk, "promote self --emergency", 80);
        terminal.expect(&format!("Type {name} to go on: "));
        terminal.answer(answer);
        terminal.end()
    };
    let wrong = answered("self");
    assert_eq!(wrong.code, Some(4), "{}", wrong.screen);
    assert!(wrong.screen.contains("not confirmed; nothing was changed"), "{}", wrong.screen);
    // The right name leads on: to what else stands in the way of a promotion here.
    let right = answered(&name);
    assert_eq!(right.code, Some(4), "{}", right.screen);
    assert!(right.screen.contains("does not listen"), "{}", right.screen);
}

#[test]
fn progress_counts_estimates_and_goes() {
    let desk = with_system();
    desk.file("large.xml", &large(SECONDS_OF_PORTS));
    let mut terminal = plain(&desk, "port import large.xml", 80);
    terminal.expect("Sealing ports [");
    terminal.expect("/12,000, about ");
    terminal.expect(" s left");
    let ended = terminal.end();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.screen.contains("Sealing ports"), "{}", ended.screen);
    for quiet in ["--quiet", "--json"] {
        let ended = plain(&desk, &format!("port import {quiet} {FILE}"), 80).end();
        assert_eq!(ended.code, Some(0));
        assert!(!ended.said.contains("Sealing") && !ended.said.contains('\u{1b}'), "{quiet}: {}", ended.said);
    }
    let mut command = desk.command("data", "port import", &[FILE]);
    let output = finish(&mut command, "");
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

/// Sabotage: let the engine not look at `cancel`, and all of it is done; write before the last look, and something stays.
#[test]
fn ctrl_c_in_long_work_leaves_nothing_half_done() {
    let desk = with_system();
    desk.file("large.xml", &large(MOMENT_OF_PORTS));
    let cancelled = |line: &str, working: &str| {
        let before = names_in(&desk.path(""));
        let mut terminal = plain(&desk, line, 80);
        terminal.expect(working);
        terminal.press(CTRL_C);
        let ended = terminal.end();
        assert_eq!(ended.code, Some(4), "{line}: {}", ended.screen);
        assert_eq!(ended.modes, SOUND);
        // The terminal's own ^C pushes the bar up; below it stand what happens and what came of it, and no bar.
        let (_, below) = ended.screen.split_once("Cancelling. Ctrl+C again ends at once.\n").unwrap();
        assert!(below.starts_with("error: Cancelled. Nothing was changed."), "{line}: {}", ended.screen);
        assert!(!below.contains(working), "{line}: {}", ended.screen);
        assert_eq!(names_in(&desk.path("")), before, "{line}");
        let data = names_in(&desk.path("data")).into_iter().filter(|name| !name.starts_with("sealport.db"));
        assert!(data.eq(["custody.age", "lock", "sealport.toml"]), "{line}");
        // The last act of the trail is an earlier one, and the trail is whole.
        let trail = desk.json("data", "audit list", &[]);
        assert_eq!(trail["broken_at"], serde_json::Value::Null);
        trail["entries"][0]["act"].as_str().unwrap().to_owned()
    };
    assert_eq!(cancelled("port import large.xml", "Sealing ports ["), "backup.create");
    assert_eq!(desk.json("data", "port list", &[])["total"], 0);
    assert_eq!(desk.json("data", "port documents", &[])["documents"], serde_json::json!([]));

    desk.json("data", "port import", &["large.xml"]);
    let create = "backup create second.sealport --passphrase-file backup";
    assert_eq!(cancelled(create, "Proving the backup ["), "port.import");
    let drill = "backup drill first.sealport --passphrase-file backup";
    desk.json("data", drill, &[]);

    // Many files, since an export counts in files.
    let files: Vec<String> = (0..60).map(|number| format!("many{number}.xml")).collect();
    for (number, file) in files.iter().enumerate() {
        desk.file(file, &large(40).replace("Send", &format!("Many{number}.")));
    }
    desk.json("data", "port import", &files.iter().map(String::as_str).collect::<Vec<_>>());
    let export = "port export --out open --secrets include --yes";
    assert_eq!(cancelled(export, "Exporting documents ["), "port.import");
    assert_eq!(desk.json("data", export, &[])["files"].as_array().unwrap().len(), 61);
}

/// A service that hangs: it takes a request and hears no cancel, until the test lets it go.
struct Deaf(Mutex<Receiver<()>>);

impl Handle for Deaf {
    fn handle(&self, _: Request, call: &Call<'_>) -> Result<Response, Error> {
        let doing = "Hanging".to_owned();
        (call.notify)(Notice::Progress { doing, done: 1, total: 2, seconds_left: None });
        let _ = self.0.lock().unwrap().recv_timeout(Duration::from_secs(60));
        Err(Error::new(Code::Cancelled, "heard at last"))
    }
}

/// Sabotage: let the handler return where the flag is true already, and the command hangs with the service.
#[test]
fn the_second_ctrl_c_ends_at_once() {
    let (let_go, waits) = channel();
    let served = Served::start(Deaf(Mutex::new(waits)));
    let mut command = sealport(&served.path(""), &served.data_dir());
    command.arg("status");
    let mut terminal = Terminal::start(command, 80);
    terminal.expect("Hanging [");
    terminal.press(CTRL_C);
    terminal.expect("Cancelling. Ctrl+C again ends at once.");
    terminal.press(CTRL_C);
    let ended = terminal.end();
    assert_eq!((ended.code, ended.modes), (Some(130), SOUND), "{}", ended.said);
    let_go.send(()).unwrap();
}

#[test]
fn tables_fit_the_terminal() {
    let desk = with_system();
    desk.json("data", "port import", &[FILE]);
    for (line, columns) in
        [("port list", 80), ("port list", 132), ("port list", 40), ("port missing", 80), ("audit list", 80)]
    {
        let ended = plain(&desk, line, columns).end();
        assert_eq!(ended.code, Some(0));
        assert!(!ended.said.contains(['\u{1b}', '\u{200b}']), "{line}: {}", ended.said);
        // What is copied from there must be whole: ids, and values that have a line of their own.
        let table = ended.said.lines().filter(|line| columns > 40 || line.starts_with("KIND"));
        for line in table {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
    let id = desk.json("data", "port list --search", &[PORT])["ports"][0]["id"].as_str().unwrap().to_owned();
    let said = |columns| plain(&desk, "port list", columns).end().said;
    // Whole, where there is room for it and where each value has its line; else names have the room.
    assert!(said(132).contains(&id) && said(40).contains(&format!("ID           {id}\r\n")));
    assert!(!said(80).contains(&id[..8]) && !said(80).contains("ID "));
    // Only behind words and parts, and nothing is lost where a line breaks.
    assert!(said(80).contains("Freight.     SFTP"), "{}", said(80));
    assert!(said(40).contains(&format!("NAME         {PORT}\r\n")));
    let document =
        desk.json("data", "port documents", &[])["documents"][0]["id"].as_str().unwrap().to_owned();
    assert!(plain(&desk, "port documents", 80).end().said.contains(&document));
    // Where it goes elsewhere nothing is fitted.
    let output = finish(&mut desk.command("data", "port list", &[]), "");
    assert!(desk::out(&output).contains(&id));
}
