//! Servers that announce themselves on the local network, and how they are found. Everything stays on this machine: who
//! listens on its loopback address is announced there.

use crate::program::{fails, start};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use webstar_core::lan::{AnnounceConfig, PORTS};
use webstar_smol::lan::Discovery;
use webstar_smol::server::{Server, ServerOptions};

/// A service that nobody else announces.
fn service(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn discover(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webstar"));
    command.arg("discover").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_server_is_found_by_name_and_by_nobody_else() {
    let name = service("found");
    let lan = ["--lan", "--lan-service", &name, "--lan-interval", "100ms"];
    let (server, line) = start(&[&["--json", "--listen", "127.0.0.1:0"], &lan[..]].concat());
    let line: Value = serde_json::from_str(&line).unwrap();
    let mut search = discover(&["--json", "--seconds", "600", "--lan-service", &name]).spawn().unwrap();
    let mut found = String::new();
    BufReader::new(search.stdout.take().unwrap()).read_line(&mut found).unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["event"], &found["url"]), (&"server".into(), &line["url"]));
    assert_eq!((&found["service"], &found["ip"]), (&name.as_str().into(), &"127.0.0.1".into()));
    kill(search);
    kill(server);
}

#[test]
fn who_finds_nothing_is_told_how_to_start_a_server() {
    let name = service("nobody");
    let output = discover(&["--seconds", "1", "--lan-service", &name]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("webstar serve --lan"), "{said}");
    let output = discover(&["--seconds", "1", "--lan-service", &name, "--json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["servers"], 0);
}

#[test]
fn flags_that_make_no_sense_are_refused_with_a_sentence() {
    let refused = |args: &[&str]| {
        let (code, said) = fails(&mut crate::program::command(args));
        assert_eq!(code, Some(2), "{said}");
        said
    };
    assert!(refused(&["--lan-service", "x"]).contains("say that too"));
    assert!(refused(&["--lan", "--lan-interval", "1ms"]).contains("--lan-interval must be at least 100 ms"));
    assert!(refused(&["--lan", "--lan-service", ""]).contains("--lan-service must be a name"));
}

#[test]
fn an_announcement_can_be_asked_for_and_listeners_survive_whatever_comes() {
    let server = Server::bind(ServerOptions { listen: "127.0.0.1:0".parse().unwrap(), ..ServerOptions::default() });
    let server = server.unwrap();
    let service = service("asked");
    let hour = Duration::from_secs(3600);
    let config = AnnounceConfig { service: service.clone(), interval: hour, ..AnnounceConfig::default() };
    let announcing = server.announce(config).unwrap();
    assert!(PORTS.contains(&announcing.port()));
    let discovery = Discovery::start(&service).unwrap();
    let hostile = UdpSocket::bind("127.0.0.1:0").unwrap();
    for junk in [&b""[..], b"{", b"\xff", &[b'['; 2000]] {
        for port in PORTS {
            // Nobody may listen there.
            let _ = hostile.send_to(junk, SocketAddr::from(([127, 0, 0, 1], port)));
        }
    }
    let found = futures_lite::future::block_on(futures_lite::future::or(discovery.next(), async {
        loop {
            announcing.announce_now();
            async_io::Timer::after(Duration::from_millis(50)).await;
        }
    }));
    assert_eq!(found.url(), server.url());
}
