//! What is seen below HTTP: which versions of TLS are spoken, and the certificate.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::conformance::case::{Case, TlsProbe};
use crate::conformance::rules::breach;
use crate::conformance::transport::Endpoint;
use crate::conformance::verdict::{Breach, Exchange};
use crate::domain::{Timestamp, certificate_end};

/// How long before its end a certificate is warned of, in seconds.
const SOON: u64 = 14 * 24 * 3_600;

/// What a probe found, and what was seen; nothing when the endpoint was not there.
pub(super) async fn probe(
    endpoint: &Endpoint,
    case: &Case,
    which: TlsProbe,
    now: Timestamp,
) -> Result<(Vec<Breach>, Exchange), String> {
    let looked = async {
        match which {
            TlsProbe::Certificate => certificate(endpoint, case, now).await,
            TlsProbe::Modern => modern(endpoint, case).await,
            TlsProbe::Outdated => outdated(endpoint, case).await,
        }
    };
    tokio::time::timeout(endpoint.timeout(), looked)
        .await
        .map_err(|_elapsed| "no answer in time".to_owned())?
        .map_err(|error| error.to_string())
}

async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let url = endpoint.url();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    TcpStream::connect((host, url.port_or_known_default().unwrap_or(443))).await
}

/// A handshake; what TLS said is inside of the inner result.
async fn shake(
    endpoint: &Endpoint,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<io::Result<tokio_rustls::client::TlsStream<TcpStream>>> {
    let host = endpoint.url().host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let tls = endpoint.tls(versions).map_err(io::Error::other)?;
    let socket = connect(endpoint).await?;
    Ok(TlsConnector::from(Arc::new(tls)).connect(name, socket).await)
}

async fn certificate(
    endpoint: &Endpoint,
    case: &Case,
    now: Timestamp,
) -> io::Result<(Vec<Breach>, Exchange)> {
    let stream = match shake(endpoint, rustls::DEFAULT_VERSIONS).await? {
        Ok(stream) => stream,
        Err(error) => {
            let found = breach("TLS-TRUSTED", &case.expect, error.to_string());
            return Ok((vec![found], seen("a handshake of TLS", &error.to_string())));
        }
    };
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    let end = certificates.first().and_then(|one| certificate_end(one));
    let mut breaches = vec![];
    if let Some(end) = end.filter(|end| end.seconds_since(now) < SOON) {
        let found = format!("it ends {end}");
        breaches.push(breach("TLS-CERTIFICATE-END", &case.expect, found));
    }
    let end = end.map(|end| end.to_string()).unwrap_or_default();
    let answer = format!("{} certificates; the first ends {end}", certificates.len());
    Ok((breaches, seen("a handshake of TLS", &answer)))
}

async fn modern(endpoint: &Endpoint, case: &Case) -> io::Result<(Vec<Breach>, Exchange)> {
    let (mut offered, mut refused) = (vec![], vec![]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let name = match version.version {
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            _ => "TLS 1.3",
        };
        let socket = shake(endpoint, &[version]).await?;
        if socket.is_ok() {
            offered.push(name);
        } else {
            refused.push(name);
        }
    }
    let mut breaches = vec![];
    if offered.is_empty() {
        breaches.push(breach("TLS-MODERN", &case.expect, "neither of them".to_owned()));
    } else if !offered.contains(&"TLS 1.3") {
        breaches.push(breach("TLS-1-3", &case.expect, "TLS 1.2 alone".to_owned()));
    }
    Ok((
        breaches,
        seen(
            "a handshake in each version",
            &format!("taken: {}; refused: {}", offered.join(", "), refused.join(", ")),
        ),
    ))
}

async fn outdated(endpoint: &Endpoint, case: &Case) -> io::Result<(Vec<Breach>, Exchange)> {
    let (mut breaches, mut answers) = (vec![], vec![]);
    for (name, minor) in [("TLS 1.0", 1), ("TLS 1.1", 2)] {
        let mut socket = connect(endpoint).await?;
        socket.write_all(&client_hello(minor)).await?;
        let mut answer = [0; 16];
        // A connection that is ended without a word is a refusal, too.
        let count = socket.read(&mut answer).await.unwrap_or(0);
        let is_hello = matches!(answer.get(..count), Some([22, ..]));
        if is_hello {
            breaches.push(breach("TLS-OUTDATED", &case.expect, format!("{name} is taken")));
        }
        answers.push(format!("{name}: {}", if is_hello { "ServerHello" } else { "refused" }));
    }
    Ok((breaches, seen("a ClientHello of TLS 1.0, and one of TLS 1.1", &answers.join("; "))))
}

fn seen(request: &str, response: &str) -> Exchange {
    Exchange { request: request.to_owned(), response: response.to_owned(), millis: 0 }
}

/// A `ClientHello` that offers one outdated version with its usual ciphers. Source: RFC 4346, 7.4.1.2.
fn client_hello(minor: u8) -> Vec<u8> {
    // RSA and ECDHE_RSA with AES in CBC mode, 3DES, and the signalling value of RFC 5746.
    let ciphers: [u8; 14] =
        [0xC0, 0x14, 0xC0, 0x13, 0xC0, 0x0A, 0xC0, 0x09, 0x00, 0x35, 0x00, 0x2F, 0x00, 0xFF];
    // supported_groups: secp256r1, secp384r1; ec_point_formats: uncompressed.
    let extensions: [u8; 16] = [0, 10, 0, 6, 0, 4, 0, 23, 0, 24, 0, 11, 0, 2, 1, 0];
    let mut body = vec![3, minor];
    body.extend([0x5A; 32]);
    body.push(0);
    body.extend([0, 14]);
    body.extend(ciphers);
    body.extend([1, 0]);
    body.extend([0, 16]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap_or(0);
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}
