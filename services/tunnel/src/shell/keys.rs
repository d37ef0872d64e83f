//! Keys: each end has one Ed25519 key, and knows the other's. No names, no certificates, no dates
//! (RFC 7250): a box whose clock is wrong by a day still reaches its relay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, ServerConfig,
    SignatureScheme,
};

/// What both ends must speak.
const PROTOCOL: &[u8] = b"porchlight-tunnel/1";
/// Bytes of a public key.
const LENGTH: usize = 32;
/// What precedes the key in its `SubjectPublicKeyInfo` (RFC 8410, section 4).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// A key file is 83 bytes long.
const LONGEST_FILE: u64 = 256;

/// A public key: who somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; LENGTH]);

impl std::fmt::Debug for PublicKey {
    /// Its first bytes, enough to tell keys apart in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "key {a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

impl PublicKey {
    fn from_peer(shown: &[u8]) -> Option<Self> {
        let key = shown.strip_prefix(&PREFIX)?;
        key.try_into().ok().map(Self)
    }

    /// The key that the far end of `connection` has proved to hold.
    #[must_use]
    pub fn of(connection: &quinn::Connection) -> Option<Self> {
        let shown = connection.peer_identity()?;
        let shown = shown.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        Self::from_peer(shown.first()?)
    }
}

/// A key of our own.
pub struct SecretKey {
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secret of {:?}", self.public)
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is not a key.
    #[error("{}: not an Ed25519 key in PKCS #8; remove it to have a new one made", file.display())]
    Content {
        /// The file.
        file: PathBuf,
    },
    /// The kernel gave no random numbers.
    #[error("no random numbers for a new key")]
    Random,
    /// The TLS library refused the key.
    #[error("the key cannot be used: {0}")]
    Tls(#[from] Error),
    /// QUIC refused the configuration.
    #[error("QUIC cannot use these ciphers")]
    Cipher,
}

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        Self::from_pkcs8(document.as_ref()).ok_or(KeyError::Random)
    }

    /// The one in `file`, which is made if it is not there; `keep` puts it there, whole or not at
    /// all and for nobody else to read.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn load_or_make<E: Into<io::Error>>(
        file: &Path,
        keep: impl FnOnce(&Path, &[u8]) -> Result<(), E>,
    ) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { file: file.to_owned(), source };
        match fs::metadata(file) {
            Ok(there) if there.len() <= LONGEST_FILE => {
                let bytes = fs::read(file).map_err(failed)?;
                Self::from_pkcs8(&bytes).ok_or_else(|| KeyError::Content { file: file.to_owned() })
            }
            Ok(_) => Err(KeyError::Content { file: file.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                keep(file, &key.pkcs8).map_err(|error| failed(error.into()))?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Who we are.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pkcs8: bytes.to_vec(), public: PublicKey(public) })
    }

    fn certified(&self) -> Result<Arc<CertifiedKey>, KeyError> {
        let pkcs8 = PrivatePkcs8KeyDer::from(self.pkcs8.as_slice());
        let key = provider::sign::any_eddsa_type(&pkcs8)?;
        let shown = [&PREFIX[..], &self.public.0[..]].concat();
        Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(shown)], key)))
    }

    /// How a box reaches the relay whose key is `relay`.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn client(&self, relay: PublicKey) -> Result<quinn::ClientConfig, KeyError> {
        let mut config = ClientConfig::builder_with_provider(ciphers())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(Some(relay))))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                self.certified()?,
            )));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let quic = quinn::crypto::rustls::QuicClientConfig::try_from(config)
            .map_err(|_| KeyError::Cipher)?;
        Ok(quinn::ClientConfig::new(Arc::new(quic)))
    }

    /// How the relay is reached. Whoever proves to hold a key gets in; whether that key is known is
    /// asked right after.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn server(&self) -> Result<quinn::ServerConfig, KeyError> {
        let mut config = ServerConfig::builder_with_provider(ciphers())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(Pinned(None)))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
                self.certified()?,
            )));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let quic = quinn::crypto::rustls::QuicServerConfig::try_from(config)
            .map_err(|_| KeyError::Cipher)?;
        Ok(quinn::ServerConfig::with_crypto(Arc::new(quic)))
    }
}

/// AES-128-GCM first: processors do it in hardware, and QUIC itself starts with it.
fn ciphers() -> Arc<CryptoProvider> {
    use provider::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256};
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..provider::default_provider() })
}

/// Accepts one key, or any.
#[derive(Debug)]
struct Pinned(Option<PublicKey>);

impl Pinned {
    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        let key = PublicKey::from_peer(shown)
            .ok_or_else(|| Error::General("the far end shows no Ed25519 key".to_owned()))?;
        match self.0 {
            Some(expected) if expected != key => {
                Err(Error::General(format!("the far end has {key:?}, expected {expected:?}")))
            }
            _ => Ok(()),
        }
    }
}

/// What a verifier of either side says of signatures: rustls asks the same by two traits.
macro_rules! signatures_by_raw_key {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            shown: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
            let known = provider::default_provider().signature_verification_algorithms;
            verify_tls13_signature_with_raw_key(message, &key, signature, &known)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(shown).map(|()| ServerCertVerified::assertion())
    }

    signatures_by_raw_key!();
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(shown).map(|()| ClientCertVerified::assertion())
    }

    signatures_by_raw_key!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_or_make(file: &Path) -> Result<SecretKey, KeyError> {
        SecretKey::load_or_make(file, |file, bytes| fs::write(file, bytes))
    }

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let made = load_or_make(&file).unwrap();
        assert_eq!(load_or_make(&file).unwrap().public(), made.public());
        made.client(made.public()).unwrap();
        made.server().unwrap();
    }

    #[test]
    fn a_key_that_cannot_be_kept_is_not_used() {
        let refuse = |_: &Path, _: &[u8]| Err(io::Error::from(io::ErrorKind::StorageFull));
        let error = SecretKey::load_or_make(Path::new("/nonexistent/key"), refuse).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/key: "), "{error}");
    }

    #[test]
    fn what_is_not_a_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for content in [&b""[..], b"secret", &[0; 1_000]] {
            fs::write(&file, content).unwrap();
            let error = load_or_make(&file).unwrap_err().to_string();
            assert!(error.contains("/key: not an Ed25519 key"), "{error}");
            assert_eq!(fs::read(&file).unwrap(), content);
        }
    }

    #[test]
    fn a_log_shows_no_more_of_a_key_than_tells_it_apart() {
        let key = SecretKey::generate().unwrap();
        assert_eq!(format!("{key:?}").len(), "secret of key 01234567".len());
    }
}
