//! The document of measurements: for each table what is measured, how it is measured again, how it is read, the curves
//! and the figures. Measures and draws nothing itself.

use core::fmt::Write;
use core::time::Duration;

/// One table of the document.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// What it is about.
    pub about: &'static About,
    /// The arguments that measure it again.
    pub arguments: String,
    /// The table for people.
    pub text: String,
}

/// What is said about a table, whatever its figures are.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name on the command line, and of its file.
    pub name: &'static str,
    title: &'static str,
    /// What is measured.
    what: &'static str,
    /// How it is read.
    reading: &'static str,
}

/// The tables of the document, in their order.
pub const LATENCY: About = About {
    name: "latency",
    title: "How late messages are",
    what: "Two players over one path of 50 ms one way: 60 messages a second each way, on each kind of path and channel, \
           over the share of packets that is lost. Times in ms from submission to delivery, both ways pooled. Lost is \
           what never came or was refused; bytes is all that was given to the path over the messages with 40 bytes each.",
    reading: "A line that stays flat toward the right is loss that nobody feels: over `srtp` the slowest of a hundred \
              ordered messages waits for one or two more ways, while below `sctp` and the relay's stream loss stops \
              everything behind it.",
};
/// How long a change of host takes.
pub const MIGRATION: About = About {
    name: "migration",
    title: "How long a change of host takes",
    what: "Lobbies of 3 and of 8 players who speak 20 times a second; the host dies without a word, its process dies so \
           that its sockets close, or it hands over. Times in ms from the fault to the first acknowledgement under the \
           next host, over the share of packets that is lost; lost and twice count runs that lost or doubled anything.",
    reading: "A silent death costs the time after which silence is suspect and the vote behind it; where sockets close \
              or the host hands over, what is left is a few ways between players.",
};
/// How often a sound host is replaced.
pub const FALSE_ALARMS: About = About {
    name: "false-alarms",
    title: "How often a sound host is taken for dead",
    what: "Lobbies of three in which nothing goes wrong but packets: how many sound hosts are replaced in an hour, over T, \
           the time after which silence is suspect, and over loss and jitter.",
    reading: "What lies on the ground is none at all; what rises toward the left is the price of noticing sooner. 500 ms is \
              the default, which CI holds to none at 5 % loss and 100 ms of jitter.",
};
/// What the size of a lobby costs.
pub const SCALE: About = About {
    name: "scale",
    title: "What the size of a lobby costs",
    what: "Lobbies of 2 to 64 players who all speak, 5 and 20 times a second, 64 bytes to everybody, 30 ms one way, no \
           loss: packets and bytes of all players with the server and of the host alone, in all and for each message \
           that anybody was given. Columns with `*` are times of the machine that measured: processor time for all, time by \
           the clock for the host, which whatever else runs there makes longer.",
    reading: "In all it grows with the square of the players, as everybody speaks to everybody; for each delivery it must \
              not grow: from 8 to 64 players packets and bytes of the host may rise by a fifth at most, which \
              `report --table scale --check` judges in CI.",
};

/// The document. `jobs` threads have measured for so long.
pub fn markdown(chapters: &[Chapter], command: &str, took: Duration, jobs: usize) -> String {
    let seconds = took.as_secs_f64();
    let took = if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} minutes", seconds / 60.0) };
    let mut text = format!(
        "# Measurements\n\n\
         Everything here was measured in the simulator by one command, which writes this file and the curves beside it:\n\n\
         ```sh\ncargo run --release -p webstar-sim -- {command}\n```\n\n\
         It took {took} on {jobs} threads. Times between players are those of the simulated world: they follow from \
         seeds and are the same\non every machine. Only what is marked as time of the measuring machine is not.\n\n\
         `--messages`, `--runs`, `--hours` and `--most-players` set how much is measured. Every table is to be had alone,\n\
         as text, as JSON (`--json`), or with its curve (`--out DIR`).\n"
    );
    for Chapter { about, arguments, text: table, .. } in chapters {
        let About { name, title, what, reading } = about;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n## {title}\n\n{}\n\n`webstar-sim report --table {name}{arguments}`\n\n![{title}](measurements/{name}.svg)\n\n\
             {}\n\n```text\n{table}```\n",
            wrapped(what),
            wrapped(&format!("How to read it: {reading}")),
        );
    }
    text
}

/// In lines that can be read.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the beginning");
        if line.len() + word.len() >= 120 {
            lines.push(word.into());
        } else {
            line.extend((!line.is_empty()).then_some(' '));
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_are_broken_between_words() {
        let text = "word ".repeat(100);
        let wrapped = wrapped(&text);
        assert!(wrapped.lines().count() > 1 && wrapped.lines().all(|line| line.len() < 120 && !line.ends_with(' ')));
        assert_eq!(wrapped.split_whitespace().count(), 100);
    }
}
