//! Alerts as notifications of the desktop: each raise and each end once, as the service tells them.
//!
//! Promises: a desktop that shows none, or does not answer, holds nobody up. A notification says what the alert says, which
//! never is a value or the name of a port.

use std::{
    collections::HashMap,
    sync::mpsc::{self, Receiver, SyncSender},
};

use notify_rust::Notification;
use sealport_core::api::{AlertView, Notice, Severity};

/// Alerts that wait for a desktop which does not answer; later ones are left out.
const WAITING: usize = 32;

/// Hands alerts to the desktop.
pub struct Alerts(SyncSender<Told>);

struct Told {
    raised: bool,
    alert: AlertView,
}

impl Alerts {
    /// Begins to wait for alerts.
    pub fn start() -> Self {
        let (alerts, coming) = mpsc::sync_channel(WAITING);
        // Where no thread can be had nothing is shown, and the window says the same.
        let _ = std::thread::Builder::new().name("notifications".to_owned()).spawn(move || show_all(&coming));
        Self(alerts)
    }

    /// Shows an alert, if the notice is one that the settings let through.
    pub fn heard(&self, notice: &Notice) {
        if let Notice::Alert { raised, alert, notify: true } = notice {
            let _ = self.0.try_send(Told { raised: *raised, alert: alert.clone() });
        }
    }
}

fn show_all(alerts: &Receiver<Told>) {
    // The end of an alert takes the place of its raise.
    let mut shown = HashMap::new();
    for told in alerts {
        let mut notification = notification(&told);
        if let Some(id) = shown.remove(&told.alert.id) {
            notification.id(id);
        }
        if let Ok(handle) = notification.show() {
            #[cfg(all(unix, not(target_os = "macos")))]
            shown.insert(told.alert.id, handle.id());
            #[cfg(not(all(unix, not(target_os = "macos"))))]
            drop(handle);
        }
    }
}

fn notification(told: &Told) -> Notification {
    let mut notification = Notification::new();
    let (summary, body) = words(told);
    notification.appname("Sealport").summary(summary).body(&plain(body));
    #[cfg(all(unix, not(target_os = "macos")))]
    notification.icon("sealport").urgency(match (told.raised, told.alert.severity) {
        // Such a one stays until it is read, or ends.
        (true, Severity::Critical) => notify_rust::Urgency::Critical,
        (true, Severity::Warning) => notify_rust::Urgency::Normal,
        _ => notify_rust::Urgency::Low,
    });
    #[cfg(windows)]
    notification.app_id("app.sealport.desktop");
    notification
}

/// Heading and text.
fn words(Told { raised, alert }: &Told) -> (&'static str, String) {
    match (raised, alert.severity) {
        (false, _) => ("Sealport: this is over", alert.message.clone()),
        (true, Severity::Critical) => {
            ("Sealport needs you now", format!("{}\n{}", alert.message, alert.hint))
        }
        (true, Severity::Warning) => ("Sealport needs you", format!("{}\n{}", alert.message, alert.hint)),
        (true, Severity::Info) => ("Sealport", alert.message.clone()),
    }
}

/// A text that the desktop shows as it is, whether or not it reads markup.
fn plain(text: String) -> String {
    #[cfg(all(unix, not(target_os = "macos")))]
    if notify_rust::get_capabilities().is_ok_and(|can| can.iter().any(|what| what == "body-markup")) {
        return text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(severity: Severity) -> AlertView {
        AlertView {
            id: "backup_old".to_owned(),
            severity,
            message: "The last proof of a backup is 40 days old.".to_owned(),
            hint: "Back up again.".to_owned(),
            since: None,
        }
    }

    /// Sabotage: wait in `heard` until the desktop takes the alert; show what the settings hold back.
    #[test]
    fn a_desktop_that_takes_nothing_holds_nobody_up() {
        let (alerts, kept) = mpsc::sync_channel(WAITING);
        let alerts = Alerts(alerts);
        let say = |notify| {
            alerts.heard(&Notice::Alert { raised: true, alert: alert(Severity::Warning), notify });
        };
        say(false);
        assert!(kept.try_recv().is_err(), "it is switched off");
        (0..100).for_each(|_| say(true));
        assert_eq!(kept.try_iter().count(), WAITING);
    }

    #[test]
    fn a_raise_says_what_to_do_and_an_end_does_not() {
        let told = |raised, severity| words(&Told { raised, alert: alert(severity) });
        let (summary, body) = told(true, Severity::Critical);
        assert_eq!(
            (summary, body.as_str()),
            ("Sealport needs you now", "The last proof of a backup is 40 days old.\nBack up again.")
        );
        let (summary, body) = told(false, Severity::Critical);
        assert_eq!(
            (summary, body.as_str()),
            ("Sealport: this is over", "The last proof of a backup is 40 days old.")
        );
    }
}
