//! Many messages sent to one endpoint, unattended: taken from files, kept account of in a journal, tried again where that
//! is safe, and accounted for at the end. May import `backends`, `client`, `domain`, `hl7`, `soap` and `validation`.
//!
//! The rule: nothing is sent before the journal says on disk that it is about to be, and nothing that was answered is sent
//! again. What was begun and has no answer is *ambiguous*: it is sent again only when its sender says so.
//!
//! `intake` reads, `book` knows what became of each message, `journal` writes it down, `engine` decides what is sent when
//! (`plan`, `pace`), `outcome` reads answers, `results` tells it all at the end; `watch` does it for a folder, again and again.

mod book;
mod engine;
mod folder;
mod intake;
mod journal;
mod outcome;
mod pace;
mod plan;
mod results;
mod watch;

pub use book::{Book, Head};
pub use engine::Engine;
pub use folder::{Folder, FolderError};
pub use intake::{Problem, Source, count};
pub use outcome::State;
pub use pace::{BackOff, Window, WindowError};
pub use plan::{Check, Checked, Finished, Plan, Progress, Stop};
pub use results::{Account, ErrorCount, account};
pub use watch::{Looks, Settled, Watched};
