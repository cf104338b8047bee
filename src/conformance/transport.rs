//! The endpoint that is judged, reached with a client of our own: any method, headers and bytes; no redirect, no proxy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url, Version};

use crate::client::{
    CallError, NotConnected, TlsError, TlsRefusal, client_config, client_config_speaking,
};
use crate::conformance::request::{Rendered, Sender, escaped};

/// Longest reply that is read, in bytes.
const LONGEST_REPLY: usize = 8 * 1024 * 1024;
/// Longest text of a request or a reply that a report shows, in characters.
const LONGEST_SHOWN: usize = 20_000;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// `HTTP/1.1`.
    pub version: String,
    /// The headers as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// As it may be shown: with the secrets of the sender masked.
    pub(super) fn shown(&self, sender: &Sender) -> String {
        let mut out = format!("{} {}\n", self.version, self.status);
        for (name, value) in &self.headers {
            let _ = writeln!(out, "{name}: {value}"); // writing to a String does not fail
        }
        out.push('\n');
        out.push_str(&shortened(&String::from_utf8_lossy(&self.body)));
        masked(out, sender)
    }
}

impl Rendered {
    /// As it may be shown; made with masked credentials it holds none.
    pub(super) fn shown(&self, url: &Url) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let mut out = format!("{} {}{query} HTTP/1.1\n", self.method, url.path());
        for (name, value) in &self.headers {
            let _ = writeln!(out, "{name}: {value}"); // as above
        }
        out.push('\n');
        out.push_str(&shortened(&String::from_utf8_lossy(&self.body)));
        out
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => {
            let begin = text.get(..at).unwrap_or_default();
            format!("{begin}\n[... {} bytes in all]", text.len())
        }
    }
}

/// What a reply repeats of the credentials is masked, too. A user name that is the facility's name is no secret.
fn masked(text: String, sender: &Sender) -> String {
    let Sender { username, password, facility, .. } = sender;
    let named = facility.contains(username.as_str());
    let secrets = [(password, "[password]", false), (username, "[username]", named)];
    let hidden = secrets.iter().filter(|(secret, _, open)| !open && !secret.is_empty());
    hidden.fold(text, |text, (secret, mask, _)| {
        text.replace(secret.as_str(), mask).replace(&escaped(secret), mask)
    })
}

/// The endpoint.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    client: reqwest::Client,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    timeout: Duration,
}

/// An endpoint that cannot be judged, and what to look at.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// What was told about it cannot be used.
    #[error("{0}")]
    Settings(String),
    /// It is not there.
    #[error("{url} cannot be reached: {cause}. {advice}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why not.
        cause: CallError,
        /// What to look at.
        advice: &'static str,
    },
}

impl Endpoint {
    /// Makes a client for it; `identity` is a client certificate and its key.
    ///
    /// # Errors
    /// When the address or a file cannot be used.
    pub fn new(
        url: &str,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
        timeout: Duration,
    ) -> Result<Self, EndpointError> {
        let settings = |text: String| EndpointError::Settings(text);
        let mut url = Url::parse(url)
            .map_err(|error| settings(format!("--url {url} is no address: {error}")))?;
        if url.scheme() != "https" {
            return Err(settings(format!(
                "--url {url}: only https is called, because credentials and messages are sent"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(settings(
                "--url holds a user name or a password; leave them out of the address".to_owned(),
            ));
        }
        url.set_query(None);
        url.set_fragment(None);
        let tls = client_config(ca, identity).map_err(|error| settings(error.to_string()))?;
        let client = reqwest::Client::builder()
            .connect_timeout(timeout)
            .timeout(timeout)
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| settings(format!("the client cannot be made: {error}")))?;
        let identity = identity.map(|(chain, key)| (chain.to_owned(), key.to_owned()));
        Ok(Self { url, client, ca: ca.map(Path::to_owned), identity, timeout })
    }

    /// Its address.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// What is trusted there, speaking these versions of TLS alone.
    pub(super) fn tls(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<rustls::ClientConfig, TlsError> {
        let identity = self.identity.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        client_config_speaking(versions, self.ca.as_deref(), identity)
    }

    /// How long it is waited for.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether it stands on this machine.
    pub fn is_here(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Asks once whether it is there.
    ///
    /// # Errors
    /// When it is not, with what to look at.
    pub async fn reach(&self) -> Result<(), EndpointError> {
        let mut url = self.url.clone();
        url.set_query(Some("wsdl"));
        match self.client.get(url).send().await {
            Ok(_answer) => Ok(()),
            Err(error) => {
                let cause = CallError::of_http(&error);
                let advice = advice(&cause);
                Err(EndpointError::Unreachable { url: self.url.to_string(), cause, advice })
            }
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn send(&self, rendered: &Rendered) -> Result<Reply, CallError> {
        let begun = Instant::now();
        let mut url = self.url.clone();
        url.set_query(Some(rendered.query.as_str()).filter(|query| !query.is_empty()));
        let unusable =
            |what: &str| CallError::Settings(format!("{what} of the case cannot be sent"));
        let method = Method::from_bytes(rendered.method.as_bytes())
            .map_err(|_error| unusable("the method"))?;
        let mut request = self.client.request(method, url);
        for (name, value) in &rendered.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_error| unusable("a header"))?;
            let value = HeaderValue::from_str(value).map_err(|_error| unusable("a header"))?;
            request = request.header(name, value);
        }
        if rendered.method == "POST" || !rendered.body.is_empty() {
            request = request.body(rendered.body.clone());
        }
        let mut response = request.send().await.map_err(|error| CallError::of_http(&error))?;
        let mut reply = Reply {
            status: response.status().as_u16(),
            version: version(response.version()).to_owned(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            ..Reply::default()
        };
        while let Some(part) = response.chunk().await.map_err(|error| CallError::of_http(&error))? {
            reply.body.extend_from_slice(&part);
            if reply.body.len() > LONGEST_REPLY {
                return Err(CallError::TooLong);
            }
        }
        reply.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(reply)
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/3",
    }
}

/// What to look at when an endpoint is not there.
const fn advice(cause: &CallError) -> &'static str {
    match cause {
        CallError::NotConnected(NotConnected::UnknownName) => "Check the host name in --url.",
        CallError::NotConnected(NotConnected::Refused) => {
            "Check the port in --url, and whether the service runs."
        }
        CallError::NotConnected(_) => {
            "Check host and port in --url, and whether a firewall or a VPN stands between."
        }
        CallError::TlsRefused(TlsRefusal::UnknownIssuer) => {
            "Name the authority of its certificate with --ca FILE (PEM); of `izportal demo` it is izportal-demo/tls/ca.pem."
        }
        CallError::TlsRefused(TlsRefusal::OtherName) => {
            "Call it by a name that is in its certificate."
        }
        CallError::TlsRefused(TlsRefusal::OurCertificate) => {
            "It asks for a client certificate that it knows: --cert FILE --key FILE."
        }
        CallError::TlsRefused(_) => "Check whether --url names a TLS port.",
        _ => "Check --url; a proxy or a load balancer in front of it may have ended the call.",
    }
}
