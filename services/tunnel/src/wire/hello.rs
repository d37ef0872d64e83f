//! The first words on a connection: who the box is, which link this is, and what it may use.
//!
//! They travel once, on a stream that the box opens, each with its length before it (2 bytes).

use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::BufMut;
use units::LinkId;

/// Longest message.
pub const LONGEST_HELLO: usize = 256;
/// Bytes of an enrolment's token.
pub const TOKEN_LENGTH: usize = 16;

const VERSION: u8 = 1;

/// From the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which uplink this connection uses.
    pub link: LinkId,
    /// How many connections this uplink has had, modulo 256.
    pub generation: u8,
    /// A number made when the box's program started: numbers of packets begin anew with it.
    pub session: u64,
    /// What enrols a box that the relay has not met.
    pub token: Option<[u8; TOKEN_LENGTH]>,
}

/// From the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// A number made when the relay's program started.
    pub session: u64,
    /// The box's address inside the tunnel.
    pub inner_v4: Ipv4Addr,
    /// The /64 that is routed to the box, if the relay has one.
    pub inner_v6: Option<Ipv6Addr>,
    /// Longest inner packet.
    pub inner_mtu: u16,
}

/// Why a first word cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// It ends too early or goes on too long.
    #[error("{0} bytes are not a whole message")]
    Length(usize),
    /// Another version.
    #[error("version {0}; expected {VERSION}")]
    Version(u8),
    /// A link that cannot be.
    #[error("uplink {0}; expected 1 to {most}", most = LinkId::MOST)]
    Link(u8),
    /// An inner MTU that IPv6 does not allow, or that is longer than any path.
    #[error("inner MTU {0}; expected 1280 to 1500")]
    Mtu(u16),
    /// A flag that is neither 0 nor 1.
    #[error("flag {0}; expected 0 or 1")]
    Flag(u8),
}

impl Hello {
    /// The bytes, without their length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(28);
        bytes.put_u8(VERSION);
        bytes.put_u8(self.link.get());
        bytes.put_u8(self.generation);
        bytes.put_u8(u8::from(self.token.is_some()));
        bytes.put_u64(self.session);
        bytes.extend(self.token.iter().flatten());
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are anything but what [`Hello::to_bytes`] makes.
    pub fn read(bytes: &[u8]) -> Result<Self, HelloError> {
        let wrong = HelloError::Length(bytes.len());
        let (head, rest) = bytes.split_first_chunk::<12>().ok_or(wrong)?;
        let [version, link, generation, flag, session @ ..] = *head;
        if version != VERSION {
            return Err(HelloError::Version(version));
        }
        let token = match (flag, rest.len()) {
            (0, 0) => None,
            (1, TOKEN_LENGTH) => rest.first_chunk().copied(),
            (0 | 1, _) => return Err(wrong),
            _ => return Err(HelloError::Flag(flag)),
        };
        let link = LinkId::new(link).ok_or(HelloError::Link(link))?;
        Ok(Self { link, generation, session: u64::from_be_bytes(session), token })
    }
}

impl Welcome {
    /// The bytes, without their length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.put_u8(VERSION);
        bytes.put_u8(u8::from(self.inner_v6.is_some()));
        bytes.put_u16(self.inner_mtu);
        bytes.put_u64(self.session);
        bytes.extend(self.inner_v4.octets());
        bytes.extend(self.inner_v6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets());
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are anything but what [`Welcome::to_bytes`] makes.
    pub fn read(bytes: &[u8]) -> Result<Self, HelloError> {
        let wrong = HelloError::Length(bytes.len());
        let (head, rest) = bytes.split_first_chunk::<12>().ok_or(wrong)?;
        let [version, flag, m0, m1, session @ ..] = *head;
        let (v4, v6) = rest.split_first_chunk::<4>().ok_or(wrong)?;
        let v6: [u8; 16] = v6.try_into().map_err(|_| wrong)?;
        let inner_mtu = u16::from_be_bytes([m0, m1]);
        match (version, flag) {
            (VERSION, 0 | 1) => {}
            (VERSION, _) => return Err(HelloError::Flag(flag)),
            _ => return Err(HelloError::Version(version)),
        }
        if !(1_280..=1_500).contains(&inner_mtu) {
            return Err(HelloError::Mtu(inner_mtu));
        }
        Ok(Self {
            session: u64::from_be_bytes(session),
            inner_v4: Ipv4Addr::from(*v4),
            inner_v6: (flag == 1).then(|| Ipv6Addr::from(v6)),
            inner_mtu,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hellos_are_read_as_written(
            link in 1..=LinkId::MOST, generation: u8, session: u64, token: Option<[u8; 16]>,
        ) {
            let hello = Hello { link: LinkId::new(link).unwrap(), generation, session, token };
            prop_assert_eq!(Hello::read(&hello.to_bytes()), Ok(hello));
        }

        #[test]
        fn welcomes_are_read_as_written(
            session: u64, v4: u32, v6: Option<u128>, inner_mtu in 1_280_u16..=1_500,
        ) {
            let inner_v6 = v6.map(Ipv6Addr::from);
            let welcome = Welcome { session, inner_v4: Ipv4Addr::from(v4), inner_v6, inner_mtu };
            prop_assert_eq!(Welcome::read(&welcome.to_bytes()), Ok(welcome));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Welcome::read(&bytes);
            if let Ok(hello) = Hello::read(&bytes) {
                prop_assert_eq!(hello.to_bytes(), bytes);
            }
        }
    }
}
