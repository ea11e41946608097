//! The guards: each asks the core, unless it is the one that a sabotage has taken away.

use sealport_core::{
    id::{Epoch, KeyVersion, Revision},
    machine::{
        self, Admitted, Answer as Decided, Ask, BecomeFacts, Body, Contact, CustodyFact, Facts, GrantKind,
        HandoverAsk, HandoverFacts, Head, Held, MasterFacts, Member, Promise, ProvenGrant, Rank, Role,
        SecretFact, Standing, Tally, VoteFacts, VoteRefusal, WriteFacts, WriteHead, WriteRefusal,
        admit_write, answer, contradicts, may_become_master, may_hand_over, may_seal,
        rotation::{
            self, ActivateFacts, DestroyFacts, MemberFact, PrepareFacts, ResealFacts, ResealHead,
            RetireFacts, RotationFacts, Step, admit_reseal, may_activate, may_destroy, may_prepare,
            may_retire,
        },
        shared_until, tally, vote,
    },
};

use crate::{
    grants::{member, prove, sign, system},
    moves::Protocol,
    world::{Answer, Ballot, Batch, Issued, Key, Keys, Reign, Site, Write, marks, node_id},
};

/// Every node of the model is one.
fn standby() -> Member {
    member(Role::Standby, Standing::Member)
}

fn promise(reign: Reign) -> Promise {
    Promise { epoch: Epoch(reign.epoch.into()), to: node_id(reign.node) }
}

fn rank(reign: Reign) -> Rank {
    Rank { epoch: Epoch(reign.epoch.into()), node: node_id(reign.node) }
}

/// A decision that can be taken away, to see that the checker misses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A write is compared with the epoch and the master that the database is of.
    FenceOnWrites,
    /// A write is checked in the transaction that writes it, not before.
    CheckInside,
    /// A write names the revision that it follows.
    WriteRevision,
    /// A write is sealed under the active version.
    NoStaleKey,
    /// An answer of a lower epoch is refused.
    LowerEpoch,
    /// A grant of a lower rank than the one known is not taken.
    LowerGrant,
    /// A grant is believed by its signature alone.
    GrantSignature,
    /// A node promises an epoch once.
    OnePromise,
    /// A candidate holds every version that its records need.
    AllVersions,
    /// The master hands over to who has all that it has.
    HandOverAtTheEnd,
    /// The reign that was seen is compared in the transaction that takes the mastership.
    EpochCompare,
    /// What another history lacks is kept.
    Strands,
    /// A version is active only with a proven backup.
    BackupFirst,
    /// Any number of versions is kept.
    KeepAll,
    /// Records are counted before a version is retired.
    CountFirst,
    /// A version that is needed is not destroyed.
    DestroyUnneeded,
    /// A row is sealed anew only where it is still what was read.
    ResealCompare,
    /// A version's number skips one for each epoch since the highest known was made.
    SkipEpochs,
    /// A master that was forced prepares no rotation before all others follow it.
    AllFollow,
}

/// Every guard with what may be seen to break where it is not there, the first one found does.
pub const SABOTAGES: &[(Guard, &[&str])] = &[
    (Guard::FenceOnWrites, &["a_reign_has_one_writer"]),
    (Guard::CheckInside, &["a_reign_has_one_writer", "only_the_active_version_seals", "no_edit_is_lost"]),
    (Guard::WriteRevision, &["no_edit_is_lost"]),
    (Guard::NoStaleKey, &["only_the_active_version_seals"]),
    (Guard::LowerEpoch, &["nothing_goes_down"]),
    (Guard::LowerGrant, &["nothing_goes_down"]),
    (Guard::GrantSignature, &["grants_by_the_grant_key_alone", "a_granted_master_is_followed"]),
    (Guard::OnePromise, &["one_master_in_an_epoch"]),
    (Guard::AllVersions, &["a_master_opens_all"]),
    (Guard::HandOverAtTheEnd, &["a_hand_over_loses_nothing"]),
    (Guard::EpochCompare, &["epochs_increase", "nothing_goes_down"]),
    (Guard::Strands, &["acknowledged_is_there_or_stranded"]),
    (Guard::BackupFirst, &["sealed_under_what_a_backup_holds"]),
    (Guard::KeepAll, &["a_node_opens_all", "a_master_opens_all"]),
    (Guard::CountFirst, &["retired_is_not_needed"]),
    (Guard::DestroyUnneeded, &["retired_is_not_needed", "a_master_opens_all", "a_node_opens_all"]),
    (Guard::ResealCompare, &["acknowledged_is_there_or_stranded"]),
    (Guard::SkipEpochs, &["one_secret_per_number"]),
    (Guard::AllFollow, &["one_secret_per_number"]),
];

impl Guard {
    /// The smallest protocol in which it is missed.
    pub fn shows_in(self, least: Protocol) -> Protocol {
        let protocol = Protocol { rules: Rules { off: Some(self) }, ..least };
        match self {
            Guard::WriteRevision | Guard::CheckInside => Protocol { writes: 2, ..protocol },
            Guard::OnePromise => Protocol { nodes: 3, versions: 1, writes: 0, ..protocol },
            Guard::AllVersions => Protocol { mishaps: 1, ..protocol },
            Guard::EpochCompare => Protocol { epochs: 3, versions: 1, ..protocol },
            Guard::KeepAll | Guard::SkipEpochs | Guard::AllFollow => Protocol { versions: 3, ..protocol },
            Guard::ResealCompare => Protocol { epochs: 1, writes: 2, late: true, ..protocol },
            _ => protocol,
        }
    }
}

/// The rules, but for one.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub off: Option<Guard>,
}

impl Rules {
    fn lacks(self, guard: Guard) -> bool {
        self.off == Some(guard)
    }

    /// Whether a node may seal now, and under what. Contact is as good as it can be: what is sealed long before it arrives is
    /// the worst that contact allows.
    pub fn seals_under(self, node: u8, site: &Site) -> Option<Key> {
        let master_here = site.reigns(node);
        let held = site.keys.has(site.db.active).then(|| site.db.active.version());
        let facts = Facts {
            custody: CustodyFact::Open,
            secret: SecretFact { held, wanted: Some(site.db.active.version()) },
            contact: Contact::Age { ms: 0, missed: 0 },
            standing: if site.superseded { Standing::Superseded } else { Standing::Member },
            contradiction: None,
            master_here,
        };
        may_seal(&facts).is_ok().then_some(site.db.active)
    }

    /// Whether a write is let in, asked in its transaction.
    pub fn admits_write(self, node: u8, site: &Site, write: &Write) -> Result<Admitted, WriteRefusal> {
        let db = &site.db;
        let there = write.revision.checked_sub(1).and_then(|at| db.rows.get(usize::from(at)));
        let head = WriteHead {
            epoch: Epoch(write.epoch.into()),
            key_version: write.row.key.version(),
            revision: Revision(write.revision.into()),
        };
        let mut facts = WriteFacts {
            epoch: Epoch(db.reign().epoch.into()),
            active_version: db.active.version(),
            present: (!db.rows.is_empty()).then_some(Revision(db.rows.len() as u64)),
            same: there.is_some_and(|there| there.write == write.row.write),
            unread: db.rows.last().map(|row| row.write) != write.follows,
        };
        if self.lacks(Guard::FenceOnWrites) {
            facts.epoch = head.epoch;
        } else if !site.reigns(node) {
            return Err(WriteRefusal::Superseded);
        }
        if self.lacks(Guard::NoStaleKey) {
            facts.active_version = head.key_version;
        }
        if self.lacks(Guard::WriteRevision) {
            facts.present = write.revision.checked_sub(1).filter(|r| *r > 0).map(|r| Revision(r.into()));
            facts.unread = false;
        }
        admit_write(&facts, &head)
    }

    /// Whether a write that was let in before is looked at again.
    pub fn checks_inside(self) -> bool {
        !self.lacks(Guard::CheckInside)
    }

    /// How a master answers a poll.
    pub fn answers(self, asks: &Site, master: &Site, issued: &[Issued]) -> Decided {
        // The grants of the reigns that wrote the master's database, newest first.
        let grants: Vec<ProvenGrant> = master
            .db
            .reigns
            .iter()
            .rev()
            .filter_map(|begun| issued.iter().find(|issued| issued.reign == begun.reign))
            .filter_map(|issued| self.proves(issued, true))
            .collect();
        let at = asks.at();
        let shared = shared_until(grants.iter().map(ProvenGrant::grant), master.db.marks().epoch, at.epoch);
        let facts = MasterFacts {
            at: master.db.marks(),
            version: master.db.active.version(),
            keys: master.gives().mark(),
            audit: master.db.generation.into(),
            known: master.db.hash(asks.db.generation),
            shared,
        };
        let mut ask = ask(asks);
        if self.lacks(Guard::LowerEpoch) {
            ask.seen = ask.seen.min(facts.at);
            ask.version = Some(facts.version);
        }
        answer(&ask, &facts)
    }

    /// Whether a node takes over an answer.
    pub fn takes_answer(self, site: &Site, answer: &Answer) -> bool {
        // The store's: of two masters of one epoch a node knows by the certificate which one it hears.
        let other = answer.db.reign().epoch == site.grant.epoch && answer.db.reign() != site.grant;
        if other && !self.lacks(Guard::LowerEpoch) {
            return false;
        }
        let mut head = head(site, answer);
        // Of an epoch whose grant it has not it takes nothing over.
        if answer.db.reign().epoch > site.seen.0 {
            return false;
        }
        if self.lacks(Guard::LowerEpoch) {
            head.at.epoch = head.at.epoch.max(Epoch(site.seen.0.into()));
            head.at.generation = head.at.generation.max(sealport_core::id::Generation(site.seen.1.into()));
            head.known = Some(site.db.audit().hash);
            head.version = head.version.max(site.db.active.version());
        }
        contradicts(&head, &held(site)).is_none()
    }

    /// Whether custody keeps these secrets, when a master gives these.
    pub fn keeps(self, site: &Site, given: Keys) -> Keys {
        let mut kept = given;
        for key in site.keys.all() {
            let parts = u64::from(site.needed().has(key));
            if rotation::keeps(given.has(key), key == site.db.active, parts) {
                kept = kept.with(key);
            }
        }
        if self.lacks(Guard::KeepAll) {
            // Two, as in Enterprise SSO.
            let newest: Vec<Key> = kept.all().collect();
            kept = newest.iter().rev().take(2).fold(Keys::default(), |keys, key| keys.with(*key));
        }
        kept
    }

    /// Whether custody holds what all that the node has is sealed under.
    fn holds_all(self, site: &Site) -> bool {
        let needed = site.needed().with(site.db.active);
        self.lacks(Guard::AllVersions) || needed.all().all(|key| site.keys.has(key))
    }

    /// Whether a master hands over to this candidate now.
    pub fn hands_over(self, from: u8, master: &Site, candidate: &Site) -> bool {
        let mut ask = HandoverAsk {
            expect_epoch: Epoch(candidate.seen.0.into()),
            at: candidate.at(),
            audit: candidate.db.audit(),
            newest_version: candidate.db.active.version(),
        };
        let rotation = master.db.rotation.map(|rotation| rotation.of_core());
        let facts = HandoverFacts {
            at: master.db.marks(),
            audit: master.db.audit(),
            master: master.reigns(from),
            drained: true,
            candidate: Some(standby()),
            rotation_bound: rotation.is_some_and(|rotation| rotation.under_way() && !rotation.gives()),
        };
        if self.lacks(Guard::HandOverAtTheEnd) {
            ask.at = facts.at;
            ask.audit = facts.audit.clone();
        }
        self.holds_all(candidate) && may_hand_over(&facts, &ask).is_ok()
    }

    /// What a voter answers a candidate: its own promise, if it is one.
    pub fn votes(self, node: u8, site: &Site, reign: Reign) -> Result<(), VoteRefusal> {
        let ask = Promise { epoch: Epoch(reign.epoch.into()), to: node_id(reign.node) };
        let mut facts = VoteFacts {
            seen: Epoch(site.seen.0.into()),
            promised: site.promised.map(promise),
            live_master: site.reigns(node),
            candidate: Some(standby()),
        };
        if self.lacks(Guard::OnePromise) {
            facts.promised = None;
        }
        vote(&facts, &ask).map(|_| ())
    }

    /// What comes of a vote.
    pub fn counts(self, ballot: &Ballot, nodes: u8) -> Tally {
        let voter = |node: u8| match (ballot.votes & (1 << node) != 0, ballot.objections & (1 << node) != 0) {
            (true, _) => machine::Ballot::Agreed,
            // Which objection it is decides nothing.
            (_, true) => machine::Ballot::Refused(VoteRefusal::MasterLives),
            _ => machine::Ballot::Silent,
        };
        tally(&(0..nodes).map(voter).collect::<Vec<_>>())
    }

    /// Whether a node becomes the master by this grant, in its own transaction.
    pub fn becomes(self, node: u8, site: &Site, issued: &Issued, expected: Option<u8>) -> bool {
        let expected = expected.map(|epoch| Epoch(epoch.into()));
        let mut facts = BecomeFacts {
            node: node_id(node),
            at: site.at(),
            seen: Epoch(site.seen.0.into()),
            known: Some(rank(site.grant)),
            promised: site.promised.map(promise),
            holds_all: self.holds_all(site),
            standby: true,
            damaged: false,
        };
        if let Some(expected) = expected.filter(|_| self.lacks(Guard::EpochCompare)) {
            (facts.seen, facts.known) = (expected, None);
        }
        if self.lacks(Guard::OnePromise) {
            facts.promised = Some(promise(issued.reign));
        }
        let Some(grant) = self.proves(issued, true) else { return false };
        may_become_master(&facts, &grant, expected).is_ok()
    }

    /// A grant as it comes: proven by its signature, or refused.
    pub fn proves(self, issued: &Issued, signed: bool) -> Option<ProvenGrant> {
        let kind = match issued.votes {
            None => GrantKind::Planned,
            Some(votes) => GrantKind::Emergency { votes: votes.into(), of: issued.of.into() },
        };
        let begins = marks(issued.begins.0, issued.begins.1);
        let epoch = Epoch(issued.reign.epoch.into());
        let grant = sign(epoch, node_id(issued.reign.node), begins, kind, signed);
        prove(grant, self.lacks(Guard::GrantSignature))
    }

    /// Whether a node follows a grant.
    pub fn follows(self, site: &Site, grant: &ProvenGrant) -> bool {
        let seen = Epoch(site.seen.0.into());
        self.lacks(Guard::LowerGrant) || grant.outranks(seen, Some(rank(site.grant)))
    }

    /// Whether rows that a new history lacks are kept.
    pub fn strands(self) -> bool {
        !self.lacks(Guard::Strands)
    }

    /// The number of the next version, if a rotation may begin.
    pub fn may_prepare(self, site: &Site, forced: bool, unheard: Option<u8>) -> Option<u8> {
        let highest = site.keys.and(site.db.destroyed).all().max_by_key(|key| key.number)?;
        let last = site.db.rotation.map(|rotation| rotation.of_core());
        let mut facts = PrepareFacts {
            last,
            active: site.db.active.version(),
            highest: highest.version(),
            made_in: Epoch(highest.by.epoch.into()),
            epoch: Epoch(site.db.reign().epoch.into()),
            forced,
            unheard: unheard.map(node_id),
            held: 1,
            room: 12,
        };
        if self.lacks(Guard::SkipEpochs) {
            facts.made_in = facts.epoch;
        }
        if self.lacks(Guard::AllFollow) {
            facts.unheard = None;
        }
        may_prepare(&facts).ok().map(|version| version.0 as u8)
    }

    /// What a rotation does next.
    pub fn next_step(self, site: &Site, rotation: crate::world::Rotation, members: &[MemberFact]) -> Step {
        let older = site.db.rows.iter().filter(|row| row.key.number < rotation.to.number).count() as u64;
        rotation::next(&RotationFacts {
            rotation: rotation.of_core(),
            epoch: Epoch(site.db.reign().epoch.into()),
            holds_to: site.keys.has(rotation.to),
            highest: site.keys.all().map(Key::version).max().unwrap_or(KeyVersion(0)),
            members,
            up: u64::MAX,
            older,
        })
    }

    /// Whether the new version becomes active.
    pub fn may_activate(
        self,
        site: &Site,
        rotation: crate::world::Rotation,
        backups: Keys,
        members: &[MemberFact],
    ) -> bool {
        let epoch = Epoch(site.db.reign().epoch.into());
        let mut facts = ActivateFacts {
            rotation: rotation.of_core(),
            decided_in: epoch,
            epoch,
            active: site.db.active.version(),
            backup: backups.has(rotation.to),
            holds_to: site.keys.has(rotation.to),
            members,
            up: u64::MAX,
        };
        if self.lacks(Guard::BackupFirst) {
            facts.backup = true;
            facts.rotation.phase = sealport_core::api::RotationPhase::Distributing;
        }
        may_activate(&facts).is_ok()
    }

    /// Whether what a batch read is still there, to be sealed anew.
    pub fn admits_reseal(self, site: &Site, batch: &Batch) -> bool {
        let present = site.db.rows.get(usize::from(batch.revision) - 1);
        let head = ResealHead {
            epoch: Epoch(batch.epoch.into()),
            revision: Revision(batch.revision.into()),
            from: batch.row.key.version(),
            to: batch.to.version(),
        };
        let facts = ResealFacts {
            epoch: Epoch(site.db.reign().epoch.into()),
            active: site.db.active.version(),
            present: present.map(|row| (head.revision, row.key.version())),
        };
        self.lacks(Guard::ResealCompare) || admit_reseal(&facts, &head).is_ok()
    }

    /// Whether a batch is compared with what is there.
    pub fn resealing_compares(self) -> bool {
        !self.lacks(Guard::ResealCompare)
    }

    /// Whether a rotation ends, and its older versions are called retired.
    pub fn may_retire(self, site: &Site, rotation: crate::world::Rotation) -> bool {
        let older = site.db.rows.iter().filter(|row| row.key.number < rotation.to.number).count() as u64;
        let mut facts = RetireFacts {
            rotation: rotation.of_core(),
            active: site.db.active.version(),
            older,
            opened: (1, 1),
        };
        if self.lacks(Guard::CountFirst) {
            facts.older = 0;
            facts.rotation.phase = sealport_core::api::RotationPhase::Verifying;
        }
        may_retire(&facts).is_ok()
    }

    /// Whether a version is destroyed on demand.
    pub fn may_destroy(self, site: &Site, key: Key) -> bool {
        let stranded = site.stranded.iter().filter(|stranded| stranded.row.key == key).count() as u64;
        let mut facts = DestroyFacts {
            version: key.version(),
            held: site.keys.has(key),
            active: site.db.active.version(),
            rotation: site.db.rotation.map(|rotation| rotation.of_core()),
            parts: site.db.count_under(key) + stranded,
        };
        if self.lacks(Guard::DestroyUnneeded) {
            (facts.parts, facts.rotation) = (0, None);
        }
        may_destroy(&facts).is_ok()
    }
}

/// What a master knows of a member.
pub fn fact_of(node: u8, site: &Site, online: bool, given: Keys) -> MemberFact {
    MemberFact { node: node_id(node), online: Some(online), holds: site.given == given }
}

/// What a node says when it polls.
fn ask(site: &Site) -> Ask {
    let Held { seen, at, audit, version, keys, .. } = held(site);
    Ask { seen, at, audit, version, keys, full: false, hold: 1 }
}

fn held(site: &Site) -> Held {
    Held {
        system: system(),
        node: node_id(0),
        grant: Some(rank(site.grant)),
        seen: marks(site.seen.0, site.seen.1),
        at: site.at(),
        audit: site.db.audit(),
        version: site.keys.has(site.db.active).then(|| site.db.active.version()),
        keys: Some(site.given.mark()),
        counts: site.db.counts(),
        nodes: 3,
        damaged: false,
        standing: Standing::Member,
    }
}

fn head(site: &Site, answer: &Answer) -> Head {
    Head {
        system: system(),
        at: answer.db.marks(),
        version: answer.db.active.version(),
        keys: answer.given.mark(),
        audit: answer.db.audit(),
        known: answer.db.hash(site.db.generation),
        counts: answer.db.counts(),
        body: if answer.full { Body::Full } else { Body::Delta },
    }
}
