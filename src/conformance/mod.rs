//! Whether the two sides of the CDC contract keep it: a client that calls us (`serve`). What was judged and what came out
//! is a [`Report`].
//!
//! Nothing here is shared with the service itself but the wire formats and the profiles: who judges must not make the
//! mistakes of whom it judges. May import `client`, `domain`, `hl7`, `soap` and `validation`.

pub mod serve;
mod verdict;

pub use verdict::{Breach, CaseResult, Exchange, Report, Verdict, Weight};
