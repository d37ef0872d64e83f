//! The machine's HTTP proxy: the environment's, else apt's.

use std::process::Command;

/// A proxy, and the hosts that are reached without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    authority: String,
    exceptions: Vec<String>,
}

impl Proxy {
    /// What `http_proxy` and `no_proxy` say, or apt's `Acquire::http::Proxy`.
    pub(crate) fn of_this_machine() -> Option<Self> {
        let variable = |name: &str| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase()));
            value.ok().filter(|value| !value.is_empty())
        };
        let url = variable("http_proxy").or_else(of_apt)?;
        Self::parse(&url, &variable("no_proxy").unwrap_or_default())
    }

    /// Reads `http://host:port/` and a list of exceptions with commas between. `None` where the
    /// URL means a direct connection. A name and password in it are not used.
    pub(crate) fn parse(url: &str, exceptions: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if host.is_empty() || host == "DIRECT" {
            return None;
        }
        let port = if host.contains(':') { "" } else { ":80" };
        let exceptions = exceptions.split(',').map(|e| e.trim().trim_start_matches('.').to_owned());
        let exceptions = exceptions.filter(|exception| !exception.is_empty()).collect();
        Some(Self { authority: format!("{host}{port}"), exceptions })
    }

    /// Its `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is to be asked for something on `host` (with or without a port): not for this
    /// machine itself, nor for an exception or what is below it.
    pub(crate) fn serves(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let below = |exception: &String| {
            name.strip_suffix(exception.as_str()).is_some_and(|r| r.is_empty() || r.ends_with('.'))
        };
        let here = name.starts_with("127.") || name == "localhost" || name == "[::1]";
        !here && !self.exceptions.iter().any(|exception| exception == "*" || below(exception))
    }
}

fn of_apt() -> Option<String> {
    let output =
        Command::new("apt-config").args(["shell", "P", "Acquire::http::Proxy"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let value = text.trim().strip_prefix("P='")?.strip_suffix('\'')?;
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_write_a_proxy() {
        for (url, wanted) in [
            ("http://proxy.example:3128/", Some("proxy.example:3128")),
            ("http://name:secret@proxy.example", Some("proxy.example:80")),
            ("proxy.example:8080", Some("proxy.example:8080")),
            ("DIRECT", None),
            ("", None),
        ] {
            let proxy = Proxy::parse(url, "");
            assert_eq!(proxy.as_ref().map(Proxy::authority), wanted, "{url}");
        }
    }

    #[test]
    fn exceptions_are_reached_directly() {
        let proxy = Proxy::parse("http://p:1", "example.org, .lan").unwrap();
        for host in ["mirror.example.com", "notexample.org", "mirror.example.com:81"] {
            assert!(proxy.serves(host), "{host}");
        }
        for host in ["example.org", "deb.example.org:80", "mirror.lan", "127.0.0.1:1", "localhost"]
        {
            assert!(!proxy.serves(host), "{host}");
        }
        assert!(!Proxy::parse("http://p:1", "*").unwrap().serves("mirror.example.com"));
    }
}
