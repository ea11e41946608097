//! What an installation is told: where its data directory is, and where its master secret rests.
//!
//! Flag before environment before the user's file before the default, and each value knows where it came from. Unknown keys in a
//! file are errors, with a suggestion.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;
use sealport_core::{Code, Error, api::CustodyKind, secret::SecretText};
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

/// `sealport.toml` in a data directory: written by `init` and `restore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the master secret rests: `keyring` or `passphrase`.
    pub custody: CustodyKind,
}

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
    /// The settings of a data directory; `None` where it has none, so holds no system.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Error> {
        let path = data_dir.join(SETTINGS_FILE);
        let settings: Option<Self> = read_toml(&path, &["custody"])?;
        match settings {
            Some(Self { custody: CustodyKind::Memory }) => Err(Error::new(
                Code::Usage,
                format!("{}: custody `memory` is for the sample system only", path.display()),
            )
            .hint("Write `keyring` or `passphrase`.")),
            settings => Ok(settings),
        }
    }

    /// Writes the settings, in the place of others.
    pub fn write(self, data_dir: &Path) -> Result<(), Error> {
        let custody = match self.custody {
            CustodyKind::Keyring => "keyring",
            CustodyKind::Passphrase => "passphrase",
            CustodyKind::Memory => {
                return Err(Error::new(Code::Internal, "a sample system keeps no settings"));
            }
        };
        let text = format!(
            "# Where the master secret rests: \"keyring\" or \"passphrase\". It was moved there when the system was\n\
             # made; a change here only says where to look.\n\
             custody = \"{custody}\"\n"
        );
        files::write_private(&data_dir.join(SETTINGS_FILE), text.as_bytes(), Existing::Replace)
    }
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
            Settings { custody }.write(folder.path()).unwrap();
            assert_eq!(Settings::read(folder.path()).unwrap(), Some(Settings { custody }));
        }
        assert!(Settings { custody: CustodyKind::Memory }.write(folder.path()).is_err());
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
        assert_eq!(read("custody = \"keyring\"\nsomething = 1").hint, "Known keys: custody.");
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
