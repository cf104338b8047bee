//! Secrets of the configuration: from a file or an environment variable, never a placeholder.

use crate::domain::Password;

/// A secret that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// More than one source is given.
    #[error("give one of the value, the file and the environment variable")]
    Ambiguous,
    /// The file could not be read.
    #[error("{path} cannot be read: {cause}")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set")]
    Missing(String),
    /// It is a placeholder of an example.
    #[error("it is a placeholder; put the real value there")]
    Placeholder,
}

/// Reads a value that may stand in the file itself, in another file or in an environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads secrets from the environment"
)]
pub(super) fn read(
    key: &str,
    plain: &str,
    file: &str,
    variable: &str,
) -> Result<Option<Password>, SecretError> {
    let text = match (plain.is_empty(), file.is_empty(), variable.is_empty()) {
        (true, true, true) => return Ok(None),
        (false, true, true) => plain.to_owned(),
        (true, false, true) => std::fs::read_to_string(file)
            .map_err(|cause| SecretError::File { path: file.to_owned(), cause })?,
        (true, true, false) => std::env::var(variable)
            .map_err(|_unset| SecretError::Missing(format!("{variable} (for {key})")))?,
        _ => return Err(SecretError::Ambiguous),
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    let placeholder = text.is_empty()
        || text.starts_with('<')
        || ["changeme", "change-me", "password", "secret"]
            .contains(&text.to_ascii_lowercase().as_str());
    if placeholder { Err(SecretError::Placeholder) } else { Ok(Some(Password::from(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_refused() {
        for text in ["changeme", "<your password>", "Password"] {
            assert!(matches!(read("k", text, "", ""), Err(SecretError::Placeholder)), "{text}");
        }
        assert!(matches!(read("k", "a", "b", ""), Err(SecretError::Ambiguous)));
        assert!(read("k", "", "", "").unwrap().is_none());
    }
}
