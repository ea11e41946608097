//! One case as a script: how many machines, which faults the network has, and what happens when. Made from a seed, written
//! as lines, read again. A failing case is cut down to the lines that it needs, and that is its replay file.

use std::{fmt, str::FromStr};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::chance::{Chance, pick};

/// Virtual milliseconds.
pub type Millis = u64;

/// What the network, the disks and the clocks do by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Messages are late: one in ten by up to 20 s.
    pub late: bool,
    /// One in ten messages comes twice.
    pub twice: bool,
    /// One in twelve messages is lost.
    pub lost: bool,
    /// One in eight bodies breaks off.
    pub broken: bool,
    /// One in twelve transactions of a replica fails.
    pub full_disk: bool,
    /// Clocks run up to 7 % fast or slow.
    pub drift: bool,
    /// Nodes keep the secret in memory only.
    pub memory: bool,
}

const WEATHER: [&str; 7] = ["late", "twice", "lost", "broken", "full_disk", "drift", "memory"];

impl Weather {
    fn flags(&mut self) -> [&mut bool; 7] {
        let Self { late, twice, lost, broken, full_disk, drift, memory } = self;
        [late, twice, lost, broken, full_disk, drift, memory]
    }
}

/// One thing that happens. Machine 0 is the first master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A node writes a record.
    Write { node: usize, record: u32 },
    /// A node opens all that it has.
    Open { node: usize },
    /// An act at the master that leaves an audit entry and no write.
    Reveal,
    /// An administrator begins a rotation at the master, or gives the one that waits its backup.
    Rotate,
    /// A rotation is paused (0), goes on (1), or is given up (2).
    Steer { what: u8 },
    /// The master is backed up.
    BackUp,
    /// A stranded change is written again.
    Accept,
    /// A stranded change is let go.
    Discard,
    /// An administrator makes this node the master; the present one hands over.
    Promote { node: usize },
    /// An administrator makes this node the master, as the present one is lost.
    Force { node: usize },
    /// The same with a backup: one that was made, or a wrong one.
    ForceFrom { node: usize, backup: u64 },
    /// The master revokes a node.
    Revoke { node: usize },
    /// A machine loses power for a time. What was not synced is lost.
    Crash { node: usize, down: Millis },
    /// A machine loses power in the middle of its next transaction.
    Torn { node: usize, down: Millis },
    /// Its process is killed and started again: others notice at once.
    Kill { node: usize, down: Millis },
    /// Its process stands still; its clock does not.
    Freeze { node: usize, time: Millis },
    /// The machine sleeps; its clock runs on, and it is told.
    Sleep { node: usize, time: Millis },
    /// The machine stands still, and its clock with it.
    Pause { node: usize, time: Millis },
    /// Its clock jumps forward.
    Jump { node: usize, time: Millis },
    /// What a node sends to the master is lost for a time.
    CutThere { node: usize, time: Millis },
    /// What the master sends to a node is lost for a time.
    CutBack { node: usize, time: Millis },
    /// Both.
    Cut { node: usize, time: Millis },
    /// The disk of a machine is slow for a time.
    Slow { node: usize, time: Millis },
    /// The network of a node changed, as its system says.
    Returned { node: usize },
    /// Someone wants the latest.
    Nudge { node: usize },
    /// The sync interval of a node is set.
    Interval { node: usize, time: Millis },
    /// Another system answers a node's polls for a time.
    Alien { node: usize, time: Millis },
    /// A node's certificate has expired, and is renewed after a time.
    Expire { node: usize, time: Millis },
    /// A bit of a row of a replica is turned over.
    Flip { node: usize, row: u32 },
    /// A row of a replica is gone.
    Vanish { node: usize, row: u32 },
    /// The database of the master is replaced by an old copy that lacks some commits.
    SetBack { commits: u64 },
    /// What any machine has is replaced by an old copy, from before its last so many changes.
    Restore { node: usize, back: u64 },
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Seeds all that is left to chance while it runs.
    pub seed: u64,
    /// Machines, with the master.
    pub machines: usize,
    /// Chance faults.
    pub weather: Weather,
    /// The acts, in order of time.
    pub acts: Vec<(Millis, Act)>,
}

impl Script {
    /// The case of this seed. Each seed turns a random part of the faults on.
    pub fn make(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        // Few machines mostly: they fail in the same ways, and faster.
        let machines = 2 + rng.below(4) as usize + if rng.one_in(4) { rng.below(11) as usize } else { 0 };
        let mut weather = Weather::default();
        let calm = rng.one_in(20);
        for flag in weather.flags() {
            *flag = !calm && rng.one_in(3);
        }
        let length = 60_000 + rng.below(840_000);
        let mut acts = Vec::new();
        for _ in 0..10 + rng.below(60) {
            let record = rng.below(12) as u32;
            acts.push((rng.below(length), Act::Write { node: rng.below(machines as u64) as usize, record }));
        }
        for _ in 0..rng.below(6) {
            acts.push((rng.below(length), Act::Open { node: 1 + rng.below(machines as u64 - 1) as usize }));
            acts.push((rng.below(length), Act::Reveal));
        }
        let rotates = rng.one_in(3);
        if rotates {
            rotation(machines as u64, length, calm, &mut acts, rng);
        }
        if !calm {
            for sort in 0..SORTS {
                if !rng.one_in(4) {
                    continue;
                }
                // Of what breaks the database itself there is at most one, or nothing could be expected afterwards.
                let many = if sort == SORTS - 1 { 1 } else { 1 + rng.below(6) };
                for _ in 0..many {
                    acts.push((rng.below(length), fault(sort, machines as u64, rng)));
                }
            }
        }
        changes_of_master(machines as u64, length, calm, rotates, &mut acts, rng);
        acts.sort_by_key(|(at, _)| *at);
        Self { seed, machines, weather, acts }
    }

    /// Whether the master may change.
    pub fn promotes(&self) -> bool {
        let promotes =
            |act: &Act| matches!(act, Act::Promote { .. } | Act::Force { .. } | Act::ForceFrom { .. });
        self.acts.iter().any(|(_, act)| promotes(act))
    }

    /// Whether a database is put back to an older copy.
    pub fn puts_back(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::SetBack { .. } | Act::Restore { .. }))
    }

    /// Whether something is wrong on purpose that a node has to notice: damaged data, or another system.
    pub fn corrupts(&self) -> bool {
        let corrupts = |act: &Act| {
            matches!(
                act,
                Act::Flip { .. }
                    | Act::Vanish { .. }
                    | Act::SetBack { .. }
                    | Act::Restore { .. }
                    | Act::Alien { .. }
            )
        };
        self.acts.iter().any(|(_, act)| corrupts(act))
    }

    /// Whether nothing at all goes wrong.
    pub fn is_calm(&self) -> bool {
        let good = |act: &Act| {
            matches!(
                act,
                Act::Write { .. }
                    | Act::Open { .. }
                    | Act::Reveal
                    | Act::Rotate
                    | Act::Steer { .. }
                    | Act::BackUp
                    | Act::Accept
                    | Act::Discard
                    | Act::Promote { .. }
                    | Act::Nudge { .. }
                    | Act::Interval { .. }
            )
        };
        self.weather == Weather::default() && self.acts.iter().all(|(_, act)| good(act))
    }
}

/// The master changes in a third of the cases: it hands over, or is lost and replaced; and now and then two administrators
/// want it at once.
fn changes_of_master(
    machines: u64,
    length: Millis,
    calm: bool,
    rotates: bool,
    acts: &mut Vec<(Millis, Act)>,
    rng: &mut ChaCha8Rng,
) {
    let any = |rng: &mut ChaCha8Rng| rng.below(machines) as usize;
    if !rng.one_in(3) {
        return;
    }
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(length);
        let lost = !calm && rng.one_in(2);
        if lost && rng.one_in(2) {
            let node = if rng.one_in(2) { 0 } else { any(rng) };
            let time = 20_000 + rng.below(300_000);
            let gone = [
                Act::Crash { node, down: time },
                Act::Cut { node, time },
                Act::Freeze { node, time },
                Act::Kill { node, down: time },
            ];
            let lost_at = at.saturating_sub(rng.below(30_000));
            acts.push((lost_at, pick(rng, &gone)));
            if rotates && rng.one_in(2) {
                // In the middle of a step.
                acts.push((lost_at.saturating_sub(rng.below(5_000)), Act::Rotate));
            }
        }
        // Two at once, or a moment apart.
        let apart = pick(rng, &[40, 40, 6_000]);
        for _ in 0..if rng.one_in(2) { 2 } else { 1 } {
            let node = any(rng);
            let act = match lost {
                true if rng.one_in(6) => Act::ForceFrom { node, backup: rng.below(6) },
                true => Act::Force { node },
                false => Act::Promote { node },
            };
            acts.push((at + rng.below(apart), act));
            if lost && rng.one_in(4) {
                // What the other candidate tells when it has won does not arrive.
                acts.push((at + 3_000, Act::CutBack { node, time: 5_000 }));
            }
        }
        for _ in 0..rng.below(8) {
            let act = pick(rng, &[Act::Accept, Act::Accept, Act::Discard, Act::BackUp]);
            acts.push((length / 2 + rng.below(length), act));
        }
    }
    if !calm && rng.one_in(4) {
        acts.push((rng.below(length), Act::Restore { node: any(rng), back: 1 + rng.below(12) }));
    }
    if rotates && rng.one_in(2) {
        acts.push((rng.below(length), Act::Rotate));
    }
}

/// A rotation or two, some of them paused, resumed or cancelled, or with something that comes in its way.
fn rotation(machines: u64, length: Millis, calm: bool, acts: &mut Vec<(Millis, Act)>, rng: &mut ChaCha8Rng) {
    for _ in 0..1 + rng.below(2) {
        let at = rng.below(length);
        acts.push((at, Act::Rotate));
        let node = rng.below(machines) as usize;
        match rng.below(if calm { 1 } else { 10 }) {
            1 | 2 => acts.push((at + rng.below(30_000), Act::SetBack { commits: 1 + rng.below(4) })),
            // The master is lost in the middle of a step, and replaced.
            3 | 4 => {
                acts.push((at + rng.below(5_000), Act::Crash { node: 0, down: 60_000 + rng.below(120_000) }));
                acts.push((at + 10_000 + rng.below(40_000), Act::Force { node }));
            }
            5 | 6 => {
                acts.push((at.saturating_sub(rng.below(9_000)), Act::BackUp));
                acts.push((at + rng.below(20_000), Act::ForceFrom { node, backup: rng.below(3) }));
            }
            _ => {}
        }
        if !calm && rng.one_in(3) {
            for what in [pick(rng, &[0, 2]), 1] {
                acts.push((at + rng.below(60_000), Act::Steer { what }));
            }
        }
    }
}

const SORTS: u64 = 20;

fn fault(sort: u64, machines: u64, rng: &mut ChaCha8Rng) -> Act {
    let node = 1 + rng.below(machines - 1) as usize;
    let any = rng.below(machines) as usize;
    // Short, around the limits, and long.
    let time = match rng.below(4) {
        0 => 200 + rng.below(3_000),
        1 | 2 => 5_000 + rng.below(70_000),
        _ => 60_000 + rng.below(400_000),
    };
    let row = rng.below(1_000) as u32;
    match sort {
        0 => Act::Crash { node: any, down: time },
        1 => Act::Kill { node: any, down: time },
        2 => pick(rng, &[Act::Crash { node: 0, down: time }, Act::Torn { node: 0, down: time }]),
        3 => Act::Freeze { node: any, time },
        4 => Act::Sleep { node: any, time },
        5 => Act::Pause { node: any, time },
        6 => Act::Jump { node: any, time },
        7 => Act::CutThere { node, time },
        8 => Act::CutBack { node, time },
        9 => Act::Cut { node, time },
        10 => Act::Slow { node: any, time },
        11 => pick(rng, &[Act::Returned { node }, Act::Nudge { node }]),
        12 => Act::Revoke { node },
        13 => Act::Flip { node, row },
        14 => Act::Vanish { node, row },
        15 => Act::Torn { node: any, down: time },
        16 => Act::Interval { node, time: pick(rng, &[5_000, 30_000, 60_000, 3_600_000]) },
        17 => Act::Alien { node, time },
        18 => Act::Expire { node, time },
        _ => Act::SetBack { commits: 1 + rng.below(10) },
    }
}

impl Act {
    fn words(self) -> (&'static str, Vec<u64>) {
        let n = |node: usize| node as u64;
        match self {
            Act::Write { node, record } => ("write", vec![n(node), record.into()]),
            Act::Open { node } => ("open", vec![n(node)]),
            Act::Reveal => ("reveal", vec![]),
            Act::Rotate => ("rotate", vec![]),
            Act::Steer { what } => ("steer", vec![what.into()]),
            Act::BackUp => ("back_up", vec![]),
            Act::Accept => ("accept", vec![]),
            Act::Discard => ("discard", vec![]),
            Act::Promote { node } => ("promote", vec![n(node)]),
            Act::Force { node } => ("force", vec![n(node)]),
            Act::ForceFrom { node, backup } => ("force_from", vec![n(node), backup]),
            Act::Restore { node, back } => ("restore", vec![n(node), back]),
            Act::Revoke { node } => ("revoke", vec![n(node)]),
            Act::Crash { node, down } => ("crash", vec![n(node), down]),
            Act::Torn { node, down } => ("torn", vec![n(node), down]),
            Act::Kill { node, down } => ("kill", vec![n(node), down]),
            Act::Freeze { node, time } => ("freeze", vec![n(node), time]),
            Act::Sleep { node, time } => ("sleep", vec![n(node), time]),
            Act::Pause { node, time } => ("pause", vec![n(node), time]),
            Act::Jump { node, time } => ("jump", vec![n(node), time]),
            Act::CutThere { node, time } => ("cut_there", vec![n(node), time]),
            Act::CutBack { node, time } => ("cut_back", vec![n(node), time]),
            Act::Cut { node, time } => ("cut", vec![n(node), time]),
            Act::Slow { node, time } => ("slow", vec![n(node), time]),
            Act::Returned { node } => ("returned", vec![n(node)]),
            Act::Nudge { node } => ("nudge", vec![n(node)]),
            Act::Interval { node, time } => ("interval", vec![n(node), time]),
            Act::Alien { node, time } => ("alien", vec![n(node), time]),
            Act::Expire { node, time } => ("expire", vec![n(node), time]),
            Act::Flip { node, row } => ("flip", vec![n(node), row.into()]),
            Act::Vanish { node, row } => ("vanish", vec![n(node), row.into()]),
            Act::SetBack { commits } => ("set_back", vec![commits]),
        }
    }

    /// The word that it is counted by.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    fn read(word: &str, of: &[u64]) -> Option<Self> {
        let small = |number: u64| u32::try_from(number).ok();
        Some(match (word, of) {
            ("reveal", []) => Act::Reveal,
            ("rotate", []) => Act::Rotate,
            ("steer", [what]) => Act::Steer { what: u8::try_from(*what).ok()? },
            ("back_up", []) => Act::BackUp,
            ("accept", []) => Act::Accept,
            ("discard", []) => Act::Discard,
            ("set_back", [commits]) => Act::SetBack { commits: *commits },
            (word, [node, rest @ ..]) => {
                let node = *node as usize;
                match (word, rest) {
                    ("write", [record]) => Act::Write { node, record: small(*record)? },
                    ("open", []) => Act::Open { node },
                    ("promote", []) => Act::Promote { node },
                    ("force", []) => Act::Force { node },
                    ("force_from", [backup]) => Act::ForceFrom { node, backup: *backup },
                    ("restore", [back]) => Act::Restore { node, back: *back },
                    ("revoke", []) => Act::Revoke { node },
                    ("crash", [down]) => Act::Crash { node, down: *down },
                    ("torn", [down]) => Act::Torn { node, down: *down },
                    ("kill", [down]) => Act::Kill { node, down: *down },
                    ("freeze", [time]) => Act::Freeze { node, time: *time },
                    ("sleep", [time]) => Act::Sleep { node, time: *time },
                    ("pause", [time]) => Act::Pause { node, time: *time },
                    ("jump", [time]) => Act::Jump { node, time: *time },
                    ("cut_there", [time]) => Act::CutThere { node, time: *time },
                    ("cut_back", [time]) => Act::CutBack { node, time: *time },
                    ("cut", [time]) => Act::Cut { node, time: *time },
                    ("slow", [time]) => Act::Slow { node, time: *time },
                    ("returned", []) => Act::Returned { node },
                    ("nudge", []) => Act::Nudge { node },
                    ("interval", [time]) => Act::Interval { node, time: *time },
                    ("alien", [time]) => Act::Alien { node, time: *time },
                    ("expire", [time]) => Act::Expire { node, time: *time },
                    ("flip", [row]) => Act::Flip { node, row: small(*row)? },
                    ("vanish", [row]) => Act::Vanish { node, row: small(*row)? },
                    _ => return None,
                }
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}\nmachines {}", self.seed, self.machines)?;
        write!(f, "weather")?;
        let mut weather = self.weather;
        for (flag, word) in weather.flags().into_iter().zip(WEATHER) {
            if *flag {
                write!(f, " {word}")?;
            }
        }
        writeln!(f)?;
        for (at, act) in &self.acts {
            let (word, numbers) = act.words();
            write!(f, "{at} {word}")?;
            numbers.iter().try_for_each(|number| write!(f, " {number}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    /// Reads what `Display` wrote; lines that start with `#` are for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut script = Self { seed: 0, machines: 2, weather: Weather::default(), acts: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong = || format!("this line says nothing: {line}");
            let mut words = line.split(' ');
            let first = words.next().ok_or_else(wrong)?;
            if first == "weather" {
                for word in words {
                    let place = WEATHER.iter().position(|known| *known == word).ok_or_else(wrong)?;
                    *script.weather.flags()[place] = true;
                }
                continue;
            }
            let second = words.next().ok_or_else(wrong)?;
            match first {
                "seed" => script.seed = second.parse().map_err(|_| wrong())?,
                "machines" => script.machines = second.parse().map_err(|_| wrong())?,
                at => {
                    let at = at.parse().map_err(|_| wrong())?;
                    let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
                    let act = Act::read(second, &numbers.map_err(|_| wrong())?).ok_or_else(wrong)?;
                    script.acts.push((at, act));
                }
            }
        }
        Ok(script)
    }
}
