//! Two processes of one node: how a master finds another one of itself, and what a copy is from then on.
//!
//! Nodes that follow are told by their master, whom each of them asks (`machine::clone`). A master asks nobody, so it looks for
//! itself where the registry has it, when it starts and every few seconds. What answers there must prove this node's own key.

use std::{net::IpAddr, sync::atomic::Ordering, thread, time::Duration};

use sealport_core::{
    Error,
    api::NodeState,
    machine::{Cause, Life, Refusal, Standing, clone::is_copy},
};

use super::{
    Engine,
    around::EACH,
    held, now,
    system::{System, own_act},
};
use crate::{
    life,
    net::wire::{AboutAnswer, AboutAsk},
    store::{Change, NodeRow},
};

/// How long a copy that was just fenced lets an answer that is on its way go out: it says that to the original.
const LAST_WORD: Duration = Duration::from_millis(200);

impl System {
    /// This is a copy, durably. Whoever carries it on opens the data directory anew.
    pub fn fence(&self) -> Result<(), Error> {
        self.change_own(|own| {
            own.standing = Standing::Cloned;
            own.cloned_since.get_or_insert_with(now);
        })
    }

    /// A copy of a node came here and gets nothing: an administrator is told when, and from where. The trail has it once.
    pub fn copy_came(&self, node: &NodeRow, life: Life, from: Option<IpAddr>) -> Result<(), Error> {
        if !self.seat.as_ref().is_some_and(|seat| seat.copied(node.id, life, now(), from)) {
            return Ok(());
        }
        let from =
            from.map_or_else(|| "from an address that is not known".to_owned(), |at| format!("from {at}"));
        let entry =
            own_act("node.cloned", node.name.clone(), format!("a copy of it came {from}, and was fenced"));
        self.write_alone(&Change { acts: vec![entry], ..Change::default() })
    }

    /// Refuses what a copy may not do, though it could.
    pub(super) fn not_cloned(&self) -> Result<(), Error> {
        match self.cloned {
            Some(_) => Err(self.refusal(&Refusal { cause: Cause::Cloned, since: None })),
            None => Ok(()),
        }
    }
}

impl Engine {
    /// Where this node is said to be, and does not serve itself.
    pub(super) fn other_places(&self, system: &System) -> impl Iterator<Item = String> {
        let told = held(&self.hints).get(&system.row.node).cloned();
        let own = self.address();
        let mut places: Vec<_> = [system.was_at.clone(), told].into_iter().flatten().collect();
        places.dedup();
        places.into_iter().filter(move |place| Some(place) != own.as_ref())
    }

    /// Looks whether this node is at work elsewhere too.
    pub(super) async fn meet_oneself(&self, system: &System) {
        let ask = AboutAsk { own: Some(life::own()) };
        for place in self.other_places(system) {
            let Ok(way) = self.way_to(&place, system.row.node) else { continue };
            let own = tokio::task::block_in_place(|| system.gate(|store| store.nodes()));
            let own = own.unwrap_or_default().into_iter().find(|node| node.id == system.row.node);
            let Some(own) = own else { return };
            let answer = way.post_to::<AboutAnswer>(Some(own.key_hash), "/v1/about", &ask, EACH).await;
            let Ok(about) = answer else { continue };
            tokio::task::block_in_place(|| {
                if about.cloned {
                    self.fenced(system);
                } else if let Some(life) = about.copy {
                    let host = place.rsplit_once(':').map_or("", |(host, _)| host);
                    let from = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
                    let _ = system.copy_came(&own, life, from);
                }
            });
        }
    }

    /// How this node is, for whoever asks. Where that is this very node, one of the two is a copy, and it is decided here.
    pub(crate) fn about_for(
        &self,
        system: &System,
        node: &NodeRow,
        ask: &AboutAsk,
        from: Option<IpAddr>,
    ) -> Result<AboutAnswer, Error> {
        let mut about = self.about_here(system)?;
        let met = ask.own.filter(|_| node.id == system.row.node);
        match met.and_then(|other| is_copy(other, life::own())) {
            Some(true) => {
                about.cloned = true;
                if let Some(other) = met {
                    system.copy_came(node, other.life, from)?;
                }
            }
            Some(false) => about.copy = self.fenced(system).then(|| life::own().life),
            None => {}
        }
        Ok(about)
    }

    /// This process is a copy: it leads nothing from here on, and that is durable. Where it can't be written down, the next look
    /// finds it again.
    fn fenced(&self, system: &System) -> bool {
        if system.cloned.is_some() {
            return true;
        }
        let fenced = system.fence().is_ok();
        if fenced {
            system.over.store(true, Ordering::Release);
            system.position.send_modify(|_| {});
            self.state_changed(NodeState::Fenced);
            self.aside(|engine| {
                thread::sleep(LAST_WORD);
                engine.reopen()
            });
        }
        fenced
    }
}
