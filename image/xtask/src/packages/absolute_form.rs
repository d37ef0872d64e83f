//! Requests as a proxy wants them.
//!
//! A proxy gets the whole URL in the request line (RFC 9112 section 3.2.2): that is what caching
//! proxies such as apt-cacher-ng and squid serve, while they refuse CONNECT to port 80. The HTTP
//! library knows only CONNECT, so the last step of sending puts the request line right.

use std::fmt;

use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Error, config::Config};

/// What is asked of the library instead of an absolute target, which it does not take: the target
/// as a path.
pub(crate) fn path_of(url: &str) -> String {
    format!("/{url}")
}

/// An agent whose requests for [`path_of`] a URL are sent as requests for that URL.
pub(crate) fn agent(config: Config) -> Agent {
    let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
    Agent::with_parts(config, connector, DefaultResolver::default())
}

#[derive(Debug)]
struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = Rewriting<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Rewriting<In>>, Error> {
        Ok(chained.map(Rewriting))
    }
}

struct Rewriting<T>(T);

impl<T> fmt::Debug for Rewriting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewriting")
    }
}

impl<T: Transport> Transport for Rewriting<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = &mut self.0.buffers().output()[..amount];
        let amount = without_slash(output);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }
}

/// Turns `GET /http://…` into `GET http://…`; returns the new length.
fn without_slash(request: &mut [u8]) -> usize {
    const METHOD: &[u8] = b"GET ";
    if request.starts_with(b"GET /http://") {
        request.copy_within(METHOD.len() + 1.., METHOD.len());
        request.len() - 1
    } else {
        request.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_request_line_changes() {
        for (before, after) in [
            ("GET /http://a.example/x HTTP/1.1\r\n\r\n", "GET http://a.example/x HTTP/1.1\r\n\r\n"),
            ("GET /pool/x HTTP/1.1\r\n\r\n", "GET /pool/x HTTP/1.1\r\n\r\n"),
            ("", ""),
        ] {
            let mut request = before.as_bytes().to_vec();
            let length = without_slash(&mut request);
            assert_eq!(String::from_utf8_lossy(&request[..length]), after);
        }
    }
}
