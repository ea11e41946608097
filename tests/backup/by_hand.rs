//! The way back where Sealport no longer exists: `age`, and the script of `docs/restore.md`.

use super::*;

/// The way back without Sealport, word for word as the header of the file gives it.
#[test]
fn age_opens_a_backup_where_sealport_no_longer_exists() {
    let (folder, file) = small(11);
    let text = fs::read_to_string(&file).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("Without Sealport: ")).unwrap();
    let opened = folder.path().join("opened");
    let command = command.replace("THIS_FILE", &file.display().to_string());
    with_passphrase(&format!("{command} > '{}'", opened.display()), PASSPHRASE);
    let opened = fs::read_to_string(&opened).unwrap();
    let lines: Vec<Line> = opened.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [
        Line::Start(start),
        Line::Record(record),
        Line::Revision(former),
        Line::Audit(audit),
        Line::End(end),
    ] = &lines[..]
    else {
        panic!("five lines of our own, not {opened}")
    };
    assert_eq!((end.records, end.revisions, end.audit), (1, 1, 1));
    assert_eq!((former.revision, audit.seq), (Revision(1), 1));
    // With nothing but these lines and FORMATS.md the password comes out.
    let keys = Keys::derive(&Bundle::from_text(start.bundle.expose()).unwrap());
    let kind = RecordKind::named(&record.kind).unwrap().body();
    let context =
        Context { record: record.id, application: &record.application, kind, revision: record.revision };
    let plain = keys.open(context, &STANDARD.decode(&record.envelope).unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&plain).contains(PASSWORD));
}

/// The script of the page, as it stands there, reads what `age` opened: ports with their passwords, and nothing of ours helps.
/// Sabotage: take the kind, the header or the length of the application out of `aad` in the page.
#[test]
fn the_script_of_the_page_opens_a_backup() {
    let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    let there = Command::new(python).args(["-c", "import cryptography"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!(
            "no {python} with cryptography (apt-get install python3-cryptography): nothing is proved here"
        );
        return;
    }
    let page = include_str!("../../docs/restore.md");
    let script = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = temporary();
    fs::write(folder.path().join("read.py"), script).unwrap();
    let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join(VECTOR);
    let command = format!("sed -n '/^-----BEGIN AGE/,$p' {} | age -d", vector.display());
    with_passphrase(&format!("{command} > '{}'", folder.path().join("opened").display()), PASSPHRASE);
    let said = Command::new(python).args(["read.py", "opened"]).current_dir(folder.path()).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.starts_with("A\nP\n<SendPort Name=\"P\"") && said.contains(PASSWORD), "{said}");
}

/// Runs a shell command on a terminal of its own, since `age` takes a passphrase from nowhere else.
fn with_passphrase(command: &str, passphrase: &str) {
    let there = Command::new("age").arg("--version").stdout(Stdio::null()).status();
    assert!(there.is_ok(), "this test needs the real `age`: apt-get install age");
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `script`: apt-get install bsdutils");
    let mut said = child.stdout.take().unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 256]);
    while !seen.contains("passphrase") {
        let count = said.read(&mut buffer).unwrap();
        assert!(count > 0, "age ended before it asked: {seen}");
        seen += &String::from_utf8_lossy(&buffer[..count]);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{passphrase}\n").as_bytes()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("age took longer than a minute: {seen}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{command} ended with {status}: {seen}");
}
