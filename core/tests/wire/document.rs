//! `docs/wire.md` says what the code does: every `bytes` example is decoded and encoded, every table with a number in
//! it is computed again, and no example, frame kind or limit is left out. The prose between them is not checked here.
//!
//! [`faults`] judges a whole document, so that the canaries can change one and see it turn red.

use crate::page::meaning::{RECEIVER, SENDER, Told, decode, encode, meanings};
use crate::page::signalling::{self, FIELDS, REQUIRED};
use crate::page::tables::{TABLES, Table, known_kinds};
use crate::page::{DOCUMENT, Example, bytes_of, examples, number, rows};
use std::collections::BTreeSet;
use webstar_core::config::SessionConfig;
use webstar_core::id::PathId;
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::shield::{Decoder, Encoder, Repair};
use webstar_core::session::{Session, SessionEvent, SessionIds, SessionTimer};
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Frame, Frames};
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::rhythm::Rhythm;

/// Everything in which the document and the code differ.
fn faults(document: &str, meanings: &[(&'static str, Told<'static>)]) -> Vec<String> {
    let examples = match examples(document) {
        Ok(examples) => examples,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    for Example { name, bytes } in &examples {
        let Some((_, told)) = meanings.iter().find(|meaning| meaning.0 == name) else {
            faults.push(format!("{name}: its meaning is not told in this test"));
            continue;
        };
        let (wanted, read) = (encode(told), decode(told, bytes));
        if wanted != *bytes {
            faults.push(format!("{name}: is written {wanted:02x?}, not {bytes:02x?}"));
        }
        if read.as_ref() != Some(told) {
            faults.push(format!("{name}: means {read:?}, not {told:?}"));
        }
    }
    let absent = meanings.iter().filter(|meaning| bytes_of(&examples, meaning.0).is_none());
    faults.extend(absent.map(|meaning| format!("{}: the example is missing", meaning.0)));
    faults.extend(TABLES.iter().flat_map(|table| table_faults(document, &examples, table)));
    faults.extend(missing_kinds(meanings));
    faults
}

fn table_faults(document: &str, examples: &[Example], table: &Table) -> Vec<String> {
    let (rows, wanted) = (rows(document, table.header), (table.rows)());
    let there: BTreeSet<String> = rows.iter().map(|row| row[..table.value.max(1)].join(" ")).collect();
    let mut faults = Vec::new();
    if there.is_empty() || !wanted.is_empty() && there != wanted {
        faults.push(format!("{}: has the rows {there:?}, not {wanted:?}", table.header));
    }
    for row in rows {
        let (value, told) = ((table.compute)(examples, &row), number(row[table.value]));
        if value.is_none() || value != told {
            faults.push(format!("{}: {row:?} should say {value:?}", table.header));
        }
    }
    faults
}

/// Kinds of frames that no example shows. Of messages: each form of head, each priority, and one compressed.
fn missing_kinds(meanings: &[(&'static str, Told<'static>)]) -> Vec<String> {
    let forms = |kind: u8| match kind {
        0x80.. => vec![format!("head {:#04x}", kind & 0x38), format!("rest {:#04x}", kind & 0x06)],
        _ => vec![format!("kind {kind:#04x}")],
    };
    let alone = |told: &Told<'_>| matches!(told, Told::Frames(_)).then(|| encode(told)[0]);
    let shown: BTreeSet<u8> = meanings.iter().filter_map(|meaning| alone(&meaning.1)).collect();
    let shown_forms: BTreeSet<String> = shown.iter().copied().flat_map(forms).collect();
    let known: BTreeSet<String> = known_kinds().flat_map(forms).collect();
    let mut missing: Vec<String> = known.difference(&shown_forms).map(|form| format!("{form}: no example")).collect();
    if !shown.iter().any(|kind| kind & 0xc0 == 0xc0) {
        missing.push("no example is compressed".into());
    }
    missing
}

#[test]
fn the_document_says_what_the_code_does() {
    let faults = faults(DOCUMENT, &meanings());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_repair_is_made_and_solved_as_told() {
    let examples = examples(DOCUMENT).expect("the examples are bytes");
    let [five, seven, combined, frame] = ["symbol-5", "symbol-7", "combined", "repair"]
        .map(|name| bytes_of(&examples, name).expect("the repair is worked out"));
    let mut encoder = Encoder::new();
    encoder.push(5, five);
    encoder.push(7, seven);
    let plan = encoder.plan(8, 2, usize::MAX).expect("two symbols are there");
    let mut bytes = Vec::new();
    encoder.write(&plan, 8, 0, &mut bytes);
    assert_eq!(bytes, combined);

    let Some(Ok(Frame::Repair(told))) = Frames::new(frame).next() else { panic!("the example is a repair") };
    assert_eq!((8 - told.back, told.covered, told.bytes), (plan.base, plan.covered, combined));
    for (known, lost) in [((5, five), (7, seven)), ((7, seven), (5, five))] {
        let mut decoder = Decoder::new();
        decoder.on_source(known.0, known.1);
        let repair = Repair { carrier: 8, index: 0, base: 8 - told.back, covered: told.covered, bytes: told.bytes };
        decoder.on_repair(&repair, |packet| packet == known.0);
        assert_eq!((decoder.poll_recovered(&mut bytes), &bytes[..]), (Some(lost.0), lost.1));
    }
}

/// A session that takes the frames as its first packet.
fn hears(frames: &[u8]) -> Session {
    let (now, path) = (Instant::ZERO, PathId(0));
    let ids = SessionIds { ours: RECEIVER, theirs: SENDER };
    let mut session = Session::new(SessionConfig::default(), ids, now).expect("the settings are the default ones");
    session.open_path(now, path, PipeFacts { max_packet: 1150, control: Control::Own });
    session.use_path(Some(path));
    let mut packet = Vec::new();
    packet::begin(0, 0, Rhythm(0), &mut packet);
    packet.extend_from_slice(frames);
    packet::seal(SealKey::new(SENDER, RECEIVER), 0, 0, &mut packet);
    session.on_packet(now, path, &packet);
    session
}

#[test]
fn frames_ask_as_told() {
    let examples = examples(DOCUMENT).expect("the examples are bytes");
    let asks = |name: &str| {
        let session = hears(bytes_of(&examples, name).expect("the table names examples"));
        session.deadline(Instant::ZERO).is_some_and(|(_, timer)| timer == SessionTimer::Ack)
    };
    let rows = rows(DOCUMENT, "| Kind | Name | Asks |");
    assert!(!rows.is_empty());
    for row in rows.iter().filter(|row| row[3] != "shield") {
        assert_eq!(asks(row[3]), row[2] == "yes", "{row:?}");
    }
    assert!(asks("message-unreliable") && asks("part-latest") && asks("shield"), "messages ask");
}

#[test]
fn a_compressed_message_is_what_is_told() {
    let examples = examples(DOCUMENT).expect("the examples are bytes");
    // Its number is 2, so it follows what comes before it only in the order of numbers, which reliable ones need not.
    let mut session = hears(bytes_of(&examples, "message-compressed").expect("there is one"));
    let messages = core::iter::from_fn(|| session.poll_event()).filter_map(|event| match event {
        SessionEvent::Message(received) => Some(received.payload),
        _ => None,
    });
    assert!(messages.eq(["star".repeat(10)]));
}

#[test]
fn client_and_server_say_what_the_document_says() {
    let faults = signalling::faults(DOCUMENT);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

// ---- Canaries: what turns red ----

/// The document with one word of one line put differently, for each word that `choose` gives of each line.
fn with_a_word_changed<'a>(
    choose: impl Fn(&str, bool) -> Vec<(usize, String)> + 'a,
) -> impl Iterator<Item = String> + 'a {
    let mut is_bytes = false;
    let mut start = 0;
    DOCUMENT.split_inclusive('\n').flat_map(move |line| {
        is_bytes = if line.starts_with("```") { line.starts_with("```bytes") } else { is_bytes };
        let at = start;
        start += line.len();
        choose(line, is_bytes && !line.starts_with("```")).into_iter().map(move |(offset, word)| {
            let (front, back) = DOCUMENT.split_at(at + offset);
            format!("{front}{word}{}", &back[word.len()..])
        })
    })
}

#[test]
fn every_byte_of_every_example_turns_red() {
    let meanings = meanings();
    let flipped = with_a_word_changed(|line, is_bytes| {
        let told = line.split('#').next().filter(|_| is_bytes).unwrap_or_default();
        let byte = |hex: &str| u8::from_str_radix(hex, 16).expect("the document was judged before");
        let places = told.split_whitespace().map(|hex| (hex.as_ptr() as usize - line.as_ptr() as usize, byte(hex)));
        places.flat_map(|(at, byte)| (0..8).map(move |bit| (at, format!("{:02x}", byte ^ 1 << bit)))).collect()
    });
    let mut count = 0;
    for document in flipped {
        assert!(!faults(&document, &meanings).is_empty(), "a byte was changed: {document}");
        count += 1;
    }
    let bytes: usize = examples(DOCUMENT).expect("the examples are bytes").iter().map(|it| it.bytes.len()).sum();
    assert_eq!(count, 8 * bytes);
}

#[test]
fn reading_alone_sees_every_changed_bit() {
    for (name, told) in meanings() {
        let bytes = encode(&told);
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(decode(&told, &changed).as_ref(), Some(&told), "{name}, bit {bit}");
        }
    }
}

#[test]
fn an_example_too_few_or_too_many_turns_red() {
    let meanings = meanings();
    for (name, _) in &meanings {
        let block = format!("```bytes {name}\n");
        assert_eq!(DOCUMENT.matches(&block).count(), 1, "{name}");
        for instead in ["```text\n".to_string(), format!("```bytes {name}-too\n")] {
            assert!(!faults(&DOCUMENT.replace(&block, &instead), &meanings).is_empty(), "{name} became {instead}");
        }
    }
    for more in ["```bytes more\n01\n```\n", "```bytes ping\n01\n```\n", "```bytes\n01\n```\n"] {
        assert!(!faults(&format!("{DOCUMENT}{more}"), &meanings).is_empty(), "{more}");
    }
}

#[test]
fn a_kind_without_an_example_turns_red() {
    for kind in known_kinds().filter(|kind| *kind < 0x80) {
        let mut some = meanings();
        some.retain(|(_, told)| !matches!(told, Told::Frames(_)) || encode(told)[0] != kind);
        assert_eq!(missing_kinds(&some), [format!("kind {kind:#04x}: no example")]);
    }
    for form in ["message-", "part-unreliable", "part-latest", "part-reliable", "part-ordered", "message-compressed"] {
        let mut some = meanings();
        some.retain(|(name, _)| !name.starts_with(form));
        assert!(!missing_kinds(&some).is_empty(), "{form}");
    }
}

#[test]
fn every_computed_cell_and_every_table_turns_red() {
    let meanings = meanings();
    for table in &TABLES {
        assert!(!faults(&DOCUMENT.replace(table.header, "| Another "), &meanings).is_empty(), "{}", table.header);
        for row in rows(DOCUMENT, table.header) {
            let value = row[table.value];
            let at = value.as_ptr() as usize - DOCUMENT.as_ptr() as usize;
            let digit = at + value.trim_end_matches(" ms").len() - 1;
            let other = if &DOCUMENT[digit..=digit] == "1" { "2" } else { "1" };
            let document = format!("{}{other}{}", &DOCUMENT[..digit], &DOCUMENT[digit + 1..]);
            assert!(!faults(&document, &meanings).is_empty(), "{}: {row:?}", table.header);
        }
    }
}

/// The document with one line changed, for each line of the last chapter for which there is a change.
fn with_a_line_changed(change: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let (_, chapter) = DOCUMENT.split_once("\n## Between client and server\n").expect("the chapter is there");
    let mut at = DOCUMENT.len() - chapter.len();
    let mut documents = Vec::new();
    for line in chapter.split_inclusive('\n') {
        let (front, back) = (&DOCUMENT[..at], &DOCUMENT[at + line.len()..]);
        documents.extend(change(line).map(|instead| format!("{front}{instead}{back}")));
        at += line.len();
    }
    documents
}

#[test]
fn a_message_field_or_name_too_few_or_changed_turns_red() {
    let is_row = |line: &str| line.starts_with("| `") || line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit();
    let row_gone = with_a_line_changed(|line| is_row(line).then(String::new));
    let row_renamed = with_a_line_changed(|line| is_row(line).then(|| line.replacen('`', "`x", 1)));
    let other_default = with_a_line_changed(|line| {
        let mut cells: Vec<&str> = line.split(" | ").collect();
        let default = cells.get_mut(2).filter(|_| line.starts_with("| `") && line.matches(" | ").count() == 3)?;
        *default = if *default == REQUIRED { "`null`" } else { REQUIRED };
        Some(cells.join(" | "))
    });
    let heading_gone = with_a_line_changed(|line| line.starts_with("#### ").then(String::new));
    let table_gone = with_a_line_changed(|line| line.starts_with(FIELDS).then(String::new));
    let other_type =
        with_a_line_changed(|line| line.starts_with("{\"type\": \"").then(|| line.replacen(": \"", ": \"x", 1)));
    let more =
        with_a_line_changed(|line| line.starts_with("{\"type\": \"").then(|| line.replacen('{', "{\"x\": 1, ", 1)));
    for documents in [row_gone, row_renamed, other_default, heading_gone, table_gone, other_type, more] {
        assert!(documents.len() > 25, "{} lines were changed", documents.len());
        for document in documents {
            assert!(!signalling::faults(&document).is_empty(), "a line was changed: {document}");
        }
    }
}
