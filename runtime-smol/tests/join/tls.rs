//! TLS from the program to the program, with a certificate made for the test.

use crate::stage::{Folder, Program, Server};

#[test]
fn a_trusted_certificate_lets_in_and_another_does_not() {
    let folder = Folder::new("tls");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let other = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = folder.write("cert.pem", &made.cert.pem());
    let key = folder.write("key.pem", &made.signing_key.serialize_pem());
    let other = folder.write("other.pem", &other.cert.pem());
    let server = Server::start_with("127.0.0.1:0", &["--tls-cert", &certificate, "--tls-key", &key]);
    let target = server.target("room").replace("webstar://", "webstars://");
    let mut ann = Program::start(&["join", &target, "--create", "--ca", &certificate, "--json"]);
    ann.wait_for("joined");
    ann.say("hello");
    ann.hear("hello");
    let refused = Program::start(&["join", &target, "--create", "--ca", &other]).finish();
    refused.is_failure(4, &["unreachable", "certificate"]);
    let missing = folder.path("missing.pem");
    let missing = Program::start(&["join", &target, "--ca", missing.to_str().unwrap()]).finish();
    missing.is_failure(4, &["missing.pem"]);
}

#[test]
fn a_certificate_of_an_authority_is_refused_with_how_to_make_another() {
    let folder = Folder::new("authority");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut asked = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    asked.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = folder.write("cert.pem", &asked.self_signed(&key).unwrap().pem());
    let key = folder.write("key.pem", &key.serialize_pem());
    let server = Server::start_with("127.0.0.1:0", &["--tls-cert", &certificate, "--tls-key", &key]);
    let target = server.target("room").replace("webstar://", "webstars://");
    let refused = Program::start(&["join", &target, "--create", "--ca", &certificate]).finish();
    refused.is_failure(4, &["unreachable", "CA:FALSE"]);
}
