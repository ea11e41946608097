//! Settings of this installation, read and changed.

use sealport_core::{
    Code, Error,
    api::{ConfigView, SettingView},
};

use super::{Engine, system::act};
use crate::{
    call::Call,
    config::{SETTINGS, SETTINGS_FILE, Settings},
    store::Change,
};

impl Engine {
    /// The settings of the data directory; defaults where it holds none.
    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let settings = Settings::read(&self.config.data_dir)?;
        Ok(settings.unwrap_or_else(|| Settings::new(sealport_core::api::CustodyKind::Memory)))
    }

    /// Longest time between two syncs.
    pub(crate) fn sync_interval(&self) -> std::time::Duration {
        self.settings().map_or(std::time::Duration::from_secs(60), |settings| settings.sync_interval())
    }

    pub(super) fn config_get(&self, key: Option<&str>) -> Result<ConfigView, Error> {
        let settings = self.settings()?;
        let file = self.config.data_dir.join(SETTINGS_FILE).display().to_string();
        let shown: Vec<_> = SETTINGS
            .iter()
            .filter(|setting| key.is_none_or(|key| key == setting.key))
            .map(|setting| {
                let set = setting.value(&settings);
                SettingView {
                    key: setting.key.to_owned(),
                    source: if set.is_some() { file.clone() } else { "default".to_owned() },
                    value: set.unwrap_or_else(|| setting.default.to_owned()),
                    about: setting.about.to_owned(),
                }
            })
            .collect();
        if shown.is_empty() {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
            return Err(Error::new(
                Code::Usage,
                format!("There is no setting `{}`.", key.unwrap_or_default()),
            )
            .hint(format!("Settings: {}.", known.join(", "))));
        }
        Ok(ConfigView { settings: shown })
    }

    pub(super) fn config_set(&self, key: &str, value: &str, call: &Call) -> Result<ConfigView, Error> {
        // There is a system first: settings belong to an installation.
        let system = self.system()?;
        let mut settings = self.settings()?;
        settings.set(key, value)?;
        settings.write(&self.config.data_dir)?;
        system.write(Change { acts: vec![act(call, "config.set", key, value)], ..Change::default() })?;
        if let Some(follower) = system.follower() {
            follower.set_interval(settings.sync_interval());
        }
        self.config_get(Some(key))
    }
}
