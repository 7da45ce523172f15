//! From frames to messages and back.
//!
//! JSON is read in two steps, first the `type` and then the fields of that type from the same text, so that nothing is
//! buffered and [`super::Data`] keeps its text.

use super::{ClientMessage, Encoding, Frame, MAX_FRAME, SIGNAL_TAG, ServerMessage, SignalError};
use core::str;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use std::borrow::Cow;

/// The longest sentence about what is wrong with a frame: it may quote the frame.
const MAX_COMPLAINT: usize = 240;

/// Room for most messages, taken at once.
const USUAL_FRAME: usize = 128;

/// Reads what a client says.
pub fn decode_client(encoding: Encoding, frame: &Frame) -> Result<ClientMessage, SignalError> {
    decode(encoding, frame)
}

/// Reads what the server says.
pub fn decode_server(encoding: Encoding, frame: &Frame) -> Result<ServerMessage, SignalError> {
    decode(encoding, frame)
}

/// Writes what a client says.
pub fn encode_client(encoding: Encoding, message: &ClientMessage) -> Frame {
    encode(encoding, message)
}

/// Writes what the server says.
pub fn encode_server(encoding: Encoding, message: &ServerMessage) -> Frame {
    encode(encoding, message)
}

/// One side's vocabulary.
trait Vocabulary: Serialize + DeserializeOwned {
    /// Every `type`.
    const TYPES: &'static [&'static str];
    /// Reads the fields of a type; none if there is no such type.
    fn of_fields(name: &str, text: &str) -> serde_json::Result<Option<Self>>;
    /// The `type`.
    fn name(&self) -> &'static str;
    /// Writes the fields as an object; nothing if the type has none.
    fn write_fields(&self, out: &mut Vec<u8>);
}

/// Lists the messages of one side: `"type" => Variant(fields)`.
macro_rules! vocabulary {
    ($message:ident { $($name:literal => $variant:ident $(($fields:ident))?,)* }) => {
        impl Vocabulary for $message {
            const TYPES: &'static [&'static str] = &[$($name),*];

            fn of_fields(name: &str, text: &str) -> serde_json::Result<Option<Self>> {
                Ok(match name {
                    $($name => {
                        $(let $fields = serde_json::from_str(text)?;)?
                        Some($message::$variant $(($fields))?)
                    })*
                    _ => None,
                })
            }

            fn name(&self) -> &'static str {
                match self {
                    $($message::$variant { .. } => $name,)*
                }
            }

            fn write_fields(&self, out: &mut Vec<u8>) {
                match self {
                    $($message::$variant $(($fields))? => {
                        $(serde_json::to_writer(&mut *out, $fields).expect("messages have text for keys");)?
                    })*
                }
            }
        }

        impl $message {
            /// Every `type` that there is in JSON.
            pub const TYPES: &'static [&'static str] = <$message as Vocabulary>::TYPES;

            /// The `type` of this message in JSON.
            pub fn name(&self) -> &'static str {
                Vocabulary::name(self)
            }
        }
    };
}

vocabulary!(ClientMessage {
    "hello" => Hello(fields),
    "join_lobby" => JoinLobby(fields),
    "quick_join" => QuickJoin(fields),
    "resume" => Resume(fields),
    "leave_lobby" => LeaveLobby,
    "list_lobbies" => ListLobbies(fields),
    "peer_id" => PeerId(fields),
    "ready" => Ready(fields),
    "start_game" => StartGame(fields),
    "lock" => Lock(fields),
    "kick" => Kick(fields),
    "ban" => Ban(fields),
    "set_metadata" => SetMetadata(fields),
    "set_hidden" => SetHidden(fields),
    "webrtc_signal" => WebrtcSignal(fields),
    "request_host_migration" => RequestHostMigration(fields),
    "join_relay" => JoinRelay(fields),
    "relay_data" => RelayData(fields),
    "broadcast_data" => BroadcastData(fields),
    "ping" => Ping(fields),
    "in_force" => InForce(fields),
    "grant" => Grant(fields),
    "unheard" => Unheard(fields),
    "heard" => Heard(fields),
});

vocabulary!(ServerMessage {
    "welcome" => Welcome(fields),
    "lobby_joined" => LobbyJoined(fields),
    "player_list_updated" => PlayerListUpdated(fields),
    "host_migration" => HostMigration(fields),
    "lobby_changed" => LobbyChanged(fields),
    "game_started" => GameStarted(fields),
    "lobby_list" => LobbyList(fields),
    "peer_id" => PeerId(fields),
    "webrtc_signal" => WebrtcSignal(fields),
    "relay_data" => RelayData(fields),
    "broadcast_data" => BroadcastData(fields),
    "relay_joined" => RelayJoined,
    "lobby_left" => LobbyLeft,
    "kicked" => Kicked(fields),
    "redirect" => Redirect(fields),
    "closing" => Closing(fields),
    "pong" => Pong(fields),
    "done" => Done(fields),
    "error" => Error(fields),
    "propose_view" => ProposeView(fields),
    "granted" => Granted(fields),
    "view_in_force" => ViewInForce(fields),
    "ask_heard" => AskHeard(fields),
    "sealed" => Sealed(fields),
    "ice_servers" => IceServers(fields),
});

fn decode<M: Vocabulary>(encoding: Encoding, frame: &Frame) -> Result<M, SignalError> {
    let length = frame.bytes().len();
    if length > MAX_FRAME {
        return Err(SignalError::TooLong(length));
    }
    match (encoding, frame) {
        (Encoding::Json, Frame::Text(bytes)) => decode_json(bytes),
        (Encoding::Postcard, Frame::Binary(bytes)) => decode_postcard(bytes),
        (Encoding::Json, Frame::Binary(_)) | (Encoding::Postcard, Frame::Text(_)) => Err(SignalError::WrongEncoding),
    }
}

fn decode_json<M: Vocabulary>(bytes: &[u8]) -> Result<M, SignalError> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        name: Cow<'a, str>,
    }
    let text = str::from_utf8(bytes).map_err(|_| complaint("the text is not UTF-8".into()))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let head = Head::deserialize(&mut reader).and_then(|head| reader.end().map(|()| head)).map_err(|error| {
        complaint(format!("a message is a JSON object with a `type`, like {{\"type\":\"ping\"}}: {error}"))
    })?;
    match M::of_fields(&head.name, text) {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(unknown_type::<M>(&head.name)),
        Err(error) => Err(complaint(format!("`{}`: {error}", head.name))),
    }
}

fn unknown_type<M: Vocabulary>(name: &str) -> SignalError {
    let short = &name[..name.floor_char_boundary(40)];
    SignalError::Json(format!("there is no type `{}`; the types are {}", short.escape_debug(), M::TYPES.join(", ")))
}

fn complaint(mut text: String) -> SignalError {
    text.truncate(text.floor_char_boundary(MAX_COMPLAINT));
    SignalError::Json(text)
}

fn decode_postcard<M: Vocabulary>(bytes: &[u8]) -> Result<M, SignalError> {
    let (&tag, message) = bytes.split_first().ok_or(SignalError::Postcard)?;
    if tag != SIGNAL_TAG {
        return Err(SignalError::WrongEncoding);
    }
    match postcard::take_from_bytes(message) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(SignalError::Postcard),
    }
}

fn encode<M: Vocabulary>(encoding: Encoding, message: &M) -> Frame {
    let mut out = Vec::with_capacity(USUAL_FRAME);
    match encoding {
        Encoding::Json => {
            write_json(message, &mut out);
            Frame::Text(out.into())
        }
        Encoding::Postcard => {
            out.push(SIGNAL_TAG);
            let out = postcard::to_extend(message, out).expect("a vector takes all, and lists know their lengths");
            Frame::Binary(out.into())
        }
    }
}

/// One object: the `type`, and behind it the fields, whose opening brace becomes the comma.
fn write_json<M: Vocabulary>(message: &M, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(message.name().as_bytes());
    out.push(b'"');
    let brace = out.len();
    message.write_fields(out);
    match out.get_mut(brace) {
        Some(byte) => *byte = b',',
        None => out.push(b'}'),
    }
}
