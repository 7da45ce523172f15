//! Which pages may use the server from a browser, and what browsers are told of it (CORS). It concerns the WebSockets
//! and `/api`; the other pages are for those who open them.

use super::head::Request;
use super::pages::{PATHS, Response};
use serde::Deserialize;
use thiserror::Error;

/// For how many seconds a browser need not ask again: Chromium takes no more.
const MAX_AGE: &str = "7200";

/// A page's origin: scheme, host and port, as browsers write it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// This is no origin.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "`{0}` is no origin; write it as browsers do, like https://game.example.org: no path, no / behind, no usual port"
)]
pub struct OriginError(String);

impl TryFrom<String> for Origin {
    type Error = OriginError;
    fn try_from(text: String) -> Result<Self, OriginError> {
        let (scheme, host) = text.split_once("://").unwrap_or_default();
        let usual = match scheme.to_ascii_lowercase().as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => "/",
        };
        let is_strange = |c: char| matches!(c, '/' | '?' | '#' | '@' | ',') || c.is_whitespace();
        let is_origin = !scheme.is_empty() && !host.is_empty() && !host.contains(is_strange) && !host.ends_with(usual);
        if is_origin { Ok(Origin(text)) } else { Err(OriginError(text)) }
    }
}

/// What answers a request instead of a page or a WebSocket: a page of an origin that is not listed, or a browser asks
/// what it may ask.
pub(super) fn answer(allowed: &[Origin], request: &Request) -> Option<Response> {
    let methods = methods(&request.path)?;
    if is_foreign(allowed, request) {
        let text = "pages of this origin may not connect; the operator can add it to `allowed_origins`\n";
        return Some(marked(allowed, request, Response::text(403, text)));
    }
    let answer = (request.method == "OPTIONS").then(|| {
        Response::text(204, "")
            .with("Access-Control-Allow-Methods", methods)
            .with("Access-Control-Allow-Headers", "Accept, Content-Type")
            .with("Access-Control-Max-Age", MAX_AGE)
    });
    Some(marked(allowed, request, answer?))
}

/// The answer with what tells a browser whether the page that asked may read it.
pub(super) fn marked(allowed: &[Origin], request: &Request, response: Response) -> Response {
    if methods(&request.path).is_none() {
        return response;
    }
    if allowed.is_empty() {
        return response.with("Access-Control-Allow-Origin", "*");
    }
    let response = response.with("Vary", "Origin");
    match request.origin.as_deref().and_then(|origin| listed(allowed, origin)) {
        Some(origin) => response.with("Access-Control-Allow-Origin", origin.to_owned()),
        None => response,
    }
}

/// What is asked there with; nothing if pages of other origins have no business there.
fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/ws" | "/relay" => Some("GET"),
        _ if path.starts_with("/api/") && PATHS.contains(&path) => Some("GET, HEAD"),
        _ => None,
    }
}

fn is_foreign(allowed: &[Origin], request: &Request) -> bool {
    !allowed.is_empty() && request.origin.as_deref().is_some_and(|origin| listed(allowed, origin).is_none())
}

/// The origin as the operator has written it. Schemes and names of hosts have no case.
fn listed<'a>(allowed: &'a [Origin], origin: &str) -> Option<&'a str> {
    allowed.iter().map(|Origin(origin)| origin.as_str()).find(|allowed| allowed.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::super::head::Upgrade;
    use super::*;

    const HOME: &str = "https://game.example";

    fn asked(method: &str, path: &str, origin: Option<&str>) -> Request {
        let [method, path] = [method, path].map(String::from);
        let upgrade: Option<Upgrade> = None;
        Request { method, path, query: String::new(), origin: origin.map(Into::into), forwarded_for: vec![], upgrade }
    }

    fn text(response: &Response) -> String {
        String::from_utf8(response.bytes(false)).unwrap()
    }

    #[test]
    fn what_no_browser_writes_is_no_origin() {
        let is_one = |text: &str| Origin::try_from(text.to_owned()).is_ok();
        for text in ["https://game.example", "http://localhost:8080", "http://[::1]:8080", "tauri://localhost"] {
            assert!(is_one(text), "{text}");
        }
        let strange =
            ["", "game.example", "https://", "https://a/", "https://a/b", "https://a:443", "HTTP://a:80", "*"];
        for text in strange {
            assert!(!is_one(text), "{text}");
        }
    }

    #[test]
    fn who_is_not_listed_is_refused_where_it_matters_and_told_nothing() {
        let listed = [Origin(HOME.to_owned())];
        for path in ["/ws", "/relay", "/api/status"] {
            for method in ["GET", "OPTIONS"] {
                let refused = text(&answer(&listed, &asked(method, path, Some("https://other.example"))).unwrap());
                assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("`allowed_origins`"), "{refused}");
                assert!(refused.contains("Vary: Origin\r\n") && !refused.contains("Access-Control"), "{refused}");
            }
            // A program that is no browser, a listed page, and everybody where nothing is listed.
            for (allowed, origin) in
                [(&listed[..], None), (&listed[..], Some(HOME)), (&[][..], Some("https://other.example"))]
            {
                assert!(answer(allowed, &asked("GET", path, origin)).is_none(), "{path} {origin:?}");
            }
        }
        for path in ["/", "/metrics", "/api/nothing"] {
            assert!(answer(&listed, &asked("OPTIONS", path, Some("https://other.example"))).is_none(), "{path}");
        }
    }

    #[test]
    fn a_browser_that_asks_what_it_may_ask_is_told() {
        let listed = [Origin(HOME.to_owned())];
        for (path, methods) in [("/ws", "GET"), ("/api/lobbies", "GET, HEAD")] {
            let told = text(&answer(&listed, &asked("OPTIONS", path, Some("https://GAME.example"))).unwrap());
            assert!(told.starts_with("HTTP/1.1 204 No Content\r\n") && told.ends_with("\r\n\r\n"), "{told}");
            assert!(!told.contains("Content-Length") && !told.contains("Content-Type:"), "{told}");
            for line in [
                &*format!("Access-Control-Allow-Methods: {methods}\r\n"),
                "Access-Control-Allow-Headers: Accept, Content-Type\r\n",
                "Access-Control-Max-Age: 7200\r\n",
                "Access-Control-Allow-Origin: https://game.example\r\n",
                "Vary: Origin\r\n",
            ] {
                assert!(told.contains(line), "{line} {told}");
            }
            let told = text(&answer(&[], &asked("OPTIONS", path, Some(HOME))).unwrap());
            assert!(told.contains("Access-Control-Allow-Origin: *\r\n") && !told.contains("Vary"), "{told}");
        }
    }
}
