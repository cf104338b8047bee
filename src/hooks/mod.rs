//! Webhooks in the outside world: who makes the calls that wait in the outbox. May import `client`, `domain` and `store`.

mod caller;

pub use caller::{Caller, OperatorsHook};
