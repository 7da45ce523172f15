//! The steps of a WebRTC negotiation, in the fields that browsers use.

use super::{bounded, whole};
use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A step of a WebRTC negotiation. In JSON `{"type":"offer","sdp":..}`, `{"type":"answer","sdp":..}` or
/// `{"type":"ice_candidate","candidate":{..}}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum RtcSignal {
    /// A session description that offers.
    Offer {
        /// The description.
        #[serde(deserialize_with = "description")]
        sdp: String,
    },
    /// A session description that answers.
    Answer {
        /// The description.
        #[serde(deserialize_with = "description")]
        sdp: String,
    },
    /// One more way to reach the sender.
    IceCandidate {
        /// The way.
        candidate: Candidate,
    },
}

/// An ICE candidate as browsers write it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The candidate line; at most 1,024 bytes.
    #[serde(deserialize_with = "bounded::text::<1024, _>")]
    pub candidate: String,
    /// The media section it belongs to, by name; at most 256 bytes.
    #[serde(rename = "sdpMid", default, deserialize_with = "bounded::optional_text::<256, _>")]
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by place.
    #[serde(rename = "sdpMLineIndex", default, deserialize_with = "place")]
    pub sdp_m_line_index: Option<u16>,
    /// The user name fragment of its negotiation; at most 256 bytes.
    #[serde(rename = "usernameFragment", default, deserialize_with = "bounded::optional_text::<256, _>")]
    pub username_fragment: Option<String>,
}

/// What [`RtcSignal`] may have in JSON.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    step: Step,
    #[serde(default)]
    sdp: Option<Description>,
    #[serde(default)]
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Offer,
    Answer,
    IceCandidate,
}

#[derive(Deserialize)]
struct Description(#[serde(deserialize_with = "description")] String);

impl RtcSignal {
    /// The most bytes of a session description: with every line end escaped it fits into a frame.
    pub const MAX_SDP: usize = 32_000;
}

/// A place, or none.
fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    struct Place(#[serde(deserialize_with = "whole::number")] u16);
    Ok(Option::<Place>::deserialize(deserializer)?.map(|place| place.0))
}

/// A session description: bounded, and no longer than twice in JSON.
fn description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = bounded::text::<{ RtcSignal::MAX_SDP }, D>(deserializer)?;
    if text.bytes().all(|byte| byte >= b' ' || matches!(byte, b'\r' | b'\n' | b'\t')) {
        Ok(text)
    } else {
        Err(D::Error::custom("a session description with control characters"))
    }
}

impl Serialize for RtcSignal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return RtcSignal::serialize(self, serializer);
        }
        let mut object = serializer.serialize_struct("RtcSignal", 2)?;
        match self {
            RtcSignal::Offer { sdp } => {
                object.serialize_field("type", "offer")?;
                object.serialize_field("sdp", sdp)?;
            }
            RtcSignal::Answer { sdp } => {
                object.serialize_field("type", "answer")?;
                object.serialize_field("sdp", sdp)?;
            }
            RtcSignal::IceCandidate { candidate } => {
                object.serialize_field("type", "ice_candidate")?;
                object.serialize_field("candidate", candidate)?;
            }
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for RtcSignal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return RtcSignal::deserialize(deserializer);
        }
        let Fields { step, sdp, candidate } = Fields::deserialize(deserializer)?;
        let sdp = sdp.map(|sdp| sdp.0).ok_or_else(|| D::Error::missing_field("sdp"));
        Ok(match step {
            Step::Offer => RtcSignal::Offer { sdp: sdp? },
            Step::Answer => RtcSignal::Answer { sdp: sdp? },
            Step::IceCandidate => {
                RtcSignal::IceCandidate { candidate: candidate.ok_or_else(|| D::Error::missing_field("candidate"))? }
            }
        })
    }
}
