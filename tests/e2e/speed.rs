//! How quick the window is, in figures: first paint from the start of the process, scrolling a long list, memory. Prints
//! them and fails on none: `docs/performance.md` has the goals. Run it by itself, on a machine with nothing else to do:
//! the test is ignored otherwise. `SEALPORT_MEASURED_PORTS` is how many ports (100,000 else).

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use sealport_tests::{
    system::{SendPort, binding},
    window::Window,
};
use serde_json::Value;

use crate::sealport;

/// Ports in one file; BizTalk's own files hold fewer.
const FILE: usize = 10_000;
/// Pixels of a leap: 1,000 rows.
const LEAP: u32 = 32_000;
/// How long the window is left alone before its memory is looked at once more.
const REST: Duration = Duration::from_secs(60);

/// Scrolls by so many pixels in each of so many frames, turning round at the ends of the list, and gives the milliseconds
/// of every frame.
const SCROLL: &str = "
    let [step, frames, done] = arguments;
    const list = document.querySelector('.vgrid');
    const took = [];
    let last = performance.now();
    const next = (now) => {
        took.push(now - last);
        last = now;
        if (took.length > frames) return done(took.slice(1));
        const before = list.scrollTop;
        list.scrollTop += step;
        if (list.scrollTop === before) step = -step;
        requestAnimationFrame(next);
    };
    requestAnimationFrame(next);";

#[tokio::test]
#[ignore = "measures; see docs/performance.md"]
async fn how_quick_the_window_is() {
    let ports: usize = std::env::var("SEALPORT_MEASURED_PORTS").map_or(100_000, |text| text.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    fill(&data, place.path(), ports);

    let (mut paints, mut loads): (Vec<f64>, Vec<f64>) = Default::default();
    for _ in 0..5 {
        let window = open(&data).await;
        window.sees("Bench seals").await;
        let (load, paint) = first_paint(&window, &data).await;
        loads.push(load);
        paints.push(paint);
        window.close().await;
    }
    println!("the page begins to load after process start: {}", spread(&mut loads));
    println!("first paint from process start: {}", spread(&mut paints));

    let window = open(&data).await;
    window.sees("Bench seals").await;
    println!("memory with {ports} ports, Overview: {}", memory(&data));
    let began = Instant::now();
    window.go("Ports").await;
    window.sees("B0.0").await;
    println!(
        "the list of {ports} ports is there {} ms after its screen was asked for",
        began.elapsed().as_millis()
    );
    for (what, step) in [("scrolling by 3 rows a frame", 96), ("leaping by 1,000 rows a frame", LEAP)] {
        let took = window.run(SCROLL, &[step.into(), 300.into()]).await;
        let mut took: Vec<f64> = took.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        let long = took.iter().filter(|ms| **ms > 34.0).count();
        println!("{what}: {}, {long} of {} frames above 34 ms", spread(&mut took), took.len());
    }
    println!("memory with {ports} ports, after scrolling: {}", memory(&data));
    // What the page keeps would grow with every leap; what it has let go of is collected sooner or later.
    for more in 1..=3 {
        window.run(SCROLL, &[LEAP.into(), 300.into()]).await;
        println!("memory after {} more leaps: {}", 300 * more, memory(&data));
    }
    tokio::time::sleep(REST).await;
    println!("memory after {} s at rest: {}", REST.as_secs(), memory(&data));
    window.close().await;
}

async fn open(data: &Path) -> Window {
    // Frames drawn by software arrive sooner so; pictures by WebDriver never arrive then, and none is taken here.
    Window::open_in(data, |driver| {
        driver.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    })
    .await
}

fn fill(data: &Path, place: &Path, ports: usize) {
    let passphrase = place.join("passphrase");
    fs::write(&passphrase, "lighthouse barge copper seven\n").unwrap();
    let (backup, passphrase) = (place.join("first.sealport"), passphrase.to_string_lossy().into_owned());
    sealport(
        data,
        &["init", "--name", "Bench", "--backup", &backup.to_string_lossy(), "--passphrase-file", &passphrase],
    );
    for number in 0..ports.div_ceil(FILE) {
        let names: Vec<(String, String)> = (0..FILE.min(ports - number * FILE))
            .map(|port| {
                (
                    format!("B{number}.{port}.ToPartner"),
                    format!("ftp://partner{port}.example:21/in/%MessageID%"),
                )
            })
            .collect();
        let ports: Vec<SendPort<'_>> = names
            .iter()
            .map(|(name, address)| SendPort {
                name,
                address,
                user: "svc-biztalk",
                password: Some("not a real one"),
            })
            .collect();
        let file = place.join(format!("{number}.xml"));
        fs::write(&file, binding(&format!("B{number}"), &ports)).unwrap();
        sealport(data, &["port", "import", &file.to_string_lossy()]);
    }
}

/// Milliseconds from the start of the process until the page begins to load, which is all GTK's and WebKit's, and until the
/// first paint with something in it.
async fn first_paint(window: &Window, data: &Path) -> (f64, f64) {
    let script = "const paint = performance.getEntriesByName('first-contentful-paint')[0];
        arguments[0](paint ? [performance.timeOrigin, paint.startTime] : []);";
    let told = window.run(script, &[]).await;
    let told: Vec<f64> = told.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let &[load, paint] = told.as_slice() else { panic!("the page tells when it was painted: {told:?}") };
    let (pid, _) = processes(data);
    // The kernel counts from the boot, in hundredths of a second.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let began: f64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let load = load - (now - uptime + began / 100.0) * 1000.0;
    (load, load + paint)
}

/// MiB of the application and all processes that it started, shared pages counted by their share.
fn memory(data: &Path) -> String {
    let (own, children) = processes(data);
    let of = |pid: &u32| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    let name =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    let all: Vec<u32> = [own].into_iter().chain(children).collect();
    let each: Vec<String> = all.iter().map(|pid| format!("{} {}", name(pid), of(pid))).collect();
    format!("{} MiB PSS ({})", all.iter().map(of).sum::<u64>(), each.join(", "))
}

/// The application on this data directory, and what it started.
fn processes(data: &Path) -> (u32, Vec<u32>) {
    let all: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let wanted = data.to_string_lossy();
    let is_ours = |pid: &&u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').next().is_some_and(|program| program.ends_with("sealport-desktop"))
            && line.contains(&*wanted)
    };
    let own = *all.iter().find(is_ours).expect("the application runs");
    let mut tree = vec![own];
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let mut at = 0;
    while at < tree.len() {
        let above = tree[at];
        tree.extend(all.iter().filter(|pid| parent(**pid) == Some(above)));
        at += 1;
    }
    (own, tree.split_off(1))
}

/// The middle, the 95th of a hundred, and the longest.
fn spread(ms: &mut [f64]) -> String {
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() - 1) as f64 * share).round() as usize];
    format!("p50 {:.0} ms, p95 {:.0} ms, longest {:.0} ms", at(0.5), at(0.95), at(1.0))
}
