//! What a master says of itself with each answer to a poll: its clock, and the check value of its secret. Nothing is decided
//! by it; people are told when it does not fit.

use std::sync::Mutex;

use sealport_core::{api::KeyVersionView, id::KeyVersion};

use super::held;
use crate::clock;

/// Header with the master's clock, in whole seconds of Unix time. Names and values are short: each poll carries them.
pub const TIME: &str = "time";
/// Header with the active version of the master secret and the first half of its check value: `VERSION:HEX`.
pub const KEY_CHECK: &str = "check";

/// What was heard last.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Said>);

#[derive(Default)]
struct Said {
    clock_offset: Option<i64>,
    mismatch: Option<KeyVersion>,
}

impl Heard {
    /// Takes the headers of an answer, with the versions that are held here.
    pub fn take(&self, time: Option<&str>, key_check: Option<&str>, held_here: &[KeyVersionView]) {
        let mut said = held(&self.0);
        if let Some(time) = time.and_then(|time| time.parse::<i64>().ok()) {
            // The middle of the second that was told.
            let time = time.saturating_mul(1_000).saturating_add(500);
            said.clock_offset = Some(time.saturating_sub(clock::wall().as_millis()));
        }
        let told = key_check.and_then(|text| text.split_once(':'));
        let told = told.and_then(|(version, kcv)| Some((KeyVersion(version.parse().ok()?), kcv)));
        if let Some((version, kcv)) = told
            && let Some(own) = held_here.iter().find(|own| own.version == version)
        {
            said.mismatch = (!own.kcv.starts_with(kcv)).then_some(version);
        }
    }

    /// A secret came whose version is held here with another check value; or one came that fits.
    pub fn compared(&self, mismatch: Option<KeyVersion>) {
        held(&self.0).mismatch = mismatch;
    }

    /// The master's clock minus this one, in milliseconds.
    pub fn clock_offset(&self) -> Option<i64> {
        held(&self.0).clock_offset
    }

    /// The version that is another secret there than here.
    pub fn mismatch(&self) -> Option<KeyVersion> {
        held(&self.0).mismatch
    }
}

/// The first version that both have with different check values.
pub(super) fn differing(here: &[KeyVersionView], there: &[KeyVersionView]) -> Option<KeyVersion> {
    let other =
        |own: &&KeyVersionView| there.iter().any(|new| new.version == own.version && new.kcv != own.kcv);
    here.iter().find(other).map(|own| own.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32, kcv: &str) -> KeyVersionView {
        KeyVersionView { version: KeyVersion(number), kcv: kcv.to_owned(), created: clock::wall() }
    }

    /// Sabotage: compare versions without their check values.
    #[test]
    fn another_secret_under_the_same_version_is_noticed_and_forgotten_when_it_fits() {
        let here = [version(1, "aa"), version(2, "bb")];
        let heard = Heard::default();
        heard.take(None, Some("2:bb"), &here);
        assert_eq!(heard.mismatch(), None);
        heard.take(None, Some("2:cc"), &here);
        assert_eq!(heard.mismatch(), Some(KeyVersion(2)));
        // A version that is not here yet says nothing.
        heard.take(None, Some("3:dd"), &here);
        assert_eq!(heard.mismatch(), Some(KeyVersion(2)));
        heard.take(None, Some("2:bb"), &here);
        assert_eq!(heard.mismatch(), None);
        assert_eq!(differing(&here, &[version(1, "aa"), version(3, "dd")]), None);
        assert_eq!(differing(&here, &[version(1, "ax"), version(3, "dd")]), Some(KeyVersion(1)));
    }

    /// Sabotage: take the secret all the same, or let `ready` look at the canary alone.
    #[test]
    fn a_secret_that_contradicts_the_one_here_is_not_taken_and_is_told() {
        let engine = crate::engine::Engine::explore().unwrap();
        assert!(engine.readiness().unwrap().ready);
        let system = engine.system().unwrap();
        let mut rng = super::super::system_rng();
        let other = sealport_core::bundle::Bundle::make_new(system.row.id, clock::wall(), &mut rng);
        let before = system.unlocked().unwrap().versions.clone();
        let refused = system.take_secret(other).unwrap_err();
        assert_eq!(refused.code, sealport_core::Code::Integrity);
        assert!(before.iter().zip(&system.unlocked().unwrap().versions).all(|(a, b)| a.kcv == b.kcv));
        let ready = engine.readiness().unwrap();
        assert!(!ready.ready && ready.alerts.contains(&"key_check_mismatch".to_owned()), "{ready:?}");
        // The one that is here fits, and ends it.
        system.take_secret(system.bundle().unwrap()).unwrap();
        assert!(engine.readiness().unwrap().ready);
    }

    #[test]
    fn the_masters_clock_is_compared_with_this_one() {
        let heard = Heard::default();
        heard.take(Some("nonsense"), None, &[]);
        assert_eq!(heard.clock_offset(), None);
        heard.take(Some(&(clock::wall().as_millis() / 1_000 + 60).to_string()), None, &[]);
        assert!(heard.clock_offset().is_some_and(|offset| (55_000..=61_000).contains(&offset)));
    }
}
