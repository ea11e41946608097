//! What an installation is told: where its data directory is, and where its master secret rests.
//!
//! Flag before environment before the user's file before the default, and each value knows where it came from. Unknown keys in a
//! file are errors, with a suggestion.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::BaseStrategy;
use sealport_core::{
    Code, Error,
    api::{Cache, CustodyKind},
    secret::SecretText,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::files::{self, Existing};

/// Names the data directory.
pub const DATA_DIR_VARIABLE: &str = "SEALPORT_DATA_DIR";
/// Names the file with the custody's passphrase. The passphrase itself never stands in a variable.
pub const CUSTODY_PASSPHRASE_FILE_VARIABLE: &str = "SEALPORT_CUSTODY_PASSPHRASE_FILE";
/// Name of the settings in a data directory, and of the user's own file.
pub const SETTINGS_FILE: &str = "sealport.toml";

const SETTINGS_LIMIT: u64 = 64 * 1024;

/// What the engine needs to open a data directory.
#[derive(Debug)]
pub struct Config {
    /// The data directory; `init` and `restore` make it.
    pub data_dir: PathBuf,
    /// Opens the passphrase file, where that is the custody.
    pub custody_passphrase: Option<SecretText>,
    /// Whether there is a person who can answer a prompt of the keyring.
    pub interactive: bool,
}

/// `sealport.toml` in a data directory: written by `init`, `join` and `restore`, changed by `config set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the master secret rests: `keyring` or `passphrase`.
    pub custody: CustodyKind,
    /// Whether a node keeps the secret in its custody, or in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Where other nodes reach this one: `ADDR:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Where health and metrics are served, on this machine only: `ADDR:PORT`, or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Longest time between two syncs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde")]
    pub sync_interval: Option<Duration>,
    /// Days after which a proven backup is old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_days: Option<u16>,
    /// Days after which a new version of the master secret is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_days: Option<u16>,
    /// Where alerts are posted as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// File with the key that signs what is posted (HMAC-SHA256), on its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_key_file: Option<PathBuf>,
}

/// One setting that can be read and changed: its key, its default, and what it does.
pub struct Setting {
    /// As it stands in the file.
    pub key: &'static str,
    /// The value where none is set.
    pub default: &'static str,
    /// One sentence.
    pub about: &'static str,
    read: fn(&Settings) -> Option<String>,
    write: fn(&mut Settings, &str) -> Result<(), String>,
}

/// All settings but `custody` and `cache`, which a node is made with.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        default: "127.0.0.1:7410",
        about: "Where other nodes reach this one, as ADDR:PORT; counts from the next start.",
        read: |s| s.listen.clone(),
        write: |s, v| address(v).map(|v| s.listen = Some(v)),
    },
    Setting {
        key: "metrics",
        default: "127.0.0.1:7411",
        about: "Where the service shows health and metrics, on a loopback address, or `off`; counts from the next start.",
        read: |s| s.metrics.clone(),
        write: |s, v| {
            if v != "off" {
                let at = address(v)?;
                let loopback = at.parse::<std::net::SocketAddr>().is_ok_and(|at| at.ip().is_loopback());
                if !loopback {
                    return Err(
                        "metrics are shown on a loopback address only, such as 127.0.0.1:7411".to_owned()
                    );
                }
            }
            s.metrics = Some(v.to_owned());
            Ok(())
        },
    },
    Setting {
        key: "sync_interval",
        default: "60s",
        about: "Longest time between two syncs, from 5s to 1h. Changes arrive at once all the same.",
        read: |s| s.sync_interval.map(|d| humantime::format_duration(d).to_string()),
        write: |s, v| {
            let interval =
                humantime::parse_duration(v).map_err(|e| format!("{e}; write it like 60s or 5m"))?;
            if !(Duration::from_secs(5)..=Duration::from_secs(3_600)).contains(&interval) {
                return Err("it must be from 5s to 1h".to_owned());
            }
            s.sync_interval = Some(interval);
            Ok(())
        },
    },
    Setting {
        key: "backup_days",
        default: "35",
        about: "Days after which a proven backup is old, from 1 to 3650.",
        read: |s| s.backup_days.map(|days| days.to_string()),
        write: |s, v| {
            let days = v.parse().ok().filter(|days| (1..=3_650).contains(days));
            s.backup_days = Some(days.ok_or("it must be a number from 1 to 3650")?);
            Ok(())
        },
    },
    Setting {
        key: "rotation_days",
        default: "365",
        about: "Days after which a new version of the master secret is due, from 1 to 3650.",
        read: |s| s.rotation_days.map(|days| days.to_string()),
        write: |s, v| {
            let days = v.parse().ok().filter(|days| (1..=3_650).contains(days));
            s.rotation_days = Some(days.ok_or("it must be a number from 1 to 3650")?);
            Ok(())
        },
    },
    Setting {
        key: "webhook",
        default: "off",
        about: "Where alerts are posted as JSON: an http or https address, or `off`.",
        read: |s| s.webhook.clone(),
        write: |s, v| {
            let known = v.starts_with("https://") || v.starts_with("http://");
            match v {
                "off" => s.webhook = None,
                _ if known && v.len() > 10 => s.webhook = Some(v.to_owned()),
                _ => return Err("it must begin with https:// or http://".to_owned()),
            }
            Ok(())
        },
    },
    Setting {
        key: "webhook_key_file",
        default: "off",
        about: "File whose first line is the key that signs alerts (HMAC-SHA256), or `off`.",
        read: |s| s.webhook_key_file.as_ref().map(|file| file.display().to_string()),
        write: |s, v| {
            s.webhook_key_file = match v {
                "off" => None,
                _ if Path::new(v).is_absolute() => Some(v.into()),
                _ => return Err("write the whole path".to_owned()),
            };
            Ok(())
        },
    },
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command, by name.
    Flag(&'static str),
    /// A variable of the environment, by name.
    Variable(&'static str),
    /// A file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) | Source::Variable(name) => f.write_str(name),
            Source::File(path) => path.display().fmt(f),
            Source::Default => f.write_str("default"),
        }
    }
}

/// The data directory and where that came from. `flag` is the value of `--data-dir`.
pub fn locate(flag: Option<PathBuf>) -> Result<(PathBuf, Source), Error> {
    if let Some(path) = flag {
        return Ok((absolute(path)?, Source::Flag("--data-dir")));
    }
    if let Some(path) = non_empty(env::var_os(DATA_DIR_VARIABLE)) {
        return Ok((absolute(path.into())?, Source::Variable(DATA_DIR_VARIABLE)));
    }
    let base = etcetera::base_strategy::choose_native_strategy().map_err(|e| {
        Error::new(Code::Usage, "this user has no home directory, so there is no default data directory")
            .hint(format!("Name one with --data-dir or {DATA_DIR_VARIABLE}."))
            .because(e)
    })?;
    locate_for_user(&base.config_dir().join("sealport").join(SETTINGS_FILE), default_data_dir(&base))
}

/// The path of the custody's passphrase file, from the flag or the environment.
pub fn custody_passphrase_file(flag: Option<PathBuf>) -> Option<(PathBuf, Source)> {
    match flag {
        Some(path) => Some((path, Source::Flag("--custody-passphrase-file"))),
        None => non_empty(env::var_os(CUSTODY_PASSPHRASE_FILE_VARIABLE))
            .map(|path| (path.into(), Source::Variable(CUSTODY_PASSPHRASE_FILE_VARIABLE))),
    }
}

impl Settings {
    /// Settings that say only where the secret rests.
    pub fn new(custody: CustodyKind) -> Self {
        Self {
            custody,
            cache: None,
            listen: None,
            metrics: None,
            sync_interval: None,
            backup_days: None,
            rotation_days: None,
            webhook: None,
            webhook_key_file: None,
        }
    }

    /// The settings of a data directory; `None` where it has none, so holds no system.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path = data_dir.join(SETTINGS_FILE);
        let mut keys = vec!["custody", "cache"];
        keys.extend(SETTINGS.iter().map(|setting| setting.key));
        let settings: Option<Self> = read_toml(&path, &keys)?;
        let Some(settings) = settings else { return Ok(None) };
        if settings.custody == CustodyKind::Memory {
            return Err(Error::new(
                Code::Usage,
                format!("{}: custody `memory` is for the sample system only", path.display()),
            )
            .hint("Write `keyring` or `passphrase`."));
        }
        // What `config set` would refuse is refused in the file too.
        let mut probe = settings.clone();
        for setting in SETTINGS {
            if let Some(value) = (setting.read)(&settings) {
                (setting.write)(&mut probe, &value).map_err(|why| {
                    Error::new(Code::Usage, format!("{}: {}: {why}", path.display(), setting.key))
                        .hint("Mend the file, or use `sealport config set`.")
                })?;
            }
        }
        Ok(Some(settings))
    }

    /// Writes the settings, in the place of others.
    pub fn write(&self, data_dir: &Path) -> Result<(), Error> {
        if self.custody == CustodyKind::Memory {
            return Err(Error::new(Code::Internal, "a sample system keeps no settings"));
        }
        let settings = toml::to_string(self).map_err(|e| {
            Error::new(Code::Internal, "the settings could not be written as TOML").because(e)
        })?;
        let text = format!(
            "# custody: where the master secret rests. It was moved there when the node was made; a change here only\n\
             # says where to look. The other keys stand in `sealport config get`.\n{settings}"
        );
        files::write_private(&data_dir.join(SETTINGS_FILE), text.as_bytes(), Existing::Replace)
    }

    /// Changes one setting. Errors: `usage`, with what it may be.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key).ok_or_else(|| {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
            Error::new(Code::Usage, format!("There is no setting `{key}`."))
                .hint(format!("Settings: {}.", known.join(", ")))
        })?;
        (setting.write)(self, value.trim()).map_err(|why| {
            Error::new(Code::Usage, format!("`{value}` can't be the {key}: {why}.")).hint(setting.about)
        })
    }

    /// Longest time between two syncs.
    pub fn sync_interval(&self) -> Duration {
        self.sync_interval.unwrap_or(Duration::from_secs(60))
    }

    /// Days after which a proven backup is old (Enterprise SSO advises monthly).
    pub fn backup_days(&self) -> u64 {
        self.backup_days.unwrap_or(35).into()
    }

    /// Days after which a new version of the master secret is due (Enterprise SSO: once a year).
    pub fn rotation_days(&self) -> u64 {
        self.rotation_days.unwrap_or(365).into()
    }

    /// Where the service listens.
    pub fn listen(&self) -> &str {
        self.listen.as_deref().unwrap_or(SETTINGS[0].default)
    }

    /// Where health and metrics are served; `None` where they are off.
    pub fn metrics(&self) -> Option<&str> {
        Some(self.metrics.as_deref().unwrap_or(SETTINGS[1].default)).filter(|at| *at != "off")
    }
}

impl Setting {
    /// The value that is set, if one is.
    pub fn value(&self, settings: &Settings) -> Option<String> {
        (self.read)(settings)
    }
}

fn address(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("it must be ADDR:PORT")?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err("it must be ADDR:PORT".to_owned());
    }
    Ok(text.to_owned())
}

/// The user's own file: only says where the data directory is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserSettings {
    data_dir: Option<PathBuf>,
}

fn locate_for_user(file: &Path, default: PathBuf) -> Result<(PathBuf, Source), Error> {
    match read_toml::<UserSettings>(file, &["data_dir"])?.and_then(|user| user.data_dir) {
        None => Ok((default, Source::Default)),
        Some(path) if path.is_absolute() => Ok((path, Source::File(file.to_owned()))),
        Some(path) => Err(Error::new(
            Code::Usage,
            format!("{}: data_dir is {}, which is not absolute", file.display(), path.display()),
        )
        .hint("Write the whole path.")),
    }
}

fn default_data_dir(base: &impl BaseStrategy) -> PathBuf {
    // Windows: LOCALAPPDATA, since the data belong to this machine and must not roam.
    let folder = if cfg!(windows) { base.cache_dir() } else { base.data_dir() };
    if cfg!(any(windows, target_os = "macos")) { folder.join("Sealport") } else { folder.join("sealport") }
}

fn read_toml<T: DeserializeOwned>(path: &Path, keys: &[&str]) -> Result<Option<T>, Error> {
    let content = match files::read_limited(path, SETTINGS_LIMIT) {
        Err(error) if error.code == Code::NotFound => return Ok(None),
        content => content?,
    };
    let wrong = |message: String| {
        Error::new(Code::Usage, format!("{}: {message}", path.display()))
            .hint("Mend the file; its keys stand in the manual under \"Settings\".")
    };
    let text = std::str::from_utf8(&content).map_err(|_| wrong("not UTF-8 text".to_owned()))?;
    let table: toml::Table = toml::from_str(text).map_err(|e| wrong(e.message().to_owned()).because(e))?;
    if let Some(unknown) = table.keys().find(|key| !keys.contains(&key.as_str())) {
        let near = keys.iter().find(|key| strsim::damerau_levenshtein(key, unknown) <= 3);
        let hint = match near {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Known keys: {}.", keys.join(", ")),
        };
        return Err(wrong(format!("unknown key `{unknown}`")).hint(hint));
    }
    table.try_into().map(Some).map_err(|e: toml::de::Error| wrong(e.message().to_owned()).because(e))
}

fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path).map_err(|e| {
        Error::new(Code::Usage, format!("can't tell where the data directory {} is", path.display()))
            .because(e)
    })
}

fn non_empty(value: Option<OsString>) -> Option<OsString> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_their_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), None);
        for custody in [CustodyKind::Keyring, CustodyKind::Passphrase] {
            let mut settings = Settings::new(custody);
            settings.set("sync_interval", "5s").unwrap();
            settings.set("listen", "0.0.0.0:7410").unwrap();
            settings.write(folder.path()).unwrap();
            assert_eq!(Settings::read(folder.path()).unwrap(), Some(settings));
        }
        assert!(Settings::new(CustodyKind::Memory).write(folder.path()).is_err());
    }

    #[test]
    fn a_setting_takes_only_what_it_can_be() {
        let mut settings = Settings::new(CustodyKind::Keyring);
        let refused = [
            ("sync_interval", "4s"),
            ("sync_interval", "2h"),
            ("sync_interval", "soon"),
            ("listen", "7410"),
            ("metrics", "0.0.0.0:7411"),
            ("backup_days", "0"),
            ("webhook", "ftp://x.example/"),
            ("webhook_key_file", "key"),
            ("custody", "passphrase"),
            ("nothing", "1"),
        ];
        for (key, value) in refused {
            assert_eq!(settings.set(key, value).unwrap_err().code, Code::Usage, "{key} {value}");
        }
        assert_eq!(settings, Settings::new(CustodyKind::Keyring));
        for setting in SETTINGS {
            let mut settings = settings.clone();
            settings
                .set(setting.key, if setting.default == "off" { "off" } else { setting.default })
                .unwrap();
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_suggestion() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(SETTINGS_FILE), text).unwrap();
            Settings::read(folder.path()).unwrap_err()
        };
        let error = read("custdy = \"keyring\"");
        assert_eq!(error.code, Code::Usage);
        assert!(error.message.contains("unknown key `custdy`"), "{}", error.message);
        assert_eq!(error.hint, "Did you mean `custody`?");
        assert!(
            read("custody = \"keyring\"\nsomething = 1")
                .hint
                .starts_with("Known keys: custody, cache, listen")
        );
        // No silent fall-back: a value that is none, or none at all, is an error.
        for text in ["custody = \"keyrin\"", "custody = \"memory\"", "custody = 3", "", "custody = ["] {
            assert_eq!(read(text).code, Code::Usage, "{text}");
        }
    }

    #[test]
    fn the_users_file_comes_before_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SETTINGS_FILE);
        let default = PathBuf::from("/default");
        let located = |default: &Path| locate_for_user(&file, default.to_owned());
        assert_eq!(located(&default).unwrap(), (default.clone(), Source::Default));
        let other = folder.path().join("other");
        std::fs::write(&file, format!("data_dir = {:?}", other.display().to_string())).unwrap();
        assert_eq!(located(&default).unwrap(), (other, Source::File(file.clone())));
        std::fs::write(&file, "data_dir = 'somewhere'").unwrap();
        assert_eq!(located(&default).unwrap_err().code, Code::Usage);
    }

    #[test]
    fn a_flag_comes_first_and_is_made_absolute() {
        let (path, source) = locate(Some(PathBuf::from("here"))).unwrap();
        assert!(path.is_absolute() && path.ends_with("here"));
        assert_eq!(source, Source::Flag("--data-dir"));
    }
}
