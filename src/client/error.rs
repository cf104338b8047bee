//! What happened to a call: facts in words of our own. What may be done about it is decided in `backends`.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use rustls::{AlertDescription, CertificateError};

use crate::client::egress::Refused;
use crate::soap::RemoteFault;

/// Why a call brought no answer that can be used. Its text is ours: nothing in it comes from the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The address may not be called.
    #[error(
        "its address is not a public one and was not called; if it is right, name it in egress.allow"
    )]
    AddressRefused,
    /// The connection ended after something was sent and before the answer was complete.
    #[error("the connection broke off before the answer was complete")]
    BrokenOff,
    /// A SOAP fault.
    #[error("{0}")]
    Fault(FaultName),
    /// The folder of a directory drop may not be written, or is none.
    #[error("the folder cannot be written: {0}")]
    FolderRefused(&'static str),
    /// The file could not be written now.
    #[error("the file could not be written: {0}")]
    FolderUnavailable(&'static str),
    /// Nothing was sent.
    #[error("no connection: {0}")]
    NotConnected(NotConnected),
    /// A SOAP fault that says who receives cannot take anything now, and when to come again.
    #[error("a SOAP fault: not now, try again later")]
    NotNow {
        /// How long the other side asks us to wait.
        retry_after: Duration,
    },
    /// What we were told to do cannot be done.
    #[error("{0}")]
    Settings(String),
    /// An HTTP status without a SOAP answer.
    #[error("HTTP {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the other side asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Something was sent, and no answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, because of the certificates.
    #[error("TLS: {0}")]
    TlsRefused(TlsRefusal),
    /// The answer is longer than we read.
    #[error("the answer is longer than 8 MiB")]
    TooLong,
    /// The answer cannot be used.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// This message cannot be sent in this way; nothing was sent.
    #[error("{0}")]
    Unsendable(&'static str),
}

/// Defines an enum whose values are phrases.
macro_rules! phrases {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $phrase:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $phrase),+ })
            }
        }
    };
}

phrases! {
    /// The faults that have a name for us.
    FaultName {
        /// `MessageTooLargeFault`.
        MessageTooLarge = "MessageTooLargeFault: the message is too large for the registry",
        /// Any other one.
        Other = "a SOAP fault",
        /// `SecurityFault`.
        Security = "SecurityFault: our account was refused",
        /// `UnsupportedOperationFault`.
        UnsupportedOperation = "UnsupportedOperationFault: the service does not have this operation",
        /// SOAP's own fault code for another version of SOAP.
        VersionMismatch = "VersionMismatch: the service speaks another version of SOAP",
    }
}

phrases! {
    /// Why there is no connection.
    NotConnected {
        /// The other side or something between ended it.
        BrokenOff = "it broke off while it was made",
        /// There is no way there.
        NoRoute = "there is no way there",
        /// Nobody listens.
        Refused = "it was refused",
        /// Not made in time.
        TimedOut = "it was not made in time",
        /// The name has no address.
        UnknownName = "the name has no address",
    }
}

phrases! {
    /// Why TLS made no connection.
    TlsRefusal {
        /// Its certificate is out of its time.
        Expired = "its certificate is not valid at this time",
        /// Its certificate names others.
        OtherName = "its certificate is for another name",
        /// Not the key that was pinned.
        OtherKey = "its public key is not the pinned one",
        /// It does not take our certificate, or asks for one.
        OurCertificate = "it does not take our certificate, or asks for one that we do not have",
        /// Anything else.
        Handshake = "the handshake failed",
        /// Its certificate is of nobody that we trust.
        UnknownIssuer = "its certificate is not of an authority that we trust",
    }
}

phrases! {
    /// What an answer is instead of an answer.
    Unreadable {
        /// Characters that no message has.
        ControlCharacters = "the answer holds control characters",
        /// A page for people.
        Html = "the answer is an HTML page",
        /// No MSA, or none with a code.
        NotAcknowledgement = "the answer is not an acknowledgement",
        /// No HL7 message.
        NotHl7 = "the answer is not an HL7 message",
        /// Not in the frame of MLLP.
        NotMllp = "the answer is not framed as MLLP has it",
        /// Not XML, or XML that is no SOAP response.
        NotSoap = "the answer is not a SOAP response",
        /// Its MSA-2 is not our MSH-10.
        OtherMessage = "the answer is for another message",
        /// A response to something else.
        OtherOperation = "the answer is of another operation",
        /// More than one message.
        SeveralMessages = "the answer holds several messages",
    }
}

impl CallError {
    /// What happened to an HTTP request.
    pub fn of_http(error: &reqwest::Error) -> Self {
        if find::<Refused>(error).is_some() {
            return Self::AddressRefused;
        }
        if error.is_builder() {
            return Self::Settings("the request cannot be made".to_owned());
        }
        if error.is_connect() {
            if error.is_timeout() {
                return Self::NotConnected(NotConnected::TimedOut);
            }
            if error.is_dns() {
                return Self::NotConnected(NotConnected::UnknownName);
            }
            return Self::of_connecting(error);
        }
        if error.is_timeout() { Self::TimedOut } else { Self::of_sending(error) }
    }

    /// What happened while a connection was made, TLS included.
    pub(super) fn of_connecting(error: &(dyn Error + 'static)) -> Self {
        if find::<Refused>(error).is_some() {
            return Self::AddressRefused;
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::TlsRefused(TlsRefusal::of(tls));
        }
        let kind = find::<io::Error>(error).map(io::Error::kind);
        Self::NotConnected(match kind {
            Some(io::ErrorKind::ConnectionRefused) => NotConnected::Refused,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                NotConnected::NoRoute
            }
            Some(io::ErrorKind::TimedOut) => NotConnected::TimedOut,
            _ => NotConnected::BrokenOff,
        })
    }

    /// What happened on a connection that was made.
    ///
    /// With TLS 1.3 a server looks at our certificate after we began to send: then it has not looked at the request.
    pub(super) fn of_sending(error: &(dyn Error + 'static)) -> Self {
        match find::<rustls::Error>(error) {
            Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
                Self::TlsRefused(TlsRefusal::OurCertificate)
            }
            _ => Self::BrokenOff,
        }
    }
}

impl FaultName {
    /// The fault's own words stay behind: they may quote the message.
    pub(super) fn of(fault: &RemoteFault) -> Self {
        match fault.fault_name.as_deref() {
            Some("SecurityFault") => Self::Security,
            Some("MessageTooLargeFault") => Self::MessageTooLarge,
            Some("UnsupportedOperationFault") => Self::UnsupportedOperation,
            _ if fault.code_value == "VersionMismatch" => Self::VersionMismatch,
            _ => Self::Other,
        }
    }
}

impl TlsRefusal {
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
                Self::OurCertificate
            }
            rustls::Error::InvalidCertificate(why) => match why {
                // Only our own verifier says so.
                CertificateError::ApplicationVerificationFailure => Self::OtherKey,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                _ => Self::Handshake,
            },
            _ => Self::Handshake,
        }
    }
}

/// Source: RFC 8446, 6.2; `access_denied` and `unknown_ca` are about a certificate that we sent.
const fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
    )
}

/// An error of one type in a chain of causes. An `io::Error` passes over what it holds when it is asked for its source.
fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(here) = next {
        if let Some(found) = here.downcast_ref::<T>() {
            return Some(found);
        }
        next = match here.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => here.source(),
        };
    }
    None
}

/// Longest wait that a registry may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The value of a Retry-After header: seconds, or a date.
///
/// Source: RFC 9110, 10.2.3.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|one| one.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date_and_at_most_a_day() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let wait = |value: &str| retry_after(value, now).map(|wait| wait.as_secs());

        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:51:37 GMT"), Some(120));
        assert_eq!(wait("Sunday, 06-Nov-94 08:51:37 GMT"), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "a date that is over");
        assert_eq!(wait("99999999999999999999999"), Some(86_400));
        for nonsense in ["", "soon", "-5", "1.5", "+7"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_cause_is_found_inside_of_an_io_error() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        let outer = io::Error::other(inner);

        assert_eq!(find::<rustls::Error>(&outer), Some(&rustls::Error::DecryptError));
        assert!(find::<Refused>(&outer).is_none());
    }

    #[test]
    fn an_alert_about_our_certificate_is_told_on_either_side_of_the_handshake() {
        let alert =
            |alert| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        let ours = CallError::TlsRefused(TlsRefusal::OurCertificate);

        assert_eq!(CallError::of_connecting(&alert(AlertDescription::BadCertificate)), ours);
        assert_eq!(CallError::of_sending(&alert(AlertDescription::CertificateRequired)), ours);
        assert_eq!(
            CallError::of_connecting(&alert(AlertDescription::HandshakeFailure)),
            CallError::TlsRefused(TlsRefusal::Handshake)
        );
        assert_eq!(
            CallError::of_sending(&alert(AlertDescription::InternalError)),
            CallError::BrokenOff
        );
    }
}
