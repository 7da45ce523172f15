//! Programs that run, what they say, how they end, and folders for their files.

use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of ours that runs. It is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    name: String,
    input: Mouthpiece,
    output: Receiver<(Instant, String)>,
    errors: Option<JoinHandle<String>>,
    /// Everything it has said, oldest first.
    pub(crate) said: Vec<String>,
    /// When each of that was read.
    read_at: Vec<Instant>,
}

/// What a program is told things through. Several may hold it.
#[derive(Clone)]
pub(crate) struct Mouthpiece(Arc<Mutex<Option<ChildStdin>>>);

impl Mouthpiece {
    pub(crate) fn say(&self, bytes: &[u8]) -> io::Result<()> {
        let mut input = self.0.lock().expect("whoever holds it does not panic");
        input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) code: Option<i32>,
    pub(crate) said: Vec<String>,
    /// When each of that was read.
    pub(crate) read_at: Vec<Instant>,
    pub(crate) errors: String,
}

impl Program {
    pub(crate) fn start(args: &[&str]) -> Self {
        Program::start_with(args, &[])
    }

    pub(crate) fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_webstar"))
            .args(args)
            .env("XDG_STATE_HOME", std::env::temp_dir().join("webstar-tests"))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (lines, output) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            // What a killed program had no time to end is no line.
            while stdout.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if lines.send((Instant::now(), line.trim_end_matches(['\r', '\n']).to_owned())).is_err() {
                    break;
                }
                line.clear();
            }
        });
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let input = Mouthpiece(Arc::new(Mutex::new(child.stdin.take())));
        let name = args.join(" ");
        Program { child, name, input, output, errors: Some(errors), said: Vec::new(), read_at: Vec::new() }
    }

    /// A player in JSON that stays until it is told to go.
    pub(crate) fn join(server: &Server, lobby: &str, name: &str, more: &[&str]) -> Self {
        let target = server.target(lobby);
        let args = [&["join", &target, "--name", name, "--create", "--json"], more].concat();
        let mut player = Program::start(&args);
        player.wait_for("joined");
        player
    }

    pub(crate) fn say(&mut self, line: &str) {
        if let Err(error) = self.input.say(format!("{line}\n").as_bytes()) {
            panic!("{}: {error}", self.name);
        }
    }

    pub(crate) fn mouthpiece(&self) -> Mouthpiece {
        self.input.clone()
    }

    pub(crate) fn end_input(&mut self) {
        *self.input.0.lock().expect("whoever holds it does not panic") = None;
    }

    /// The operating system ends it, at once and without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the program runs");
        self.child.wait().expect("a killed program ends");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().expect("`kill` is there");
        assert!(status.success());
    }

    /// How many UDP sockets it has open, by what the system tells of it.
    #[cfg(target_os = "linux")]
    pub(crate) fn datagram_sockets(&self) -> usize {
        let known: String =
            ["/proc/net/udp", "/proc/net/udp6"].map(|file| fs::read_to_string(file).unwrap_or_default()).concat();
        let inodes: Vec<&str> = known.lines().filter_map(|line| line.split_whitespace().nth(9)).collect();
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs");
        let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let inode =
            |link: std::path::PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
        links.filter_map(inode).filter(|inode| inodes.contains(&inode.as_str())).count()
    }

    fn next_line(&mut self, until: Instant) -> Result<String, RecvTimeoutError> {
        let (at, line) = self.output.recv_timeout(until.saturating_duration_since(Instant::now()))?;
        self.said.push(line.clone());
        self.read_at.push(at);
        Ok(line)
    }

    /// The next line that is wanted. Lines before it are passed over.
    pub(crate) fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.next_line(until) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return found;
                    }
                }
                Err(why) => {
                    let said = self.said.iter().rev().take(40).rev().cloned().collect::<Vec<_>>().join("\n");
                    let _ = self.child.kill();
                    let errors = self.errors.take().map(|errors| errors.join().unwrap_or_default());
                    panic!("{}: no {what} ({why}); it said:\n{said}\nand on stderr:\n{errors:?}", self.name);
                }
            }
        }
    }

    /// The next event of this name.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        self.wait_until(event, |_| true)
    }

    /// The next event of this name that is wanted.
    pub(crate) fn wait_until(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(event, |line| {
            let value: Value = serde_json::from_str(line).ok()?;
            (value["event"] == event && wanted(&value)).then_some(value)
        })
    }

    /// An event of this name that is wanted, be it long ago or to come.
    pub(crate) fn ever(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let said = events_in(self.said.iter(), event).find(&wanted);
        said.unwrap_or_else(|| self.wait_until(event, wanted))
    }

    /// The newest event of this name, once it is wanted.
    pub(crate) fn newest(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        while let Ok((at, line)) = self.output.try_recv() {
            self.said.push(line);
            self.read_at.push(at);
        }
        let newest = events_in(self.said.iter().rev(), event).next();
        newest.filter(&wanted).unwrap_or_else(|| self.wait_until(event, wanted))
    }

    /// The message with this text, be it long ago or to come.
    pub(crate) fn ever_hears(&mut self, data: &str) -> Value {
        let lines = self.said.iter().rev().filter(|line| line.contains(data));
        let said = events_in(lines, "message").find(|message| message["data"] == data);
        said.unwrap_or_else(|| self.hear(data))
    }

    /// The message with this text.
    pub(crate) fn hear(&mut self, data: &str) -> Value {
        self.wait_until("message", |message| message["data"] == data)
    }

    /// The line with these words.
    pub(crate) fn read(&mut self, words: &str) -> String {
        self.wait(words, |line| line.contains(words).then(|| line.to_owned()))
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ending {
        let until = Instant::now() + PATIENCE;
        while let Ok(_line) = self.next_line(until) {}
        let code = loop {
            match self.child.try_wait().expect("the program can be waited for") {
                Some(status) => break status.code(),
                None if Instant::now() > until => panic!("{} does not end; it said: {:?}", self.name, self.said),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let errors = self.errors.take().expect("asked once").join().unwrap_or_default();
        let (said, read_at) = (std::mem::take(&mut self.said), std::mem::take(&mut self.read_at));
        Ending { code, said, read_at, errors }
    }

    /// Ends its input and waits for its end.
    pub(crate) fn finish(mut self) -> Ending {
        self.end_input();
        self.end()
    }
}

/// The events of a name among lines in JSON. Other lines are not read as such: of a long talk that would take long.
fn events_in<'a>(lines: impl Iterator<Item = &'a String>, event: &str) -> impl Iterator<Item = Value> {
    let (name, event) = (format!("\"event\":\"{event}\""), event.to_owned());
    let read = lines.filter(move |line| line.contains(&name)).filter_map(|line| serde_json::from_str(line).ok());
    read.filter(move |value: &Value| value["event"] == *event)
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ending {
    /// What it has said in JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.said.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    /// The texts of its messages of a kind, with their senders.
    pub(crate) fn heard(&self, kind: &str) -> Vec<(u64, String)> {
        let is_wanted = |event: &Value| event["event"] == "message" && event["kind"] == kind;
        let told = |event: &Value| (event["from"].as_u64().unwrap(), event["data"].as_str().unwrap().to_owned());
        self.events().iter().filter(|event| is_wanted(event)).map(told).collect()
    }

    /// It ended with this code, and its only word to people has these words in it.
    pub(crate) fn is_failure(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.errors.trim_end();
        assert!(!line.contains('\n'), "one line: {self:?}");
        for word in words {
            assert!(line.contains(word), "{word}: {self:?}");
        }
    }
}

/// A lobby server in a process of its own.
pub(crate) struct Server {
    pub(crate) program: Program,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Server::start_with("127.0.0.1:0", &[])
    }

    pub(crate) fn start_with(listen: &str, more: &[&str]) -> Self {
        let mut program = Program::start(&[&["serve", "--listen", listen, "--json"], more].concat());
        let listening = program.wait_for("listening");
        let address = listening["addr"].as_str().expect("an address").to_owned();
        Server { program, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub(crate) fn target(&self, lobby: &str) -> String {
        format!("webstar://{}/{lobby}", self.address)
    }
}

/// A folder of its own that is gone afterwards.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("webstar-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
