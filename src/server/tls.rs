//! TLS of our listeners: configured certificates, or a local authority made on first run.
//!
//! TLS 1.2 and 1.3, suites with AEAD and forward secrecy only: the provider has no others.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, RootCertStore, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use crate::config::private_file;
use crate::domain::ClientKeyPin;

/// Certificates that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        cause: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Generation(#[from] rcgen::Error),
    /// The parts do not fit together.
    #[error("the certificate and key cannot be used: {0}")]
    Unusable(String),
}

fn file_error(path: &Path, cause: &dyn std::fmt::Display) -> TlsSetupError {
    TlsSetupError::File { path: path.display().to_string(), cause: cause.to_string() }
}

/// The files of a server's certificate.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// The local authority of an installation without certificates of its own.
pub struct LocalAuthority {
    folder: PathBuf,
}

impl LocalAuthority {
    /// The authority of this folder, which is made when it is missing.
    pub fn open(folder: PathBuf) -> Result<Self, TlsSetupError> {
        fs::create_dir_all(&folder).map_err(|cause| file_error(&folder, &cause))?;
        let authority = Self { folder };
        let files =
            TlsFiles { certificate: authority.certificate(), key: authority.path("ca.key") };
        if !(files.certificate.exists() && files.key.exists()) {
            let key = KeyPair::generate()?;
            files.replace(&key, &authority_params().self_signed(&key)?)?;
        }
        Ok(authority)
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for `names`; the one at hand when it still fits, else a new one.
    pub fn server_certificate(&self, names: &[String]) -> Result<TlsFiles, TlsSetupError> {
        let files = TlsFiles { certificate: self.path("server.pem"), key: self.path("server.key") };
        if !self.fits(&files, names) {
            let key_path = self.path("ca.key");
            let pem =
                fs::read_to_string(&key_path).map_err(|cause| file_error(&key_path, &cause))?;
            let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&pem)?);
            let key = KeyPair::generate()?;
            let certificate = server_params(names)?.signed_by(&key, &issuer)?;
            files.replace(&key, &certificate)?;
        }
        Ok(files)
    }

    /// Whether the certificate at hand is of this authority, in its time and good for every name.
    fn fits(&self, files: &TlsFiles, names: &[String]) -> bool {
        let (Ok(ca), Ok(certificate)) = (
            CertificateDer::from_pem_file(self.certificate()),
            CertificateDer::from_pem_file(&files.certificate),
        ) else {
            return false;
        };
        let (Ok(anchor), Ok(end)) =
            (webpki::anchor_from_trusted_cert(&ca), EndEntityCert::try_from(&certificate))
        else {
            return false;
        };
        let in_time = end
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &[anchor],
                &[],
                UnixTime::now(),
                KeyUsage::server_auth(),
                None,
                None,
            )
            .is_ok();
        let named = |name: &String| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| end.verify_is_valid_for_subject_name(&name).is_ok())
        };
        in_time && files.key.exists() && names.iter().all(named)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("izportal local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params
}

/// Valid for so long that no test bed stops at night; whoever faces the public configures a certificate.
fn server_params(names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("izportal");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

impl TlsFiles {
    /// Puts a new pair in place. The old certificate goes first and the new one comes last, so that a pair whose making
    /// broke off is seen to be incomplete and made anew.
    fn replace(&self, key: &KeyPair, certificate: &Certificate) -> Result<(), TlsSetupError> {
        remove(&self.certificate).map_err(|cause| file_error(&self.certificate, &cause))?;
        put(&self.key, &key.serialize_pem(), private_file)?;
        put(&self.certificate, &certificate.pem(), |path| File::create(path))
    }
}

/// Writes a file beside its place and moves it there once it is whole.
fn put(
    path: &Path,
    text: &str,
    create: impl FnOnce(&Path) -> io::Result<File>,
) -> Result<(), TlsSetupError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let put = || {
        remove(&beside)?;
        let mut file = create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    put().map_err(|cause| file_error(path, &cause))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.exists() { fs::remove_file(path) } else { Ok(()) }
}

/// What a TLS listener needs.
pub struct ServerTls {
    /// Certificate and key.
    pub files: TlsFiles,
    /// Authority of client certificates; none: none are asked for.
    pub client_ca: Option<PathBuf>,
}

impl ServerTls {
    /// The rustls configuration. A client certificate is verified when it is shown; who must show one is decided by
    /// credential.
    pub fn config(&self) -> Result<ServerConfig, TlsSetupError> {
        let unusable = |error: &dyn std::fmt::Display| TlsSetupError::Unusable(error.to_string());
        let provider = Arc::new(provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = match &self.client_ca {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in read_chain(path)? {
                    roots.add(certificate).map_err(|error| unusable(&error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| unusable(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_file(&self.files.key)
            .map_err(|cause| file_error(&self.files.key, &cause))?;
        let mut config = builder
            .with_single_cert(read_chain(&self.files.certificate)?, key)
            .map_err(|error| unusable(&error))?;
        config.ticketer =
            rustls::crypto::ring::Ticketer::new().map_err(|error| unusable(&error))?;
        config.send_tls13_tickets = 1;
        config.ignore_client_order = true;
        Ok(config)
    }
}

/// The suites in our order: AES-128-GCM with SHA-256 first, which the processor does by itself; SHA-384 it does not.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 1,
        _ => 2,
    });
    provider
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| file_error(path, &cause))?;
    if chain.is_empty() { Err(file_error(path, &"it holds no certificate")) } else { Ok(chain) }
}

/// The pin of a certificate's public key.
pub(super) fn client_key_pin(certificate: &CertificateDer<'_>) -> Option<ClientKeyPin> {
    let end = EndEntityCert::try_from(certificate).ok()?;
    Some(ClientKeyPin::of(&end.subject_public_key_info()))
}

/// The pin of the first certificate in a PEM file, for `admin credential pin`.
pub(crate) fn pin_of_file(path: &Path) -> Result<ClientKeyPin, TlsSetupError> {
    let certificate =
        CertificateDer::from_pem_file(path).map_err(|cause| file_error(path, &cause))?;
    client_key_pin(&certificate).ok_or_else(|| file_error(path, &"it is not an X.509 certificate"))
}

/// The host of an https address, without port, as a certificate names it.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let authority = url.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let known = host.parse::<IpAddr>().is_ok() || ServerName::try_from(host).is_ok();
    known.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const FILES: [&str; 4] = ["ca.key", "ca.pem", "server.key", "server.pem"];

    fn names(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    /// Opens the folder as a start does; its certificate must be good for the name, and its key the one that goes with it.
    #[track_caller]
    fn assert_usable(dir: &TempDir, name: &str, what: &str) {
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let files = authority.server_certificate(&names(name)).unwrap();
        assert!(authority.fits(&files, &names(name)), "the certificate fits: {what}");
        let config = ServerTls { files, client_ca: None }.config();
        assert!(config.is_ok(), "{:?}: {what}", config.err());
    }

    #[test]
    fn whichever_files_are_missing_the_next_start_makes_them_good() {
        for kept in 0..16_u32 {
            let dir = TempDir::new().unwrap();
            assert_usable(&dir, "one.test", "new");
            for (n, name) in FILES.iter().enumerate() {
                if kept & (1 << n) == 0 {
                    fs::remove_file(dir.path().join(name)).unwrap();
                }
                fs::write(dir.path().join(format!("{name}.new")), "-----BEG").unwrap();
            }

            assert_usable(&dir, "one.test", &format!("{kept:04b} of {FILES:?}"));
        }
    }

    #[test]
    fn a_start_that_breaks_off_while_it_replaces_a_pair_is_made_good_by_the_next() {
        let dir = TempDir::new().unwrap();
        assert_usable(&dir, "one.test", "new");
        let obstacle = |name: &str| dir.path().join(format!("{name}.new"));

        fs::create_dir(obstacle("server.pem")).unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let broken_off = authority.server_certificate(&names("two.test")).is_err();
        fs::remove_dir(obstacle("server.pem")).unwrap();
        assert!(broken_off, "with the key in place and not the certificate");
        assert_usable(&dir, "one.test", "the server's pair");

        fs::remove_file(dir.path().join("ca.key")).unwrap();
        fs::create_dir(obstacle("ca.pem")).unwrap();
        let broken_off = LocalAuthority::open(dir.path().to_owned()).is_err();
        fs::remove_dir(obstacle("ca.pem")).unwrap();
        assert!(broken_off, "with the key in place and not the certificate");
        assert_usable(&dir, "one.test", "the authority's pair");
    }
}
