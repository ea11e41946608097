//! Two or three administrators promote different nodes at once: one wins, and the others are told who.

use std::{thread, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::{PATIENCE, STANDBY, equal, fleet::Fleet, keyring_fleet_of, number, wait};

const MACHINES: usize = 4;

/// Races on one fleet, one after the other: who won the last is the master that the next ones want to replace. Each
/// administrator sits at some machine, wants some other node than the rest want, and begins within 300 ms of the first.
fn races(count: u64, seed: u64) {
    let fleet = keyring_fleet_of(&[STANDBY; MACHINES - 1]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |below: usize| (rng.next_u64() % below as u64) as usize;
    let names: Vec<String> = (0..MACHINES)
        .map(|number| fleet.status(number)["node"]["name"].as_str().unwrap().to_owned())
        .collect();
    let (mut master, mut told) = (0, 0);
    for round in 0..count {
        let epoch = (round + 1).to_string();
        let mut candidates: Vec<_> = (0..MACHINES).filter(|number| *number != master).collect();
        let first = draw(candidates.len());
        candidates.rotate_left(first);
        candidates.truncate(2 + draw(2));
        // From the candidate itself, from the master, or from wherever else.
        let asks: Vec<_> = candidates
            .iter()
            .map(|candidate| (draw(MACHINES), *candidate, Duration::from_millis(draw(300) as u64)))
            .collect();
        let ends = thread::scope(|scope| {
            let races: Vec<_> = asks
                .iter()
                .map(|&(at, candidate, after)| {
                    let (fleet, epoch) = (&fleet, &epoch);
                    let name = if at == candidate { "self" } else { &names[candidate] };
                    scope.spawn(move || {
                        thread::sleep(after);
                        fleet.ask(at, "promote", &[name, "--expect-epoch", epoch])
                    })
                })
                .collect();
            races.into_iter().map(|race| race.join().unwrap()).collect::<Vec<_>>()
        });
        let won: Vec<_> =
            candidates.iter().zip(&ends).filter(|(_, end)| end.0 == 0).map(|(n, _)| *n).collect();
        assert_eq!(won.len(), 1, "seed {seed}, race {round}: {asks:?} {ends:?}");
        for (candidate, (code, answer)) in candidates.iter().zip(&ends).filter(|(n, _)| **n != won[0]) {
            let word = answer["error"]["code"].as_str();
            assert_eq!(
                (*code, word),
                (7, Some("epoch_conflict")),
                "seed {seed}, race {round}, {candidate} of {asks:?}: {answer}"
            );
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(&names[won[0]]), "{message}: it should name {}", names[won[0]]);
            told += 1;
        }
        master = won[0];
        follow(&fleet, master, round + 2);
        if (round + 1) % 1_000 == 0 {
            println!("races: {} of {count}, seed {seed}", round + 1);
        }
    }
    equal(&fleet, master, &(0..MACHINES).filter(|number| *number != master).collect::<Vec<_>>());
    println!("races: {count}, each with one winner; {told} losers, each told who won; seed {seed}");
}

/// Waits until one is the master and all others are standbys of it.
fn follow(fleet: &Fleet, master: usize, epoch: u64) {
    let mut left: Vec<usize> = (0..MACHINES).collect();
    wait("all follow who won", PATIENCE, || {
        let mut last = String::new();
        left.retain(|number| {
            let status = fleet.status(*number);
            let role = if *number == master { "master" } else { "standby" };
            let there =
                status["node"]["role"] == role && status["state"] == "synced" && status["epoch"] == epoch;
            if !there {
                last = status.to_string();
            }
            !there
        });
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}: {last}")) }
    });
}

/// The campaign found, in one race of 4,000, a loser that asked a master which was just handing over and was told to unlock it.
/// Sabotage: let `may_hand_over` and `handover_for` ask neither for the epoch nor whether this is the master still, since each is
/// enough. Seen: two winners.
#[test]
fn of_administrators_at_once_one_wins_and_the_others_are_told_who() {
    races(number("SEALPORT_RACES", 20), number("SEALPORT_SEED", 4));
}

/// As `cargo xtask campaign races`. Counts: `SEALPORT_RACES` (10,000), `SEALPORT_SEED`.
pub(crate) fn campaign() {
    races(number("SEALPORT_RACES", 10_000), number("SEALPORT_SEED", std::process::id().into()));
}
