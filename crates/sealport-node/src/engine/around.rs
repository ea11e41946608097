//! Who is master: grants that come from anywhere are proven and followed, all addresses of the registry are asked, a former
//! master stands down, and the data directory is opened anew in its other role without a restart.

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    bundle::Authority,
    id::NodeId,
    machine::{ProvenGrant, Rank, SignedGrant},
};

use super::{Engine, held, listen::own_certificate, system::System};
use crate::{
    membership::Membership,
    net::{authority, client::Client, wire::Granted},
    store::{NodeRow, Store},
};

/// How long one node is waited for when all are asked.
pub(super) const EACH: Duration = Duration::from_secs(2);
/// How often a master asks whether another one was granted a later epoch.
const LOOK: Duration = Duration::from_secs(10);
/// How long a master that has just started lets writes wait for the first such look.
const SURE: Duration = Duration::from_secs(5);
/// How soon a part of a change of master that failed is tried again at first, and in the end.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_LEAST: Duration = Duration::from_secs(30);

impl System {
    /// Whether this node is the master, and answers as one.
    pub fn leads(&self) -> bool {
        !self.over.load(Ordering::Acquire) && self.seat.as_ref().is_some_and(|seat| !seat.superseded())
    }

    /// A grant that is signed by this system's key.
    pub fn prove(&self, signed: SignedGrant) -> Option<ProvenGrant> {
        let mut key = self.gate(|store| store.grant_key()).ok()?;
        if key.is_none() {
            // Made before nodes kept the key: whoever holds the private one knows it.
            let bundle = self.bundle().ok()?;
            self.learn_grant_key_of(bundle.authority.as_ref()?).ok()?;
            key = self.gate(|store| store.grant_key()).ok()?;
        }
        authority::prove_grant(signed, self.row.id, &key?)
    }

    /// A grant that this node signed just now with these keys.
    pub fn prove_here(&self, signed: SignedGrant, keys: &Authority) -> Result<ProvenGrant, Error> {
        authority::prove_grant(signed, self.row.id, &authority::grant_key(keys)?)
            .ok_or_else(|| Error::new(Code::Internal, "A grant that was just signed is not proven."))
    }

    /// The highest grant that is known here.
    pub fn highest_grant(&self) -> Result<Option<ProvenGrant>, Error> {
        let highest = self.gate(|store| store.grant())?;
        Ok(highest.and_then(|signed| self.prove(signed)))
    }

    /// This node as the master that it is.
    pub(super) fn own_rank(&self) -> Rank {
        Rank { epoch: self.position().borrow().at.epoch, node: self.row.node }
    }

    /// Makes a grant durable, if it is higher than what is known.
    pub fn keep_grant(&self, grant: &ProvenGrant) -> Result<bool, Error> {
        let mut writer = held(&self.writer);
        let kept = writer.keep_grant(grant)?;
        self.position.send_replace(writer.position()?);
        Ok(kept)
    }

    /// Keeps the public key of grants, as the master told it.
    pub fn learn_grant_key(&self, key: Option<&str>) -> Result<(), Error> {
        match key.and_then(|key| STANDARD.decode(key).ok()) {
            Some(key) if self.gate(|store| store.grant_key())?.is_none() => {
                held(&self.writer).set_grant_key(&key)
            }
            _ => Ok(()),
        }
    }

    /// Keeps the public key of grants, as the private one says.
    pub fn learn_grant_key_of(&self, keys: &Authority) -> Result<(), Error> {
        if self.gate(|store| store.grant_key())?.is_none() {
            held(&self.writer).set_grant_key(&authority::grant_key(keys)?)?;
        }
        Ok(())
    }

    /// The nodes that may be asked: all that serve, but this one.
    pub(super) fn others(&self) -> Result<Vec<NodeRow>, Error> {
        let other = |row: &NodeRow| !row.revoked && row.id != self.row.node;
        Ok(self.gate(|store| store.nodes())?.into_iter().filter(other).collect())
    }

    /// Waits until a master that has just started has asked around; not for ever, since nobody may be there to answer.
    pub(super) fn be_sure(&self) {
        let (sure, told) = &self.sure;
        let sure = sure.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = told.wait_timeout_while(sure, SURE, |sure| !*sure);
    }

    fn set_sure(&self, sure: bool) {
        *self.sure.0.lock().unwrap_or_else(PoisonError::into_inner) = sure;
        self.sure.1.notify_all();
    }

    /// The database for a write. While this master hands over, writes wait: for the end of that, or to be refused.
    pub(super) fn writer_when_drained(&self) -> Result<MutexGuard<'_, Store>, Error> {
        loop {
            let writer = held(&self.writer);
            if self.over.load(Ordering::Acquire) {
                return Err(Error::new(
                    Code::EncryptionUnavailable,
                    "The master changed while this was to be written.",
                )
                .hint("Nothing was written. Try again: it goes to the new master."));
            }
            let until = *held(&self.drain);
            let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) else {
                return Ok(writer);
            };
            drop(writer);
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}

impl Engine {
    /// How this node reaches others from now on.
    pub(crate) fn go_by(&self, client: Client) {
        *self.way.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(client));
    }

    fn way(&self) -> Result<Arc<Client>, Error> {
        let way = self.way.read().unwrap_or_else(PoisonError::into_inner).clone();
        way.ok_or_else(|| {
            Error::new(Code::Unavailable, "This node can't reach others: its keys are not at hand.")
                .hint("Unlock its custody, and let `sealport serve` run.")
        })
    }

    /// The way to one node: what another says that answers at its address is not heard, so no answer counts for two.
    pub(super) fn way_to(&self, address: &str, node: NodeId) -> Result<Client, Error> {
        self.way()?.to(&format!("https://{address}"), node)
    }

    /// Where a node is reached: as it was last told, or as the registry has it.
    pub(crate) fn address_of(&self, system: &System, node: NodeId) -> Option<String> {
        let told = held(&self.hints).get(&node).cloned();
        let row = || system.gate(|store| store.nodes()).ok()?.into_iter().find(|row| row.id == node)?.address;
        told.or_else(row)
    }

    /// Asks every node that serves for the highest grant that it knows. Nothing is waited for.
    pub(crate) fn ask_around(&self) {
        let (Some(engine), Ok(runtime)) = (self.me.get().and_then(Weak::upgrade), self.runtime()) else {
            return;
        };
        runtime.spawn(async move { engine.ask_round().await });
    }

    async fn ask_round(&self) {
        let Ok(system) = self.system() else { return };
        let known = tokio::task::block_in_place(|| self.known_grant(&system));
        let Ok(others) = tokio::task::block_in_place(|| system.others()) else { return };
        let mut asked: Vec<String> = others.into_iter().filter_map(|row| row.address).collect();
        let followed = system.follower().map(|follower| follower.url());
        asked.extend(followed.map(|url| url.trim_start_matches("https://").to_owned()));
        asked.sort();
        asked.dedup();
        let mut asks = tokio::task::JoinSet::new();
        // Whoever answers there: a grant proves itself.
        let Ok(way) = self.way() else { return };
        for client in asked.iter().filter_map(|address| way.at(&format!("https://{address}")).ok()) {
            let known = known.clone();
            asks.spawn(async move { client.post::<Granted>("/v1/grant", &known, EACH).await.ok() });
        }
        let answers = asks.join_all().await;
        for answer in answers.into_iter().flatten() {
            tokio::task::block_in_place(|| self.heard_grant(&system, answer));
        }
    }

    /// The highest grant that is known, with the address of its master.
    fn known_grant(&self, system: &System) -> Granted {
        let grant = system.gate(|store| store.grant()).unwrap_or_default();
        let address = grant.as_ref().and_then(|signed| {
            if signed.grant.node == system.row.node {
                self.address()
            } else {
                self.address_of(system, signed.grant.node)
            }
        });
        Granted { grant, address }
    }

    fn heard_grant(&self, system: &Arc<System>, heard: Granted) {
        let Some(grant) = heard.grant.and_then(|signed| system.prove(signed)) else { return };
        if let Some(address) = heard.address {
            held(&self.hints).insert(grant.rank().node, address);
        }
        let _ = self.granted(grant);
    }

    /// Another node tells the highest grant that it knows, and is told ours. Before the answer a higher one is followed: a
    /// master that is outranked is none any more, and that is durable.
    pub(crate) fn grant_for(&self, told: &Granted) -> Result<Granted, Error> {
        let system = self.system()?;
        if let Some(signed) = told.grant.clone() {
            let grant = system.prove(signed).ok_or_else(|| {
                Error::new(Code::Integrity, "The grant is not signed by this system's key.").hint(
                    "Somebody may be trying to take the place of the master. Look at the node that sent it.",
                )
            })?;
            if let Some(address) = &told.address {
                held(&self.hints).insert(grant.rank().node, address.clone());
            }
            self.granted(grant)?;
        }
        Ok(self.known_grant(&*self.system()?))
    }

    /// Follows a grant that was proven, if it is higher than what is known.
    pub(crate) fn granted(&self, grant: ProvenGrant) -> Result<(), Error> {
        let system = self.system()?;
        if let Some(follower) = system.follower() {
            follower.granted(grant);
            return Ok(());
        }
        let Some(seat) = &system.seat else {
            // Custody is locked: what was heard stays heard.
            return system.keep_grant(&grant).map(drop);
        };
        let own = system.own_rank();
        if seat.superseded() || grant.outranks(own.epoch, Some(own)) {
            if !system.keep_grant(&grant)? {
                return Ok(());
            }
            // Durable now; writes that wait are answered as stranded.
            seat.met(grant.rank().epoch.max(own.epoch.next()));
            system.position.send_modify(|_| {});
            self.reopen_soon();
        }
        Ok(())
    }

    /// A master that has just begun: asks around now and every few seconds, and lets no write in before the first look.
    pub(super) fn doubt(&self, system: &Arc<System>) {
        if !system.is_master() {
            return;
        }
        let (Some(engine), Ok(runtime)) = (self.me.get().cloned(), self.runtime()) else { return };
        if self.looks.swap(true, Ordering::AcqRel) {
            return;
        }
        let known = self.way.read().unwrap_or_else(PoisonError::into_inner).is_some();
        let anyone = system.others().is_ok_and(|others| others.iter().any(|row| row.address.is_some()))
            || self.other_places(system).next().is_some();
        system.set_sure(!(known && anyone));
        runtime.spawn(async move {
            loop {
                {
                    let Some(engine) = engine.upgrade() else { return };
                    let Ok(system) = engine.system() else { return };
                    // A node that follows asks as its machine says.
                    if system.is_master() {
                        tokio::join!(engine.ask_round(), engine.meet_oneself(&system));
                        system.set_sure(true);
                        // Where it fails, the next look tries it again.
                        let _ = tokio::task::spawn_blocking(move || engine.take_own_spool()).await;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// Opens the data directory anew in the role that its database says, while the process and its listeners go on.
    pub(crate) fn reopen(&self) -> Result<(), Error> {
        let former = self.system()?;
        {
            let _only = held(&self.setup);
            former.over.store(true, Ordering::Release);
            // Whoever waits on the former one looks again.
            former.position.send_modify(|_| {});
            if let Some(follower) = former.follower.write().unwrap_or_else(PoisonError::into_inner).take() {
                follower.stop();
            }
            // No write of the former one is under way any more.
            drop(held(&former.writer));
            let system = System::open(&self.config)?
                .ok_or_else(|| Error::new(Code::Internal, "The database is gone."))?;
            system.carry_on(&former);
            if system.is_master() {
                Membership::remove(&self.config.data_dir)?;
            }
            if system.cloned.is_some() {
                self.be_silent();
            }
            self.install(system);
        }
        let followed = self.follow();
        let listening = self.begin_listening();
        if let Ok(system) = self.system() {
            self.doubt(&system);
        }
        // A rotation that the former master began goes on here.
        self.begin_rotating();
        self.state_changed(self.node_state());
        self.changed(self.system()?.position().borrow().at.generation);
        followed.and(listening)
    }

    pub(super) fn reopen_soon(&self) {
        self.aside(Self::reopen);
    }

    /// Does a part of a change of master in a thread of its own, and again, ever less often, until it is done: what hinders
    /// it, such as a full disk, may go away while the process stays.
    pub(super) fn aside(&self, part: fn(&Self) -> Result<(), Error>) {
        let Some(me) = self.me.get().cloned() else { return };
        thread::spawn(move || {
            let mut pause = AGAIN;
            loop {
                let Some(engine) = me.upgrade() else { return };
                let went = part(&engine);
                let done = went.is_ok();
                engine.change_went(went);
                if done {
                    return;
                }
                drop(engine);
                thread::sleep(pause);
                pause = (pause * 2).min(AGAIN_AT_LEAST);
            }
        });
    }

    /// Remembers why a change of master does not come to its end here, for people. It is tried again.
    pub(super) fn change_went(&self, result: Result<(), Error>) {
        *held(&self.stuck) = result.err().map(|error| (error.message, error.hint));
        self.alarm.ring();
    }

    /// Where this node follows: its membership. One that was the master signs its own, since it holds the authority's keys.
    pub(super) fn membership_of(&self, system: &System) -> Result<Option<Membership>, Error> {
        let known = Membership::read(&self.config.data_dir)?;
        let master = system.position().borrow().master;
        let granted = system.gate(|store| store.grant())?.map(|signed| signed.grant.node);
        let master = granted.unwrap_or(master);
        let address = self.address_of(system, master);
        match (known, address) {
            // What the last grant said may not have come as far as the file.
            (Some(known), Some(address)) if granted.is_some() && master != system.row.node => {
                let url = format!("https://{address}");
                if known.url == url {
                    return Ok(Some(known));
                }
                let moved = known.moved(&url);
                moved.write(&self.config.data_dir)?;
                Ok(Some(moved))
            }
            (Some(known), _) => Ok(Some(known)),
            (None, Some(address)) if master != system.row.node => {
                let (certificate, ca, _) = own_certificate(system)?;
                let url = format!("https://{address}");
                let row = &system.row;
                let made = Membership::new(row.id, row.name.clone(), row.node, url, &certificate, &ca);
                made.write(&self.config.data_dir)?;
                Ok(Some(made))
            }
            (None, _) => Ok(None),
        }
    }

    /// Tells every node that serves that this one is the master.
    pub(super) fn announce(&self) {
        self.ask_around();
    }
}
