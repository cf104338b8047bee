//! Whether an endpoint keeps the CDC contract: cases that are sent to it, and rules that judge what it answers.
//!
//! A case (`case`, data in `schemas/conformance`) says what is sent and what kind of reply is expected. `request` makes it
//! out with the tester's values, `transport` sends it with a client of its own and keeps what was said, credentials masked;
//! `rules` judge the reply: HTTP, envelope, response or fault, and the HL7 text by the guide's profiles. `run` does this for
//! all cases and makes a `verdict::Report`, which `report` writes for people and programs and `compare` holds against
//! another one. `probe` looks below HTTP. `serve` is the other way round: a service that judges what its callers send.
//! Nothing of the service that may be judged is shared, but for the wire formats and the profiles. May import `client`,
//! `domain`, `hl7`, `soap` and `validation`.

mod case;
mod compare;
mod probe;
pub mod report;
mod request;
mod rules;
mod run;
pub mod serve;
mod transport;
mod verdict;
mod xml;

pub use case::{Case, Catalogue, Expect, Kind, Request, Rule, Soap, Suite, TlsProbe};
pub use compare::{Change, Comparison};
pub use request::{RenderError, Rendered, Sender, Values};
pub use run::{Plan, run};
pub use transport::{Endpoint, EndpointError, Reply};
pub use verdict::{Breach, CaseResult, Exchange, Report, Verdict, Weight};
