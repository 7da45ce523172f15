//! `webstar serve`: what can be said on its command line, the first line, and the end. The server itself is the
//! library's.

mod ears;
mod place;
mod settings;

use super::join::values::duration;
use super::log;
use clap::Args;
use ears::{Ears, Told};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use webstar_core::lan::AnnounceConfig;
use webstar_smol::server::{BindError, Server, ServerOptions};

/// Runs a lobby server until SIGTERM or SIGINT; then clients are told, and it leaves within 5 seconds. SIGHUP has it read
/// its certificate again.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  webstar serve\n  webstar serve --listen 0.0.0.0:8080 --key-file webstar.key\n  \
                        webstar serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --config a.toml\n  \
                        webstar serve --stun stun:turn.example.org --turn turns:turn.example.org:443 \
                        --turn-secret-env TURN_SECRET\n\n\
                        Environment: PORT (the port, if --listen and the file name none), RUST_LOG (what is logged)\n\
                        Exit codes: 0 left, 1 cannot listen, 2 wrong flags or files")]
pub(crate) struct Serve {
    /// Where to listen [default: 127.0.0.1:8080, with --lan 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Settings by their names in the documentation; flags go before them
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// The certificate for TLS, and those that vouch for it
    #[arg(long, value_name = "PEM", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "PEM", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where clients connect, if a proxy or another name stands before
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A STUN server that players are told of: stun:HOST or stun:HOST:PORT
    #[arg(long, value_name = "URL")]
    stun: Vec<String>,
    /// A TURN server that players are told of, with credentials for a time: turn:HOST or turn:HOST:PORT, over TCP with
    /// ?transport=tcp behind it, over TLS turns:HOST
    #[arg(long, value_name = "URL")]
    turn: Vec<String>,
    /// The environment variable that holds the secret of the TURN servers (of coturn: static-auth-secret)
    #[arg(long, value_name = "VAR")]
    turn_secret_env: Option<String>,
    /// The environment variable that holds what clients must show to make a lobby
    #[arg(long, value_name = "VAR")]
    create_token_env: Option<String>,
    /// The file of the long-term key, made at the first start: who has it knows players and lobbies again after a restart
    /// [default: webstar/server.key in $XDG_STATE_HOME or ~/.local/state, for all servers of this user]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// If the port is taken, try as many behind it [default: 0, with --lan 9]
    #[arg(long, value_name = "N")]
    port_fallback: Option<u16>,
    /// Announce the server on the local network while no client is connected
    #[arg(long)]
    lan: bool,
    /// The service as which it is announced [default: webstar]
    #[arg(long, value_name = "NAME")]
    lan_service: Option<String>,
    /// How often it is announced [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    lan_interval: Option<Duration>,
    /// Announce it also while clients are connected
    #[arg(long)]
    lan_always: bool,
    /// Threads that serve [default: one for each processor]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
    /// Logs as JSON
    #[arg(long)]
    log_json: bool,
}

impl Serve {
    pub(crate) fn go(self) -> ExitCode {
        let settings::Wanted { options, lan, keeps_key } = match settings::wanted(&self) {
            Ok(wanted) => wanted,
            Err(why) => return self.failed("usage", &why, 2),
        };
        if let Err(why) = log::start(self.log_json, "info") {
            return self.failed("usage", &why, 2);
        }
        settings::allow_files();
        // From here on nobody ends the program without its knowing: whoever reads the first line may do so at once.
        let ears = Ears::open();
        match bind(options, keeps_key) {
            Ok(server) => self.serve(&server, lan, ears),
            Err(error @ (BindError::Taken(_) | BindError::Listen { .. } | BindError::System(_))) => {
                self.failed("cannot_listen", &error.to_string(), 1)
            }
            Err(error) => self.failed("usage", &error.to_string(), 2),
        }
    }

    fn serve(&self, server: &Server, lan: Option<AnnounceConfig>, mut ears: Ears) -> ExitCode {
        let (addr, url) = (server.local_addr(), server.url());
        let line = if self.json {
            format!(r#"{{"event":"listening","addr":{},"url":{}}}"#, json!(addr), json!(url))
        } else {
            format!("webstar listens on {addr}; join with: webstar join new --server {url}")
        };
        say(&line);
        let announcing = lan.and_then(|lan| match server.announce(lan) {
            Ok(announcing) => Some(announcing),
            Err(error) => {
                tracing::warn!(%error, "not announced: the UDP ports 8766 to 8775 cannot be used");
                None
            }
        });
        // Not `async_io::block_on`: this thread must not take the sockets' events from those that serve.
        futures_lite::future::block_on(async {
            while ears.hear().await == Told::ReadAgain {
                self.reload(server);
            }
            tracing::info!("shutting down");
            drop(announcing);
            server.close().await;
        });
        tracing::info!("left");
        ExitCode::SUCCESS
    }

    /// The certificate was renewed, and the operator says so.
    fn reload(&self, server: &Server) {
        let told = match server.reload_certificate() {
            Ok(true) => {
                tracing::info!("certificate and key were read again; new connections get them");
                json!({"event": "certificate_reloaded"})
            }
            Ok(false) => {
                tracing::info!(
                    "SIGHUP: only certificates are read again, and there is none; to read settings, start anew"
                );
                return;
            }
            Err(error) => {
                tracing::error!("{error}; new connections get the old certificate");
                json!({"event": "error", "code": "certificate_refused", "message": error.to_string()})
            }
        };
        if self.json {
            say(&told.to_string());
        }
    }

    fn failed(&self, code: &str, why: &str, exit: u8) -> ExitCode {
        if self.json {
            let line = json!({"event": "error", "code": code, "message": why});
            let _ = writeln!(io::stdout(), "{line}");
        }
        eprintln!("webstar: {why}");
        ExitCode::from(exit)
    }
}

/// Starts the server. Where the key is kept without a word about it, it may do without.
fn bind(mut options: ServerOptions, keeps_key: bool) -> Result<Server, BindError> {
    if !keeps_key {
        options.key_file = place::of_the_key();
        options.key_file.as_deref().inspect(|file| place::prepare(file));
        match Server::bind(options.clone()) {
            Err(BindError::KeyFile { file, source }) => {
                let file = file.display();
                tracing::warn!(
                    "{file}: {source}; no restart will know the players again, unless --key-file names another"
                );
            }
            bound => return bound,
        }
        options.key_file = None;
    }
    Server::bind(options)
}

/// A line on standard output. If nobody reads it, the server is useful all the same.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
