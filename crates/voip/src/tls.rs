//! The TLS set-up: which certificates we trust and show. The one place where a crypto provider (ring) is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// Which certificates an endpoint trusts, and which one it shows.
///
/// The default trusts the system's certificate authorities and shows none, which is what a phone needs that
/// only calls out; an endpoint that listens on TLS needs [`Tls::certificate`].
#[derive(Clone, Debug, Default)]
pub struct Tls {
    trusted: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
    insecure: bool,
}

/// Why certificates or keys could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file could not be read as PEM certificates or as a key.
    #[error("cannot read {what} from {}: {reason}", path.display())]
    File {
        /// What should have been in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        reason: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not fit, or rustls refuses them.
    #[error("the TLS certificate or key is refused: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// Trusts the certificate authorities in a PEM file, beside those of the system.
    ///
    /// # Errors
    /// [`TlsError::File`] when the file cannot be read or holds no certificate.
    pub fn trust_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.trusted.extend(read_certificates(path.as_ref())?);
        Ok(self)
    }

    /// Trusts one more certificate authority, in DER.
    #[must_use]
    pub fn trust(mut self, certificate: CertificateDer<'static>) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Shows this certificate chain (PEM files), as a server and, when asked for one, as a client.
    ///
    /// # Errors
    /// [`TlsError::File`] when one of the files cannot be read.
    pub fn certificate_files(self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let chain = read_certificates(chain.as_ref())?;
        let path = key.as_ref();
        let key = PrivateKeyDer::from_pem_file(path).map_err(|reason| TlsError::File {
            what: "a private key",
            path: path.into(),
            reason,
        })?;
        Ok(self.certificate(chain, key))
    }

    /// Shows this certificate chain, given in DER.
    #[must_use]
    pub fn certificate(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.certificate = Some(Arc::new((chain, key)));
        self
    }

    /// Accepts any certificate of any server. Only for tests: nothing then proves who the peer is.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Whether a TLS listener can be opened.
    pub(crate) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// The rustls configurations the transports take.
    pub(crate) fn build(&self) -> Result<sip_txn::driver::Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AcceptAnything(Arc::clone(&provider))))
        } else {
            builder.with_root_certificates(self.roots())
        };
        let client = match &self.certificate {
            Some(certificate) => {
                builder.with_client_auth_cert(certificate.0.clone(), certificate.1.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        let server = match &self.certificate {
            Some(certificate) => Some(Arc::new(
                ServerConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()?
                    .with_no_client_auth()
                    .with_single_cert(certificate.0.clone(), certificate.1.clone_key())?,
            )),
            None => None,
        };
        Ok(sip_txn::driver::Tls { client: Arc::new(client), server })
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "a system certificate could not be read");
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.trusted.iter().cloned());
        roots
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |reason| TlsError::File { what: "certificates", path: path.into(), reason };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(error)?.collect::<Result<_, _>>().map_err(error)?;
    if certificates.is_empty() {
        return Err(error(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// Checks that the peer holds the key of the certificate it shows, and nothing about the certificate.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
