//! The steps: what can happen next, and what comes of it. A step is one transaction of one node, or one message that
//! arrives; in between anything else can happen.

use sealport_core::machine::{Admitted, Answer as Decided, Body, Tally, WriteRefusal};
use stateright::{Model, Property};

use crate::{
    guard::{Guard, Rules},
    rotate::cancel,
    truth::properties,
    world::{
        Answer, Ballot, Begun, EPOCHS, Issued, Key, Keys, Reign, Row, Site, Stranded, VERSIONS, World, Write,
    },
};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Somebody at a node seals a new revision and sends it.
    Write { node: u8 },
    /// A write arrives; `again` lets it arrive once more.
    Take { at: usize, again: bool },
    /// A node asks who answers as a master at the address that it has, which may be another one, and an answer is on its way.
    Ask { node: u8, to: u8 },
    /// The answer arrives.
    Hear { node: u8 },
    /// A process is killed and starts again.
    Crash { node: u8 },
    /// A candidate stands up in an emergency and promises itself the next epoch.
    Stand { node: u8 },
    /// A voter is asked.
    Vote { candidate: u8, voter: u8 },
    /// The candidate becomes the master, by a majority or by force.
    Crown { candidate: u8, forced: bool },
    /// The master hands over to a candidate.
    HandOver { from: u8, candidate: u8 },
    /// A grant that was signed at any time reaches a node.
    Grant { node: u8, grant: Reign },
    /// A grant that nobody signed reaches a node.
    Forge { node: u8, grant: Reign },
    /// A new version of the master secret is made.
    Prepare { node: u8 },
    /// What the rotation says is to be done next, but for the two below.
    Rotate { node: u8 },
    /// The new version becomes active, with these members off line.
    Activate { node: u8, away: u8 },
    /// A batch that was read and sealed anew is written.
    Reseal { node: u8 },
    /// The rotation ends.
    Retire { node: u8 },
    /// An administrator gives the rotation up.
    Cancel { node: u8 },
    /// An administrator destroys a version, having looked at what needs it.
    Destroy { node: u8, key: Key },
    /// The custody of a node is put back to what an old backup holds.
    WrongBackup { node: u8 },
    /// A node sends up what it has stranded.
    SendUp { node: u8 },
    /// An administrator takes a stranded change over.
    Accept { node: u8 },
    /// An administrator lets a stranded change go.
    Discard { node: u8 },
}

/// What is checked: how many nodes, and how much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    pub rules: Rules,
    pub nodes: u8,
    pub epochs: u8,
    pub versions: u8,
    pub writes: u8,
    /// Whether answers are under way for a time, and writes come twice.
    pub late: bool,
    /// How often the custody of a node is put back to an old backup.
    pub mishaps: u8,
}

impl Model for Protocol {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        assert!(self.epochs <= EPOCHS && self.versions <= VERSIONS);
        vec![World {
            sites: (0..self.nodes).map(|_| Site::first()).collect(),
            writes: Vec::new(),
            backups: Keys::only(Key::FIRST),
            begun: 0,
            made: 1,
            acknowledged: 0,
            discarded: 0,
            issued: Vec::new(),
            misfortunes: 0,
            wrong: None,
        }]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        // What is wrong stays wrong.
        if world.wrong.is_some() {
            return;
        }
        for at in 0..world.writes.len() {
            moves.push(Move::Take { at, again: false });
            if self.late {
                moves.push(Move::Take { at, again: true });
            }
        }
        for node in 0..self.nodes {
            moves.extend([
                Move::Write { node },
                Move::Hear { node },
                Move::Crash { node },
                Move::Stand { node },
                Move::Crown { candidate: node, forced: false },
                Move::Crown { candidate: node, forced: true },
                Move::Prepare { node },
                Move::Rotate { node },
                Move::Reseal { node },
                Move::Retire { node },
                Move::Cancel { node },
                Move::SendUp { node },
                Move::Accept { node },
                Move::Discard { node },
            ]);
            if world.misfortunes < self.mishaps {
                moves.push(Move::WrongBackup { node });
            }
            moves.extend((0..self.nodes).map(|voter| Move::Vote { candidate: node, voter }));
            moves.extend((0..self.nodes).map(|to| Move::Ask { node, to }));
            moves.extend((0..self.nodes).map(|from| Move::HandOver { from, candidate: node }));
            moves.extend(world.issued.iter().map(|issued| Move::Grant { node, grant: issued.reign }));
            let epoch = world.sites[usize::from(node)].seen.0 + 1;
            if epoch <= self.epochs {
                moves
                    .extend((0..self.nodes).map(|to| Move::Forge { node, grant: Reign { epoch, node: to } }));
            }
            moves.extend((0..1 << self.nodes).map(|away| Move::Activate { node, away }));
            moves.extend(world.sites[usize::from(node)].keys.all().map(|key| Move::Destroy { node, key }));
        }
    }

    fn next_state(&self, before: &World, step: Move) -> Option<World> {
        let mut world = before.clone();
        self.take(&mut world, step)?;
        never_down(before, &mut world);
        for site in world.sites.iter_mut().filter(|_| self.rules.off != Some(Guard::EpochCompare)) {
            // A promise for an epoch that was seen binds nobody: the epoch is refused before it is looked at.
            site.promised = site.promised.filter(|promised| promised.epoch > site.seen.0);
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

impl Protocol {
    fn take(&self, world: &mut World, step: Move) -> Option<()> {
        match step {
            Move::Write { node } => self.write(world, node),
            Move::Take { at, again } => self.take_write(world, at, again),
            Move::Ask { node, to } => self.ask(world, node, to),
            Move::Hear { node } => self.hear(world, node),
            Move::Crash { node } => {
                let site = &mut world.sites[usize::from(node)];
                let before = (site.ballot, site.batch, site.answer.is_some());
                site.crash();
                (before != (None, None, false)).then_some(())
            }
            Move::Stand { node } => self.stand(world, node),
            Move::Vote { candidate, voter } => self.vote(world, candidate, voter),
            Move::Crown { candidate, forced } => self.crown(world, candidate, forced),
            Move::HandOver { from, candidate } => self.hand_over(world, from, candidate),
            Move::Grant { node, grant } => {
                let issued = *world.issued.iter().find(|issued| issued.reign == grant)?;
                self.granted(world, node, &issued, true)
            }
            Move::Forge { node, grant } => {
                let (epoch, generation) = (grant.epoch - 1, world.sites[usize::from(node)].db.generation);
                let forged = Issued { reign: grant, begins: (epoch, generation), votes: None, of: 0 };
                if world.issued.iter().any(|issued| issued.reign == grant) {
                    return None;
                }
                self.granted(world, node, &forged, false)
            }
            Move::Prepare { node } => self.prepare(world, node),
            Move::Rotate { node } => self.rotate(world, node),
            Move::Activate { node, away } => self.activate(world, node, away),
            Move::Reseal { node } => self.reseal(world, node),
            Move::Retire { node } => self.retire(world, node),
            Move::Cancel { node } => cancel(world, node),
            Move::Destroy { node, key } => self.destroy(world, node, key),
            Move::WrongBackup { node } => wrong_backup(world, node),
            Move::SendUp { node } => send_up(world, node),
            Move::Accept { node } => settle(world, node, true),
            Move::Discard { node } => settle(world, node, false),
        }
    }

    fn write(&self, world: &mut World, node: u8) -> Option<()> {
        if world.begun == self.writes {
            return None;
        }
        let site = &world.sites[usize::from(node)];
        let key = self.rules.seals_under(node, site)?;
        let row = Row { write: world.begun, key };
        let revision = site.db.rows.len() as u8 + 1;
        let follows = site.db.rows.last().map(|row| row.write);
        let write = Write {
            to: site.grant.node,
            epoch: site.at().epoch.0 as u8,
            revision,
            row,
            follows,
            checked: false,
        };
        world.writes.push(write);
        world.begun += 1;
        Some(())
    }

    fn take_write(&self, world: &mut World, at: usize, again: bool) -> Option<()> {
        let write = world.writes[at];
        let site = &mut world.sites[usize::from(write.to)];
        if write.checked {
            if again {
                return None;
            }
            world.writes.remove(at);
            commit_write(world, &write);
            return Some(());
        }
        match self.rules.admits_write(write.to, site, &write) {
            Ok(admitted) => {
                if !self.rules.checks_inside() && admitted == Admitted::Write {
                    world.writes[at].checked = true;
                    return (!again).then_some(());
                }
                if !again {
                    world.writes.remove(at);
                }
                match admitted {
                    Admitted::Write => commit_write(world, &write),
                    Admitted::Already if again => return None,
                    Admitted::Already => world.acknowledged |= 1 << write.row.write,
                }
            }
            Err(refusal) => {
                if again {
                    return None;
                }
                if refusal == WriteRefusal::Superseded && write.epoch > site.db.reign().epoch {
                    site.superseded = true;
                }
                world.writes.remove(at);
            }
        }
        Some(())
    }

    fn ask(&self, world: &mut World, node: u8, to: u8) -> Option<()> {
        let master = &world.sites[usize::from(to)];
        if to == node || !master.reigns(to) {
            return None;
        }
        let asks = &world.sites[usize::from(node)];
        let answer = match self.rules.answers(asks, master, &world.issued) {
            // Grants travel by themselves.
            Decided::Grant => return None,
            Decided::Superseded => {
                world.sites[usize::from(to)].superseded = true;
                return Some(());
            }
            Decided::Hold(_) | Decided::Now(Body::Nothing) => return None,
            Decided::Differs => {
                Answer { db: master.db.clone(), given: master.gives(), full: false, nothing: true }
            }
            Decided::Now(body) => Answer {
                db: master.db.clone(),
                given: master.gives(),
                full: body == Body::Full,
                nothing: false,
            },
        };
        let site = &mut world.sites[usize::from(node)];
        if site.answer.as_ref() == Some(&answer) {
            return None;
        }
        site.answer = Some(answer);
        if self.late { Some(()) } else { self.hear(world, node) }
    }

    fn hear(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        let answer = site.answer.take()?;
        if !self.rules.takes_answer(site, &answer) || answer.nothing {
            // A new reign is another history: what was seen of the former one is no reason to doubt it.
            if answer.db.reign() == site.grant && site.db.reign() != site.grant {
                world.wrong = Some("a_granted_master_is_followed");
            }
            return Some(());
        }
        site.seen = site.seen.max((answer.db.reign().epoch, answer.db.generation));
        let lacking: Vec<Stranded> = site
            .db
            .rows
            .iter()
            .zip(1..)
            .filter(|(row, revision)| {
                let there = answer.db.rows.get(usize::from(*revision) - 1);
                there.is_none_or(|there| there.write != row.write)
            })
            .map(|(row, revision)| Stranded { revision, row: *row })
            .collect();
        if answer.full && self.rules.strands() {
            site.strand(lacking);
        } else if !answer.full && !site.db.continues_in(&answer.db) {
            world.wrong = Some("a_delta_continues_what_is_there");
        }
        site.db = answer.db;
        site.keys = self.rules.keeps(site, answer.given);
        site.given = answer.given;
        Some(())
    }

    fn stand(&self, world: &mut World, node: u8) -> Option<()> {
        let site = &mut world.sites[usize::from(node)];
        if site.ballot.is_some() {
            return None;
        }
        let burnt =
            site.promised.filter(|promised| promised.node != node).map_or(0, |promised| promised.epoch);
        let reign = Reign { epoch: site.seen.0.max(burnt) + 1, node };
        if reign.epoch > self.epochs || self.rules.votes(node, site, reign).is_err() {
            return None;
        }
        site.promised = Some(reign);
        site.ballot =
            Some(Ballot { expected: site.seen.0, epoch: reign.epoch, votes: 1 << node, objections: 0 });
        Some(())
    }

    fn vote(&self, world: &mut World, candidate: u8, voter: u8) -> Option<()> {
        let ballot = world.sites[usize::from(candidate)].ballot?;
        if (ballot.votes | ballot.objections) & (1 << voter) != 0 {
            return None;
        }
        let reign = Reign { epoch: ballot.epoch, node: candidate };
        let site = &mut world.sites[usize::from(voter)];
        let answer = self.rules.votes(voter, site, reign);
        if answer.is_ok() {
            site.promised = Some(reign);
        }
        let ballot = &mut world.sites[usize::from(candidate)].ballot;
        let counted = ballot.as_mut()?;
        match answer {
            Ok(()) => counted.votes |= 1 << voter,
            Err(_) => counted.objections |= 1 << voter,
        }
        // What is lost stays lost: the epoch is burnt.
        if matches!(self.rules.counts(counted, self.nodes), Tally::Lost(_)) {
            *ballot = None;
        }
        Some(())
    }

    fn crown(&self, world: &mut World, candidate: u8, forced: bool) -> Option<()> {
        let site = &mut world.sites[usize::from(candidate)];
        let ballot = site.ballot?;
        let votes = match (self.rules.counts(&ballot, self.nodes), forced) {
            (Tally::Elected { votes }, false) | (Tally::Forced { votes }, true) => votes as u8,
            _ => return None,
        };
        let reign = Reign { epoch: ballot.epoch, node: candidate };
        let begins = (site.db.reign().epoch, site.db.generation);
        let issued = Issued { reign, begins, votes: Some(votes), of: self.nodes };
        if !self.rules.becomes(candidate, site, &issued, Some(ballot.expected)) {
            return None;
        }
        site.crash();
        site.begin(reign);
        world.issue(issued);
        Some(())
    }

    fn hand_over(&self, world: &mut World, from: u8, candidate: u8) -> Option<()> {
        let master = &world.sites[usize::from(from)];
        if from == candidate || !master.reigns(from) || master.db.reign().epoch == self.epochs {
            return None;
        }
        let reign = Reign { epoch: master.db.reign().epoch + 1, node: candidate };
        let to = &world.sites[usize::from(candidate)];
        // A candidate asks the master that it follows.
        if to.grant != master.grant {
            return None;
        }
        // The candidate promises itself the epoch before it asks for it.
        if self.rules.votes(candidate, to, reign).is_err() || !self.rules.hands_over(from, master, to) {
            return None;
        }
        let whole = master.db == to.db;
        let begins = (master.db.reign().epoch, master.db.generation);
        world.sites[usize::from(candidate)].promised = Some(reign);
        let master = &mut world.sites[usize::from(from)];
        master.crash();
        master.grant = reign;
        master.seen = (reign.epoch, begins.1);
        world.issue(Issued { reign, begins, votes: None, of: self.nodes });
        if !whole {
            world.wrong = Some("a_hand_over_loses_nothing");
        }
        Some(())
    }

    fn granted(&self, world: &mut World, node: u8, issued: &Issued, signed: bool) -> Option<()> {
        let grant = self.rules.proves(issued, signed)?;
        let site = &mut world.sites[usize::from(node)];
        let reign = issued.reign;
        if reign == site.grant || !self.rules.follows(site, &grant) {
            return None;
        }
        let crowned = reign.node == node && self.rules.becomes(node, site, issued, None);
        // What is under way comes from the former master. A candidate goes on, and will be refused.
        (site.batch, site.answer) = (None, None);
        if crowned {
            site.begin(reign);
        } else {
            site.grant = reign;
            site.seen = (reign.epoch, issued.begins.1);
            site.superseded = false;
        }
        if let Some(ballot) = site.ballot {
            let reign = Reign { epoch: ballot.epoch, node };
            let begins = (site.db.reign().epoch, site.db.generation);
            let issued = Issued { reign, begins, votes: Some(1), of: self.nodes };
            // Once refused for its epoch it is refused for ever.
            if !self.rules.becomes(node, site, &issued, Some(ballot.expected)) {
                site.ballot = None;
            }
        }
        Some(())
    }
}

fn commit_write(world: &mut World, write: &Write) {
    let site = &mut world.sites[usize::from(write.to)];
    if write.epoch != site.db.reign().epoch || !site.reigns(write.to) {
        world.wrong = Some("a_reign_has_one_writer");
    } else if site.db.rows.last().map(|row| row.write) != write.follows {
        world.wrong = Some("no_edit_is_lost");
    } else if write.row.key != site.db.active {
        world.wrong = Some("only_the_active_version_seals");
    }
    site.db.rows.push(write.row);
    site.db.generation += 1;
    world.acknowledged |= 1 << write.row.write;
}

/// Not at a master, which would not serve then.
fn wrong_backup(world: &mut World, node: u8) -> Option<()> {
    let site = &mut world.sites[usize::from(node)];
    if site.reigns(node) || site.keys == Keys::only(Key::FIRST) {
        return None;
    }
    world.misfortunes += 1;
    site.keys = Keys::only(Key::FIRST);
    site.given = Keys::default();
    site.crash();
    Some(())
}

fn send_up(world: &mut World, node: u8) -> Option<()> {
    let site = &world.sites[usize::from(node)];
    let to = site.grant.node;
    if to == node || site.stranded.is_empty() || site.db.reign() != site.grant {
        return None;
    }
    let master = &world.sites[usize::from(to)];
    if !master.reigns(to) || master.grant != site.grant {
        return None;
    }
    // It alone may hold what opens them: they go up sealed anew.
    if site.stranded.iter().any(|stranded| !site.keys.has(stranded.row.key))
        || !site.keys.has(master.db.active)
    {
        return None;
    }
    let active = master.db.active;
    let rows = std::mem::take(&mut world.sites[usize::from(node)].stranded);
    let anew = |Stranded { revision, row }| Stranded { revision, row: Row { key: active, ..row } };
    world.sites[usize::from(to)].strand(rows.into_iter().map(anew).collect());
    Some(())
}

fn settle(world: &mut World, node: u8, accept: bool) -> Option<()> {
    let site = &mut world.sites[usize::from(node)];
    if !site.reigns(node) || site.stranded.is_empty() {
        return None;
    }
    let stranded = site.stranded.remove(0);
    if accept {
        site.db.rows.push(Row { write: stranded.row.write, key: site.db.active });
    } else {
        world.discarded |= 1 << stranded.row.write;
    }
    site.db.generation += 1;
    Some(())
}

/// What no step may take back, on any node.
fn never_down(before: &World, after: &mut World) {
    let down = before.sites.iter().zip(&after.sites).any(|(before, after)| {
        let history = (after.db.reign(), after.db.generation) < (before.db.reign(), before.db.generation);
        // Of two masters of one epoch the higher one may have begun earlier.
        let seen = (after.grant, after.seen) < (before.grant, before.seen);
        let version =
            after.db.reign() == before.db.reign() && after.db.active.number < before.db.active.number;
        let promised = after.promised < before.promised && after.seen.0 < EPOCHS && after.promised.is_some();
        after.grant < before.grant || seen || history || version || promised
    });
    if down {
        after.wrong = Some("nothing_goes_down");
    }
}

impl Site {
    /// A reign begins in this database.
    fn begin(&mut self, reign: Reign) {
        self.db.generation += 1;
        self.db.reigns.push(Begun { reign, generation: self.db.generation });
        self.grant = reign;
        self.seen = self.seen.max((reign.epoch, self.db.generation));
        self.superseded = false;
    }

    fn strand(&mut self, rows: Vec<Stranded>) {
        self.stranded.extend(rows);
        self.stranded.sort();
        self.stranded.dedup();
    }
}

impl World {
    fn issue(&mut self, issued: Issued) {
        let epoch = issued.reign.epoch;
        let another = |other: &&Issued| other.reign.epoch == epoch && other.reign != issued.reign;
        if issued.regular() && self.issued.iter().filter(another).any(Issued::regular) {
            self.wrong = Some("one_master_in_an_epoch");
        }
        if !self.issued.contains(&issued) {
            self.issued.push(issued);
            self.issued.sort_by_key(|issued| issued.reign);
        }
    }
}
