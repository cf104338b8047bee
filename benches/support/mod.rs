//! What the benches submit as: one Site with a test credential.

use izportal::app::Base;
use izportal::config::Config;
use izportal::domain::{By, CREDENTIAL_PURPOSE, Environment, SiteKind, SiteStatus, Timestamp};
use izportal::store::{NewCredential, NewSite};

/// The Site, its facilityID too.
pub(crate) const SITE: &str = "DE-000001";

/// Username of its credential.
pub(crate) const USERNAME: &str = "DE-000001-T";

/// Password of its credential.
pub(crate) const PASSWORD: &str = "4rr36r2spa9wc87mx5ccybhdegw195ag7pnwpxst";

/// A new installation that knows the Site and its credential.
pub(crate) async fn installation(config: &Config) -> Base {
    let base = Base::open(config, true).await.unwrap();
    add(&base, SITE, ("06001", "CAIRBA")).await;
    base
}

/// Adds a Site with a test credential; all have the same password.
pub(crate) async fn add(base: &Base, id: &str, (county, region): (&str, &str)) {
    let by = By::system(Timestamp::now());
    let site = NewSite {
        id: Some(id.parse().unwrap()),
        organization: base
            .store
            .organization_create("Bench".to_owned(), by.clone())
            .await
            .unwrap()
            .id,
        name: "Bench".to_owned(),
        kind: SiteKind::Direct,
        clinical: true,
        county: Some(county.to_owned()),
        region: Some(region.parse().unwrap()),
        status: SiteStatus::Testing,
    };
    base.store.site_create(site, by.clone()).await.unwrap();
    let credential = NewCredential {
        site: id.parse().unwrap(),
        environment: Environment::Test,
        username: format!("{id}-T"),
        facility_id: id.to_owned(),
        secret: base.key.hash(CREDENTIAL_PURPOSE, PASSWORD),
        expires_at: None,
    };
    base.store.credential_issue(credential, by).await.unwrap();
}
