//! What every QUIC peer here needs: an identity, configurations, a runtime of one thread.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{ClientConfig, ServerConfig, TransportConfig};

/// The name in the certificate.
const NAME: &str = "relay.internet.test";

/// A server's self-signed certificate and its key, made anew for each measurement.
#[derive(Debug)]
pub struct QuicIdentity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl QuicIdentity {
    /// The name that clients ask for.
    pub const NAME: &str = NAME;

    /// Makes one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Self> {
        let made =
            rcgen::generate_simple_self_signed([NAME.to_owned()]).context("a certificate")?;
        Ok(Self { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der() })
    }
}

/// The server's side.
///
/// # Errors
/// When the identity is not accepted.
pub fn server_config(identity: &QuicIdentity, transport: TransportConfig) -> Result<ServerConfig> {
    let key = PrivatePkcs8KeyDer::from(identity.key.clone());
    let mut config =
        ServerConfig::with_single_cert(vec![identity.certificate.clone()], key.into())?;
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// The client's side; trusts that server and no other.
///
/// # Errors
/// When the identity is not accepted.
pub fn client_config(identity: &QuicIdentity, transport: TransportConfig) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone())?;
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// A runtime on the calling thread.
///
/// # Errors
/// When the kernel has no descriptor left.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// How long a handshake may take.
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
