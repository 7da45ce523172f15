//! A certificate that is renewed while the server runs: SIGHUP to the real program.

use crate::clients::{Guest, connect};
use crate::program::{Folder, command, ends};
use async_tungstenite::tungstenite::{Error, client};
use futures_rustls::rustls::crypto::aws_lc_rs;
use futures_rustls::rustls::pki_types::{CertificateDer, ServerName};
use futures_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command};
use std::sync::Arc;

/// What a certificate authority of a test gives out.
struct Made {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn make() -> Made {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Made { certificate: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
}

/// A guest that trusts this certificate alone.
fn guest(address: SocketAddr, trusted: &Made) -> Option<Guest<StreamOwned<ClientConnection, TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
    let stream = StreamOwned::new(session, connect(address));
    match client(format!("wss://localhost:{}/ws", address.port()), stream) {
        Ok((socket, _)) => Some(Guest(socket)),
        Err(async_tungstenite::tungstenite::HandshakeError::Failure(Error::Io(error))) => {
            assert!(error.to_string().contains("certificate"), "{error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The program under test, and what it says.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args).args(["--listen", "127.0.0.1:0", "--json"]).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Program { child, out }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends it; what it has said to people.
    fn end(mut self) -> String {
        let mut said = self.child.stderr.take().unwrap();
        assert_eq!(ends(self.child, "-TERM"), Some(0));
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn a_new_certificate_is_for_new_connections_and_a_bad_one_for_none() {
    let folder = Folder::new("reload");
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.file(name));
    let (first, second) = (make(), make());
    let put = |made: &Made| {
        fs::write(&certificate, &made.certificate).unwrap();
        fs::write(&key, &made.key).unwrap();
    };
    put(&first);
    let mut server = Program::start(&["--tls-cert", &certificate, "--tls-key", &key]);
    let address = server.line()["addr"].as_str().unwrap().parse().unwrap();
    let mut ann = guest(address, &first).expect("the first certificate is in use");
    ann.say(&json!({"type": "join_lobby", "lobby_id": "den", "username": "ann", "create": {}}));
    ann.hear("lobby_joined");
    assert!(guest(address, &second).is_none(), "nobody has it yet");

    put(&second);
    assert!(guest(address, &first).is_some(), "nobody has said that it was renewed");
    server.signal("-HUP");
    assert_eq!(server.line(), json!({"event": "certificate_reloaded"}));
    let mut bob = guest(address, &second).expect("the second certificate is in use");
    assert!(guest(address, &first).is_none());
    bob.say(&json!({"type": "join_lobby", "lobby_id": "den", "username": "bob"}));
    assert_eq!(bob.hear("lobby_joined")["player_list"].as_array().unwrap().len(), 2);
    bob.say(&json!({"type": "broadcast_data", "data": "hello"}));
    assert_eq!(ann.hear("broadcast_data")["data"], "hello", "who was there goes on");

    let broken: [(&str, &str, &str); 3] = [
        ("no certificate", &second.key, "cert.pem for TLS"),
        (&first.certificate, &second.key, "key.pem for TLS: it does not fit the certificate"),
        (&first.certificate, "no key", "key.pem for TLS"),
    ];
    for (certificate_text, key_text, words) in broken {
        fs::write(&certificate, certificate_text).unwrap();
        fs::write(&key, key_text).unwrap();
        server.signal("-HUP");
        let told = server.line();
        assert_eq!((&told["event"], &told["code"]), (&json!("error"), &json!("certificate_refused")));
        assert!(told["message"].as_str().unwrap().contains(words), "{told}");
        assert!(guest(address, &second).is_some(), "the one before stays");
    }
    fs::remove_file(&key).unwrap();
    server.signal("-HUP");
    assert!(server.line()["message"].as_str().unwrap().contains("key.pem"));
    bob.say(&json!({"type": "broadcast_data", "data": "still here"}));
    assert_eq!(ann.hear("broadcast_data")["data"], "still here");
    put(&first);
    server.signal("-HUP");
    assert_eq!(server.line(), json!({"event": "certificate_reloaded"}));
    assert!(guest(address, &first).is_some());

    let said = server.end();
    let refused: Vec<&str> =
        said.lines().filter(|line| line.contains("new connections get the old certificate")).collect();
    assert!(refused.len() == 4 && refused.iter().all(|line| line.contains("ERROR cannot use ")), "{said}");
}

#[test]
fn without_tls_a_hang_up_changes_nothing() {
    let mut server = Program::start(&[]);
    let address = server.line()["addr"].as_str().unwrap().parse().unwrap();
    let mut ann = Guest::join(address, "den", "ann");
    server.signal("-HUP");
    ann.say(&json!({"type": "ready", "ready": true}));
    ann.hear("player_list_updated");
    assert!(server.end().contains("only certificates are read again"));
}

/// What has read the log has ended, or the terminal is gone: the server is useful all the same.
#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let mut server = Program::start(&[]);
    let address = server.line()["addr"].as_str().unwrap().parse().unwrap();
    drop(server.child.stderr.take());
    let mut ann = Guest::join(address, "den", "ann");
    for ready in [true, false] {
        server.signal("-HUP");
        ann.say(&json!({"type": "ready", "ready": ready}));
        ann.hear("player_list_updated");
    }
    assert_eq!(ends(server.child, "-TERM"), Some(0));
}
