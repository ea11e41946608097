//! The way to the master: what a quiet poll costs on it, and what a node does when it is silent, slow, or cut off.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use super::{
    PROCESSING,
    fleet::{Fleet, PATIENCE, through, wait},
    ports,
    proxy::{Proxy, Way},
};

/// Sabotage: the deadline of a poll made an hour, in the machine and in its request, since each is enough; `STALL` of a body made
/// an hour; a new connection for each poll.
#[test]
fn a_quiet_poll_is_small_and_a_bad_way_is_bounded() {
    let mut fleet = Fleet::new();
    let proxy = Proxy::start(fleet.master().parse().unwrap());
    fleet.join(PROCESSING, "", &proxy.at.to_string());
    let file = fleet.desk.file("Way.xml", &ports("Way", 20, 0));
    fleet.json(0, "port import", &[&file]);
    fleet.json(1, "config set", &["sync_interval", "5s"]);
    fleet.until_equal(&[1]);
    // What passed when so many more polls have begun, the last of them wholly: it waits at the master now.
    let after = |count: u64| {
        let (_, turns) = proxy.passed();
        let (mut last, mut same) = ((0, 0), 0);
        wait("so many more polls, and nothing on the way", PATIENCE, || {
            let now = proxy.passed();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            if now.1 >= turns + count && same >= 3 { Ok(()) } else { Err(format!("{now:?}")) }
        });
        last
    };
    // Quiet from here on: the second poll ends after the settings have come into force.
    let (bytes, turns) = after(2);
    let connections = proxy.connections();
    let (more, polls) = after(3);
    assert_eq!(proxy.connections(), connections, "a poll takes the connection that is there");
    let each = (more - bytes) / (polls - turns);
    println!(
        "a poll with nothing new: {each} bytes on the wire, of TLS records in both directions, over {} polls",
        polls - turns
    );
    // The same for a system of many years, whose nine numbers have up to six digits more.
    assert!(each + 54 <= 1024, "{each} bytes");

    let all = fleet.read_all(1);
    for (round, way) in [Way::Reset, Way::Slow, Way::Silent].into_iter().enumerate() {
        proxy.set(way);
        let begun = Instant::now();
        // Something to fetch, so that the answer has a body.
        fleet.desk.file("Way.xml", &ports("Way", 20, round + 1));
        fleet.json(0, "port import", &[&file]);
        let left = Duration::from_secs(65);
        fleet.until(1, "degraded", left);
        println!("{way:?}: degraded after {:?}", begun.elapsed());
        let status = fleet.status(1);
        assert!(status["sync"]["error"].is_string(), "it does not say why: {status}");
        let (code, answer) = fleet.ask(1, "port set", &["Way.P1", "RetryCount=8"]);
        assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("encryption_unavailable")), "{answer}");
        assert_eq!(fleet.json(1, "port list", &[])["ports"].as_array().unwrap().len(), 20);
        let memory = fs::read_to_string(format!("/proc/{}/status", fleet.process(1))).unwrap_or_default();
        let memory = memory.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
        proxy.set(Way::Open);
        let begun = Instant::now();
        fleet.until(1, "synced", PATIENCE);
        fleet.until_equal(&[1]);
        println!("{way:?}: synced {:?} after the way is good again; {memory}", begun.elapsed());
    }
    // A body of which nothing comes any more is given up, and fetched by another connection.
    proxy.set(Way::Stuck);
    fleet.desk.file("Way.xml", &ports("Way", 60, 4));
    fleet.json(0, "port import", &[&file]);
    wait("an answer is stuck", PATIENCE, || if proxy.stuck() { Ok(()) } else { Err(String::new()) });
    proxy.set(Way::Open);
    println!("a body that was stuck: equal after {:?}", fleet.until_equal(&[1]));
    assert!(fleet.read_all(1) != all, "the changes came");
    assert!(fleet.read_all(1) == fleet.read_all(0));
}

/// Systems let a process open 1,024 files until it asks for more: a master with more nodes than that must ask.
/// Sabotage: `setrlimit` left out of `connection_limit`.
#[test]
#[cfg(target_os = "linux")]
fn a_master_opens_as_many_files_as_it_may() {
    let fleet = Fleet::new();
    fleet.kill(0);
    let serve = fleet.desk.command("m", "--json serve --metrics off --listen 127.0.0.1:0", &[]);
    let mut limited = through(&["sh", "-c", "ulimit -Sn 300 && exec \"$@\"", "sh"], &serve);
    let mut child =
        limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready.contains("ready"), "{ready}");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "300", "{line}");
}
