//! `docs/wire.md` taken apart: its `bytes` blocks and the rows of its tables. What they mean stands next door.

pub(crate) mod meaning;
pub(crate) mod signalling;
pub(crate) mod star;
pub(crate) mod tables;

/// The document.
pub(crate) const DOCUMENT: &str = include_str!("../../../../docs/wire.md");

/// A `bytes` block.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn examples(document: &str) -> Result<Vec<Example>, String> {
    let mut found: Vec<Example> = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```bytes") else { continue };
        let name = name.trim().to_string();
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let told = inside.iter().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
        let byte = |hex: &str| u8::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 2);
        let bytes = told.map(byte).collect::<Option<Vec<u8>>>().ok_or(format!("{name}: not all of it is bytes"))?;
        if found.iter().any(|other| other.name == name) {
            return Err(format!("{name}: there are two"));
        }
        found.push(Example { name, bytes });
    }
    Ok(found)
}

/// The cells of a line of a table, without their quotes.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

/// The rows below a header.
pub(crate) fn rows<'a>(document: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let below = document.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    below.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// A number in a cell; its unit may follow.
pub(crate) fn number(cell: &str) -> Option<u64> {
    let digits = cell.trim_end_matches(" ms");
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

pub(crate) fn bytes_of<'a>(examples: &'a [Example], name: &str) -> Option<&'a [u8]> {
    examples.iter().find(|example| example.name == name).map(|example| &example.bytes[..])
}
