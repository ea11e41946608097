//! What a desktop has around its windows, on a message bus: a daemon that shows notifications, and a tray. Both keep what they
//! are given, for a test to look at.
//!
//! The end-to-end test has it around the real window; tests of the package that makes the window take this file by its path.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use zbus::{
    blocking::{
        Connection, Proxy,
        connection::{self, Builder},
        fdo::DBusProxy,
    },
    interface,
    proxy::CacheProperties,
    zvariant::{OwnedValue, Structure, Value},
};

/// How long anything may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A notification that was to be shown.
#[derive(Clone, Debug)]
pub struct Note {
    /// The number that it was given.
    pub id: u32,
    /// The number of the one whose place it takes; 0 for none.
    pub replaces: u32,
    /// Heading.
    pub summary: String,
    /// Text.
    pub body: String,
    /// 0 low, 1 normal, 2 critical.
    pub urgency: u8,
}

/// What the icon in the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    /// Width, height, ARGB.
    pub pixels: (i32, i32, Vec<u8>),
    /// Text of the tooltip.
    pub tooltip: String,
    /// `Active` or `NeedsAttention`.
    pub status: String,
}

/// A line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    id: i32,
    /// What it says.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
}

/// A message bus, until it is dropped.
pub struct Bus {
    daemon: Child,
    /// Where it is reached.
    pub address: String,
}

impl Bus {
    /// Starts one.
    pub fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs a message bus: apt-get install dbus");
        let mut address = String::new();
        let said = daemon.stdout.take().expect("its output is piped");
        BufReader::new(said).read_line(&mut address).expect("the address of the bus");
        Self { daemon, address: address.trim().to_owned() }
    }
}

impl Bus {
    /// Waits until somebody has a name on it that begins so.
    pub fn has(&self, start: &str) {
        let connection = connection::Builder::address(self.address.as_str()).and_then(Builder::build);
        let names = DBusProxy::new(&connection.expect("the bus answers")).expect("the bus has a proxy");
        let is_there = || names.list_names().ok()?.iter().any(|name| name.starts_with(start)).then_some(());
        until(&format!("a name that begins with {start}"), is_there);
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The desktop, until it is dropped.
pub struct Panel {
    bus: Connection,
    notes: Arc<Mutex<Vec<Note>>>,
    items: Arc<Mutex<Vec<String>>>,
    silent: Arc<AtomicBool>,
}

struct Notifications {
    notes: Arc<Mutex<Vec<Note>>>,
    silent: Arc<AtomicBool>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments, reason = "as the specification has it")]
    async fn notify(
        &self,
        _app_name: String,
        replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let urgency = hints.get("urgency").and_then(|hint| u8::try_from(hint).ok()).unwrap_or(1);
        let mut notes = self.notes.lock().expect("no panic before");
        let id = if replaces == 0 { u32::try_from(notes.len()).expect("few") + 1 } else { replaces };
        notes.push(Note { id, replaces, summary, body, urgency });
        id
    }

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned(), "body-markup".to_owned(), "persistence".to_owned()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("panel".to_owned(), "tests".to_owned(), "1".to_owned(), "1.2".to_owned())
    }

    fn close_notification(&self, _id: u32) {}
}

struct Watcher(Arc<Mutex<Vec<String>>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String) {
        self.0.lock().expect("no panic before").push(service);
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.lock().expect("no panic before").clone()
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

impl Panel {
    /// Takes both places on the bus at this address.
    pub fn start(bus: &str) -> Self {
        let (notes, items, silent) = (Arc::default(), Arc::default(), Arc::<AtomicBool>::default());
        let daemon = Notifications { notes: Arc::clone(&notes), silent: silent.clone() };
        let begin = || {
            connection::Builder::address(bus)?
                .serve_at("/org/freedesktop/Notifications", daemon)?
                .serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&items)))?
                .name("org.freedesktop.Notifications")?
                .name("org.kde.StatusNotifierWatcher")?
                .build()
        };
        let bus = begin().expect("both places on the bus are free");
        Self { bus, notes, items, silent }
    }

    /// From now on notifications are taken, and never answered.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// What was to be shown so far.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.lock().expect("no panic before").clone()
    }

    /// Waits until so many notifications with these words in them were to be shown, and gives all of them.
    pub fn shows(&self, words: &str, times: usize) -> Vec<Note> {
        let has = |note: &Note| note.summary.contains(words) || note.body.contains(words);
        let all = || -> Vec<Note> { self.notes().into_iter().filter(has).collect() };
        until(&format!("{times} times a notification “{words}”"), || {
            Some(all()).filter(|all| all.len() >= times)
        })
    }

    /// Waits until the icon is so.
    pub fn icon(&self, what: &str, is_so: impl Fn(&Icon) -> bool) -> Icon {
        until(&format!("an icon that {what}"), || self.look().filter(&is_so))
    }

    /// The icon that was put up last, if it still answers.
    fn look(&self) -> Option<Icon> {
        let item = self.item("/StatusNotifierItem", "org.kde.StatusNotifierItem")?;
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let tip: ToolTip = item.get_property("ToolTip").ok()?;
        let pixels: Vec<(i32, i32, Vec<u8>)> = item.get_property("IconPixmap").ok()?;
        let status = item.get_property("Status").ok()?;
        // One that changed while it was read is read once more.
        let again: ToolTip = item.get_property("ToolTip").ok()?;
        (again.3 == tip.3).then_some(())?;
        Some(Icon { pixels: pixels.into_iter().next()?, tooltip: tip.3, status })
    }

    /// The lines of its menu, from top to bottom.
    pub fn menu(&self) -> Vec<Line> {
        let menu = self.item("/MenuBar", "com.canonical.dbusmenu").expect("an icon");
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let layout: Layout =
            menu.call("GetLayout", &(0_i32, -1_i32, Vec::<String>::new())).expect("the menu answers");
        layout.1.2.into_iter().filter_map(line).collect()
    }

    /// Chooses a line of the menu.
    pub fn choose(&self, label: &str) {
        let line = self.menu().into_iter().find(|line| line.label == label);
        let line = line.unwrap_or_else(|| panic!("no “{label}” in {:?}", self.menu()));
        let menu = self.item("/MenuBar", "com.canonical.dbusmenu").expect("an icon");
        // One that ends the application may not be answered any more.
        let _ = menu.call_noreply("Event", &(line.id, "clicked", Value::from(0_i32), 0_u32));
    }

    fn item(&self, path: &'static str, interface: &'static str) -> Option<Proxy<'_>> {
        let name = self.items.lock().expect("no panic before").last()?.clone();
        let builder = zbus::blocking::proxy::Builder::<Proxy<'_>>::new(&self.bus);
        let builder = builder.destination(name).ok()?.path(path).ok()?.interface(interface).ok()?;
        builder.cache_properties(CacheProperties::No).build().ok()
    }
}

/// A line, of which an item is (id, properties, children). A separator is none.
fn line(item: OwnedValue) -> Option<Line> {
    let item = Structure::try_from(item).ok()?;
    let [id, properties, _] = item.fields() else { return None };
    let properties = HashMap::<String, OwnedValue>::try_from(properties.try_clone().ok()?).ok()?;
    let label = String::try_from(properties.get("label")?.try_clone().ok()?).ok()?;
    let enabled = properties.get("enabled").and_then(|value| bool::try_from(value).ok()).unwrap_or(true);
    Some(Line { id: i32::try_from(id).ok()?, label, enabled })
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
