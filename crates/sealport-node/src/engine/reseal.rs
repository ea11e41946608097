//! Sealing anew under another version: one thread opens and seals, another writes, a batch at a time. What is edited
//! meanwhile is left alone, and everything else goes on between the batches.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    id::{Epoch, Generation, KeyVersion},
    machine::rotation::ResealHead,
    record::RecordKind,
    seal::{Context, Keys, SealedKind},
};

use super::{
    held,
    rotation::of_service,
    system::{System, open},
    system_rng,
};
use crate::store::{Cursor, Older, Resealed, Row, Store};

/// Parts in one transaction: where it begins, and how few and many it may be.
const BATCH: usize = 512;
const BATCH_LEAST: usize = 64;
const BATCH_MOST: usize = 2_048;
/// A transaction that takes longer than this is made smaller, so that an edit never waits long for it.
const TRANSACTION_MOST: Duration = Duration::from_millis(40);
/// One that is quicker is made larger.
const TRANSACTION_LEAST: Duration = Duration::from_millis(15);
/// How long one stretch lasts, after which the process looks whether it is to end.
const STRETCH: Duration = Duration::from_millis(500);

/// What a stretch did.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Parts that took their place.
    pub placed: u64,
    /// The sweep came to the end of the database.
    pub ended: bool,
    /// The first part that does not open, in words.
    pub unopened: Option<String>,
    pub generation: Option<Generation>,
}

impl System {
    /// Seals anew what is under versions below `to`, from where `cursor` is, for a moment. `each` hears of every batch.
    pub(super) fn reseal(
        &self,
        to: KeyVersion,
        cursor: &mut Cursor,
        batch: &AtomicUsize,
        mut each: impl FnMut(u64),
    ) -> Result<Stretch, Error> {
        let unlocked = self.unlocked()?;
        if unlocked.keys.active() != to {
            return Err(Error::new(Code::Refused, format!("Version {to} is not the active one here.")));
        }
        let reader = self.reader_aside()?;
        let epoch = self.position().borrow().at.epoch;
        let begun = Instant::now();
        let stop = AtomicBool::new(false);
        let mut stretch = Stretch::default();
        let _ = batch.compare_exchange(0, BATCH, Ordering::Relaxed, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let (sealed, ready) = mpsc::sync_channel::<Result<Sealed, Error>>(1);
            let (keys, stop, from) = (&unlocked.keys, &stop, *cursor);
            scope.spawn(move || {
                give_way();
                let mut at = from;
                while !stop.load(Ordering::Relaxed) && begun.elapsed() < STRETCH {
                    let next = seal_next(&reader, keys, to, epoch, at, batch.load(Ordering::Relaxed));
                    let ended = next.as_ref().map_or(true, |next| next.ended);
                    at = next.as_ref().map_or(at, |next| next.after);
                    if sealed.send(next).is_err() || ended {
                        return;
                    }
                }
            });
            for next in ready {
                let next = next?;
                let written = Instant::now();
                let result =
                    if next.parts.is_empty() { Ok(None) } else { self.place(to, &next.parts).map(Some) };
                match result {
                    Ok(Some((generation, placed))) => {
                        stretch.placed += placed;
                        stretch.generation = Some(generation);
                        each(placed);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
                *cursor = next.after;
                stretch.ended = next.ended;
                if stretch.unopened.is_none() {
                    stretch.unopened = next.unopened;
                }
                adapt(batch, written.elapsed());
            }
            Ok(())
        })?;
        Ok(stretch)
    }

    /// One batch takes its place, and whoever waits for news hears of it.
    fn place(&self, to: KeyVersion, parts: &[Resealed]) -> Result<(Generation, u64), Error> {
        let mut writer = held(&self.writer);
        let entry = |placed| of_service("rotation.reseal", to, &format!("{placed} parts"));
        let (generation, placed) = writer.reseal(to, parts, entry)?;
        let audit = writer.audit_mark()?;
        self.position.send_modify(|position| {
            position.at.generation = generation;
            position.audit = audit;
        });
        Ok((generation, placed))
    }

    /// Opens some records and former revisions, chosen by chance: how many opened under `to`, of how many.
    pub(super) fn open_sample(&self, to: KeyVersion, many: u32) -> Result<(u64, u64), Error> {
        let keys = &self.unlocked()?.keys;
        let store = self.reader_aside()?;
        let sample = store.sample(many)?;
        let opens = |older: &&Older| match older {
            Older::Record(row) => {
                row.key_version == to
                    && open(keys, row, row.kind.body(), row.revision, &row.envelope).is_ok()
                    && open(keys, row, row.kind.summary(), row.revision, &row.summary).is_ok()
            }
            Older::Former(former, row) => {
                former.key_version == to
                    && open(keys, row, row.kind.body(), former.revision, &former.envelope).is_ok()
            }
        };
        Ok((sample.iter().filter(opens).count() as u64, sample.len() as u64))
    }
}

/// This thread takes what processor time the others leave: whoever opens a port goes first. Not the thread that writes, since an
/// edit waits for it. Elsewhere than on Linux a priority is the whole process's, and nothing is done.
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

/// A batch that is ready to be written.
struct Sealed {
    parts: Vec<Resealed>,
    after: Cursor,
    ended: bool,
    unopened: Option<String>,
}

fn seal_next(
    store: &Store,
    keys: &Keys,
    to: KeyVersion,
    epoch: Epoch,
    mut at: Cursor,
    many: usize,
) -> Result<Sealed, Error> {
    let older = store.next_older(to, &mut at, many)?;
    let ended = older.is_empty();
    let mut parts = Vec::with_capacity(older.len());
    let mut unopened = None;
    for part in &older {
        // One that does not open stays as it is, and keeps its version from being retired.
        match seal_one((keys, keys), to, epoch, part) {
            Ok(sealed) => parts.push(sealed),
            Err(error) => drop(unopened.get_or_insert(error.message)),
        }
    }
    Ok(Sealed { parts, after: at, ended, unopened })
}

/// A part sealed anew: opened with the first keys, sealed with the other ones, opened again and compared.
pub(super) fn seal_one(
    (old, keys): (&Keys, &Keys),
    to: KeyVersion,
    epoch: Epoch,
    part: &Older,
) -> Result<Resealed, Error> {
    let (row, revision, from, envelope) = match part {
        Older::Record(row) => (row, row.revision, row.key_version, &row.envelope),
        Older::Former(former, row) => (row, former.revision, former.key_version, &former.envelope),
    };
    let seal = |kind: SealedKind, envelope: &[u8]| {
        let plain = open(old, row, kind, revision, envelope)?;
        let context = Context { record: row.id, application: &row.application, kind, revision };
        let anew = keys.make_sealed(context, &plain, &mut system_rng());
        same(keys, row, context, &anew, &plain).map(|()| anew)
    };
    let summary = match part {
        Older::Record(row) => Some(seal(row.kind.summary(), &row.summary)?),
        Older::Former(..) => None,
    };
    let head = ResealHead { epoch, revision, from, to };
    Ok(Resealed { id: row.id, head, envelope: seal(row.kind.body(), envelope)?, summary })
}

/// What was sealed opens as what it was before. Nothing else takes the place of what is there.
fn same(keys: &Keys, row: &Row, context: Context<'_>, anew: &[u8], plain: &[u8]) -> Result<(), Error> {
    match keys.open(context, anew) {
        Ok(again) if again.as_slice() == plain => Ok(()),
        _ => Err(Error::new(
            Code::Internal,
            format!("{} did not open as before when it was sealed anew.", described(row)),
        )),
    }
}

fn described(row: &Row) -> String {
    match row.kind {
        RecordKind::Document => format!("The document {}", row.name),
        RecordKind::Port(_) => format!("The port {}", row.name),
    }
}

/// The next batch is as large as an edit may have to wait for.
fn adapt(batch: &AtomicUsize, took: Duration) {
    let now = batch.load(Ordering::Relaxed);
    let next = if took > TRANSACTION_MOST {
        now / 2
    } else if took < TRANSACTION_LEAST {
        now * 2
    } else {
        now
    };
    batch.store(next.clamp(BATCH_LEAST, BATCH_MOST), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sealport_core::{
        api::{Assignment, Request, Response, RotationAct, RotationPhase, VersionState},
        backup::RecordLine,
        machine,
        secret::SecretText,
    };

    use super::*;
    use crate::{
        engine::{Engine, Pace, ask, system::own_act},
        net::wire::{ActLine, WriteAsk},
    };

    fn set(engine: &Engine, port: &str, retries: u32) {
        let changes = vec![Assignment {
            path: "PrimaryTransport/RetryCount".to_owned(),
            value: SecretText::new(retries.to_string()),
        }];
        let port = port.to_owned();
        ask(
            engine,
            Request::PortSet {
                port,
                changes,
                if_revision: None,
                if_imprint: None,
                note: None,
                dry_run: false,
            },
        )
        .unwrap();
    }

    fn retries(engine: &Engine, port: &str) -> String {
        let Response::Port(view) =
            ask(engine, Request::PortShow { port: port.to_owned(), revision: None }).unwrap()
        else {
            panic!("a port is shown")
        };
        let found = view
            .properties
            .iter()
            .find(|property| property.path.ends_with("PrimaryTransport/RetryCount"))
            .unwrap();
        found.value.clone().unwrap()
    }

    fn phase(engine: &Engine) -> RotationPhase {
        engine.rotation().unwrap().rotation.unwrap().phase
    }

    /// Steps by hand until `phase`; nothing runs beside: the sample system has no loop of its own.
    fn until(engine: &Engine, wanted: RotationPhase) {
        for _ in 0..500 {
            if phase(engine) == wanted {
                return;
            }
            engine.rotation_step();
        }
        panic!("{:?}", engine.rotation().unwrap());
    }

    fn begun() -> (Arc<Engine>, tempfile::TempDir) {
        let engine = Arc::new(Engine::explore().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = sealport_core::api::LocalPath(folder.path().join("b").display().to_string());
        let passphrase = SecretText::new("correct horse battery staple".to_owned());
        ask(&engine, Request::SecretRotate { file, passphrase, reminder: None }).unwrap();
        assert_eq!(phase(&engine), RotationPhase::Proven);
        (engine, folder)
    }

    const PORT: &str = "Freight.Manifest.ToCustoms";

    /// Sabotage: let `admit_reseal` leave the comparison out; let `same` say yes to everything and `seal_one` seal a byte less.
    #[test]
    fn what_is_edited_between_reading_and_placing_stays_as_it_was_edited() {
        let (engine, _folder) = begun();
        let system = engine.system().unwrap();
        set(&engine, PORT, 4);
        until(&engine, RotationPhase::Resealing);
        let keys = &system.unlocked().unwrap().keys;
        let to = keys.active();
        assert_eq!(to, KeyVersion(2));
        let store = system.reader_aside().unwrap();
        let epoch = system.position().borrow().at.epoch;
        let mut cursor = Cursor::default();
        let mut batches = Vec::new();
        loop {
            let next = seal_next(&store, keys, to, epoch, cursor, 10).unwrap();
            cursor = next.after;
            if next.ended {
                break;
            }
            batches.push(next.parts);
        }
        let read: usize = batches.iter().map(Vec::len).sum();
        // All is read and sealed anew; now somebody edits one, and deletes another.
        set(&engine, PORT, 9);
        ask(
            &engine,
            Request::PortDelete {
                port: "Freight.Invoice.ToErp".to_owned(),
                if_revision: None,
                if_imprint: None,
            },
        )
        .unwrap();
        let entries = || system.position().borrow().audit.line;
        let before = entries();
        let placed: u64 = batches.iter().map(|batch| system.place(to, batch).unwrap().1).sum();
        assert_eq!(entries(), before + batches.len() as u64, "each generation is in the trail");
        assert_eq!(system.read(|store| store.audit_mark()).unwrap(), system.position().borrow().audit);
        assert!(placed < read as u64, "{placed} of {read}");
        assert_eq!(retries(&engine, PORT), "9");
        // A batch that comes twice changes nothing.
        assert_eq!(system.place(to, &batches[0]).unwrap().1, 0);
        until(&engine, RotationPhase::Done);
        assert_eq!(system.read(|store| store.older(to)).unwrap(), 0);
        assert_eq!(retries(&engine, PORT), "9");
        let changed = Request::PortDiff {
            port: PORT.to_owned(),
            from: sealport_core::id::Revision(1),
            to: sealport_core::id::Revision(3),
        };
        ask(&engine, changed).unwrap();
    }

    /// Sabotage: count nothing in `may_retire`'s facts, or skip what does not open without a word.
    #[test]
    fn what_does_not_open_keeps_its_version_and_is_named() {
        let (engine, _folder) = begun();
        let system = engine.system().unwrap();
        system
            .damage("UPDATE record SET envelope = zeroblob(length(envelope)) WHERE name = 'Freight.Manifest.ToCustoms'");
        until(&engine, RotationPhase::Resealing);
        for _ in 0..20 {
            engine.rotation_step();
        }
        let view = engine.rotation().unwrap().rotation.unwrap();
        assert_eq!(view.phase, RotationPhase::Resealing);
        assert_eq!(view.total - view.done, 1, "{view:?}");
        assert!(view.note.as_ref().is_some_and(|note| note.contains(PORT)), "{view:?}");
        let list = engine.versions().unwrap();
        assert_eq!(list.versions.last().unwrap().state, VersionState::Opens);
    }

    /// A pause holds for what was sealed anew before it too.
    /// Sabotage: let `Store::reseal` not look whether it is paused.
    #[test]
    fn a_batch_that_was_read_before_a_pause_does_not_take_its_place() {
        let (engine, _folder) = begun();
        let system = engine.system().unwrap();
        until(&engine, RotationPhase::Resealing);
        let keys = &system.unlocked().unwrap().keys;
        let store = system.reader_aside().unwrap();
        let epoch = system.position().borrow().at.epoch;
        let batch = seal_next(&store, keys, keys.active(), epoch, Cursor::default(), 4).unwrap().parts;
        let steer = |steer| ask(&engine, Request::SecretSteer { steer }).unwrap();
        steer(RotationAct::Pause);
        assert_eq!(system.place(keys.active(), &batch).unwrap_err().code, Code::Refused);
        steer(RotationAct::Resume);
        assert_eq!(system.place(keys.active(), &batch).unwrap().1, batch.len() as u64);
    }

    fn opened(engine: &Engine) -> crate::engine::opened::Opened {
        let filter = sealport_core::api::PortFilter::default();
        let Response::Ports(list) =
            ask(engine, Request::PortList { filter, offset: 0, limit: None }).unwrap()
        else {
            panic!("a list")
        };
        let port = list.ports.into_iter().find(|port| port.name == PORT).unwrap();
        engine.system().unwrap().port(port.id).unwrap()
    }

    /// The answer to a node's write was lost, and the write was sealed anew before it came again.
    /// Sabotage: leave `holds_the_same` out of `write_for`; then it is refused, sealed again and called a conflict.
    #[test]
    fn a_write_that_was_sealed_anew_and_comes_again_is_there() {
        let (engine, _folder) = begun();
        let system = engine.system().unwrap();
        let node = system.gate(|store| store.nodes()).unwrap().remove(0);
        let port = opened(&engine);
        let revision = port.row.revision.next();
        let seal = || system.seal_port(port.row.id, revision, &port.head, &port.port).unwrap();
        let (put, mut other_head) = (seal(), port.head.clone());
        other_head.written.note = Some("another write".to_owned());
        let other = system.seal_port(port.row.id, revision, &other_head, &port.port).unwrap();
        let epoch = system.position().borrow().at.epoch;
        let write = |put: &crate::store::Put| {
            let puts = vec![RecordLine::from(put)];
            let acts = vec![ActLine::from(&own_act("port.edit", "a port", ""))];
            let audit = Default::default();
            engine.write_for(&node, WriteAsk { epoch, puts, read: Vec::new(), audit, acts })
        };
        write(&put).map_err(|e| e.to_string()).map(drop).unwrap();
        until(&engine, RotationPhase::Done);
        let generation = system.position().borrow().at.generation;
        write(&put).map_err(|e| e.to_string()).map(drop).unwrap();
        assert_eq!(system.position().borrow().at.generation, generation, "nothing was written");
        assert_eq!(opened(&engine).row.revision, revision);
        let refused = write(&other).err().unwrap();
        assert!(crate::engine::needs_sealing(&refused), "{refused}");
    }

    /// A history of a later epoch takes the place of what is here. What is here under a newer version is the same where it
    /// says the same, and no stranded change; another write in its place is one, whatever versions say, and its version stays.
    /// Sabotage: leave the spool out of `count_under`; leave `keep_parted` out of `arrive`.
    #[test]
    fn what_was_sealed_anew_is_no_stranded_change_and_another_write_is_one() {
        let (engine, _folder) = begun();
        let system = engine.system().unwrap();
        let port = opened(&engine);
        let mut head = port.head.clone();
        head.written.note = Some("another write".to_owned());
        let other = system.seal_port(port.row.id, port.row.revision, &head, &port.port).unwrap();
        let mut coming = Vec::new();
        let store = system.reader_aside().unwrap();
        store
            .snapshot(|item| {
                if let crate::store::Item::Record(row) = item {
                    let put = crate::store::Put::from(row);
                    let line = RecordLine::from(if put.id == other.id { &other } else { &put });
                    coming.push(serde_json::to_vec(&line).unwrap());
                }
                Ok(())
            })
            .unwrap();
        drop(store);
        until(&engine, RotationPhase::Done);
        let here = system.position().borrow().clone();
        system.damage("UPDATE system SET master = zeroblob(16)");
        system.begin_body().unwrap();
        system.gather(&coming).unwrap();
        let to = crate::store::Arrival {
            at: machine::Marks { epoch: here.at.epoch.next(), generation: here.at.generation },
            active: KeyVersion(1),
            master: sealport_core::id::NodeId::from_bytes([0; 16]),
            continues: None,
        };
        let parse = |line: &[u8]| {
            let row = serde_json::from_slice::<RecordLine>(line).ok().and_then(Row::from_line);
            row.map(crate::store::Piece::Record)
        };
        system.arrive(&to, parse).unwrap();
        let spooled: Vec<_> = system.spooled(1_000).unwrap().into_iter().map(|(_, text)| text).collect();
        let stranded: Vec<_> = spooled.iter().filter(|text| text.contains("stranded.keep")).collect();
        assert_eq!(stranded.len(), 1, "{stranded:?}");
        assert!(stranded[0].contains(PORT), "{stranded:?}");
        assert_eq!(held(&system.writer).parts_under(KeyVersion(2)).unwrap(), 1);
    }

    fn turn(system: &System, rotation: crate::store::RotationMove) {
        system
            .write_alone(&crate::store::Change {
                acts: vec![own_act("secret.prepare", "version 2", "")],
                rotation: Some(rotation),
                ..crate::store::Change::default()
            })
            .unwrap();
    }

    /// The database says that there will be version 2; nobody has made it yet.
    fn prepare(system: &System) {
        turn(
            system,
            crate::store::RotationMove::Prepare {
                to: KeyVersion(2),
                highest: KeyVersion(1),
                unheard: None,
                held: 1,
                room: 12,
                at: crate::clock::wall(),
                by: "tester".to_owned(),
            },
        );
    }

    /// A database that was put back has forgotten that the version was made, given and cancelled: a node may still hold it.
    /// Found by the simulator (`seed-1054548`). Sabotage: let `next` not ask for `highest`; let `Bundle::retain` forget it.
    #[test]
    fn a_version_that_was_let_go_is_not_made_again() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        prepare(&system);
        assert!(matches!(engine.rotation_step(), Pace::Idle));
        assert!(system.bundle().unwrap().holds(KeyVersion(2)));
        turn(
            &system,
            crate::store::RotationMove::Cancel { to: KeyVersion(2), at: crate::clock::wall(), why: None },
        );
        engine.rotation_step();
        assert!(!system.bundle().unwrap().holds(KeyVersion(2)));
        system.damage("UPDATE rotation SET phase = 'prepared', finished = NULL");
        engine.rotation_step();
        assert!(!system.bundle().unwrap().holds(KeyVersion(2)), "another secret of the same number");
        let row = system.read(|store| store.rotation()).unwrap().unwrap();
        assert_eq!((row.to, row.phase), (KeyVersion(2), RotationPhase::Cancelled));
    }

    /// Sabotage: let `next` say `Cancel` for it too; let `make` make another one where it is there.
    #[test]
    fn a_crash_before_the_version_is_in_custody_makes_it_once() {
        let engine = Engine::explore().unwrap();
        let system = engine.system().unwrap();
        prepare(&system);
        assert!(!system.bundle().unwrap().holds(KeyVersion(2)));
        assert!(matches!(engine.rotation_step(), Pace::Idle));
        let kcvs = || -> Vec<String> {
            system.unlocked().unwrap().versions.iter().map(|held| held.kcv.clone()).collect()
        };
        let made = kcvs();
        assert_eq!(made.len(), 2);
        assert!(matches!(engine.rotation_step(), Pace::Idle));
        assert_eq!(made, kcvs(), "it is the same one");
        // Nobody is given what is not proven.
        assert!(!system.bundle_for_others().unwrap().holds(KeyVersion(2)));
    }
}
