//! Passwords for commands that call somebody: from a file, the environment or the terminal, never from the command line.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::cli::Failure;

/// The environment variable that may hold the password.
pub(super) const VARIABLE: &str = "IZPORTAL_PASSWORD";

/// What `--help` says of the option `--password-file`.
pub(super) const HELP: &str = "File that holds the password; without it IZPORTAL_PASSWORD in the environment, or a question on the terminal";

/// The password of a user.
pub(super) fn read(file: Option<&Path>, username: &str) -> Result<String, Failure> {
    let text = match (file, std::env::var_os(VARIABLE)) {
        (Some(path), _) => std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("--password-file {}: {error}", path.display()))
        })?,
        (None, Some(text)) => text
            .into_string()
            .map_err(|_other| Failure::usage(format!("{VARIABLE} is not UTF-8")))?,
        (None, None) => asked(username)?,
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::usage("the password is empty"));
    }
    if text.contains(['\r', '\n']) {
        return Err(Failure::usage("a password is one line, and this one has several"));
    }
    Ok(text.to_owned())
}

/// Asks for it where somebody sits at a terminal, which does not show it.
fn asked(username: &str) -> Result<String, Failure> {
    let nowhere = || {
        Failure::usage(format!(
            "there is no password: name a file that holds it (--password-file FILE), or put it into {VARIABLE}"
        ))
    };
    // Messages may be piped in; the terminal is asked all the same.
    if !std::io::stderr().is_terminal() {
        return Err(nowhere());
    }
    rpassword::prompt_password(format!("Password of {username}: ")).map_err(|_error| nowhere())
}
