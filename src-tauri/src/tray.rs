//! The tray icon: how this node is, by shape and in one sentence, and the way back to the window.
//!
//! Promises: it says what the window was last told, so it asks nothing and opens no keyring. Where no tray takes it, or
//! nothing answers there, nobody waits. No name of a port and no value is in it.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    mpsc::{self, Receiver, SyncSender},
};

use sealport_core::{
    Error,
    api::{NodeState, Response, Severity, StatusView},
};
use tauri::{AppHandle, Manager, image::Image};

use crate::single;

#[cfg(target_os = "linux")]
#[path = "tray/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "tray/other.rs"]
mod system;

/// Looks that wait for a tray which is slow to take them; later ones are left out.
const WAITING: usize = 8;

/// What the icon shows. Each has a shape of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// There is no system, or the node has just started.
    Empty,
    /// It seals and opens, and nobody is needed.
    Sound,
    /// It seals and opens, but somebody is needed.
    Notice,
    /// Nothing new is sealed.
    Refused,
    /// Nothing is sealed or opened.
    Shut,
}

/// What is seen of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The shape.
    pub sign: Sign,
    /// One sentence.
    pub sentence: String,
}

/// The application, once there is one.
pub type App = Arc<OnceLock<AppHandle>>;

/// The icon.
pub struct Tray {
    looks: SyncSender<Look>,
    shown: Mutex<Look>,
}

impl Tray {
    /// Puts the icon up, where there is a place for it.
    pub fn start(app: App) -> Self {
        let (looks, coming) = mpsc::sync_channel(WAITING);
        let first = Look { sign: Sign::Empty, sentence: "Sealport is opening.".to_owned() };
        let begin = first.clone();
        // Where no thread can be had there is no icon, and the window says the same.
        let _ = std::thread::Builder::new()
            .name("tray".to_owned())
            .spawn(move || system::show(app, begin, Newest(coming)));
        Self { looks, shown: Mutex::new(first) }
    }

    /// Shows what an answer to the window says of the node.
    pub fn heard(&self, answer: &Result<Response, Error>, sample: bool) {
        if let Ok(Response::Status(status)) = answer {
            self.show(look_of(status, sample));
        }
    }

    /// Shows a look, unless it is shown already.
    pub fn show(&self, look: Look) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != look && self.looks.try_send(look.clone()).is_ok() {
            *shown = look;
        }
    }
}

/// What is to be shown next; what came before it is not worth showing any more.
struct Newest(Receiver<Look>);

impl Iterator for Newest {
    type Item = Look;

    fn next(&mut self) -> Option<Look> {
        let next = self.0.recv().ok()?;
        Some(self.0.try_iter().last().unwrap_or(next))
    }
}

/// What to show of a node that is so.
fn look_of(status: &StatusView, sample: bool) -> Look {
    let look = |sign, sentence: String| Look { sign, sentence };
    if sample {
        return look(Sign::Empty, "The sample system is open; nothing is kept.".to_owned());
    }
    let node = status.node.as_ref().map_or("This node", |node| &node.name);
    let worst = status.alerts.iter().find(|alert| alert.severity != Severity::Info);
    let reason = status.sealing.reason.clone().unwrap_or_else(|| "Nothing new can be sealed.".to_owned());
    match status.state {
        NodeState::NoSystem => look(Sign::Empty, "There is no system here yet.".to_owned()),
        NodeState::Starting => look(Sign::Empty, format!("{node} waits to hear from its master.")),
        NodeState::NoSecret | NodeState::Fenced => look(Sign::Shut, reason),
        NodeState::Degraded | NodeState::Stale => look(Sign::Refused, reason),
        NodeState::Synced => match worst {
            Some(alert) => look(Sign::Notice, alert.message.clone()),
            None => look(Sign::Sound, format!("{node} seals and opens; nothing needs you.")),
        },
    }
}

impl Sign {
    /// Its picture.
    fn image(self) -> Image<'static> {
        match self {
            Sign::Empty => tauri::include_image!("../icons/tray/empty.png"),
            Sign::Sound => tauri::include_image!("../icons/tray/sound.png"),
            Sign::Notice => tauri::include_image!("../icons/tray/notice.png"),
            Sign::Refused => tauri::include_image!("../icons/tray/refused.png"),
            Sign::Shut => tauri::include_image!("../icons/tray/shut.png"),
        }
    }
}

/// Brings the window to the front.
fn open(app: &App) {
    if let Some(app) = app.get() {
        let window = app.clone();
        // Where the loop has ended there is no window to show.
        let _ = app.run_on_main_thread(move || single::show(&window));
    }
}

/// Ends the application as closing its window does, which asks first where something would be lost.
fn quit(app: &App) {
    let Some(app) = app.get() else { return };
    match app.get_webview_window("main") {
        Some(window) => drop(window.close()),
        None => app.exit(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: NodeState) -> StatusView {
        let engine = sealport_node::engine::Engine::explore().unwrap();
        let mut status = engine.status_view().unwrap();
        status.alerts.clear();
        status.state = state;
        status
    }

    /// Sabotage: take the same sign for a node that opens and one that does not; look at alerts of no weight too.
    #[test]
    fn each_state_has_its_sign_and_one_sentence() {
        let signs = [
            (NodeState::NoSystem, Sign::Empty),
            (NodeState::Starting, Sign::Empty),
            (NodeState::Synced, Sign::Sound),
            (NodeState::Degraded, Sign::Refused),
            (NodeState::Stale, Sign::Refused),
            (NodeState::NoSecret, Sign::Shut),
            (NodeState::Fenced, Sign::Shut),
        ];
        for (state, sign) in signs {
            let look = look_of(&status(state), false);
            assert_eq!(look.sign, sign, "{state:?}");
            assert!(look.sentence.ends_with('.') && !look.sentence.contains('\n'), "{}", look.sentence);
        }
        let mut troubled = status(NodeState::Synced);
        let alert = |severity| sealport_core::api::AlertView {
            id: "backup_old".to_owned(),
            severity,
            message: "The last proof of a backup is 40 days old.".to_owned(),
            hint: String::new(),
            since: None,
        };
        troubled.alerts = vec![alert(Severity::Info)];
        assert_eq!(look_of(&troubled, false).sign, Sign::Sound);
        troubled.alerts.push(alert(Severity::Warning));
        assert_eq!(
            look_of(&troubled, false),
            Look { sign: Sign::Notice, sentence: troubled.alerts[1].message.clone() }
        );
        assert_eq!(look_of(&troubled, true).sign, Sign::Empty, "the sample system worries nobody");
    }

    /// Colour alone must not tell them apart: without it, each picture still differs from each other one in its outline
    /// or in what is drawn dark and bright.
    /// Sabotage: copy one picture over another one.
    #[test]
    fn signs_differ_without_their_colours() {
        let signs = [Sign::Empty, Sign::Sound, Sign::Notice, Sign::Refused, Sign::Shut];
        // Bright, dark or not there, for each of 16 by 16 parts of the picture.
        let shape = |sign: Sign| -> Vec<u8> {
            let image = sign.image();
            assert_eq!((image.width(), image.height()), (64, 64));
            let at = |x: usize, y: usize| &image.rgba()[(y * 64 + x) * 4..][..4];
            let part = |n: usize| {
                let pixel = at(n % 16 * 4 + 2, n / 16 * 4 + 2);
                let light = 2 * u32::from(pixel[0]) + 5 * u32::from(pixel[1]) + u32::from(pixel[2]);
                if pixel[3] < 128 { 0 } else { 1 + u8::from(light > 8 * 128) }
            };
            (0..256).map(part).collect()
        };
        for (n, one) in signs.iter().enumerate() {
            for other in &signs[n + 1..] {
                let (a, b) = (shape(*one), shape(*other));
                let apart = a.iter().zip(&b).filter(|(a, b)| a != b).count();
                assert!(apart >= 16, "{one:?} and {other:?} differ in {apart} of 256 parts");
            }
        }
    }

    /// Sabotage: wait in `show` until the tray takes the look.
    #[test]
    fn a_tray_that_takes_nothing_holds_nobody_up() {
        let (looks, kept) = mpsc::sync_channel(WAITING);
        let first = Look { sign: Sign::Empty, sentence: String::new() };
        let tray = Tray { looks, shown: Mutex::new(first) };
        let look = |second| Look { sign: Sign::Refused, sentence: format!("Not heard for {second} s.") };
        (0..100).for_each(|second| tray.show(look(second)));
        let mut newest = Newest(kept);
        assert_eq!(newest.next(), Some(look(WAITING - 1)));
        // With room again it catches up.
        tray.show(look(99));
        assert_eq!(newest.next(), Some(look(99)));
    }
}
