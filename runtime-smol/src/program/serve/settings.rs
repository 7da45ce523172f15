//! From flags, file and environment to the options of a server: a flag goes before the file, the file before the
//! environment.

use super::Serve;
use super::file::File;
use std::env::{self, VarError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use webstar_core::wire::signal::Secret;
use webstar_smol::server::{ServerOptions, TlsFiles};

const PORT: u16 = 8080;

/// The options, or a sentence about what is wrong.
pub(super) fn options(flags: &Serve) -> Result<ServerOptions, String> {
    let file = match &flags.config {
        Some(path) => File::read(path)?,
        None => File::default(),
    };
    let listen = listen(flags.listen.as_deref().or(file.listen.as_deref()))?;
    let mut options = ServerOptions { listen, ..ServerOptions::default() };
    let certificate = flags.tls_cert.clone().or(file.tls_cert);
    let key = flags.tls_key.clone().or(file.tls_key);
    options.tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => return Err("TLS needs both a certificate and its key: --tls-cert and --tls-key".into()),
    };
    options.public_url = flags.public_url.clone().or(file.public_url);
    let token = flags.create_token_env.as_ref().or(file.create_token_env.as_ref());
    options.create_token = token.map(|variable| secret(variable)).transpose()?;
    options.key_file = flags.key_file.clone().or(file.key_file);
    options.port_fallback = flags.port_fallback.or(file.port_fallback).unwrap_or(0);
    options.shards = flags.shards.or(file.shards).unwrap_or(0);
    options.trusted_proxies = file.trusted_proxies;
    options.allowed_origins = file.allowed_origins;
    file.limits.apply(&mut options.limits);
    Ok(options)
}

/// An address with a port, or alone.
fn listen(said: Option<&str>) -> Result<SocketAddr, String> {
    if let Some(address) = said.and_then(|said| said.parse().ok()) {
        return Ok(address);
    }
    let alone = match said {
        Some(said) => said.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map_err(|_| {
            format!("`{said}` is no address to listen on; say ADDR:PORT, like 127.0.0.1:8080 or [::]:8080")
        })?,
        None => Ipv4Addr::LOCALHOST.into(),
    };
    let port = match env::var("PORT") {
        Ok(text) => text.parse().map_err(|_| format!("PORT is `{text}`, which is no port number"))?,
        Err(_) => PORT,
    };
    Ok(SocketAddr::new(alone, port))
}

fn secret(variable: &str) -> Result<Secret, String> {
    match env::var(variable) {
        Ok(text) if !text.is_empty() => Secret::new(text).map_err(|error| format!("{variable}: {error}")),
        Ok(_) | Err(VarError::NotPresent) => {
            Err(format!("the environment variable {variable} is not set; put the token for making lobbies into it"))
        }
        Err(VarError::NotUnicode(_)) => Err(format!("the environment variable {variable} is no text")),
    }
}

/// As many open files as the system lets us: each connection is one.
pub(super) fn allow_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let known = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: known.maximum, maximum: known.maximum };
        if known.current != known.maximum && setrlimit(Resource::Nofile, raised).is_err() {
            tracing::warn!(limit = known.current, "the limit of open files cannot be raised");
        }
    }
}
