//! The loop of a rotation: one step after the other, as the core says, until nothing is to be done. Ends with the engine.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::engine::{Engine, Pace};

/// Carries out whatever rotation there is.
pub(crate) async fn carry_out(engine: Weak<Engine>, kick: Arc<Notify>) {
    loop {
        let pace = {
            let Some(engine) = engine.upgrade() else { return };
            // It reads, seals and writes: a thread of its own, so that no request of another node waits.
            tokio::task::spawn_blocking(move || engine.rotation_step()).await
        };
        match pace {
            Ok(Pace::Idle) => kick.notified().await,
            Ok(Pace::After(wait)) => {
                let _ = tokio::time::timeout(wait, kick.notified()).await;
            }
            Err(_) => return,
        }
    }
}
