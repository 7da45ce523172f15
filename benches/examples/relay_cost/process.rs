//! A server in a process of its own: started, weighed, and ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use webstar_benches::processor;

/// A running server.
pub(crate) struct Child {
    process: std::process::Child,
    address: SocketAddr,
}

impl Child {
    /// The bare relay: this program again.
    pub(crate) fn bare() -> Self {
        let own = std::env::current_exe().expect("this program knows where it is");
        Child::start(Command::new(own).arg("bare"))
    }

    /// Our server on one shard, with limits that nobody reaches.
    pub(crate) fn webstar(program: &Path) -> Self {
        let config = std::env::temp_dir().join("webstar-relay-cost.toml");
        std::fs::write(&config, include_str!("limits.toml")).expect("the temporary folder can be written");
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--shards", "1", "--json", "--config"];
        Child::start(Command::new(program).args(arguments).arg(config))
    }

    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("the server says where it listens");
        let address = line.split('"').find_map(|part| part.parse().ok()).expect("its first line names the address");
        Child { process, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        processor::time(self.process.id())
    }

    /// The memory that it occupies, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes") * 1024
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has no state to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
