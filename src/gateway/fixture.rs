//! A gateway for the tests of what cannot be brought about from outside.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::backends::{Backends, Surroundings};
use crate::client::Egress;
use crate::domain::CREDENTIAL_PURPOSE;
use crate::domain::{
    BreakerPolicy, By, Environment, LetterLimits, RetryPolicy, ServerKey, SiteKind, SiteStatus,
    Timestamp,
};
use crate::gateway::{Call, Disagreement, Gateway, GatewaySettings, Registries, RoutingRules};
use crate::hl7::Identity;
use crate::store::{
    DatabaseUrl, NewCredential, NewSite, RetentionLimits, Store, StoreSettings, Vault,
};
use crate::validation::{Codes, Policies, ProcessingRules, Validator};

const PASSWORD: &str = "4rr36r2spa9wc87mx5ccybhdegw195ag7pnwpxst";

/// A message with a header and a patient.
pub(super) const HL7: &str = "MSH|^~\\&|EHR|DE-000001|IZGATEWAY|CAIRBA|20260101||VXU^V04^VXU_V04|ONE|T|2.5.1\rPID|1||A1^^^X^MR||Sample^Ann|||20250101\r";

/// A gateway without registries whose Site `DE-000001` has a test credential.
pub(super) async fn gateway(dir: &TempDir) -> Arc<Gateway> {
    let store = StoreSettings {
        database: DatabaseUrl::Sqlite(dir.path().join("izportal.db")),
        schema: None,
        vault: Vault::new(&[[1; 32]]),
        key: ServerKey::new(&[2; 32]),
        letter_limits: LetterLimits { hour: 20, day: 60 },
        migrate: true,
    };
    let (store, key) = (Store::open(store).unwrap(), ServerKey::new(&[2; 32]));
    let by = By::system(Timestamp::now());
    let site = NewSite {
        id: Some("DE-000001".parse().unwrap()),
        organization: store.organization_create("Test".to_owned(), by.clone()).await.unwrap().id,
        name: "Test".to_owned(),
        kind: SiteKind::Direct,
        clinical: true,
        county: Some("06001".to_owned()),
        region: Some("CAIRBA".parse().unwrap()),
        status: SiteStatus::Testing,
    };
    store.site_create(site, by.clone()).await.unwrap();
    let credential = NewCredential {
        site: "DE-000001".parse().unwrap(),
        environment: Environment::Test,
        username: "DE-000001-T".to_owned(),
        facility_id: "DE-000001".to_owned(),
        secret: key.hash(CREDENTIAL_PURPOSE, PASSWORD),
        expires_at: None,
    };
    store.credential_issue(credential, by).await.unwrap();
    store.directory_refresh().await.unwrap();
    let around = Surroundings { egress: Egress::default(), timeout: Duration::from_secs(1) };
    let registries = Registries::new(Backends::default(), HashMap::new(), around);
    Gateway::new(store, registries, key, settings(), Handle::current())
}

fn settings() -> GatewaySettings {
    let disagreement = Disagreement::Warn;
    let day = Duration::from_hours(24);
    GatewaySettings {
        identity: Identity { application: "GW".to_owned(), facility: "TEST".to_owned() },
        longest_message: 1_000,
        conflict_window: day,
        reply_policies: HashMap::new(),
        relay_deadline: Duration::from_secs(1),
        send_timeout: Duration::from_secs(1),
        retry: RetryPolicy { first: day, longest: day, hold: day, doubtful: 5 },
        breaker: BreakerPolicy { failures: 5, cool_down: day, longest: day },
        queue_bound: 1_000,
        workers: 0,
        processing: ProcessingRules::default(),
        validator: Arc::new(Validator::new(Arc::clone(Codes::built_in()))),
        policies: Policies::default(),
        routing: RoutingRules { test: disagreement, production: disagreement },
        retention: RetentionLimits { bodies: day, metadata: day, letters: day },
        node: "test".to_owned(),
    }
}

/// The call that has this text.
pub(super) fn call(hl7: &str) -> Call<'_> {
    Call {
        username: Some("DE-000001-T"),
        password: Some(PASSWORD),
        facility_id: Some("DE-000001"),
        hl7: Some(hl7),
        client_key: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}
