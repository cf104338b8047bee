//! A peer behind real TLS that says the bytes it is told to: an HTTP server or an MLLP listener that may misbehave.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use izportal::domain::ClientKeyPin;
use izportal::server::{LocalAuthority, ServerTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What it does once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says these bytes and parts.
    Say(Vec<u8>),
    /// Says them after a while.
    SayLate(Duration, Vec<u8>),
    /// Ends the connection without a word.
    HangUp,
    /// Says nothing, and stays.
    Hang,
}

/// How it knows the end of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Http,
    Mllp,
}

/// The peer; it ends with the runtime of its test.
pub(crate) struct Peer {
    port: u16,
    wire: Wire,
    dir: TempDir,
    acts: Arc<Mutex<VecDeque<Act>>>,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    pub(crate) async fn https() -> Self {
        Self::start(Wire::Http, false).await
    }

    pub(crate) async fn mllp() -> Self {
        Self::start(Wire::Mllp, false).await
    }

    /// An HTTP server that talks to nobody without a client certificate.
    pub(crate) async fn https_for_members() -> Self {
        Self::start(Wire::Http, true).await
    }

    /// The same for MLLP.
    pub(crate) async fn mllp_for_members() -> Self {
        Self::start(Wire::Mllp, true).await
    }

    async fn start(wire: Wire, members: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let files = authority.server_certificate(&names).unwrap();
        let mut tls = ServerTls { files, client_ca: None }.config().unwrap();
        if members {
            tls = for_members(&dir);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            port: listener.local_addr().unwrap().port(),
            wire,
            dir,
            acts: Arc::default(),
            heard: Arc::default(),
            connections: Arc::default(),
        };
        let (acts, heard, connections) =
            (Arc::clone(&peer.acts), Arc::clone(&peer.heard), Arc::clone(&peer.connections));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (acceptor, acts, heard) =
                    (acceptor.clone(), Arc::clone(&acts), Arc::clone(&heard));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let Some(request) = request(&mut stream, wire).await else { return };
                    heard.lock().unwrap().push(request);
                    let act = acts.lock().unwrap().pop_front().unwrap();
                    perform(&mut stream, act).await;
                });
            }
        });
        peer
    }

    /// What it does with the next request.
    pub(crate) fn then(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    /// The requests so far, without the frame of MLLP.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many connections were made, with or without a request.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The pin of its key.
    pub(crate) fn pin(&self) -> String {
        let certificate =
            CertificateDer::from_pem_file(self.dir.path().join("server.pem")).unwrap();
        let end = webpki::EndEntityCert::try_from(&certificate).unwrap();
        ClientKeyPin::of(&end.subject_public_key_info()).to_string()
    }

    /// Its address on the web, at this host.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/hook", self.port)
    }

    /// The keys of a destination of this dialect at this host.
    pub(crate) fn keys(&self, host: &str, dialect: &str) -> String {
        let (port, ca) = (self.port, self.ca());
        let at = match self.wire {
            Wire::Mllp => format!("url = \"mllps://{host}:{port}\"\n"),
            Wire::Http => {
                let password = self.dir.path().join("password");
                std::fs::write(&password, "registry-credential-of-the-test").unwrap();
                format!(
                    "url = \"https://{host}:{port}/IISService\"\nusername = \"GW\"\nfacility_id = \"GW-F\"\npassword_file = \"{}\"\n",
                    password.display()
                )
            }
        };
        format!("dialect = \"{dialect}\"\n{at}ca = \"{}\"\n", ca.display())
    }
}

/// Nobody is a member: the authority that it asks for has given no certificate to anybody.
fn for_members(dir: &TempDir) -> ServerConfig {
    let read = |name: &str| CertificateDer::from_pem_file(dir.path().join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(dir.path().join("server.key"));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![read("server.pem")], key.unwrap())
        .unwrap()
}

/// One whole request; none when the connection ends before.
async fn request(stream: &mut TlsStream<TcpStream>, wire: Wire) -> Option<String> {
    let mut bytes = vec![];
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        match wire {
            Wire::Mllp => {
                if let Some(framed) = text.strip_prefix('\u{B}')
                    && let Some(message) = framed.strip_suffix("\u{1C}\r")
                {
                    return Some(message.to_owned());
                }
            }
            Wire::Http => {
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_ascii_lowercase();
                    let (_, length) = head.split_once("content-length: ")?;
                    let length: usize = length.lines().next()?.parse().ok()?;
                    if body.len() >= length {
                        return Some(text.into_owned());
                    }
                }
            }
        }
    }
}

async fn perform(stream: &mut TlsStream<TcpStream>, act: Act) {
    let bytes = match act {
        Act::Say(bytes) => bytes,
        Act::SayLate(wait, bytes) => {
            tokio::time::sleep(wait).await;
            bytes
        }
        Act::HangUp => return,
        Act::Hang => return std::future::pending().await,
    };
    // The client may have left, which is what some tests are about.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A response with a body.
pub(crate) fn http(status: &str, headers: &[&str], body: &str) -> Act {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let length = body.len();
    Act::Say(
        format!(
            "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

/// A text in the frame of MLLP.
pub(crate) fn framed(text: &str) -> Vec<u8> {
    format!("\u{B}{text}\u{1C}\r").into_bytes()
}
