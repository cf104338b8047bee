//! What reqwest will not do: bytes of our choice on a TLS connection, and on the bare socket under it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use izportal::client::client_config;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{Answer, TestApp};

/// Longest wait for the other side; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A TLS connection to the gateway, byte by byte.
pub(crate) struct Line<S: Read + Write = TcpStream> {
    stream: StreamOwned<ClientConnection, S>,
    read: Vec<u8>,
}

/// A socket that lets one byte through at a time.
pub(crate) struct Trickle(TcpStream);

impl Read for Trickle {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.get(..1).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Line<S> {
    fn over(socket: S, tls: ClientConfig) -> Self {
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(tls), name).unwrap();
        Self { stream: StreamOwned::new(connection, socket), read: vec![] }
    }

    /// Sends bytes as they stand; an error when the other side has closed.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// The next response; none when the connection ends before one.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        self.response(true)
    }

    /// The next response to a request that is answered without a body.
    pub(crate) fn answer_without_body(&mut self) -> Option<Answer> {
        self.response(false)
    }

    /// Whether the other side ends the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more()
    }

    fn response(&mut self, with_body: bool) -> Option<Answer> {
        let end = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None if !self.more() => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let (status, headers) = parsed(&head);
        let length: usize = headers
            .get("content-length")
            .filter(|_| with_body)
            .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        while self.read.len() < length {
            assert!(self.more(), "the body of a response broke off");
        }
        let text = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer { status, headers, text })
    }

    /// Reads on; false when the connection has ended.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "nothing came in {PATIENCE:?}");
                false
            }
        }
    }
}

fn parsed(head: &str) -> (u16, HeaderMap) {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value.trim()).unwrap())
        })
        .collect();
    (status, headers)
}

impl TestApp {
    /// Where the public listener listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let url = reqwest::Url::parse(&self.app.public_url).unwrap();
        SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))
    }

    /// What the tests' clients trust.
    pub(crate) fn trust(&self) -> ClientConfig {
        client_config(self.app.ca.as_deref(), None).unwrap()
    }

    /// Talks over a TLS connection, on a thread that may block.
    pub(crate) async fn talk<T: Send + 'static>(
        &self,
        talk: impl FnOnce(&mut Line) -> T + Send + 'static,
    ) -> T {
        let (address, tls) = (self.address(), self.trust());
        blocking(move || talk(&mut Line::over(socket(address), tls))).await
    }

    /// Sends one request as it stands and gives the response, when there is one.
    pub(crate) async fn exchange(&self, request: impl Into<Vec<u8>>) -> Option<Answer> {
        let request = request.into();
        self.talk(move |line| {
            line.send(request).unwrap();
            line.answer()
        })
        .await
    }

    /// As [`TestApp::talk`], with small TLS records that arrive byte by byte.
    pub(crate) async fn talk_haltingly<T: Send + 'static>(
        &self,
        talk: impl FnOnce(&mut Line<Trickle>) -> T + Send + 'static,
    ) -> T {
        let (address, mut tls) = (self.address(), self.trust());
        tls.max_fragment_size = Some(64);
        blocking(move || talk(&mut Line::over(Trickle(socket(address)), tls))).await
    }

    /// Sends bytes to the TLS port without TLS; gives all that comes back until the connection ends.
    pub(crate) async fn shout(&self, bytes: impl Into<Vec<u8>>) -> Vec<u8> {
        let (address, bytes) = (self.address(), bytes.into());
        blocking(move || {
            let mut socket = socket(address);
            socket.write_all(&bytes).unwrap();
            let mut heard = vec![];
            if let Err(error) = socket.read_to_end(&mut heard) {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "not closed in {PATIENCE:?}");
            }
            heard
        })
        .await
    }
}

/// Says bytes to any TLS listener on this machine and gives the answer, when there is one.
pub(crate) async fn say(
    address: SocketAddr,
    tls: ClientConfig,
    bytes: impl Into<Vec<u8>>,
) -> Option<Answer> {
    let bytes = bytes.into();
    blocking(move || {
        let mut line = Line::over(socket(address), tls);
        let _ = line.send(bytes); // who does not read to the end may have answered all the same
        line.answer()
    })
    .await
}

fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A POST to the SOAP path with these headers, one a line, and a body of declared length.
pub(crate) fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /IISService HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A place where nobody should call.
pub(crate) struct Tripwire(TcpListener);

impl Tripwire {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap())
    }

    /// Whether somebody called.
    pub(crate) fn is_touched(&self) -> bool {
        self.0.accept().is_ok()
    }
}
