//! The TLS set-up: which certificates we trust and show. The one place where a crypto provider (ring) is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use sip_txn::ServerVerifier;

/// Which certificates an endpoint trusts, and which one it shows.
///
/// The default trusts the system's certificate authorities and shows none, which is what a phone needs that
/// only calls out; an endpoint that listens on TLS needs [`Tls::certificate`].
#[derive(Clone, Debug, Default)]
pub struct Tls {
    trusted: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
    insecure: bool,
    clients: ClientCertificates,
}

/// Whether those who connect to us must show a certificate, signed by somebody we trust.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked, and may have none. Who has one proves whom it speaks for ([RFC 5922 §7.4]).
    ///
    /// [RFC 5922 §7.4]: https://www.rfc-editor.org/rfc/rfc5922#section-7.4
    Optional,
    /// Without one there is no connection.
    Required,
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
    /// Client certificates are asked for, and no authority is trusted.
    #[error("client certificates cannot be checked: {0}")]
    Clients(#[from] rustls::server::VerifierBuilderError),
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

    /// Asks those who connect to us for their certificate.
    #[must_use]
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// Whether a TLS listener can be opened.
    pub(crate) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// The rustls configurations the transports take.
    pub(crate) fn build(&self) -> Result<sip_txn::driver::Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots());
        let verifier: Arc<dyn ServerCertVerifier> = if self.insecure {
            Arc::new(AcceptAnything(Arc::clone(&provider)))
        } else {
            Arc::new(ServerVerifier::new(Arc::clone(&roots), Arc::clone(&provider)))
        };
        let tls = sip_txn::driver::Tls::new(self.client(&provider, verifier)?);
        let tls = if self.insecure {
            tls
        } else {
            // Secure WebSockets are part of the web, whose certificates may be for `*.example.com`.
            let web = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
            match web.build() {
                Ok(verifier) => tls.web(self.client(&provider, verifier)?),
                // Nobody is trusted: the other verifier says so when it comes to it.
                Err(_) => tls,
            }
        };
        match &self.certificate {
            Some(certificate) => {
                let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
                    .with_safe_default_protocol_versions()?;
                let clients = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let builder = match self.clients {
                    ClientCertificates::Off => builder.with_no_client_auth(),
                    ClientCertificates::Optional => {
                        builder.with_client_cert_verifier(clients.allow_unauthenticated().build()?)
                    }
                    ClientCertificates::Required => builder.with_client_cert_verifier(clients.build()?),
                };
                let server = builder.with_single_cert(certificate.0.clone(), certificate.1.clone_key())?;
                Ok(tls.server(Arc::new(server)))
            }
            None => Ok(tls),
        }
    }

    fn client(
        &self,
        provider: &Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(Arc::new(match &self.certificate {
            Some(certificate) => {
                builder.with_client_auth_cert(certificate.0.clone(), certificate.1.clone_key())?
            }
            None => builder.with_no_client_auth(),
        }))
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
