//! What is found out before a promotion: how all other nodes are, what custody gives back, how many records open; and what is
//! told of it. Nothing is changed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sealport_core::{
    Code, Error,
    api::{
        BackupSource, CheckOutcome, EvidenceView, LocalPath, MissingVersionView, OpensMoreView,
        PreflightView, PromotionMode, Request, Response,
    },
    bundle::{Bundle, Kept},
    id::Epoch,
    machine::{
        Marks,
        preflight::{CustodyCheck, MasterCheck, MissingVersion, PreflightFacts, RotationCheck, preflight},
    },
    seal::Keys,
};

use super::{
    Engine,
    around::EACH,
    fleet, heard, held, now,
    system::{System, open},
    yielding::member,
};
use crate::{
    alert::canary,
    backup::Reader,
    call::Call,
    clock,
    net::{
        authority,
        wire::{AboutAnswer, AboutAsk, Administer},
    },
    store::{BackupRow, Item, NodeRow},
};

/// How long a promotion on another node may take.
const ELSEWHERE: Duration = Duration::from_secs(60);

/// How the master is to change, as the administrator asks for it.
pub(super) struct How {
    pub mode: PromotionMode,
    pub from_backup: Option<BackupSource>,
    pub leave_unreadable: bool,
}

/// What was found out before a promotion.
pub(super) struct Found {
    pub facts: PreflightFacts,
    pub abouts: Vec<(NodeRow, Option<AboutAnswer>)>,
    pub own: NodeRow,
    pub master: Option<NodeRow>,
    pub reminder: Option<String>,
    /// From the backup that was named.
    pub bundle: Option<Bundle>,
}

impl Engine {
    /// The node that is meant, and whether it is this one.
    pub(super) fn candidate(&self, system: &System, node: &str) -> Result<(NodeRow, bool), Error> {
        let own = system.row.node.to_string();
        let row = fleet::find(system, if node == "self" { &own } else { node })?;
        let here = row.id == system.row.node;
        Ok((row, here))
    }

    /// Asks another candidate.
    pub(super) fn elsewhere(
        &self,
        system: &System,
        row: &NodeRow,
        request: Request,
        from_backup: bool,
        call: &Call<'_>,
    ) -> Result<Response, Error> {
        if from_backup {
            return Err(Error::new(
                Code::Usage,
                "A backup file is read where it lies: on the candidate itself.",
            )
            .hint(format!("Run `sealport promote self --from-backup FILE` on {}.", row.name)));
        }
        if !row.standby {
            return Err(Error::new(
                Code::Refused,
                format!("{} is a processing node: it does not hold what a master needs.", row.name),
            )
            .hint("Choose a standby, or run `sealport promote self --emergency --from-backup FILE` on that node."));
        }
        let address = self.address_of(system, row.id).ok_or_else(|| {
            Error::new(Code::Unavailable, format!("{} does not listen, so it can't be asked.", row.name))
                .hint("Start `sealport serve` there, or run `sealport promote self` on that machine.")
        })?;
        let client = self.way_to(&address, row.id)?;
        let ask = Administer { actor: call.actor.clone(), request };
        self.runtime()?.block_on(client.post("/v1/promote", &ask, ELSEWHERE)).map_err(|refused| {
            Error::new(refused.error.code, refused.error.message.replace("The master", "The node"))
                .hint(refused.error.hint)
        })
    }

    /// What a promotion would do, and whether it can.
    pub(super) fn preflight(&self, node: &str, how: How, call: &Call<'_>) -> Result<PreflightView, Error> {
        let system = self.system()?;
        system.not_cloned()?;
        let (row, here) = self.candidate(&system, node)?;
        if !here {
            let How { mode, from_backup, leave_unreadable } = how;
            let request = Request::PromotePreflight {
                node: "self".to_owned(),
                mode,
                from_backup: None,
                leave_unreadable,
            };
            return match self.elsewhere(&system, &row, request, from_backup.is_some(), call)? {
                Response::Preflight(view) => Ok(view),
                _ => Err(Error::new(Code::Unavailable, "The answer of the node makes no sense.")),
            };
        }
        let found = self.find_out(&system, &how, None, call)?;
        Ok(self.view_of(&system, &found))
    }

    pub(super) fn find_out(
        &self,
        system: &System,
        how: &How,
        expected: Option<Epoch>,
        call: &Call<'_>,
    ) -> Result<Found, Error> {
        let mode = how.mode;
        let nodes = system.gate(|store| store.nodes())?;
        let own = nodes.iter().find(|row| row.id == system.row.node).cloned();
        let own = own.ok_or_else(|| {
            Error::new(Code::Refused, "This node is not in the registry yet.")
                .hint("Wait for its first sync.")
        })?;
        let abouts = self.ask_about(system)?;
        for (_, about) in &abouts {
            // A grant that another knows counts here before anything is decided.
            if let Some(grant) =
                about.as_ref().and_then(|about| about.grant.clone()).and_then(|signed| system.prove(signed))
            {
                let known = system.gate(|store| store.grant())?.map(|signed| signed.grant.rank());
                if grant.outranks(self.seen(system)?.epoch, known) {
                    self.granted(grant.clone())?;
                    if let Some(follower) = system.follower() {
                        follower.wait(EACH, || {
                            self.seen(system).is_ok_and(|seen| seen.epoch >= grant.rank().epoch)
                        });
                    }
                }
            }
        }
        let position = system.position().borrow().clone();
        let seen = self.seen(system)?;
        let present = system.gate(|store| store.grant())?.map(|signed| signed.grant.node);
        let master_id = present.unwrap_or(position.master);
        let master = nodes.iter().find(|row| row.id == master_id).cloned();
        let here = system.known().map(|unlocked| unlocked.versions.clone()).unwrap_or_default();
        let (custody, bundle, reminder) = self.custody_check(system, how.from_backup.as_ref(), call)?;
        let answer = abouts.iter().find(|(row, _)| row.id == master_id).and_then(|(_, about)| about.as_ref());
        let name = master.as_ref().map_or_else(|| master_id.to_string(), |row| row.name.clone());
        let master_check = match answer {
            _ if master_id == system.row.node => MasterCheck::IsCandidate,
            Some(about) if about.master && about.live => MasterCheck::Lives {
                name,
                at: about.at,
                same_secret: heard::differing(&here, &about.versions).is_none(),
                version: about.active_version,
                clock_offset: about.time - clock::wall().as_millis(),
            },
            Some(_) => MasterCheck::Disabled { name },
            None => {
                let heard = abouts.iter().filter_map(|(_, about)| about.as_ref()?.heard_seconds);
                MasterCheck::Silent { name, heard_seconds: heard.chain(fleet::sync_age(system)).min() }
            }
        };
        let ahead = abouts
            .iter()
            .filter_map(|(row, about)| Some((row.name.clone(), beyond(about.as_ref()?.at, position.at)?)))
            .max_by_key(|(_, writes)| *writes);
        let backups = system.read(|store| store.backups())?;
        let newest = backups.iter().find(|backup| backup.active_version == position.active_version);
        let standby = |row: &&NodeRow| row.standby || (row.id == own.id && bundle.is_some());
        let reached = abouts.iter().filter(|(row, about)| row.standby && about.is_some()).count();
        let voters = nodes.iter().filter(|row| !row.revoked).filter(standby).count();
        let (records, opened) = match mode {
            PromotionMode::Planned => (position.counts.records, None),
            PromotionMode::Emergency => self.open_all(system, bundle.as_ref(), call)?,
        };
        let active = position.active_version;
        // Where nothing is known of custody, its own check says why.
        let lacks_active = system
            .known()
            .ok()
            .filter(|unlocked| !unlocked.keys.holds(active))
            .filter(|_| !bundle.as_ref().is_some_and(|bundle| bundle.holds(active)))
            .map(|_| active);
        let missing = missing_versions(system, bundle.as_ref(), &backups)?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let facts = PreflightFacts {
            mode,
            candidate: own.name.clone(),
            member: Some(member(&own)),
            address: self.address().or_else(|| bundle.as_ref().and_then(|_| self.would_listen())),
            custody,
            version: system.keys_held().0,
            lacks_active,
            at: position.at,
            seen,
            damaged: system.gate(|store| store.own())?.damaged,
            master: master_check,
            expected,
            ahead,
            records,
            opened,
            opens_more: opens_more(&missing, &abouts),
            missing,
            leave_unreadable: how.leave_unreadable,
            backup_age: newest.map(|backup| now().seconds_since(backup.proven)),
            voters: count(voters),
            reachable: count(reached + 1),
            rotation: match system.read(|store| store.rotation())?.map(|row| row.rotation()) {
                Some(rotation) if rotation.under_way() && rotation.gives() => RotationCheck::Transferable,
                // Nobody but the present master holds the new version yet.
                Some(rotation) if rotation.under_way() && !system.is_master() => RotationCheck::Bound,
                Some(rotation) if rotation.under_way() => RotationCheck::Transferable,
                _ => RotationCheck::None,
            },
        };
        Ok(Found { facts, abouts, own, master, reminder, bundle })
    }

    /// Asks all other nodes how they are, at once.
    pub(super) fn ask_about(&self, system: &System) -> Result<Vec<(NodeRow, Option<AboutAnswer>)>, Error> {
        let runtime = self.runtime()?;
        let mut asked = Vec::new();
        for row in system.others()? {
            let address = self.address_of(system, row.id);
            let client = address.and_then(|address| self.way_to(&address, row.id).ok());
            let task = client.map(|client| {
                runtime.spawn(async move {
                    client.post::<AboutAnswer>("/v1/about", &AboutAsk::default(), EACH).await.ok()
                })
            });
            asked.push((row, task));
        }
        let answer = |(row, task): (NodeRow, Option<tokio::task::JoinHandle<_>>)| {
            let about: Option<AboutAnswer> = task.and_then(|task| runtime.block_on(task).ok().flatten());
            // Whoever answers there must be the node that is meant.
            let about = about.filter(|about| about.node == row.id);
            (row, about)
        };
        Ok(asked.into_iter().map(answer).collect())
    }

    fn custody_check(
        &self,
        system: &System,
        from_backup: Option<&BackupSource>,
        call: &Call<'_>,
    ) -> Result<(CustodyCheck, Option<Bundle>, Option<String>), Error> {
        if let Some(BackupSource { file: LocalPath(file), passphrase }) = from_backup {
            let reader = Reader::open(Path::new(file))?;
            let header = reader.header().clone();
            if header.system != system.row.id {
                return Err(Error::new(
                    Code::Integrity,
                    format!("{file} is a backup of another system ({}).", header.system_name),
                ));
            }
            let mut progress = super::Progress::new(call, "Opening the backup", header.records);
            let mut done = 0;
            let contents = reader.read_all(passphrase, &mut |item| {
                if matches!(item, Item::Record(_)) {
                    done += 1;
                    progress.at(done)?;
                }
                Ok(())
            })?;
            let check = match (&contents.bundle.authority, system.known()) {
                (None, _) => CustodyCheck::Lacks("the backup holds no keys of the authority.".to_owned()),
                (_, Ok(here)) if heard::differing(&here.versions, &contents.bundle.views()).is_some() => {
                    CustodyCheck::Lacks("the backup holds another secret under the same version.".to_owned())
                }
                _ if system.memory_only => CustodyCheck::MemoryOnly,
                (Some(keys), _) => {
                    let ca = fleet::authority_of(system)?;
                    let fits = authority::read(&ca).map(|said| said.key_hash)
                        == Some(authority::key_hash(&keys.ca)?);
                    if fits {
                        CustodyCheck::FromBackup
                    } else {
                        CustodyCheck::Lacks("the backup holds the keys of another authority.".to_owned())
                    }
                }
            };
            return Ok((check, Some(contents.bundle), header.reminder));
        }
        let check = match self.bundle_read_back(system) {
            _ if system.memory_only => CustodyCheck::MemoryOnly,
            Ok(bundle) if bundle.authority.is_some() => CustodyCheck::HoldsAll,
            Ok(_) => CustodyCheck::Lacks("it does not hold the keys of the authority.".to_owned()),
            Err(error) => CustodyCheck::Lacks(error.message),
        };
        Ok((check, None, None))
    }

    /// Opens every record that is here, with what custody holds and what the backup that was named brings: how many there
    /// are, and how many open.
    fn open_all(
        &self,
        system: &System,
        bundle: Option<&Bundle>,
        call: &Call<'_>,
    ) -> Result<(u64, Option<u64>), Error> {
        let position = system.position().borrow().clone();
        let known = *held(&self.opened_all);
        if let Some((_, records, opened)) = known.filter(|(at, ..)| *at == position.at && bundle.is_none()) {
            return Ok((records, Some(opened)));
        }
        let unlocked = system.unlocked();
        let brought = bundle.map(|bundle| {
            let here = unlocked.as_ref().ok();
            let versions = here.iter().flat_map(|here| here.versions.iter().map(|held| held.version));
            let versions: Vec<_> = versions.collect();
            match here {
                Some(here) => Keys::derive(bundle).with(&here.keys, &versions),
                None => Keys::derive(bundle),
            }
        });
        let keys = match (&brought, &unlocked) {
            (Some(keys), _) => keys,
            (None, Ok(unlocked)) => &unlocked.keys,
            (None, Err(_)) => return Ok((position.counts.records, None)),
        };
        let mut progress = super::Progress::new(call, "Opening every record", position.counts.records);
        let (mut records, mut opened) = (0, 0);
        let store = system.reader_aside()?;
        let moment = store.one_moment()?;
        store.snapshot(|item| {
            if let Item::Record(row) = item {
                records += 1;
                opened += u64::from(open(keys, &row, row.kind.body(), row.revision, &row.envelope).is_ok());
                progress.at(records)?;
            }
            Ok(())
        })?;
        drop(moment);
        if bundle.is_none() {
            *held(&self.opened_all) = Some((position.at, records, opened));
        }
        Ok((records, Some(opened)))
    }

    fn view_of(&self, system: &System, found: &Found) -> PreflightView {
        let facts = &found.facts;
        let checks = preflight(facts);
        let master = found.master.as_ref().map(|row| row.id);
        let at = facts.at;
        let evidence = found.abouts.iter().map(|(row, about)| EvidenceView {
            node: row.id,
            name: row.name.clone(),
            reached: about.is_some(),
            state: about.as_ref().map(|about| about.state),
            epoch: about.as_ref().map(|about| about.at.epoch),
            generation: about.as_ref().map(|about| about.at.generation),
            master_heard_seconds: about.as_ref().and_then(|about| about.heard_seconds),
            standby: row.standby,
            master: Some(row.id) == master,
            ahead: about.as_ref().and_then(|about| beyond(about.at, at)),
        });
        let own = EvidenceView {
            node: found.own.id,
            name: found.own.name.clone(),
            reached: true,
            state: Some(system.state()),
            epoch: Some(at.epoch),
            generation: Some(at.generation),
            master_heard_seconds: if system.is_master() { None } else { fleet::sync_age(system) },
            standby: found.own.standby,
            master: Some(found.own.id) == master,
            ahead: None,
        };
        let mut evidence: Vec<_> = evidence.chain([own]).collect();
        evidence.sort_by(|a, b| a.name.cmp(&b.name));
        PreflightView {
            candidate: found.own.id,
            candidate_name: found.own.name.clone(),
            mode: facts.mode,
            epoch: facts.seen.epoch,
            master_name: found.master.as_ref().map(|row| row.name.clone()),
            possible: checks.iter().all(|check| check.outcome != CheckOutcome::Failed),
            checks,
            evidence,
            voters: facts.voters,
            reachable_voters: facts.reachable,
            records: facts.records,
            records_opened: facts.opened,
            missing_versions: facts.missing.iter().map(missing_view).collect(),
            opens_more: facts
                .opens_more
                .as_ref()
                .map(|(name, parts)| OpensMoreView { name: name.clone(), parts: *parts }),
            leave_unreadable: facts.leave_unreadable,
            reminder: found.reminder.clone(),
            steps: steps(facts),
        }
    }

    /// The highest that this node has ever seen.
    pub(super) fn seen(&self, system: &System) -> Result<Marks, Error> {
        system.gate(|store| Ok(store.own()?.seen.max(store.position()?.at)))
    }

    /// What custody holds, read back now: every version, and a canary sealed and opened with it.
    pub(super) fn bundle_read_back(&self, system: &System) -> Result<Bundle, Error> {
        let bundle = match system.kept()? {
            Kept::Secret(bundle) => bundle,
            Kept::KeyOnly { .. } => {
                return Err(Error::new(Code::Refused, "The master secret is kept in memory only."));
            }
        };
        let keys = Keys::derive(&bundle);
        canary::prove(&keys, &keys)?;
        if bundle.authority.is_some() {
            *held(&self.read_back) = Some(Instant::now());
        }
        Ok(bundle)
    }
}

/// Versions that something here is sealed under, and that neither custody nor the backup that was named holds.
fn missing_versions(
    system: &System,
    bundle: Option<&Bundle>,
    backups: &[BackupRow],
) -> Result<Vec<MissingVersion>, Error> {
    let unlocked = system.known().ok();
    if unlocked.is_none() && bundle.is_none() {
        // Nothing is known of what custody holds, and another check says why.
        return Ok(Vec::new());
    }
    let held = |version| {
        bundle.is_some_and(|bundle| bundle.holds(version))
            || unlocked.as_ref().is_some_and(|unlocked| unlocked.keys.holds(version))
    };
    let brings =
        |version| backups.iter().find(|backup| backup.holds(version)).map(|backup| backup.file.clone());
    let missing = system.read(|store| store.parts())?.into_iter().filter(|(version, _)| !held(*version));
    let missing = missing.map(|(version, parts)| MissingVersion { version, parts, backup: brings(version) });
    Ok(missing.collect())
}

fn missing_view(missing: &MissingVersion) -> MissingVersionView {
    let MissingVersion { version, parts, backup } = missing;
    MissingVersionView { version: *version, parts: *parts, backup: backup.clone() }
}

/// The standby that answers and holds the most of what is missing, and how many parts here are under that.
fn opens_more(
    missing: &[MissingVersion],
    abouts: &[(NodeRow, Option<AboutAnswer>)],
) -> Option<(String, u64)> {
    let standbys = abouts.iter().filter(|(row, _)| row.standby && !row.revoked);
    let more = standbys.filter_map(|(row, about)| {
        let about = about.as_ref()?;
        let holds = |version| about.versions.iter().any(|held| held.version == version);
        let parts =
            missing.iter().filter(|missing| holds(missing.version)).map(|missing| missing.parts).sum();
        Some((row.name.clone(), parts)).filter(|(_, parts)| *parts > 0)
    });
    more.max_by_key(|(_, parts)| *parts)
}

/// What will happen, for people.
fn steps(facts: &PreflightFacts) -> Vec<String> {
    let name = &facts.candidate;
    let steps: &[&str] = match facts.mode {
        PromotionMode::Planned => &[
            "The master takes no new write, and those under way end.",
            "{} fetches what it lacks.",
            "The master grants {} the next epoch. From here on it only goes forward.",
            "{} answers as the master; the former one becomes a standby.",
            "The other nodes follow by themselves.",
        ],
        PromotionMode::Emergency => &[
            "The other standbys are asked for their promise of the next epoch.",
            "{} grants itself the epoch and answers as the master.",
            "The other nodes follow by themselves.",
            "When the old master comes back, it stands down; what only it had is kept as stranded changes.",
        ],
    };
    steps.iter().map(|step| step.replace("{}", name)).collect()
}

/// How many writes one replica has beyond another.
fn beyond(there: Marks, here: Marks) -> Option<u64> {
    (there > here).then(|| {
        if there.epoch == here.epoch { there.generation.0 - here.generation.0 } else { there.generation.0 }
    })
}

#[cfg(test)]
mod tests {
    use sealport_core::{
        api::{KeyVersionView, NodeState},
        id::{Generation, KeyVersion, NodeId},
        time::Timestamp,
    };

    use super::*;

    fn answers(name: &str, standby: bool, versions: &[u32]) -> (NodeRow, Option<AboutAnswer>) {
        let at = Marks { epoch: Epoch(1), generation: Generation(9) };
        let row = NodeRow {
            id: NodeId::from_bytes([1; 16]),
            name: name.to_owned(),
            standby,
            administrator: false,
            revoked: false,
            key_hash: [0; 32],
            address: None,
            version: String::new(),
            joined: Timestamp::from_millis(0),
            certificate_expires: Timestamp::from_millis(0),
            spooled: 0,
            generation: Generation(1),
        };
        let view = |version: &u32| KeyVersionView {
            version: KeyVersion(*version),
            kcv: String::new(),
            created: Timestamp::from_millis(0),
        };
        let about = AboutAnswer {
            node: row.id,
            state: NodeState::Degraded,
            master: false,
            live: false,
            at,
            seen: at,
            active_version: KeyVersion(1),
            versions: versions.iter().map(view).collect(),
            grant: None,
            promised: None,
            heard_seconds: None,
            time: 0,
            cloned: false,
            copy: None,
        };
        (row, Some(about))
    }

    /// Sabotage: count processing nodes too; take the first that holds anything.
    #[test]
    fn the_standby_that_opens_the_most_is_named() {
        let missing = |version, parts| MissingVersion { version: KeyVersion(version), parts, backup: None };
        let missing = [missing(2, 5), missing(3, 1)];
        let silent = (answers("HUB-9", true, &[]).0, None);
        let abouts = [
            silent,
            answers("HUB-2", true, &[1]),
            answers("HUB-3", true, &[1, 3]),
            answers("HUB-4", true, &[1, 2]),
            answers("WS-1", false, &[1, 2, 3]),
        ];
        assert_eq!(opens_more(&missing, &abouts), Some(("HUB-4".to_owned(), 5)));
        assert_eq!(opens_more(&missing, &abouts[..2]), None);
        assert_eq!(opens_more(&[], &abouts), None);
    }
}
