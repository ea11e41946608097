//! A drag source: a small window that offers files, as a file manager's does, in a process of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use gtk::{gdk, glib, prelude::*};

/// Names the files for the process that offers them, one a line.
const FILES: &str = "SEALPORT_TEST_DRAG";

/// What the window is called, for whoever looks for it.
pub const TITLE: &str = "files to drag";

/// Files that hang in a window at the left upper corner of the screen; it goes with this value.
#[derive(Debug)]
pub struct Offered(Child);

impl Offered {
    /// Offers files from a child process, which is this binary with `test` as the one test that it runs.
    pub fn start(test: &str, files: &[PathBuf]) -> Self {
        let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        let program = std::env::current_exe().expect("the test knows itself");
        let mut command = Command::new(program);
        command.args(["--exact", test, "--nocapture"]).env(FILES, files.join("\n"));
        Self(command.stdout(Stdio::null()).spawn().expect("the test runs itself"))
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the child: shows the window until the parent ends it. In any other run: nothing.
pub fn offer_if_asked() {
    let Ok(files) = std::env::var(FILES) else { return };
    gtk::init().expect("a display");
    let uris: Vec<String> = files
        .lines()
        .map(|file| glib::filename_to_uri(file, None).expect("an absolute path").to_string())
        .collect();
    // A popup stands where it is put, and above other windows, with no window manager to ask.
    let window = gtk::Window::new(gtk::WindowType::Popup);
    window.set_title(TITLE);
    window.set_default_size(40, 40);
    window.drag_source_set(gdk::ModifierType::BUTTON1_MASK, &[], gdk::DragAction::COPY);
    window.drag_source_add_uri_targets();
    window.connect_drag_data_get(move |_, _, data, _, _| {
        data.set_uris(&uris.iter().map(String::as_str).collect::<Vec<_>>());
    });
    window.move_(0, 0);
    window.show_all();
    gtk::main();
}
