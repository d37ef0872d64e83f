//! Plain HTTP GET with ranges, through a proxy where there is one.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::absolute_form;
use super::proxy::Proxy;

/// How long to wait for a peer before it counts as silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection to stand.
    pub(crate) connect: Duration,
    /// For the first byte of an answer, and between any two reads of its body.
    pub(crate) silence: Duration,
}

impl Patience {
    /// For mirrors: a slow line is fine, a dead one is noticed within half a minute.
    pub(crate) const MIRROR: Self =
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(30) };

    /// For snapshot.debian.org, which is often unreachable and never the first choice.
    pub(crate) const SNAPSHOT: Self =
        Self { connect: Duration::from_secs(4), silence: Duration::from_secs(30) };
}

/// Redirects followed for one request: a mirror sends one, to a neighbour.
const REDIRECTS: usize = 4;

/// A client; connections are kept for the next request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    proxy: Option<Proxy>,
}

impl Client {
    /// A client that goes through `proxy` if there is one.
    pub(crate) fn new(patience: Patience, proxy: Option<Proxy>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .user_agent("porchlight-xtask")
            .build();
        let agent = match &proxy {
            Some(_) => absolute_form::agent(config),
            None => config.new_agent(),
        };
        Self { agent, proxy }
    }

    /// Asks for `url` from byte `from` on. Any final status is an answer, not an error.
    ///
    /// # Errors
    /// No connection, no answer in time, too many redirects or one to something but HTTP.
    pub(crate) fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let response = self.get_once(&url, from)?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED
            {
                return Ok(response);
            }
            let location = response.headers().get("location").and_then(|l| l.to_str().ok());
            url = next_url(&url, location.context("a redirect to nowhere")?)?;
        }
        bail!("more than {REDIRECTS} redirects")
    }

    fn get_once(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let target: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        let host = target.authority().context("a URL without a host")?.as_str().to_owned();
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.serves(&host));
        let uri = match proxy {
            Some(proxy) => Uri::builder()
                .scheme("http")
                .authority(proxy.authority())
                .path_and_query(absolute_form::path_of(url))
                .build()
                .with_context(|| format!("the proxy {} is not host:port", proxy.authority()))?,
            None => target,
        };
        let mut request = self.agent.get(uri).header("host", host);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call().map_err(|error| match proxy {
            Some(proxy) => {
                anyhow!(error).context(format!("through the proxy {}", proxy.authority()))
            }
            None => anyhow!(error),
        })
    }
}

fn next_url(url: &str, location: &str) -> Result<String> {
    if location.starts_with("http://") {
        return Ok(location.to_owned());
    }
    if location.contains("://") {
        bail!("{url} redirects to {location}, which is not plain HTTP");
    }
    let host_end = url["http://".len()..].find('/').map_or(url.len(), |at| at + "http://".len());
    let folder_end = url.rfind('/').unwrap_or(url.len());
    Ok(match location.strip_prefix('/') {
        Some(path) => format!("{}/{path}", &url[..host_end]),
        None => format!("{}/{location}", &url[..folder_end]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redirect_leads() {
        let url = "http://a.example/debian/pool/x.deb";
        for (location, wanted) in [
            ("http://b.example/x", "http://b.example/x"),
            ("/y.deb", "http://a.example/y.deb"),
            ("y.deb", "http://a.example/debian/pool/y.deb"),
        ] {
            assert_eq!(next_url(url, location).unwrap(), wanted);
        }
        assert!(next_url(url, "https://a.example/x").is_err());
    }
}
