//! DTLS and SRTP in plain. The handshake is one round trip, repeated when it gets lost; afterwards both sides have keys
//! that follow from what both have drawn.

use super::record::{self, Content};
use super::seal::{self, seal, stretch};
use crate::seed::Seed;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;
use str0m::config::DtlsCert;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial, ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{
    AeadAes128GcmCipher, CryptoError, CryptoProvider, Sha1HmacProvider, Sha1Provider, Sha256Provider, SrtpProvider,
    SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

/// The first wait for the other side's greeting, doubled with every repetition.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// And no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// Nothing happens by itself for so long.
const NEVER: Duration = Duration::from_secs(24 * 3_600);
/// As long as a real certificate.
const CERTIFICATE: usize = 290;
/// Two keys and two salts.
const KEYS: usize = 56;

/// Everything in plain.
pub(super) fn provider() -> CryptoProvider {
    static PLAIN: Plain = Plain;
    CryptoProvider {
        srtp_provider: &PLAIN,
        sha1_hmac_provider: &PLAIN,
        sha1_provider: &PLAIN,
        sha256_provider: &PLAIN,
        dtls_provider: &PLAIN,
    }
}

/// A player's certificate, which is nothing but a long name.
pub(super) fn certificate(seed: Seed) -> DtlsCert {
    let mut certificate = vec![0; CERTIFICATE];
    seed.stream("certificate").fill(&mut certificate);
    DtlsCert { certificate, private_key: Vec::new() }
}

#[derive(Debug)]
struct Plain;

impl Sha1HmacProvider for Plain {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        stretch(key, payloads)
    }
}

impl Sha1Provider for Plain {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        stretch(&[], &[data])
    }
}

impl Sha256Provider for Plain {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        stretch(&[], &[data])
    }
}

impl SrtpProvider for Plain {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        str0m::crypto::from_feature_flags().srtp_provider.aes_128_cm_sha1_80()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        static PLAIN: Plain = Plain;
        &PLAIN
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        str0m::crypto::from_feature_flags().srtp_provider.aead_aes_256_gcm()
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        output[..seal::LENGTH].copy_from_slice(&seal(key, &[input]));
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        output[..seal::LENGTH].copy_from_slice(&seal(key, &[input]));
    }
}

impl SupportedAeadAes128Gcm for Plain {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Cipher { key })
    }
}

/// Bytes pass through it as they are, and are sealed.
#[derive(Debug)]
struct Cipher {
    key: [u8; 16],
}

impl AeadAes128GcmCipher for Cipher {
    fn encrypt(&mut self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let (plain, tag) = output.split_at_mut(input.len());
        plain.copy_from_slice(input);
        tag[..seal::LENGTH].copy_from_slice(&seal(&self.key, &[iv, aad, input]));
        Ok(())
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let (plain, tag) = input.split_at(input.len() - seal::LENGTH);
        let parts: Vec<&[u8]> = [&iv[..]].into_iter().chain(aads.iter().copied()).chain([plain]).collect();
        if seal(&self.key, &parts) != tag {
            return Err(CryptoError::Other("the seal is broken".into()));
        }
        output[..plain.len()].copy_from_slice(plain);
        Ok(plain.len())
    }
}

impl DtlsProvider for Plain {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        None
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Instance {
            certificate: certificate.certificate.clone(),
            is_active: false,
            drawn: fastrand::u64(..),
            met: None,
            sent: 0,
            now,
            again: None,
            wait: FIRST_WAIT,
            is_closing: false,
            waiting: VecDeque::new(),
        }))
    }
}

/// Something for the connection.
#[derive(Debug)]
enum Out {
    Packet(Vec<u8>),
    Certificate(Vec<u8>),
    Keys([u8; KEYS]),
    Connected,
    Data(Vec<u8>),
    Farewell,
}

/// One end of a connection.
#[derive(Debug)]
struct Instance {
    certificate: Vec<u8>,
    is_active: bool,
    drawn: u64,
    /// What the other side has drawn, and the key of both.
    met: Option<(u64, u64)>,
    sent: u64,
    now: Instant,
    /// When the greeting is repeated.
    again: Option<Instant>,
    wait: Duration,
    is_closing: bool,
    waiting: VecDeque<Out>,
}

impl Instance {
    fn write(&mut self, content: Content, key: u64, payload: &[u8]) {
        let record = record::write(content, key, self.sent, payload);
        self.sent += 1;
        self.waiting.push_back(Out::Packet(record));
    }

    fn greet(&mut self) {
        let drawn = self.drawn.to_be_bytes();
        let greeting = [&[u8::from(self.is_active)], &drawn[..], &self.certificate].concat();
        self.write(Content::Handshake, 0, &greeting);
    }

    fn on_greeting(&mut self, greeting: &[u8]) {
        let Some((drawn, certificate)) = greeting.get(1..).and_then(|rest| rest.split_first_chunk::<8>()) else {
            return;
        };
        if (greeting[0] == 1) == self.is_active {
            return;
        }
        let drawn = u64::from_be_bytes(*drawn);
        match self.met {
            None => {
                let (active, passive) = if self.is_active { (self.drawn, drawn) } else { (drawn, self.drawn) };
                let both = [active.to_be_bytes(), passive.to_be_bytes()].concat();
                let [key] = [stretch::<8>(b"records", &[&both])].map(u64::from_be_bytes);
                self.met = Some((drawn, key));
                self.again = None;
                if !self.is_active {
                    self.greet();
                }
                self.waiting.push_back(Out::Certificate(certificate.into()));
                self.waiting.push_back(Out::Keys(stretch(b"payloads", &[&both])));
                self.waiting.push_back(Out::Connected);
            }
            // Our greeting has got lost.
            Some((known, _)) if known == drawn && !self.is_active => self.greet(),
            Some(_) => {}
        }
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.is_active = active;
        if active && self.met.is_none() && self.again.is_none() {
            self.greet();
            self.again = Some(self.now + self.wait);
        }
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let key = self.met.map(|(_, key)| key);
        let keys = |content| if content == Content::Handshake { Some(0) } else { key };
        match record::read(keys, packet) {
            Some((Content::Handshake, greeting)) => self.on_greeting(greeting),
            Some((Content::Data, data)) => self.waiting.push_back(Out::Data(data.into())),
            Some((Content::Alert, _)) => self.waiting.push_back(Out::Farewell),
            // Anybody could have sent it.
            None => {}
        }
        Ok(())
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let needed = match self.waiting.front() {
            None => return DtlsOutput::Timeout(self.again.unwrap_or(self.now + NEVER)),
            Some(Out::Packet(bytes) | Out::Certificate(bytes) | Out::Data(bytes)) => bytes.len(),
            Some(Out::Keys(_) | Out::Connected | Out::Farewell) => 0,
        };
        let Some(room) = buffer.get_mut(..needed) else { return DtlsOutput::BufferTooSmall { needed } };
        let mut lend = |bytes: &[u8]| room.copy_from_slice(bytes);
        match self.waiting.pop_front() {
            Some(Out::Packet(bytes)) => {
                lend(&bytes);
                DtlsOutput::Packet(room)
            }
            Some(Out::Certificate(bytes)) => {
                lend(&bytes);
                DtlsOutput::PeerCert(room)
            }
            Some(Out::Data(bytes)) => {
                lend(&bytes);
                DtlsOutput::ApplicationData(room)
            }
            Some(Out::Keys(keys)) => {
                DtlsOutput::KeyingMaterial(KeyingMaterial::new(&keys), SrtpProfile::AEAD_AES_128_GCM)
            }
            Some(Out::Connected) => DtlsOutput::Connected,
            Some(Out::Farewell) | None => DtlsOutput::CloseNotify,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        if self.again.is_some_and(|again| again <= now) {
            self.greet();
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
            self.again = Some(now + self.wait);
        }
        Ok(())
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        let Some((_, key)) = self.met else { return Ok(0) };
        self.write(Content::Data, key, data);
        Ok(data.len())
    }

    fn is_active(&self) -> bool {
        self.is_active
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.met.map(|_| ProtocolVersion::DTLS1_3)
    }

    fn is_closing(&self) -> bool {
        self.is_closing
    }

    fn is_closed(&self) -> bool {
        self.is_closing && self.waiting.is_empty()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        if !core::mem::replace(&mut self.is_closing, true)
            && let Some((_, key)) = self.met
        {
            self.write(Content::Alert, key, &[1, 0]);
        }
        self.again = None;
        Ok(())
    }
}
