//! The watch: looks at the node every few seconds and at each change of state, and tells what is new.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use sealport_core::{Code, Error};
use tokio::sync::mpsc;

use super::{held, webhook};
use crate::engine::Engine;

/// How often it looks where nothing rings.
const LOOK: Duration = Duration::from_secs(3);

/// Watches until it is dropped.
pub struct Watch {
    alarm: Arc<super::Alarm>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch.
    pub fn start(engine: &Arc<Engine>) -> Result<Self, Error> {
        let alarm = engine.alarm().clone();
        let (post, inbox) = mpsc::channel(webhook::QUEUE);
        *held(&alarm.post) = Some(post);
        let watched = Arc::downgrade(engine);
        engine.runtime()?.spawn(webhook::deliver(watched.clone(), inbox));
        let bell = alarm.clone();
        let run = move || {
            loop {
                match watched.upgrade() {
                    Some(engine) => engine.look(),
                    None => return,
                }
                if !bell.wait(LOOK) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(run).map_err(|e| {
            Error::new(Code::Unavailable, "The thread that watches can't be started.").because(e)
        })?;
        Ok(Self { alarm, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.alarm.stop();
        *held(&self.alarm.post) = None;
        // The data directory is free only when nothing holds the engine any more.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
