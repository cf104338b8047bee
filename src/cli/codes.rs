//! `izportal codes`: the code tables that messages are judged by, and how newer ones take their place.
//!
//! It works on files alone; the service reads them when it starts.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::app::private_folder;
use crate::cli::{ConfigFile, Failure, Format, output};
use crate::validation::{CodeChanges, CodeFile, CodeTexts, Codes};

/// How many codes of a change are named.
const NAMED: usize = 8;

const HELP: &str = "\
A folder of code tables holds one or more of the files that `izportal codes list` names. A file takes the place of the whole table: \
it has to hold every row, not only the new ones. Begin with the file of schemas/codes. A table without a file is the built-in one.

Example: a new vaccine code
  cp schemas/codes/cvx.csv new-tables/      add the row, and set the `# date:` line
  izportal codes check new-tables
  izportal codes load new-tables --config izportal.toml
  and restart the service";

/// Show the code tables that messages are judged by, and replace them
#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct CodeTables {
    #[command(flatten)]
    config: ConfigFile,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Say what is wrong with a folder of code tables, or what it changes of the tables in use
    #[command(after_help = "Example:\n  izportal codes check new-tables --config izportal.toml")]
    Check {
        /// The folder
        dir: PathBuf,
    },
    /// Check a folder of code tables and put it in place of the one before, for the next start of the service
    #[command(after_help = "Example:\n  izportal codes load new-tables --config izportal.toml")]
    Load {
        /// The folder
        dir: PathBuf,
    },
    /// Show the tables in use: their date, rows and source, and whether they are built in
    #[command(after_help = "Example:\n  izportal codes list --format json --config izportal.toml")]
    List {
        /// How the result is printed
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

/// A table in use.
#[derive(Serialize)]
struct Listed<'a> {
    file: &'a str,
    date: String,
    rows: usize,
    /// The word `built-in`, or the folder.
    from: String,
    source: &'a str,
}

impl CodeTables {
    pub(super) fn run(self) -> Result<(), Failure> {
        let data_dir = self.config.load()?.data_dir;
        match self.verb {
            Verb::Check { dir } => {
                check(&dir, &data_dir)?;
                output::line("The code tables can be used. Nothing was changed.");
                Ok(())
            }
            Verb::Load { dir } => load(&dir, &data_dir),
            Verb::List { format } => list(format, &data_dir),
        }
    }
}

fn load(dir: &Path, data_dir: &Path) -> Result<(), Failure> {
    let texts = check(dir, data_dir)?;
    private_folder(data_dir).and_then(|()| texts.install(data_dir)).map_err(|cause| {
        Failure::failed(format!("{} cannot be written: {cause}", data_dir.display()))
    })?;
    output::line(&format!(
        "The code tables are loaded into {}. Restart the service: it takes them when it starts.",
        data_dir.display()
    ));
    Ok(())
}

fn list(format: Format, data_dir: &Path) -> Result<(), Failure> {
    let folder = CodeTexts::folder(data_dir)?;
    let codes = Codes::in_use(data_dir)?;
    let from = |file: &CodeFile| match &folder {
        Some(folder) if !file.built_in => folder.display().to_string(),
        _ => "built-in".to_owned(),
    };
    let listed = codes.files().map(|file| Listed {
        file: file.name,
        date: day(file.date),
        rows: file.rows,
        from: from(file),
        source: &file.source,
    });
    output::show(format, &listed.collect::<Vec<_>>());
    Ok(())
}

/// Reads a folder of code tables as the service would, and prints what it changes.
fn check(dir: &Path, data_dir: &Path) -> Result<CodeTexts, Failure> {
    if !dir.is_dir() {
        let problem = "is not a folder; give the one that the .csv files stand in";
        return Err(Failure::usage(format!("{} {problem}", dir.display())));
    }
    let new = CodeTexts::of_dir(dir).map_err(Failure::failed)?;
    let new_codes = Codes::of(&new).map_err(Failure::failed)?;
    let (known, known_codes) = to_compare_with(data_dir)?;
    let changes = known.changes_to(&new).map_err(Failure::failed)?;
    for (name, changes) in &changes {
        let file = |codes: &Codes| codes.files().find(|file| file.name == *name).cloned();
        if let (Some(new), Some(known)) = (file(&new_codes), file(&known_codes)) {
            tell(&new, &known, changes);
        }
    }
    Ok(new)
}

/// The tables in use. Where they cannot be read, loading others is the remedy, so the built-in ones stand in for them.
fn to_compare_with(data_dir: &Path) -> Result<(CodeTexts, Codes), Failure> {
    let read = |texts: CodeTexts| Codes::of(&texts).map(|codes| (texts, codes));
    CodeTexts::in_use(data_dir).and_then(read).or_else(|error| {
        output::problem(&format!("{}; compared with the built-in ones", Failure::from(error).text));
        read(CodeTexts::built_in()).map_err(Failure::failed)
    })
}

/// What becomes of one table; nothing where it is the built-in one before and after.
fn tell(new: &CodeFile, known: &CodeFile, changes: &CodeChanges) {
    if new.built_in && known.built_in {
        return;
    }
    let what = if new.built_in { "not in the folder, so the built-in one again, " } else { "" };
    output::line(&format!("{}: {what}{} rows, {}", new.name, new.rows, day(new.date)));
    output::line(&format!("  source   {}", printable(&new.source)));
    output::line(&format!("  in use   {} rows, {}", known.rows, day(known.date)));
    for (word, codes) in
        [("adds", &changes.added), ("changes", &changes.changed), ("removes", &changes.removed)]
    {
        let first = codes.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let colon = if codes.is_empty() { "" } else { ": " };
        let more = if codes.len() > NAMED { ", ..." } else { "" };
        output::line(&format!("  {word:8} {}{colon}{}{more}", codes.len(), printable(&first)));
    }
    if new.date < known.date {
        output::line("  note     it is older than the one in use");
    }
    if changes.removed.len() * 2 > known.rows {
        output::line("  note     most codes go; the file has to hold every row, not only new ones");
    }
}

/// A day as it stands in the files: `2025-12-09`.
fn day(date: u32) -> String {
    format!("{:04}-{:02}-{:02}", date / 10_000, date / 100 % 100, date % 100)
}

fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}
