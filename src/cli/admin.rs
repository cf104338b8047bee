//! `izportal admin`: organizations, Sites, links, credentials; a look at messages and at the loopback registry.
//!
//! It works on the database directly, also while the service runs: every change holds from the next message on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde::Serialize;
use serde_json::json;

use crate::app::Base;
use crate::cli::accounts::{AccountVerb, StaffVerb};
use crate::cli::audit::AuditVerb;
use crate::cli::delivery::DeliveryCommand;
use crate::cli::mail::MailVerb;
use crate::cli::registry::{self, RegistryVerb};
use crate::cli::{ConfigFile, Failure, Format, output};
use crate::config::{Config, private_file};
use crate::domain::CREDENTIAL_PURPOSE;
use crate::domain::{
    By, COUNTIES, County, Credential, Environment, IssuedCredential, LinkStatus, MessageId,
    MessageState, OrganizationId, Password, REGIONS, RegionCode, ServerKey, SiteId, SiteKind,
    SiteStatus, StageEvent, Timestamp,
};
use crate::server::pin_of_file;
use crate::store::{MessageFilter, NewCredential, NewSite, Part, Store};

/// Create and change organizations, Sites, links and credentials; look at messages, letters and the audit trail
#[derive(Args)]
pub(super) struct Admin {
    #[command(flatten)]
    config: ConfigFile,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
    /// Who does it, for the audit trail
    #[arg(long, global = true, env = "USER", default_value = "operator")]
    by: String,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Subcommand)]
enum Noun {
    /// Organizations that Sites belong to
    #[command(subcommand)]
    Organization(OrganizationVerb),
    /// Sites and Sending Facilities
    #[command(subcommand)]
    Site(SiteVerb),
    /// Which Sending Facility may submit for which Site
    #[command(subcommand)]
    Link(LinkVerb),
    /// Credentials of Sites and Sending Facilities
    #[command(subcommand)]
    Credential(CredentialVerb),
    /// Regions and counties
    #[command(subcommand)]
    Region(RegionVerb),
    /// Messages as the Gateway knows them
    #[command(subcommand)]
    Message(MessageVerb),
    /// Queue, failed deliveries, and what is sent where
    Delivery(DeliveryCommand),
    /// What the built-in loopback registry holds, and how it behaves
    #[command(subcommand)]
    Registry(RegistryVerb),
    /// People who work for CDPH; the first administrator is made here
    #[command(subcommand)]
    Staff(StaffVerb),
    /// Help for accounts of the portal
    #[command(subcommand)]
    Account(AccountVerb),
    /// Letters: the outbox, and whether they leave
    #[command(subcommand)]
    Mail(MailVerb),
    /// Who did what, and the proof that nothing of it was changed
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Copy the embedded database to a file, while the service runs
    Backup {
        /// The file; it must not exist
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum OrganizationVerb {
    /// Record an organization
    Create {
        /// Its name
        name: String,
    },
    /// Show all
    List,
}

#[derive(Subcommand)]
enum SiteVerb {
    /// Record a Site
    Create(SiteCreate),
    /// Show all
    List,
    /// Show one
    Show {
        /// Its Site ID
        site: SiteId,
    },
    /// Take a step of a Site's way: suspended, reinstated, closed, reopened, withdrawn, sent-back
    ///
    /// A Site comes into production by the approval of two of the staff, on the pages.
    Step {
        /// Its Site ID
        site: SiteId,
        /// What happens to it
        event: StageEvent,
        /// Why; its people read it
        #[arg(long)]
        reason: String,
    },
}

#[derive(Args)]
struct SiteCreate {
    /// Number of its organization
    #[arg(long)]
    organization: OrganizationId,
    /// Its name
    #[arg(long)]
    name: String,
    /// direct, through-facility or sending-facility
    #[arg(long)]
    kind: SiteKind,
    /// County by name or FIPS code; a Sending Facility outside California has none
    #[arg(long)]
    county: Option<String>,
    /// It gives no immunizations (a vendor, an HIE), so it is never the responsible Site
    #[arg(long)]
    not_clinical: bool,
    /// Its status
    #[arg(long, default_value = "registered")]
    status: SiteStatus,
    /// Its Site ID, when it has one already
    #[arg(long)]
    id: Option<SiteId>,
}

#[derive(Subcommand)]
enum LinkVerb {
    /// Let a Sending Facility submit for a Site
    Activate {
        /// Site ID of the Sending Facility
        facility: SiteId,
        /// Site ID of the client Site
        site: SiteId,
    },
    /// End it
    End {
        /// Site ID of the Sending Facility
        facility: SiteId,
        /// Site ID of the client Site
        site: SiteId,
    },
    /// Show all
    List,
}

#[derive(Subcommand)]
enum CredentialVerb {
    /// Issue a credential; its password is shown once
    Issue {
        /// Site ID of the Site or Sending Facility
        site: SiteId,
        /// test or production
        environment: Environment,
        /// Username; else the Site ID, with -T for test
        #[arg(long)]
        username: Option<String>,
        /// facilityID of the SOAP call; else the Site ID
        #[arg(long)]
        facility_id: Option<String>,
        /// Days until it ends
        #[arg(long)]
        days: Option<u64>,
    },
    /// Show all, without secrets
    List,
    /// Put a new password beside the present one, which lives on for a while
    Rotate {
        /// Its username
        username: String,
        /// Hours for which the present password is still taken
        #[arg(long, default_value_t = 72)]
        overlap_hours: u64,
    },
    /// Refuse it from the next message on
    Revoke {
        /// Its username
        username: String,
    },
    /// Demand a client certificate with the public key of this certificate
    Pin {
        /// Its username
        username: String,
        /// Certificate file (PEM); without it no certificate is demanded any more
        #[arg(long)]
        certificate: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum RegionVerb {
    /// Show the ten regions
    List,
    /// Show the 58 counties with their regions
    Counties,
}

#[derive(Subcommand)]
enum MessageVerb {
    /// Show the newest
    List {
        /// Only of this sender
        #[arg(long)]
        sender: Option<SiteId>,
        /// Only for this region
        #[arg(long)]
        region: Option<RegionCode>,
        /// Only in this state: refused, accepted, delivered, rejected, review, given-up, replaced, answered or unanswered
        #[arg(long)]
        state: Option<MessageState>,
        /// Only with this MSH-10
        #[arg(long)]
        control_id: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Show one with its diagnostics and its delivery
    Show {
        /// Its id
        id: MessageId,
        /// Print the HL7 text and the reply too: patient data
        #[arg(long)]
        text: bool,
    },
}

/// Deeds of operators shown with a message.
const ACTIONS: i64 = 50;

/// A credential at the moment of issue.
#[derive(Serialize)]
struct Issued<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    password: &'a str,
    note: &'static str,
}

impl Admin {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let format = self.format;
        match self.noun {
            Noun::Region(RegionVerb::List) => {
                output::show(format, &*REGIONS);
                return Ok(());
            }
            Noun::Region(RegionVerb::Counties) => {
                output::show(format, &*COUNTIES);
                return Ok(());
            }
            Noun::Registry(RegistryVerb::Behave(behave)) if behave.list => {
                registry::list(format);
                return Ok(());
            }
            _ => {}
        }
        let config = self.config.load()?;
        let base = Base::open(&config, false).await?;
        let by = By::cli(&self.by, Timestamp::now());
        let desk = Desk { format, by, store: Arc::clone(&base.store), base, config };
        let result = match self.noun {
            Noun::Organization(verb) => desk.organization(verb).await,
            Noun::Site(verb) => desk.site(verb).await,
            Noun::Link(verb) => desk.link(verb).await,
            Noun::Credential(verb) => desk.credential(verb).await,
            Noun::Message(verb) => desk.message(verb).await,
            Noun::Delivery(command) => {
                command.run((&desk.base, &desk.config), format, desk.by.clone()).await
            }
            Noun::Registry(verb) => desk.registry(verb).await,
            Noun::Staff(verb) => desk.staff(verb).await,
            Noun::Account(verb) => desk.account(verb).await,
            Noun::Mail(verb) => desk.mail(verb).await,
            Noun::Audit(verb) => desk.audit(verb).await,
            Noun::Backup { file } => desk.backup(file).await,
            Noun::Region(_) => Ok(()),
        };
        desk.store.close();
        result
    }
}

/// One administrator at work.
pub(super) struct Desk {
    pub(super) config: Config,
    base: Base,
    pub(super) store: Arc<Store>,
    format: Format,
    pub(super) by: By,
}

impl Desk {
    pub(super) fn key(&self) -> ServerKey {
        self.base.key.clone()
    }

    pub(super) fn show<T: Serialize>(&self, thing: &T) {
        output::show(self.format, thing);
    }

    async fn organization(&self, verb: OrganizationVerb) -> Result<(), Failure> {
        match verb {
            OrganizationVerb::Create { name } if name.trim().is_empty() => {
                Err(Failure::usage("the name is blank"))
            }
            OrganizationVerb::Create { name } => {
                self.show(
                    &self
                        .store
                        .organization_create(name.trim().to_owned(), self.by.clone())
                        .await?,
                );
                Ok(())
            }
            OrganizationVerb::List => {
                self.show(&self.store.organization_list().await?);
                Ok(())
            }
        }
    }

    async fn site(&self, verb: SiteVerb) -> Result<(), Failure> {
        match verb {
            SiteVerb::Create(site) => {
                self.show(&self.store.site_create(new_site(site)?, self.by.clone()).await?);
            }
            SiteVerb::List => self.show(&self.store.site_list().await?),
            SiteVerb::Show { site } => self.show(&self.store.site_by_id(site).await?),
            SiteVerb::Step { site, event, reason } => {
                if event.is_automatic()
                    || matches!(event, StageEvent::Invited | StageEvent::Approved)
                {
                    return Err(Failure::usage(format!(
                        "\"{event}\" is not for the command line: the service or staff do it"
                    )));
                }
                self.store.site_step(site.clone(), event, Some(reason), self.by.clone()).await?;
                self.show(&self.store.site_by_id(site).await?);
            }
        }
        Ok(())
    }

    async fn link(&self, verb: LinkVerb) -> Result<(), Failure> {
        let (facility, site, status) = match verb {
            LinkVerb::Activate { facility, site } => (facility, site, LinkStatus::Active),
            LinkVerb::End { facility, site } => (facility, site, LinkStatus::Ended),
            LinkVerb::List => {
                self.show(&self.store.link_list().await?);
                return Ok(());
            }
        };
        self.show(&self.store.link_set(facility, site, status, self.by.clone()).await?);
        Ok(())
    }

    async fn credential(&self, verb: CredentialVerb) -> Result<(), Failure> {
        match verb {
            CredentialVerb::Issue { site, environment, username, facility_id, days } => {
                let expires_at =
                    days.map(|days| self.by.at.plus(Duration::from_secs(days * 24 * 60 * 60)));
                let names = (username, facility_id);
                self.show_once(
                    &issue(&self.base, site, environment, names, expires_at, self.by.clone())
                        .await?,
                );
            }
            CredentialVerb::List => self.show(&self.store.credential_list().await?),
            CredentialVerb::Rotate { username, overlap_hours } => {
                let password = new_password()?;
                let hash = self.base.key.hash(CREDENTIAL_PURPOSE, password.reveal());
                let overlap = Duration::from_secs(overlap_hours * 60 * 60);
                let credential =
                    self.store.credential_rotate(username, hash, overlap, self.by.clone()).await?;
                self.show_once(&IssuedCredential { credential, password });
            }
            CredentialVerb::Revoke { username } => {
                self.show(&self.store.credential_revoke(username, self.by.clone()).await?);
            }
            CredentialVerb::Pin { username, certificate } => {
                let pin = certificate
                    .map(|path| pin_of_file(&path))
                    .transpose()
                    .map_err(Failure::failed)?;
                self.show(&self.store.credential_pin(username, pin, self.by.clone()).await?);
            }
        }
        Ok(())
    }

    fn show_once(&self, issued: &IssuedCredential) {
        let note = "the password is shown now and never again";
        self.show(&Issued {
            credential: &issued.credential,
            password: issued.password.reveal(),
            note,
        });
    }

    async fn message(&self, verb: MessageVerb) -> Result<(), Failure> {
        match verb {
            MessageVerb::List { sender, region, state, control_id, limit } => {
                let filter = MessageFilter { sender, region, state, control_id, limit };
                self.show(&self.store.message_list(filter).await?);
            }
            MessageVerb::Show { id, text } => {
                let (message, diagnostics, delivery) = self.store.message_by_id(id).await?;
                let actions = self.store.action_list(Some(id), ACTIONS).await?;
                let mut whole = json!({
                    "message": message, "diagnostics": diagnostics, "delivery": delivery, "actions": actions
                });
                if text && let Some(fields) = whole.as_object_mut() {
                    self.note("message.read", format!("message {id}")).await?;
                    fields.insert("body".to_owned(), json!(self.opened(id, Part::Body).await?));
                    fields.insert("reply".to_owned(), json!(self.opened(id, Part::Reply).await?));
                    fields.insert("sent".to_owned(), json!(self.opened(id, Part::Sent).await?));
                }
                self.show_whole(&whole);
            }
        }
        Ok(())
    }

    /// Records a sight, before it is had.
    pub(super) async fn note(&self, action: &'static str, object: String) -> Result<(), Failure> {
        Ok(self.store.audit_note(self.by.clone(), action, object, None, None).await?)
    }

    async fn opened(&self, id: MessageId, part: Part) -> Result<Option<String>, Failure> {
        let bytes = self.store.message_payload(id, part).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A message in parts: each under its name.
    pub(super) fn show_whole(&self, whole: &serde_json::Value) {
        match (self.format, whole.as_object()) {
            (Format::Text, Some(parts)) => {
                for (name, part) in parts {
                    output::line(&format!("--- {name}"));
                    match part.as_str() {
                        Some(hl7) => output::line(&readable(hl7)),
                        None => self.show(part),
                    }
                }
            }
            _ => self.show(whole),
        }
    }

    async fn backup(&self, file: PathBuf) -> Result<(), Failure> {
        if file.exists() {
            return Err(Failure::usage(format!(
                "{} exists; a backup never replaces a file",
                file.display()
            )));
        }
        self.note("database.backup", "database".to_owned()).await?;
        // SQLite writes into an empty file as into none; made here, it is its owner's from the first byte on.
        drop(private_file(&file)?);
        if let Err(error) = self.store.backup(file.clone()).await {
            std::fs::remove_file(&file)?;
            return Err(error.into());
        }
        self.show(
            &json!({ "backup": file, "note": "keep the key files of the data directory with it" }),
        );
        Ok(())
    }
}

/// HL7 for a terminal: a line for each segment, no other control characters.
fn readable(hl7: &str) -> String {
    hl7.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace(|one: char| one.is_control() && one != '\n', " ")
}

fn new_site(site: SiteCreate) -> Result<NewSite, Failure> {
    let county = match &site.county {
        None if site.kind == SiteKind::SendingFacility && site.not_clinical => None,
        None => return Err(Failure::usage("a Site that gives immunizations needs --county")),
        Some(text) => Some(County::find(text).ok_or_else(|| {
            Failure::usage("no such county; see `izportal admin region counties`")
        })?),
    };
    if let Some(excluded) = county
        .filter(|county| !county.gateway_registration && site.kind != SiteKind::SendingFacility)
    {
        let text =
            format!("{} County does not register here: {}", excluded.name, excluded.referral);
        return Err(Failure::failed(text));
    }
    Ok(NewSite {
        id: site.id,
        organization: site.organization,
        name: site.name,
        kind: site.kind,
        clinical: !site.not_clinical,
        county: county.map(|county| county.fips.to_owned()),
        region: county.map(|county| county.region),
        status: site.status,
    })
}

fn new_password() -> Result<Password, Failure> {
    Password::generate(&SystemRandom::new())
        .map_err(|_unspecified| Failure::failed("no randomness for a password"))
}

/// Issues a credential; username and facility follow the Site ID when they are not given.
pub(super) async fn issue(
    base: &Base,
    site: SiteId,
    environment: Environment,
    (username, facility_id): (Option<String>, Option<String>),
    expires_at: Option<Timestamp>,
    by: By,
) -> Result<IssuedCredential, Failure> {
    let password = new_password()?;
    let by_default = match environment {
        Environment::Production => site.to_string(),
        Environment::Test => format!("{site}-T"),
    };
    let new = NewCredential {
        environment,
        username: username.unwrap_or(by_default),
        facility_id: facility_id.unwrap_or_else(|| site.to_string()),
        secret: base.key.hash(CREDENTIAL_PURPOSE, password.reveal()),
        expires_at,
        site,
    };
    let credential = base.store.credential_issue(new, by).await?;
    Ok(IssuedCredential { credential, password })
}
