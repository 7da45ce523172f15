//! The pages of the one port: what people, probes and collectors read.

use super::head::Request;
use super::house::House;
use super::metrics::{self, Sockets};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;
use url::form_urlencoded;
use webstar_core::server::ServerStats;
use webstar_core::wire::signal::{Filter, Listing, Metadata};

/// The most lobbies in one answer.
const MAX_LISTED: usize = 200;
/// What the page may do: load its own style and program, and ask this server. Nothing in it is made of what others say
/// except as text, nothing frames it, and nothing of it goes elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                           trusted-types 'none'";
/// What all other answers may do: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// All that is answered to GET and HEAD.
pub(super) const PATHS: &[&str] =
    &["/", "/status.css", "/status.js", "/healthz", "/readyz", "/metrics", "/api/lobbies", "/api/status", "/api/trend"];

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    kind: &'static str,
    policy: &'static str,
    extra: Vec<(&'static str, Cow<'static, str>)>,
    body: String,
}

/// The server as its operator sees it. The first six fields are those of the original design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// It serves.
    pub server_running: bool,
    /// On this port.
    pub server_port: u16,
    /// Connections open now.
    pub connected_clients: u64,
    /// It can be found in the local network.
    pub discovery_enabled: bool,
    /// It is being announced there.
    pub discovery_active: bool,
    /// The address that others in the local network reach it by. Over HTTP nobody else is told.
    pub local_ip: Option<IpAddr>,
    /// Where clients connect. If the operator has not said it, over HTTP only the local network is told.
    pub url: Option<String>,
    /// The release.
    pub version: &'static str,
    /// For how long it has run.
    pub uptime_s: u64,
    /// How many threads serve.
    pub shards: usize,
    /// Lobbies now.
    pub lobbies: u64,
    /// Players in them.
    pub players: u64,
    /// Relayed messages so far.
    pub relayed: u64,
    /// Steps of WebRTC negotiations passed on so far.
    pub signals: u64,
    /// Bytes from clients so far.
    pub bytes_in: u64,
    /// Bytes to clients so far.
    pub bytes_out: u64,
    /// Bytes that wait for slow receivers now.
    pub queued_bytes: u64,
    /// Relayed messages dropped so far.
    pub dropped: u64,
    /// Requests refused so far.
    pub refused: u64,
    /// Joins so far.
    pub joins: u64,
    /// Resumes so far.
    pub resumes: u64,
    /// Hosts replaced so far.
    pub host_changes: u64,
    /// Those by cause.
    pub host_changes_by: BTreeMap<String, u64>,
}

impl Response {
    fn new(status: u16, kind: &'static str, body: String) -> Self {
        Response { status, kind, policy: POLICY, extra: Vec::new(), body }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Response::new(status, "text/plain; charset=utf-8", body.into())
    }

    fn json(value: &impl Serialize) -> Self {
        let body = serde_json::to_string(value).expect("plain values have a JSON form");
        Response::new(200, "application/json", body + "\n")
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.extra.push((name, value.into()));
        self
    }

    /// As it is sent; the connection is closed behind it.
    pub(super) fn bytes(&self, is_head: bool) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            204 => "No Content",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let mut text = format!(
            "HTTP/1.1 {} {reason}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: {}\r\n",
            self.status, self.policy
        );
        // What has no content does not tell its length (RFC 9110, section 8.6).
        if self.status != 204 {
            let _ = write!(text, "Content-Type: {}\r\nContent-Length: {}\r\n", self.kind, self.body.len());
        }
        for (name, value) in &self.extra {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text += "\r\n";
        if !is_head {
            text += &self.body;
        }
        text.into_bytes()
    }
}

/// Answers a request for anything but a WebSocket.
///
/// Who asks from the same network is told the addresses of the server itself; nobody is told those of others.
pub(super) async fn page(house: &House, request: &Request, is_local: bool) -> Response {
    if PATHS.contains(&request.path.as_str()) && !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::text(405, "only GET and HEAD are answered here\n").with("Allow", "GET, HEAD");
    }
    match request.path.as_str() {
        "/" => {
            let page = Response::new(200, "text/html; charset=utf-8", include_str!("page/page.html").into());
            Response { policy: PAGE_POLICY, ..page }
        }
        "/status.css" => Response::new(200, "text/css; charset=utf-8", include_str!("page/status.css").into()),
        "/status.js" => Response::new(200, "text/javascript; charset=utf-8", include_str!("page/status.js").into()),
        "/healthz" => Response::text(200, "ok\n"),
        "/readyz" if house.is_leaving.load(Ordering::Relaxed) => Response::text(503, "shutting down\n"),
        "/readyz" => Response::text(200, "ready\n"),
        "/metrics" => {
            let sockets = Sockets { newcomers: house.newcomers(), closing: house.ending().await };
            let text = metrics::text(&house.stats().await, &house.counters, sockets, house.started.elapsed());
            Response::new(200, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        "/api/status" => {
            let mut status = status(house, &house.stats().await);
            if !is_local {
                status.local_ip = None;
                status.url = status.url.filter(|_| house.is_url_given);
            }
            Response::json(&status)
        }
        "/api/trend" => Response::json(&*house.trend()),
        "/api/lobbies" => match filter(&request.query) {
            Ok(filter) => {
                #[derive(Serialize)]
                struct Lobbies {
                    lobbies: Vec<Listing>,
                }
                Response::json(&Lobbies { lobbies: house.directory().list(&filter, MAX_LISTED) })
            }
            Err(wrong) => Response::text(400, &wrong),
        },
        _ => Response::text(404, &format!("there is: /ws /relay {}\n", PATHS.join(" "))),
    }
}

/// The server as its operator sees it.
pub(super) fn status(house: &House, stats: &ServerStats) -> Status {
    Status {
        server_running: !house.is_leaving.load(Ordering::Relaxed),
        server_port: house.local.port(),
        connected_clients: stats.connections,
        discovery_enabled: false,
        discovery_active: false,
        local_ip: Some(local_ip(house.local.ip())),
        url: Some(house.url.clone()),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: house.started.elapsed().as_secs(),
        shards: house.shards.len(),
        lobbies: stats.lobbies,
        players: stats.players,
        relayed: stats.relayed,
        signals: stats.signals,
        bytes_in: stats.bytes_in,
        bytes_out: stats.bytes_out,
        queued_bytes: stats.queued_bytes,
        dropped: stats.dropped.values().sum(),
        refused: stats.refused.values().sum(),
        joins: stats.joins,
        resumes: stats.resumes,
        host_changes: stats.host_changes,
        host_changes_by: stats.host_changes_by.clone(),
    }
}

/// The address it listens on; if that is all of them, the one that faces the rest of the network.
fn local_ip(listening: IpAddr) -> IpAddr {
    if !listening.is_unspecified() {
        return listening;
    }
    // Connecting a UDP socket sends nothing; it only asks the system which way it would take.
    let facing = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    facing().unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// `where=key=value` (several), `skill=low..high`, `free=places`, `waiting`, `open`.
fn filter(query: &str) -> Result<Filter, String> {
    let mut filter = Filter::default();
    let mut equal = std::collections::BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "where" => {
                let (key, wanted) = value.split_once('=').ok_or("`where` must be key=value\n")?;
                equal.insert(key.into(), wanted.into());
            }
            "skill" => {
                let span = value.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
                let is_good = |&(low, high): &(f64, f64)| low.is_finite() && high.is_finite() && low <= high;
                filter.skill = Some(span.filter(is_good).ok_or("`skill` must be low..high, two numbers\n")?);
            }
            "free" => filter.free_places = value.parse().map_err(|_| "`free` must be a number of places\n")?,
            "waiting" => filter.waiting_only = true,
            "open" => filter.open_only = true,
            _ => return Err("the query may have where=key=value, skill=low..high, free=n, waiting, open\n".into()),
        }
    }
    filter.equal = Metadata::new(equal).map_err(|error| format!("{error}\n"))?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_filter() {
        let read = filter("where=region=eu&where=mode=a%26b%3D&skill=10..20.5&free=2&waiting=1&open").unwrap();
        let equal = [("region", "eu"), ("mode", "a&b=")].map(|(key, value)| (key.into(), value.into()));
        let expected = Filter {
            equal: Metadata::new(equal.into()).unwrap(),
            skill: Some((10.0, 20.5)),
            free_places: 2,
            waiting_only: true,
            open_only: true,
        };
        assert_eq!(read, expected);
        assert_eq!(filter("").unwrap(), Filter::default());
        for wrong in ["where=region", "skill=3", "skill=3..2", "skill=nan..1", "free=-1", "other=1"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
