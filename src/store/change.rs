//! What a representative changes of an organization and its Sites: part of it acts at once, staff decide the rest.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::questions::{organization_answers, site_answers};
use crate::domain::{OrganizationId, RequestId, SiteId, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::draft::read_answers;
use crate::store::owned::{record, site_of};
use crate::store::registration::accept_agreement;
use crate::store::request::{self, NewRequest};
use crate::store::schema::site_profile;
use crate::store::update::{change_organization, change_site};
use crate::store::{Deed, Store, StoreError};

/// What somebody changes at one time.
#[derive(Debug, Clone)]
pub struct Change {
    /// What holds at once; an empty answer takes one away.
    pub now: Answers,
    /// What staff decide.
    pub ask: Option<NewRequest>,
}

/// The answers of these names, for the trail.
fn of_names(answers: &Answers, names: &Answers) -> String {
    names.iter().map(|(name, _)| (name, answers.get(name))).collect::<Answers>().to_json()
}

/// The answers with the changes in place of those of the same names.
fn with(mut answers: Answers, changes: &Answers) -> Answers {
    for (name, value) in changes.iter() {
        answers.set(name, value);
    }
    answers
}

impl Store {
    /// Changes what an organization told of itself, and asks staff for what they decide; all or nothing.
    pub async fn organization_change(
        &self,
        id: OrganizationId,
        change: Change,
        deed: Deed,
    ) -> Result<Option<RequestId>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = record(conn, id)?;
            let before = organization_answers(&held.name, held.access_level, held.answers);
            if !change.now.is_empty() {
                change_organization(conn, id, &change.now, doing.now)?;
            }
            let asked = ask(conn, &change, doing.now)?;
            let object = format!("organization {id}");
            let (before, after) = told(&before, &change, asked);
            doing.end(conn, "organization.change", &object, Some(&before), Some(&after))?;
            Ok(asked)
        })
        .await
    }

    /// Changes what a Site of an organization told of itself, and asks staff for what they decide; all or nothing.
    pub async fn site_change(
        &self,
        organization: OrganizationId,
        id: SiteId,
        change: Change,
        deed: Deed,
    ) -> Result<Option<RequestId>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = site_of(conn, organization, &id)?;
            let text = site_profile::table
                .find(&id)
                .select(site_profile::answers)
                .first::<String>(conn)
                .optional()?;
            let before = text.as_deref().map(read_answers).transpose()?.unwrap_or_default();
            let before = site_answers(&held, before);
            if !change.now.is_empty() {
                change_site(conn, &id, &change.now, doing.now)?;
            }
            let asked = ask(conn, &change, doing.now)?;
            let object = format!("site {id}");
            let (before, after) = told(&before, &change, asked);
            doing.end(conn, "site.change", &object, Some(&before), Some(&after))?;
            Ok(asked)
        })
        .await
    }

    /// Records that an organization accepts a version of the agreement: version, name, title, and from where.
    pub async fn agreement_accept(
        &self,
        id: OrganizationId,
        agreement: [String; 4],
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            record(conn, id)?;
            accept_agreement(conn, id, &agreement, doing.now)?;
            let [version, name, title, _] = &agreement;
            let after = format!("version {version}, {name}, {title}");
            doing.end(
                conn,
                "agreement.accept",
                &format!("organization {id}"),
                None,
                Some(&after),
            )?;
            Ok(())
        })
        .await
    }
}

fn ask(
    conn: &mut DbConnection,
    change: &Change,
    now: Timestamp,
) -> Result<Option<RequestId>, StoreError> {
    change.ask.as_ref().map(|new| request::create(conn, new, now)).transpose()
}

/// What held and what holds or was asked for, for the trail.
fn told(before: &Answers, change: &Change, asked: Option<RequestId>) -> (String, String) {
    let Some((id, new)) = asked.zip(change.ask.as_ref()) else {
        return (of_names(before, &change.now), change.now.to_json());
    };
    let names = with(change.now.clone(), &new.answers);
    let asked = format!("asked for as request {id}: {}", new.answers.to_json());
    let at_once = (!change.now.is_empty()).then(|| change.now.to_json());
    let after = at_once.map_or_else(|| asked.clone(), |json| format!("{json}; {asked}"));
    (of_names(before, &names), after)
}
