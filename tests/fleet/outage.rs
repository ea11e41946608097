//! The master is lost: everything opens, nothing is sealed, all is said; and it comes back by itself.

use std::{
    fs,
    time::{Duration, Instant},
};

use sealport_node::custody::Custody;
use serde_json::Value;

use super::{
    PROCESSING, STANDBY, desk,
    fleet::{Fleet, PATIENCE, wait},
    ports, system,
};

fn is(value: &Value, kinds: &[(&str, &str)]) {
    for (path, kind) in kinds {
        let found = value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value}"));
        let fits = match *kind {
            "text" => found.is_string(),
            "number" => found.is_u64(),
            "flag" => found.is_boolean(),
            "list" => found.is_array(),
            "nothing" => found.is_null(),
            other => found == other,
        };
        assert!(fits, "{path} is not {kind}: {found}");
    }
}

/// The fields that others script against.
fn status_shape(status: &Value, state: &str, possible: bool) {
    is(
        status,
        &[
            ("/system/id", "text"),
            ("/system/name", "Hub"),
            ("/node/id", "text"),
            ("/node/name", "text"),
            ("/node/role", "text"),
            ("/state", state),
            ("/master/id", "text"),
            ("/master/name", "text"),
            ("/master/address", "text"),
            ("/epoch", "number"),
            ("/generation", "number"),
            ("/secret/active_version", "number"),
            ("/secret/versions", "list"),
            ("/sync/age_seconds", "number"),
            ("/sync/interval_seconds", "number"),
            ("/sealing/possible", "flag"),
            ("/sealing/reason", if possible { "nothing" } else { "text" }),
            ("/sealing/since", if possible { "nothing" } else { "text" }),
            ("/backup/proven_age_seconds", "nothing"),
            ("/alerts", "list"),
        ],
    );
    assert_eq!(status["sealing"]["possible"], possible, "{status}");
}

/// Sabotage: `may_open` refused where the master is unreachable; the secret not stored in custody; the spool
/// kept in memory; `DEGRADED_MISSES` and `DEGRADED_AFTER` made endless.
#[test]
fn an_outage_costs_nobody_their_reads() {
    let mut fleet = Fleet::new();
    fleet.join(STANDBY, "", &fleet.master());
    fleet.join(PROCESSING, "", &fleet.master());
    fleet.join(PROCESSING, "--cache memory", &fleet.master());
    let file = fleet.desk.file("Out.xml", &ports("Out", 6, 0));
    fleet.json(1, "port import", &[&file]);
    fleet.until_equal(&[1, 2, 3]);
    let all = fleet.read_all(0);
    for number in 0..4 {
        status_shape(&fleet.status(number), "synced", true);
    }
    let listed = fleet.json(2, "node list", &[]);
    for node in listed["nodes"].as_array().unwrap() {
        is(
            node,
            &[
                ("/id", "text"),
                ("/name", "text"),
                ("/role", "text"),
                ("/administrator", "flag"),
                ("/state", "synced"),
                ("/last_sync_age_seconds", "number"),
                ("/epoch", "number"),
                ("/generation", "number"),
                ("/version", "text"),
            ],
        );
        assert!(node.get("address").is_some());
    }
    let summary = listed["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("All 4 nodes agree: ") && summary.ends_with(" is master, epoch 1."),
        "{summary}"
    );

    fleet.kill(0);
    let lost = Instant::now();
    for number in [1, 2, 3] {
        assert!(fleet.read_all(number) == all, "n{number} reads something else");
    }
    for number in [1, 2, 3] {
        fleet.until(number, "degraded", Duration::from_secs(65).saturating_sub(lost.elapsed()));
        let after = lost.elapsed();
        let status = fleet.status(number);
        status_shape(&status, "degraded", false);
        assert_eq!(status["alerts"][0]["id"], "master_unreachable", "{status}");
        let (code, answer) = fleet.ask(number, "port set", &["Out.P1", "RetryCount=9"]);
        assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("encryption_unavailable")), "{answer}");
        println!("n{number} refuses to seal {after:?} after the loss: {}", answer["error"]["message"]);
        let listed = fleet.json(number, "node list", &[]);
        assert_eq!((&listed["live"], listed["nodes"].as_array().unwrap().len()), (&false.into(), 4));
    }
    let reveal = |number: usize, port: usize| {
        let seen = fleet.json(number, "port reveal", &[&format!("Out.P{port}"), "Password"]);
        assert_eq!(seen["value"], "marked value");
    };
    (0..3).for_each(|port| reveal(1, port));
    // Restarted while nobody gives the secret anew.
    for number in [1, 2] {
        fleet.kill(number);
        let begun = Instant::now();
        fleet.start(number);
        reveal(number, 4);
        let took = begun.elapsed();
        assert!(fleet.read_all(number) == all, "n{number} reads something else");
        println!("n{number} opens {took:?} after its restart in the outage");
        // Opening the custody is made to be slow; on a machine with much else to do it alone takes longer than all else.
        let begun = Instant::now();
        Custody::Passphrase {
            file: fleet.file(number, "custody.age"),
            passphrase: system::secret(desk::CUSTODY),
        }
        .load()
        .unwrap();
        let custody = begun.elapsed();
        assert!(took < Duration::from_secs(5).max(custody * 4), "{took:?}, of which custody {custody:?}");
    }
    // In memory alone: as the original does.
    fleet.kill(3);
    fleet.start(3);
    for line in ["port list", "port show Out.P1", "port reveal Out.P1 Password"] {
        let (code, answer) = fleet.ask(3, line, &[]);
        assert_eq!(
            (code, answer["error"]["code"].as_str()),
            (4, Some("encryption_unavailable")),
            "{line}: {answer}"
        );
    }
    // It says so once it has tried its master for long enough: at most 5 s after it started.
    fleet.until(3, "no_secret", PATIENCE);
    let custody = fs::read(fleet.file(3, "custody.age")).unwrap();

    fleet.start(0);
    let back = Instant::now();
    for number in [1, 2, 3] {
        fleet.until(number, "synced", PATIENCE * 3);
        println!("n{number} is synced {:?} after the master is back", back.elapsed());
    }
    status_shape(&fleet.status(1), "synced", true);
    assert!(
        fs::read(fleet.file(3, "custody.age")).unwrap() == custody,
        "the secret went into a custody that must not have it"
    );
    // What was seen meanwhile is in the trail, once.
    let told = |port: usize, on: &str| {
        let trail = fleet.json(0, "audit list --limit 1000", &[]);
        assert_eq!(trail["broken_at"], Value::Null);
        let fits = |entry: &&Value| {
            entry["act"] == "port.reveal"
                && entry["object"].as_str().unwrap().contains(&format!("Out.P{port}"))
                && entry["origin"].as_str().unwrap().contains(on)
        };
        trail["entries"].as_array().unwrap().iter().filter(fits).count()
    };
    let expected = [(0, "N1", 1), (1, "N1", 1), (2, "N1", 1), (4, "N1", 1), (4, "N2", 1)];
    wait("the spools arrive", PATIENCE, || {
        let counts: Vec<_> = expected.iter().map(|(port, on, _)| told(*port, on)).collect();
        if counts.iter().all(|count| *count > 0) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
    fleet.until_equal(&[1, 2, 3]);
    for (port, on, times) in expected {
        assert_eq!(told(port, on), times, "Out.P{port} was seen on {on}");
    }
    for number in [1, 2, 3] {
        fleet.json(number, "port set", &[&format!("Out.P{number}"), "RetryCount=33"]);
    }
    fleet.until_equal(&[1, 2, 3]);
    let all = fleet.read_all(0);
    [1, 2, 3]
        .iter()
        .for_each(|number| assert!(fleet.read_all(*number) == all, "n{number} reads something else"));
}
