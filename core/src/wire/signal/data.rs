//! What guests and players pass to each other through the server.

use super::ValueError;
use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// What guests and players pass to each other through the server. In JSON it is any value, kept as its text. To players
/// a JSON string is its characters, an object of the one field `data_b64` the bytes written there in Base64, and every
/// other value its JSON text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data(Bytes);

/// Bytes that are no text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    data_b64: String,
}

impl Data {
    /// The longest JSON text: with everything around it, it fits into a frame of either encoding.
    pub const MAX: usize = super::MAX_FRAME - 256;
    /// The deepest nesting of arrays and objects: what plain clients can read.
    pub const MAX_DEPTH: usize = 100;

    /// Of a player's bytes: UTF-8 becomes a JSON string, all else an object with `data_b64`. It is not sendable when it
    /// is longer than [`Data::MAX`].
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let json = match core::str::from_utf8(bytes) {
            Ok(text) => serde_json::to_vec(text),
            Err(_) => serde_json::to_vec(&Base64 { data_b64: BASE64.encode(bytes) }),
        };
        Data(json.expect("text is JSON").into())
    }

    /// Of JSON text, as a guest says it.
    pub fn of_json(text: &str) -> Result<Self, ValueError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| ValueError { what: "data", must: "JSON" })?;
        check(raw.get())?;
        Ok(Data(Bytes::copy_from_slice(raw.get().as_bytes())))
    }

    /// As a player gets it.
    pub fn to_bytes(&self) -> Bytes {
        if let Ok(text) = serde_json::from_slice::<String>(&self.0) {
            return text.into_bytes().into();
        }
        let object = if self.0.starts_with(b"{") { serde_json::from_slice::<Base64>(&self.0).ok() } else { None };
        match object.and_then(|object| BASE64.decode(object.data_b64.as_bytes()).ok()) {
            Some(bytes) => bytes.into(),
            None => self.0.clone(),
        }
    }

    /// The JSON text.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }

    /// Whether it fits into a frame.
    pub fn is_sendable(&self) -> bool {
        self.0.len() <= Data::MAX
    }
}

fn check(json: &str) -> Result<(), ValueError> {
    if json.len() > Data::MAX {
        return Err(ValueError { what: "data", must: "at most 65280 bytes of JSON" });
    }
    if depth(json) > Data::MAX_DEPTH {
        return Err(ValueError { what: "data", must: "nested at most 100 deep" });
    }
    Ok(())
}

/// How deep arrays and objects are nested in well-formed JSON.
fn depth(json: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_text => now -= 1,
            _ => {}
        }
    }
    most
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = core::str::from_utf8(&self.0).expect("data is JSON text");
        if serializer.is_human_readable() {
            let raw: &RawValue = serde_json::from_str(text).expect("data is JSON text");
            raw.serialize(serializer)
        } else {
            serializer.serialize_str(text)
        }
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            check(raw.get()).map_err(D::Error::custom)?;
            Ok(Data(Box::<str>::from(raw).into_string().into_bytes().into()))
        } else {
            let text = <&'de str>::deserialize(deserializer)?;
            Data::of_json(text).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_get_back_what_players_gave() {
        fn round_trip(bytes: Vec<u8>) -> bool {
            let bytes = Bytes::from(bytes);
            Data::of_bytes(&bytes).to_bytes() == bytes
        }
        quickcheck::quickcheck(round_trip as fn(Vec<u8>) -> bool);
        for text in ["", "{}", "{\"data_b64\":\"AAAA\"}", "\u{0}\"\\", "ä☃"] {
            assert!(round_trip(text.into()), "{text}");
        }
    }

    #[test]
    fn the_table_of_data() {
        let table: [(&str, &[u8]); 10] = [
            (r#""hi""#, b"hi"),
            (r#""a\nb\u0041""#, b"a\nbA"),
            ("null", b"null"),
            (" [1, 2] ", b"[1, 2]"),
            (r#"{"x":1}"#, br#"{"x":1}"#),
            (r#"{"data_b64":"/wA="}"#, &[0xff, 0]),
            (r#"{ "data_b64" : "" }"#, b""),
            (r#"{"data_b64":"/wA"}"#, br#"{"data_b64":"/wA"}"#),
            (r#"{"data_b64":"/wA=","x":1}"#, br#"{"data_b64":"/wA=","x":1}"#),
            (r#"["/wA="]"#, br#"["/wA="]"#),
        ];
        for (json, bytes) in table {
            assert_eq!(Data::of_json(json).unwrap().to_bytes(), bytes, "{json}");
        }
        assert_eq!(Data::of_bytes(&[0xff, 0]).as_json(), br#"{"data_b64":"/wA="}"#);
    }

    #[test]
    fn what_is_no_data() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Data::of_json(&nested(100)).is_ok());
        assert!(Data::of_json(&nested(101)).is_err());
        assert!(Data::of_json(&format!("\"{}\\\"{}\"", "[".repeat(200), "{".repeat(200))).is_ok());
        assert!(Data::of_json(&"1".repeat(Data::MAX)).is_ok());
        assert!(Data::of_json(&"1".repeat(Data::MAX + 1)).is_err());
        for text in ["", "x", "1 2", "{\"a\":}"] {
            assert_eq!(Data::of_json(text).unwrap_err().to_string(), "data must be JSON", "{text}");
        }
        assert!(Data::of_bytes(&[b'a'; Data::MAX - 2]).is_sendable());
        assert!(!Data::of_bytes(&[b'a'; Data::MAX - 1]).is_sendable());
    }
}
