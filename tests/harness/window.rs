//! The real window under WebDriver: found by the words that people read, driven by the keys that they press.
//!
//! Every wait has a deadline; the driver and the window end with the value that holds them.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask};

use crate::drag;

/// How long anything in the window may take. The machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the X server calls the window; a pattern.
const NAME: &str = "^Sealport$";

/// A screen of the rail.
#[derive(Clone, Copy)]
pub enum Screen {
    /// What is true now.
    Overview,
    /// The ports.
    Ports,
    /// Importing.
    Import,
    /// Missing secrets.
    Missing,
    /// Master secret and backup.
    Master,
    /// The nodes of the system.
    Nodes,
    /// The audit trail.
    Activity,
    /// Settings.
    Settings,
}

impl Screen {
    /// All of them.
    pub const ALL: [Screen; 8] = [
        Screen::Overview,
        Screen::Ports,
        Screen::Import,
        Screen::Missing,
        Screen::Master,
        Screen::Nodes,
        Screen::Activity,
        Screen::Settings,
    ];

    /// The word in the rail.
    pub fn name(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Ports => "Ports",
            Screen::Import => "Import",
            Screen::Missing => "Missing secrets",
            Screen::Master => "Master secret",
            Screen::Nodes => "Nodes",
            Screen::Activity => "Activity",
            Screen::Settings => "Settings",
        }
    }

    /// The start of its pictures' names.
    pub fn file(self) -> String {
        self.name().to_lowercase().replace(' ', "-")
    }
}

/// The application with its driver.
pub struct Window {
    client: Client,
    driver: Driver,
    data_dir: PathBuf,
    pictures: PathBuf,
}

/// The driver's process group, with the window in it.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // The window outlives a driver that is ended alone, so the whole group goes.
        if let Some(group) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

impl Window {
    /// Opens the application on a data directory, in the session of the test.
    pub async fn open(data_dir: &Path) -> Self {
        Self::open_in(data_dir, |_| {}).await
    }

    /// Opens the application on a data directory; `enter` puts it into a session of its own.
    pub async fn open_in(data_dir: &Path, enter: impl FnOnce(&mut Command)) -> Self {
        let variable =
            |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("a free port")
            .local_addr()
            .expect("a port")
            .port();
        let mut driver = Command::new("WebKitWebDriver");
        enter(&mut driver);
        let driver = driver
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("WebKitWebDriver runs: apt-get install webkit2gtk-driver");
        let driver = Driver(driver);
        let binary = variable("SEALPORT_BIN_DIR").join("sealport-desktop");
        let wanted = json!({"webkitgtk:browserOptions": {
            "binary": binary, "args": ["--data-dir", data_dir],
        }});
        let end = Instant::now() + PATIENCE;
        let client = loop {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let capabilities = wanted.as_object().expect("an object").clone();
            match builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await {
                Ok(client) => break client,
                Err(error) if Instant::now() > end => panic!("the window does not open: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let pictures = variable("SEALPORT_ARTIFACTS").join("window");
        fs::create_dir_all(&pictures).expect("a folder for pictures");
        Self { client, driver, data_dir: data_dir.to_owned(), pictures }
    }

    /// Closes the window and the driver.
    pub async fn close(self) {
        let _ = self.client.close().await;
        drop(self.driver);
        // The engine lets go of the data directory last: the lock is free when the process is gone.
        let end = Instant::now() + PATIENCE;
        while sealport_node::lock::DirectoryLock::take(&self.data_dir).is_err() {
            assert!(Instant::now() < end, "the window does not let go of its data directory");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the test with a picture that has its name, and with the words that stand in the window.
    async fn fails(&self, what: &str) -> ! {
        let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let picture = format!("failed-{test}");
        self.picture(&picture).await;
        let body = self.client.find(Locator::Css("body")).await;
        let words = match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        panic!("{what} (see {picture}.png). The window says:\n{words}");
    }

    async fn find(&self, xpath: &str, what: &str) -> Element {
        match self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(xpath)).await {
            Ok(element) => element,
            Err(error) => {
                self.fails(&format!("{what} is not in the window: {error}")).await;
            }
        }
    }

    /// Waits until a text is in the window.
    pub async fn sees(&self, text: &str) {
        let quoted = quote(text);
        let xpath = format!("//*[contains(normalize-space(.), {quoted}) or contains(@aria-label, {quoted})]");
        self.find(&xpath, &format!("the text “{text}”")).await;
    }

    /// Waits until a text is no longer in the window. What goes by itself may take longer than what answers a press.
    pub async fn is_gone(&self, text: &str) {
        let xpath = format!("//*[contains(normalize-space(text()), {})]", quote(text));
        let end = Instant::now() + 2 * PATIENCE;
        while self.client.find(Locator::XPath(&xpath)).await.is_ok() {
            if Instant::now() > end {
                self.fails(&format!("the text “{text}” stays in the window")).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses the button, radio or link by this name once it can be pressed.
    pub async fn press(&self, name: &str) {
        let quoted = quote(name);
        self.click(&named(&format!("normalize-space(.) = {quoted} or @aria-label = {quoted}")), name).await;
    }

    /// Waits until a text is in the window, and presses a button by this name where one is there meanwhile.
    pub async fn press_until(&self, name: &str, text: &str) {
        let quoted = quote(name);
        let button = named(&format!("normalize-space(.) = {quoted}"));
        let wanted = format!("//*[contains(normalize-space(.), {})]", quote(text));
        let end = Instant::now() + 2 * PATIENCE;
        while self.client.find(Locator::XPath(&wanted)).await.is_err() {
            if Instant::now() > end {
                self.fails(&format!("the text “{text}” does not come, whatever “{name}” does")).await;
            }
            if let Ok(button) = self.client.find(Locator::XPath(&button)).await {
                // It may be gone already.
                let _ = button.click().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As `press`, for names that end in a number.
    pub async fn press_starting(&self, name: &str) {
        let quoted = quote(name);
        self.click(&named(&format!("starts-with(normalize-space(.), {quoted})")), name).await;
    }

    async fn click(&self, xpath: &str, name: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.find(xpath, &format!("“{name}”")).await;
            // It may be covered or replaced while the page changes: look for it again.
            match element.click().await {
                Ok(()) => return,
                Err(error) if Instant::now() > end => {
                    self.fails(&format!("“{name}” can't be pressed: {error}")).await;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Goes to a screen by the rail.
    pub async fn go(&self, screen: &str) {
        let quoted = quote(screen);
        let xpath = format!(
            "//nav[@aria-label='Screens']//a[contains(normalize-space(.), {quoted}) or @aria-label = {quoted}]"
        );
        self.click(&xpath, screen).await;
    }

    /// Picks a tab.
    pub async fn choose_tab(&self, name: &str) {
        self.click(&format!("//*[@role='tab' and normalize-space(.) = {}]", quote(name)), name).await;
    }

    /// Opens the row of a grid that has this text in it.
    pub async fn open_row(&self, text: &str) {
        self.click(&format!("//*[@role='row' and contains(., {})]", quote(text)), text).await;
    }

    /// Writes into the field by this label, in the place of what is there.
    pub async fn write(&self, label: &str, text: &str) {
        let field = self.find(&field(label), &format!("the field “{label}”")).await;
        replace(&field, text).await;
    }

    /// Whether there is a field by this label, now.
    pub async fn has_field(&self, label: &str) -> bool {
        self.settle().await;
        self.client.find(Locator::XPath(&field(label))).await.is_ok()
    }

    /// Writes into the field of a property, by its path.
    pub async fn replace_at(&self, path: &str, text: &str) {
        let xpath = format!("//input[@data-path = {0}] | //*[@data-path = {0}]//input", quote(path));
        let field = self.find(&xpath, &format!("the property {path}")).await;
        replace(&field, text).await;
    }

    /// Answers a native dialog with a path, as a person would: the keys go through the X server.
    pub async fn answer_dialog(&self, title: &str, path: &Path) {
        let id = self.dialog(title).await;
        let path = path.to_string_lossy();
        xdotool(&["windowfocus", "--sync", &id]);
        xdotool(&["mousemove", "--window", &id, "300", "12", "click", "1"]);
        xdotool(&["key", "--window", &id, "ctrl+l"]);
        xdotool(&["key", "--window", &id, "ctrl+a"]);
        xdotool(&["type", "--delay", "5", &path]);
        // A dialog that is still reading the folder takes no Return: ask again until it closes.
        let end = Instant::now() + PATIENCE;
        while !found(title).is_empty() {
            assert!(Instant::now() < end, "the dialog “{title}” does not close");
            xdotool(&["key", "--window", &id, "Return"]);
            let again = Instant::now() + Duration::from_secs(1);
            while !found(title).is_empty() && Instant::now() < again {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Drags what is offered at the left upper corner of the screen onto the middle of the window, waits until the page
    /// says `over`, and drops it. The pointer goes through the X server.
    pub async fn drop_offered(&self, over: &str) {
        self.dialog(drag::TITLE).await;
        let (x, y) = self.middle().await;
        xdotool(&["mousemove", "20", "20"]);
        xdotool(&["mousedown", "1"]);
        // A drag begins after some way, and its target hears of each move.
        for step in 1..=20 {
            let (x, y) = (20 + (x - 20) * step / 20, 20 + (y - 20) * step / 20);
            xdotool(&["mousemove", &x.to_string(), &y.to_string()]);
        }
        let end = Instant::now() + PATIENCE;
        let seen = format!("//*[contains(normalize-space(.), {})]", quote(over));
        let mut odd = false;
        while self.client.find(Locator::XPath(&seen)).await.is_err() {
            if Instant::now() > end {
                xdotool(&["mouseup", "1"]);
                self.fails(&format!("the window does not say “{over}” while files hover over it")).await;
            }
            odd = !odd;
            xdotool(&["mousemove", &(x + i32::from(odd)).to_string(), &y.to_string()]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.picture("dragging").await;
        xdotool(&["mouseup", "1"]);
    }

    /// The X server's numbers of all Sealport windows on the screen.
    pub fn ids() -> Vec<String> {
        found(NAME).lines().map(str::to_owned).collect()
    }

    /// Gives the keyboard to nothing, as when another application was clicked.
    pub fn take_focus_away() {
        // The root window takes it; there is no window manager to give it back.
        xdotool(&["search", "--maxdepth", "0", "", "windowfocus"]);
        assert!(!Self::ids().contains(&focused()), "the window keeps the keyboard");
    }

    /// Waits until this window has the keyboard.
    pub async fn has_focus(&self) {
        let end = Instant::now() + PATIENCE;
        while !Self::ids().contains(&focused()) {
            assert!(Instant::now() < end, "the window does not come to the front");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the window to close as its own button does.
    pub fn press_close() {
        let (screen, _) = x11rb::connect(None).expect("a screen");
        let atom = |name: &str| {
            let asked = screen.intern_atom(false, name.as_bytes()).expect("the screen is asked");
            asked.reply().expect("a number").atom
        };
        let words = [atom("WM_DELETE_WINDOW"), x11rb::CURRENT_TIME, 0, 0, 0];
        for id in Self::ids() {
            let id = id.parse().expect("a number");
            let event = ClientMessageEvent::new(32, id, atom("WM_PROTOCOLS"), words);
            let sent = screen.send_event(false, id, EventMask::NO_EVENT, event).expect("a message");
            sent.check().expect("the window is there");
        }
    }

    /// Presses keys, wherever in the window the focus is.
    pub fn press_keys(keys: &str) {
        if let Some(id) = Self::ids().last() {
            xdotool(&["windowfocus", "--sync", id]);
        }
        xdotool(&["key", keys]);
    }

    /// The middle of the window on the screen.
    async fn middle(&self) -> (i32, i32) {
        let id = self.dialog(NAME).await;
        let output = Command::new("xdotool").args(["getwindowgeometry", "--shell", &id]).output();
        let text = String::from_utf8(output.expect("xdotool runs").stdout).expect("numbers");
        let number = |name: &str| -> i32 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.strip_prefix('=')?.parse().ok()).expect("a geometry")
        };
        (number("X") + number("WIDTH") / 2, number("Y") + number("HEIGHT") / 2)
    }

    async fn dialog(&self, title: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(id) = found(title).lines().last() {
                return id.to_owned();
            }
            if Instant::now() > end {
                self.fails(&format!("the dialog “{title}” does not open")).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs a script that ends with a call of its last argument, and gives what that was called with.
    pub async fn run(&self, script: &str, args: &[serde_json::Value]) -> serde_json::Value {
        self.client.execute_async(script, args.to_vec()).await.expect("the script ends")
    }

    /// Waits for two frames: a picture right after a change may be old.
    pub async fn settle(&self) {
        let frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)));";
        let _ = self.client.execute_async(frames, Vec::new()).await;
    }

    /// Takes a picture of the page.
    pub async fn picture(&self, name: &str) {
        self.settle().await;
        let png = self.client.screenshot().await.expect("a picture");
        fs::write(self.pictures.join(format!("{name}.png")), png).expect("a picture can be written");
    }

    /// Fails on any violation that axe finds (WCAG 2.2 A and AA, best practices).
    pub async fn check_accessibility(&self, screen: &str, theme: &str) {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/node_modules/axe-core/axe.min.js");
        let axe = fs::read_to_string(axe).expect("axe-core is in ui/node_modules: npm ci");
        self.client
            .execute(&format!("{axe}; return true;"), Vec::new())
            .await
            .expect("axe runs in the window");
        let run = "const done = arguments[0]; axe.run(document).then(
            (result) => done(result.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' | '))),
            (error) => done([String(error)]));";
        let found = self.client.execute_async(run, Vec::new()).await.expect("axe answers");
        assert_eq!(found, json!([]), "{screen}, {theme}");
    }
}

async fn replace(field: &Element, text: &str) {
    field.click().await.expect("the field takes a click");
    field.send_keys(&(Key::Control + "a")).await.expect("the field takes keys");
    field.send_keys(text).await.expect("the field takes text");
}

fn named(condition: &str) -> String {
    let roles =
        ["self::button", "self::a", "self::label", "@role='button'", "@role='radio'", "@role='menuitem'"];
    format!(
        "//*[({}) and ({condition}) and not(@disabled) and not(@aria-disabled='true')]",
        roles.join(" or ")
    )
}

fn field(label: &str) -> String {
    let quoted = quote(label);
    format!(
        "//*[(self::input or self::textarea) and (@aria-label = {quoted} or @id = //label[normalize-space(.) = {quoted}]/@for
           or ancestor::label[normalize-space(.) = {quoted}]
           or @aria-labelledby = //*[normalize-space(.) = {quoted}]/@id)]"
    )
}

/// A text as XPath writes it.
fn quote(text: &str) -> String {
    assert!(!text.contains('"'), "no name has quotes");
    format!("\"{text}\"")
}

fn found(title: &str) -> String {
    let output = Command::new("xdotool").args(["search", "--onlyvisible", "--name", title]).output();
    String::from_utf8(output.expect("xdotool runs: apt-get install xdotool").stdout).expect("numbers")
}

/// The window that has the keyboard.
fn focused() -> String {
    let output = Command::new("xdotool").arg("getwindowfocus").stderr(Stdio::null()).output();
    String::from_utf8(output.expect("xdotool runs").stdout).expect("a number").trim().to_owned()
}

/// Sends keys. A window that closed meanwhile takes none, which the waits above notice.
fn xdotool(args: &[&str]) {
    let _ = Command::new("xdotool").args(args).stderr(Stdio::null()).status().expect("xdotool runs");
}
