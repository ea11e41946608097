//! Runs cases, many at a time; cuts a failing one down to the lines that it needs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    sabotage::Sabotage,
    script::{Script, Weather},
    truth::Broken,
    world::{Figures, World, panicked},
};

/// Runs one case to its end, or to the first invariant that is broken.
pub fn run(script: &Script, sabotage: Option<Sabotage>, trace: bool) -> (Result<(), Broken>, Figures) {
    let mut world = World::new(script, sabotage);
    world.trace = trace;
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(panicked(text.unwrap_or_default()))
    });
    (outcome, world.figures)
}

/// The first failure of many, and what was done.
pub struct Outcome {
    pub cases: u64,
    pub failed: Option<(Script, Broken)>,
    pub figures: Figures,
}

/// Runs the cases of these seeds on all processors, until one fails.
pub fn run_many(seeds: std::ops::Range<u64>, sabotage: Option<Sabotage>) -> Outcome {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Outcome { cases: 0, failed: None, figures: Figures::new() });
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let script = Script::make(seed);
                    let (outcome, figures) = run(&script, sabotage, false);
                    let mut all = all.lock().unwrap();
                    all.cases += 1;
                    for (what, many) in figures {
                        *all.figures.entry(what).or_default() += many;
                    }
                    if let Err(broken) = outcome {
                        stop.store(true, Ordering::Relaxed);
                        // The lowest seed that failed, so that runs agree as far as they can.
                        if all.failed.as_ref().is_none_or(|(script, _)| script.seed > seed) {
                            all.failed = Some((script, broken));
                        }
                    }
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// The smallest script found that breaks the same invariant: acts cut away in ever smaller parts, then the weather, then
/// machines. Runs at most `tries` cases.
pub fn shrink(script: &Script, sabotage: Option<Sabotage>, broken: &Broken, mut tries: u32) -> Script {
    let mut best = script.clone();
    let fails = |candidate: &Script, tries: &mut u32| {
        *tries = tries.saturating_sub(1);
        *tries > 0 && run(candidate, sabotage, false).0.is_err_and(|other| other.name == broken.name)
    };
    let mut part = best.acts.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        let mut cut = false;
        while at < best.acts.len() {
            let mut candidate = best.clone();
            candidate.acts.drain(at..(at + part).min(best.acts.len()));
            if fails(&candidate, &mut tries) {
                best = candidate;
                cut = true;
            } else {
                at += part;
            }
        }
        part = if cut && part == 1 { 1 } else { part / 2 };
    }
    let calm = Script { weather: Weather::default(), ..best.clone() };
    if fails(&calm, &mut tries) {
        best = calm;
    }
    while best.machines > 2 {
        let fewer = Script { machines: best.machines - 1, ..best.clone() };
        if !fails(&fewer, &mut tries) {
            break;
        }
        best = fewer;
    }
    best
}
