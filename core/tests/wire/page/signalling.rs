//! The chapter between client and server, judged: every message with its fields and examples in JSON, every code and
//! reason, every object in a message.

use super::rows;
use serde::Serialize;
use serde_json::Value;
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, Encoding, ErrorCode, Frame, HostCause, Role, ServerMessage, SignalError, decode_client,
    decode_server, encode_client, encode_server,
};

/// How a table of fields begins.
pub(crate) const FIELDS: &str = "| Field | Kind | If left out |";

/// What stands in the column of a field that must be there.
pub(crate) const REQUIRED: &str = "must be there";

/// One side's messages.
struct Side {
    chapter: &'static str,
    fence: &'static str,
    types: &'static [&'static str],
    /// Reads JSON and writes it again; postcard must bring back the same.
    again: fn(&str) -> Result<Value, String>,
}

const CLIENT: Side = Side {
    chapter: "### What a client says",
    fence: "```json client",
    types: ClientMessage::TYPES,
    again: |json| again(json, decode_client, encode_client),
};

const SERVER: Side = Side {
    chapter: "### What the server says",
    fence: "```json server",
    types: ServerMessage::TYPES,
    again: |json| again(json, decode_server, encode_server),
};

/// Objects in messages: the heading, and the message whose first example has one, and where.
const OBJECTS: [(&str, &Side, &str, &str); 11] = [
    ("Rules of a lobby", &CLIENT, "join_lobby", "/create"),
    ("Filter", &CLIENT, "list_lobbies", "/filter"),
    ("Entry of the roster", &SERVER, "lobby_joined", "/player_list/0"),
    ("Lobby", &SERVER, "lobby_changed", "/lobby"),
    ("Listed lobby", &SERVER, "lobby_list", "/lobbies/0"),
    ("Server that helps", &SERVER, "ice_servers", "/servers/0"),
    ("Candidate", &CLIENT, "webrtc_signal", "/signal/candidate"),
    ("View", &CLIENT, "grant", "/view"),
    ("Voter", &CLIENT, "grant", "/view/voters/0"),
    ("Certified view", &CLIENT, "in_force", "/certified"),
    ("Restore", &CLIENT, "resume", "/restore"),
];

fn again<M: PartialEq>(
    json: &str,
    decode: fn(Encoding, &Frame) -> Result<M, SignalError>,
    encode: fn(Encoding, &M) -> Frame,
) -> Result<Value, String> {
    let message = decode(Encoding::Json, &Frame::Text(json.to_string().into())).map_err(|error| error.to_string())?;
    let binary = decode(Encoding::Postcard, &encode(Encoding::Postcard, &message));
    if binary.as_ref() != Ok(&message) {
        return Err("postcard brings back something else".into());
    }
    serde_json::from_slice(encode(Encoding::Json, &message).bytes()).map_err(|error| error.to_string())
}

/// Everything in which the chapter and the code differ.
pub(crate) fn faults(document: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for side in [&CLIENT, &SERVER] {
        let sections = sections(document, side);
        let names: Vec<&str> = sections.iter().map(|section| section.0).collect();
        if names != side.types {
            faults.push(format!("{}: has {names:?}, not {:?}", side.chapter, side.types));
        }
        faults.extend(sections.iter().flat_map(|(name, text)| message_faults(side, name, text)));
    }
    for (heading, side, name, place) in OBJECTS {
        let table = below(document, &format!("#### {heading}"), "\n#");
        let sections = sections(document, side);
        let holder = sections.iter().find(|section| section.0 == name).and_then(|(_, text)| {
            let examples = examples(text, side.fence);
            examples
                .into_iter()
                .filter_map(|json| serde_json::from_str(&json).ok())
                .find(|json: &Value| json.pointer(place).is_some())
        });
        match holder {
            Some(holder) => faults.extend(field_faults(side, heading, &holder, place, &rows(table, FIELDS))),
            None => faults.push(format!("{heading}: {name} shows none")),
        }
    }
    faults.extend(name_faults(document));
    faults
}

/// The text from a heading to the next mark.
fn below<'a>(document: &'a str, heading: &str, mark: &str) -> &'a str {
    let Some(at) = document.find(&format!("\n{heading}\n")) else { return "" };
    let text = &document[at + 1 + heading.len()..];
    &text[..text.find(mark).unwrap_or(text.len())]
}

/// The sections of a side's messages by type.
fn sections<'a>(document: &'a str, side: &Side) -> Vec<(&'a str, &'a str)> {
    let chapter = below(document, side.chapter, "\n### ");
    chapter.split("\n#### `").skip(1).filter_map(|section| section.split_once("`\n")).collect()
}

fn examples(section: &str, fence: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            found.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

/// The first example has every field; others may leave some out.
fn message_faults(side: &Side, name: &str, section: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut examples = examples(section, side.fence).into_iter();
    let Some(Ok(full)) = examples.next().map(|json| serde_json::from_str::<Value>(&json)) else {
        return vec![format!("{name}: has no example in JSON")];
    };
    let mut judge =
        |json: &str, is_good: fn(&Value, &Value) -> bool| match (serde_json::from_str(json), (side.again)(json)) {
            (Ok(told), Ok(again)) if is_good(&told, &again) && again["type"] == name => {}
            (_, again) => faults.push(format!("{name}: {json} becomes {again:?}")),
        };
    judge(&full.to_string(), |told, again| told == again);
    examples.for_each(|json| judge(&json, is_part));
    faults.extend(field_faults(side, name, &full, "", &rows(section, FIELDS)));
    faults
}

/// Whether all that is told stands in the whole too.
fn is_part(told: &Value, whole: &Value) -> bool {
    match (told, whole) {
        (Value::Object(told), Value::Object(whole)) => {
            told.iter().all(|(key, value)| whole.get(key).is_some_and(|other| is_part(value, other)))
        }
        (told, whole) => told == whole,
    }
}

/// The table has the fields of the object at that place, and each may be left out as it says.
fn field_faults(side: &Side, name: &str, message: &Value, place: &str, rows: &[Vec<&str>]) -> Vec<String> {
    let object = message.pointer(place).and_then(Value::as_object);
    let mut there: Vec<&str> = object.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    there.retain(|key| !place.is_empty() || *key != "type");
    let mut told: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    told.sort_unstable();
    there.sort_unstable();
    let mut faults = Vec::new();
    if told != there {
        faults.push(format!("{name}: the table has the fields {told:?}, the example {there:?}"));
    }
    for row in rows {
        let mut without = message.clone();
        if let Some(object) = without.pointer_mut(place).and_then(Value::as_object_mut) {
            object.remove(row[0]);
        }
        let value = (side.again)(&without.to_string()).ok();
        let value = value.as_ref().and_then(|value| value.pointer(place)).map(|object| &object[row[0]]);
        let wanted = if row[2] == REQUIRED { None } else { serde_json::from_str(row[2]).ok() };
        if value != wanted.as_ref() || wanted.is_none() && row[2] != REQUIRED {
            faults.push(format!("{name}: without {} it is {value:?}", row[0]));
        }
    }
    faults
}

/// The tables of names: each in the order of their numbers.
fn name_faults(document: &str) -> Vec<String> {
    let sentences: Vec<String> = ErrorCode::ALL.iter().map(ToString::to_string).collect();
    let mut faults = Vec::new();
    let mut judge = |header: &str, wanted: Vec<String>| {
        let there: Vec<String> = rows(document, header).iter().map(|row| row[..2].join(" ")).collect();
        if there != wanted {
            faults.push(format!("{header}: has {there:?}, not {wanted:?}"));
        }
    };
    judge("| Number | Error | Sentence |", numbered(ErrorCode::ALL));
    judge("| Number | Reason | Meaning |", numbered(CloseReason::ALL));
    judge("| Number | Cause | Meaning |", numbered(HostCause::ALL));
    judge("| Number | Role | Meaning |", numbered(&[Role::Player, Role::Spectator, Role::Guest]));
    judge("| Number | Signal | Fields |", ["0 offer", "1 answer", "2 ice_candidate"].map(String::from).into());
    let protocols = [("JSON", Encoding::Json), ("postcard", Encoding::Postcard)];
    judge("| Sub-protocol |", protocols.map(|(name, encoding)| format!("{} {name}", encoding.subprotocol())).into());
    let told = rows(document, "| Number | Error | Sentence |");
    if !told.iter().map(|row| row[2]).eq(sentences.iter().map(String::as_str)) {
        faults.push(format!("the sentences of errors are {sentences:?}"));
    }
    faults
}

/// Names as in JSON, with their numbers as in postcard.
fn numbered(names: &[impl Serialize]) -> Vec<String> {
    let number = |name| postcard::to_stdvec(name).expect("a name is a number").remove(0);
    let text = |name| serde_json::to_value(name).expect("a name is text");
    names.iter().map(|name| format!("{} {}", number(name), text(name).as_str().expect("a name is text"))).collect()
}
