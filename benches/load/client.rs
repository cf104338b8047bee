//! A lean HTTP/1.1 client over TLS: so little of its own that the server is what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::service::{Request, Service};

/// What is run.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    /// `submit` or `echo`.
    pub(crate) path: &'static str,
    /// A new connection for each request.
    pub(crate) fresh: bool,
    /// Requests in all, at most.
    pub(crate) count: usize,
    /// One request of each connection in so much time; none: as fast as it is answered.
    pub(crate) pace: Option<Duration>,
}

/// What was measured.
pub(crate) struct Measured {
    latencies: Vec<u32>,
    time: Duration,
}

impl Measured {
    /// Several runs as one.
    pub(crate) fn together(runs: Vec<Self>) -> Self {
        let time = runs.iter().map(|run| run.time).sum();
        let mut latencies: Vec<u32> = runs.into_iter().flat_map(|run| run.latencies).collect();
        latencies.sort_unstable();
        Self { latencies, time }
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// A quantile of the latencies, in milliseconds.
    pub(crate) fn p(&self, quantile: f64) -> f64 {
        let at = ((self.latencies.len() - 1) as f64 * quantile) as usize;
        f64::from(self.latencies[at]) / 1e3
    }
}

/// One request after another, each on a connection of its own and without waiting for its answer, for ever.
pub(crate) async fn trickle(service: &Service, mut request: Request, pace: Duration) {
    let connector = connector(service);
    let port = service.port();
    loop {
        request.next();
        let (connector, bytes) = (connector.clone(), request.bytes().to_vec());
        tokio::spawn(async move {
            let mut connection = connect(&connector, port).await;
            connection.write_all(&bytes).await.unwrap();
            let _ = connection.read_buf(&mut Vec::new()).await; // whatever it says, whenever
        });
        tokio::time::sleep(pace).await;
    }
}

fn connector(service: &Service) -> TlsConnector {
    let tls = izportal::client::client_config(Some(&service.ca()), None).unwrap();
    TlsConnector::from(Arc::new(tls))
}

pub(crate) async fn run(service: &Service, plan: &Plan) -> Measured {
    let connector = connector(service);
    let start = Instant::now();
    let until = start + plan.time;
    let begun = Arc::new(AtomicUsize::new(0));
    let mut tasks = vec![];
    for number in 0..plan.connections {
        // Paced connections take turns.
        let first = start
            + plan
                .pace
                .map_or(Duration::ZERO, |pace| pace * number as u32 / plan.connections as u32);
        let begun = Arc::clone(&begun);
        let (connector, port, plan) = (connector.clone(), service.port(), *plan);
        let request = service.request(plan.path);
        tasks.push(tokio::spawn(async move {
            one_connection(&connector, port, plan, request, (first, until), &begun).await
        }));
    }
    let mut latencies = vec![];
    for task in tasks {
        latencies.append(&mut task.await.expect("every reply was right"));
    }
    let time = start.elapsed();
    latencies.sort_unstable();
    Measured { latencies, time }
}

async fn connect(connector: &TlsConnector, port: u16) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

async fn one_connection(
    connector: &TlsConnector,
    port: u16,
    plan: Plan,
    mut request: Request,
    (first, until): (Instant, Instant),
    begun: &AtomicUsize,
) -> Vec<u32> {
    let mut planned = first;
    let mut latencies = Vec::with_capacity(100_000);
    let mut reply = Vec::with_capacity(8 * 1024);
    let mut stream = None;
    while Instant::now() < until && begun.fetch_add(1, Ordering::Relaxed) < plan.count {
        let expected = request.next();
        let mut start = Instant::now();
        if let Some(pace) = plan.pace {
            // A late answer delays the next request, and that one's delay counts.
            tokio::time::sleep_until(planned.into()).await;
            start = planned;
            planned += pace;
        }
        let mut connection = match stream.take() {
            Some(connection) => connection,
            None => connect(connector, port).await,
        };
        connection.write_all(request.bytes()).await.unwrap();
        connection.flush().await.unwrap();
        read_reply(&mut connection, &mut reply).await;
        latencies.push(start.elapsed().as_micros() as u32);
        assert!(
            memchr::memmem::find(&reply, expected.as_bytes()).is_some(),
            "no {expected} in {}",
            String::from_utf8_lossy(&reply)
        );
        if plan.fresh {
            let _ = connection.shutdown().await; // the server may have closed first
        } else {
            stream = Some(connection);
        }
    }
    latencies
}

/// Reads one response with a Content-Length, head and body.
async fn read_reply(connection: &mut TlsStream<TcpStream>, reply: &mut Vec<u8>) {
    reply.clear();
    loop {
        let read = connection.read_buf(reply).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(head) = memchr::memmem::find(reply, b"\r\n\r\n") else { continue };
        let marker = b"content-length: ";
        let at =
            memchr::memmem::find(&reply[..head], marker).expect("a content-length") + marker.len();
        let length: usize = reply[at..head]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        while reply.len() < head + 4 + length {
            assert!(connection.read_buf(reply).await.unwrap() > 0, "the reply broke off");
        }
        return;
    }
}
