//! What our clients trust and how they prove themselves.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use webpki::EndEntityCert;

use crate::domain::{ClientKeyPin, from_hex};

/// TLS settings of a client that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read as PEM.
    #[error("{what} {path} cannot be read: {cause}")]
    File {
        /// What the file should hold.
        what: &'static str,
        /// Its path.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The parts do not fit together.
    #[error("the certificates cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// SHA-256 of the public key (`SubjectPublicKeyInfo`, DER) that a server must have, as [`ClientKeyPin`] is of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeyPin(ClientKeyPin);

/// A text that is no pin.
#[derive(Debug, thiserror::Error)]
#[error("must be the SHA-256 of a public key in 64 hexadecimal digits")]
pub struct NoPin;

impl FromStr for ServerKeyPin {
    type Err = NoPin;

    fn from_str(text: &str) -> Result<Self, NoPin> {
        let digits = text.bytes().all(|one| one.is_ascii_hexdigit());
        let bytes = from_hex(text).filter(|_bytes| digits).ok_or(NoPin)?;
        ClientKeyPin::from_slice(&bytes).map(Self).ok_or(NoPin)
    }
}

/// Where something in PEM stands.
#[derive(Clone, Copy)]
pub enum Pem<'a> {
    /// In a file.
    File(&'a Path),
    /// Here.
    Text(&'a str),
}

/// A client configuration: TLS 1.2 and 1.3, trusting `ca` or, without it, the roots of the system; with the client
/// certificate and key when both are given.
pub fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsError> {
    client_config_speaking(rustls::DEFAULT_VERSIONS, ca, identity)
}

/// The same with these versions of TLS alone.
pub fn client_config_speaking(
    versions: &[&'static SupportedProtocolVersion],
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsError> {
    let identity = identity.map(|(chain, key)| (Pem::File(chain), Pem::File(key)));
    configured(versions, ca.map(Pem::File), identity, None)
}

/// The same; with a pin the server must have that key, too.
pub fn pinned_client_config(
    ca: Option<Pem<'_>>,
    identity: Option<(Pem<'_>, Pem<'_>)>,
    pin: Option<ServerKeyPin>,
) -> Result<ClientConfig, TlsError> {
    configured(rustls::DEFAULT_VERSIONS, ca, identity, pin)
}

fn configured(
    versions: &[&'static SupportedProtocolVersion],
    ca: Option<Pem<'_>>,
    identity: Option<(Pem<'_>, Pem<'_>)>,
    pin: Option<ServerKeyPin>,
) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca {
        for certificate in certificates(pem, "trust anchor")? {
            roots.add(certificate)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?
        .with_root_certificates(Arc::clone(&roots));
    let mut config = match identity {
        Some((chain, key)) => {
            let key_der = match key {
                Pem::File(path) => PrivateKeyDer::from_pem_file(path),
                Pem::Text(text) => PrivateKeyDer::from_pem_slice(text.as_bytes()),
            }
            .map_err(|error| unreadable("private key", key, &error))?;
            builder.with_client_auth_cert(certificates(chain, "certificate")?, key_der)?
        }
        None => builder.with_no_client_auth(),
    };
    if let Some(pin) = pin {
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        config.dangerous().set_certificate_verifier(Arc::new(Pinned { chain, pin }));
    }
    Ok(config)
}

/// Verifies the chain as ever, and then the key.
#[derive(Debug)]
struct Pinned {
    chain: Arc<WebPkiServerVerifier>,
    pin: ServerKeyPin,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let key = EndEntityCert::try_from(end_entity)
            .map(|end| ClientKeyPin::of(&end.subject_public_key_info()));
        if key.is_ok_and(|key| key == self.pin.0) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn certificates(
    pem: Pem<'_>,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = match pem {
        Pem::File(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect),
        Pem::Text(text) => CertificateDer::pem_slice_iter(text.as_bytes()).collect(),
    };
    let found = found.map_err(|error| unreadable(what, pem, &error))?;
    if found.is_empty() {
        Err(unreadable(what, pem, &"it holds no certificate"))
    } else {
        Ok(found)
    }
}

fn unreadable(what: &'static str, pem: Pem<'_>, cause: &dyn std::fmt::Display) -> TlsError {
    let path = match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => "as given".to_owned(),
    };
    TlsError::File { what, path, cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_64_hexadecimal_digits() {
        let pin = "ab".repeat(32);

        assert_eq!(pin.parse::<ServerKeyPin>().unwrap(), pin.to_uppercase().parse().unwrap());
        for text in
            ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"+b".repeat(32), &"xy".repeat(32)]
        {
            assert!(text.parse::<ServerKeyPin>().is_err(), "{text}");
        }
    }
}
