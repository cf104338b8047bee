//! What the benches submit as: one Site with a test credential.

use izportal::app::Base;
use izportal::config::Config;
use izportal::domain::{Environment, SiteKind, SiteStatus, Timestamp};
use izportal::gateway::CREDENTIAL_PURPOSE;
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
    let now = Timestamp::now();
    let site = NewSite {
        id: Some(SITE.parse().unwrap()),
        organization: base.store.organization_create("Bench".to_owned(), now).await.unwrap().id,
        name: "Bench".to_owned(),
        kind: SiteKind::Direct,
        clinical: true,
        county: Some("06001".to_owned()),
        region: Some("CAIRBA".parse().unwrap()),
        status: SiteStatus::Testing,
    };
    base.store.site_create(site, now).await.unwrap();
    let credential = NewCredential {
        site: SITE.parse().unwrap(),
        environment: Environment::Test,
        username: USERNAME.to_owned(),
        facility_id: SITE.to_owned(),
        secret: base.key.hash(CREDENTIAL_PURPOSE, PASSWORD),
        expires_at: None,
    };
    base.store.credential_issue(credential, now).await.unwrap();
    base
}
