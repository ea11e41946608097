//! How things are measured, and the table they end in.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Which clock a figure is taken from.
#[derive(Clone, Copy)]
pub enum Clock {
    /// What this thread used of a processor: hardly moved by other load.
    Thread,
    /// The same for all threads of this process.
    Process,
    /// The clock on the wall, where waiting for the disk is the point.
    Wall,
}

/// Seconds that `act` takes by this clock.
pub fn seconds(clock: Clock, act: impl FnOnce()) -> f64 {
    let cpu = |id| {
        let now = clock_gettime(id);
        now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
    };
    let (begun, id) = match clock {
        Clock::Wall => {
            let begun = Instant::now();
            act();
            return begun.elapsed().as_secs_f64();
        }
        Clock::Thread => (cpu(ClockId::ThreadCPUTime), ClockId::ThreadCPUTime),
        Clock::Process => (cpu(ClockId::ProcessCPUTime), ClockId::ProcessCPUTime),
    };
    act();
    cpu(id) - begun
}

/// What one act took by two clocks at once: where several threads share the work, a person waits less than is worked.
#[derive(Clone, Copy)]
pub struct Spent {
    /// Of all threads of this process.
    pub process: f64,
    /// On the wall.
    pub wall: f64,
}

/// Both clocks over an act.
pub fn spent(act: impl FnOnce()) -> Spent {
    let mut process = 0.0;
    let wall = seconds(Clock::Wall, || process = seconds(Clock::Process, act));
    Spent { process, wall }
}

/// Measurements of one thing.
#[derive(Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn add(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    /// The value below which this share of the measurements lies.
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    }

    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// Two things in turn, so that what else the machine does meets both: `rounds` times, each act `times` times over.
/// The results are seconds of a single act.
pub fn against(
    clock: Clock,
    rounds: usize,
    times: usize,
    mut ours: impl FnMut(),
    mut peer: impl FnMut(),
) -> (Sample, Sample) {
    let (mut a, mut b) = (Sample::default(), Sample::default());
    for _ in 0..rounds {
        a.add(seconds(clock, || (0..times).for_each(|_| ours())) / times as f64);
        b.add(seconds(clock, || (0..times).for_each(|_| peer())) / times as f64);
    }
    (a, b)
}

/// What a figure must keep to.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At most this many times the peer.
    Ratio(f64),
    /// At most this many seconds.
    Seconds(f64),
    /// Shown for what it is.
    None,
}

/// The rows so far; each is printed when it is there.
pub struct Table {
    missed: usize,
}

impl Table {
    pub fn new() -> Self {
        println!("| what | measured | peer of the same run | ratio | goal | |\n|---|---:|---|---:|---|---|");
        Self { missed: 0 }
    }

    /// A figure beside its peer; a peer of `None` has no ratio.
    pub fn row(&mut self, what: &str, measured: f64, peer: Option<(&str, f64)>, goal: Goal) {
        let ratio = peer.map(|(_, seconds)| measured / seconds);
        let (goal, met) = match goal {
            Goal::Ratio(most) => (format!("≤ {most}x"), Some(ratio.is_some_and(|ratio| ratio <= most))),
            Goal::Seconds(most) => (format!("≤ {}", human(most)), Some(measured <= most)),
            Goal::None => (String::new(), None),
        };
        let peer = peer.map_or(String::new(), |(name, seconds)| format!("{name}: {}", human(seconds)));
        self.line(what, &human(measured), &peer, ratio, &goal, met);
    }

    /// A figure that is no time, in its own words.
    pub fn line(
        &mut self,
        what: &str,
        measured: &str,
        peer: &str,
        ratio: Option<f64>,
        goal: &str,
        met: Option<bool>,
    ) {
        self.missed += usize::from(met == Some(false));
        let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!("| {what} | {measured} | {peer} | {ratio} | {goal} | {met} |");
    }

    /// A line that says why something was not measured.
    pub fn note(&mut self, text: &str) {
        println!("| {text} | | | | | |");
    }

    pub fn end(self) {
        println!("\n{} goals missed.", self.missed);
    }
}

fn human(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
