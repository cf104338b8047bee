//! `izportal admin registry`: what the built-in loopback registry holds, and how it is told to behave.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use crate::cli::admin::Desk;
use crate::cli::{Failure, Format, output};
use crate::domain::{Environment, MessageId, RegionCode};
use crate::loopback::Behaviour;
use crate::store::LoopbackRecord;

#[derive(Subcommand)]
pub(super) enum RegistryVerb {
    /// Tell a registry how to behave, for training and rehearsal; without arguments, show how all behave
    Behave(Behave),
    /// Show the newest messages, how often each was received, and how its registry behaves now
    List {
        /// Only of this region
        #[arg(long)]
        region: Option<RegionCode>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Show one with its HL7 text: patient data
    Show {
        /// Its id
        id: MessageId,
    },
}

#[derive(Args)]
pub(super) struct Behave {
    /// Region of the registry, such as CAIRBA
    #[arg(requires = "environment")]
    region: Option<RegionCode>,
    /// Its test or its production side
    #[arg(requires = "behaviour")]
    environment: Option<Environment>,
    /// Such as hang, status:503:30 or fail:2:reset-after; normal ends it
    behaviour: Option<Behaviour>,
    /// connectivityTest is answered as ever
    #[arg(long, requires = "behaviour")]
    submissions_only: bool,
    /// List the behaviours, with a line on each
    #[arg(long, conflicts_with = "region")]
    pub(super) list: bool,
}

/// A message with what else is known of it.
#[derive(Serialize)]
struct Held {
    #[serde(flatten)]
    record: LoopbackRecord,
    /// How often this registry received it from the same sender with the same MSH-10.
    received: i64,
    /// How this registry behaves now.
    behaviour: String,
}

/// How one registry behaves now.
#[derive(Serialize)]
struct Behaving {
    region: RegionCode,
    environment: Environment,
    behaviour: String,
    since: Option<String>,
}

/// Prints the behaviours.
pub(super) fn list(format: Format) {
    output::show(format, &Behaviour::list());
}

impl Desk {
    pub(super) async fn registry(&self, verb: RegistryVerb) -> Result<(), Failure> {
        match verb {
            RegistryVerb::Behave(behave) => self.behave(behave).await,
            RegistryVerb::List { region, limit } => {
                let records = self.store.loopback_list(region, limit).await?;
                self.show(&self.held(records).await?);
                Ok(())
            }
            RegistryVerb::Show { id } => {
                let (record, body) = self.store.loopback_by_id(id).await?;
                self.note("registry.read", format!("registry message {id}")).await?;
                let held = self.held(vec![record]).await?;
                let body = String::from_utf8_lossy(&body);
                self.show_whole(&json!({ "received": held.first(), "body": body }));
                Ok(())
            }
        }
    }

    async fn behave(&self, behave: Behave) -> Result<(), Failure> {
        let (Some(region), Some(environment), Some(behaviour)) =
            (behave.region, behave.environment, behave.behaviour)
        else {
            self.show(&self.behaving().await?);
            return Ok(());
        };
        if !region.facts().managed {
            return Err(Failure::usage(format!("the Gateway has no registry for {region}")));
        }
        let behaviour =
            if behave.submissions_only { behaviour.for_submissions_only() } else { behaviour };
        let script = (behaviour != Behaviour::NORMAL).then(|| behaviour.to_string());
        self.store.loopback_script_set(region, environment, script, self.by.clone()).await?;
        let now = self.behaving().await?;
        self.show(&now.iter().find(|one| (one.region, one.environment) == (region, environment)));
        Ok(())
    }

    /// Every registry that a fresh install has, with its behaviour.
    async fn behaving(&self) -> Result<Vec<Behaving>, Failure> {
        let scripts = self.store.loopback_scripts().await?;
        let behaving = |(region, environment)| {
            let script = scripts
                .iter()
                .find(|script| (script.region, script.environment) == (region, environment));
            Behaving {
                region,
                environment,
                behaviour: script
                    .map_or_else(|| Behaviour::NORMAL.to_string(), |one| one.behaviour.clone()),
                since: script.map(|one| one.changed_at.to_string()),
            }
        };
        let both = |region| Environment::ALL.iter().map(move |environment| (region, *environment));
        Ok(RegionCode::managed().flat_map(both).map(behaving).collect())
    }

    async fn held(&self, records: Vec<LoopbackRecord>) -> Result<Vec<Held>, Failure> {
        let behaviours: HashMap<_, _> = self
            .behaving()
            .await?
            .into_iter()
            .map(|one| ((one.region, one.environment), one.behaviour))
            .collect();
        let counts = self.store.loopback_receipts(&records).await?;
        let held = |(record, received): (LoopbackRecord, i64)| {
            let behaviour = behaviours.get(&(record.region, record.environment)).cloned();
            Held { record, received, behaviour: behaviour.unwrap_or_default() }
        };
        Ok(records.into_iter().zip(counts).map(held).collect())
    }
}
