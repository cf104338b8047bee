//! The CDC IIS SOAP contract of 2011 on the wire: bytes to an [`Envelope`], a reply or a [`Fault`] to bytes.
//!
//! The contract: the namespace is `urn:cdc:iisb:2011`; the operations are `connectivityTest` (returns the
//! caller's text character for character, asks for no credentials) and `submitSingleMessage` (username,
//! password, facilityID and one HL7 message in, one HL7 message out). The element in the Body decides, never
//! an action. SOAP 1.2 is the contract's version; a SOAP 1.1 envelope is read too and answered in kind.
//!
//! Who reads: `read` (requests) and `read_response` (what a registry answered), both over `scan`, which is
//! strict about safety: no DTD, no processing instruction, bounded depth and counts, linear time, exact
//! characters. Both are lenient about shape where real clients need it.
//!
//! Who writes: `write` (replies, and our own client's requests), `write_2014` (requests to services of the contract of
//! 2014) and `fault`. `types` is the promise in struct
//! form; `write` gives the same bytes faster, and a test holds the two together.
//!
//! Rule: this module never looks inside HL7 text, decides nothing about HTTP and imports nothing of ours.

mod charset;
mod envelope;
mod fault;
mod read;
mod read_response;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod version;
mod write;
mod write_2014;
mod wsdl;

pub use self::envelope::{
    Addressing, AddressingVersion, EchoBack, Envelope, EnvelopeError, EnvelopeErrorKind, Notes,
    Operation, Submission,
};
pub use self::fault::{Advice, Fault, FaultCode, FaultKind, NotUnderstood, Role, write_fault};
pub use self::read::read_envelope;
pub use self::read_response::{RemoteFault, Response, ResponseError, read_response};
pub use self::scan::Limits;
pub use self::version::{Charset, MediaType, OperationName, SoapVersion, Unsupported};
pub use self::write::{
    EchoReply, connectivity_test_request, connectivity_test_response,
    submit_single_message_request, submit_single_message_response,
};
pub use self::write_2014::{
    To, connectivity_test_request_2014, submit_single_message_request_2014,
};
pub use self::wsdl::{wsdl, wsdl_matches_query};

/// The namespace of every element of the contract.
pub const NAMESPACE: &str = "urn:cdc:iisb:2011";
