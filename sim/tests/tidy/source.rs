//! As much of Rust's grammar as the rules need: what is code, and which paths it names. Expands no macro.

/// `text` with comments and the insides of strings and characters blanked. Lines keep their numbers.
pub(crate) fn code(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(is_word);
        let (len, kept) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), 0),
            '/' if rest.starts_with("/*") => (comment_len(rest), 0),
            '"' => (string_len(rest), 1),
            'r' | 'b' | 'c' if !after_word => match prefixed_string_len(rest) {
                Some(len) => (len, 0),
                None => (1, 1),
            },
            '\'' => (char_len(rest), 1),
            _ => (first.len_utf8(), first.len_utf8()),
        };
        let (token, tail) = rest.split_at(len);
        code.push_str(&token[..kept]);
        code.extend(token[kept..].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = tail;
    }
    code
}

/// The length of a block comment, others inside it included.
fn comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string with escapes, which begins with a quotation mark.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a string with a prefix (`r"`, `br#"`, `b"`, ..), if there is one here.
fn prefixed_string_len(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') || (hashes > 0 && !prefix.ends_with('r')) {
        return None;
    }
    if !prefix.ends_with('r') {
        return Some(prefix.len() + string_len(after));
    }
    let inside = &after[hashes + 1..];
    let end = format!("\"{}", "#".repeat(hashes));
    let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + len)
}

/// The length of a character literal; 1 when the quote begins a lifetime.
fn char_len(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1)
        }
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// One path that the code names, `use` groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// The inline modules around it, outermost first: they decide what `super` means.
    pub(crate) inside: Vec<String>,
}

/// Every path in `code`, single words included.
pub(crate) fn paths(code: &str) -> Vec<Named> {
    let mut reader = Reader { tokens: tokens(code), at: 0, found: Vec::new(), inside: Vec::new(), depth: 0 };
    reader.read();
    reader.found
}

/// Words, `::`, and every other character by itself, each with its line.
fn tokens(code: &str) -> Vec<(&str, usize)> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push((&rest[..len], number + 1));
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<(&'a str, usize)>,
    at: usize,
    found: Vec<Named>,
    /// The inline modules that are open, with the depth of braces at which each ends.
    inside: Vec<(String, usize)>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |(token, _)| token)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            let token = self.peek(0);
            if token == "mod" && self.peek(2) == "{" {
                self.inside.push((self.peek(1).into(), self.depth));
                self.at += 2;
            } else if token.starts_with(is_word) {
                self.path(&[]);
            } else {
                match token {
                    "{" => self.depth += 1,
                    "}" => self.close(),
                    _ => {}
                }
                self.at += 1;
            }
        }
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.inside.last().is_some_and(|(_, depth)| *depth == self.depth) {
            self.inside.pop();
        }
    }

    /// Reads a path from its next word on; what lies before that is `prefix`.
    fn path(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.tokens[self.at].1;
        loop {
            // `a::{self}` names `a`.
            if self.peek(0) != "self" || path.is_empty() {
                path.push(self.peek(0).into());
            }
            self.at += 1;
            if self.peek(0) != "::" {
                break;
            }
            if self.peek(1) == "{" {
                self.at += 2;
                return self.group(&path);
            }
            if self.peek(1) != "*" && !self.peek(1).starts_with(is_word) {
                break;
            }
            self.at += 1;
        }
        let inside = self.inside.iter().map(|(name, _)| name.clone()).collect();
        self.found.push(Named { path, line, inside });
    }

    /// Reads the branches of `prefix::{..}` after its opening brace.
    fn group(&mut self, prefix: &[String]) {
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "}" => {
                    self.at += 1;
                    return;
                }
                "as" => self.at += 2,
                token if token == "*" || token.starts_with(is_word) => self.path(prefix),
                _ => self.at += 1,
            }
        }
    }
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let text =
        "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l '\"' m b\"n\" 'o' '\\'' p<'q> br\"r\" for_r\"s\" t";
    let seen = code(text);
    let words: Vec<&str> = seen.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    assert_eq!(words, ["a", "e", "i", "l", "m", "p", "q", "for_r", "t"]);
    assert_eq!(seen.lines().count(), 2);
    assert_eq!(code("/// über\nfn ä() {}").trim(), "fn ä() {}");
}

#[test]
fn groups_are_taken_apart() {
    let code =
        "use a::{self, b, c::{d as e, *}};\nfn f() { a::g::<H>() }\nmod m {\n fn h() {} use super::x;\n}\nuse y;";
    let found: Vec<String> =
        paths(code).iter().map(|n| format!("{}@{}{}", n.path.join("::"), n.line, n.inside.concat())).collect();
    for expected in ["a@1", "a::b@1", "a::c::d@1", "a::c::*@1", "a::g@2", "super::x@4m", "y@6"] {
        assert!(found.iter().any(|path| path == expected), "{expected} is not in {found:?}");
    }
}
