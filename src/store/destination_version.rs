//! Settings of registries in versions: a draft, the one in use, and what was before. Passwords and keys are sealed.
//!
//! What puts a version into use or ends it raises the directory's revision, so that it holds on every node from the next
//! message on.

use diesel::prelude::*;

use crate::domain::{
    AccountId, Environment, MessageId, Password, Refusal, RegionCode, RegistrySecrets,
    RegistrySettings, RegistryVersion, ServerKey, Timestamp, VersionDeed, VersionState,
};
use crate::store::action::{Action, record_change};
use crate::store::connection::DbConnection;
use crate::store::destination::Place;
use crate::store::directory::raise_revision;
use crate::store::schema::destination_version as version;
use crate::store::{Part, Store, StoreError, Vault};

/// A version as the directory holds it: what is needed to make a client of it.
#[derive(Clone, Debug)]
pub struct ActiveVersion {
    /// Which one.
    pub id: MessageId,
    /// Whose.
    pub place: Place,
    /// The number of the version.
    pub number: i64,
    /// What it says.
    pub settings: RegistrySettings,
    password: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl ActiveVersion {
    /// Its secrets, opened.
    pub fn secrets(&self, vault: &Vault) -> Result<RegistrySecrets, StoreError> {
        opened(vault, self.id, (self.password.clone(), self.key.clone()))
    }
}

/// What somebody wrote.
pub struct NewVersion {
    /// The settings.
    pub settings: RegistrySettings,
    /// The secrets, all of them.
    pub secrets: RegistrySecrets,
    /// The version that it was made from.
    pub based_on: Option<i64>,
    /// Who.
    pub author: AccountId,
}

type Columns = (
    (version::id, version::region, version::environment, version::number, version::state),
    (
        version::settings,
        version::password,
        version::private_key,
        version::based_on,
        version::authors,
    ),
    (version::drafted_at, version::changed_at, version::tested_at, version::test_problem),
    (version::activated_by, version::activated_at, version::activated_why),
    (version::ended_by, version::ended_at, version::ended_why),
);

const fn columns() -> Columns {
    (
        (version::id, version::region, version::environment, version::number, version::state),
        (
            version::settings,
            version::password,
            version::private_key,
            version::based_on,
            version::authors,
        ),
        (version::drafted_at, version::changed_at, version::tested_at, version::test_problem),
        (version::activated_by, version::activated_at, version::activated_why),
        (version::ended_by, version::ended_at, version::ended_why),
    )
}

type Deed = (Option<String>, Option<Timestamp>, Option<String>);

type Sealed = (Option<Vec<u8>>, Option<Vec<u8>>);

type Row = (
    (MessageId, RegionCode, Environment, i64, VersionState),
    (String, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>, String),
    (Timestamp, Timestamp, Option<Timestamp>, Option<String>),
    Deed,
    Deed,
);

fn deed((by, at, why): Deed) -> Option<VersionDeed> {
    Some(VersionDeed { by: by?, at: at?, why: why.unwrap_or_default() })
}

fn read(text: &str) -> Result<RegistrySettings, StoreError> {
    serde_json::from_str(text).map_err(|_unreadable| StoreError::Locked("settings of a registry"))
}

fn written(settings: &RegistrySettings) -> Result<String, StoreError> {
    serde_json::to_string(settings)
        .map_err(|_unwritable| StoreError::Locked("settings of a registry"))
}

fn opened(
    vault: &Vault,
    id: MessageId,
    (password, key): Sealed,
) -> Result<RegistrySecrets, StoreError> {
    let open = |part, sealed: Option<Vec<u8>>| {
        let Some(sealed) = sealed else { return Ok::<_, StoreError>(None) };
        let bytes = vault.open(id, part, sealed)?;
        let text = String::from_utf8(bytes)
            .map_err(|_garbled| StoreError::Locked("a secret of a registry"))?;
        Ok(Some(Password::from(text)))
    };
    Ok(RegistrySecrets {
        password: open(Part::RegistryPassword, password)?,
        key: open(Part::RegistryKey, key)?,
    })
}

fn sealed(vault: &Vault, id: MessageId, secrets: &RegistrySecrets) -> Result<Sealed, StoreError> {
    let seal = |part, secret: &Option<Password>| {
        secret.as_ref().map(|one| vault.seal(id, part, one.reveal().as_bytes())).transpose()
    };
    Ok((seal(Part::RegistryPassword, &secrets.password)?, seal(Part::RegistryKey, &secrets.key)?))
}

fn from_row(row: Row, vault: &Vault, key: &ServerKey) -> Result<RegistryVersion, StoreError> {
    let (
        (id, region, environment, number, state),
        (settings, password, private_key, based_on, authors),
        (drafted_at, changed_at, tested_at, test_problem),
        activated,
        ended,
    ) = row;
    let secrets = opened(vault, id, (password, private_key))?;
    let mark = |secret: &Option<Password>| {
        secret.as_ref().map(|one| key.hash("registry", one.reveal()).to_hex())
    };
    Ok(RegistryVersion {
        id,
        region,
        environment,
        number,
        state,
        settings: read(&settings)?,
        based_on,
        authors: authors.split(',').filter_map(|one| one.parse().ok().map(AccountId)).collect(),
        drafted_at,
        changed_at,
        tested_at,
        test_problem,
        activated: deed(activated),
        ended: deed(ended),
        password: mark(&secrets.password),
        key: mark(&secrets.key),
    })
}

fn found(
    conn: &mut DbConnection,
    place: Place,
    state: VersionState,
) -> Result<Option<Row>, StoreError> {
    let (region, environment) = place;
    Ok(version::table
        .filter(version::region.eq(region))
        .filter(version::environment.eq(environment))
        .filter(version::state.eq(state))
        .select(columns())
        .first::<Row>(conn)
        .optional()?)
}

/// The versions that are in use.
pub(super) fn active(conn: &mut DbConnection) -> Result<Vec<ActiveVersion>, StoreError> {
    type Row = (MessageId, Place, i64, String, Option<Vec<u8>>, Option<Vec<u8>>);
    let rows = version::table
        .filter(version::state.eq(VersionState::Active))
        .order(version::id.asc())
        .select((
            version::id,
            (version::region, version::environment),
            version::number,
            version::settings,
            version::password,
            version::private_key,
        ))
        .load::<Row>(conn)?;
    rows.into_iter()
        .map(|(id, place, number, settings, password, key)| {
            Ok(ActiveVersion { id, place, number, settings: read(&settings)?, password, key })
        })
        .collect()
}

impl Store {
    /// The versions of a registry, newest first.
    pub async fn version_list(&self, place: Place) -> Result<Vec<RegistryVersion>, StoreError> {
        let (vault, key) = (std::sync::Arc::clone(&self.vault), self.audit_key.clone());
        self.read(move |conn| {
            let rows = version::table
                .filter(version::region.eq(place.0))
                .filter(version::environment.eq(place.1))
                .order(version::number.desc())
                .select(columns())
                .load::<Row>(conn)?;
            rows.into_iter().map(|row| from_row(row, &vault, &key)).collect()
        })
        .await
    }

    /// The secrets of a version, for what speaks with its registry.
    pub async fn version_secrets(&self, id: MessageId) -> Result<RegistrySecrets, StoreError> {
        let vault = std::sync::Arc::clone(&self.vault);
        self.read(move |conn| {
            let columns = (version::password, version::private_key);
            let row = version::table.find(id).select(columns).first::<Sealed>(conn)?;
            opened(&vault, id, row)
        })
        .await
    }

    /// Writes the draft of a registry, or writes it anew: what was tested before is not what stands there now.
    pub async fn version_draft(
        &self,
        place: Place,
        new: NewVersion,
        by: Action,
    ) -> Result<i64, StoreError> {
        let key = self.audit_key.clone();
        let fresh = self.next_message_id(by.by.at);
        let vault = std::sync::Arc::clone(&self.vault);
        self.write(move |conn| {
            let settings = written(&new.settings)?;
            let draft = found(conn, place, VersionState::Draft)?;
            let (number, before) = match draft {
                Some(((id, _, _, number, _), (before, _, _, _, authors), ..)) => {
                    let (password, private_key) = sealed(&vault, id, &new.secrets)?;
                    diesel::update(version::table.find(id))
                        .set((
                            version::settings.eq(&settings),
                            version::password.eq(password),
                            version::private_key.eq(private_key),
                            version::authors.eq(with_author(&authors, new.author)),
                            version::changed_at.eq(by.by.at),
                            version::tested_at.eq(None::<Timestamp>),
                            version::test_problem.eq(None::<String>),
                        ))
                        .execute(conn)?;
                    (number, Some(before))
                }
                None => (insert(conn, place, (fresh, &settings), &new, &vault, by.by.at)?, None),
            };
            record_change(conn, &key, &by, place, (before.as_deref(), Some(&settings)))?;
            Ok(number)
        })
        .await
    }

    /// Records what a test of the draft found, unless it was written anew meanwhile.
    pub async fn version_tested(
        &self,
        (place, changed_at): (Place, Timestamp),
        problem: Option<String>,
        by: Action,
    ) -> Result<(), StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let draft = version::table
                .filter(version::region.eq(place.0))
                .filter(version::environment.eq(place.1))
                .filter(version::state.eq(VersionState::Draft))
                .filter(version::changed_at.eq(changed_at));
            let tested = diesel::update(draft)
                .set((version::tested_at.eq(Some(by.by.at)), version::test_problem.eq(problem)))
                .execute(conn)?;
            if tested == 0 {
                return Err(
                    Refusal("the draft was changed meanwhile: test it again".to_owned()).into()
                );
            }
            record_change(conn, &key, &by, place, (None, Some(&by.reason)))
        })
        .await
    }

    /// Puts the draft into use in place of what was.
    ///
    /// # Errors
    /// When there is no draft like this one any more, it was not tested, or, for production, who wrote it asks.
    pub async fn version_activate(
        &self,
        (place, changed_at): (Place, Timestamp),
        account: AccountId,
        by: Action,
    ) -> Result<(), StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let refused =
                |text: &str| -> Result<(), StoreError> { Err(Refusal(text.to_owned()).into()) };
            let draft = found(conn, place, VersionState::Draft)?;
            let Some(((id, ..), (after, _, _, _, authors), (_, changed, tested, problem), ..)) =
                draft
            else {
                return refused("there is no draft any more");
            };
            if changed != changed_at {
                return refused("the draft was changed meanwhile: look at it again");
            }
            if tested.is_none() || problem.is_some() {
                return refused("a draft is put into use after a test that the registry passed");
            }
            let own = account.0.to_string();
            if place.1 == Environment::Production && authors.split(',').any(|one| one == own) {
                return refused("somebody else has to put your draft for production into use");
            }
            let before = end_active(conn, place, &by)?;
            diesel::update(version::table.find(id))
                .set((
                    version::state.eq(VersionState::Active),
                    version::activated_by.eq(Some(by.by.actor.as_str())),
                    version::activated_at.eq(Some(by.by.at)),
                    version::activated_why.eq(Some(by.reason.as_str())),
                ))
                .execute(conn)?;
            raise_revision(conn)?;
            record_change(conn, &key, &by, place, (before.as_deref(), Some(&after)))
        })
        .await
    }

    /// Ends the version in use: what the configuration file says holds again.
    ///
    /// # Errors
    /// When there is none.
    pub async fn version_withdraw(&self, place: Place, by: Action) -> Result<(), StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let Some(before) = end_active(conn, place, &by)? else {
                return Err(Refusal("no settings of these pages are in use".to_owned()).into());
            };
            raise_revision(conn)?;
            record_change(conn, &key, &by, place, (Some(&before), None))
        })
        .await
    }

    /// Throws the draft away.
    ///
    /// # Errors
    /// When there is none.
    pub async fn version_discard(&self, place: Place, by: Action) -> Result<(), StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let draft = found(conn, place, VersionState::Draft)?;
            let Some(((id, ..), (before, ..), ..)) = draft else {
                return Err(Refusal("there is no draft any more".to_owned()).into());
            };
            end(conn, id, VersionState::Discarded, &by)?;
            record_change(conn, &key, &by, place, (Some(&before), None))
        })
        .await
    }
}

/// Authors with one more.
fn with_author(authors: &str, one: AccountId) -> String {
    let own = one.0.to_string();
    if authors.split(',').any(|known| known == own) {
        authors.to_owned()
    } else {
        format!("{authors},{own}")
    }
}

/// A new draft; gives its number.
fn insert(
    conn: &mut DbConnection,
    (region, environment): Place,
    (id, settings): (MessageId, &str),
    new: &NewVersion,
    vault: &Vault,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let last = version::table
        .filter(version::region.eq(region))
        .filter(version::environment.eq(environment))
        .select(diesel::dsl::max(version::number))
        .first::<Option<i64>>(conn)?;
    let number = last.unwrap_or_default() + 1;
    let (password, private_key) = sealed(vault, id, &new.secrets)?;
    diesel::insert_into(version::table)
        .values((
            version::id.eq(id),
            version::region.eq(region),
            version::environment.eq(environment),
            version::number.eq(number),
            version::state.eq(VersionState::Draft),
            version::settings.eq(settings),
            version::password.eq(password),
            version::private_key.eq(private_key),
            version::based_on.eq(new.based_on),
            version::authors.eq(new.author.0.to_string()),
            version::drafted_at.eq(now),
            version::changed_at.eq(now),
        ))
        .execute(conn)?;
    Ok(number)
}

/// Ends the version in use; gives its settings.
fn end_active(
    conn: &mut DbConnection,
    place: Place,
    by: &Action,
) -> Result<Option<String>, StoreError> {
    let Some(((id, ..), (settings, ..), ..)) = found(conn, place, VersionState::Active)? else {
        return Ok(None);
    };
    end(conn, id, VersionState::Past, by)?;
    Ok(Some(settings))
}

fn end(
    conn: &mut DbConnection,
    id: MessageId,
    state: VersionState,
    by: &Action,
) -> Result<(), StoreError> {
    diesel::update(version::table.find(id))
        .set((
            version::state.eq(state),
            version::ended_by.eq(Some(by.by.actor.as_str())),
            version::ended_at.eq(Some(by.by.at)),
            version::ended_why.eq(Some(by.reason.as_str())),
        ))
        .execute(conn)?;
    Ok(())
}
