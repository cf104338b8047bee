//! What is known of a connection, and how one is ended before its answer.

use std::io;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use rustls::ProtocolVersion;

/// A connection of a client.
pub struct Line {
    socket: Option<socket2::Socket>,
    tls: Option<&'static str>,
}

impl Line {
    /// What is noted of a connection.
    pub fn of(connection: &tokio::net::TcpStream, tls: Option<ProtocolVersion>) -> Self {
        let tls = match tls {
            Some(ProtocolVersion::TLSv1_2) => Some("1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("1.3"),
            _ => None,
        };
        Self { socket: socket2::SockRef::from(connection).try_clone().ok(), tls }
    }

    /// The version of TLS of a request's connection, such as `1.3`.
    pub(super) fn tls(request: &HttpRequest) -> Option<&'static str> {
        request.conn_data::<Self>().and_then(|line| line.tls)
    }
}

/// Ends the connection; nothing of an answer leaves.
///
/// The body fails, so that the server drops the connection; with no time to linger the system resets it then.
pub(super) fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(socket) = request.conn_data::<Line>().and_then(|line| line.socket.as_ref()) {
        let _ = socket.set_linger(Some(Duration::ZERO)); // without it the connection is closed, not reset
    }
    let end =
        stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    let body = SizedStream::new(1, Box::pin(end));
    HttpResponse::Ok().body(body)
}
