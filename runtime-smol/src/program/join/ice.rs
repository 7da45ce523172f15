//! The servers that help to find ways, from the command line.

use super::settings::secret;
use webstar_core::path::webrtc::{Credentials, IceUrl, IceUrlError};
use webstar_smol::client::HelpServer;

/// What the command line says of a TURN server.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) url: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) password_env: Option<&'a str>,
}

/// The servers, or a sentence that says what is wrong.
pub(super) fn servers(stun: &[String], turn: Turn<'_>) -> Result<Vec<HelpServer>, String> {
    let mut servers = Vec::new();
    for text in stun {
        let url = url("--stun", text)?;
        if url.transport.is_some() {
            return Err(format!("--stun: `{text}` is a TURN server; name it with --turn"));
        }
        servers.push(HelpServer { url, credentials: None });
    }
    let Some(text) = turn.url else { return Ok(servers) };
    let url = url("--turn", text)?;
    if url.transport.is_none() {
        return Err(format!("--turn: `{text}` is a STUN server; name it with --stun"));
    }
    let credentials = match (turn.user, secret("--turn-password-env", turn.password_env)?) {
        (Some(user), Some(password)) => Credentials { user: user.into(), password },
        _ => return Err("--turn: the server wants to know who we are: add --turn-user and --turn-password-env".into()),
    };
    servers.push(HelpServer { url, credentials: Some(credentials) });
    Ok(servers)
}

fn url(flag: &str, text: &str) -> Result<IceUrl, String> {
    IceUrl::parse(text).map_err(|error: IceUrlError| format!("{flag}: `{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(url: &str) -> Turn<'_> {
        Turn { url: Some(url), user: Some("ann"), password_env: Some("PATH") }
    }

    #[test]
    fn what_is_named_is_asked() {
        let found = servers(&["stun:a".into(), "stun:b:7".into()], turn("turn:c")).unwrap();
        let told: Vec<_> = found.iter().map(|server| (server.url.host.as_str(), server.url.port)).collect();
        assert_eq!(told, [("a", 3_478), ("b", 7), ("c", 3_478)]);
        assert_eq!(found[2].credentials.as_ref().map(|known| known.user.as_str()), Some("ann"));
        let none = Turn { url: None, user: None, password_env: None };
        assert_eq!(servers(&[], none), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let none = Turn { url: None, user: None, password_env: None };
        let table = [
            (vec!["turn:a".into()], none, "name it with --turn"),
            (vec!["a".into()], none, "begins with `stun:`"),
            (vec![], turn("stun:a"), "name it with --stun"),
            (vec![], Turn { user: None, ..turn("turn:a") }, "add --turn-user"),
            (vec![], Turn { password_env: None, ..turn("turn:a") }, "--turn-password-env"),
        ];
        for (stun, turn, words) in table {
            let why = servers(&stun, turn).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
