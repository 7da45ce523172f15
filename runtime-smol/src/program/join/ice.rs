//! The servers that help to find ways, from the command line.

use super::settings::secret;
use webstar_core::path::webrtc::{Credentials, IceUrl, IceUrlError};
use webstar_smol::client::HelpServer;

/// What the command line says of TURN servers.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) urls: &'a [String],
    pub(super) user: Option<&'a str>,
    pub(super) password_env: Option<&'a str>,
}

/// The servers, or a sentence that says what is wrong.
pub(super) fn servers(stun_urls: &[String], turn: Turn<'_>) -> Result<Vec<HelpServer>, String> {
    let mut servers = Vec::new();
    for text in stun_urls {
        servers.push(HelpServer { url: stun(text)?, credentials: None });
    }
    let urls = turn.urls.iter().map(|text| turn_server(text)).collect::<Result<Vec<_>, _>>()?;
    if urls.is_empty() {
        return Ok(servers);
    }
    let credentials = match (turn.user, secret("--turn-password-env", turn.password_env)?) {
        (Some(user), Some(password)) => Credentials { user: user.into(), password },
        _ => return Err("--turn: the server wants to know who we are: add --turn-user and --turn-password-env".into()),
    };
    servers.extend(urls.into_iter().map(|url| HelpServer { url, credentials: Some(credentials.clone()) }));
    Ok(servers)
}

/// The URL of a STUN server.
pub(crate) fn stun(text: &str) -> Result<IceUrl, String> {
    let url = url("--stun", text)?;
    let is_stun = url.transport.is_none();
    is_stun.then_some(url).ok_or_else(|| format!("--stun: `{text}` is a TURN server; name it with --turn"))
}

/// The URL of a TURN server.
pub(crate) fn turn_server(text: &str) -> Result<IceUrl, String> {
    let url = url("--turn", text)?;
    let is_turn = url.transport.is_some();
    is_turn.then_some(url).ok_or_else(|| format!("--turn: `{text}` is a STUN server; name it with --stun"))
}

fn url(flag: &str, text: &str) -> Result<IceUrl, String> {
    IceUrl::parse(text).map_err(|error: IceUrlError| format!("{flag}: `{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    fn turn(urls: &[String]) -> Turn<'_> {
        Turn { urls, user: Some("ann"), password_env: Some("PATH") }
    }

    #[test]
    fn what_is_named_is_asked() {
        let named = urls(&["turn:c", "turn:c?transport=tcp", "turns:c:443"]);
        let found = servers(&urls(&["stun:a", "stun:b:7"]), turn(&named)).unwrap();
        let told: Vec<_> = found.iter().map(|server| (server.url.host.as_str(), server.url.port)).collect();
        assert_eq!(told, [("a", 3_478), ("b", 7), ("c", 3_478), ("c", 3_478), ("c", 443)]);
        assert!(found[2..].iter().all(|server| server.credentials.as_ref().is_some_and(|known| known.user == "ann")));
        let none = Turn { urls: &[], user: None, password_env: None };
        assert_eq!(servers(&[], none), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let (a, stun_a, mixed) = (urls(&["turn:a"]), urls(&["stun:a"]), urls(&["turns:a?transport=udp"]));
        let none = Turn { urls: &[], user: None, password_env: None };
        let table = [
            (a.clone(), none, "name it with --turn"),
            (urls(&["a"]), none, "begins with `stun:`"),
            (vec![], turn(&stun_a), "name it with --stun"),
            (vec![], Turn { user: None, ..turn(&stun_a) }, "name it with --stun"),
            (vec![], turn(&mixed), "`tcp` behind `turns:`"),
            (vec![], Turn { user: None, ..turn(&a) }, "add --turn-user"),
            (vec![], Turn { password_env: None, ..turn(&a) }, "--turn-password-env"),
        ];
        for (stun, turn, words) in table {
            let why = servers(&stun, turn).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
