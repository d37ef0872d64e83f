//! Pages fetched by the LAN client.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::web_server::WebAnswer;

/// What came of fetching a page.
#[derive(Clone, Debug)]
pub struct FetchReport {
    /// The HTTP status.
    pub status: u16,
    /// The page, as text.
    pub body: String,
    /// Whom the internet's web server saw asking; none on pages of others.
    pub from_ip: Option<IpAddr>,
    /// How long it took, name lookup included.
    pub took: Duration,
}

/// The longest page that is read: 64 MiB.
const MAX_PAGE: u64 = 64 << 20;

/// A URL in the parts that are needed.
pub(super) struct Target {
    pub(super) host: String,
    port: u16,
    path: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: ureq::http::Uri = url.parse().with_context(|| format!("URL {url:?}"))?;
        anyhow::ensure!(uri.scheme_str() == Some("http"), "URL {url:?}: expected http://…");
        let host = uri.host().with_context(|| format!("URL {url:?}: no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), path })
    }
}

/// Fetches the page from `address`. Run it in the namespace it is to come from.
pub(super) fn fetch(
    target: &Target,
    address: IpAddr,
    started: Instant,
    deadline: Duration,
) -> anyhow::Result<FetchReport> {
    let server = SocketAddr::new(address, target.port);
    let left = deadline.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(left))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .new_agent();
    let url = format!("http://{server}{}", target.path);
    let mut response = agent
        .get(&url)
        .header("Host", &target.host)
        .call()
        .with_context(|| format!("{url} for {}", target.host))?;
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_PAGE)
        .lossy_utf8(true)
        .read_to_string()
        .with_context(|| format!("the page at {url}"))?;
    let from_ip = serde_json::from_str::<WebAnswer>(&body).ok().map(|answer| answer.from);
    let status = response.status().as_u16();
    Ok(FetchReport { status, body, from_ip, took: started.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("http://web.internet.test/bulk/9?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("web.internet.test", 80));
        assert_eq!(target.path, "/bulk/9?x=1");
        assert_eq!(Target::parse("http://[2001:db8::1]:8080").unwrap().host, "2001:db8::1");
        assert!(Target::parse("https://web.internet.test/").is_err());
        assert!(Target::parse("web").is_err());
    }
}
