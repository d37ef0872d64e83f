//! The line that makes a box and a relay known to each other: printed by one, pasted to the other.
//!
//! It holds the relay's key, where the relay is, and a token that works once. Whoever has it before
//! the box does can take the box's place, so it is a secret until it has been used.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::keys::PublicKey;
use crate::wire::TOKEN_LENGTH;

/// What the line begins with: a relay's word, first version.
const MARK: &str = "plr1.";
/// Addresses of a relay at most.
const MOST_ADDRESSES: usize = 4;
/// Longest line accepted.
const LONGEST: usize = 1_000;
/// Bytes that tell a line which lost a letter on its way.
const CHECK: usize = 4;

/// What a line says.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The relay's key.
    pub relay: PublicKey,
    /// Lets the box in once.
    pub token: [u8; TOKEN_LENGTH],
    /// Where the relay is: `HOST:PORT`, in order of preference.
    pub addresses: Vec<String>,
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// It is something else.
    #[error("expected a line that `relay enroll` has printed; it begins with {MARK:?}")]
    Other,
    /// A part of it is missing or changed.
    #[error("the line is not whole: copy all of it, from {MARK:?} to its end")]
    Damaged,
    /// An address that is none.
    #[error("address {0:?}: expected HOST:PORT")]
    Address(String),
    /// None, or too many.
    #[error("{0} addresses; expected 1 to {MOST_ADDRESSES}")]
    Addresses(usize),
}

impl fmt::Debug for Enrolment {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enrolment at {:?} of {}", self.relay, self.addresses.join(" "))
    }
}

impl Enrolment {
    /// An enrolment at these addresses.
    ///
    /// # Errors
    /// When an address is not `HOST:PORT`, or there are none or too many.
    pub fn try_new(
        relay: PublicKey,
        token: [u8; TOKEN_LENGTH],
        addresses: Vec<String>,
    ) -> Result<Self, EnrolmentError> {
        if !(1..=MOST_ADDRESSES).contains(&addresses.len()) {
            return Err(EnrolmentError::Addresses(addresses.len()));
        }
        if let Some(wrong) = addresses.iter().find(|address| !is_host_and_port(address)) {
            return Err(EnrolmentError::Address(wrong.clone()));
        }
        Ok(Self { relay, token, addresses })
    }
}

fn is_host_and_port(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic();
    let parts = address.rsplit_once(':');
    address.chars().all(plain)
        && parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl fmt::Display for Enrolment {
    /// The line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [&self.relay.0[..], &self.token[..]].concat();
        bytes.extend(self.addresses.join(" ").into_bytes());
        bytes.extend(check(&bytes));
        write!(f, "{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Enrolment {
    type Err = EnrolmentError;

    /// Reads the last word of a line, so that the whole command may be pasted too.
    fn from_str(line: &str) -> Result<Self, EnrolmentError> {
        let word = line.split_whitespace().next_back().unwrap_or_default();
        let text = word.strip_prefix(MARK).ok_or(EnrolmentError::Other)?;
        if text.len() > LONGEST {
            return Err(EnrolmentError::Damaged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| EnrolmentError::Damaged)?;
        let (body, told) = bytes.split_last_chunk::<CHECK>().ok_or(EnrolmentError::Damaged)?;
        if check(body) != *told {
            return Err(EnrolmentError::Damaged);
        }
        let (key, rest) = body.split_first_chunk().ok_or(EnrolmentError::Damaged)?;
        let (token, addresses) = rest.split_first_chunk().ok_or(EnrolmentError::Damaged)?;
        let addresses = str::from_utf8(addresses).map_err(|_| EnrolmentError::Damaged)?;
        let addresses = addresses.split(' ').map(str::to_owned).collect();
        Self::try_new(PublicKey(*key), *token, addresses)
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let sum = digest(&SHA256, bytes);
    *sum.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolment() -> Enrolment {
        let addresses = vec!["relay.example:443".to_owned(), "[2001:db8::1]:443".to_owned()];
        Enrolment::try_new(PublicKey([7; 32]), [9; 16], addresses).unwrap()
    }

    #[test]
    fn a_line_says_what_was_put_into_it() {
        let line = enrolment().to_string();
        assert!(line.starts_with("plr1.") && line.len() < 200, "{line}");
        assert_eq!(line.parse(), Ok(enrolment()));
        assert_eq!(format!("  porch wan join {line}\n").parse(), Ok(enrolment()));
    }

    #[test]
    fn a_damaged_line_is_told_from_something_else() {
        let line = enrolment().to_string();
        assert_eq!("hello".parse::<Enrolment>(), Err(EnrolmentError::Other));
        assert_eq!("".parse::<Enrolment>(), Err(EnrolmentError::Other));
        for end in 6..line.len() {
            assert_eq!(line[..end].parse::<Enrolment>(), Err(EnrolmentError::Damaged), "{end}");
        }
        let swapped = line.replacen("Bw", "wB", 1);
        assert_eq!(swapped.parse::<Enrolment>(), Err(EnrolmentError::Damaged));
    }

    #[test]
    fn addresses_are_checked_before_a_line_is_printed() {
        let with = |address: &str| {
            Enrolment::try_new(PublicKey([7; 32]), [9; 16], vec![address.to_owned()])
        };
        for wrong in ["relay", ":443", "relay:https", "relay:70000", "re lay:443"] {
            assert_eq!(with(wrong), Err(EnrolmentError::Address(wrong.to_owned())));
        }
        assert!(with("relay:443").is_ok());
    }

    #[test]
    fn the_token_stays_out_of_logs() {
        assert!(!format!("{:?}", enrolment()).contains('9'));
    }
}
