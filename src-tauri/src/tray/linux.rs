//! The tray of Linux desktops: a StatusNotifierItem over the session's bus. Tauri's own tray has no tooltip there, and ends
//! the process where a library is missing.

use ksni::{Category, Icon, MenuItem, Status, ToolTip, Tray, blocking::TrayMethods, menu::StandardItem};

use super::{App, Look, Newest, Sign, open, quit};

struct Item {
    app: App,
    look: Look,
}

/// Shows `look` and then each newer one, wherever a tray is there or comes later.
pub(super) fn show(app: App, look: Look, newer: Newest) {
    let item = Item { app, look };
    // Without a bus there is nobody to show it to.
    let Ok(shown) = item.assume_sni_available(true).spawn() else { return };
    for look in newer {
        shown.update(|item| item.look = look);
    }
}

impl Tray for Item {
    fn id(&self) -> String {
        "app.sealport.desktop".to_owned()
    }

    fn title(&self) -> String {
        "Sealport".to_owned()
    }

    fn category(&self) -> Category {
        Category::SystemServices
    }

    fn status(&self) -> Status {
        match self.look.sign {
            Sign::Empty | Sign::Sound => Status::Active,
            Sign::Notice | Sign::Refused | Sign::Shut => Status::NeedsAttention,
        }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        let image = self.look.sign.image();
        let side = |length: u32| i32::try_from(length).unwrap_or_default();
        // RGBA here, ARGB there.
        let mut data = image.rgba().to_vec();
        data.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel.rotate_right(1));
        vec![Icon { width: side(image.width()), height: side(image.height()), data }]
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        self.icon_pixmap()
    }

    fn tool_tip(&self) -> ToolTip {
        let title = "Sealport".to_owned();
        // A description may hold markup, so what could be taken for it is not let through.
        let description = escaped(&self.look.sentence);
        ToolTip { title, description, ..ToolTip::default() }
    }

    fn activate(&mut self, _: i32, _: i32) {
        open(&self.app);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let item = |label: &str, does: fn(&App)| {
            let activate = Box::new(move |item: &mut Self| does(&item.app));
            MenuItem::from(StandardItem { label: label.to_owned(), activate, ..StandardItem::default() })
        };
        // One underscore would mark the key of a menu line.
        let label = self.look.sentence.replace('_', "__");
        let state = StandardItem { label, enabled: false, ..StandardItem::default() };
        vec![
            item("Open Sealport", open),
            MenuItem::Separator,
            state.into(),
            MenuItem::Separator,
            item("Quit", quit),
        ]
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
