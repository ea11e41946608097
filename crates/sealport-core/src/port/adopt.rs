//! Importing a port again: the new element, with the secrets that are known of the old one.

use super::{
    Port,
    edit::splice,
    element::{Read, find},
    slots::Slot,
};
use crate::{Error, api::SecretState, secret::SecretText};

impl Port {
    /// `incoming`, as imported, with the secrets that `current` holds: a secret without a value gets the value that
    /// was known, and one that was filled in stays even where the new file has another value (with a warning).
    /// Receive locations are matched by name; an administrator's marks stay.
    pub fn adopt(incoming: Port, current: &Port) -> Result<(Port, Vec<String>), Error> {
        let old = current.open();
        let name = incoming.name().to_owned();
        let mut warnings = Vec::new();
        let mut marks = incoming.marks().clone();
        let mut result = {
            let new = incoming.open();
            let here = |path: &String| new.path_of_key(&old.key(path));
            marks.marked.extend(current.marks().marked.iter().filter_map(here));
            Port::read(SecretText::new(incoming.element().to_owned()), marks)?
        };
        for (key, slot) in old.keyed() {
            let path = old.slots.path(old.tree, slot);
            let filled = current.marks().filled.contains(&path);
            let known = match slot.secret {
                Some(SecretState::Set) => true,
                Some(SecretState::Missing) | None => false,
                Some(SecretState::Reference | SecretState::Unused) => filled,
            };
            let Some(value) = old.slots.value(old.tree, slot).filter(|value| known && !value.is_empty())
            else {
                continue;
            };
            let Some((carried, differed)) = result.carry(&key, &value, filled)? else {
                if filled {
                    warnings
                        .push(format!("\"{name}\": {path} was filled in, and the file has no place for it"));
                }
                continue;
            };
            if differed {
                warnings.push(format!(
                    "\"{name}\": the file has another value for {path}; the one filled in stays"
                ));
            }
            result = carried;
        }
        Ok((result, warnings))
    }

    /// The port with a secret carried over to where `key` leads, and whether another value stood there. `None` where
    /// there is no place for it, or another value that stays.
    fn carry(&self, key: &str, value: &str, filled: bool) -> Result<Option<(Port, bool)>, Error> {
        let read = self.open();
        let Some(path) = read.path_of_key(key) else { return Ok(None) };
        let mut marks = self.marks().clone();
        if filled {
            marks.filled.insert(path.clone());
        }
        let Some(slot) = find(&read, &path) else {
            return match self.insertion(&read, &path, value).filter(|_| filled) {
                Some((edits, _)) => {
                    Port::read(splice(self.element(), edits), marks).map(|port| Some((port, false)))
                }
                None => Ok(None),
            };
        };
        let own = has(&read, slot, value);
        if own.is_some() && !filled {
            return Ok(None);
        }
        let element = splice(self.element(), self.secret_edits(&read, slot, value));
        Port::read(element, marks).map(|port| Some((port, own == Some(false))))
    }
}

/// Whether the slot has a value that counts, and if so whether it is this one.
fn has(read: &Read<'_>, slot: &Slot, value: &str) -> Option<bool> {
    if slot.secret == Some(SecretState::Missing) {
        return None;
    }
    read.slots.value(read.tree, slot).filter(|own| !own.is_empty()).map(|own| *own == *value)
}
