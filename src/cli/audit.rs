//! `izportal admin audit`: the trail of who did what, its proof, and its export.

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::admin::Desk;
use crate::cli::delivery::ago;
use crate::cli::output::Printer;
use crate::cli::{Failure, output};
use crate::domain::{AuditRecord, Timestamp, csv_row};
use crate::store::AuditFilter;

#[derive(Subcommand)]
pub(super) enum AuditVerb {
    /// Show events, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// Only events with a smaller number: the next page
        #[arg(long)]
        before_id: Option<i64>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Work the chain out anew; exit code 1 and the number of the first event that is changed or missing
    Verify {
        /// NUMBER:HASH of an earlier verification, kept elsewhere: it must still be in the chain
        #[arg(long)]
        noted: Option<String>,
    },
    /// Print events, oldest first, for other programs
    Export {
        #[command(flatten)]
        which: Which,
        /// How
        #[arg(long = "as", value_enum, default_value = "jsonl")]
        form: Form,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Form {
    /// One JSON object on each line
    Jsonl,
    /// A table; cells that a spreadsheet would run as a formula begin with an apostrophe
    Csv,
}

#[derive(Args)]
pub(super) struct Which {
    /// Only about this object, such as "site DE-000001", or all of a noun, such as site
    #[arg(long)]
    object: Option<String>,
    /// Only by this actor, such as "account 12"
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, such as site.status, or all of a noun, such as site
    #[arg(long)]
    action: Option<String>,
    /// Since a moment such as 2026-12-01T06:00:00Z, or 90m, 2h, 1d ago
    #[arg(long, value_parser = ago)]
    since: Option<Timestamp>,
    /// Before a moment, or so long ago
    #[arg(long, value_parser = ago)]
    before: Option<Timestamp>,
}

impl Which {
    fn filter(self, before_id: Option<i64>) -> AuditFilter {
        let Self { object, actor, action, since, before } = self;
        AuditFilter { object, actor, action, since, before, before_id }
    }
}

impl Desk {
    pub(super) async fn audit(&self, verb: AuditVerb) -> Result<(), Failure> {
        match verb {
            AuditVerb::List { which, before_id, limit } => {
                self.show(&self.store.audit_list(which.filter(before_id), limit).await?);
                Ok(())
            }
            AuditVerb::Verify { noted } => self.verify(noted).await,
            AuditVerb::Export { which, form } => self.export(which, form).await,
        }
    }

    async fn verify(&self, noted: Option<String>) -> Result<(), Failure> {
        let told = |number| output::progress(&format!("{number} events"));
        let verdict = self.store.audit_verify(noted, told).await;
        output::progress("");
        let verdict = verdict?;
        self.show(&verdict);
        match (verdict.broken, verdict.problem) {
            (None, _) => Ok(()),
            (Some(number), problem) => {
                let problem = problem.unwrap_or_default();
                Err(Failure::failed(format!("the trail is broken at event {number}: {problem}")))
            }
        }
    }

    async fn export(&self, which: Which, form: Form) -> Result<(), Failure> {
        self.note("audit.export", "audit trail".to_owned()).await?;
        let filter = which.filter(None);
        let mut printer = Printer::new();
        if matches!(form, Form::Csv) {
            printer.write(&csv_row(&AuditRecord::COLUMNS));
        }
        let mut last = 0;
        while !printer.is_closed() {
            let page = self.store.audit_page(filter.clone(), last).await?;
            let Some(event) = page.last() else { break };
            last = event.id;
            for event in &page {
                let line = match form {
                    Form::Csv => csv_row(&event.cells()),
                    Form::Jsonl => serde_json::to_string(event).map_err(Failure::failed)? + "\n",
                };
                printer.write(&line);
            }
        }
        printer.flush();
        Ok(())
    }
}
