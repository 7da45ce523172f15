//! Which words of a player's world are secret, and the placeholders that take their places: the same for the same secret,
//! wherever it stands. Keeps no secret, only what tells one from another.

use crate::wire::signal::{Candidate, ClientMessage, IceServer, Restore, RtcSignal, Sealed, Secret, ServerMessage};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The secrets met so far, by their hashes, with the numbers of their placeholders.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    numbers: BTreeMap<[u8; 32], usize>,
}

impl Secrets {
    fn placeholder(&mut self, secret: &[u8]) -> String {
        let next = self.numbers.len() + 1;
        format!("secret-{}", self.numbers.entry(Sha256::digest(secret).into()).or_insert(next))
    }

    /// As long as the secret.
    fn padded(&mut self, secret: &[u8]) -> String {
        let mut placeholder = self.placeholder(secret);
        placeholder.truncate(secret.len());
        placeholder.extend(std::iter::repeat_n('-', secret.len() - placeholder.len()));
        placeholder
    }

    /// A secret that somebody else has chosen.
    pub(super) fn hide(&mut self, secret: &mut Secret) {
        // What is as long as a secret is one.
        *secret = Secret::new(self.padded(secret.as_str().as_bytes())).unwrap_or_else(|_| secret.clone());
    }

    /// A secret that our own people have chosen: not even its length is told. It is said on the way into a lobby only, when
    /// nothing else is counted.
    pub(super) fn hide_own(&mut self, secret: &mut Option<Secret>) {
        *secret = secret.take().and_then(|secret| Secret::new(self.placeholder(secret.as_str().as_bytes())).ok());
    }

    fn hide_sealed(&mut self, sealed: &mut Sealed) {
        let placeholder = Bytes::from(self.padded(sealed.bytes()));
        *sealed = Sealed::new(placeholder).unwrap_or_else(|| sealed.clone());
    }

    fn hide_restore(&mut self, restore: Option<&mut Restore>) {
        if let Some(restore) = restore {
            self.hide_sealed(&mut restore.sealed);
        }
    }

    /// All that is said in a step of a negotiation: passwords and addresses, and the machine that is recorded reads none of
    /// it.
    pub(super) fn hide_signal(&mut self, signal: &mut RtcSignal) {
        match signal {
            RtcSignal::Offer { sdp } | RtcSignal::Answer { sdp } => self.hide_text(sdp),
            RtcSignal::IceCandidate { candidate } => {
                let Candidate { candidate, sdp_mid, sdp_m_line_index: _, username_fragment } = candidate;
                self.hide_text(candidate);
                [sdp_mid, username_fragment].into_iter().flatten().for_each(|text| self.hide_text(text));
            }
        }
    }

    /// What is shown to TURN servers. Who shows it, and where, is no secret.
    pub(super) fn hide_credentials(&mut self, servers: &mut [IceServer]) {
        servers.iter_mut().filter_map(|server| server.credential.as_mut()).for_each(|credential| self.hide(credential));
    }

    fn hide_text(&mut self, text: &mut String) {
        *text = self.padded(text.as_bytes());
    }

    /// The secrets in what a player says to a server. False: there can be none.
    pub(super) fn hide_in_client(&mut self, message: &mut ClientMessage) -> bool {
        match message {
            ClientMessage::JoinLobby(join) => {
                self.hide_own(&mut join.password);
                self.hide_own(&mut join.admission);
            }
            ClientMessage::QuickJoin(join) => self.hide_own(&mut join.admission),
            ClientMessage::Resume(resume) => {
                self.hide(&mut resume.token);
                self.hide_restore(resume.restore.as_deref_mut());
            }
            ClientMessage::JoinRelay(join) => self.hide(&mut join.token),
            ClientMessage::WebrtcSignal(told) => self.hide_signal(&mut told.signal),
            ClientMessage::Hello(_)
            | ClientMessage::LeaveLobby
            | ClientMessage::ListLobbies(_)
            | ClientMessage::PeerId(_)
            | ClientMessage::Ready(_)
            | ClientMessage::StartGame(_)
            | ClientMessage::Lock(_)
            | ClientMessage::Kick(_)
            | ClientMessage::Ban(_)
            | ClientMessage::SetMetadata(_)
            | ClientMessage::SetHidden(_)
            | ClientMessage::RequestHostMigration(_)
            | ClientMessage::RelayData(_)
            | ClientMessage::BroadcastData(_)
            | ClientMessage::Ping(_)
            | ClientMessage::InForce(_)
            | ClientMessage::Grant(_)
            | ClientMessage::Unheard(_)
            | ClientMessage::Heard(_) => return false,
        }
        true
    }

    /// The secrets in what a server says. False: there can be none.
    pub(super) fn hide_in_server(&mut self, message: &mut ServerMessage) -> bool {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                [&mut joined.token, &mut joined.relay_token].into_iter().flatten().for_each(|token| self.hide(token));
            }
            ServerMessage::IceServers(told) => self.hide_credentials(&mut told.servers),
            ServerMessage::Sealed(record) => self.hide_sealed(&mut record.sealed),
            ServerMessage::WebrtcSignal(told) => self.hide_signal(&mut told.signal),
            ServerMessage::Welcome(_)
            | ServerMessage::PlayerListUpdated(_)
            | ServerMessage::HostMigration(_)
            | ServerMessage::LobbyChanged(_)
            | ServerMessage::GameStarted(_)
            | ServerMessage::LobbyList(_)
            | ServerMessage::PeerId(_)
            | ServerMessage::RelayData(_)
            | ServerMessage::BroadcastData(_)
            | ServerMessage::RelayJoined
            | ServerMessage::LobbyLeft
            | ServerMessage::Kicked(_)
            | ServerMessage::Redirect(_)
            | ServerMessage::Closing(_)
            | ServerMessage::Pong(_)
            | ServerMessage::Done(_)
            | ServerMessage::Error(_)
            | ServerMessage::ProposeView(_)
            | ServerMessage::Granted(_)
            | ServerMessage::ViewInForce(_)
            | ServerMessage::AskHeard(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    #[test]
    fn the_same_secret_has_the_same_placeholder_of_its_length() {
        let mut secrets = Secrets::default();
        let mut hidden = |text: &str| {
            let mut word = secret(text);
            secrets.hide(&mut word);
            word.as_str().to_owned()
        };
        assert_eq!(hidden("the first of them"), "secret-1---------");
        assert_eq!(hidden("another"), "secret-");
        assert_eq!(hidden("the first of them"), "secret-1---------");
        assert_eq!(hidden(""), "");
    }

    #[test]
    fn of_our_own_secrets_not_even_the_length_is_told() {
        let mut secrets = Secrets::default();
        for (text, expected) in [("x", "secret-1"), ("a long and careful password", "secret-2"), ("x", "secret-1")] {
            let mut word = Some(secret(text));
            secrets.hide_own(&mut word);
            assert_eq!(word, Some(secret(expected)));
        }
    }

    #[test]
    fn the_credential_of_a_turn_server_is_a_secret() {
        let server = |word| IceServer {
            urls: "turn:192.0.2.1".into(),
            username: Some("1700000000:ann".into()),
            credential: Some(secret(word)),
        };
        let mut servers = vec![server("hush hush")];
        Secrets::default().hide_credentials(&mut servers);
        assert_eq!(servers, [server("secret-1-")]);
    }

    #[test]
    fn nothing_of_a_negotiation_is_left_but_its_length() {
        let mut secrets = Secrets::default();
        let mut offer = RtcSignal::Offer { sdp: "v=0\r\na=ice-pwd:0123456789abcdefghijkl\r\n".into() };
        secrets.hide_signal(&mut offer);
        assert_eq!(offer, RtcSignal::Offer { sdp: "secret-1-------------------------------".into() });
        let mut way = RtcSignal::IceCandidate {
            candidate: Candidate {
                candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host".into(),
                sdp_mid: Some("0".into()),
                sdp_m_line_index: Some(0),
                username_fragment: None,
            },
        };
        secrets.hide_signal(&mut way);
        assert!(!format!("{way:?}").contains("192.0.2.1"), "{way:?}");
    }
}
