//! A STUN server: tells whoever asks under which address it sees them (RFC 8489). Reads and writes what it needs of the
//! format itself, so that it is no mirror of the client's library.

use core::net::{IpAddr, SocketAddr};

const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The answer to what came from an address, if it is a question and the address one of IPv4.
pub fn answer(from: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let IpAddr::V4(ip) = from.ip() else { return None };
    let (head, _) = question.split_first_chunk::<20>()?;
    if head[..2] != REQUEST || head[4..8] != COOKIE {
        return None;
    }
    let mut answer = Vec::with_capacity(32);
    answer.extend(SUCCESS);
    answer.extend(12_u16.to_be_bytes());
    answer.extend(&head[4..]);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend([0, 8, 0, 1]);
    answer.extend(from.port().to_be_bytes().iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask));
    answer.extend(ip.octets().iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of the sample response of RFC 5769, section 2.2.
    #[test]
    fn it_answers_as_the_sample_of_the_standard_does() {
        let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let question = [&REQUEST[..], &[0, 0], &COOKIE, &id].concat();
        let answer = answer("192.0.2.1:32853".parse().unwrap(), &question).unwrap();
        assert_eq!(answer[..20], [&SUCCESS[..], &[0, 12], &COOKIE, &id].concat());
        assert_eq!(answer[20..], [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        let from = "192.0.2.1:1".parse().unwrap();
        let question = [&REQUEST[..], &[0, 0], &COOKIE, &[0; 12]].concat();
        assert!(answer(from, &question).is_some());
        for (at, byte) in [(0, 1), (1, 2), (4, 0)] {
            let mut wrong = question.clone();
            wrong[at] = byte;
            assert_eq!(answer(from, &wrong), None);
        }
        assert_eq!(answer(from, &question[..19]), None);
        assert_eq!(answer("[2001:db8::1]:1".parse().unwrap(), &question), None);
    }
}
