//! `izportal admin staff` and `izportal admin account`: people who work for CDPH, and help for accounts.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::app;
use crate::cli::Failure;
use crate::cli::admin::Desk;
use crate::domain::{Account, EmailAddress, RegionCode, StaffGrant, StaffRole, UserId};
use crate::sites::{AccountError, NewUser, Sites};

#[derive(Subcommand)]
pub(super) enum StaffVerb {
    /// Give somebody a staff role; prints where a new account sets its password
    Add(StaffAdd),
    /// Show all staff with their roles
    List,
    /// Take a staff role, or all
    Remove {
        /// E-mail address or User ID
        account: AccountName,
        /// Only this role: onboarding, help-desk, registrar, auditor or administrator
        #[arg(long)]
        role: Option<StaffRole>,
        /// The role for this region, not for all
        #[arg(long, requires = "role")]
        region: Option<RegionCode>,
    },
}

#[derive(Args)]
pub(super) struct StaffAdd {
    /// E-mail address, with which they sign in
    #[arg(long)]
    email: EmailAddress,
    /// Given name
    #[arg(long)]
    first: String,
    /// Family name
    #[arg(long)]
    last: String,
    /// onboarding, help-desk, registrar, auditor or administrator
    #[arg(long)]
    role: StaffRole,
    /// Only for this region, such as CAIRBA; else for all
    #[arg(long)]
    region: Option<RegionCode>,
}

#[derive(Subcommand)]
pub(super) enum AccountVerb {
    /// Close an account; its sessions end at once
    Deactivate {
        /// E-mail address or User ID
        account: AccountName,
    },
    /// Print an address where the account sets a password, good once
    Link {
        /// E-mail address or User ID
        account: AccountName,
    },
    /// Open a closed account again
    Reactivate {
        /// E-mail address or User ID
        account: AccountName,
    },
    /// Show one
    Show {
        /// E-mail address or User ID
        account: AccountName,
    },
    /// Forget wrong passwords and codes, so that its owner may try again at once
    Unlock {
        /// E-mail address or User ID
        account: AccountName,
    },
}

/// What an account is called by.
#[derive(Clone)]
pub(super) enum AccountName {
    Email(EmailAddress),
    User(UserId),
}

impl FromStr for AccountName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let email = text.parse().map(Self::Email);
        email.or_else(|_wrong| text.parse().map(Self::User)).map_err(
            |_wrong| "an account is named by its e-mail address or its User ID, such as U-000123",
        )
    }
}

/// Somebody with a staff role, a line for each role.
#[derive(Serialize)]
struct StaffLine<'a> {
    user_id: &'a UserId,
    email: &'a EmailAddress,
    name: String,
    state: &'a str,
    role: StaffRole,
    region: &'a str,
}

/// An account with an address that is shown once.
#[derive(Serialize)]
struct WithLink<'a> {
    #[serde(flatten)]
    account: &'a Account,
    link: Option<String>,
    note: &'static str,
}

impl Desk {
    fn sites(&self) -> Sites {
        let (store, key) = (std::sync::Arc::clone(&self.store), self.key());
        app::sites(&self.config, store, key, &app::address(&self.config))
    }

    pub(super) async fn staff(&self, verb: StaffVerb) -> Result<(), Failure> {
        match verb {
            StaffVerb::Add(new) => self.staff_add(new).await,
            StaffVerb::List => {
                let staff = self.store.staff_list().await?;
                let lines = staff.iter().flat_map(|(account, grants)| {
                    grants.iter().map(|grant| StaffLine {
                        user_id: &account.user_id,
                        email: &account.email,
                        name: account.name(),
                        state: account.state.word(),
                        role: grant.role,
                        region: grant.region.map_or("all", RegionCode::as_str),
                    })
                });
                self.show(&lines.collect::<Vec<_>>());
                Ok(())
            }
            StaffVerb::Remove { account, role, region } => {
                let id = self.account_named(account).await?.id;
                let one = role.map(|role| StaffGrant { role, region });
                self.show(&self.sites().staff_remove(id, one, self.by.clone()).await?);
                Ok(())
            }
        }
    }

    async fn staff_add(&self, new: StaffAdd) -> Result<(), Failure> {
        let [first_name, last_name] = [&new.first, &new.last].map(|name| name.trim().to_owned());
        if first_name.is_empty() || last_name.is_empty() {
            return Err(Failure::usage("a name is blank"));
        }
        let user = NewUser { email: new.email, first_name, last_name, phone: None, roles: vec![] };
        let grant = StaffGrant { role: new.role, region: new.region };
        let (account, link) = self.sites().staff_add(user, grant, self.by.clone()).await?;
        let note = match link {
            Some(_) => {
                "the link sets the first password, once, within seven days; hand it over by a safe way"
            }
            None => "this account exists: its owner signs in as ever, and sets up a second factor",
        };
        self.show(&WithLink { account: &account, link, note });
        Ok(())
    }

    pub(super) async fn account(&self, verb: AccountVerb) -> Result<(), Failure> {
        let (sites, by) = (self.sites(), self.by.clone());
        let account = match verb {
            AccountVerb::Deactivate { account } => {
                let id = self.account_named(account).await?.id;
                sites.account_deactivate(id, by).await?
            }
            AccountVerb::Link { account } => {
                let account = self.account_named(account).await?;
                let link = Some(sites.account_link(account.id, by).await?);
                let note =
                    "the link sets a password, once, within seven days; hand it over by a safe way";
                self.show(&WithLink { account: &account, link, note });
                return Ok(());
            }
            AccountVerb::Reactivate { account } => {
                let id = self.account_named(account).await?.id;
                sites.account_reactivate(id, by).await?
            }
            AccountVerb::Show { account } => self.account_named(account).await?,
            AccountVerb::Unlock { account } => {
                let id = self.account_named(account).await?.id;
                sites.account_unlock(id, by).await?
            }
        };
        self.show(&account);
        Ok(())
    }

    async fn account_named(&self, name: AccountName) -> Result<Account, Failure> {
        let found = match name {
            AccountName::Email(email) => self.store.account_by_email(email).await?,
            AccountName::User(id) => self.store.account_by_user_id(id).await?,
        };
        found.ok_or_else(|| Failure::failed("no such account"))
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            other => Self::failed(other),
        }
    }
}
