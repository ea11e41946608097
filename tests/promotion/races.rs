//! Two administrators at once, and machines that end in the middle: one winner, and every state is a legal one.

use std::{thread, time::Duration};

use super::{PATIENCE, STANDBY, equal, fleet_of, role, until_role, wait};

/// Sabotage, still to be tried: leave the epoch out of `may_hand_over`.
#[test]
fn of_two_administrators_at_once_one_wins_and_the_other_is_told_who() {
    let fleet = fleet_of(&[STANDBY, STANDBY]);
    let mut master = 0;
    let names =
        [fleet.status(0)["node"]["name"].as_str().unwrap().to_owned(), "N1".to_owned(), "N2".to_owned()];
    for round in 0..5_u64 {
        let epoch = (round + 1).to_string();
        let others: Vec<_> = (0..3).filter(|number| *number != master).collect();
        let ends = thread::scope(|scope| {
            let races: Vec<_> = others
                .iter()
                .map(|number| {
                    let (fleet, epoch) = (&fleet, &epoch);
                    scope.spawn(move || fleet.ask(*number, "promote self --expect-epoch", &[epoch]))
                })
                .collect();
            races.into_iter().map(|race| race.join().unwrap()).collect::<Vec<_>>()
        });
        let won: Vec<_> =
            others.iter().zip(&ends).filter(|(_, (code, _))| *code == 0).map(|(n, _)| *n).collect();
        assert_eq!(won.len(), 1, "round {round}: {ends:?}");
        let (_, (code, answer)) = others.iter().zip(&ends).find(|(number, _)| **number != won[0]).unwrap();
        assert_eq!((*code, answer["error"]["code"].as_str()), (7, Some("epoch_conflict")), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(&names[won[0]]), "{message}: it should name {}", names[won[0]]);
        master = won[0];
        until_role(&fleet, master, "master", round + 2);
        for number in (0..3).filter(|number| *number != master) {
            until_role(&fleet, number, "standby", round + 2);
        }
    }
    equal(&fleet, master, &(0..3).filter(|number| *number != master).collect::<Vec<_>>());
}

/// The candidate, or the master, ends at some moment of a hand-over and is started again: there is one master, by itself, in
/// the old epoch or in the next. Sabotage, still to be tried: leave the take-over of the seat out of `Engine::follow`.
#[test]
fn a_hand_over_that_is_cut_off_ends_in_one_of_two_states() {
    let fleet = fleet_of(&[STANDBY]);
    let mut ends = [0; 2];
    for round in 0..8_u64 {
        let (master, candidate) = if role(&fleet, 0) == "master" { (0, 1) } else { (1, 0) };
        let epoch = fleet.status(master)["epoch"].as_u64().unwrap();
        let victim = if round % 2 == 0 { candidate } else { master };
        thread::scope(|scope| {
            let promotion = scope.spawn(|| fleet.ask(candidate, "promote self", &[]));
            thread::sleep(Duration::from_millis(300 + 600 * round));
            fleet.kill(victim);
            let _ = promotion.join().unwrap();
        });
        fleet.start(victim);
        wait("one master and one standby", PATIENCE, || {
            let both = [fleet.status(0), fleet.status(1)];
            let mut roles = both.each_ref().map(|status| status["node"]["role"].as_str().unwrap_or_default());
            roles.sort_unstable();
            let synced = both.iter().all(|status| status["state"] == "synced");
            let same = both[0]["epoch"] == both[1]["epoch"];
            if roles == ["master", "standby"] && synced && same { Ok(()) } else { Err(format!("{both:?}")) }
        });
        let now = fleet.status(0)["epoch"].as_u64().unwrap();
        assert!(now == epoch || now == epoch + 1, "from {epoch} to {now}");
        ends[usize::from(now > epoch)] += 1;
        let master = usize::from(role(&fleet, 0) != "master");
        fleet.json(master, "port set", &["Work.P1", &format!("Address=ftp://round.example/{round}")]);
        equal(&fleet, master, &[1 - master]);
    }
    println!("hand-overs that were cut off: {} in the former epoch, {} in the next", ends[0], ends[1]);
}
