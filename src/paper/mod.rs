//! What is printed: statements as PDF. May import `domain`.

mod statement_pdf;

/// A statement as it stands on paper.
pub struct Paper {
    /// When it was issued.
    pub issued: String,
    /// The code, in groups.
    pub code: String,
    /// Where the code is entered.
    pub verify: String,
    /// The facts.
    pub rows: Vec<(String, String)>,
    /// The year.
    pub year: i32,
    /// Whether no regional registry is connected, so that it proves nothing.
    pub is_trial: bool,
}

/// What stands on a statement of a trial.
pub const TRIAL: &str = "This comes from a trial of the portal. It proves nothing.";

impl Paper {
    /// The file.
    pub fn pdf(&self) -> Vec<u8> {
        statement_pdf::of(self)
    }
}
