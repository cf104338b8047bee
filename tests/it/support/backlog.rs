//! A queue that is full already, filled through the store: the rows are those of accepted submissions.

use futures_util::future::join_all;
use izportal::app::Base;
use izportal::config::Config;
use izportal::domain::{Content, Environment, MessageRecord, MessageState, SiteId, Timestamp};
use izportal::store::{Acceptance, Accepted, NewDelivery, Part, Store};

use crate::support::program::Installation;
use crate::support::vxu;

/// Accepted together; the store's writer groups them.
const AT_ONCE: usize = 512;

/// Queues this many messages of as many patients for CAIRBA's test registry: MSH-10 is `Q-0`, `Q-1`, ...
///
/// The installation has its sender, and nothing serves it.
pub(crate) async fn fill(installation: &Installation, count: usize) {
    let text = std::fs::read_to_string(installation.config()).unwrap();
    let base = Base::open(&Config::read(&text).unwrap(), true).await.unwrap();
    let store = &base.store;
    store.begin_process(Timestamp::now()).await.unwrap();
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(AT_ONCE) {
        let all = some.iter().map(|number| store.message_accept(acceptance(store, *number)));
        for accepted in join_all(all).await {
            assert_eq!(accepted.unwrap(), Accepted::Stored { behind: false });
        }
    }
    store.close();
}

fn acceptance(store: &Store, number: usize) -> Acceptance {
    let now = Timestamp::now();
    let id = store.next_message_id(now);
    let control_id = format!("Q-{number}");
    let text = vxu(&control_id, &[]);
    let site: SiteId = "DE-000001".parse().unwrap();
    let region = "CAIRBA".parse().unwrap();
    Acceptance {
        revision: store.directory().revision,
        submission_key: Some(format!("{site} test {control_id}")),
        body_digest: [0; 32],
        body: store.vault().seal(id, Part::Body, text.as_bytes()).unwrap(),
        reply: None,
        delivery: Some(NewDelivery {
            region,
            environment: Environment::Test,
            lease_owner: None,
            next_attempt_at: now,
            order_key: Some(i64::try_from(number).unwrap()),
        }),
        closed: false,
        replacing: None,
        content: Content::default(),
        conflict_after: now,
        diagnostics: vec![],
        record: MessageRecord {
            id,
            received_at: now,
            sender: site.clone(),
            environment: Environment::Test,
            site: Some(site),
            region: Some(region),
            control_id,
            message_type: "VXU^V04".to_owned(),
            size: i64::try_from(text.len()).unwrap(),
            state: MessageState::Accepted,
            ack_code: "AA".to_owned(),
            diagnostics: 0,
            replaces: None,
        },
    }
}
