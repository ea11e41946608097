//! The world: virtual time, machines with clocks of their own, a network that loses, delays and doubles, and the acts of a
//! script. What runs on the machines is in `follow` and `master`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sealport_core::{
    id::{Epoch, Generation, NodeId},
    machine::{
        Ask, AuditMark, Ballot, Failure, HandoverAsk, Head, Kept, Marks, Moment, PollId, Promise, Role,
        SignedGrant, Standing, State, WriteHead, WriteRefusal,
    },
};

use crate::{
    chance::Chance,
    data::{Db, Disk, Op, Own, Replica},
    follow::Follower,
    keys::V1,
    machines::{Clock, Machine, Power, Reach},
    master::Host,
    promote::Campaign,
    restore::{Backup, Stored},
    rotate::Anew,
    rows::{Common, Records, Row},
    sabotage::Sabotage,
    script::{Act, Millis, Script},
    truth::{Broken, Check, Truth, comes_to_rest},
};

/// What comes to a machine.
#[derive(Clone, Debug)]
pub enum Input {
    Tick,
    Woke,
    Act(Act),
    /// The oldest transaction is on disk.
    Synced,
    Poll {
        from: usize,
        poll: PollId,
        ask: Ask,
        state: State,
    },
    Answer {
        from: usize,
        poll: PollId,
        head: Head,
        body: std::rc::Rc<Vec<Op>>,
        /// Where the master is, as only the simulator knows it.
        tip: Option<usize>,
    },
    Failed {
        poll: PollId,
        failure: Failure,
    },
    /// Whoever was asked is not the master, and tells the highest grant that it knows.
    Refused {
        poll: PollId,
        grant: Option<SignedGrant>,
    },
    /// Who is master? The highest grant that the asker knows comes with it.
    Around {
        from: usize,
        grant: Option<SignedGrant>,
    },
    /// The highest grant that a node knows.
    Granted {
        grant: Option<SignedGrant>,
    },
    /// A candidate asks what a node saw and promised.
    About {
        from: usize,
    },
    /// The highest epoch that a node saw or promised.
    AboutIs {
        epoch: Epoch,
    },
    Vote {
        from: usize,
        ask: Promise,
    },
    Ballot {
        from: usize,
        epoch: Epoch,
        ballot: Ballot,
    },
    /// A candidate asks the master to hand over.
    Handover {
        from: usize,
        ask: HandoverAsk,
    },
    HandedOver {
        refused: bool,
        grant: Option<SignedGrant>,
    },
    /// A candidate's time for one question is over.
    Campaign,
    /// The backup of a rotation was read back.
    Proven,
    /// Parts were sealed anew, beside everything else.
    SealedAnew {
        parts: Vec<Anew>,
    },
    /// What a node kept of a history that ended.
    Spool {
        from: usize,
        /// Where the node's history is.
        epoch: Epoch,
        audit: AuditMark,
        entries: Vec<(u64, Row)>,
    },
    SpoolTaken {
        upto: u64,
        at: Marks,
    },
    /// A spool that was not answered is sent again.
    SpoolAgain,
    /// The body of an answer broke off.
    Broke {
        poll: PollId,
    },
    Write {
        from: usize,
        head: WriteHead,
        row: Row,
    },
    Written {
        write: u64,
        outcome: Result<Kept, WriteRefusal>,
    },
    /// A write that was not answered is sent again.
    Again {
        write: u64,
    },
}

pub enum Ev {
    Act(Act),
    /// To this machine, from another; to this life of it, if it came from itself.
    Input {
        to: usize,
        from: Option<usize>,
        life: Option<u32>,
        input: Input,
    },
    Up {
        machine: usize,
        life: u32,
    },
    Thaw {
        machine: usize,
        token: u32,
        woke: bool,
    },
    Quiet,
    Heal,
    Settle,
    End,
}

/// What was done, for the report.
pub type Figures = BTreeMap<&'static str, u64>;

pub struct World<'s> {
    pub script: &'s Script,
    pub sabotage: Option<Sabotage>,
    pub rng: ChaCha8Rng,
    pub now: Millis,
    pub queue: BTreeMap<(Millis, u64), Ev>,
    seq: u64,
    pub machines: Vec<Machine>,
    pub reach: Vec<Reach>,
    /// None where a machine is down, or the master.
    pub followers: Vec<Option<Follower>>,
    /// What a machine has while it is not the master.
    pub disks: Vec<Disk>,
    /// What it has while it is, by its own knowledge. There can be two: one does not know yet.
    pub dbs: Vec<Option<Db>>,
    /// What each had before, where something is put back.
    pub former: Vec<Vec<Stored>>,
    /// Who is to be the master. Lost with the process.
    pub campaigns: Vec<Option<Campaign>>,
    pub backups: Vec<Backup>,
    pub hosts: Vec<Option<Host>>,
    /// What each was when the system was made.
    pub roles: Vec<Role>,
    pub truth: Truth,
    pub figures: Figures,
    pub quiet: bool,
    pub writes: u64,
    pub trace: bool,
    /// Nodes that knew of writes that the master lacks when faults had stopped.
    pub doubtful: BTreeSet<usize>,
}

const SETTLE: Millis = 340_000;
const END: Millis = 60_000;
/// When somebody looks whether there is a master, after faults have stopped.
const HEALS: [Millis; 4] = [30_000, 70_000, 110_000, 150_000];

impl<'s> World<'s> {
    pub fn new(script: &'s Script, sabotage: Option<Sabotage>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(script.seed ^ 0x5ea1_907f);
        let machine = |rng: &mut ChaCha8Rng| Machine {
            power: Power::Down,
            life: 0,
            token: 0,
            clock: Clock {
                base: rng.below(1 << 40),
                permille: if script.weather.drift { 930 + rng.below(140) } else { 1000 },
                stood: 0,
                stands_since: None,
            },
            inbox: VecDeque::new(),
            tick: None,
            cut_there: 0,
            cut_back: 0,
            slow: 0,
            torn: None,
            odd: None,
            disk_free: 0,
            refuses: true,
        };
        let machines: Vec<_> = (0..script.machines).map(|_| machine(&mut rng)).collect();
        let role = |rng: &mut ChaCha8Rng| if rng.one_in(2) { Role::Standby } else { Role::Processing };
        let mut roles: Vec<Role> = (0..script.machines).map(|_| role(&mut rng)).collect();
        roles[0] = Role::Standby;
        let members = roles.iter().map(|role| (*role, Standing::Member, 0)).enumerate().collect();
        let common = Common { members, ..Common::default() };
        let start = Marks { epoch: Epoch::FIRST, generation: Generation(0) };
        let db = Db {
            at: start,
            active: V1,
            records: Records::default(),
            trail: Vec::new(),
            tip: None,
            common: common.clone(),
            own: Own::joined(),
            superseded: false,
        };
        let mut dbs = vec![None; machines.len()];
        dbs[0] = Some(db);
        let mut world = Self {
            script,
            sabotage,
            rng,
            now: 0,
            queue: BTreeMap::new(),
            seq: 0,
            reach: vec![Reach::default(); machines.len()],
            followers: (0..machines.len()).map(|_| None).collect(),
            disks: (0..machines.len())
                .map(|_| Disk { durable: Replica::joined(common.clone()), unsynced: VecDeque::new() })
                .collect(),
            dbs,
            former: vec![Vec::new(); machines.len()],
            campaigns: (0..machines.len()).map(|_| None).collect(),
            backups: Vec::new(),
            hosts: (0..machines.len()).map(|_| None).collect(),
            roles,
            machines,
            truth: Truth::default(),
            figures: Figures::new(),
            quiet: false,
            writes: 0,
            trace: false,
            doubtful: BTreeSet::new(),
        };
        for machine in 0..script.machines {
            world.push(world.now, Ev::Up { machine, life: 0 });
        }
        let mut quiet = 30_000;
        for (at, act) in &script.acts {
            // A shrunk script may name machines that are not there any more.
            world.push(*at, Ev::Act(*act));
            quiet = quiet.max(at + 1_000 + duration(*act));
        }
        world.push(quiet, Ev::Quiet);
        for after in HEALS {
            world.push(quiet + after, Ev::Heal);
        }
        world.push(quiet + SETTLE, Ev::Settle);
        world.push(quiet + SETTLE + END, Ev::End);
        world
    }

    /// Runs to the end, or to the first invariant that is broken.
    pub fn run(&mut self) -> Check {
        while let Some(((at, _), ev)) = self.queue.pop_first() {
            self.now = at;
            self.note_reach();
            self.count("events");
            comes_to_rest(self.figures["events"])?;
            let end = matches!(ev, Ev::End);
            self.handle(ev)?;
            self.check_nodes()?;
            if end {
                return Ok(());
            }
        }
        Ok(())
    }

    fn handle(&mut self, ev: Ev) -> Check {
        match ev {
            Ev::Act(act) => self.act(act),
            Ev::Up { machine, life } if self.machines[machine].life == life => self.start(machine),
            Ev::Up { .. } => Ok(()),
            Ev::Input { to, from, life, input } => {
                if life.is_none_or(|life| life == self.machines[to].life) {
                    self.arrive(to, from, input)
                } else {
                    Ok(())
                }
            }
            Ev::Thaw { machine, token, woke } => self.thaw(machine, token, woke),
            Ev::Quiet => {
                self.quiet = true;
                for machine in &mut self.machines {
                    (machine.cut_there, machine.cut_back, machine.slow, machine.torn) = (0, 0, 0, None);
                    machine.odd = None;
                }
                for machine in 0..self.machines.len() {
                    self.start(machine)?;
                }
                Ok(())
            }
            Ev::Heal => self.heal(),
            Ev::Settle => self.settle(),
            Ev::End => self.end(),
        }
    }

    pub fn push(&mut self, at: Millis, ev: Ev) {
        self.seq += 1;
        self.queue.insert((at, self.seq), ev);
    }

    pub fn count(&mut self, what: &'static str) {
        *self.figures.entry(what).or_default() += 1;
    }

    pub fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9} {}", self.now, text());
        }
    }

    pub fn sabotaged(&self, by: Sabotage) -> bool {
        self.sabotage == Some(by)
    }

    /// What the clock of a machine shows.
    pub fn local(&self, machine: usize) -> Moment {
        self.machines[machine].clock.local(self.now)
    }

    /// To itself, later; not to a later life.
    pub fn later(&mut self, machine: usize, after: Millis, input: Input) {
        let life = Some(self.machines[machine].life);
        self.push(self.now + after, Ev::Input { to: machine, from: None, life, input });
    }

    /// A transaction is written: when its turn comes, it is synced.
    pub fn write_to_disk(&mut self, machine: usize) {
        let slow = self.now < self.machines[machine].slow;
        let takes = if slow { 1_000 + self.rng.below(7_000) } else { 1 + self.rng.below(20) };
        let free = self.machines[machine].disk_free.max(self.now) + takes;
        self.machines[machine].disk_free = free;
        self.later(machine, free - self.now, Input::Synced);
        if let Some(down) = self.machines[machine].torn.take() {
            let at = self.now + self.rng.below(free - self.now);
            self.push(at, Ev::Act(Act::Crash { node: machine, down }));
        }
    }

    /// Whether a way is cut: where one sends from, or where the other is reached. Each machine has its ways to all others.
    pub fn cut(&self, from: usize, to: usize) -> bool {
        self.now < self.machines[from].cut_there || self.now < self.machines[to].cut_back
    }

    /// Sends over the network.
    pub fn send(&mut self, from: usize, to: usize, input: Input) {
        let weather = if self.quiet { Default::default() } else { self.script.weather };
        self.count("messages");
        if self.cut(from, to) {
            return self.count("messages cut off");
        }
        if weather.lost && self.rng.one_in(12) {
            return self.count("messages lost");
        }
        let twice = weather.twice && self.rng.one_in(10);
        for _ in 0..if twice { 2 } else { 1 } {
            let mut takes = 1 + self.rng.below(30);
            if weather.late && self.rng.one_in(10) {
                takes += self.rng.below(20_000);
                self.count("messages late");
            }
            self.push(self.now + takes, Ev::Input { to, from: Some(from), life: None, input: input.clone() });
        }
        if twice {
            self.count("messages twice");
        }
    }

    pub fn arrive(&mut self, to: usize, from: Option<usize>, input: Input) -> Check {
        if from.is_some_and(|from| self.cut(from, to)) {
            self.count("messages cut off");
            return Ok(());
        }
        if let Input::Poll { from, poll, .. } = &input
            && let Some((_, failure)) = self.machines[*from].odd.filter(|(until, _)| self.now < *until)
        {
            let (from, poll) = (*from, *poll);
            self.count("odd answers");
            self.send(to, from, Input::Failed { poll, failure });
            return Ok(());
        }
        match self.machines[to].power {
            Power::Up => self.deliver(to, input),
            Power::Still => {
                self.machines[to].inbox.push_back(input);
                Ok(())
            }
            Power::Down => {
                // Nobody listens: the connection is refused, if the machine is up to say so.
                if let (Input::Poll { from, poll, .. }, true) = (input, self.machines[to].refuses) {
                    self.send(to, from, Input::Failed { poll, failure: Failure::Unreachable });
                }
                Ok(())
            }
        }
    }

    pub fn deliver(&mut self, to: usize, input: Input) -> Check {
        if matches!(input, Input::Tick) {
            self.machines[to].tick = None;
        }
        if self.dbs[to].is_some() {
            self.master_input(to, input)?
        } else {
            self.follower_input(to, input)?
        }
        self.set_tick(to);
        Ok(())
    }

    /// Puts the tick of a machine where it wants it.
    pub fn set_tick(&mut self, machine: usize) {
        let wakes = match &self.hosts[machine] {
            Some(host) => host.wakes_at(),
            None => self.followers[machine].as_ref().and_then(Follower::wakes_at),
        };
        let clock = &self.machines[machine].clock;
        let due = wakes.map(|wakes| clock.world(wakes, self.now));
        if self.machines[machine].tick.map(|(at, _)| at) == due {
            return;
        }
        if let Some(key) = self.machines[machine].tick.take() {
            self.queue.remove(&key);
        }
        if let (Some(due), Power::Up) = (due, self.machines[machine].power) {
            self.later(machine, due - self.now, Input::Tick);
            self.machines[machine].tick = Some((due, self.seq));
        }
    }

    /// Somebody asks it of the one that is the master.
    fn at_the_master(&mut self, act: Act) -> Check {
        match self.seated() {
            Some(m) => self.arrive(m, None, Input::Act(act)),
            None => Ok(()),
        }
    }

    fn act(&mut self, act: Act) -> Check {
        self.count(act.name());
        self.say(|| format!("-- {act:?}"));
        let many = self.machines.len();
        let there = |node: usize| node < many;
        match act {
            Act::Reveal | Act::Rotate | Act::Steer { .. } | Act::BackUp | Act::Accept | Act::Discard => {
                self.at_the_master(act)
            }
            Act::Revoke { node } if there(node) && self.seated() != Some(node) => self.at_the_master(act),
            Act::Write { node, .. }
            | Act::Open { node }
            | Act::Returned { node }
            | Act::Nudge { node }
            | Act::Interval { node, .. }
            | Act::Promote { node }
            | Act::Force { node }
            | Act::ForceFrom { node, .. }
                if there(node) =>
            {
                self.arrive(node, None, Input::Act(act))
            }
            Act::Crash { node, down } if there(node) => self.crash(node, down, false),
            Act::Alien { node, time } if there(node) => {
                self.machines[node].odd = Some((self.now + time, Failure::OtherSystem));
                Ok(())
            }
            Act::Expire { node, time } if there(node) => {
                self.machines[node].odd = Some((self.now + time, Failure::Expired));
                Ok(())
            }
            Act::Torn { node, down } if there(node) => {
                self.machines[node].torn = Some(down);
                Ok(())
            }
            Act::Kill { node, down } if there(node) => self.crash(node, down, true),
            Act::Freeze { node, time } if there(node) => self.freeze(node, time, false, false),
            Act::Sleep { node, time } if there(node) => self.freeze(node, time, true, false),
            Act::Pause { node, time } if there(node) => self.freeze(node, time, false, true),
            Act::Jump { node, time } if there(node) => {
                self.machines[node].clock.base += time;
                if self.machines[node].power == Power::Up {
                    self.set_tick(node);
                }
                Ok(())
            }
            Act::CutThere { node, time } if there(node) => {
                self.machines[node].cut_there = self.now + time;
                Ok(())
            }
            Act::CutBack { node, time } if there(node) => {
                self.machines[node].cut_back = self.now + time;
                Ok(())
            }
            Act::Cut { node, time } if there(node) => {
                self.machines[node].cut_there = self.now + time;
                self.machines[node].cut_back = self.now + time;
                Ok(())
            }
            Act::Slow { node, time } if there(node) => {
                self.machines[node].slow = self.now + time;
                Ok(())
            }
            Act::Flip { node, row } | Act::Vanish { node, row }
                if there(node) && self.dbs[node].is_none() =>
            {
                self.damage(node, row, matches!(act, Act::Vanish { .. }));
                Ok(())
            }
            Act::Restore { node, back } if there(node) => self.restore(node, back),
            Act::SetBack { commits } => match self.seated() {
                Some(m) => self.set_back(m, commits),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The machine's id.
pub fn node_id(machine: usize) -> NodeId {
    NodeId::from_bytes([machine as u8; 16])
}

/// The machine with this id.
pub fn machine_of(node: NodeId) -> usize {
    node.as_bytes()[0].into()
}

fn duration(act: Act) -> Millis {
    match act {
        Act::Crash { down, .. } | Act::Kill { down, .. } => down,
        Act::Freeze { time, .. }
        | Act::Sleep { time, .. }
        | Act::Pause { time, .. }
        | Act::CutThere { time, .. }
        | Act::CutBack { time, .. }
        | Act::Cut { time, .. }
        | Act::Alien { time, .. }
        | Act::Expire { time, .. }
        | Act::Slow { time, .. } => time,
        _ => 0,
    }
}

/// An invariant that is broken because the core itself gave up.
pub fn panicked(what: String) -> Broken {
    Broken { name: "no_panic", what }
}
