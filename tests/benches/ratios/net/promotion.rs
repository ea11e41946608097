//! A change of master: from the confirmation until the new one takes a save, and until each of the others has the new history.
//! Handed over; after a `kill -9` as soon as the candidate tells of it; and when the master has been dead for longer.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use sealport_core::api::{NodeState, PromotionMode, Request, Response};

use super::{
    super::{
        system,
        table::{Goal, Sample, Table},
    },
    hub::Hub,
    joined::{Joined, place, save, service, until},
};

/// Changes of master of each kind.
const ROUNDS: usize = 6;
/// Somebody has to be found who promotes.
const LONGER: Duration = Duration::from_secs(90);
/// From the confirmation to serving.
const SERVES: f64 = 5.0;

/// Those that may be the master, and what all hold.
struct Fleet {
    /// The first is the master, the second the candidate, and on the third is the administrator.
    heirs: Vec<(Joined, Connection)>,
    others: Vec<(Joined, Connection)>,
}

/// Two of the nodes make room for standbys, which join.
pub fn measure(table: &mut Table, folder: &Path, hub: Hub, mut nodes: Vec<Joined>) {
    let count = nodes.len() + 1;
    nodes.truncate(count - 2);
    let standby = ["standby", "--administrator"];
    let standbys = ["s1", "s2"].map(|name| Joined::new(&hub, folder, name, &standby, hub.at));
    let mut heirs = vec![Joined::first(hub)];
    heirs.extend(standbys);
    heirs.iter_mut().for_each(Joined::serve);
    let with_database = |node: Joined| {
        let database = node.database();
        (node, database)
    };
    let mut fleet = Fleet {
        heirs: heirs.into_iter().map(with_database).collect(),
        others: nodes.into_iter().map(with_database).collect(),
    };
    for (what, mode, dead) in [
        ("planned", PromotionMode::Planned, None),
        ("emergency", PromotionMode::Emergency, Some(Duration::ZERO)),
        ("emergency, 90 s after the loss", PromotionMode::Emergency, Some(LONGER)),
    ] {
        let (mut serves, mut follows) = (Sample::default(), Sample::default());
        let rounds = if dead == Some(LONGER) { ROUNDS / 2 } else { ROUNDS };
        for round in 0..rounds {
            fleet.settle(count);
            fleet.change(mode, dead, round, (&mut serves, &mut follows));
        }
        let most = &format!("{what}: from the confirmation until a save is taken, the slowest of {rounds}");
        table.row(most, serves.at(1.0), None, Goal::Seconds(SERVES));
        let followers = if dead.is_some() { count - 1 } else { count };
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let way = format!("{what}: until {followers} nodes follow, {name} of each node");
            table.row(&way, follows.at(share), None, Goal::None);
        }
    }
}

impl Fleet {
    /// Waits until all hold the same, and know where each heir is reached.
    fn settle(&self, count: usize) {
        let all = || self.heirs.iter().chain(&self.others).map(|(_, database)| database);
        assert_eq!(all().count(), count + 1);
        until("all are the same, and calm", || {
            let wanted = place(&self.heirs[0].1);
            all().all(|database| {
                let told = "SELECT count(*) FROM node WHERE address IS NOT NULL";
                place(database) == wanted
                    && database.query_row(told, [], |row| row.get::<_, usize>(0)) == Ok(3)
            })
        });
        // What came last is being acted upon.
        thread::sleep(Duration::from_secs(2));
    }

    /// Makes the second heir the master; the former one, where it was killed, is back at the end.
    fn change(
        &mut self,
        mode: PromotionMode,
        dead: Option<Duration>,
        round: usize,
        (serves, follows): (&mut Sample, &mut Sample),
    ) {
        let epoch = place(&self.heirs[0].1).0 + 1;
        let doors: Vec<_> = self.heirs.iter().map(|(node, _)| service(node.folder())).collect();
        if let Some(dead) = dead {
            self.heirs[0].0.kill();
            until(
                "the loss is told",
                || matches!(system::ask(&doors[1], Request::Status), Response::Status(view) if view.state == NodeState::Degraded),
            );
            thread::sleep(dead);
        }
        let node = self.heirs[1].0.name.clone();
        let promote =
            Request::Promote { node, mode, expect_epoch: None, from_backup: None, leave_unreadable: false };
        let begun = Instant::now();
        thread::scope(|scope| {
            let taken = scope.spawn(move || {
                system::ask(&doors[2], promote);
                until("the new master takes a save", || {
                    save(&doors[1], 100 * epoch as usize + round).is_ok()
                });
                begun.elapsed()
            });
            let former = usize::from(dead.is_some());
            let mut left: Vec<_> = self.heirs.iter().skip(former).chain(&self.others).collect();
            left.retain(|(node, _)| node.name != self.heirs[1].0.name);
            until("all follow", || {
                left.retain(|(_, database)| {
                    let there = place(database).0 >= epoch;
                    if there {
                        follows.add(begun.elapsed().as_secs_f64());
                    }
                    !there
                });
                left.is_empty()
            });
            serves.add(taken.join().expect("it is taken").as_secs_f64());
        });
        if dead.is_some() {
            self.heirs[0].0.serve();
        }
        self.heirs.rotate_left(1);
    }
}
