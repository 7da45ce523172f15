//! `webstar discover`: which servers announce themselves on the local network.

use clap::Args;
use futures_lite::future::or;
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use webstar_core::lan::{Announcement, SERVICE};
use webstar_smol::lan::Discovery;

/// Finds servers on the local network: those that were started with --lan.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  webstar discover\n  webstar discover --seconds 5 --json\n\n\
                        Exit codes: 0 looked, 1 cannot listen")]
pub(crate) struct Discover {
    /// How long to look
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The service that they announce
    #[arg(long, value_name = "NAME", default_value = SERVICE)]
    lan_service: String,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
}

impl Discover {
    pub(crate) fn go(self) -> ExitCode {
        let discovery = match Discovery::start(&self.lan_service) {
            Ok(discovery) => discovery,
            Err(error) => {
                eprintln!("webstar: cannot listen for announcements on the UDP ports 8766 to 8775: {error}");
                return ExitCode::FAILURE;
            }
        };
        let mut count = 0;
        let look = async {
            loop {
                let found = discovery.next().await;
                count += 1;
                if self.print(&found).is_err() {
                    // Nobody reads: there is nobody to look for.
                    return;
                }
            }
        };
        let end = async {
            async_io::Timer::after(Duration::from_secs(self.seconds)).await;
        };
        async_io::block_on(or(look, end));
        let _ = self.close(count);
        ExitCode::SUCCESS
    }

    fn print(&self, found: &Announcement) -> io::Result<()> {
        let url = found.url();
        let Announcement { service, ip, port, .. } = found;
        let mut out = io::stdout().lock();
        if self.json {
            let line = json!({"event": "server", "url": url, "service": service, "ip": ip, "port": port});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{url}  join with: webstar join new --server {url}")?;
        }
        out.flush()
    }

    fn close(&self, count: usize) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!({"event": "summary", "servers": count}))
        } else if count == 0 {
            writeln!(out, "no server announces itself; start one with: webstar serve --lan")
        } else {
            Ok(())
        }
    }
}
