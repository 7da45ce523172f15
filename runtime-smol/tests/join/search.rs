//! Secrets looked for in what others can read: as they are, and in every form in which programs write bytes. And
//! secrets that are made at run time, learned from the wire on which they are told.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded::byte_serialize;

/// What is shorter may stand somewhere by chance.
const SHORTEST: usize = 12;
/// With so many bytes a look at a place begins.
const START: usize = 4;
/// The digits of a token.
const TOKEN: usize = 88;
/// The digits of a TURN credential, the last one for filling.
const CREDENTIAL: usize = 28;

/// All forms of some secrets.
#[derive(Default)]
pub(crate) struct Search {
    /// The secret's name, the form's name, and its bytes.
    forms: Vec<(String, &'static str, Vec<u8>)>,
    by_start: BTreeMap<[u8; START], Vec<usize>>,
}

impl Search {
    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= SHORTEST, "{name} is too short to be looked for");
        for (form, bytes) in forms(secret) {
            let start = *bytes.first_chunk().expect("no form is shorter than its secret's half");
            self.by_start.entry(start).or_default().push(self.forms.len());
            self.forms.push((name.to_owned(), form, bytes));
        }
    }

    /// The secrets in a place, each with its form.
    pub(crate) fn found_in(&self, place: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, start) in place.windows(START).enumerate() {
            let start = start.first_chunk::<START>().expect("windows are that long");
            for &form in self.by_start.get(start).into_iter().flatten() {
                let (name, form, bytes) = &self.forms[form];
                if place[at..].starts_with(bytes) {
                    found.insert(format!("{name}, {form}"));
                }
            }
        }
        found
    }
}

/// Every form in which a secret may stand somewhere.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let percent = |byte: &u8| format!("%{byte:02X}");
    let percent: String = secret.iter().map(percent).collect();
    let serialized: String = byte_serialize(secret).collect();
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![
        ("plain", secret.to_vec()),
        ("escaped", secret.escape_ascii().to_string().into()),
        ("hexadecimal", HEXLOWER.encode(secret).into()),
        ("hexadecimal", HEXUPPER.encode(secret).into()),
        ("percent-encoded", percent.to_ascii_lowercase().into()),
        ("percent-encoded", percent.into()),
        ("percent-encoded", serialized.replace('+', "%20").into()),
        ("percent-encoded", serialized.into()),
        ("numbers", numbers.join(", ").into()),
        ("numbers", numbers.join(",").into()),
    ];
    for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
        forms.extend((0..3).map(|before| ("base64", base64_behind(&encoding, before, secret))));
    }
    forms
}

/// The digits of a text in base64 that depend on the secret in it alone, which stands behind so many other bytes.
fn base64_behind(encoding: &Encoding, before: usize, secret: &[u8]) -> Vec<u8> {
    let bytes = [&b"---"[..before], secret].concat();
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoding.encode(&bytes).into_bytes()[first..end].to_vec()
}

/// The tokens in what a server says, in any encoding: a run of so many digits.
pub(crate) fn tokens(said: &[u8]) -> BTreeSet<Vec<u8>> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let runs = said.split(|byte| !is_digit(byte)).filter(|run| run.len() >= TOKEN);
    // What follows in a binary frame may look like one more digit.
    runs.map(|run| run[..TOKEN].to_vec()).collect()
}

/// The TURN credentials in what a server says: text of its length behind its length, or in quotes.
pub(crate) fn credentials(said: &[u8]) -> BTreeSet<Vec<u8>> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_one = |text: &&[u8]| {
        let (before, digits, last) = (text[0], &text[1..CREDENTIAL], text[CREDENTIAL]);
        (before == b'"' || usize::from(before) == CREDENTIAL) && digits.iter().all(is_digit) && last == b'='
    };
    said.windows(CREDENTIAL + 1).filter(is_one).map(|text| text[1..].to_vec()).collect()
}

/// The passwords of ICE in the negotiations that a server passes on.
pub(crate) fn ice_passwords(said: &[u8]) -> BTreeSet<Vec<u8>> {
    let mark = b"a=ice-pwd:";
    let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let marked = said.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    marked.map(|(at, _)| said[at + mark.len()..].iter().take_while(is_digit).copied().collect()).collect()
}

#[test]
fn what_is_planted_is_found_in_every_form() {
    let secret = b"a canary/with+ \xF0\"all\" signs".as_slice();
    let mut search = Search::default();
    search.add("bird", secret);
    for (form, bytes) in forms(secret) {
        let place = [b"before ", &bytes[..], b" behind"].concat();
        assert!(search.found_in(&place).contains(&format!("bird, {form}")), "{form}");
    }
    // As others write it.
    for before in ["", "u", "us", "use", "user:"] {
        let text = [before.as_bytes(), secret, b" and more"].concat();
        for written in [
            data_encoding::BASE64.encode(&text),
            data_encoding::BASE64URL.encode(&text),
            data_encoding::HEXLOWER.encode(&text),
            format!("{text:?}"),
            format!("{:?}", bytes::Bytes::from(text.clone())),
            byte_serialize(&text).collect(),
            serde_json::to_string(&text).expect("a list of numbers"),
        ] {
            assert!(!search.found_in(written.as_bytes()).is_empty(), "{written}");
        }
    }
    assert!(search.found_in(&secret[1..]).is_empty());
    assert!(search.found_in(b"a canary/with+ other signs").is_empty());
}
