//! The server as a process, seen from outside.

use crate::clients::{PATIENCE, get};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// What the test itself opens: thousands of sockets.
const FILES: u64 = 8_192;

/// Gone with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    child: Process,
    log: JoinHandle<String>,
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl House {
    pub(crate) fn start() -> Self {
        allow_files();
        let config = std::env::temp_dir().join(format!("webstar-abuse-{}.toml", std::process::id()));
        fs::write(&config, "trusted_proxies = [\"127.0.0.1\"]\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_webstar"));
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--shards", "2", "--config"]).arg(&config);
        command.env("XDG_STATE_HOME", std::env::temp_dir().join("webstar-tests")).env("RUST_LOG", "info");
        command.env_remove("PORT").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        fs::remove_file(&config).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = told["addr"].as_str().unwrap().parse().unwrap();
        let log = child.stderr.take().unwrap();
        let log = thread::spawn(move || whole(log));
        let (most, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        thread::spawn({
            let (most, is_over, pid) = (most.clone(), is_over.clone(), child.id());
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    most.fetch_max(resident(pid), Ordering::Relaxed);
                    thread::sleep(SAMPLE_EVERY);
                }
            }
        });
        House { address, child: Process(child), log, most, is_over }
    }

    /// Resident bytes now.
    pub(crate) fn memory(&self) -> u64 {
        resident(self.child.0.id())
    }

    /// The most that were seen.
    pub(crate) fn most_memory(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// The whole numbers of `/metrics`, without their prefix.
    pub(crate) fn metrics(&self) -> BTreeMap<String, u64> {
        let (status, page) = get(self.address, "/metrics");
        assert_eq!(status, 200, "{page}");
        let lines = page.lines().filter_map(|line| line.strip_prefix("webstar_")?.rsplit_once(' '));
        lines.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&BTreeMap<String, u64>) -> bool) {
        let begun = Instant::now();
        loop {
            let metrics = self.metrics();
            if is_so(&metrics) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}: {metrics:#?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// It leaves as it should, and no thread of it has panicked.
    pub(crate) fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let status = Command::new("kill").args(["-TERM", &self.child.0.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(self.child.0.wait().unwrap().code(), Some(0));
        let log = self.log.join().unwrap();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("ERROR"), "{log}");
    }
}

fn whole(mut log: ChildStderr) -> String {
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    text
}

fn resident(pid: u32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let known = getrlimit(Resource::Nofile);
    if known.current.is_none_or(|current| current >= FILES) {
        return;
    }
    let raised = Rlimit { current: Some(FILES), maximum: known.maximum };
    setrlimit(Resource::Nofile, raised).expect("thousands of sockets are needed: ulimit -n 8192");
}
