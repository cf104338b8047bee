//! The one place where the fact that a call failed becomes what may be done next. Source: features notes 3.2.

use crate::client::{CallError, FaultName};
use crate::domain::{Failure, FailureClass};

impl From<CallError> for Failure {
    fn from(fact: CallError) -> Self {
        let retry_after = match fact {
            CallError::NotNow { retry_after } => Some(retry_after),
            CallError::Status { retry_after, .. } => retry_after,
            _ => None,
        };
        Self { class: class(&fact), text: fact.to_string(), retry_after }
    }
}

fn class(fact: &CallError) -> FailureClass {
    use FailureClass::{Ambiguous, Ours, Sender, Transient};
    match fact {
        CallError::FolderUnavailable(_) | CallError::NotConnected(_) | CallError::NotNow { .. } => {
            Transient
        }
        CallError::AddressRefused
        | CallError::FolderRefused(_)
        | CallError::Settings(_)
        | CallError::TlsRefused(_) => Ours,
        CallError::Unsendable(_) => Sender,
        CallError::BrokenOff
        | CallError::TimedOut
        | CallError::TooLong
        | CallError::Unreadable(_) => Ambiguous,
        CallError::Fault(name) => match name {
            FaultName::MessageTooLarge => Sender,
            FaultName::Security | FaultName::UnsupportedOperation | FaultName::VersionMismatch => {
                Ours
            }
            FaultName::Other => Ambiguous,
        },
        CallError::Status { status, .. } => match status {
            413 => Sender,
            429 | 503 => Transient,
            // 400 may be about this message alone, and 408 comes when some of it was read.
            400 | 408 => Ambiguous,
            300..=499 => Ours,
            _ => Ambiguous,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{NotConnected, TlsRefusal, Unreadable};

    #[test]
    fn every_fact_has_its_class() {
        use FailureClass::{Ambiguous, Ours, Sender, Transient};
        let status = |status| CallError::Status { status, retry_after: None };
        let cases = [
            (CallError::NotConnected(NotConnected::UnknownName), Transient),
            (CallError::NotConnected(NotConnected::Refused), Transient),
            (CallError::NotConnected(NotConnected::TimedOut), Transient),
            (CallError::NotConnected(NotConnected::BrokenOff), Transient),
            (CallError::FolderUnavailable("there is no room"), Transient),
            (CallError::NotNow { retry_after: Duration::from_mins(1) }, Transient),
            (status(429), Transient),
            (status(503), Transient),
            (CallError::AddressRefused, Ours),
            (CallError::Settings("must begin with https://".to_owned()), Ours),
            (CallError::FolderRefused("there is no such folder"), Ours),
            (CallError::TlsRefused(TlsRefusal::UnknownIssuer), Ours),
            (CallError::TlsRefused(TlsRefusal::OtherKey), Ours),
            (CallError::TlsRefused(TlsRefusal::Handshake), Ours),
            (CallError::Fault(FaultName::Security), Ours),
            (CallError::Fault(FaultName::UnsupportedOperation), Ours),
            (CallError::Fault(FaultName::VersionMismatch), Ours),
            (status(301), Ours),
            (status(302), Ours),
            (status(307), Ours),
            (status(401), Ours),
            (status(403), Ours),
            (status(404), Ours),
            (status(405), Ours),
            (status(413), Sender),
            (CallError::Fault(FaultName::MessageTooLarge), Sender),
            (CallError::Unsendable("the message holds a framing character of MLLP"), Sender),
            (CallError::BrokenOff, Ambiguous),
            (CallError::TimedOut, Ambiguous),
            (CallError::TooLong, Ambiguous),
            (CallError::Fault(FaultName::Other), Ambiguous),
            (CallError::Unreadable(Unreadable::Html), Ambiguous),
            (CallError::Unreadable(Unreadable::OtherMessage), Ambiguous),
            (status(202), Ambiguous),
            (status(400), Ambiguous),
            (status(408), Ambiguous),
            (status(500), Ambiguous),
            (status(502), Ambiguous),
            (status(504), Ambiguous),
        ];

        for (fact, class) in cases {
            assert_eq!(Failure::from(fact.clone()).class, class, "{fact}");
        }
    }

    #[test]
    fn a_wish_to_wait_is_passed_on() {
        let wish = Some(Duration::from_mins(2));

        let failure = Failure::from(CallError::Status { status: 503, retry_after: wish });

        assert_eq!((failure.text.as_str(), failure.retry_after), ("HTTP 503", wish));
    }
}
