//! What our client trusts and how it proves itself.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

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

/// A client configuration: TLS 1.2 and 1.3, trusting `ca` or, without it, the roots of the system; with the client
/// certificate and key when both are given.
pub fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path, "trust anchor")? {
            roots.add(certificate)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        Some((chain, key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unreadable("private key", key, &error))?;
            builder.with_client_auth_cert(certificates(chain, "certificate")?, key_der)?
        }
        None => builder.with_no_client_auth(),
    })
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(what, path, &error))
}

fn unreadable(what: &'static str, path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { what, path: path.display().to_string(), cause: cause.to_string() }
}
