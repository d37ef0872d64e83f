//! The IPv6 prefix that the house has from its relay, and how the network manager is told.
//!
//! The relay routes one /64 to each box, whichever uplink carries it, so hosts on the LAN keep
//! their addresses across a switch. `wan` only says which prefix it is; what may change the
//! network manager's settings reads that with suspicion ([`LanPrefix::read`]) and writes a drop-in
//! for the LAN ([`Announcement::drop_in`]).
//!
//! A prefix that goes is announced for a while as one to use no more (RFC 4862 section 5.5.4:
//! a preferred lifetime of 0), so that hosts take other addresses before packets get lost.

use core::fmt::{self, Write};
use core::net::Ipv6Addr;
use core::time::Duration;

use units::Instant;

/// How long a prefix that goes is still announced: as long as hosts believe in it, which is the
/// network manager's usual hour (systemd.network(5), `ValidLifetimeSec=`).
pub const LEAVING: Duration = Duration::from_secs(3_600);

/// Prefixes that are going, at most: whoever changes relays four times an hour is trying them out.
pub const MOST_LEAVING: usize = 4;

/// Longest file that says a prefix: 39 characters of an address, `/64` and a line's end.
pub const LONGEST: usize = 43;

/// How a line that says when a prefix goes begins.
const UNTIL: &str = "# goes at second ";

/// A /64 that hosts may have addresses of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanPrefix(Ipv6Addr);

/// Text that is no prefix for a LAN. It does not quote the text, which anybody may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LanPrefixError {
    /// Not one whole line.
    #[error("expected one line of at most {LONGEST} bytes such as 2001:db8:77:1::/64")]
    Line,
    /// Not an address and a length.
    #[error("expected an IPv6 prefix such as 2001:db8:77:1::/64")]
    Prefix,
    /// Another length: hosts make their own addresses in a /64 only (RFC 4862 section 5.5.3).
    #[error("expected a prefix of length 64")]
    Length,
    /// Something behind the 64th bit.
    #[error("expected nothing after the first 64 bits")]
    Host,
    /// Neither of the internet nor of a site.
    #[error("expected a prefix inside 2000::/3 or fc00::/7")]
    Range,
}

impl LanPrefix {
    /// The prefix at `address`.
    ///
    /// # Errors
    /// When no LAN can have it.
    pub const fn try_new(address: Ipv6Addr) -> Result<Self, LanPrefixError> {
        let [first, _, _, _, rest @ ..] = address.segments();
        if !matches!(rest, [0, 0, 0, 0]) {
            return Err(LanPrefixError::Host);
        }
        if first & 0xe000 != 0x2000 && first & 0xfe00 != 0xfc00 {
            return Err(LanPrefixError::Range);
        }
        Ok(Self(address))
    }

    /// Reads a whole file: one line, as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn read(text: &[u8]) -> Result<Self, LanPrefixError> {
        let text = core::str::from_utf8(text).map_err(|_| LanPrefixError::Line)?;
        let line = text.strip_suffix('\n').filter(|_| text.len() <= LONGEST);
        let line = line.filter(|line| !line.contains(char::is_whitespace));
        let line = line.ok_or(LanPrefixError::Line)?;
        let (address, length) = line.split_once('/').ok_or(LanPrefixError::Prefix)?;
        let address: Ipv6Addr = address.parse().map_err(|_| LanPrefixError::Prefix)?;
        match length {
            "64" => Self::try_new(address),
            _ => Err(LanPrefixError::Length),
        }
    }

    /// Whether the internet routes it (RFC 4291 section 2.4). The house has a prefix of the other
    /// kind anyway.
    #[must_use]
    pub const fn is_global(self) -> bool {
        self.0.segments()[0] & 0xe000 == 0x2000
    }

    /// The box's own address in it; the first is the box's in the tunnel.
    const fn own(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0.to_bits() | 2)
    }
}

impl fmt::Display for LanPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.0)
    }
}

/// What the LAN is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    current: Option<LanPrefix>,
    leaving: Vec<(LanPrefix, Instant)>,
}

impl Announcement {
    /// What a drop-in says that [`Self::drop_in`] wrote; lines that it did not write say nothing.
    #[must_use]
    pub fn read(drop_in: &str) -> Self {
        let mut read = Self::default();
        let mut goes = None;
        for line in drop_in.lines() {
            if let Some(second) = line.strip_prefix(UNTIL) {
                goes = second.parse().ok().map(Instant::from_secs);
            } else if let Some(prefix) = line.strip_prefix("Prefix=") {
                let Ok(prefix) = LanPrefix::read(format!("{prefix}\n").as_bytes()) else {
                    continue;
                };
                match goes.take() {
                    Some(at) => read.leaving.push((prefix, at)),
                    None => read.current = Some(prefix),
                }
            }
        }
        read.leaving.truncate(MOST_LEAVING);
        read
    }

    /// From `now` on the house has the prefix `wanted`.
    pub fn handle_wanted(&mut self, wanted: Option<LanPrefix>, now: Instant) {
        self.leaving.retain(|(_, at)| *at > now);
        if let Some(before) = self.current.filter(|before| wanted != Some(*before)) {
            self.leaving.push((before, now + LEAVING));
        }
        // One that comes back stays.
        self.leaving.retain(|(prefix, _)| wanted != Some(*prefix));
        let surplus = self.leaving.len().saturating_sub(MOST_LEAVING);
        self.leaving.drain(..surplus);
        self.current = wanted;
    }

    /// The drop-in for the LAN's network (systemd.network(5)); none, when there is nothing to say.
    #[must_use]
    pub fn drop_in(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let mut text = String::from("# By `wan announce`: what the relay routes to this house.\n");
        if let Some(prefix) = self.current {
            let own = prefix.own();
            let _ = write!(text, "[Address]\nAddress={own}/64\n[IPv6Prefix]\nPrefix={prefix}\n");
        }
        for (prefix, at) in &self.leaving {
            // Whole seconds, rounded up.
            let second = at.as_nanos().div_ceil(1_000_000_000);
            let (own, valid) = (prefix.own(), LEAVING.as_secs());
            let _ = write!(
                text,
                "{UNTIL}{second}\n\
                 [Address]\nAddress={own}/64\nPreferredLifetime=0\n\
                 [IPv6Prefix]\nPrefix={prefix}\nPreferredLifetimeSec=0\nValidLifetimeSec={valid}\n"
            );
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> LanPrefix {
        LanPrefix::read(format!("{text}\n").as_bytes()).unwrap()
    }

    #[test]
    fn one_line_with_a_prefix_is_read_and_nothing_else() {
        for good in ["2001:db8:77:1::/64", "fd7a:706f:7263::/64", "3fff:ffff:ffff:ffff::/64"] {
            assert_eq!(prefix(good).to_string(), good);
        }
        assert!(prefix("2001:db8::/64").is_global());
        assert!(!prefix("fd00::/64").is_global());
        for (bad, why) in [
            ("", LanPrefixError::Line),
            ("2001:db8::/64", LanPrefixError::Line),
            ("2001:db8::/64\n\n", LanPrefixError::Line),
            ("2001:db8::/64\n2001:db8:1::/64\n", LanPrefixError::Line),
            ("2001:db8::/64\r\n", LanPrefixError::Line),
            (" 2001:db8::/64\n", LanPrefixError::Line),
            ("2001:db8::/64\n[Route]\nGateway=::1\n", LanPrefixError::Line),
            ("2001:0db8:0000:0000:0000:0000:0000:00000/64\n", LanPrefixError::Line),
            ("2001:db8::\n", LanPrefixError::Prefix),
            ("192.0.2.0/64\n", LanPrefixError::Prefix),
            ("fe80::%lan0/64\n", LanPrefixError::Prefix),
            ("2001:db8::/63\n", LanPrefixError::Length),
            ("2001:db8::/064\n", LanPrefixError::Length),
            ("2001:db8::/64/64\n", LanPrefixError::Length),
            ("2001:db8::1/64\n", LanPrefixError::Host),
            ("2001:db8:0:0:1::/64\n", LanPrefixError::Host),
            ("fe80::/64\n", LanPrefixError::Range),
            ("ff02::/64\n", LanPrefixError::Range),
            ("::/64\n", LanPrefixError::Range),
            ("4000::/64\n", LanPrefixError::Range),
        ] {
            assert_eq!(LanPrefix::read(bad.as_bytes()), Err(why), "{bad:?}");
        }
        assert_eq!(LanPrefix::read(b"2001:db8::\xff/64\n"), Err(LanPrefixError::Line));
    }

    #[test]
    fn a_prefix_that_goes_is_deprecated_for_an_hour() {
        let (old, new) = (prefix("2001:db8:77:1::/64"), prefix("2001:db8:78:9::/64"));
        let mut announcement = Announcement::default();
        assert_eq!(announcement.drop_in(), None);
        announcement.handle_wanted(Some(old), Instant::from_secs(10));
        let text = announcement.drop_in().unwrap();
        assert!(text.contains("Address=2001:db8:77:1::2/64\n"), "{text}");
        assert!(text.contains("Prefix=2001:db8:77:1::/64\n") && !text.contains("Lifetime"));

        announcement.handle_wanted(Some(new), Instant::from_secs(20));
        let text = announcement.drop_in().unwrap();
        let goes = "Prefix=2001:db8:77:1::/64\nPreferredLifetimeSec=0\nValidLifetimeSec=3600\n";
        assert!(text.contains(goes) && text.contains("# goes at second 3620\n"), "{text}");

        announcement.handle_wanted(None, Instant::from_secs(30));
        assert_eq!(announcement.drop_in().unwrap().matches("PreferredLifetimeSec=0").count(), 2);
        announcement.handle_wanted(None, Instant::from_secs(3_621));
        assert_eq!(announcement.drop_in().unwrap().matches("PreferredLifetimeSec=0").count(), 1);
        announcement.handle_wanted(None, Instant::from_secs(3_631));
        assert_eq!(announcement.drop_in(), None);
    }

    #[test]
    fn one_that_comes_back_stays() {
        let one = prefix("2001:db8:77:1::/64");
        let mut announcement = Announcement::default();
        for wanted in [Some(one), None, Some(one)] {
            announcement.handle_wanted(wanted, Instant::from_secs(1));
        }
        assert!(!announcement.drop_in().unwrap().contains("PreferredLifetimeSec"));
    }

    proptest! {
        /// Whatever is written in a file, what comes of it is a prefix that reads back as itself.
        #[test]
        fn what_is_read_reads_back(text in "[0-9a-f:./ \n]{0,50}") {
            if let Ok(prefix) = LanPrefix::read(text.as_bytes()) {
                prop_assert_eq!(LanPrefix::read(format!("{prefix}\n").as_bytes()), Ok(prefix));
            }
        }

        /// A drop-in is remembered over a restart, and never grows beyond its bound.
        #[test]
        fn a_drop_in_reads_back(
            steps in proptest::collection::vec((0..9_u16, 0..2_000_u64), 0..30),
        ) {
            let mut announcement = Announcement::default();
            let mut now = Instant::BOOT;
            for (number, wait) in steps {
                now = now + Duration::from_secs(wait);
                let address = Ipv6Addr::new(0x2001, 0xdb8, 0, number, 0, 0, 0, 0);
                let wanted = (number > 0).then(|| LanPrefix::try_new(address).unwrap());
                announcement.handle_wanted(wanted, now);
                let text = announcement.drop_in().unwrap_or_default();
                prop_assert!(text.matches("Prefix=").count() <= MOST_LEAVING + 1);
                prop_assert_eq!(&Announcement::read(&text), &announcement);
            }
        }
    }
}
