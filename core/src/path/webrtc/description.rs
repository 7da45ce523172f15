//! What we read of a session description ourselves; the rest is the stack's.

/// A description of the other side, its candidates taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Description {
    /// The text without candidates: those pass the same gate as candidates that come by themselves.
    pub(super) text: String,
    /// The candidates in it.
    pub(super) candidates: Vec<String>,
    /// The number of the session: the same for every description of one connection.
    pub(super) session: String,
    /// The user name fragment that candidates of this description bear.
    pub(super) fragment: String,
}

impl Description {
    /// Reads it; `None` if it lacks what every description has, or does not end its lines as it should.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut kept, mut candidates) = (String::with_capacity(text.len()), Vec::new());
        for line in text.lines() {
            if line.contains('\r') {
                // The stack may see two lines here, of which the second is not looked at.
                return None;
            }
            match line.strip_prefix("a=candidate:") {
                Some(candidate) => candidates.push(format!("candidate:{candidate}")),
                None => {
                    kept.push_str(line);
                    kept.push_str("\r\n");
                }
            }
        }
        let origin = text.lines().find_map(|line| line.strip_prefix("o="))?;
        let session = origin.split_ascii_whitespace().nth(1)?.to_owned();
        let fragment = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))?.trim().to_owned();
        Some(Description { text: kept, candidates, session, fragment })
    }
}

/// A description of ours without the candidates that others shall not learn of.
pub(super) fn without(text: &str, is_hidden: impl Fn(&str) -> bool) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !line.strip_prefix("a=").is_some_and(|line| line.starts_with("candidate:") && is_hidden(line)))
        .collect()
}

/// The names of the sections of a description. An answer bears those of the offer that it answers.
pub(super) fn sections(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 9 X 96\r\na=mid:aud\r\n\
        a=ice-ufrag:EsAw\r\na=candidate:1 1 udp 1 10.0.0.1 5000 typ host\r\nm=application 9 X y\r\na=mid:1\r\n";

    #[test]
    fn candidates_are_taken_out_and_names_are_read() {
        let description = Description::read(TEXT).unwrap();
        assert_eq!(description.candidates, ["candidate:1 1 udp 1 10.0.0.1 5000 typ host"]);
        assert_eq!(description.text.len() + "a=".len() + description.candidates[0].len() + "\r\n".len(), TEXT.len());
        assert_eq!((description.session.as_str(), description.fragment.as_str()), ("4611731400430051336", "EsAw"));
        assert_eq!(sections(TEXT), ["aud", "1"]);
    }

    #[test]
    fn what_is_hidden_is_left_out() {
        assert_eq!(without(TEXT, |_| false), TEXT);
        let shown = without(TEXT, |line| line.contains("10.0.0.1 5000"));
        assert_eq!(shown, TEXT.replace("a=candidate:1 1 udp 1 10.0.0.1 5000 typ host\r\n", ""));
    }

    #[test]
    fn what_is_no_description() {
        for text in [
            "",
            "v=0",
            "o=- 1 2",
            "a=ice-ufrag:x",
            "o=\na=ice-ufrag:x",
            "o=-\na=ice-ufrag:x",
            "o=- 1\ra=x\na=ice-ufrag:x",
        ] {
            assert_eq!(Description::read(text), None, "{text}");
        }
    }
}
