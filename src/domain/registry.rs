//! How a registry is reached, as staff write it: settings in versions, of which one is in use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Environment, MessageId, Password, RegionCode, Timestamp, words};

words! {
    /// How a registry is spoken to.
    DialectName {
        /// SOAP, the CDC contract of 2011.
        Cdc2011 = "cdc2011",
        /// SOAP, the CDC contract of 2014.
        Cdc2014 = "cdc2014",
        /// Files in a folder.
        Directory = "directory",
        /// MLLP inside TLS.
        Mllp = "mllp",
    }
}

impl Default for DialectName {
    fn default() -> Self {
        Self::USUAL
    }
}

impl DialectName {
    /// What most registries speak.
    const USUAL: Self = Self::Cdc2011;

    /// Whether it is SOAP, which wants an account.
    pub const fn is_soap(self) -> bool {
        matches!(self, Self::Cdc2011 | Self::Cdc2014)
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cdc2011 => "SOAP, CDC contract of 2011",
            Self::Cdc2014 => "SOAP, CDC contract of 2014",
            Self::Directory => "Files in a folder",
            Self::Mllp => "MLLP inside TLS",
        }
    }
}

/// How a registry is reached, without any secret. What is empty is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrySettings {
    /// How it is spoken to.
    pub dialect: DialectName,
    /// Its address.
    pub url: String,
    /// SOAP version: `1.2` or `1.1`.
    pub soap: String,
    /// Our username there.
    pub username: String,
    /// Our facilityID there.
    pub facility_id: String,
    /// Authority of its certificate in PEM; the system's roots when empty.
    pub ca: String,
    /// Our client certificate in PEM.
    pub certificate: String,
    /// SHA-256 of its public key, in hexadecimal.
    pub pin: String,
    /// Seconds of one attempt.
    pub timeout_seconds: Option<u64>,
    /// Seconds until there is a connection.
    pub connect_timeout_seconds: Option<u64>,
    /// Fields of MSH and what it gets there.
    pub rewrite: BTreeMap<String, String>,
}

/// What is kept sealed of the settings of a registry.
#[derive(Clone, Debug, Default)]
pub struct RegistrySecrets {
    /// Our password there.
    pub password: Option<Password>,
    /// The key of our client certificate in PEM.
    pub key: Option<Password>,
}

words! {
    /// Where a version of the settings of a registry stands.
    VersionState {
        /// It is being written and tested.
        Draft = "draft",
        /// Messages are sent with it.
        Active = "active",
        /// It was in use.
        Past = "past",
        /// It was thrown away before it was in use.
        Discarded = "discarded",
    }
}

/// Who did something to a version, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionDeed {
    /// Who, as in the audit trail.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// One version of the settings of a registry.
#[derive(Clone, Debug)]
pub struct RegistryVersion {
    /// Which texts are sealed for it.
    pub id: MessageId,
    /// The region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// Counts the versions of its registry.
    pub number: i64,
    /// Where it stands.
    pub state: VersionState,
    /// What it says.
    pub settings: RegistrySettings,
    /// The version that it was made from.
    pub based_on: Option<i64>,
    /// Who has written it.
    pub authors: Vec<AccountId>,
    /// When it was begun.
    pub drafted_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// When it was last tested, as it is now.
    pub tested_at: Option<Timestamp>,
    /// What the test found; none when it passed.
    pub test_problem: Option<String>,
    /// Who put it into use.
    pub activated: Option<VersionDeed>,
    /// Who ended it.
    pub ended: Option<VersionDeed>,
    /// A hash of its password under our key, to tell whether two are the same.
    pub password: Option<String>,
    /// The same of the key of its client certificate.
    pub key: Option<String>,
}

impl RegistryVersion {
    /// Whether it was tested as it is now, and the registry answered.
    pub const fn has_passed(&self) -> bool {
        self.tested_at.is_some() && self.test_problem.is_none()
    }
}
