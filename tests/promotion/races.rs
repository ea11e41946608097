//! Two or three administrators promote different nodes at once: one wins, and the others are told who.

use std::{thread, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::{PATIENCE, STANDBY, equal, fleet::Fleet, keyring_fleet_of, number, wait};

const MACHINES: usize = 4;

/// Races on one fleet, one after the other: who won the last is the master that the next ones want to replace. Each
/// administrator sits at some machine, wants some other node than the rest want, and begins within 300 ms of the first. A race
/// in which a keyring died does not count, but has no second winner either.
fn races(count: u64, seed: u64) {
    let (fleet, revive) = keyring_fleet_of(&[STANDBY; MACHINES - 1]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |below: usize| (rng.next_u64() % below as u64) as usize;
    let names: Vec<String> = (0..MACHINES)
        .map(|number| fleet.status(number)["node"]["name"].as_str().unwrap().to_owned())
        .collect();
    let (mut master, mut epoch) = (0, 1);
    let (mut run, mut told, mut spoiled) = (0, 0, 0);
    while run < count {
        let expected = epoch.to_string();
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
                    let (fleet, expected) = (&fleet, &expected);
                    let name = if at == candidate { "self" } else { &names[candidate] };
                    scope.spawn(move || {
                        thread::sleep(after);
                        fleet.ask(at, "promote", &[name, "--expect-epoch", expected])
                    })
                })
                .collect();
            races.into_iter().map(|race| race.join().unwrap()).collect::<Vec<_>>()
        });
        let what = || format!("seed {seed}, race {run}: {asks:?} {ends:?}");
        let won: Vec<_> =
            candidates.iter().zip(&ends).filter(|(_, end)| end.0 == 0).map(|(n, _)| *n).collect();
        assert!(won.len() <= 1, "{}", what());
        let died = revive();
        if !died.is_empty() {
            println!("a keyring died: {died:?}; {}", what());
            spoiled += 1;
            (master, epoch) = settled(&fleet);
            continue;
        }
        assert_eq!(won.len(), 1, "{}", what());
        for (code, answer) in ends.iter().filter(|end| end.0 != 0) {
            let word = answer["error"]["code"].as_str();
            assert_eq!((*code, word), (7, Some("epoch_conflict")), "{}", what());
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(&names[won[0]]), "{message}: it should name {}", names[won[0]]);
            told += 1;
        }
        let now = settled(&fleet);
        assert_eq!(now, (won[0], epoch + 1), "{}", what());
        (master, epoch) = now;
        run += 1;
        if run % 1_000 == 0 {
            println!("races: {run} of {count}, seed {seed}");
        }
    }
    equal(&fleet, master, &(0..MACHINES).filter(|number| *number != master).collect::<Vec<_>>());
    println!(
        "races: {run}, each with one winner; {told} losers, each told who won; {spoiled} more in which a keyring died; \
         seed {seed}"
    );
}

/// Waits until one is the master and all others are standbys of it: which one, and in which epoch.
fn settled(fleet: &Fleet) -> (usize, u64) {
    let mut found = (0, 0);
    wait("all follow one master", PATIENCE, || {
        let all: Vec<_> = (0..MACHINES).map(|number| fleet.status(number)).collect();
        let epoch = all[0]["epoch"].as_u64().unwrap();
        let same = all.iter().all(|status| status["state"] == "synced" && status["epoch"] == epoch);
        let leads: Vec<_> = (0..MACHINES).filter(|number| all[*number]["node"]["role"] == "master").collect();
        let ([master], true) = (leads.as_slice(), same) else { return Err(format!("{all:?}")) };
        found = (*master, epoch);
        Ok(())
    });
    found
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
