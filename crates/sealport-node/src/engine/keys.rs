//! The keys of a node as versions of the master secret come and go: which one seals, which are given to others, and what is
//! kept though nobody gives it any more.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::KeyVersionView,
    bundle::{Bundle, Holder, Kept},
    id::KeyVersion,
    machine::{
        KeySetMark,
        rotation::{derive_key_set_mark, keeps},
    },
    seal::{KeyCheck, Keys},
    secret::SecretText,
};

use super::{heard, held, system::System};
use crate::store::Position;

/// How long the bundle is kept ready for other nodes that ask for it.
const LENT: Duration = Duration::from_secs(30);

/// The bundle as other nodes get it, for a moment. Wiped when it is dropped.
pub(super) struct Lent {
    at: Instant,
    given: KeySetMark,
    active: KeyVersion,
    heir: SecretText,
    reader: SecretText,
}

/// What there is once custody gave the bundle.
pub(crate) struct Unlocked {
    pub keys: Keys,
    pub versions: Vec<KeyVersionView>,
    checks: Vec<(KeyVersion, KeyCheck)>,
    /// The highest version that was ever in this custody.
    pub highest: KeyVersion,
    /// Versions that the master does not give any more, and that something here is still sealed under.
    extra: Vec<KeyVersion>,
}

impl Unlocked {
    pub fn new(bundle: &Bundle) -> Self {
        Self {
            keys: Keys::derive(bundle),
            versions: bundle.views(),
            checks: bundle.checks(),
            highest: bundle.highest(),
            extra: Vec::new(),
        }
    }

    /// The mark of what is held, without some.
    fn mark_without(&self, left_out: &[KeyVersion]) -> KeySetMark {
        derive_key_set_mark(self.checks.iter().copied().filter(|(version, _)| !left_out.contains(version)))
    }
}

impl System {
    /// The active version that is at hand, and the mark of the set as the master gave it.
    pub fn keys_held(&self) -> (Option<KeyVersion>, Option<KeySetMark>) {
        match self.known() {
            Ok(unlocked) => (Some(unlocked.keys.active()), Some(unlocked.mark_without(&unlocked.extra))),
            Err(_) => (None, None),
        }
    }

    /// Whether a version is here, in the set that the master gives.
    pub fn has_keys(&self, version: KeyVersion, given: KeySetMark) -> bool {
        self.known().is_ok_and(|unlocked| {
            unlocked.keys.holds(version) && unlocked.mark_without(&unlocked.extra) == given
        })
    }

    /// The mark of the versions that this master gives; `None` where custody refuses.
    pub fn given(&self, position: &Position) -> Option<KeySetMark> {
        self.known().ok().map(|unlocked| unlocked.mark_without(&position.withheld))
    }

    /// The bundle as other nodes get it: without a version that is not theirs yet, or not any more.
    pub fn bundle_for_others(&self) -> Result<Bundle, Error> {
        let mut bundle = self.bundle()?;
        let withheld = self.position.borrow().withheld.clone();
        bundle.retain(|version| !withheld.contains(&version));
        Ok(bundle)
    }

    /// The text of the bundle for a node that asks, and the version that is active in it. Opening a custody costs a second
    /// and much memory: when all nodes come at once for a new version, it is opened once for all of them.
    pub(super) fn lend(&self, holder: Holder) -> Result<(SecretText, KeyVersion), Error> {
        let mut lent = held(&self.lent);
        let position = self.position.borrow().clone();
        let given = self.given(&position);
        let fits = |lent: &Lent| {
            lent.at.elapsed() < LENT && Some(lent.given) == given && lent.active == position.active_version
        };
        if !lent.as_ref().is_some_and(fits) {
            let bundle = self.bundle_for_others()?;
            *lent = Some(Lent {
                at: Instant::now(),
                given: derive_key_set_mark(bundle.checks()),
                active: bundle.active(),
                heir: SecretText::from(bundle.to_text(Holder::Heir)),
                reader: SecretText::from(bundle.to_text(Holder::Reader)),
            });
        }
        let lent = lent.as_ref().expect("it was put there");
        let text = if holder == Holder::Reader { &lent.reader } else { &lent.heir };
        // Opened to be sent: a member needs it to open anything.
        Ok((SecretText::new(text.expose().to_owned()), lent.active))
    }

    /// Wipes what was kept ready for nodes that ask, once it is old.
    pub(super) fn tidy_lent(&self) {
        held(&self.lent).take_if(|lent| lent.at.elapsed() >= LENT);
    }

    /// From now on this version seals, if it is here.
    pub(super) fn seal_under(&self, active: KeyVersion) {
        let mut place = self.unlocked.write().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = place.as_ref().filter(|here| here.keys.active() != active) else { return };
        if let Some(keys) = here.keys.sealing_under(active) {
            let (versions, checks, extra) = (here.versions.clone(), here.checks.clone(), here.extra.clone());
            *place = Some(Arc::new(Unlocked { keys, versions, checks, highest: here.highest, extra }));
        }
    }

    /// Changes what custody keeps, and reads it back. Nothing is written where nothing changes.
    pub(super) fn change_custody(&self, change: impl FnOnce(&mut Bundle)) -> Result<(), Error> {
        self.keep(Vec::new(), change)
    }

    /// Refuses to change the custody of a data directory that is another system's by now.
    fn not_over(&self) -> Result<(), Error> {
        match self.over.load(Ordering::Acquire) {
            true => {
                Err(Error::new(Code::Unavailable, "The system of this data directory changed meanwhile.")
                    .hint("Try again."))
            }
            false => Ok(()),
        }
    }

    fn keep(&self, extra: Vec<KeyVersion>, change: impl FnOnce(&mut Bundle)) -> Result<(), Error> {
        let _only = held(&self.keeping);
        self.not_over()?;
        let Kept::Secret(mut bundle) = self.kept()? else {
            return Err(Error::new(Code::Refused, "This node keeps the master secret in memory only."));
        };
        let before = bundle.to_text(Holder::Own);
        change(&mut bundle);
        let after = bundle.to_text(Holder::Own);
        if *before != *after {
            // Opened to be kept: custody is where it lives. It is read back and compared.
            self.custody().store(after.as_bytes())?;
        }
        let unlocked = Unlocked { extra, ..Unlocked::new(&bundle) };
        *self.unlocked.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(unlocked));
        Ok(())
    }

    /// Takes the bundle that the master gave: into custody, or into memory where the settings say so. A version that it
    /// does not hold any more is kept while something here is sealed under it.
    ///
    /// One in which a version that is held here is another secret is refused: what was sealed here would not open any more.
    pub fn take_secret(&self, mut bundle: Bundle) -> Result<(), Error> {
        let _only = held(&self.keeping);
        self.not_over()?;
        let here = self.known().ok();
        if let Some(here) = &here {
            let differing = heard::differing(&here.versions, &bundle.views());
            self.heard.compared(differing);
            if let Some(version) = differing {
                return Err(Error::new(
                    Code::Integrity,
                    format!("Version {version} of the master secret is another one at the master than here."),
                )
                .hint(
                    "It was not taken. Find out which machine has the right one before anything is written.",
                ));
            }
        }
        let dropped: Vec<_> = here
            .iter()
            .flat_map(|here| &here.checks)
            .map(|(version, _)| *version)
            .filter(|version| !bundle.holds(*version))
            .collect();
        let extra = self.needed(&dropped)?;
        bundle.activate(self.position.borrow().active_version);
        let mut unlocked = Unlocked::new(&bundle);
        if self.memory_only {
            if let Some(here) = &here {
                unlocked.keys = unlocked.keys.with(&here.keys, &extra);
            }
        } else {
            match self.kept()? {
                Kept::Secret(mut former) => {
                    self.unlocked_by(&former);
                    bundle.node_key = former.node_key.take();
                    bundle.adopt(former, |version| extra.contains(&version));
                }
                Kept::KeyOnly { node_key, .. } => bundle.node_key = Some(node_key),
            }
            self.custody().store(bundle.to_text(Holder::Own).as_bytes())?;
            unlocked = Unlocked::new(&bundle);
        }
        unlocked.extra = extra;
        *self.unlocked.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(unlocked));
        *held(&self.locked_since) = None;
        // What could not be opened may open now.
        *held(&self.index) = None;
        Ok(())
    }

    /// Lets versions go that were kept only because something here was sealed under them, once nothing is.
    pub fn forget_unneeded(&self) -> Result<(), Error> {
        let Ok(here) = self.known() else { return Ok(()) };
        if here.extra.is_empty() {
            return Ok(());
        }
        let still = self.needed(&here.extra)?;
        if still.len() == here.extra.len() {
            return Ok(());
        }
        if self.memory_only {
            // What is in memory alone goes with the process, or with the next bundle.
            return Ok(());
        }
        let gone: Vec<_> = here.extra.iter().copied().filter(|version| !still.contains(version)).collect();
        self.keep(still, |bundle| bundle.retain(|version| !gone.contains(&version)))
    }

    /// Those of the versions that this node still needs, though nobody gives them.
    pub(super) fn needed(&self, versions: &[KeyVersion]) -> Result<Vec<KeyVersion>, Error> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let writer = held(&self.writer);
        let active = writer.system()?.active_version;
        let mut needed = Vec::new();
        for version in versions {
            if keeps(false, *version == active, writer.parts_under(*version)?) {
                needed.push(*version);
            }
        }
        Ok(needed)
    }
}
