//! A host in a process of its own: this program again.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use webstar_benches::processor;

/// A running host that is spoken to in lines.
pub(crate) struct Host {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Host {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let own = std::env::current_exe().expect("this program knows where it is");
        let mut command = Command::new(own);
        let mut process =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = process.stdin.take().expect("its input is piped");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        Host { process, input, output }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the host listens");
    }

    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the host speaks");
        line.trim_end().to_owned()
    }

    /// The processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        processor::time(self.process.id())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It has no state to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
