//! Whose word a node takes: the master's by the highest grant that it has proven, whoever else answers at its address.

use std::time::Duration;

use super::{PROCESSING, STANDBY, equal, fleet_of, until_role};

/// A node knows N1 as the master, and at the address that it asks another one answers as a master. Nothing of that is taken:
/// nor is anything sealed by it. A grant that makes N1 the master in truth ends that by itself.
/// Sabotage: let `to_master` go to whoever answers. Seen: the node is synced with the other one.
#[test]
fn a_node_takes_the_word_of_no_other_master_than_the_one_it_knows() {
    let fleet = fleet_of(&[STANDBY, PROCESSING]);
    fleet.kill(2);
    let database = fleet.database(2);
    let set = "UPDATE system SET master = (SELECT id FROM node WHERE name = 'N1')";
    assert_eq!(database.execute(set, []).unwrap(), 1);
    drop(database);
    let master = fleet.status(0)["node"]["id"].as_str().unwrap().to_owned();
    fleet.json(0, "port set", &["Work.P1", "Address=ftp://new.example"]);
    fleet.start(2);
    fleet.until(2, "degraded", Duration::from_secs(65));
    let status = fleet.status(2);
    let error = status["sync"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("another node answers there") && error.contains(&master), "{status}");
    let (code, answer) = fleet.ask(2, "port set", &["Work.P2", "Address=ftp://x.example"]);
    assert_eq!((code, answer["error"]["code"].as_str()), (4, Some("encryption_unavailable")), "{answer}");
    let shown = fleet.json(2, "port show", &["Work.P1"]).to_string();
    assert!(!shown.contains("new.example"), "{shown}");
    fleet.json(0, "promote N1", &[]);
    until_role(&fleet, 1, "master", 2);
    until_role(&fleet, 2, "processing", 2);
    equal(&fleet, 1, &[0, 2]);
}
