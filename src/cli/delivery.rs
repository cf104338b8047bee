//! `izportal admin delivery`: what an operator does about messages that are not delivered, and about registries that do not
//! answer. Each deed is recorded with who did it and why.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use crate::app::Base;
use crate::cli::{Failure, Format, output};
use crate::config::Config;
use crate::domain::{
    By, Control, DeliveryState, Destination, DialectName, Environment, FailureClass, MessageId,
    RegionCode, SiteId, Stopped, Timestamp, VersionState,
};
use crate::gateway::resend_edited;
use crate::store::{Action, DeliveryFilter, Store};

/// Queue, failed deliveries, and what is sent where
#[derive(Args)]
pub(super) struct DeliveryCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show every destination: whether it is sent to, what waits, what needs review
    Status,
    /// Show where the settings of every registry come from: a version of the pages, the configuration, the built-in one
    Destinations,
    /// Show deliveries, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Send one message again, also one that was delivered or rejected
    Retry {
        /// Its id
        id: MessageId,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// End the delivery of a message: its registry will not get it from the Gateway
    GiveUp {
        /// Its id
        id: MessageId,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Send an edited version in place of a message that waits or needs review
    Resend {
        /// Id of the message
        id: MessageId,
        /// File with the edited HL7 text: patient data
        #[arg(long)]
        file: PathBuf,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Send again all that a filter means; without --state what needs review
    Replay {
        #[command(flatten)]
        which: Which,
        /// Count only
        #[arg(long)]
        dry_run: bool,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take messages for a destination but send none
    Pause(ToDestination),
    /// Send what waits for a destination but take no more: senders hear when to send again
    Drain(ToDestination),
    /// Take and send again
    Resume(ToDestination),
    /// Close the breaker of a destination, so that it is sent to at once
    Reset(ToDestination),
    /// Times in which nothing is sent to a destination
    #[command(subcommand)]
    Maintenance(MaintenanceVerb),
    /// Show what operators did, newest first
    Log {
        /// Only about this message
        #[arg(long)]
        message: Option<MessageId>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
}

#[derive(Args)]
struct ToDestination {
    /// The region, such as CAIRBA
    region: RegionCode,
    /// test or production
    environment: Environment,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Subcommand)]
enum MaintenanceVerb {
    /// Plan one
    Add {
        /// The region, such as CAIRBA
        region: RegionCode,
        /// test or production
        environment: Environment,
        /// Its begin, such as 2026-12-01T06:00:00Z; without it now
        #[arg(long, value_parser = moment)]
        from: Option<Timestamp>,
        /// Its end, such as 2026-12-01T08:00:00Z, or its length, such as 90m, 2h or 1d
        #[arg(long)]
        until: Until,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Show all
    List,
    /// Take one back, or end it now
    Remove {
        /// Its number
        id: i64,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Args)]
struct Which {
    /// queued, review, delivered, rejected, given-up or replaced; may be given several times
    #[arg(long)]
    state: Vec<DeliveryState>,
    /// Only for this region
    #[arg(long)]
    region: Option<RegionCode>,
    /// Only for its test or production registry
    #[arg(long)]
    environment: Option<Environment>,
    /// Only those whose last failure is of this class: sender, ours, transient, ambiguous or poison
    #[arg(long)]
    class: Option<FailureClass>,
    /// Only of this sender
    #[arg(long)]
    sender: Option<SiteId>,
    /// Received since: a moment such as 2026-12-01T06:00:00Z, or 90m, 2h, 1d ago
    #[arg(long, value_parser = ago)]
    since: Option<Timestamp>,
    /// Received before: a moment, or so long ago
    #[arg(long, value_parser = ago)]
    before: Option<Timestamp>,
}

impl Which {
    fn filter(self) -> DeliveryFilter {
        let Self { state, region, environment, class, sender, since, before } = self;
        DeliveryFilter {
            states: state,
            region,
            environment,
            class,
            sender,
            site: None,
            since,
            before,
        }
    }
}

/// An end, or a length from the beginning on.
#[derive(Clone, Copy)]
enum Until {
    Moment(Timestamp),
    Length(Duration),
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        length(text).map_or_else(|| moment(text).map(Self::Moment), |span| Ok(Self::Length(span)))
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|moment| Timestamp::from(moment.to_utc()))
        .map_err(|_wrong| "expected a moment such as 2026-12-01T06:00:00Z".to_owned())
}

pub(super) fn ago(text: &str) -> Result<Timestamp, String> {
    length(text).map_or_else(
        || moment(text).map_err(|wrong| format!("{wrong}, or a length such as 90m, 2h or 1d")),
        |span| Ok(Timestamp::now().minus(span)),
    )
}

/// `90m`, `2h` or `1d`.
fn length(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(minutes * 60)?))
}

/// One destination as `status` shows it.
#[derive(Serialize)]
struct Row {
    region: RegionCode,
    environment: Environment,
    sends: &'static str,
    takes: &'static str,
    breaker: &'static str,
    queued: i64,
    oldest_seconds: u64,
    review: i64,
    failures: i64,
    last_error: Option<String>,
    reason: Option<String>,
}

impl DeliveryCommand {
    pub(super) async fn run(
        self,
        (base, config): (&Base, &Config),
        format: Format,
        by: By,
    ) -> Result<(), Failure> {
        let (store, now) = (&base.store, by.at);
        let action = |action, reason: String| Action { by: by.clone(), action, reason };
        match self.verb {
            Verb::Status => output::show(format, &status(store, now).await?),
            Verb::Destinations => output::show(format, &destinations(store, config).await?),
            Verb::List { which, limit } => {
                output::show(format, &store.delivery_list(which.filter(), limit).await?);
            }
            Verb::Retry { id, reason } => {
                output::show(format, &store.delivery_retry(id, action("retry", reason)).await?);
            }
            Verb::GiveUp { id, reason } => {
                output::show(format, &store.delivery_give_up(id, action("give up", reason)).await?);
            }
            Verb::Resend { id, file, reason } => {
                let text = edited(&file)?;
                let by = action("replace", reason);
                let new = resend_edited(store, &base.key, id, &text, by).await?;
                output::show(format, &json!({ "message": new, "replaces": id }));
            }
            Verb::Replay { which, dry_run, reason } => {
                replay(store, format, which, dry_run, action("replay", reason)).await?;
            }
            Verb::Pause(to) => control(store, format, to, Control::Paused, action).await?,
            Verb::Drain(to) => control(store, format, to, Control::Draining, action).await?,
            Verb::Resume(to) => control(store, format, to, Control::Running, action).await?,
            Verb::Reset(ToDestination { region, environment, reason }) => {
                let by = action("reset", reason);
                output::show(format, &store.destination_reset((region, environment), by).await?);
            }
            Verb::Maintenance(verb) => maintenance(store, format, verb, now, action).await?,
            Verb::Log { message, limit } => {
                output::show(format, &store.action_list(message, limit).await?);
            }
        }
        Ok(())
    }
}

/// Every registry there can be, also those that nobody has touched.
async fn status(store: &Arc<Store>, now: Timestamp) -> Result<Vec<Row>, Failure> {
    store.directory_refresh().await?;
    let (directory, backlog) = (store.directory(), store.delivery_backlog().await?);
    let mut rows = vec![];
    for region in RegionCode::managed() {
        for environment in Environment::ALL.iter().copied() {
            let place = (region, environment);
            let known = directory
                .destination(place)
                .cloned()
                .unwrap_or_else(|| Destination::untouched(region, environment));
            let waits = backlog.iter().find(|one| (one.region, one.environment) == place);
            let oldest = waits.and_then(|one| one.oldest);
            let review = DeliveryFilter {
                states: vec![DeliveryState::Review],
                region: Some(region),
                environment: Some(environment),
                ..DeliveryFilter::default()
            };
            rows.push(Row {
                region,
                environment,
                sends: directory.stopped(place, now).map_or("yes", Stopped::word),
                takes: if known.control == Control::Draining { "no" } else { "yes" },
                breaker: known.breaker.word(),
                queued: waits.map_or(0, |one| one.queued),
                oldest_seconds: oldest.map_or(0, |id| now.seconds_since(id.moment())),
                review: store.delivery_count(review).await?,
                failures: known.failures,
                last_error: known.last_error,
                reason: known.reason,
            });
        }
    }
    Ok(rows)
}

/// Where the settings of a registry come from.
#[derive(Serialize)]
struct Source {
    region: RegionCode,
    environment: Environment,
    from: String,
    dialect: Option<DialectName>,
    address: Option<String>,
    since: Option<Timestamp>,
    by: Option<String>,
    reason: Option<String>,
}

async fn destinations(store: &Arc<Store>, config: &Config) -> Result<Vec<Source>, Failure> {
    let configured = config.registry_settings();
    let mut rows = vec![];
    for region in RegionCode::managed() {
        for environment in Environment::ALL.iter().copied() {
            let versions = store.version_list((region, environment)).await?;
            let active = versions.into_iter().find(|one| one.state == VersionState::Active);
            let file = configured
                .iter()
                .find(|(of, side, _)| (*of, *side) == (region, environment))
                .map(|(_, _, settings)| settings.clone());
            let from = match (&active, &file) {
                (Some(version), _) => format!("version {}", version.number),
                (None, Some(_)) => "configuration".to_owned(),
                (None, None) if config.gateway.loopback => "built-in".to_owned(),
                (None, None) => "nothing".to_owned(),
            };
            let deed = active.as_ref().and_then(|one| one.activated.clone());
            let settings = active.map(|one| one.settings).or(file);
            rows.push(Source {
                region,
                environment,
                from,
                dialect: settings.as_ref().map(|one| one.dialect),
                address: settings.map(|one| one.url),
                since: deed.as_ref().map(|one| one.at),
                by: deed.as_ref().map(|one| one.by.clone()),
                reason: deed.map(|one| one.why),
            });
        }
    }
    Ok(rows)
}

async fn control(
    store: &Arc<Store>,
    format: Format,
    ToDestination { region, environment, reason }: ToDestination,
    control: Control,
    action: impl Fn(&'static str, String) -> Action,
) -> Result<(), Failure> {
    let by = action(control.word(), reason);
    output::show(format, &store.destination_control((region, environment), control, by).await?);
    Ok(())
}

async fn replay(
    store: &Arc<Store>,
    format: Format,
    mut which: Which,
    dry_run: bool,
    by: Action,
) -> Result<(), Failure> {
    if which.state.is_empty() {
        which.state.push(DeliveryState::Review);
    }
    let filter = which.filter();
    let meant = store.delivery_count(filter.clone()).await?;
    if dry_run {
        output::show(format, &json!({ "messages": meant, "sent_again": 0 }));
        return Ok(());
    }
    let told = |done| output::progress(&format!("{done} of {meant} messages"));
    let done = store.delivery_replay(filter, by, told).await?;
    output::progress("");
    output::show(format, &json!({ "messages": meant, "sent_again": done }));
    Ok(())
}

async fn maintenance(
    store: &Arc<Store>,
    format: Format,
    verb: MaintenanceVerb,
    now: Timestamp,
    action: impl Fn(&'static str, String) -> Action,
) -> Result<(), Failure> {
    match verb {
        MaintenanceVerb::Add { region, environment, from, until, reason } => {
            let begins_at = from.unwrap_or(now);
            let ends_at = match until {
                Until::Moment(moment) => moment,
                Until::Length(span) => begins_at.plus(span),
            };
            if ends_at <= begins_at {
                return Err(Failure::usage("the window ends before it begins"));
            }
            let by = action("maintenance", reason);
            let times = (begins_at, ends_at);
            output::show(format, &store.maintenance_add((region, environment), times, by).await?);
        }
        MaintenanceVerb::List => output::show(format, &store.maintenance_list().await?),
        MaintenanceVerb::Remove { id, reason } => {
            let by = action("end maintenance", reason);
            output::show(format, &store.maintenance_remove(id, by).await?);
        }
    }
    Ok(())
}

/// An edited text: an editor's line ends become those of HL7.
fn edited(file: &PathBuf) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok(text.trim_end().replace("\r\n", "\r").replace('\n', "\r") + "\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_moments_are_read() {
        assert_eq!(length("90m"), Some(Duration::from_mins(90)));
        assert_eq!(length("2h"), Some(Duration::from_hours(2)));
        assert_eq!(length("1d"), Some(Duration::from_hours(24)));
        for wrong in ["", "m", "2", "2w", "-1h", "2h30m", "é"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
        assert!(
            moment("2026-12-01T06:00:00-08:00").unwrap() > moment("2026-12-01T13:59:59Z").unwrap()
        );
        assert!(moment("tomorrow").is_err());
    }
}
