//! The documents: links lead somewhere, commands are ones that can be typed, and tests that are named are there.

use std::{
    collections::BTreeSet,
    path::{Component, PathBuf},
};

use clap::error::ErrorKind;

use super::{ending, files, read};

/// Every page of the repository, with its text.
fn pages() -> Vec<(String, String)> {
    let pages = ending(&[".md"]);
    assert!(pages.iter().filter(|(file, _)| file.starts_with("docs/")).count() >= 8);
    pages
}

/// The lines between code fences, and those outside. A line keeps its place in both, so that numbers fit.
fn apart(text: &str) -> (String, String) {
    let (mut fenced, mut prose, mut inside) = (String::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside || line.starts_with("    ") {
            fenced.push_str(line);
        } else {
            prose.push_str(line);
        }
        fenced.push('\n');
        prose.push('\n');
    }
    assert!(!inside, "a code fence is not closed");
    (fenced, prose)
}

/// Text between single backticks, with the number of its line.
fn spans(prose: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut line = 1;
    for (number, part) in prose.split('`').enumerate() {
        if number % 2 == 1 {
            spans.push((line, part.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        line += part.matches('\n').count();
    }
    spans
}

/// Where a link of a page leads: `docs/a.md` and `../b.md#c` give `b.md` and `c`.
fn target(page: &str, link: &str) -> (PathBuf, String) {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let whole = if path.is_empty() { PathBuf::from(page) } else { PathBuf::from(page).join("..").join(path) };
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    (plain, anchor.to_owned())
}

/// The anchors of a page's headings, as a forge makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let (_, prose) = apart(text);
    let headings =
        prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// Sabotage: name a page or a heading that is not there.
#[test]
fn every_link_between_pages_leads_somewhere() {
    let known: BTreeSet<PathBuf> = files().into_iter().map(PathBuf::from).collect();
    let mut followed = 0;
    for (page, text) in pages() {
        let (_, prose) = apart(&text);
        for rest in prose.split("](").skip(1) {
            let link = rest.split_once(')').unwrap_or_else(|| panic!("{page}: a link has no end")).0;
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target(&page, link);
            let there = known.contains(&file) || known.iter().any(|known| known.starts_with(&file));
            assert!(there, "{page} links to {link}, and there is no {}", file.display());
            if !anchor.is_empty() {
                let there = anchors(&read(&file.display().to_string())).contains(&anchor);
                assert!(there, "{page} links to {link}, and {} has no such heading", file.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 40, "only {followed} links");
}

/// What a shell makes of a line: commands, each with its words. Enough of one for documents: quotes, pipes, redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None::<char>);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | ';' | '&') => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}

/// The words of `sealport` in a command, behind who runs it; `None` for another program.
fn ours(words: &[String]) -> Option<Vec<String>> {
    let before = |word: &str| word == "sudo" || word == "-u" || word == "$" || word.contains('=');
    let mut at = 0;
    while at < words.len() && before(&words[at]) {
        at += if words[at] == "-u" { 2 } else { 1 };
    }
    let words = words.get(at..)?.split(|word| word.starts_with(['>', '<'])).next()?;
    (words.first()? == "sealport").then(|| words.to_vec())
}

/// Why nobody could type this. `named` is prose, where a command may be named without what it needs.
fn wrong(words: &[String], named: bool) -> Option<String> {
    let mut words = words.to_vec();
    if words.last().is_some_and(|last| last == "..." || last == "…") {
        *words.last_mut()? = "--help".to_owned();
    }
    if words.get(1).is_some_and(|word| word == "help") {
        // `sealport help COMMAND`: any of them.
        words.retain(|word| word.chars().any(char::is_lowercase));
    }
    let tried = |words: &[String]| sealport_node::cli::command().try_get_matches_from(words).err();
    let mut error = tried(&words);
    if error.as_ref().is_some_and(|error| error.kind() == ErrorKind::ValueValidation) {
        // A number that the reader has to know: `destroy VERSION`.
        for word in &mut words {
            if word.chars().all(|c| c.is_ascii_uppercase()) {
                *word = "1".to_owned();
            }
        }
        error = tried(&words);
    }
    let error = error?;
    let bare = words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if named && bare =>
        {
            None
        }
        _ => Some(error.to_string()),
    }
}

/// Sabotage: name a command or a flag that is not there, or leave a needed one away.
#[test]
fn every_command_in_the_pages_can_be_typed() {
    let (mut tried, mut faults) = (0, Vec::new());
    for (page, text) in pages() {
        let (fenced, prose) = apart(&text);
        let mut blocks: Vec<(usize, String)> = Vec::new();
        for (at, line) in fenced.lines().enumerate() {
            match blocks.last_mut() {
                Some((_, before)) if before.ends_with('\\') => {
                    before.pop();
                    before.push_str(line.trim_start());
                }
                _ => blocks.push((at + 1, line.to_owned())),
            }
        }
        let blocks = blocks.into_iter().map(|(at, line)| (at, line, false));
        let named = spans(&prose).into_iter().map(|(at, span)| (at, span, true));
        for (at, line, named) in blocks.chain(named) {
            // What a page says beside a command, set off by a sign or by space.
            let line = line.trim().split(" # ").next().unwrap_or_default();
            let line = line.split("   ").next().unwrap_or_default();
            for words in commands(line).iter().filter_map(|words| ours(words)) {
                tried += 1;
                if let Some(why) = wrong(&words, named) {
                    let first = why.lines().next().unwrap_or_default().to_owned();
                    faults.push(format!("{page}:{at}: {}\n    {first}", words.join(" ")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} of {tried} commands can't be typed:\n{}", faults.len(), faults.join("\n"));
    assert!(tried > 100, "only {tried} commands");
    println!("{tried} commands");
}

/// The threat model names what shows a promise: functions of tests, invariants of the simulator, ids of alerts.
/// Sabotage: rename a test that it names.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let code: String = ending(&[".rs"]).into_iter().map(|(_, text)| text).collect();
    let page = read("docs/threat-model.md");
    let names: BTreeSet<String> = spans(&apart(&page).1)
        .into_iter()
        .map(|(_, span)| span)
        .filter(|span| {
            span.matches('_').count() >= 2
                && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    assert!(names.len() > 40, "only {} tests are named", names.len());
    for name in &names {
        let there = code.contains(&format!("fn {name}(")) || code.contains(&format!("\"{name}\""));
        assert!(there, "docs/threat-model.md names {name}, and there is no such test");
    }
}

/// Sabotage: add a page and leave it out of the index.
#[test]
fn every_document_stands_in_the_index() {
    let index = read("docs/README.md");
    for file in files().iter().filter_map(|file| file.strip_prefix("docs/")) {
        let linked = index.contains(&format!("({file})"))
            || file.split_once('/').is_some_and(|(folder, _)| index.contains(&format!("({folder}/)")));
        assert!(linked || file == "README.md", "docs/README.md does not name {file}");
    }
}
