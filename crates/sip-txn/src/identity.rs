//! Who a certificate stands for in SIP, and [`ServerVerifier`], which asks ([RFC 5922]).
//!
//! [RFC 5922]: https://www.rfc-editor.org/rfc/rfc5922

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sip_msg::{Host, Text, Uri};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// At most so many names of a certificate are looked at.
const NAMES: usize = 256;

/// Checks the certificate of a server that we connect to: its chain, its time, and that it stands for the SIP domain we
/// look for ([RFC 5922 §7.3]).
///
/// For `rustls::ClientConfig::dangerous().with_custom_certificate_verifier(…)`. What makes it differ from rustls's own is
/// [RFC 5922 §7.1] and [§7.2]: a URI `sip:domain` in the certificate counts, and DNS names only without one; names are
/// compared in full, so a wildcard is for nobody; the common name is not looked at. An IP address must stand in it as one.
///
/// [RFC 5922 §7.1]: https://www.rfc-editor.org/rfc/rfc5922#section-7.1
/// [§7.2]: https://www.rfc-editor.org/rfc/rfc5922#section-7.2
/// [RFC 5922 §7.3]: https://www.rfc-editor.org/rfc/rfc5922#section-7.3
#[derive(Debug)]
pub struct ServerVerifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    /// Trusts these authorities.
    #[must_use]
    pub fn new(roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Self {
        Self { roots, provider }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        if stands_for(end_entity, server_name) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForNameContext {
            expected: server_name.to_owned(),
            presented: domains(end_entity).iter().map(ToString::to_string).collect(),
        }
        .into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The SIP domains that a certificate stands for, in lower case ([RFC 5922 §7.1]): the hosts of its `sip:` URIs without a
/// user, else its DNS names. Without either, nobody. Nothing is verified here.
///
/// [RFC 5922 §7.1]: https://www.rfc-editor.org/rfc/rfc5922#section-7.1
pub(crate) fn domains(certificate: &CertificateDer<'_>) -> Vec<Text> {
    let (mut uris, mut names) = (Vec::new(), Vec::new());
    for_each_name(certificate, |name| {
        if let GeneralName::URI(uri) = name {
            uris.extend(sip_domain(uri));
        } else if let GeneralName::DNSName(name) = name {
            names.push(normal(name));
        }
    });
    if uris.is_empty() { names } else { uris }
}

/// Whether a certificate stands for the one we look for.
fn stands_for(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> bool {
    match wanted {
        ServerName::DnsName(name) => domains(certificate).contains(&normal(name.as_ref())),
        ServerName::IpAddress(address) => {
            let address = IpAddr::from(*address);
            let mut found = false;
            for_each_name(certificate, |name| {
                if let GeneralName::IPAddress(octets) = name {
                    found |= match address {
                        IpAddr::V4(address) => *octets == address.octets(),
                        IpAddr::V6(address) => *octets == address.octets(),
                    };
                }
            });
            found
        }
        _ => false,
    }
}

fn for_each_name(certificate: &CertificateDer<'_>, mut each: impl FnMut(&GeneralName<'_>)) {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return };
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            names.general_names.iter().take(NAMES).for_each(&mut each);
        }
    }
}

/// The domain of a URI that stands for one: `sip:`, and no user.
fn sip_domain(uri: &str) -> Option<Text> {
    let uri = Uri::parse(uri.to_owned()).ok()?;
    let domain = uri.is_sip() && !uri.is_sips() && uri.raw_user().is_none() && uri.password().is_none();
    match uri.host().filter(|_| domain)? {
        Host::Name(name) => Some(normal(&name)),
        Host::V4(_) | Host::V6(_) => None,
    }
}

/// As names are compared: in lower case, and without the dot of the root.
fn normal(name: &str) -> Text {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains(':') => SanType::URI((*name).try_into().unwrap()),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.distinguished_name.push(rcgen::DnType::CommonName, "common.example");
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn for_name(names: &[&str], wanted: &str) -> bool {
        stands_for(&certificate(names), &ServerName::try_from(wanted.to_owned()).unwrap())
    }

    // rfc: 5922 §7.1 — a sip: URI without a user is an identity, and DNS names count only when there is none
    #[test]
    fn a_sip_uri_comes_before_dns_names() {
        assert!(for_name(&["sip:example.com"], "example.com"));
        assert!(
            for_name(&["SIP:Example.com", "host.example.net"], "example.com"),
            "schemes and names in any case"
        );
        assert!(!for_name(&["sip:example.com", "host.example.net"], "host.example.net"));
        assert!(for_name(&["host.example.net"], "HOST.example.net"));
    }

    // rfc: 5922 §7.1 — another scheme and a URI with a user are no identities
    #[test]
    fn users_and_other_schemes_are_no_domains() {
        for name in ["sip:alice@example.com", "sips:example.com", "https://example.com/", "im:example.com"] {
            assert!(!for_name(&[name], "example.com"), "{name}");
            assert!(for_name(&[name, "example.com"], "example.com"), "{name} leaves the DNS name standing");
        }
    }

    // rfc: 5922 §7.1 — the common name is not looked at when there are other names, nor here without them
    #[test]
    fn the_common_name_is_not_looked_at() {
        assert!(!for_name(&["example.com"], "common.example"));
        assert!(!for_name(&[], "common.example"));
    }

    // rfc: 5922 §7.2 — whole names only: no suffix, no wildcard
    #[test]
    fn a_wildcard_is_for_nobody() {
        assert!(!for_name(&["*.example.com"], "foo.example.com"));
        assert!(!for_name(&["example.com"], "foo.example.com"));
        assert!(!for_name(&["foo.example.com"], "example.com"));
        assert!(!for_name(&["sip:*.example.com"], "foo.example.com"));
    }

    #[test]
    fn an_address_must_stand_in_the_certificate() {
        assert!(for_name(&["192.0.2.1"], "192.0.2.1"));
        assert!(for_name(&["2001:db8::1"], "2001:db8::1"));
        assert!(!for_name(&["192.0.2.1"], "192.0.2.2"));
        assert!(!for_name(&["example.com"], "192.0.2.1"));
    }

    #[test]
    fn what_is_no_certificate_stands_for_nobody() {
        assert!(domains(&CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff, 0x00])).is_empty());
    }
}
