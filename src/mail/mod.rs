//! Letters: how they are written, and how they leave.
//!
//! A letter is queued by `store` in the transaction of what it tells of; here it is composed (`compose`). Nothing of an
//! address or of the words of a letter is ever logged. May import `domain` and `store`.

mod compose;

pub use compose::{Composition, Footer, compose};
