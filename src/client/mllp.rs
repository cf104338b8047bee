//! A client that speaks MLLP inside TLS: one connection for each message.
//!
//! A connection is never used again, so an answer that comes late can be taken for no other message's.
//! Source: HL7's Minimal Lower Layer Protocol, release 1: VT, the message, FS, CR.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Address, CallError, Egress, LONGEST_REPLY, NotConnected, Reach, Unreadable};

const START: u8 = 0x0B;
const END: u8 = 0x1C;

/// A client of one listener.
#[derive(Clone)]
pub struct MllpClient {
    address: Address,
    name: ServerName<'static>,
    tls: TlsConnector,
    egress: Egress,
    connect_timeout: Duration,
    timeout: Duration,
}

impl MllpClient {
    /// A client of the listener at `mllps://HOST:PORT`.
    ///
    /// # Errors
    /// When the address is not one, or may not be called.
    pub fn new(address: &str, reach: Reach) -> Result<Self, CallError> {
        let address = Address::mllps(address, &reach.egress)?;
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_error| CallError::Settings("names no host that TLS knows".to_owned()))?;
        let connect_timeout = reach.connect_timeout();
        let Reach { tls, egress, timeout, .. } = reach;
        let tls = TlsConnector::from(Arc::new(tls));
        Ok(Self { address, name, tls, egress, connect_timeout, timeout })
    }

    /// Sends one message and gives what came back, without its frame. What is not UTF-8 is read as ISO 8859-1.
    ///
    /// # Errors
    /// When no answer came that can be used.
    pub async fn call(&self, hl7: &str) -> Result<String, CallError> {
        if hl7.bytes().any(|one| matches!(one, START | END)) {
            return Err(CallError::Unsendable("the message holds a framing character of MLLP"));
        }
        let deadline = Instant::now() + self.timeout;
        let mut stream = self.connect().await?;
        let exchange = async {
            let framed = [&[START], hl7.as_bytes(), &[END, b'\r']].concat();
            stream.write_all(&framed).await.map_err(|error| CallError::of_sending(&error))?;
            stream.flush().await.map_err(|error| CallError::of_sending(&error))?;
            answer(&mut stream).await
        };
        let answer =
            timeout_at(deadline, exchange).await.map_err(|_late| CallError::TimedOut)??;
        let _ = timeout_at(deadline, stream.shutdown()).await; // the answer is here; how the other side parts is its affair
        Ok(answer)
    }

    /// Makes a connection, TLS included, and ends it.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn probe(&self) -> Result<(), CallError> {
        let mut stream = self.connect().await?;
        let _ = timeout(self.connect_timeout, stream.shutdown()).await; // it has answered already
        Ok(())
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, CallError> {
        let connecting = async {
            let found =
                self.egress.lookup(self.address.host(), self.address.port()).await.map_err(
                    |error| match CallError::of_connecting(&error) {
                        CallError::AddressRefused => CallError::AddressRefused,
                        _ => CallError::NotConnected(NotConnected::UnknownName),
                    },
                )?;
            let tcp = TcpStream::connect(found.as_slice())
                .await
                .map_err(|error| CallError::of_connecting(&error))?;
            let _ = tcp.set_nodelay(true); // slower without, not wrong
            self.tls
                .connect(self.name.clone(), tcp)
                .await
                .map_err(|error| CallError::of_connecting(&error))
        };
        timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_late| CallError::NotConnected(NotConnected::TimedOut))?
    }
}

/// Reads on to the end of the frame.
async fn answer(stream: &mut TlsStream<TcpStream>) -> Result<String, CallError> {
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        let seen = bytes.len();
        let read = stream.read_buf(&mut bytes).await;
        if read.map_err(|error| CallError::of_sending(&error))? == 0 {
            return Err(CallError::BrokenOff);
        }
        let end = bytes.get(seen..).and_then(|new| memchr::memchr(END, new));
        if seen + end.unwrap_or(bytes.len() - seen) > LONGEST_REPLY {
            return Err(CallError::TooLong);
        }
        if let Some(end) = end {
            bytes.truncate(seen + end);
            return unframed(&bytes);
        }
    }
}

fn unframed(bytes: &[u8]) -> Result<String, CallError> {
    let framed = bytes.trim_ascii_start();
    let text =
        framed.strip_prefix(&[START]).ok_or(CallError::Unreadable(Unreadable::NotMllp))?.to_vec();
    Ok(String::from_utf8(text)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_out_of_its_frame() {
        assert_eq!(unframed(b"\r\n\x0BMSH|\r").unwrap(), "MSH|\r");
        assert_eq!(unframed(b"\x0BMSH|\xC3\x91").unwrap(), "MSH|\u{D1}");
        assert_eq!(unframed(b"\x0BMSH|\xD1").unwrap(), "MSH|\u{D1}");
        for unframed_bytes in [&b"MSH|\r"[..], b"", b"x\x0BMSH|"] {
            assert_eq!(
                unframed(unframed_bytes).unwrap_err(),
                CallError::Unreadable(Unreadable::NotMllp)
            );
        }
    }
}
