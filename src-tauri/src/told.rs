//! Proof that the desktop is told: alerts and looks go out from a process of its own, over a message bus of its own, to a
//! notification daemon and a tray that this test owns.

#![allow(clippy::unwrap_used, reason = "all of it is test")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use sealport_core::api::{AlertView, Notice, Severity};

use crate::{
    alerts::Alerts,
    panel::{Bus, Panel},
    tray::{Look, Sign, Tray},
};

const CHILD: &str = "SEALPORT_TEST_TOLD";
/// How long a daemon or a tray that does not answer may hold up the one who tells.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The process that tells, word by word.
struct Teller {
    child: Child,
    words: ChildStdin,
    done: mpsc::Receiver<String>,
}

impl Teller {
    fn start(bus: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["told::child", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .env("DBUS_SESSION_BUS_ADDRESS", bus)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let (say, done) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = said.lines().map_while(Result::ok).filter(|line| line.starts_with("did "));
            lines.for_each(|line| say.send(line).unwrap_or_default());
        });
        Self { child, words, done }
    }

    /// Has it tell something, and waits until the telling side is free again.
    fn tell(&mut self, word: &str) -> Duration {
        let begun = Instant::now();
        writeln!(self.words, "{word}").unwrap();
        let done = self.done.recv_timeout(Duration::from_secs(60)).expect("the teller goes on");
        assert_eq!(done, format!("did {word}"));
        begun.elapsed()
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process that tells does: a word is a raise, an end, or a look.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (alerts, tray) = (Alerts::start(), Tray::start(crate::tray::App::default()));
    let alert = |severity| AlertView {
        id: "master_unreachable".to_owned(),
        severity,
        message: "The master HUB <1> & co was not heard for 25 s.".to_owned(),
        hint: "Bring the master back.".to_owned(),
        since: None,
    };
    println!();
    for word in std::io::stdin().lines().map_while(Result::ok) {
        let say = |raised, severity, notify| {
            alerts.heard(&Notice::Alert { raised, alert: alert(severity), notify });
        };
        match word.as_str() {
            "raise" => say(true, Severity::Critical, true),
            "raise in silence" => say(true, Severity::Critical, false),
            "end" => say(false, Severity::Critical, true),
            "refused" => {
                tray.show(Look { sign: Sign::Refused, sentence: "HUB_<1> seals nothing new.".to_owned() });
            }
            "sound" => tray.show(Look { sign: Sign::Sound, sentence: "All is well.".to_owned() }),
            other => panic!("{other}"),
        }
        println!("did {word}");
    }
}

/// Sabotage: take no number of a former one; let markup through; show in spite of the setting.
#[test]
fn a_raise_and_its_end_are_shown_once_each_and_in_one_place() {
    let bus = Bus::start();
    let panel = Panel::start(&bus.address);
    let mut teller = Teller::start(&bus.address);
    for word in ["raise in silence", "raise", "end", "raise"] {
        teller.tell(word);
    }
    let end = Instant::now() + Duration::from_secs(60);
    while panel.notes().len() < 3 {
        assert!(Instant::now() < end, "{:?}", panel.notes());
        std::thread::sleep(Duration::from_millis(20));
    }
    let notes = panel.notes();
    let seen: Vec<_> =
        notes.iter().map(|note| (note.summary.as_str(), note.urgency, note.replaces)).collect();
    let (raised, over) = (("Sealport needs you now", 2), ("Sealport: this is over", 0));
    // The end stands where the raise stood, and so does another raise.
    assert_eq!(
        seen,
        [(raised.0, raised.1, 0), (over.0, over.1, notes[0].id), (raised.0, raised.1, notes[0].id)]
    );
    let message = "The master HUB &lt;1&gt; &amp; co was not heard for 25 s.";
    assert_eq!(notes[0].body, format!("{message}\nBring the master back."));
    assert_eq!(notes[1].body, message);
}

/// Sabotage: let the icon keep its first look; give up where no tray is there yet; let the line of the state be chosen.
#[test]
fn the_tray_shows_each_look_also_where_it_comes_later() {
    let bus = Bus::start();
    let mut teller = Teller::start(&bus.address);
    teller.tell("sound");
    // It has looked for a tray, in vain.
    bus.has("org.kde.StatusNotifierItem-");
    let panel = Panel::start(&bus.address);
    let sound = panel.icon("is sound", |icon| icon.tooltip == "All is well.");
    assert_eq!((sound.status.as_str(), sound.pixels.0, sound.pixels.1), ("Active", 64, 64));
    assert_eq!(sound.pixels.2.len(), 64 * 64 * 4);
    // ARGB: the middle of the seal is opaque.
    assert_eq!(sound.pixels.2[(32 * 64 + 32) * 4], 255);
    teller.tell("refused");
    let refused = panel.icon("refuses", |icon| icon.tooltip == "HUB_&lt;1&gt; seals nothing new.");
    assert_eq!(refused.status, "NeedsAttention");
    assert_ne!(refused.pixels, sound.pixels);
    let menu = panel.menu();
    let lines: Vec<_> = menu.iter().map(|line| (line.label.as_str(), line.enabled)).collect();
    assert_eq!(lines, [("Open Sealport", true), ("HUB__<1> seals nothing new.", false), ("Quit", true)]);
    teller.tell("sound");
    assert_eq!(panel.icon("is sound again", |icon| icon.tooltip == "All is well."), sound);
}

/// Sabotage: show alerts on the thread that tells.
#[test]
fn a_desktop_that_is_not_there_or_does_not_answer_holds_nobody_up() {
    // No bus; a bus with nobody on it; a daemon that takes notifications and never answers.
    let nobody = Bus::start();
    let silent = Bus::start();
    let panel = Panel::start(&silent.address);
    panel.fall_silent();
    // One that takes connections and says nothing at all.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let _deaf = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let deaf = format!("unix:path={}", path.display());
    for bus in ["unix:path=/nowhere/at/all", &nobody.address, &silent.address, &deaf] {
        let mut teller = Teller::start(bus);
        teller.tell("sound");
        for word in ["raise", "end", "refused", "raise", "sound"] {
            let took = teller.tell(word);
            assert!(took < AT_ONCE, "{bus}: {word} took {took:?}");
        }
    }
    assert!(panel.notes().is_empty());
}
