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
        let mut is_rejected = false;
        for line in text.lines() {
            if line.contains('\r') {
                // The stack may see two lines here, of which the second is not looked at.
                return None;
            }
            if let Some(candidate) = line.strip_prefix("a=candidate:") {
                candidates.push(format!("candidate:{candidate}"));
                continue;
            }
            let rejected = rejected(line);
            if line.starts_with("m=") {
                is_rejected = rejected.is_some();
            } else if is_rejected && is_of_a_format(line) {
                continue;
            }
            kept.push_str(rejected.as_deref().unwrap_or(line));
            kept.push_str("\r\n");
        }
        let origin = text.lines().find_map(|line| line.strip_prefix("o="))?;
        let session = origin.split_ascii_whitespace().nth(1)?.to_owned();
        let fragment = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))?.trim().to_owned();
        Some(Description { text: kept, candidates, session, fragment })
    }
}

/// The first line of a section of media that is rejected. Its formats mean nothing, and need not be told what they are;
/// the stack wants to know that of each but of some, of which this names one.
fn rejected(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (media, port, protocol) = (words.next()?, words.next()?, words.next()?);
    (media.starts_with("m=") && port == "0" && protocol.contains("RTP/")).then(|| format!("{media} 0 {protocol} 0"))
}

/// Whether a line is about one format of its section.
fn is_of_a_format(line: &str) -> bool {
    ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|start| line.starts_with(start))
}

/// How the other side begins SCTP without a round trip, as the stack writes it.
pub(super) fn beginning(text: &str) -> Option<&str> {
    text.lines().find(|line| line.starts_with("a=sctp-init:"))
}

/// An answer without the beginning of SCTP that we have offered. Stacks that copy what they do not know answer with our
/// own; the stack would take it for theirs, and nobody would ever answer it.
pub(super) fn without_mirrored(answer: &str, ours: Option<&str>) -> String {
    answer.split_inclusive("\r\n").filter(|line| ours != Some(line.trim_end())).collect()
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
    fn a_rejected_section_keeps_its_name_and_nothing_of_its_formats() {
        let codec = "a=rtpmap:96 X/16000/1\r\na=fmtp:96 y=1\r\na=rtcp-fb:96 z\r\n";
        let of = |port_and_formats: [&str; 2], codec: &str| {
            let [port, formats] = port_and_formats;
            let head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=ice-ufrag:EsAw\r\n";
            let rejected = format!("m=audio {port} UDP/TLS/RTP/SAVPF {formats}\r\na=mid:aud\r\na=inactive\r\n");
            format!("{head}{rejected}{codec}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:vid\r\na=rtpmap:96 X/90000\r\n")
        };
        let read = |text: String| Description::read(&text).unwrap().text;
        assert_eq!(read(of(["0", "96 97"], codec)), of(["0", "0"], ""), "of the other section nothing is taken");
        assert_eq!(read(of(["9", "96"], codec)), of(["9", "96"], codec));
    }

    #[test]
    fn only_what_is_our_own_is_taken_for_a_mirror() {
        let text = "m=application 9 X y\r\na=sctp-init:AQ==\r\na=mid:1\r\n";
        assert_eq!(beginning(text), Some("a=sctp-init:AQ=="));
        assert_eq!(without_mirrored(text, beginning(text)), "m=application 9 X y\r\na=mid:1\r\n");
        assert_eq!(without_mirrored(text, Some("a=sctp-init:Ag==")), text);
        assert_eq!(without_mirrored(text, None), text);
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
