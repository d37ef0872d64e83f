//! The internet's time server: the true time by SNTP (RFC 5905 section 14). One thread for each
//! address; ends when dropped.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use super::namespace::Namespace;
use super::stop::{Stop, Stoppable};

/// Bytes of an NTP packet without extensions.
const PACKET: usize = 48;
/// Seconds from the NTP era (1900) to the Unix epoch.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// A time server on port 123.
#[derive(Debug)]
pub(super) struct TimeServer {
    _threads: Stoppable,
}

impl TimeServer {
    pub(super) fn start(namespace: &Namespace, addresses: &[IpAddr]) -> anyhow::Result<Self> {
        let stop = Stop::new()?;
        let mut threads = Stoppable::new(stop.clone());
        for address in addresses {
            let address = SocketAddr::new(*address, 123);
            let socket = namespace
                .run(|| UdpSocket::bind(address))
                .with_context(|| format!("time server on {address}"))?;
            let stop = stop.clone();
            threads.push(namespace.spawn("time", move || serve(&socket, &stop))?);
        }
        Ok(Self { _threads: threads })
    }
}

fn serve(socket: &UdpSocket, stop: &Stop) {
    let mut packet = [0; 512];
    while stop.wait_for(socket) {
        let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(answer) = answer(&packet[..length], now) {
            let _ = socket.send_to(&answer, from); // a lost answer is asked for again
        }
    }
}

/// The answer to a client's request, at `now` since the Unix epoch.
fn answer(request: &[u8], now: Duration) -> Option<[u8; PACKET]> {
    const CLIENT: u8 = 3;
    const SERVER: u8 = 4;
    if request.len() < PACKET || request[0] & 7 != CLIENT {
        return None;
    }
    let seconds = u32::try_from((now.as_secs() + NTP_TO_UNIX) & 0xffff_ffff).ok()?;
    let fraction = u32::try_from((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000).ok()?;
    let mut stamp = [0; 8];
    stamp[..4].copy_from_slice(&seconds.to_be_bytes());
    stamp[4..].copy_from_slice(&fraction.to_be_bytes());
    let mut answer = [0; PACKET];
    answer[0] = (request[0] & 0b0011_1000) | SERVER; // no leap second, the client's version
    answer[1] = 1; // stratum: a primary clock
    answer[2] = request[2];
    answer[3] = 0xec; // precision: 2^-20 s
    answer[12..16].copy_from_slice(b"TEST");
    answer[16..24].copy_from_slice(&stamp); // last set
    answer[24..32].copy_from_slice(&request[40..48]); // the client's own time
    answer[32..40].copy_from_slice(&stamp); // received
    answer[40..48].copy_from_slice(&stamp); // sent
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_the_time_and_its_own_stamp_back() {
        let mut request = [0; PACKET];
        request[0] = 0x23;
        request[40..48].copy_from_slice(b"my stamp");
        let now = Duration::new(1_800_000_000, 500_000_000);
        let answer = answer(&request, now).unwrap();
        assert_eq!(answer[0], 0x24);
        assert_eq!(&answer[24..32], b"my stamp");
        let seconds = u32::from_be_bytes(answer[40..44].try_into().unwrap());
        assert_eq!(u64::from(seconds), 1_800_000_000 + NTP_TO_UNIX);
        assert_eq!(answer[44..48], 0x8000_0000_u32.to_be_bytes());
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        assert_eq!(answer(&[0x24; PACKET], Duration::ZERO), None);
        assert_eq!(answer(&[0x23; PACKET - 1], Duration::ZERO), None);
    }
}
