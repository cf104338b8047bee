//! The HTTP servers: real TLS, bounded waits, graceful stop.

mod tls;

use std::any::Any;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Extensions, Server};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, Route, web};

use crate::conformance::serve::{self as trial, Trial};
use crate::domain::ClientKeyPin;
use crate::endpoint::{self, Endpoint, Health, NO_SNIFF};
use crate::loopback::{self, Loopback};
use crate::portal::{self, Portal};

pub use tls::{LocalAuthority, ServerTls, TlsFiles, TlsSetupError};
pub(crate) use tls::{host_of, pin_of_file};

/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Size of a server, and its patience.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// HTTP threads; 0: one for each core.
    pub workers: usize,
    /// Connections at one time, for each thread.
    pub connections: usize,
    /// How long requests under way may take when the service stops.
    pub stop: Duration,
}

/// The public server: SOAP, health and the pages.
pub fn public(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    size: Size,
    endpoint: Data<Endpoint>,
    health: Data<Health>,
    portal: Option<Data<Portal>>,
) -> std::io::Result<Server> {
    https(listener, tls, size, move |config| {
        config.app_data(endpoint.clone()).app_data(health.clone());
        config
            .configure(endpoint::routes)
            .configure(endpoint::health_routes(false))
            .default_service(not_found(
                "Nothing is here. The SOAP service is at /IISService, its description at /IISService?wsdl.",
            ));
        if let Some(portal) = &portal {
            config.app_data(portal.clone()).configure(portal::routes);
        }
    })
}

/// The loopback registry's server.
pub fn loopback_registry(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    registry: Data<Loopback>,
) -> std::io::Result<Server> {
    serving(
        listener,
        tls,
        Size { workers: 1, connections: 1_000, stop: Duration::from_secs(1) },
        move |config| {
            config.app_data(registry.clone()).configure(loopback::routes);
        },
        line,
    )
}

/// The server of a trial of senders.
pub fn sender_trial(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    trial: Data<Trial>,
) -> std::io::Result<Server> {
    serving(
        listener,
        tls,
        Size { workers: 1, connections: 64, stop: Duration::from_secs(1) },
        move |config| {
            config.app_data(trial.clone()).configure(trial::routes);
        },
        trial_line,
    )
}

/// The inner server: health and metrics over plain HTTP.
pub fn operations(listener: TcpListener, health: Data<Health>) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(health.clone())
            .configure(endpoint::health_routes(true))
            .default_service(not_found(
                "Nothing is here. Health is at /health/live and /health/ready, metrics at /metrics.",
            ))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

/// A server of any routes, with the same TLS, limits and waits as ours.
pub fn https(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    size: Size,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<Server> {
    serving(listener, tls, size, routes, client_key)
}

/// The same, with what is noted of each connection.
fn serving(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    size: Size,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    note: fn(&dyn Any, &mut Extensions),
) -> std::io::Result<Server> {
    let mut server = HttpServer::new(move || {
        App::new().default_service(not_found("Nothing is here.")).configure(routes.clone())
    })
    .disable_signals()
    .max_connections(size.connections)
    .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(Duration::from_secs(5))
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(size.stop.as_secs())
    .on_connect(note);
    if size.workers > 0 {
        server = server.workers(size.workers);
    }
    Ok(server.listen_rustls_0_23(listener, tls)?.run())
}

type Tls = actix_tls::accept::rustls_0_23::TlsStream<tokio::net::TcpStream>;

/// Notes a way to cut the connection.
fn line(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<Tls>().map(|stream| stream.get_ref().0);
    if let Some(line) = stream.and_then(loopback::Line::of) {
        data.insert(line);
    }
}

/// Notes what a trial tells of a connection.
fn trial_line(connection: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<Tls>() {
        let (socket, tls) = stream.get_ref();
        data.insert(trial::Line::of(socket, tls.protocol_version()));
    }
}

/// Notes the public key of a verified client certificate with its connection.
fn client_key(connection: &dyn Any, data: &mut Extensions) {
    let certificate = connection
        .downcast_ref::<Tls>()
        .and_then(|stream| stream.get_ref().1.peer_certificates())
        .and_then(<[_]>::first);
    if let Some(pin) = certificate.and_then(|certificate| tls::client_key_pin(certificate)) {
        data.insert::<ClientKeyPin>(pin);
    }
}

/// What a listener says where it has nothing.
fn not_found(text: &'static str) -> Route {
    web::route().to(move || async move {
        HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .insert_header(NO_SNIFF)
            .body(format!("{text}\n"))
    })
}
