//! From flags, file and environment to the options of a server: a flag goes before the file, the file before the
//! environment.

use super::Serve;
use crate::join::ice;
use std::env::{self, VarError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use webstar_core::lan::AnnounceConfig;
use webstar_core::server::IceHelp;
use webstar_core::wire::signal::{MAX_ICE_SERVERS, Secret};
use webstar_smol::server::{ServerOptions, TlsFiles};
use webstar_smol::settings::{File, Time};

const PORT: u16 = 8080;
/// Announced servers try so many ports behind the usual one.
const LAN_FALLBACK: u16 = 9;

/// What the operator wants.
pub(super) struct Wanted {
    pub(super) options: ServerOptions,
    /// How the server is announced, if it is.
    pub(super) lan: Option<AnnounceConfig>,
    /// It is said where the key is kept.
    pub(super) keeps_key: bool,
}

/// What is wanted, or a sentence about what is wrong.
pub(super) fn wanted(flags: &Serve) -> Result<Wanted, String> {
    let file = match &flags.config {
        Some(path) => File::read(path)?,
        None => File::default(),
    };
    let lan = lan(flags, &file)?;
    let ice_servers = ice_servers(flags, &file)?;
    let usual = if lan.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let listen = listen(flags.listen.as_deref().or(file.listen.as_deref()), usual)?;
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
    options.create_token = token.map(|variable| secret(variable, "the token for making lobbies")).transpose()?;
    options.ice_servers = ice_servers;
    options.key_file = flags.key_file.clone().or(file.key_file);
    options.port_fallback =
        flags.port_fallback.or(file.port_fallback).unwrap_or(if lan.is_some() { LAN_FALLBACK } else { 0 });
    options.shards = flags.shards.or(file.shards).unwrap_or(0);
    options.trusted_proxies = file.trusted_proxies;
    options.allowed_origins = file.allowed_origins;
    file.limits.apply(&mut options.limits);
    let keeps_key = options.key_file.is_some();
    Ok(Wanted { options, lan, keeps_key })
}

fn lan(flags: &Serve, file: &File) -> Result<Option<AnnounceConfig>, String> {
    let (service, interval) = (flags.lan_service.as_ref().or(file.lan_service.as_ref()), flags.lan_interval);
    let always = flags.lan_always || file.lan_always;
    if !(flags.lan || file.lan) {
        let is_meant = service.is_some() || interval.is_some() || file.lan_interval.is_some() || always;
        return if is_meant { Err("a server is announced with --lan only; say that too".into()) } else { Ok(None) };
    }
    let mut config = AnnounceConfig { always, ..AnnounceConfig::default() };
    config.service = service.cloned().unwrap_or(config.service);
    config.interval = interval.or(file.lan_interval.map(|Time(time)| time)).unwrap_or(config.interval);
    config.check().map_err(|error| format!("--lan-{error}"))?;
    Ok(Some(config))
}

/// An address with a port, or alone.
fn listen(said: Option<&str>, usual: Ipv4Addr) -> Result<SocketAddr, String> {
    if let Some(address) = said.and_then(|said| said.parse().ok()) {
        return Ok(address);
    }
    let alone = match said {
        Some(said) => said.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map_err(|_| {
            format!("`{said}` is no address to listen on; say ADDR:PORT, like 127.0.0.1:8080 or [::]:8080")
        })?,
        None => usual.into(),
    };
    let port = match env::var("PORT") {
        Ok(text) => text.parse().map_err(|_| format!("PORT is `{text}`, which is no port number"))?,
        Err(_) => PORT,
    };
    Ok(SocketAddr::new(alone, port))
}

/// The servers that players are told of.
fn ice_servers(flags: &Serve, file: &File) -> Result<Vec<IceHelp>, String> {
    let stun = if flags.stun.is_empty() { &file.stun } else { &flags.stun };
    let turn = if flags.turn.is_empty() { &file.turn } else { &flags.turn };
    let known_by = flags.turn_secret_env.as_ref().or(file.turn_secret_env.as_ref());
    let known_by = known_by.map(|variable| secret(variable, "the secret of the TURN servers")).transpose()?;
    if known_by.is_some() == turn.is_empty() {
        return Err("a TURN server and the secret that its users are made of belong together: --turn and \
                    --turn-secret-env (of coturn: static-auth-secret)"
            .into());
    }
    if stun.len() + turn.len() > MAX_ICE_SERVERS {
        return Err(format!("players are told of at most {MAX_ICE_SERVERS} servers by --stun and --turn"));
    }
    let mut named = Vec::new();
    for url in stun {
        ice::stun(url)?;
        named.push(IceHelp { url: url.clone(), secret: None });
    }
    for url in turn {
        ice::turn_server(url)?;
        named.push(IceHelp { url: url.clone(), secret: known_by.clone() });
    }
    Ok(named)
}

fn secret(variable: &str, what: &str) -> Result<Secret, String> {
    match env::var(variable) {
        Ok(text) if !text.is_empty() => Secret::new(text).map_err(|error| format!("{variable}: {error}")),
        Ok(_) | Err(VarError::NotPresent) => {
            Err(format!("the environment variable {variable} is not set; put {what} into it"))
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
