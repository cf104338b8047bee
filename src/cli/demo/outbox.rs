//! A folder from which `izportal send` sends to the demonstration: its settings, the password, a file of messages.

use std::path::{Path, PathBuf};

use crate::app::App;
use crate::cli::Failure;
use crate::cli::demo::{Sender, message, replace_private};
use crate::domain::Timestamp;

/// Messages in the file.
const MESSAGES: u32 = 20;

/// The settings and the file of messages.
pub(super) struct Outbox {
    pub(super) settings: PathBuf,
    pub(super) messages: PathBuf,
}

impl Outbox {
    /// Writes the folder anew: passwords and messages are those of this start.
    pub(super) fn write(folder: &Path, app: &App, sender: &Sender) -> Result<Self, Failure> {
        let outbox =
            Self { settings: folder.join("iis.toml"), messages: folder.join("messages.hl7") };
        std::fs::create_dir_all(folder)?;
        let ca = app.ca.as_ref().map(|path| path.canonicalize()).transpose()?;
        let ca = ca.map_or_else(String::new, |path| format!("ca = '{}'\n", path.display()));
        let settings = format!(
            "url = '{}'\nusername = '{}'\nfacility = '{}'\npassword_file = 'password'\n{ca}",
            app.endpoint(),
            sender.username,
            sender.facility_id
        );
        replace_private(&outbox.settings, settings.as_bytes())?;
        replace_private(&folder.join("password"), sender.password.as_bytes())?;
        let start = app.gateway.next_message_id(Timestamp::now());
        let messages: String =
            (1..=MESSAGES).map(|number| one(sender, &start.to_string(), number)).collect();
        replace_private(&outbox.messages, messages.as_bytes())?;
        Ok(outbox)
    }
}

/// A message of a patient of its own; the last one is for a Site that nobody knows, so that one is refused.
fn one(sender: &Sender, start: &str, number: u32) -> String {
    let text = message(sender, &format!("SEND-{start}-{number}"));
    let text = text.replace("DEMO-1001", &format!("DEMO-{}", 2000 + number));
    if number < MESSAGES {
        text
    } else {
        text.replace(&format!("CDCPHINVS|{}", sender.site_id), "CDCPHINVS|DE-999999")
    }
}
