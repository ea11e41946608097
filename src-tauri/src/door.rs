//! Holds the engine of the data directory, or the sample system in its place, and what runs on them.
//!
//! Promises: the engine is opened once; where that fails, the next request tries again, so that a keyring that was
//! unlocked meanwhile costs no restart. Cancelling reaches all work that runs, and nothing that begins later.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use sealport_core::{
    Error,
    api::{Notice, Request, Response},
};

use crate::engine::{self, Call, Hear, Opened, Origin};

/// The way in.
pub struct Door {
    data_dir: PathBuf,
    /// Hears of every write, whoever made it.
    changed: Hear,
    own: Mutex<Option<Opened>>,
    sample: Mutex<Option<Opened>>,
    running: Mutex<Vec<Weak<AtomicBool>>>,
    last_export: Mutex<Option<PathBuf>>,
}

impl Door {
    /// Opens nothing yet.
    pub fn new(data_dir: PathBuf, changed: Hear) -> Self {
        Self {
            data_dir,
            changed,
            own: Mutex::default(),
            sample: Mutex::default(),
            running: Mutex::default(),
            last_export: Mutex::default(),
        }
    }

    /// Where the data rests.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The engine that requests go to now. Opens the data directory if need be; whoever comes meanwhile waits.
    pub fn engine(&self) -> Result<Opened, Error> {
        if let Some(sample) = held(&self.sample).as_ref() {
            return Ok(sample.clone());
        }
        let mut own = held(&self.own);
        match own.as_ref() {
            Some(open) => Ok(open.clone()),
            None => Ok(own.insert(engine::open(&self.data_dir, &self.changed)?).clone()),
        }
    }

    /// Sends a request and waits for the answer.
    pub fn call(&self, request: Request, notify: &(dyn Fn(Notice) + Sync)) -> Result<Response, Error> {
        let cancel = self.begin();
        let call = Call { actor: engine::actor(), origin: Origin::Window, notify, cancel: &cancel };
        let response = self.engine()?.handle(request, &call)?;
        if let Response::Exported(view) = &response {
            *held(&self.last_export) = Some(PathBuf::from(&view.folder));
        }
        Ok(response)
    }

    /// The folder that the last export of this run went to.
    pub fn last_export(&self) -> Option<PathBuf> {
        held(&self.last_export).clone()
    }

    /// Tells all work that runs to stop at its next safe place.
    pub fn cancel(&self) {
        held(&self.running)
            .drain(..)
            .filter_map(|flag| flag.upgrade())
            .for_each(|flag| flag.store(true, Ordering::Relaxed));
    }

    /// Puts the sample system, in memory only, in the place of the own one.
    pub fn explore(&self) -> Result<(), Error> {
        let sample = engine::explore(&self.changed)?;
        *held(&self.sample) = Some(sample);
        Ok(())
    }

    /// Goes back to the own system; the sample is gone.
    pub fn leave_sample(&self) {
        held(&self.sample).take();
    }

    /// Whether requests go to the sample system.
    pub fn is_sample(&self) -> bool {
        held(&self.sample).is_some()
    }

    /// Lets go of everything, so that locks are free when the process ends. Does not wait for an engine that is still
    /// opening: a keyring may ask for as long as it likes, and the window must close.
    pub fn close(&self) {
        self.cancel();
        held(&self.sample).take();
        if let Ok(mut own) = self.own.try_lock() {
            own.take();
        }
    }

    /// A flag for work that begins; the flags of work that ended are forgotten.
    fn begin(&self) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        let mut running = held(&self.running);
        running.retain(|old| old.strong_count() > 0);
        running.push(Arc::downgrade(&flag));
        flag
    }
}

/// A value in a mutex is replaced whole, so it is sound even where its last holder panicked.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: keep one flag for all work, and the second assertion fails.
    #[test]
    fn cancelling_reaches_what_runs_and_nothing_later() {
        let door = Door::new("nowhere".into(), Arc::new(|_| {}));
        let running = door.begin();
        door.cancel();
        assert!(running.load(Ordering::Relaxed));
        assert!(!door.begin().load(Ordering::Relaxed));
    }

    /// Sabotage: lock `own` in `close`, and the test stands still.
    #[test]
    fn closing_does_not_wait_for_a_keyring() {
        let door = Door::new("nowhere".into(), Arc::new(|_| {}));
        let opening = held(&door.own);
        door.close();
        drop(opening);
    }

    /// Sabotage: drop the `retain`, and the list grows with every request.
    #[test]
    fn work_that_ended_is_forgotten() {
        let door = Door::new("nowhere".into(), Arc::new(|_| {}));
        (0..100).for_each(|_| drop(door.begin()));
        assert_eq!(held(&door.running).len(), 1);
    }
}
