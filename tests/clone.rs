//! A data directory that was copied, beside its original: the one that began later is fenced, the other goes on, and a directory
//! that was only moved is nobody's copy. Real processes; each copy is one of the files, as a snapshot of a machine gives it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::{
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};
#[cfg(target_os = "linux")]
use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use sealport_core::{
    bundle::{Bundle, Kept},
    id::SystemId,
    machine::Failure,
    secret::SecretText,
};
use sealport_node::{
    clock,
    custody::Custody,
    membership::Membership,
    net::{
        authority::{self, Leaf},
        client::{Client, DEADLINE},
    },
};
use serde_json::{Value, json};

#[path = "harness/desk.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod desk;

#[path = "harness/system.rs"]
#[allow(dead_code, unreachable_pub, unused_macros, reason = "other tests use what is not used here")]
mod system;

#[path = "harness/fleet.rs"]
#[allow(dead_code, reason = "other tests use what is not used here")]
mod fleet;

#[cfg(target_os = "linux")]
#[path = "harness/keyring.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use what is not used here")]
mod keyring;

use desk::{CUSTODY, names_in};
use fleet::{Fleet, Machine, PATIENCE, wait};
#[cfg(target_os = "linux")]
use keyring::{Keyring, Start};
use system::{SendPort, binding};

const PROCESSING: &str = "--role processing";
const STANDBY: &str = "--role standby --administrator";
/// Far less than a poll waits: who is one of two is woken.
const SOON: Duration = Duration::from_secs(12);

/// A master with six ports, one of them with a former revision, and a node of this kind beside it.
fn fleet_of(kind: &str) -> Fleet {
    let mut fleet = Fleet::new();
    fill(&fleet);
    let node = fleet.join(kind, "", &fleet.master());
    fleet.until_equal(&[node]);
    fleet
}

/// Six ports, one of them with a former revision.
fn fill(fleet: &Fleet) {
    let ports: Vec<_> = (0..6).map(|n| (format!("Work.P{n}"), format!("ftp://host.example/{n}"))).collect();
    let ports: Vec<_> = ports
        .iter()
        .map(|(name, address)| SendPort { name, address, user: "someone", password: Some("marked value") })
        .collect();
    let file = fleet.desk.file("Work.xml", &binding("Work", &ports));
    fleet.json(0, "port import", &[&file]);
    edit(fleet, 0, 11);
}

/// Changes a port on a machine.
fn edit(fleet: &Fleet, number: usize, count: u32) -> Value {
    fleet.json(number, "port set", &["Work.P0", &format!("RetryCount={count}")])
}

/// The files of a machine on another one, which listens there.
fn copied(fleet: &mut Fleet, number: usize, listen: &str) -> usize {
    let copy = fleet.machines.len();
    let data = format!("c{copy}");
    copy_files(&fleet.desk.path(&fleet.machines[number].data), &fleet.desk.path(&data));
    fleet.machines.push(Machine::new(&data, None, listen));
    copy
}

/// Files alone: what a process keeps beside them, such as its socket, is no part of a snapshot.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A machine is fenced as a copy: it says so everywhere, seals nothing, takes no seat, and opens all that `like` opens.
fn is_fenced(fleet: &Fleet, number: usize, like: usize) {
    let status = fleet.status(number);
    assert_eq!((&status["state"], &status["sealing"]["possible"]), (&"fenced".into(), &false.into()));
    assert!(status["sealing"]["since"].is_string(), "{status}");
    assert!(status["sealing"]["hint"].as_str().unwrap().contains("node separate"), "{status}");
    let alert = status["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == "node_cloned");
    assert_eq!(alert.unwrap()["severity"], "critical");
    for (line, extra) in [
        ("port set", &["Work.P0", "RetryCount=99"][..]),
        ("node invite --role processing --name", &["N9"]),
        ("promote self --emergency --yes", &[]),
        ("promote self --emergency --dry-run", &[]),
    ] {
        let (code, answer) = fleet.ask(number, line, extra);
        assert_eq!(
            (code, &answer["error"]["code"]),
            (4, &"encryption_unavailable".into()),
            "{line} {answer}"
        );
    }
    let (_, here) = fleet.read_all(number);
    let (_, there) = fleet.read_all(like);
    assert!(here == there, "what is here does not open");
    let revealed = fleet.json(number, "port reveal", &["Work.P1", "Password"]);
    assert_eq!(revealed["value"], "marked value");
}

/// The master says that a copy came, and the trail has it once. Sabotage: leave `copy_came` out of `cloned`; or let it write each time.
fn seen_by_the_master(fleet: &Fleet, name: &str) {
    wait("the master tells of the copy", SOON, || {
        let status = fleet.status(0);
        let told =
            status["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == "copy_seen").cloned();
        let Some(told) = told else { return Err(status.to_string()) };
        let words = told["message"].as_str().unwrap();
        assert!(words.contains(&format!("A copy of {name} came from 127.0.0.1")), "{told}");
        assert!(told["since"].is_string() && told["severity"] == "warning", "{told}");
        Ok(())
    });
    let trail = fleet.json(0, "audit list", &[]);
    let of_it = |entry: &&Value| entry["act"] == "node.cloned" && entry["object"] == name;
    assert_eq!(trail["entries"].as_array().unwrap().iter().filter(of_it).count(), 1, "{trail}");
}

/// Sabotage: leave `fence` out of the follower's `carry_out`: the copy is a member again when it starts. Leave `not_cloned` out of `promote`: it gets as far as the checks.
#[test]
fn a_copy_of_a_node_is_fenced_in_seconds_and_its_original_goes_on() {
    let mut fleet = fleet_of(STANDBY);
    let copy = copied(&mut fleet, 1, "127.0.0.1:0");
    // Both polls wait by now; the original's began before.
    fleet.start(copy);
    let took = fleet.until(copy, "fenced", SOON);
    println!("a copy of a node is fenced {took:?} after its service said that it is ready");
    seen_by_the_master(&fleet, "N1");
    edit(&fleet, 1, 12);
    fleet.until_equal(&[1]);
    assert_eq!(fleet.status(1)["state"], "synced");
    is_fenced(&fleet, copy, copy);

    // It stays so, with its master and without one, however often it starts.
    fleet.kill(copy);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    fleet.kill(0);
    fleet.kill(copy);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    // A master that has just started has met neither of them; the copy does not speak to it.
    fleet.start(0);
    fleet.until(1, "synced", PATIENCE);
    is_fenced(&fleet, copy, copy);
    // The original restarts as ever.
    fleet.kill(1);
    fleet.start(1);
    fleet.until(1, "synced", PATIENCE);
    edit(&fleet, 1, 13);
    assert_eq!(fleet.status(0)["state"], "synced");
}

/// Sabotage: leave `meet_oneself` out of the master's look; or let `System::new` give a fenced one its seat.
#[test]
fn a_copy_of_the_master_is_fenced_before_it_writes() {
    let mut fleet = fleet_of(PROCESSING);
    let before = fleet.held(0);
    let copy = copied(&mut fleet, 0, "127.0.0.1:0");
    fleet.start(copy);
    let took = fleet.until(copy, "fenced", SOON);
    println!("a copy of the master is fenced {took:?} after its service said that it is ready");
    let master = fleet.status(0)["node"]["name"].as_str().unwrap().to_owned();
    seen_by_the_master(&fleet, &master);
    assert!(fleet.held(copy) == before, "it has written");
    is_fenced(&fleet, copy, 0);
    edit(&fleet, 1, 12);
    edit(&fleet, 0, 13);
    fleet.until_equal(&[1]);
    assert_eq!(fleet.status(1)["state"], "synced");
    // Also when the original is gone by then.
    fleet.kill(copy);
    fleet.kill(0);
    fleet.start(copy);
    is_fenced(&fleet, copy, copy);
    fleet.start(0);
    fleet.until(1, "synced", PATIENCE);
    edit(&fleet, 1, 14);
}

/// A copy at the address where the registry has the master looks for nobody, since that is its own: the original finds it there, and
/// the copy, which decides for both, tells the original what it is. Sabotage: leave `copy` out of `about_for`.
#[test]
fn the_master_tells_of_a_copy_that_it_found_itself() {
    let mut fleet = fleet_of(PROCESSING);
    let place = fleet.master();
    fleet.kill(0);
    let copy = copied(&mut fleet, 0, &place);
    // The original moved, and nobody knows yet.
    fleet.machines[0] = Machine::new("m", None, "127.0.0.1:0");
    fleet.start(0);
    let begun = Instant::now();
    until_older_than_any(begun);
    fleet.start(copy);
    // It is asked every ten seconds.
    fleet.until(copy, "fenced", PATIENCE);
    let master = fleet.status(0)["node"]["name"].as_str().unwrap().to_owned();
    seen_by_the_master(&fleet, &master);
    is_fenced(&fleet, copy, 0);
    assert_eq!(edit(&fleet, 0, 12)["revision"], 3);
}

/// Of two that begin within two seconds either may be the copy: waits until one that began then is clearly older.
fn until_older_than_any(begun: Instant) {
    wait("it is clearly older", PATIENCE, || {
        if begun.elapsed() > Duration::from_secs(3) { Ok(()) } else { Err(String::new()) }
    });
}

/// What was moved goes on; its original, if it comes back after all, is the one that came later.
/// Sabotage: take a second life as a copy at its first word (`Lives::spoke`): what was moved is fenced. Don't wake a poll that waits
/// (`Seat::spoke`): the original is fenced when that poll ends, and not before.
#[test]
fn a_directory_that_was_moved_goes_on() {
    let mut fleet = fleet_of(PROCESSING);
    fleet.kill(1);
    let node = copied(&mut fleet, 1, "127.0.0.1:0");
    fleet.start(node);
    fleet.until(node, "synced", PATIENCE);
    edit(&fleet, node, 12);
    fleet.start(1);
    fleet.until(1, "fenced", SOON);
    edit(&fleet, node, 13);
    // Where the fenced one is the right one after all: the other ends, and it joins again in a new data directory.
    fleet.kill(1);
    let again = fleet.join(PROCESSING, "", &fleet.master());
    fleet.until_equal(&[again]);
    edit(&fleet, again, 13);

    fleet.kill(0);
    let master = copied(&mut fleet, 0, "127.0.0.1:0");
    fleet.start(master);
    let begun = Instant::now();
    assert_eq!(edit(&fleet, master, 14)["revision"], 5);
    assert_eq!(fleet.status(master)["state"], "synced");
    until_older_than_any(begun);
    fleet.start(0);
    // It is asked every ten seconds.
    fleet.until(0, "fenced", PATIENCE);
    is_fenced(&fleet, 0, 0);
    assert_eq!(edit(&fleet, master, 15)["revision"], 6);
    assert_eq!(fleet.status(master)["state"], "synced");
    wait("the moved master has no alert of it", PATIENCE, || {
        let status = fleet.status(master);
        let ids: Vec<_> = status["alerts"].as_array().unwrap().iter().map(|alert| &alert["id"]).collect();
        if ids.iter().all(|id| **id != "node_cloned") { Ok(()) } else { Err(status.to_string()) }
    });
}

/// The bundle in the custody of a machine.
fn bundle(fleet: &Fleet, number: usize) -> Bundle {
    let passphrase = SecretText::new(CUSTODY.to_owned());
    let text = Custody::Passphrase { file: fleet.file(number, "custody.age"), passphrase }.load().unwrap();
    match Kept::from_text(std::str::from_utf8(&text).unwrap()).unwrap() {
        Kept::Secret(bundle) => bundle,
        Kept::KeyOnly { .. } => panic!("the secret is kept in memory"),
    }
}

/// Whether the master knows a machine that comes as this member, with whatever its own custody holds: its key, and a certificate
/// that its authority signs for it.
fn is_known(fleet: &Fleet, number: usize, member: &Membership) -> bool {
    let mut bundle = bundle(fleet, number);
    let key = bundle.node_key.take().unwrap();
    let request = authority::request(&key).unwrap();
    let ca: Vec<u8> =
        fleet.database(number).query_row("SELECT ca FROM system", [], |row| row.get(0)).unwrap();
    let keys = bundle.authority.as_ref().unwrap();
    let signed =
        authority::sign(keys, &ca, member.system, member.node, Leaf::Server, &request, clock::wall())
            .unwrap();
    let client = Client::member(&member.renewed(&signed.certificate), &key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(client.post::<Value>("/v1/nodes", &json!({}), DEADLINE)) {
        Ok(_) => true,
        // This test is a later life of that node: only who is known is told so.
        Err(refused) => refused.failure == Failure::Cloned,
    }
}

/// What a data directory holds besides what each one holds, and besides files that were cut off while they were written.
fn leftovers(fleet: &Fleet, number: usize) -> Vec<String> {
    let known = ["custody.age", "sealport.db", "sealport.db-shm", "sealport.db-wal", "sealport.toml"];
    let mut names = names_in(&fleet.file(number, "."));
    names.retain(|name| {
        !known.contains(&name.as_str())
            && name != "lock"
            && !name.ends_with(".sock")
            && !name.starts_with(".sealport-")
    });
    names
}

/// Sabotage: keep the node's key and the authority's in `separate`: the former master knows it. Leave `settle` out of `System::open`:
/// the former secret stays.
#[test]
fn a_separated_copy_is_a_system_of_its_own() {
    let mut fleet = fleet_of(STANDBY);
    let copy = copied(&mut fleet, 1, "127.0.0.1:0");
    fleet.start(copy);
    fleet.until(copy, "fenced", SOON);
    fleet.json(copy, "port reveal", &["Work.P1", "Password"]);
    let before = fleet.status(copy);
    let (former, member) = (bundle(&fleet, copy), Membership::read(&fleet.file(1, ".")).unwrap().unwrap());
    assert!(is_known(&fleet, 1, &member), "the original is");

    let (code, answer) = fleet.ask(copy, "node separate --yes --name", &["hub"]);
    assert_eq!((code, &answer["error"]["code"]), (2, &"usage".into()), "{answer}");
    let (code, _) = fleet.ask(copy, "node separate --name", &["Hub-Test"]);
    assert_eq!(code, 2, "nobody typed the name");
    let done = fleet.json(copy, "node separate --yes --name", &["Hub-Test"]);
    // Six ports and their document, and the former revision of one.
    assert_eq!(
        (&done["ports"], &done["parts"], &done["former_secret"]),
        (&6.into(), &8.into(), &Value::Null)
    );
    assert_eq!((&done["former"]["id"], &done["former"]["name"]), (&before["system"]["id"], &"Hub".into()));

    let status = fleet.status(copy);
    let fine = (&status["state"], &status["node"]["role"], &status["epoch"], &status["system"]["name"]);
    assert_eq!(fine, (&"synced".into(), &"master".into(), &1.into(), &"Hub-Test".into()));
    for (one, other) in [("system", "id"), ("node", "id")] {
        assert_ne!(status[one][other], before[one][other], "{one}");
    }
    assert_eq!(fleet.json(copy, "node list", &[])["nodes"].as_array().unwrap().len(), 1);
    let (here, there) = (fleet.read_all(copy).1, fleet.read_all(1).1);
    assert!(here == there, "what was sealed anew is something else");
    assert_eq!(edit(&fleet, copy, 21)["revision"], 3);
    let first = fleet.json(copy, "port show --revision 1", &["Work.P0"]);
    assert_eq!(first["revision"], 1, "a former revision opens");
    let trail = fleet.json(copy, "audit list", &[]);
    let acts: Vec<_> = trail["entries"].as_array().unwrap().iter().map(|entry| &entry["act"]).collect();
    assert_eq!(trail["broken_at"], Value::Null);
    for act in ["system.init", "port.reveal", "node.separate"] {
        assert!(acts.iter().any(|known| **known == act), "{act}: {acts:?}");
    }

    let new = bundle(&fleet, copy);
    let differ = new.system() != former.system() && new.checks()[0].1 != former.checks()[0].1;
    assert!(differ, "the former secret is still in custody");
    assert!(!is_known(&fleet, copy, &member), "the former master knows it");
    assert_eq!(leftovers(&fleet, copy), Vec::<String>::new());
    // The former system has noticed nothing, and goes on.
    edit(&fleet, 1, 12);
    fleet.until_equal(&[1]);
    // It is a system like any other: it starts, lets a node in, and hands its secret to it.
    fleet.kill(copy);
    fleet.start(copy);
    fleet.until(copy, "synced", PATIENCE);
    assert_eq!(edit(&fleet, copy, 22)["revision"], 4);
    let invited = fleet.json(copy, "node invite --role processing --name", &["N9"]);
    let token = fleet.desk.file("token9", invited["token"].as_str().unwrap());
    let at = fleet.machines[copy].address();
    fleet.machines.push(Machine::new("n9", None, "127.0.0.1:0"));
    let node = copy + 1;
    let line =
        format!("join --custody passphrase --custody-passphrase-file custody https://{at} --token-file");
    fleet.json(node, &line, &[&token]);
    fleet.start(node);
    fleet.until(node, "synced", PATIENCE);
    assert_eq!(edit(&fleet, node, 23)["revision"], 5);
}

/// In a keyring the new secret has an item of its own. That of the original stays as it is, since both may be of one user, and goes on
/// opening the original; where the copy has a keyring of its own, `--forget` takes it away there alone. Sabotage: name the item of
/// the former system in `custody_of`: it is another one here. Take the former item away without `--forget`.
#[cfg(target_os = "linux")]
#[test]
fn a_copy_is_separated_in_the_real_keyring() {
    let keyrings = Arc::new([Keyring::start(Start::Unlocked), Keyring::bus_only()].map(Mutex::new));
    let keyring = |number: usize| keyrings[number].lock().unwrap();
    let furnish = {
        let keyrings = Arc::clone(&keyrings);
        move |data: &str, command: &mut Command| {
            keyrings[usize::from(data == "c2")].lock().unwrap().give(command);
        }
    };
    let mut fleet = Fleet::kept_in(None, "127.0.0.1:0", "--custody keyring", Box::new(furnish));
    let begun = Instant::now();
    fill(&fleet);
    until_older_than_any(begun);
    let id = |fleet: &Fleet, number: usize| fleet.status(number)["system"]["id"].as_str().unwrap().to_owned();
    let former = id(&fleet, 0);
    let item = keyring(0).item(&former).unwrap();
    let kept = |text: &str| match Kept::from_text(text).unwrap() {
        Kept::Secret(bundle) => bundle,
        Kept::KeyOnly { .. } => panic!("the secret is in the keyring"),
    };
    let separate = |fleet: &mut Fleet, more: &str| {
        let copy = copied(fleet, 0, "127.0.0.1:0");
        fleet.start(copy);
        fleet.until(copy, "fenced", SOON);
        let name = format!("Hub-Test-{copy}");
        let done = fleet.json(copy, &format!("node separate --yes {more} --name {name}"), &[]);
        (copy, done)
    };
    let (copy, done) = separate(&mut fleet, "");
    assert!(done["former_secret"].as_str().unwrap().contains("Secret Service"), "{done}");

    // The other machine: its keyring was copied with it.
    let folder = fleet.desk.path("keyrings");
    keyring(0).copy_out(&folder);
    keyring(1).copy_in(&folder);
    keyring(1).start_daemon(Start::Unlocked);
    assert!(keyring(1).item(&former).as_ref() == Some(&item), "it was copied");
    let (elsewhere, done) = separate(&mut fleet, "--forget");
    assert_eq!(done["former_secret"], Value::Null);
    assert!(keyring(1).item(&former).is_none(), "the former secret is still there");

    let read = fleet.read_all(0).1;
    let mut secrets = vec![kept(&item).checks()[0].1];
    for (number, at) in [(copy, 0), (elsewhere, 1)] {
        fleet.kill(number);
        fleet.start(number);
        fleet.until(number, "synced", PATIENCE);
        assert!(fleet.read_all(number).1 == read, "what was sealed anew is something else");
        let first = fleet.json(number, "port show --revision 1", &["Work.P0"]);
        assert_eq!(first["revision"], 1, "a former revision opens");
        assert_eq!(edit(&fleet, number, 21)["revision"], 3);
        let own = id(&fleet, number);
        let bundle = kept(&keyring(at).item(&own).unwrap());
        assert_eq!(bundle.system().to_string(), own);
        assert!(!secrets.contains(&bundle.checks()[0].1), "it is the secret of another system");
        secrets.push(bundle.checks()[0].1);
    }
    // The original is as it was, also after a restart.
    assert!(keyring(0).item(&former).as_ref() == Some(&item), "the item of the original is another one");
    fleet.kill(0);
    fleet.start(0);
    fleet.until(0, "synced", PATIENCE);
    assert!(fleet.read_all(0).1 == read);
    assert_eq!(edit(&fleet, 0, 12)["revision"], 3);
    // And nothing that was separated needs its item.
    keyring(0).forget_item(&former);
    for number in [0, copy] {
        fleet.kill(number);
        fleet.start(number);
    }
    fleet.until(copy, "synced", PATIENCE);
    assert_eq!(edit(&fleet, copy, 22)["revision"], 4);
    let status = fleet.status(0);
    assert_eq!(
        (&status["state"], &status["sealing"]["code"]),
        (&"no_secret".into(), &"keyring_missing".into()),
        "{status}"
    );
}

/// Killed at moments over the whole of a separation: the old system is there, or the new one, and all of it opens. What a crash leaves
/// between its steps is brought to its end. Sabotage: put the new secret into its place before the database has it.
#[test]
fn killed_at_any_moment_of_a_separation_it_is_one_system_or_the_other() {
    const KILLS: u32 = 6;
    let mut fleet = fleet_of(PROCESSING);
    let there = fleet.read_all(1).1;
    fleet.kill(1);
    fleet.kill(0);
    let command = |fleet: &Fleet, number: usize| {
        let mut command =
            fleet.desk.command(&fleet.machines[number].data, "--json node separate --yes --name", &["T"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let whole = copied(&mut fleet, 1, "127.0.0.1:0");
    let begun = Instant::now();
    assert!(command(&fleet, whole).status().unwrap().success());
    let took = begun.elapsed();
    let mut new = 0;
    for round in 0..KILLS {
        let copy = copied(&mut fleet, 1, "127.0.0.1:0");
        let mut child = command(&fleet, copy).spawn().unwrap();
        thread::sleep(took * (2 * round + 1) / (2 * KILLS));
        child.kill().unwrap();
        let ended = child.wait().unwrap().success();
        let status = fleet.status(copy);
        let separated = status["system"]["name"] == "T";
        assert!(separated || (status["system"]["name"] == "Hub" && !ended), "{status}");
        assert!(fleet.read_all(copy).1 == there, "what is here does not open");
        if separated {
            new += 1;
            assert_eq!(edit(&fleet, copy, 31)["revision"], 3);
            assert_eq!(leftovers(&fleet, copy), Vec::<String>::new());
        } else {
            assert_eq!(leftovers(&fleet, copy), ["membership.json"]);
            assert!(command(&fleet, copy).status().unwrap().success());
            assert!(fleet.read_all(copy).1 == there);
        }
    }
    println!("{KILLS} kills within {took:?}: {new} were separated, {} were not yet", KILLS - new);

    // Between the database and the rest: the former secret and membership are still there.
    let id = fleet.status(whole)["system"]["id"].as_str().unwrap().to_owned();
    let aside = format!("custody-{id}.age");
    fs::rename(fleet.file(whole, "custody.age"), fleet.file(whole, &aside)).unwrap();
    for name in ["custody.age", "membership.json"] {
        fs::copy(fleet.file(1, name), fleet.file(whole, name)).unwrap();
    }
    assert_eq!(edit(&fleet, whole, 32)["revision"], 3);
    assert_eq!(leftovers(&fleet, whole), Vec::<String>::new());
    // Before the database: a secret that no system has.
    let early = copied(&mut fleet, 1, "127.0.0.1:0");
    let other = SystemId::from_bytes([7; 16]);
    fs::copy(fleet.file(whole, "custody.age"), fleet.file(early, &format!("custody-{other}.age"))).unwrap();
    assert!(fleet.read_all(early).1 == there);
    assert_eq!(leftovers(&fleet, early), ["membership.json"]);
}
