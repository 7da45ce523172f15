//! What is wrong with a file of settings, in words that help: the line, the name that was probably meant, and how a
//! setting is written, as the example shows it.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

/// Every setting as it is written.
const EXAMPLE: &str = include_str!("../../../webstar.example.toml");

/// The names of a struct's fields.
pub(super) fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Asker<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Asker<'_> {
        type Error = Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("only the names are asked for"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut names: &[&str] = &[];
    let _ = T::deserialize(Asker(&mut names));
    names
}

/// What is wrong, with its line.
pub(super) fn explain(text: &str, error: &toml::de::Error, top: &[&str], limits: &[&str]) -> (usize, String) {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
    let message = error.message().replace('\n', " ");
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let why = match unknown {
        Some((name, rest)) => {
            let is_limit = rest.contains("`idle_timeout`");
            let (here, there) = if is_limit { (limits, top) } else { (top, limits) };
            format!("unknown field `{name}`{}", meant(name, here, there, is_limit))
        }
        None => with_sample(text, line, &plain(&message)),
    };
    (line, why)
}

/// What is out of its range, with its line.
pub(super) fn out_of_range(text: &str, setting: &str, must: &str) -> (usize, String) {
    let line = text.lines().position(|line| key(line) == Some(setting)).map_or(1, |line| line + 1);
    (line, format!("`{setting}` must be {must}"))
}

/// Which name was probably meant, and where it belongs.
fn meant(name: &str, here: &[&str], there: &[&str], is_limit: bool) -> String {
    let elsewhere = |name: &str| match is_limit {
        true => format!("; `{name}` stands before the line [limits]"),
        false => format!("; `{name}` stands below the line [limits]"),
    };
    let near = |names: &[&str]| {
        let far = names.iter().map(|known| (distance(name, known), known.to_string()));
        far.min_by_key(|(far, _)| *far).filter(|(far, known)| *far <= known.len().max(3) / 3)
    };
    match (near(here), near(there)) {
        (Some((far, known)), other) if other.as_ref().is_none_or(|other| far <= other.0) => {
            format!("; did you mean `{known}`?")
        }
        (_, Some((_, known))) => elsewhere(&known),
        _ => "; all settings are told in webstar.example.toml".into(),
    }
}

/// How many letters have to be changed, added, left out, or swapped with their neighbour.
fn distance(said: &str, known: &str) -> usize {
    let (said, known): (Vec<u8>, Vec<u8>) = (said.bytes().take(64).collect(), known.bytes().collect());
    let mut rows = vec![vec![0; known.len() + 1]; said.len() + 1];
    for i in 0..=said.len() {
        for j in 0..=known.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let same = said[i - 1].eq_ignore_ascii_case(&known[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(!same));
            if i > 1 && j > 1 && said[i - 1] == known[j - 2] && said[i - 2] == known[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[said.len()][known.len()]
}

/// The message in the words of people who write settings.
fn plain(message: &str) -> String {
    let table = [
        ("expected usize", "expected a whole number"),
        ("expected u16", "expected a whole number up to 65535"),
        ("expected u32", "expected a whole number up to 4294967295"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list in brackets"),
        ("expected path string", "expected text in quotes"),
        ("expected a string", "expected text in quotes"),
    ];
    let said = table.iter().find(|(words, _)| message.ends_with(words));
    said.map_or_else(|| message.into(), |(words, plain)| message.replace(words, plain))
}

/// Names the setting of that line, and shows how it is written.
fn with_sample(text: &str, line: usize, why: &str) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some(name) = lines.iter().rev().find_map(|line| key(line)) else { return why.into() };
    let sample = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')).find(|line| key(line) == Some(name));
    match sample {
        Some(sample) => format!("`{name}`: {why}; it is written like: {sample}"),
        None => format!("`{name}`: {why}"),
    }
}

/// The name before the `=`.
fn key(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_distances() {
        for (said, known, far) in [
            ("listen", "listen", 0),
            ("listne", "listen", 1),
            ("stnu", "stun", 1),
            ("", "lan", 3),
            ("tls-cert", "tls_cert", 1),
        ] {
            assert_eq!(distance(said, known), far, "{said} {known}");
        }
    }
}
