//! Answers in words and tables for people. What scripts read is `--json`; this text may change.
//!
//! Names come from foreign files, so control characters are shown, never sent to the terminal.

use std::{
    io::{self, IsTerminal},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets::NOTHING};
use sealport_core::{
    api::{
        AuditListView, BackupView, ChangeView, CustodyKind, ExportSecrets, ExportView, FillView,
        ImportOutcome, ImportView, PortKind, PortListView, PortView, PropertyView, Response, SaveView,
        SecretState, Severity, StatusView,
    },
    secret::Wiped,
    time::{Timestamp, in_words},
};

use crate::config::{Settings, Source};

/// Columns that a table can't be read with on a terminal.
const NARROWEST_COLUMN: usize = 9;
/// A place where a line may break, without width; taken out before anything is printed.
const BREAK: char = '\u{200b}';
/// A terminal of so many columns has room for ids beside names.
const ROOM_FOR_IDS: u16 = 130;

/// The answer as text, line end included. `quiet` leaves words of success away, never what was asked for.
pub fn text(response: &Response, data_dir: &Path, source: &Source, quiet: bool) -> Wiped<String> {
    let text = match response {
        Response::Status(view) => status(view, data_dir, source),
        Response::Imported(view) if quiet && !view.dry_run => String::new(),
        Response::Imported(view) => format!("{}{}", imported(view), super::nodes::kept(view.kept.as_ref())),
        Response::Documents(view) => table(
            &["ID", "FILE", "PORTS", "IMPORTED", ""],
            view.documents.iter().map(|document| {
                vec![
                    document.id.to_string(),
                    document.name.clone(),
                    document.ports.to_string(),
                    age(document.imported),
                    if document.superseded { "superseded".to_owned() } else { String::new() },
                ]
            }),
            "No files were imported yet.",
        ),
        Response::Ports(view) => ports(view),
        Response::Port(view) => port(view),
        Response::Saved(view) if quiet && !view.dry_run => String::new(),
        Response::Saved(view) => format!("{}{}", saved(view), super::nodes::kept(view.kept.as_ref())),
        // The value itself, as it is: it is what was asked for.
        Response::Revealed(view) => return Wiped::new(format!("{}\n", view.value.expose())),
        Response::Missing(view) => table(
            &["PORT", "APPLICATION", "NAME", "PROPERTY", "USER"],
            view.missing.iter().map(|missing| {
                vec![
                    missing.port.clone(),
                    missing.application.clone(),
                    missing.name.clone(),
                    missing.property.clone(),
                    missing.user.clone(),
                ]
            }),
            "No secret is missing.",
        ),
        Response::Filled(view) if quiet && !view.dry_run => String::new(),
        Response::Filled(view) => format!("{}{}", filled(view), super::nodes::kept(view.kept.as_ref())),
        Response::Exported(_) if quiet => String::new(),
        Response::Exported(view) => exported(view),
        Response::History(view) => table(
            &["REVISION", "WHEN", "BY", "WHAT", "CHANGED", "NOTE"],
            view.revisions.iter().map(|revision| {
                vec![
                    revision.revision.to_string(),
                    age(revision.at),
                    revision.by.clone(),
                    revision.what.clone(),
                    revision.changed.join(", "),
                    revision.note.clone().unwrap_or_default(),
                ]
            }),
            "No revisions.",
        ),
        Response::Diff(view) => changes(&view.changes, "Nothing differs."),
        Response::Backup(view) => backup(view),
        Response::Restored(_) if quiet => String::new(),
        Response::Restored(view) => format!(
            "Restored system {} ({}): {}, {}.\n",
            view.system.name,
            view.system.id,
            count(view.ports, "port"),
            count(view.records, "record"),
        ),
        Response::Audit(view) => audit(view),
        Response::Preflight(_)
        | Response::Promoted(_)
        | Response::Stranded(_)
        | Response::StrandedDiff(_)
        | Response::StrandedDone(_) => super::promote::text(response, quiet).unwrap_or_default(),
        Response::Versions(_) | Response::Rotation(_) => super::secret::text(response).unwrap_or_default(),
        Response::Invited(_)
        | Response::Joined(_)
        | Response::Nodes(_)
        | Response::Separated(_)
        | Response::Alerts(_)
        | Response::Config(_) => super::nodes::text(response, quiet).unwrap_or_default(),
    };
    Wiped::new(visible(&text))
}

/// One line of text for the terminal: control characters are replaced.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn status(view: &StatusView, data_dir: &Path, source: &Source) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{name:<16}{value}"));
    match &view.system {
        None => {
            line(
                "System",
                "none yet: `sealport init` makes one, `sealport backup restore` restores one".to_owned(),
            );
        }
        Some(system) => {
            line("System", format!("{} ({}), made {}", system.name, system.id, age(system.created)))
        }
    }
    if let Some(node) = &view.node {
        let rights = if node.administrator { ", administrator" } else { "" };
        line("Node", format!("{}, {}{rights}", node.name, node.role.name()));
    }
    if let (Some(node), Some(master), Some(sync)) = (&view.node, &view.master, &view.sync) {
        let epoch = view.epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
        let heard = match sync.age_seconds {
            _ if node.id == master.id => "this node".to_owned(),
            Some(age) => format!("{}, heard {} ago", master.name, in_words(age)),
            None => format!("{}, not heard since this start", master.name),
        };
        let at = master.address.as_ref().map(|address| format!(", {address}")).unwrap_or_default();
        line("State", view.state.name().replace('_', " "));
        line("Master", format!("{heard}{at}{epoch}"));
    }
    line("Data directory", format!("{} (from {source})", view.data_dir));
    if let Some(secret) = &view.secret {
        line(
            "Master secret",
            format!("version {}, {}", secret.active_version, count(secret.versions.len() as u64, "version")),
        );
        let from = match Settings::read(data_dir) {
            Ok(Some(_)) => " (from sealport.toml)",
            _ => "",
        };
        let kind = match secret.custody {
            CustodyKind::Keyring => "keyring",
            CustodyKind::Passphrase => "passphrase",
            CustodyKind::Memory => "memory",
        };
        line("Custody", format!("{kind}: {}{from}", secret.custody_name));
    }
    if view.system.is_some() {
        let sealing = match (&view.sealing.possible, &view.sealing.reason) {
            (true, _) => "possible".to_owned(),
            (false, reason) => format!("refused: {}", reason.as_deref().unwrap_or("no reason given")),
        };
        line("Sealing", sealing);
        if let Some(rotation) = &view.rotation {
            line("Rotation", super::secret::in_short(rotation));
        }
        let proven = view.backup.proven_age_seconds;
        line(
            "Backup",
            proven.map_or("never proven".to_owned(), |age| format!("proven {} ago", in_words(age))),
        );
        let counts = &view.counts;
        line(
            "Ports",
            format!(
                "{} receive, {} send, {}; {} in {}; {} missing",
                counts.receive_ports,
                counts.send_ports,
                count(counts.send_port_groups, "group"),
                count(counts.documents, "file"),
                count(counts.applications, "application"),
                count(counts.missing_secrets, "secret"),
            ),
        );
    }
    line("Version", format!("{}, {}", view.version, view.store));
    for alert in &view.alerts {
        let word = match alert.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        lines.push(format!("\n{word}: {}\n  {}", alert.message, alert.hint));
    }
    lines.join("\n") + "\n"
}

fn imported(view: &ImportView) -> String {
    let mut text = table(
        &["FILE", "PORTS", "MISSING SECRETS", "ID"],
        view.documents.iter().map(|document| {
            vec![
                document.name.clone(),
                document.ports.to_string(),
                document.missing_secrets.to_string(),
                document.id.to_string(),
            ]
        }),
        "No documents.",
    );
    for document in &view.documents {
        for warning in &document.warnings {
            text += &format!("warning: {}: {warning}\n", document.name);
        }
    }
    if view.dry_run {
        text += "\n";
        text += &table(
            &["OUTCOME", "KIND", "APPLICATION", "NAME", "ADAPTER", "CHANGES"],
            view.plan.iter().map(|plan| {
                let outcome = match plan.outcome {
                    ImportOutcome::Created => "create",
                    ImportOutcome::Changed => "change",
                    ImportOutcome::Unchanged => "leave",
                };
                vec![
                    outcome.to_owned(),
                    kind(plan.kind).to_owned(),
                    plan.application.clone(),
                    plan.name.clone(),
                    plan.adapter.clone(),
                    plan.changes.len().to_string(),
                ]
            }),
            "No ports.",
        );
    }
    let said = if view.dry_run { "Would be (dry run)" } else { "Ports" };
    text + &format!(
        "\n{said}: {} created, {} changed, {} unchanged.\n",
        view.created, view.changed, view.unchanged
    )
}

fn ports(view: &PortListView) -> String {
    let text = table(
        &["ID", "KIND", "APPLICATION", "NAME", "ADAPTER", "ADDRESS", "REV", "MISSING"],
        view.ports.iter().map(|port| {
            vec![
                port.id.to_string(),
                kind(port.kind).to_owned(),
                port.application.clone(),
                port.name.clone(),
                port.adapter.clone(),
                port.address.clone(),
                port.revision.to_string(),
                if port.missing_secrets == 0 { String::new() } else { port.missing_secrets.to_string() },
            ]
        }),
        "No port fits.",
    );
    if view.ports.len() as u64 == view.total {
        text
    } else {
        text + &format!("\n{} of {} shown.\n", view.ports.len(), view.total)
    }
}

fn port(view: &PortView) -> String {
    let mut text = format!(
        "{} {} of application {}\nid {}, revision {}, changed {} by {}, from {}{}\n",
        kind(view.kind),
        view.name,
        if view.application.is_empty() { "(none)" } else { &view.application },
        view.id,
        view.revision,
        age(view.changed_at),
        view.changed_by,
        view.document,
        if view.deleted { "; deleted" } else { "" },
    );
    if view.missing_secrets > 0 {
        text += &format!("{} missing\n", count(view.missing_secrets, "secret"));
    }
    text += "\n";
    let rows = view.properties.iter().map(|property| vec![property.path.clone(), property_value(property)]);
    text + &table(&["PATH", "VALUE"], rows, "No properties.")
}

fn property_value(property: &PropertyView) -> String {
    match (property.secret, &property.value) {
        (Some(SecretState::Set), _) => "(secret, set)".to_owned(),
        (Some(SecretState::Missing), _) => "(secret, MISSING)".to_owned(),
        (Some(SecretState::Reference), _) => "(secret, stands elsewhere)".to_owned(),
        (Some(SecretState::Unused), _) => "(secret, not used)".to_owned(),
        (None, Some(value)) => value.clone(),
        (None, None) => String::new(),
    }
}

fn saved(view: &SaveView) -> String {
    let said = if view.dry_run {
        "Would change (dry run):\n".to_owned()
    } else if view.changes.is_empty() {
        format!("Revision {} stands.\n", view.revision)
    } else {
        format!("Saved as revision {}:\n", view.revision)
    };
    if view.changes.is_empty() && !view.dry_run { said } else { said + &changes(&view.changes, "Nothing.") }
}

pub fn changes(changes: &[ChangeView], none: &str) -> String {
    table(
        &["PATH", "BEFORE", "AFTER"],
        changes.iter().map(|change| {
            let value = |value: &Option<String>| match value {
                _ if change.secret => "(secret, changed)".to_owned(),
                Some(value) => value.clone(),
                None => "(not there)".to_owned(),
            };
            vec![change.path.clone(), value(&change.before), value(&change.after)]
        }),
        none,
    )
}

fn filled(view: &FillView) -> String {
    let mut text = String::new();
    for problem in &view.problems {
        text += &format!("row {}: {}\n", problem.row, problem.reason);
    }
    let said = match (view.problems.is_empty(), view.dry_run) {
        (false, _) => "Would fill if the other rows fitted (dry run)",
        (true, true) => "Would fill (dry run)",
        (true, false) => "Filled",
    };
    text + &format!(
        "{said}: {} in {}; {} still missing.\n",
        count(view.filled, "secret"),
        count(view.ports, "port"),
        view.still_missing
    )
}

fn exported(view: &ExportView) -> String {
    let rows =
        view.files.iter().map(|file| vec![file.name.clone(), file.ports.to_string(), file.bytes.to_string()]);
    let secrets = match view.secrets {
        ExportSecrets::Mask => "secrets masked",
        ExportSecrets::Include => "SECRETS IN THE CLEAR",
    };
    table(&["FILE", "PORTS", "BYTES"], rows, "No files.") + &format!("\nIn {}; {secrets}.\n", view.folder)
}

fn backup(view: &BackupView) -> String {
    let header = &view.header;
    let mut text = format!(
        "{} ({} bytes)\nSystem        {} ({})\nWritten       {} by {}\nSecret        version {}, {}\nHolds         {}\n",
        view.file,
        view.bytes,
        header.system_name,
        header.system,
        header.created,
        header.product,
        header.active_version,
        count(header.versions.len() as u64, "version"),
        if header.secret_only {
            "the master secret only".to_owned()
        } else {
            format!("{} in {}", count(header.ports, "port"), count(header.records, "record"))
        },
    );
    if let Some(reminder) = &header.reminder {
        text += &format!("Reminder      {}\n", plain(reminder));
    }
    text + &match &view.proven {
        Some(proof) => {
            format!(
                "Proven        opened {} in {:.1} s\n",
                count(proof.records_opened, "record"),
                proof.seconds
            )
        }
        None => "Proven        not now; `sealport backup drill` proves it\n".to_owned(),
    }
}

fn audit(view: &AuditListView) -> String {
    let text = table(
        &["SEQ", "WHEN", "WHO", "FROM", "ACT", "OBJECT", "DETAIL"],
        view.entries.iter().map(|entry| {
            vec![
                entry.seq.to_string(),
                age(entry.at),
                entry.who.clone(),
                entry.origin.clone(),
                entry.act.clone(),
                entry.object.clone(),
                entry.detail.clone(),
            ]
        }),
        "The audit trail is empty.",
    );
    match view.broken_at {
        None => text,
        Some(seq) => text + &format!("\ncritical: the audit trail was changed at entry {seq}\n"),
    }
}

/// A table without borders. Where it goes to a terminal it fits its width; elsewhere nothing is cut.
pub fn table(heading: &[&str], rows: impl Iterator<Item = Vec<String>>, none: &str) -> String {
    let rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let mut table = Table::new();
    let width = io::stdout().is_terminal().then(|| table.width()).flatten();
    if width.is_some_and(|width| usize::from(width) < heading.len() * NARROWEST_COLUMN) {
        return blocks(heading, &rows);
    }
    table.load_style(NOTHING).set_header(heading);
    let Some(width) = width else {
        table.add_rows(rows);
        return lines(&table);
    };
    for row in &rows {
        table.add_row(row.iter().map(|cell| breakable(cell)));
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_delimiter(BREAK);
    for (name, column) in heading.iter().zip(table.column_iter_mut()) {
        if ["ID", "PORT"].contains(name) {
            // Half an id is of no use, and the name does as well.
            let hidden = width < ROOM_FOR_IDS && heading.contains(&"NAME");
            column.set_constraint(if hidden {
                ColumnConstraint::Hidden
            } else {
                ColumnConstraint::ContentWidth
            });
        }
    }
    lines(&table).replace(BREAK, "")
}

/// Lets lines break behind words and the parts of a path or a name; nothing of it is lost, as it would be at a blank.
fn breakable(cell: &str) -> String {
    let parts = cell.split_inclusive([' ', '/', '\\', '.', ',']);
    parts.collect::<Vec<_>>().join(&BREAK.to_string())
}

// Every cell is padded by a space on both sides.
fn lines(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned() + "\n").collect()
}

/// One line for each value, for a terminal that is too narrow for a table.
fn blocks(heading: &[&str], rows: &[Vec<String>]) -> String {
    let wide = heading.iter().map(|name| name.len()).max().unwrap_or_default();
    let line = |(name, cell): (&&str, &String)| format!("{name:wide$}  {cell}\n");
    let block = |row: &Vec<String>| {
        heading.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).map(line).collect::<String>()
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

pub fn kind(kind: PortKind) -> &'static str {
    match kind {
        PortKind::ReceivePort => "receive port",
        PortKind::SendPort => "send port",
        PortKind::SendPortGroup => "send port group",
    }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub fn age(moment: Timestamp) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = Timestamp::from_millis(i64::try_from(now).unwrap_or(i64::MAX));
    format!("{} ago", in_words(now.seconds_since(moment)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_words() {
        assert_eq!(age(Timestamp::from_millis(i64::MAX)), "0 s ago");
    }

    #[test]
    fn names_from_foreign_files_send_nothing_to_the_terminal() {
        // Sabotage: print cells without `plain` and the escape gets through.
        let text = table(&["NAME"], [vec!["\u{1b}[2Jgone\n".to_owned()]].into_iter(), "none");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(table(&["NAME"], std::iter::empty(), "none"), "none\n");
    }
}
