//! A rotation of the master secret: begun by an administrator, then carried out here step by step until it is done, also after
//! a crash and on another master. Each step is durable before its effect, and may be done twice.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{Notice, Request, Response, RotationAct, RotationPhase, RotationStatusView},
    id::{KeyVersion, NodeId},
    machine::rotation::{MemberFact, RotationFacts, Step, may_prepare, next},
    secret::SecretText,
};

use super::{
    Engine,
    backups::check_passphrase,
    fleet::administer,
    held, now,
    system::{System, act},
    system_rng,
};
use crate::{
    call::{Call, Origin},
    clock,
    custody::BUNDLE_LIMIT,
    net::wire::AboutAnswer,
    run::rotate,
    store::{Act, Change, Cursor, NodeRow, RotationMove, RotationRow},
};

/// How many records are opened before the former version is called retired.
const SAMPLE: u32 = 64;
/// How soon a step is tried again that failed, or that waits for nodes.
const AGAIN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(300);
/// How soon something that does not open is looked at again.
const UNOPENED: Duration = Duration::from_secs(30);
/// The pause between two stretches of sealing anew.
const REST: Duration = Duration::from_millis(5);

/// The rotation as this process carries it out. All of it may be lost.
#[derive(Default)]
pub(super) struct Rotating {
    /// Held while a step is taken.
    step: Mutex<()>,
    begun: AtomicBool,
    pub kick: Arc<tokio::sync::Notify>,
    cursor: Mutex<Cursor>,
    batch: AtomicUsize,
    /// What stands in its way, in a sentence.
    pub note: Mutex<Option<String>>,
    /// Since when it seals anew without a break, and how many parts since then.
    pub pace: Mutex<Option<(Instant, u64)>>,
    told: Mutex<Option<Instant>>,
}

/// When to look again.
pub(crate) enum Pace {
    /// When somebody says so.
    Idle,
    /// After this long.
    After(Duration),
}

impl Engine {
    /// Begins a rotation, or gives one that waits for it a backup. When it returns the new version is proven; the rest goes
    /// on by itself.
    pub(super) fn rotate(
        &self,
        file: &Path,
        passphrase: &SecretText,
        reminder: Option<String>,
        call: &Call,
    ) -> Result<RotationStatusView, Error> {
        let system = self.system()?;
        if !system.is_master() {
            let nodes = system.gate(|store| store.nodes())?;
            let master = system.position().borrow().master;
            let name = nodes.into_iter().find(|node| node.id == master).map(|node| node.name);
            let name = name.unwrap_or_else(|| master.to_string());
            return Err(Error::new(Code::Refused, format!("A rotation begins on the master, which is {name}."))
                .hint("Its backup must be written where the master secret is made. Pausing and watching works here too."));
        }
        system.may_seal()?;
        check_passphrase(passphrase)?;
        if file.symlink_metadata().is_ok() {
            return Err(Error::new(Code::AlreadyExists, format!("{} is there already.", file.display()))
                .hint("A backup is never written over. Choose another name."));
        }
        let last = system.read(|store| store.rotation())?;
        if let Some(row) =
            last.filter(|row| row.rotation().under_way() && row.phase != RotationPhase::Prepared)
        {
            return Err(Error::new(Code::Refused, format!("A rotation to version {} is under way.", row.to))
                .hint("Watch it with `sealport secret rotate --status`."));
        }
        let step = held(&self.rotating.step);
        let to = self.prepare(&system, call)?;
        if let Err(error) = self.prove(&system, to, file, passphrase, reminder, call) {
            // Nothing half done: the version that is not proven goes.
            let why = format!("It was not proven: {}", error.message);
            let entry = act(call, "rotation.cancel", version_name(to), why.clone());
            let cancel = RotationMove::Cancel { to, at: now(), why: Some(why) };
            let _ = move_on(&system, cancel, entry).and_then(|()| tidy(&system));
            return Err(error);
        }
        drop(step);
        self.begin_rotating();
        self.rotating.kick.notify_one();
        self.rotation()
    }

    /// Makes the new version durable: first that there is one, then the version itself.
    fn prepare(&self, system: &System, call: &Call) -> Result<KeyVersion, Error> {
        let bundle = system.bundle()?;
        let last = system.read(|store| store.rotation())?;
        let prepared = last.filter(|row| row.phase == RotationPhase::Prepared).map(|row| row.to);
        let usable = |to: &KeyVersion| bundle.holds(*to) || *to > bundle.highest();
        if let Some(to) = prepared.filter(|to| !usable(to)) {
            give_up(system, to)?;
        }
        let to = match prepared.filter(usable) {
            Some(to) => to,
            None => {
                let versions = bundle.versions().count();
                let room = bundle.room(BUNDLE_LIMIT);
                // Whoever was master meanwhile may have made versions that this node never got.
                let abouts = self.ask_about(system)?;
                let told = abouts.iter().filter_map(|(_, about)| about.as_ref());
                let told = told.flat_map(|about| &about.versions).map(|held| held.version).max();
                let highest = told.map_or(bundle.highest(), |told| told.max(bundle.highest()));
                let unheard = unheard(system, &abouts);
                let facts = system.read(|store| store.prepare_facts(highest, unheard, versions, room))?;
                // Refused in words inside the transaction.
                let to = may_prepare(&facts).unwrap_or(highest.next());
                let prepare = RotationMove::Prepare {
                    to,
                    highest,
                    unheard,
                    held: versions,
                    room,
                    at: now(),
                    by: call.actor.clone(),
                };
                let detail = format!("from version {}", bundle.active());
                move_on(system, prepare, act(call, "secret.prepare", version_name(to), detail))?;
                to
            }
        };
        make(system, to)?;
        Ok(to)
    }

    fn prove(
        &self,
        system: &System,
        to: KeyVersion,
        file: &Path,
        passphrase: &SecretText,
        reminder: Option<String>,
        call: &Call,
    ) -> Result<(), Error> {
        let view = self.backup_for(file, passphrase, reminder, false, Some(to), call)?;
        let here = system.unlocked()?;
        let kcv = |held: &[sealport_core::api::KeyVersionView]| {
            held.iter().find(|held| held.version == to).map(|held| held.kcv.clone())
        };
        if kcv(&here.versions) == kcv(&view.header.versions) {
            return Ok(());
        }
        Err(Error::new(Code::Integrity, format!("The backup holds another version {to} than custody does.")))
    }

    /// Pauses, resumes or cancels the rotation.
    pub(super) fn steer(&self, steer: RotationAct, call: &Call) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            return administer(&system, Request::SecretSteer { steer }, call);
        }
        let row = system.read(|store| store.rotation())?;
        let row = row.filter(|row| row.rotation().under_way()).ok_or_else(|| {
            Error::new(Code::Refused, "No rotation is under way.")
                .hint("Begin one with `sealport secret rotate --backup FILE`.")
        })?;
        let to = row.to;
        let (change, word) = match steer {
            RotationAct::Pause => (RotationMove::Pause { to, paused: true }, "rotation.pause"),
            RotationAct::Resume => (RotationMove::Pause { to, paused: false }, "rotation.resume"),
            RotationAct::Cancel => (RotationMove::Cancel { to, at: now(), why: None }, "rotation.cancel"),
        };
        move_on(&system, change, act(call, word, version_name(to), ""))?;
        if steer == RotationAct::Cancel {
            self.tidy_for(&system, call)?;
        }
        *held(&self.rotating.note) = None;
        *held(&self.rotating.pace) = None;
        self.begin_rotating();
        self.rotating.kick.notify_one();
        self.state_changed(self.node_state());
        self.rotation().map(Response::Rotation)
    }

    /// Wipes a version from this node, and from every other when it comes to ask.
    pub(super) fn destroy(&self, version: KeyVersion, confirm: &str, call: &Call) -> Result<Response, Error> {
        let system = self.system()?;
        if !system.is_master() {
            let request = Request::SecretDestroy { version, confirm: confirm.to_owned() };
            return administer(&system, request, call);
        }
        if confirm != system.row.name {
            return Err(Error::new(
                Code::Refused,
                format!("To destroy a version the name of the system must be typed: {}.", system.row.name),
            )
            .hint("What is sealed under it can't be opened again. Look at its backups first: `sealport secret list`."));
        }
        let unlocked = system.unlocked()?;
        let own = unlocked.versions.iter().find(|held| held.version == version);
        let withheld = system.position().borrow().withheld.contains(&version);
        let destroy = RotationMove::Destroy {
            version,
            held: own.is_some() && !withheld,
            kcv: own.map(|own| own.kcv.clone()).unwrap_or_default(),
            created: own.map_or_else(now, |own| own.created),
            at: now(),
            by: call.actor.clone(),
        };
        let detail = own.map(|own| format!("check value {}", own.kcv)).unwrap_or_default();
        move_on(&system, destroy, act(call, "secret.destroy", version_name(version), detail))?;
        self.tidy_for(&system, call)?;
        self.versions().map(Response::Versions)
    }

    /// Wipes what is not given any more: before the answer where somebody asks here, who may end this process next; in
    /// the background where another node asks, whose patience is shorter than a slow custody.
    fn tidy_for(&self, system: &System, call: &Call) -> Result<(), Error> {
        if call.origin == Origin::Network {
            self.begin_rotating();
            self.rotating.kick.notify_one();
            return Ok(());
        }
        let _step = held(&self.rotating.step);
        tidy(system)
    }

    /// Carries a rotation out from now on, wherever there is one. Does nothing where it does so already.
    pub(crate) fn begin_rotating(&self) {
        let Some(me) = self.me.get() else { return };
        let Ok(system) = self.system() else { return };
        let under_way = || {
            system
                .read(|store| store.rotation())
                .is_ok_and(|row| row.is_some_and(|row| row.rotation().under_way()))
        };
        let tidy = || !system.position().borrow().withheld.is_empty();
        if !system.is_master() || !(under_way() || tidy()) || self.rotating.begun.swap(true, Ordering::SeqCst)
        {
            return;
        }
        match self.runtime() {
            Ok(runtime) => drop(runtime.spawn(rotate::carry_out(me.clone(), self.rotating.kick.clone()))),
            Err(_) => self.rotating.begun.store(false, Ordering::SeqCst),
        }
    }

    /// Takes the next step, and says when to look again.
    pub(crate) fn rotation_step(&self) -> Pace {
        let Ok(system) = self.system() else { return Pace::Idle };
        if !system.is_master() || system.seat.as_ref().is_none_or(|seat| seat.superseded()) {
            return Pace::Idle;
        }
        let Ok(_step) = self.rotating.step.try_lock() else { return Pace::After(LOOK) };
        match self.step(&system) {
            Ok(pace) => pace,
            Err(error) => {
                *held(&self.rotating.pace) = None;
                *held(&self.rotating.note) = Some(error.message);
                Pace::After(AGAIN)
            }
        }
    }

    fn step(&self, system: &System) -> Result<Pace, Error> {
        tidy(system)?;
        let row = system.read(|store| store.rotation())?;
        let Some(row) = row.filter(|row| row.rotation().under_way()) else { return Ok(Pace::Idle) };
        let (to, position) = (row.to, system.position().borrow().clone());
        // Where custody refuses it waits, and asks nobody.
        let known = system.known()?;
        let holds_to = known.keys.holds(to);
        let members =
            if row.phase == RotationPhase::Distributing { self.members(system)? } else { Vec::new() };
        let older = match row.phase {
            RotationPhase::Resealing | RotationPhase::Verifying => system.reader_aside()?.older(to)?,
            _ => 0,
        };
        let up = clock::now().since(system.opened);
        let facts = RotationFacts {
            rotation: row.rotation(),
            epoch: position.at.epoch,
            holds_to,
            highest: known.highest,
            members: &members,
            up,
            older,
        };
        let decided = next(&facts);
        if !matches!(decided, Step::Reseal) {
            *held(&self.rotating.pace) = None;
        }
        let pace = match decided {
            // That both versions are not here is told; nothing else can be done about it.
            Step::Nothing if !row.paused => {
                *held(&self.rotating.note) = Some(format!(
                    "Custody does not hold version {to}. Promote a node that does, or restore it from a backup."
                ));
                return Ok(Pace::After(UNOPENED));
            }
            Step::Nothing | Step::AwaitBackup => Pace::Idle,
            Step::Make => make(system, to).map(|()| Pace::Idle)?,
            Step::AwaitMembers => Pace::After(LOOK),
            Step::Distribute => {
                move_on(
                    system,
                    RotationMove::Distribute { to, holds: holds_to },
                    of_service("secret.distribute", to, ""),
                )?;
                Pace::After(Duration::ZERO)
            }
            Step::Activate => {
                let decided_in = position.at.epoch;
                let activate = RotationMove::Activate { to, decided_in, holds: holds_to, members, up };
                let detail = format!("instead of version {}", row.from);
                move_on(system, activate, of_service("secret.activate", to, &detail))?;
                *held(&self.rotating.cursor) = Cursor::default();
                Pace::After(Duration::ZERO)
            }
            Step::Reseal => return self.seal_on(system, &row, older),
            Step::Verify => {
                // What custody's text calls active follows the database.
                system.change_custody(|_| {})?;
                move_on(system, RotationMove::Verify { to }, of_service("rotation.verify", to, ""))?;
                Pace::After(Duration::ZERO)
            }
            Step::Retire => {
                let opened = system.open_sample(to, SAMPLE)?;
                let detail = format!(
                    "nothing is sealed under it any more; {} of a sample of {} opened",
                    opened.0, opened.1
                );
                move_on(
                    system,
                    RotationMove::Retire { to, opened, at: now() },
                    of_service("secret.retire", row.from, &detail),
                )?;
                self.progress(row.total, row.total, None, true);
                Pace::After(Duration::ZERO)
            }
            Step::Cancel => give_up(system, to).map(|()| Pace::After(Duration::ZERO))?,
        };
        *held(&self.rotating.note) = None;
        if !matches!(pace, Pace::Idle) && !matches!(decided, Step::AwaitMembers) {
            self.state_changed(self.node_state());
        }
        Ok(pace)
    }

    /// Seals anew for a moment.
    fn seal_on(&self, system: &System, row: &RotationRow, older: u64) -> Result<Pace, Error> {
        let mut left = older;
        let mut cursor = held(&self.rotating.cursor);
        let stretch = system.reseal(row.to, &mut cursor, &self.rotating.batch, |placed| {
            left = left.saturating_sub(placed);
            let mut pace = held(&self.rotating.pace);
            let (since, parts) = pace.get_or_insert_with(|| (Instant::now(), 0));
            *parts += placed;
            let rate = per_second(*since, *parts);
            drop(pace);
            let seconds = rate.map(|rate| left.div_ceil(rate.max(1)));
            self.progress(row.total.saturating_sub(left), row.total, seconds, false);
        });
        let stretch = match stretch {
            // Paused, or another master: the next look tells.
            Err(error) if error.code == Code::Refused => {
                *held(&self.rotating.pace) = None;
                return Ok(Pace::After(LOOK));
            }
            stretch => stretch?,
        };
        if !stretch.ended {
            *held(&self.rotating.note) = None;
            return Ok(Pace::After(REST));
        }
        // From the start again: what was edited meanwhile left a former revision behind.
        *cursor = Cursor::default();
        match stretch.unopened {
            Some(what) if stretch.placed == 0 => {
                *held(&self.rotating.pace) = None;
                *held(&self.rotating.note) = Some(what);
                Ok(Pace::After(UNOPENED))
            }
            _ => Ok(Pace::After(Duration::ZERO)),
        }
    }

    fn progress(&self, done: u64, total: u64, seconds_left: Option<u64>, last: bool) {
        let mut told = held(&self.rotating.told);
        if !last && told.is_some_and(|told| told.elapsed() < LOOK) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        let doing = "Sealing everything anew";
        self.tell(|| Notice::Progress { doing: doing.to_owned(), done, total, seconds_left });
    }

    /// Members other than this master, and whether they hold what is given.
    pub(super) fn members(&self, system: &System) -> Result<Vec<MemberFact>, Error> {
        let Some(seat) = &system.seat else { return Ok(Vec::new()) };
        let Some(given) = system.given(&system.position().borrow()) else { return Ok(Vec::new()) };
        let seen = seat.seen();
        let nodes = system.gate(|store| store.nodes())?;
        let others = nodes.into_iter().filter(|node| !node.revoked && node.id != system.row.node);
        let fact = |node: NodeRow| {
            MemberFact::of(node.id, seen.get(&node.id).map(|(seen, _)| seen), clock::now(), given)
        };
        Ok(others.map(fact).collect())
    }
}

/// A standby that does not follow this master, as far as it can be told: it was asked just now, and knows another grant or does
/// not answer. One that does not listen can't be asked; it follows if it polled here in this epoch.
fn unheard(system: &System, abouts: &[(NodeRow, Option<AboutAnswer>)]) -> Option<NodeId> {
    let own = system.own_rank();
    let seen = system.seat.as_ref().map(crate::run::Seat::seen).unwrap_or_default();
    let follows = |row: &NodeRow, about: Option<&AboutAnswer>| match about {
        Some(about) => about.grant.as_ref().map(|signed| signed.grant.rank()) == Some(own),
        None => {
            row.address.is_none() && seen.get(&row.id).is_some_and(|(seen, _)| seen.at.epoch == own.epoch)
        }
    };
    let away = |(row, about): &&(NodeRow, Option<AboutAnswer>)| row.standby && !follows(row, about.as_ref());
    abouts.iter().find(away).map(|(row, _)| row.id)
}

/// Parts in a second, once there is enough to say so.
pub(super) fn per_second(since: Instant, parts: u64) -> Option<u64> {
    let spent = since.elapsed().as_secs_f64();
    (spent > 0.5).then(|| (parts as f64 / spent) as u64)
}

/// Cancels a rotation whose version is not in custody and must not be made again.
fn give_up(system: &System, to: KeyVersion) -> Result<(), Error> {
    let why = "The new version is not in custody any more.";
    let cancel = RotationMove::Cancel { to, at: now(), why: Some(why.to_owned()) };
    move_on(system, cancel, of_service("rotation.cancel", to, why))
}

fn make(system: &System, to: KeyVersion) -> Result<(), Error> {
    system.change_custody(|bundle| {
        if !bundle.holds(to) {
            bundle.make_version(to, now(), &mut system_rng());
        }
    })
}

/// Versions that were cancelled or destroyed leave this master's custody. The database has said so before.
fn tidy(system: &System) -> Result<(), Error> {
    let withheld = system.position().borrow().withheld.clone();
    if withheld.is_empty() {
        return Ok(());
    }
    let unlocked = system.known()?;
    let under_way = system.read(|store| store.rotation())?.filter(|row| row.rotation().under_way());
    let gone: Vec<_> = withheld
        .into_iter()
        .filter(|version| unlocked.keys.holds(*version))
        .filter(|version| under_way.as_ref().is_none_or(|row| row.to != *version))
        .collect();
    let still = system.needed(&gone)?;
    let gone: Vec<_> = gone.into_iter().filter(|version| !still.contains(version)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    system.change_custody(|bundle| bundle.retain(|version| !gone.contains(&version)))
}

fn move_on(system: &System, rotation: RotationMove, entry: Act) -> Result<(), Error> {
    system.write_alone(&Change { acts: vec![entry], rotation: Some(rotation), ..Change::default() })
}

pub(super) fn of_service(word: &'static str, version: KeyVersion, detail: &str) -> Act {
    Act {
        at: now(),
        who: "rotation".to_owned(),
        origin: Origin::Service.to_string(),
        act: word.into(),
        object: version_name(version),
        detail: detail.to_owned(),
    }
}

fn version_name(version: KeyVersion) -> String {
    format!("version {version}")
}
