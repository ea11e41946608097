//! The loop of a rotation: one step after the other, as the core says, until nothing is to be done. Ends with the engine.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::sync::Notify;

use crate::engine::{Engine, Pace};

/// How long after a step that broke the next one is tried.
const MENDED: Duration = Duration::from_secs(60);

/// Carries out whatever rotation there is.
pub(crate) async fn carry_out(engine: Weak<Engine>, kick: Arc<Notify>) {
    repeat(kick, move || engine.upgrade().map(|engine| engine.rotation_step())).await;
}

/// Takes steps until there is nothing left to take them of.
async fn repeat(kick: Arc<Notify>, step: impl Fn() -> Option<Pace> + Send + Sync + 'static) {
    let step = Arc::new(step);
    loop {
        let step = step.clone();
        // It reads, seals and writes: a thread of its own, so that no request of another node waits.
        match tokio::task::spawn_blocking(move || step()).await {
            Ok(None) => return,
            Ok(Some(Pace::Idle)) => kick.notified().await,
            Ok(Some(Pace::After(wait))) => {
                let _ = tokio::time::timeout(wait, kick.notified()).await;
            }
            // The panic is in the log. What the step had not written is not done; the next begins from the database.
            Err(broken) if broken.is_panic() => {
                let _ = tokio::time::timeout(MENDED, kick.notified()).await;
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Sabotage: return where a step broke, as where the runtime ends.
    #[tokio::test]
    async fn a_step_that_breaks_is_not_the_last() {
        let (kick, taken) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let steps = {
            let taken = taken.clone();
            move || match taken.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("as a fault of ours would"),
                1 => Some(Pace::After(Duration::ZERO)),
                _ => None,
            }
        };
        kick.notify_one();
        let ended = tokio::time::timeout(Duration::from_secs(20), repeat(kick, steps)).await;
        assert!(ended.is_ok(), "it is kicked, and goes on");
        assert_eq!(taken.load(Ordering::SeqCst), 3);
    }
}
