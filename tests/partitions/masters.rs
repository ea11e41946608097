//! Ways are cut while the master changes: handed over beside a cut, handed over across one that comes in the middle, lost and
//! replaced while it lives on behind the cut with those that are on its side. All write and read throughout.
//!
//! Every database notes what its node accepts as the master, and of which epoch. Judged: of one epoch one master accepts, unless
//! both were forced; no write is accepted twice; what was acknowledged is in the history that stands, or a stranded change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

use super::{
    BACK_WITHIN, begin,
    chance::{Chance as _, pick},
    fleet::{Fleet, wait},
    guarded, import, lay, note_of, read,
    wires::Wires,
    write,
};

const MACHINES: usize = 5;
/// The machines that may be the master.
const STANDBYS: std::ops::Range<usize> = 0..3;
/// Between two acts of a machine.
const PAUSE: Duration = Duration::from_millis(400);
/// Partitions between two judgements.
const JUDGED: u64 = 25;

/// What happens in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The master hands over while a third machine is cut off from all.
    Aside,
    /// The master is cut off from all, and replaced.
    Lost,
    /// What the master sends is lost, and it is replaced.
    Mute,
    /// A processing node is on the master's side.
    Split,
    /// Candidate and master are cut from each other while the one hands over to the other.
    Middle,
    /// The master is cut off, and two standbys want its place at once.
    Two,
}
use Trouble::{Aside, Lost, Middle, Mute, Split, Two};

/// What one machine did.
#[derive(Default)]
struct Deeds {
    acknowledged: Mutex<BTreeSet<u64>>,
    tried: AtomicU64,
    refused: AtomicU64,
    reads: AtomicU64,
}

pub struct Masters {
    fleet: Fleet,
    wires: Wires,
    deeds: Vec<Deeds>,
    over: AtomicBool,
    /// The last promotion had no winner: the next epoch may be promised away.
    burnt: AtomicBool,
    /// Machine and round of each write that was stranded, and let go after it had been seen.
    stranded: Mutex<BTreeSet<(usize, u64)>>,
    /// What came of the promotions: exit code by trouble, with how often.
    ends: Mutex<BTreeMap<(Trouble, i32), u64>>,
}

impl Masters {
    /// The fleet in its network; `None`, said aloud, where there can be none.
    pub fn make() -> Option<Self> {
        let wires = lay(MACHINES)?;
        let place = |machine| wires.namespace(machine);
        let listen = |machine| format!("{}:7410", wires.address(machine));
        let mut fleet = begin(&place(0), &listen(0), MACHINES);
        for number in 1..MACHINES {
            let role = if STANDBYS.contains(&number) {
                "--role standby --administrator"
            } else {
                "--role processing"
            };
            // Each where it is reached once it is the master.
            let joined = fleet.join_at(Some(&place(number)), role, "", &listen(0), &listen(number));
            assert_eq!(joined, number);
            fleet.json(number, "config set", &["sync_interval", "5s"]);
        }
        import(&fleet, (0..MACHINES).map(|n| format!("Part.P{n}")));
        fleet.until_equal(&[1, 2, 3, 4]);
        (0..MACHINES).for_each(|number| note(&fleet, number));
        let deeds = (0..MACHINES).map(|_| Deeds::default()).collect();
        let masters = Self {
            fleet,
            wires,
            deeds,
            over: AtomicBool::new(false),
            burnt: AtomicBool::new(false),
            stranded: Mutex::default(),
            ends: Mutex::default(),
        };
        wait("standbys tell where they are", BACK_WITHIN, || {
            let told = |at| masters.fleet.json(at, "node list", &[])["nodes"].as_array().unwrap().clone();
            let known = |at| told(at).iter().filter(|row| row["address"].is_string()).count();
            if (0..MACHINES).all(|at| known(at) >= STANDBYS.len()) { Ok(()) } else { Err(String::new()) }
        });
        Some(masters)
    }

    /// Writes the machine's own port, again and again.
    fn write(&self, number: usize) {
        let deeds = &self.deeds[number];
        while !self.over.load(Ordering::Relaxed) {
            let round = deeds.tried.fetch_add(1, Ordering::Relaxed);
            if write(&self.fleet, number, round).is_some() {
                deeds.acknowledged.lock().unwrap().insert(round);
            } else {
                deeds.refused.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(PAUSE);
        }
    }

    /// All write and read while these troubles come, one after the other.
    pub fn run(&self, troubles: impl Iterator<Item = Trouble>, seed: u64) {
        let begun = Instant::now();
        let mut count = 0;
        thread::scope(|scope| {
            for number in 0..MACHINES {
                let reads = &self.deeds[number].reads;
                scope.spawn(move || guarded(&self.over, || self.write(number)));
                scope.spawn(move || {
                    guarded(&self.over, || read(&self.fleet, number, &self.over, reads, PAUSE));
                });
            }
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut master = 0;
                for trouble in troubles {
                    if self.over.load(Ordering::Relaxed) {
                        return;
                    }
                    master = self.suffer(master, trouble, &mut rng);
                    count += 1;
                    if count % JUDGED == 0 {
                        self.judge(master);
                        println!("{count} partitions with promotions, seed {seed}");
                    }
                }
                self.over.store(true, Ordering::Relaxed);
            }));
            self.over.store(true, Ordering::Relaxed);
            if let Err(panic) = ended {
                std::panic::resume_unwind(panic);
            }
        });
        let master = self.until_settled("at the end");
        self.judge(master);
        let sum = |of: fn(&Deeds) -> u64| self.deeds.iter().map(of).sum::<u64>();
        let acknowledged = sum(|deeds| deeds.acknowledged.lock().unwrap().len() as u64);
        println!(
            "{count} partitions with promotions in {:.0} s, seed {seed}: {acknowledged} writes acknowledged, each there \
             once, {} of them as stranded changes; {} refused; {} reads, none failed; {:?}",
            begun.elapsed().as_secs_f64(),
            self.stranded.lock().unwrap().len(),
            sum(|deeds| deeds.refused.load(Ordering::Relaxed)),
            sum(|deeds| deeds.reads.load(Ordering::Relaxed)),
            self.ends.lock().unwrap(),
        );
        assert!(acknowledged > 0 && sum(|deeds| deeds.reads.load(Ordering::Relaxed)) > 0);
    }

    /// Nothing passes between these, or nothing from the first to the second.
    fn cut(&self, from: &[usize], to: &[usize], both: bool) {
        for a in from {
            for b in to {
                self.wires.cut(*a, *b);
                if both {
                    self.wires.cut(*b, *a);
                }
            }
        }
    }

    fn mend(&self) {
        for a in 0..MACHINES {
            (0..MACHINES).filter(|b| *b != a).for_each(|b| self.wires.mend(a, b));
        }
    }

    /// One partition with its promotion; who is the master after it.
    fn suffer(&self, master: usize, trouble: Trouble, rng: &mut ChaCha8Rng) -> usize {
        let mut others: Vec<_> = STANDBYS.filter(|number| *number != master).collect();
        others.rotate_left(rng.below(2) as usize);
        let (candidate, voter) = (others[0], others[1]);
        let node = pick(rng, &[3, 4]);
        let lasts = Duration::from_millis(500 + rng.below(4_000));
        let but = |gone: &[usize]| (0..MACHINES).filter(|n| !gone.contains(n)).collect::<Vec<_>>();
        match trouble {
            Aside => {
                let third = pick(rng, &[voter, node]);
                self.cut(&[third], &but(&[third]), true);
            }
            Lost | Two => self.cut(&[master], &but(&[master]), true),
            Mute => self.cut(&[master], &but(&[master]), false),
            Split => self.cut(&[master, node], &but(&[master, node]), true),
            Middle => {}
        }
        let planned = matches!(trouble, Aside | Middle);
        let line = if planned { "promote self" } else { "promote self --emergency --yes" };
        let asked = || self.fleet.ask(candidate, line, &[]);
        let ends = thread::scope(|scope| match trouble {
            Middle => {
                let asked = scope.spawn(asked);
                thread::sleep(Duration::from_millis(rng.below(3_000)));
                self.cut(&[candidate], &[master], true);
                thread::sleep(lasts);
                self.mend();
                vec![asked.join().unwrap()]
            }
            Two => {
                let other = scope.spawn(|| self.fleet.ask(voter, line, &[]));
                vec![asked(), other.join().unwrap()]
            }
            _ => vec![asked()],
        });
        for (code, answer) in &ends {
            // Two at once may both lose: the epoch is burnt then, and who promised it to one of them is handed none until it is
            // over. All others have what they need.
            let promised = answer["error"]["message"].to_string().contains("promised epoch");
            let fine: &[i32] = if matches!(trouble, Middle | Two) { &[0, 4, 7, 8] } else { &[0] };
            let burnt = trouble == Aside && promised && self.burnt.load(Ordering::Relaxed);
            assert!(fine.contains(code) || burnt, "{trouble:?} at n{candidate}: {code} {answer}");
            *self.ends.lock().unwrap().entry((trouble, *code)).or_default() += 1;
        }
        let won = ends.iter().any(|end| end.0 == 0);
        self.burnt.store(!won, Ordering::Relaxed);
        thread::sleep(lasts);
        self.mend();
        let now = self.until_settled(&format!("after {trouble:?}"));
        if !matches!(trouble, Middle | Two) && won {
            assert_eq!(now, candidate, "{trouble:?}");
        }
        now
    }

    /// Waits until there is one master, by itself, and all others follow it.
    fn until_settled(&self, when: &str) -> usize {
        let mut master = 0;
        wait(&format!("one master, which all follow, {when}"), BACK_WITHIN, || {
            let all: Vec<_> = (0..MACHINES).map(|number| self.fleet.status(number)).collect();
            let leads = |number: &usize| all[*number]["node"]["role"] == "master";
            let masters: Vec<_> = (0..MACHINES).filter(leads).collect();
            let same = all.iter().all(|s| s["epoch"] == all[0]["epoch"] && s["state"] == "synced");
            if masters.len() != 1 || !same {
                let short = all.iter().map(|s| {
                    format!(
                        "{} {} {} {} {}",
                        s["node"]["role"], s["epoch"], s["state"], s["sync"], s["alerts"]
                    )
                });
                return Err(short.collect::<Vec<_>>().join("\n"));
            }
            master = masters[0];
            Ok(())
        });
        master
    }

    /// Nothing acknowledged is lost, nothing is there twice, no epoch had two masters.
    fn judge(&self, master: usize) {
        for number in 0..MACHINES {
            wait("what stranded is at the master", BACK_WITHIN, || {
                let sql = "SELECT count(*) FROM spool WHERE entry LIKE '%envelope%'";
                let left: u64 = self.fleet.database(number).query_row(sql, [], |row| row.get(0)).unwrap();
                if left == 0 { Ok(()) } else { Err(format!("n{number}: {left}")) }
            });
        }
        // What was acknowledged by now; more comes meanwhile.
        let acknowledged: Vec<_> =
            self.deeds.iter().map(|deeds| deeds.acknowledged.lock().unwrap().clone()).collect();
        let list = self.fleet.json(master, "stranded list", &[]);
        let ids: Vec<_> = list["stranded"].as_array().unwrap().iter().map(|c| c["id"].to_string()).collect();
        for id in &ids {
            let shown = self.fleet.json(master, "stranded show", &[id]).to_string();
            let found = (0..MACHINES).find_map(|number| {
                let (_, rest) = shown.split_once(&format!("\"ftp://n{number}.example/"))?;
                Some((number, rest.split_once('/')?.0.parse().ok()?))
            });
            let _ = found.map(|write| self.stranded.lock().unwrap().insert(write));
        }
        if !ids.is_empty() {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            self.fleet.json(master, "stranded discard --yes", &ids);
        }
        let stranded = self.stranded.lock().unwrap().clone();
        for (number, acknowledged) in acknowledged.iter().enumerate() {
            let history = self.fleet.json(master, "port history", &[&format!("Part.P{number}")]);
            let mut notes = BTreeSet::new();
            for revision in history["revisions"].as_array().unwrap() {
                let note = revision["note"].as_str().unwrap_or_default().to_owned();
                assert!(note.is_empty() || notes.insert(note.clone()), "{note} was taken twice: {history}");
            }
            for round in acknowledged {
                let kept = notes.contains(&note_of(number, *round)) || stranded.contains(&(number, *round));
                assert!(
                    kept,
                    "write {round} of n{number} was acknowledged and is lost: {stranded:?} {history}"
                );
            }
        }
        self.one_master_in_each_epoch();
    }

    fn one_master_in_each_epoch(&self) {
        let mut masters: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let mut accepted: BTreeMap<(u64, String, u64, String), String> = BTreeMap::new();
        let mut forced = BTreeSet::new();
        for number in 0..MACHINES {
            let database = self.fleet.database(number);
            let mut query = database.prepare("SELECT * FROM accepted").unwrap();
            let mut rows = query.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (epoch, master): (u64, String) = (row.get(0).unwrap(), row.get(1).unwrap());
                let what = (epoch, row.get(2).unwrap(), row.get(3).unwrap(), row.get(4).unwrap());
                let former = accepted.insert(what, master.clone());
                assert!(former.is_none_or(|former| former == master), "accepted twice in epoch {epoch}");
                masters.entry(epoch).or_default().insert(master);
            }
            let sql = "SELECT epoch FROM granted WHERE text ->> '$.grant.kind.emergency.votes' * 2 <= text ->> '$.grant.kind.emergency.of'";
            let mut query = database.prepare(sql).unwrap();
            forced.extend(query.query_map([], |row| row.get::<_, u64>(0)).unwrap().map(Result::unwrap));
        }
        for (epoch, masters) in masters {
            assert!(masters.len() == 1 || forced.contains(&epoch), "epoch {epoch} had {masters:?}");
        }
    }
}

/// From now on the database notes what its node accepts as the master.
fn note(fleet: &Fleet, number: usize) {
    let insert = "INSERT INTO accepted SELECT epoch, hex(master), hex(new.id), new.revision, hex(substr(new.envelope, 1, 80)) FROM system";
    let when = "WHEN (SELECT master = node AND standing = 'member' FROM system)";
    let batch = format!(
        "CREATE TABLE accepted (epoch INTEGER, master TEXT, id TEXT, revision INTEGER, envelope TEXT);
         CREATE TRIGGER accepted_new AFTER INSERT ON record {when} BEGIN {insert}; END;
         CREATE TRIGGER accepted_edit AFTER UPDATE OF revision ON record {when} BEGIN {insert}; END;"
    );
    fleet.database(number).execute_batch(&batch).unwrap();
}

/// Troubles without end.
pub fn drawn(seed: u64) -> impl Iterator<Item = Trouble> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
    std::iter::repeat_with(move || pick(&mut rng, &[Aside, Lost, Mute, Split, Middle, Two]))
}
