//! The tables of events are those of the source: each event of each command with its fields, and each line that can be
//! typed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) const EVENTS: &str = include_str!("../../../docs/events.md");

/// By command and event: its fields.
type Told = BTreeMap<(String, String), BTreeSet<String>>;

/// What a source tells of a command, without its tests.
fn sources() -> Vec<(String, String)> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/program");
    let mut files = Vec::new();
    let mut folders = vec![program.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let first = path.strip_prefix(&program).unwrap().components().next().unwrap();
            let command = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((command, text.split("#[cfg(test)]").next().unwrap().to_owned()));
        }
    }
    files
}

/// The text between the first two quotes.
fn quoted(text: &str) -> &str {
    text.split('"').nth(1).unwrap_or_default()
}

/// The keys of the object that is open at the beginning of a text, not those of objects in it.
fn keys(text: &str) -> BTreeSet<String> {
    let (mut keys, mut depth) = (BTreeSet::new(), 0_i32);
    let mut rest = text;
    while let Some(at) = rest.find(['"', '{', '[', '(', '}', ']', ')']) {
        let (found, after) = rest[at..].split_at(1);
        rest = after;
        match found {
            "\"" => {
                let (word, after) = rest.split_once('"').unwrap_or((rest, ""));
                rest = after;
                if depth == 0 && rest.trim_start().starts_with(':') && !rest.trim_start().starts_with("::") {
                    keys.insert(word.to_owned());
                }
            }
            "{" | "[" | "(" => depth += 1,
            _ if depth == 0 => break,
            _ => depth -= 1,
        }
    }
    keys
}

/// What a source prints.
fn printed(sources: &[(String, String)]) -> Told {
    let mut told = Told::new();
    for (command, text) in sources {
        let mut add = |event: &str, fields: BTreeSet<String>| {
            told.entry((command.clone(), event.to_owned())).or_default().extend(fields);
        };
        for (at, _) in text.match_indices("\"event\":") {
            let object = &text[at..];
            // Those that have a number have their name from elsewhere.
            let name = object["\"event\":".len()..].trim_start();
            if name.starts_with('"') {
                let mut fields = keys(object);
                fields.remove("event");
                add(quoted(name), fields);
            }
        }
        for (at, call) in text.match_indices("numbered(\"") {
            let name = quoted(&text[at..]);
            let made = text.split("fn numbered(").nth(1).unwrap().split("json!({").nth(1).unwrap();
            let mut fields = keys(made);
            fields.remove("event");
            let statement = text[at + call.len()..].split("self.tell(").next().unwrap();
            fields.extend(statement.split("event[").skip(1).map(|key| quoted(key).to_owned()));
            add(name, fields);
        }
    }
    told
}

/// What the document tells.
fn documented(document: &str) -> Told {
    let mut told = Told::new();
    for section in document.split("\n## `webstar ").skip(1) {
        let (command, rest) = section.split_once('`').unwrap();
        let table = rest.lines().skip_while(|line| !line.starts_with("| Event ")).skip(2);
        for line in table.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.split('|').collect();
            let fields = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let event = cells[1].trim().trim_matches('`').to_owned();
            assert_eq!(told.insert((command.to_owned(), event.clone()), fields), None, "{event} stands there twice");
        }
    }
    told
}

fn faults(document: &Told, source: &Told) -> Vec<String> {
    let mut faults = Vec::new();
    for key @ (command, event) in document.keys().chain(source.keys()).collect::<BTreeSet<_>>() {
        match (document.get(key), source.get(key)) {
            (None, _) => faults.push(format!("{command}: {event} is not told")),
            (_, None) => faults.push(format!("{command}: there is no {event}")),
            (Some(told), Some(printed)) => {
                faults.extend(printed.difference(told).map(|field| format!("{command}: {event}: {field} is not told")));
                faults.extend(told.difference(printed).map(|field| format!("{command}: {event}: there is no {field}")));
            }
        }
    }
    faults
}

#[test]
fn the_tables_of_events_are_true() {
    let source = printed(&sources());
    assert_eq!(faults(&documented(EVENTS), &source), Vec::<String>::new());
    let of_a_message = ["from", "kind", "channel", "seq", "data", "data_b64", "rewritten"].map(str::to_owned);
    assert_eq!(source[&("join".into(), "message".into())], BTreeSet::from(of_a_message));
}

#[test]
fn a_wrong_table_of_events_is_found() {
    let document = EVENTS
        .replace("| `drained` |", "| `dry` |")
        .replace("`reason`: the host's words", "`why`: the host's words")
        .replace("`ip`; `port`", "`ip`; port");
    let wanted = [
        "discover: server: port is not told",
        "join: drained is not told",
        "join: there is no dry",
        "join: rejected: reason is not told",
        "join: rejected: there is no why",
    ];
    assert_eq!(faults(&documented(&document), &printed(&sources())), wanted);
    let altered = |(command, text): (String, String)| {
        (command, text.replace("\"event\": \"suspect\", \"player\"", "\"event\": \"suspect\", \"whom\""))
    };
    let sources: Vec<_> = sources().into_iter().map(altered).collect();
    let wanted = ["join: suspect: whom is not told", "join: suspect: there is no player"];
    assert_eq!(faults(&documented(EVENTS), &printed(&sources)), wanted);
}

#[test]
fn every_line_that_can_be_typed_is_told() {
    let lines = include_str!("../../src/program/join/lines.rs").split("#[cfg(test)]").next().unwrap();
    let typed: BTreeSet<&str> = lines
        .split("(\"/")
        .skip(1)
        .chain(lines.split("        \"/").skip(1))
        .filter_map(|arm| arm.split('"').next())
        .collect();
    let typed: BTreeSet<&str> = typed.into_iter().filter(|name| name.chars().all(|c| c.is_ascii_lowercase())).collect();
    let table = EVENTS.split("| Line |").nth(1).unwrap().split("\n\n").next().unwrap();
    let told: BTreeSet<&str> =
        table.split("`/").skip(1).filter_map(|line| line.split(|c: char| !c.is_ascii_lowercase()).next()).collect();
    assert!(typed.len() > 10 && typed == told, "{typed:?} and {told:?}");
}
