//! Whether a request was meant for us.
//!
//! A page on the internet may point its own name at the box's address (DNS rebinding) and then
//! read what the box answers to the household's browser. Such a request carries that page's name
//! in `Host`; we answer only to our own names and to the very address the request arrived at.

use std::net::IpAddr;

/// Whether a request with this `Host`, arrived at the local address `arrived`, was meant for us.
/// Loopback passes, since a name cannot be rebound to a `Host` that says `localhost`: a developer
/// or a test looks through a forwarded port.
pub(super) fn is_ours(host: &str, arrived: IpAddr, names: &[String]) -> bool {
    let Some(name) = without_port(host) else { return false };
    let name = name.to_ascii_lowercase();
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.to_canonical() == arrived.to_canonical() || address.is_loopback();
    }
    name == "localhost" || names.contains(&name)
}

/// The host of `host[:port]`; nothing if the port is not a number.
fn without_port(host: &str) -> Option<&str> {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    match host[end..].find(':') {
        Some(colon) => {
            let (name, port) = host.split_at(end + colon);
            port[1..].parse::<u16>().ok().map(|_| name)
        }
        None => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    fn ours(host: &str) -> bool {
        let names = [String::from("porchlight"), String::from("porchlight.local")];
        let v4 = is_ours(host, "10.77.0.1".parse().unwrap(), &names);
        let v6 = is_ours(host, "fd7a:706f:7263::1".parse().unwrap(), &names);
        v4 || v6
    }

    #[test]
    fn our_names_and_addresses_pass() {
        for host in [
            "porchlight",
            "porchlight:80",
            "Porchlight.local",
            "10.77.0.1",
            "10.77.0.1:80",
            "[fd7a:706f:7263::1]",
            "[fd7a:706f:7263::1]:80",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
        ] {
            assert!(ours(host), "{host} was refused");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for host in [
            "",
            "evil.example",
            "porchlight.evil.example",
            "porchlight.local.",
            "porchlight:http",
            "porchlight:80:80",
            "10.77.0.2",
            "192.168.1.1",
            "10.77.0.1.evil.example",
            "[fd7a:706f:7263::2]:80",
            "localhost.evil.example",
            "user@porchlight",
            "porchlight/../",
        ] {
            assert!(!ours(host), "{host} passed");
        }
    }
}
