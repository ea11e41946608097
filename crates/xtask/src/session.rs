//! A desktop of its own for a machine without one: an X server in memory, a message bus, an unlocked keyring and an
//! empty home, all gone when the value is dropped.
//!
//! Promises: nothing of the user's is read or written; no program of it outlives this process, however that ends. Its bus
//! can start no service by itself: a desktop portal that can't come up would hold every GTK window for 25 seconds.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::tool::{self, Done, Stop};

/// A bus that listens in the session's own folder, lets its owner do everything, and knows no services.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=DIRECTORY</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// How long a part of the session may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running session.
pub struct Session {
    home: PathBuf,
    display: String,
    bus: String,
    /// In the order they were started; ended from the last to the first.
    parts: Vec<Child>,
}

impl Session {
    /// Starts one, with a screen of `width` by `height` pixels; returns when keyring and display answer.
    pub fn start(width: u32, height: u32) -> Result<Self, Stop> {
        let home = make_private_folder()?;
        let mut session = Self { home, display: String::new(), bus: String::new(), parts: Vec::new() };
        let screen = format!("{width}x{height}x24");
        let number = session.first_line(tethered("Xvfb").args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            &screen,
            "-nolisten",
            "tcp",
            "-noreset",
        ]))?;
        session.display = format!(":{number}");
        let conf = session.home.join("bus.conf");
        let text = BUS.replace("DIRECTORY", &session.home.to_string_lossy());
        fs::write(&conf, text).map_err(|e| unwritable(&conf, &e))?;
        let conf = format!("--config-file={}", conf.display());
        session.bus =
            session.first_line(tethered("dbus-daemon").args([&conf, "--nofork", "--print-address=1"]))?;
        session.unlock_keyring()?;
        Ok(session)
    }

    /// The empty home of the session.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command that ends with this process and lives in the session.
    pub fn command(&self, program: &str) -> Command {
        let mut command = tethered(program);
        self.enter(&mut command);
        command
    }

    /// Makes a command live in the session. Rust's own tools still find their home.
    pub fn enter(&self, command: &mut Command) {
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if let (None, Some(home)) = (std::env::var_os(name), std::env::var_os("HOME")) {
                command.env(name, Path::new(&home).join(folder));
            }
        }
        for name in
            ["WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_DATA_HOME", "XDG_CONFIG_HOME"]
        {
            command.env_remove(name);
        }
        command
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_STATE_HOME")
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", &self.home)
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("GDK_BACKEND", "x11")
            // No accessibility bus is there to connect to.
            .env("NO_AT_BRIDGE", "1");
    }

    /// Ends with the session, before what was started earlier.
    pub fn keep(&mut self, child: Child) -> &mut Child {
        self.parts.push(child);
        self.parts.last_mut().expect("one was pushed")
    }

    /// Starts a part of the session and waits for the line by which it says that it is ready.
    fn first_line(&mut self, command: &mut Command) -> Result<String, Stop> {
        let name = tool::line(command);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let child = self.keep(spawned.map_err(|e| tool::not_started(command, &e))?);
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out)
                .read_line(&mut line)
                .map_err(|e| Stop::new(format!("`{name}` says nothing: {e}"), "run it by hand to see why"))?;
        }
        match line.trim() {
            "" => Err(Stop::new(format!("`{name}` ended at once"), "run it by hand to see why")),
            line => Ok(line.to_owned()),
        }
    }

    fn unlock_keyring(&mut self) -> Done {
        // An empty password would make no collection; nobody needs to know this one.
        let password = make_password()?;
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let daemon = self.keep(spawned.map_err(|e| tool::not_started(&command, &e))?);
        if let Some(mut input) = daemon.stdin.take() {
            input.write_all(password.as_bytes()).map_err(|e| {
                Stop::new(format!("the keyring takes no password: {e}"), "see if gnome-keyring runs")
            })?;
        }
        wait_until(PATIENCE, "the keyring does not come up", || self.keyring_is_open())
    }

    /// Whether the Secret Service has a default collection. Asked by name first: a call would wait for its start.
    fn keyring_is_open(&self) -> bool {
        let service = "org.freedesktop.secrets";
        let owned = ["/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
        let alias =
            ["/org/freedesktop/secrets", "org.freedesktop.Secret.Service.ReadAlias", "string:default"];
        self.ask_bus("org.freedesktop.DBus", &owned).is_some_and(|answer| answer.contains("true"))
            && self.ask_bus(service, &alias).is_some_and(|answer| answer.contains("collection"))
    }

    fn ask_bus(&self, destination: &str, words: &[&str]) -> Option<String> {
        let to = format!("--dest={destination}");
        tool::output(self.command("dbus-send").args(["--session", "--print-reply=literal", &to]).args(words))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for part in self.parts.iter_mut().rev() {
            end(part);
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Whether the machine shows windows by itself.
pub fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Waits until it is so; after the deadline `what` is the failure.
pub fn wait_until(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Done {
    let deadline = Instant::now() + patience;
    while !is_so() {
        if Instant::now() > deadline {
            let what = format!("{what} within {} s", patience.as_secs());
            return Err(Stop::new(what, "look at the messages above; a slow machine may need another try"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Ends a part: asked first, so that it removes its lock files, then by force. One that has ended is what we want.
fn end(part: &mut Child) {
    let _ = Command::new("sh").args(["-c", &format!("kill {}", part.id())]).stderr(Stdio::null()).status();
    let gone = wait_until(Duration::from_secs(3), "", || !matches!(part.try_wait(), Ok(None)));
    if gone.is_err() {
        let _ = part.kill();
        let _ = part.wait();
    }
}

/// A command that the kernel ends when this process ends, whatever ends it.
fn tethered(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", program]);
    command
}

/// A new folder below the system's temporary one that only its owner may enter.
fn make_private_folder() -> Result<PathBuf, Stop> {
    let path = std::env::temp_dir().join(format!("sealport-{}", &make_password()?[..12]));
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path).map_err(|e| unwritable(&path, &e))?;
    Ok(path)
}

fn make_password() -> Result<String, Stop> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Stop::new(format!("cannot read /dev/urandom: {e}"), "run on a system that has it"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unwritable(path: &Path, e: &std::io::Error) -> Stop {
    Stop::new(format!("cannot write {}: {e}", path.display()), "free or unlock the temporary folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: return `Ok(())` after the loop without looking.
    #[test]
    fn waiting_ends_with_what_was_waited_for() {
        let mut left = 3;
        let done = wait_until(Duration::from_secs(5), "nothing", || {
            left -= 1;
            left == 0
        });
        assert!(done.is_ok() && left == 0);
        let late = wait_until(Duration::ZERO, "the moon does not fall", || false).unwrap_err();
        assert!(late.to_string().starts_with("the moon does not fall within 0 s"));
    }

    #[test]
    fn the_bus_starts_no_services() {
        assert!(!BUS.contains("servicedir"));
    }

    #[cfg(unix)]
    #[test]
    fn a_private_folder_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = make_private_folder().unwrap();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        fs::remove_dir(&folder).unwrap();
        assert_eq!(mode & 0o777, 0o700);
    }
}
