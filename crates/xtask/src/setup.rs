//! What the machine must have: looked for first, installed only where it is missing and apt is there, else named.
//!
//! Promises: says in one line what it installs and why before it does; installs nothing that a package merely recommends,
//! because a desktop portal that can't start makes every GTK window wait 25 seconds.

use std::{fs, path::Path, process::Command};

use crate::tool::{self, Done, Stop};

/// What the packages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Compiling the desktop application.
    Build,
    /// A window where there is no display, with a keyring of its own.
    Headless,
    /// What only tests use.
    Tests,
}

impl Part {
    fn why(self) -> &'static str {
        match self {
            Part::Build => "to compile the desktop application",
            Part::Headless => "to open the window without a display, with a throw-away keyring",
            Part::Tests => "for the tests",
        }
    }

    /// Debian packages; of alternatives, the first that the machine's release has is taken.
    fn packages(self) -> &'static [&'static [&'static str]] {
        match self {
            Part::Build => &[&["build-essential"], &["pkg-config", "pkgconf"], &["libwebkit2gtk-4.1-dev"]],
            Part::Headless => &[&["xvfb"], &["dbus"], &["gnome-keyring"], &["xdotool"], &["imagemagick"]],
            Part::Tests => &[
                &["age"],
                &["libsecret-tools"],
                &["webkit2gtk-driver"],
                &["iproute2"],
                &["chromium", "chromium-browser", "google-chrome-stable"],
            ],
        }
    }
}

/// The oldest Node that the tools of `ui/` run on.
const NODE: u32 = 20;

/// Makes sure of the system packages.
pub fn system(parts: &[Part]) -> Done {
    if !cfg!(target_os = "linux") {
        return other_system();
    }
    if !tool::on_path("apt-get") || !tool::on_path("dpkg-query") {
        return other_linux(parts);
    }
    let status =
        tool::output(Command::new("dpkg-query").args(["-W", "-f", "${Package} ${db:Status-Status}\n"]))
            .ok_or_else(|| {
                Stop::new("dpkg-query does not answer", "mend the package database: dpkg --configure -a")
            })?;
    let has = installed(&status);
    for &part in parts {
        let wanted = missing(part, &has);
        if !wanted.is_empty() {
            install(&wanted, part)?;
        }
    }
    Ok(())
}

/// Makes sure of Node, npm, the packages of `ui/`, and builds the page.
pub fn page() -> Done {
    let found = tool::output(Command::new("node").arg("--version"));
    if found.as_deref().and_then(major).is_none_or(|version| version < NODE) {
        let what =
            found.map_or("Node is not installed".into(), |version| format!("Node {version} is too old"));
        return Err(Stop::new(what, format!("install Node {NODE} or newer: https://nodejs.org/en/download")));
    }
    if tool::output(&mut tool::npm(&["--version"])).is_none() {
        return Err(Stop::new("npm is not installed", "it comes with Node: https://nodejs.org/en/download"));
    }
    let ui = tool::root().join("ui");
    let lock = fs::read(ui.join("package-lock.json")).map_err(|e| {
        Stop::new(format!("cannot read ui/package-lock.json: {e}"), "check out the whole repository")
    })?;
    // A copy of the lock file that was installed tells whether it has changed since.
    let stamp = ui.join("node_modules/.sealport-lock");
    if fs::read(&stamp).ok().as_deref() != Some(&lock[..]) {
        println!("npm ci: installs the libraries of the page, as ui/package-lock.json names them");
        tool::run(&mut tool::npm(&["ci", "--no-audit", "--no-fund"]))?;
        fs::write(&stamp, &lock)
            .map_err(|e| Stop::new(format!("cannot write {}: {e}", stamp.display()), "make ui/ writable"))?;
    }
    tool::run(&mut tool::npm(&["run", "build"]))
}

fn install(packages: &[String], part: Part) -> Done {
    println!("installing {} {}", packages.join(" "), part.why());
    let list = packages.join(" ");
    if !lists_are_there() {
        apt(&["update", "-q"], &list)?;
    }
    // Lists may be old: a package that is gone is looked up once more.
    let words: Vec<&str> = ["install", "-qy", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().map(String::as_str))
        .collect();
    apt(&words, &list).or_else(|_| apt(&["update", "-q"], &list).and_then(|()| apt(&words, &list)))
}

fn apt(words: &[&str], packages: &str) -> Done {
    let root = tool::output(Command::new("id").arg("-u")).as_deref() == Some("0");
    let hint = format!("install these yourself: apt-get install --no-install-recommends {packages}");
    if !root && !tool::on_path("sudo") {
        return Err(Stop::new("packages are missing, and neither root nor sudo is at hand", hint));
    }
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").args(words);
    // Not through `tool::run`: sudo may ask for a password.
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::new(format!("`{}` failed ({status})", tool::line(&command)), hint)),
        Err(e) => Err(tool::not_started(&command, &e)),
    }
}

fn lists_are_there() -> bool {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// Names of the packages that dpkg says are installed.
fn installed(status: &str) -> Vec<&str> {
    status.lines().filter_map(|line| line.strip_suffix(" installed")).collect()
}

/// What a part lacks; of alternatives, one that apt knows.
fn missing(part: Part, installed: &[&str]) -> Vec<String> {
    let lacking = part.packages().iter().filter(|any| !any.iter().any(|one| installed.contains(one)));
    lacking
        .map(|any| any.iter().find(|one| any.len() == 1 || apt_knows(one)).unwrap_or(&any[0]).to_string())
        .collect()
}

fn apt_knows(package: &str) -> bool {
    tool::output(Command::new("apt-cache").args(["show", package])).is_some_and(|text| !text.is_empty())
}

/// The number before the first dot of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn other_linux(parts: &[Part]) -> Done {
    let tools = [
        (Part::Build, "pkg-config"),
        (Part::Headless, "Xvfb"),
        (Part::Headless, "setpriv"),
        (Part::Headless, "dbus-daemon"),
        (Part::Headless, "gnome-keyring-daemon"),
        (Part::Headless, "xdotool"),
        (Part::Headless, "import"),
        (Part::Tests, "age"),
        (Part::Tests, "secret-tool"),
        (Part::Tests, "WebKitWebDriver"),
        (Part::Tests, "ip"),
    ];
    let mut lacking: Vec<&str> = tools
        .iter()
        .filter(|(part, name)| parts.contains(part) && !tool::on_path(name))
        .map(|(_, name)| *name)
        .collect();
    let webkit = tool::output(Command::new("pkg-config").args(["--modversion", "webkit2gtk-4.1"])).is_some();
    if parts.contains(&Part::Build) && !webkit {
        lacking.push("the development files of webkit2gtk-4.1");
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let fedora = "Fedora: dnf install webkit2gtk4.1-devel gcc pkgconf xorg-x11-server-Xvfb gnome-keyring libsecret xdotool ImageMagick age iproute";
    let arch = "Arch: pacman -S webkit2gtk-4.1 base-devel xorg-server-xvfb gnome-keyring libsecret xdotool imagemagick age iproute2";
    Err(Stop::new(format!("this machine lacks: {}", lacking.join(", ")), format!("{fedora}\n  {arch}")))
}

fn other_system() -> Done {
    if cfg!(target_os = "macos") && tool::output(Command::new("xcode-select").arg("-p")).is_none() {
        return Err(Stop::new("the command line tools of Xcode are missing", "run: xcode-select --install"));
    }
    if cfg!(windows) {
        let programs = std::env::var_os("ProgramFiles(x86)").unwrap_or_default();
        let programs = Path::new(&programs);
        if !programs.join("Microsoft/EdgeWebView/Application").is_dir() {
            let hint =
                "install the Evergreen runtime: https://developer.microsoft.com/microsoft-edge/webview2";
            return Err(Stop::new("the WebView2 runtime is missing", hint));
        }
        if !programs.join("Microsoft Visual Studio/Installer/vswhere.exe").is_file() {
            let hint = "install them with the workload \"Desktop development with C++\": https://aka.ms/vs/17/release/vs_BuildTools.exe";
            return Err(Stop::new("the Visual Studio build tools are missing", hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let status = "dbus installed\nxvfb config-files\nage installed\nxdotool not-installed";
        assert_eq!(installed(status), ["dbus", "age"]);
    }

    #[test]
    fn a_part_lacks_what_none_of_the_alternatives_gives() {
        let most = ["dbus", "xvfb", "gnome-keyring", "imagemagick"];
        assert_eq!(missing(Part::Headless, &most), ["xdotool"]);
        let with_chrome = ["age", "libsecret-tools", "webkit2gtk-driver", "iproute2", "google-chrome-stable"];
        assert!(missing(Part::Tests, &with_chrome).is_empty());
    }

    #[test]
    fn no_part_asks_for_a_desktop_portal() {
        let all = [Part::Build, Part::Headless, Part::Tests];
        assert!(
            all.iter()
                .flat_map(|part| part.packages())
                .copied()
                .flatten()
                .all(|name| !name.contains("portal"))
        );
    }

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("18.1.0"), Some(18));
        assert_eq!(major("nonsense"), None);
    }
}
