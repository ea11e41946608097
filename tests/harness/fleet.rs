//! A fleet of real processes: one master and its nodes, each `sealport serve` in a data directory of its own, on loopback or
//! in a network namespace. Whatever runs is ended when its owner is dropped.

use std::{
    io::{BufRead, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, types::Value as Sql};
use serde_json::Value;

use super::desk::{CUSTODY, err, finish, out, private_file, sealport};

/// How long a test waits for anything that has no deadline of its own.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One process that serves.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine of the fleet: its data directory, and the process that serves it while one does.
pub struct Machine {
    /// Name of the data directory on the desk.
    pub data: String,
    /// The network namespace that it lives in; `None` for this one.
    namespace: Option<String>,
    /// What it is told to listen on.
    listen: Mutex<String>,
    serving: Mutex<Option<Serving>>,
}

/// Gives a command on this data directory what a test wants it to have, such as a keyring of its own.
pub type Furnish = Box<dyn Fn(&str, &mut Command) + Send + Sync>;

/// A folder with what commands need. All threads of a test may use it.
pub struct Desk {
    folder: tempfile::TempDir,
    furnish: Furnish,
}

impl Desk {
    fn new(furnish: Furnish) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), furnish };
        desk.file("custody", CUSTODY);
        desk
    }

    /// A place on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A private file; its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        private_file(&self.path(name), content)
    }

    /// A command on a data directory of the desk.
    pub fn command(&self, data: &str, line: &str, extra: &[&str]) -> Command {
        let mut command = sealport(self.folder.path(), &self.path(data));
        command.args(line.split_whitespace()).args(extra);
        command.env("SEALPORT_CUSTODY_PASSPHRASE_FILE", self.path("custody"));
        (self.furnish)(data, &mut command);
        command
    }

    pub(crate) fn json(&self, data: &str, line: &str, extra: &[&str]) -> Value {
        let output = finish(&mut self.command(data, &format!("--json {line}"), extra), "");
        let words = || format!("{data} {line} {extra:?}: {}{}", out(&output), err(&output));
        assert_eq!(output.status.code(), Some(0), "{}", words());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words()))
    }
}

/// The desk, and the machines on it: the master is the first.
pub struct Fleet {
    pub machines: Vec<Machine>,
    pub desk: Desk,
    /// The words that say where its machines keep the master secret.
    custody: String,
}

impl Fleet {
    /// A master that serves, without any port yet.
    pub fn new() -> Self {
        Self::new_in(None, "127.0.0.1:0")
    }

    /// As `new`, in a network namespace and at an address there.
    pub fn new_in(namespace: Option<&str>, listen: &str) -> Self {
        let passphrase = "--custody passphrase --custody-passphrase-file custody";
        Self::kept_in(namespace, listen, passphrase, Box::new(|_, _| {}))
    }

    /// As `new_in`, with this custody, and what its commands need for it.
    pub fn kept_in(namespace: Option<&str>, listen: &str, custody: &str, furnish: Furnish) -> Self {
        let desk = Desk::new(furnish);
        desk.json("m", &format!("init --name Hub {custody} --backup-later"), &[]);
        let machines = vec![Machine::new("m", namespace, listen)];
        let fleet = Self { machines, desk, custody: custody.to_owned() };
        fleet.start(0);
        fleet
    }

    /// The address of the master.
    pub fn master(&self) -> String {
        self.machines[0].address()
    }

    /// Lets a machine join, and serves it; its number.
    pub fn join(&mut self, invite: &str, join: &str, at: &str) -> usize {
        self.join_in(None, invite, join, at)
    }

    /// As `join`, in a network namespace.
    pub fn join_in(&mut self, namespace: Option<&str>, invite: &str, join: &str, at: &str) -> usize {
        self.join_at(namespace, invite, join, at, "127.0.0.1:0")
    }

    /// As `join_in`, and it listens there.
    pub fn join_at(
        &mut self,
        namespace: Option<&str>,
        invite: &str,
        join: &str,
        at: &str,
        listen: &str,
    ) -> usize {
        let number = self.machines.len();
        let data = format!("n{number}");
        let name = format!("N{number}");
        let line = format!("--json join {} {join} https://{at} --token-file", self.custody);
        let begun = Instant::now();
        loop {
            let invited = self.json(0, &format!("node invite --name {name} {invite}"), &[]);
            let token = self.desk.file(&format!("token{number}"), invited["token"].as_str().unwrap());
            let command = self.desk.command(&data, &line, &[&token]);
            let output = finish(&mut inside(namespace, command), "");
            let joined: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if output.status.code() == Some(0) {
                assert_eq!(joined["fingerprint"], invited["fingerprint"], "both sides show the same");
                break;
            }
            // The master opens its custody for a join: on a busy machine that may take longer than a request has.
            let busy = joined["error"]["code"] == "unavailable" && begun.elapsed() < 3 * PATIENCE;
            assert!(busy, "{name}: {joined}{}", err(&output));
            // It may have let the node in all the same.
            let _ = self.ask(0, "node revoke --yes", &[&name]);
        }
        self.machines.push(Machine::new(&data, namespace, listen));
        self.start(number);
        number
    }

    /// Serves a machine; how long it took until it said that it is ready.
    pub fn start(&self, number: usize) -> Duration {
        let machine = &self.machines[number];
        let mut listen = machine.listen.lock().unwrap();
        let begun = Instant::now();
        loop {
            let command = self.desk.command(&machine.data, "--json serve --metrics off --listen", &[&listen]);
            let mut command = inside(machine.namespace.as_deref(), command);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            let mut said = BufReader::new(child.stdout.take().unwrap());
            said.read_line(&mut line).unwrap();
            let ready: Value = serde_json::from_str(&line).unwrap_or_default();
            if ready["ready"] == true {
                if let Some(at) = ready["listen"].as_str() {
                    *listen = at.to_owned();
                }
                *machine.serving.lock().unwrap() = Some(Serving(child));
                return begun.elapsed();
            }
            said.read_to_string(&mut line).unwrap();
            let output = child.wait_with_output().unwrap();
            // A command that was cut off may still hold the directory.
            let words = line + &err(&output);
            assert!(begun.elapsed() < PATIENCE, "{} does not serve: {words}", machine.data);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends a machine as a power cut would.
    pub fn kill(&self, number: usize) {
        drop(self.machines[number].serving.lock().unwrap().take());
    }

    /// Whether a machine is served.
    pub fn serves(&self, number: usize) -> bool {
        self.machines[number].serving.lock().unwrap().is_some()
    }

    /// The number of the process that serves a machine.
    pub fn process(&self, number: usize) -> u32 {
        self.machines[number].serving.lock().unwrap().as_ref().unwrap().0.id()
    }

    /// A command that must succeed; its answer.
    pub fn json(&self, number: usize, line: &str, extra: &[&str]) -> Value {
        self.desk.json(&self.machines[number].data, line, extra)
    }

    /// A command that may fail: its exit code and its answer.
    pub fn ask(&self, number: usize, line: &str, extra: &[&str]) -> (i32, Value) {
        let data = &self.machines[number].data;
        let output = finish(&mut self.desk.command(data, &format!("--json {line}"), extra), "");
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap_or(-1), answer)
    }

    /// How a machine is.
    pub fn status(&self, number: usize) -> Value {
        self.json(number, "status", &[])
    }

    /// Waits until a machine is in a state; how long that took.
    pub fn until(&self, number: usize, state: &str, patience: Duration) -> Duration {
        wait(&format!("{} is {state}", self.machines[number].data), patience, || {
            let status = self.status(number);
            if status["state"] == state { Ok(()) } else { Err(status.to_string()) }
        })
    }

    /// What a database holds that all must hold alike.
    pub fn held(&self, number: usize) -> Vec<String> {
        let database = self.database(number);
        let mut held = Vec::new();
        for table in
            ["record ORDER BY id", "former ORDER BY id, revision", "audit ORDER BY seq", "node ORDER BY id"]
        {
            // What stands in the sealed columns is the same to the byte; `spooled` is the master's own.
            let mut query = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let names: Vec<_> = query.column_names().into_iter().map(str::to_owned).collect();
            let mut rows = query.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let cells = names.iter().filter(|name| *name != "spooled").map(|name| {
                    let cell: Sql = row.get(name.as_str()).unwrap();
                    format!("{name}={cell:?}")
                });
                held.push(format!("{}: {}", &table[..5], cells.collect::<Vec<_>>().join(" ")));
            }
        }
        held
    }

    /// The database of a machine, behind its service's back.
    pub fn database(&self, number: usize) -> Connection {
        let database = Connection::open(self.file(number, "sealport.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }

    /// A file in a data directory.
    pub fn file(&self, number: usize, name: &str) -> PathBuf {
        self.desk.path(&self.machines[number].data).join(name)
    }

    /// Waits until these machines hold what the master holds, to the byte; how long that took.
    pub fn until_equal(&self, numbers: &[usize]) -> Duration {
        wait("all hold the same", PATIENCE, || {
            let master = self.held(0);
            for number in numbers {
                let node = self.held(*number);
                if let Some(at) =
                    (0..master.len().max(node.len())).find(|at| master.get(*at) != node.get(*at))
                {
                    let short =
                        |row: Option<&String>| row.map(|row| row.chars().take(300).collect::<String>());
                    let (there, here) = (short(master.get(at)), short(node.get(at)));
                    let status = self.status(*number);
                    return Err(format!("n{number} row {at}\nmaster {there:?}\nnode   {here:?}\n{status}"));
                }
            }
            Ok(())
        })
    }

    /// The list of ports and every document with its secrets, as a machine gives them.
    pub fn read_all(&self, number: usize) -> (Value, Vec<(String, Vec<u8>)>) {
        let list = self.json(number, "port list", &[]);
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("out");
        self.json(number, "port export --secrets include --yes --out", &[place.to_str().unwrap()]);
        let mut files: Vec<_> = std::fs::read_dir(&place)
            .unwrap()
            .map(|file| file.unwrap())
            .map(|file| {
                (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap())
            })
            .collect();
        files.sort();
        assert!(!files.is_empty());
        (list, files)
    }
}

impl Machine {
    pub(crate) fn new(data: &str, namespace: Option<&str>, listen: &str) -> Self {
        Self {
            data: data.to_owned(),
            namespace: namespace.map(str::to_owned),
            listen: Mutex::new(listen.to_owned()),
            serving: Mutex::default(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.listen.lock().unwrap().clone()
    }
}

/// The same command in a network namespace. `ip` becomes the command, so the process is the one that it serves.
fn inside(namespace: Option<&str>, command: Command) -> Command {
    match namespace {
        Some(namespace) => through(&["ip", "netns", "exec", namespace], &command),
        None => command,
    }
}

/// The same command as the last words of another one.
pub fn through(words: &[&str], command: &Command) -> Command {
    let mut other = Command::new(words[0]);
    other.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// Waits until `holds` says so, or ends the test with what it said last; how long that took.
pub fn wait(what: &str, patience: Duration, mut holds: impl FnMut() -> Result<(), String>) -> Duration {
    let begun = Instant::now();
    loop {
        match holds() {
            Ok(()) => return begun.elapsed(),
            Err(so_far) => assert!(begun.elapsed() < patience, "not within {patience:?}: {what}\n{so_far}"),
        }
        // Each look starts a command: what is waited for needs the processor too.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Says when it goes that all is over: threads at work end also where a test ends badly, which would wait for them for ever.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
