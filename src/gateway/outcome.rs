//! What became of a message: for its sender, with the credentials that it submits with. Nobody learns of another's.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    ClientKeyPin, Delivery, DiagnosticRecord, MessageId, MessageRecord, MessageState, RegionCode,
    SiteId, Timestamp,
};
use crate::gateway::authenticate::{AuthenticatedSender, Presented};
use crate::gateway::{Call, Gateway};
use crate::store::{MessageFilter, Part, StoreError};

/// Messages told of one MSH-10: it may have come with more than one body.
const SAME_CONTROL_ID: i64 = 20;

/// Who asks.
pub struct Inquirer<'a> {
    /// Username of a credential.
    pub username: &'a str,
    /// Its password.
    pub password: &'a str,
    /// Its facility ID, when given; it is no secret.
    pub facility_id: Option<&'a str>,
    /// Public key of the client certificate, when one was shown and verified.
    pub client_key: Option<ClientKeyPin>,
    /// Where the question came from.
    pub address: IpAddr,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    /// The credentials open nothing.
    #[error("the credentials were refused")]
    CredentialsRefused,
    /// The sender has no such message.
    #[error("no such message")]
    NotFound,
    /// The store did not answer.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageOutcome {
    /// Our identifier: MSH-10 of our own acknowledgements.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// MSH-10.
    pub control_id: String,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// The responsible Site.
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
    /// The region that it goes to.
    #[schema(value_type = Option<String>)]
    pub region: Option<RegionCode>,
    /// Where it stands.
    pub state: MessageState,
    /// Whether that is its end: nothing more happens unless an operator begins it anew.
    pub is_final: bool,
    /// MSA-1 of the last acknowledgement: the registry's once it has answered.
    pub ack_code: String,
    /// Attempts to deliver it.
    pub attempts: i64,
    /// Whether the registry may have got it more than once.
    pub possibly_delivered_more_than_once: bool,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What was found about it.
    pub diagnostics: Vec<DiagnosticRecord>,
    /// The HL7 text of the last acknowledgement.
    pub acknowledgement: Option<String>,
    /// The HL7 text as it was received, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Gateway {
    /// What became of a message of the inquirer.
    pub async fn outcome(
        &self,
        who: &Inquirer<'_>,
        id: MessageId,
    ) -> Result<MessageOutcome, InquiryError> {
        let sender = self.inquirer(who).await?;
        match self.store.message_by_id(id).await {
            Ok(found) if is_of(&sender, &found.0) => Ok(self.told(found).await),
            // Another sender's message is as unknown as none.
            Ok(_) | Err(StoreError::NotFound(_)) => Err(InquiryError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the messages of the inquirer with this MSH-10, newest first.
    pub async fn outcomes(
        &self,
        who: &Inquirer<'_>,
        control_id: &str,
    ) -> Result<Vec<MessageOutcome>, InquiryError> {
        let sender = self.inquirer(who).await?;
        let filter = MessageFilter {
            sender: Some(sender.site().id.clone()),
            control_id: Some(control_id.to_owned()),
            limit: SAME_CONTROL_ID,
            ..MessageFilter::default()
        };
        let mut told = vec![];
        for record in self.store.message_list(filter).await? {
            if is_of(&sender, &record) {
                told.push(self.told(self.store.message_by_id(record.id).await?).await);
            }
        }
        Ok(told)
    }

    async fn inquirer(&self, who: &Inquirer<'_>) -> Result<AuthenticatedSender, InquiryError> {
        let now = Timestamp::now();
        // Nothing is committed that would compare revisions, so a revocation elsewhere is looked for first.
        self.store.directory_refresh().await?;
        let directory = self.store.directory();
        let known = directory.credential(who.username).map(|one| one.facility_id.clone());
        let call = Call {
            username: Some(who.username),
            password: Some(who.password),
            facility_id: who.facility_id.or(known.as_deref()).or(Some("none")),
            hl7: None,
            client_key: who.client_key,
            address: who.address,
        };
        let presented = Presented::of(&call).map_err(|_blank| InquiryError::CredentialsRefused)?;
        let sender = self.authenticate(&directory, &presented, &call, now);
        if sender.is_none() {
            self.throttle.failed(who.address, presented.username).await;
        }
        sender.ok_or(InquiryError::CredentialsRefused)
    }

    pub(super) async fn told(
        &self,
        (record, diagnostics, delivery): (MessageRecord, Vec<DiagnosticRecord>, Option<Delivery>),
    ) -> MessageOutcome {
        let reply = self.store.message_payload(record.id, Part::Reply).await.unwrap_or_default();
        let doubtful = delivery.as_ref().is_some_and(|one| one.doubtful > 0);
        MessageOutcome {
            id: record.id,
            control_id: record.control_id,
            received_at: record.received_at,
            site: record.site,
            region: record.region,
            state: record.state,
            is_final: record.state.is_final(),
            ack_code: record.ack_code,
            attempts: delivery.as_ref().map_or(0, |one| one.attempts),
            possibly_delivered_more_than_once: doubtful,
            ended_at: delivery.and_then(|one| one.settled_at),
            diagnostics,
            body: None,
            acknowledgement: reply.map(|text| String::from_utf8_lossy(&text).into_owned()),
        }
    }
}

fn is_of(sender: &AuthenticatedSender, record: &MessageRecord) -> bool {
    record.sender == sender.site().id && record.environment == sender.environment()
}
