//! Passkeys: a key in a telephone, a computer or a stick, unlocked by its owner. Source: W3C Web Authentication, level 3.

use webauthn_rs::prelude::{
    CredentialID, Passkey, PasskeyAuthentication, PublicKeyCredential, RegisterPublicKeyCredential,
    Url, Uuid, Webauthn, WebauthnBuilder,
};

use crate::domain::{AccountId, PasskeyId, SecretHash, Timestamp};
use crate::sites::second_factor::{Ceremony, SetUp};
use crate::sites::{AccountError, Browser, SignedIn, Sites};
use crate::store::{Factor, PasskeyRecord, Shown, StoreError};

/// Characters of a passkey's name.
const LONGEST_NAME: usize = 60;
/// Passkeys of one account.
const MOST: usize = 10;

/// What passkeys are bound to: the public address. None where it is no name, such as `https://127.0.0.1`.
pub(super) fn relying_party(public_url: &str) -> Option<Webauthn> {
    let origin = Url::parse(public_url).ok()?;
    let name = origin.domain()?.to_owned();
    WebauthnBuilder::new(&name, &origin).ok()?.rp_name("IZ Portal").build().ok()
}

impl Sites {
    /// Whether passkeys can be used at the public address.
    pub const fn has_passkeys(&self) -> bool {
        self.passkeys.is_some()
    }

    /// Begins to add a passkey; gives what the browser has to be told, as JSON.
    pub async fn passkey_add_begin(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<String, AccountError> {
        who.may_change_factors(now)?;
        let webauthn = self.passkeys.as_ref().ok_or_else(no_passkeys)?;
        let account = &who.principal.account;
        let held = self.keys(account.id).await?;
        if held.len() >= MOST {
            return Err(AccountError::refused("remove a passkey before you add another one"));
        }
        let known: Vec<CredentialID> = held.iter().map(|key| key.cred_id().clone()).collect();
        let user = self.webauthn_user(account.id);
        let (options, state) = webauthn
            .start_passkey_registration(user, account.email.as_str(), &account.name(), Some(known))
            .map_err(|_unspecified| UNUSABLE)?;
        self.ceremony_begin(who, Ceremony::Registration(state), now).await?;
        Ok(serde_json::to_string(&options).map_err(|_unwritable| UNUSABLE)?)
    }

    /// Adds the passkey that answered; nothing when the answer is not good.
    pub async fn passkey_add(
        &self,
        who: &SignedIn,
        (name, answer): (&str, &str),
        browser: &Browser,
    ) -> Result<Option<SetUp>, AccountError> {
        who.may_change_factors(browser.now)?;
        let webauthn = self.passkeys.as_ref().ok_or_else(no_passkeys)?;
        let Some(Ceremony::Registration(state)) = self.ceremony_take(who, browser.now).await?
        else {
            return Ok(None);
        };
        let Ok(answer) = serde_json::from_str::<RegisterPublicKeyCredential>(answer) else {
            return Ok(None);
        };
        let Ok(key) = webauthn.finish_passkey_registration(&answer, &state) else {
            return Ok(None);
        };
        let name: String =
            name.trim().chars().filter(|one| !one.is_control()).take(LONGEST_NAME).collect();
        let factor = Factor::Passkey {
            name: if name.is_empty() { "Passkey".to_owned() } else { name },
            credential: key.cred_id().clone(),
            data: written(&key)?,
        };
        match self.add_factor(who, factor, "A passkey was added", browser).await {
            // The key is another account's: nothing that a browser of ours does.
            Err(AccountError::Store(StoreError::Conflict)) => Ok(None),
            other => other,
        }
    }

    /// Removes a passkey.
    ///
    /// # Errors
    /// When it is the last second factor of somebody who needs one.
    pub async fn passkey_remove(
        &self,
        who: &SignedIn,
        key: PasskeyId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        who.may_change_factors(browser.now)?;
        let deed = self.factor_notice(who, "A passkey was removed", browser);
        let needed = who.principal.needs_second_factor();
        Ok(self.store.passkey_remove(who.id(), key, needed, deed).await?)
    }

    /// The passkeys of a person.
    pub async fn passkey_list(&self, who: &SignedIn) -> Result<Vec<PasskeyRecord>, StoreError> {
        self.store.passkey_list(who.id()).await
    }

    /// Begins to ask for a passkey; gives what the browser has to be told, as JSON, or nothing when there is none.
    pub async fn passkey_ask(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let Some(webauthn) = &self.passkeys else { return Ok(None) };
        let keys = self.keys(who.id()).await?;
        if keys.is_empty() {
            return Ok(None);
        }
        let (options, state) =
            webauthn.start_passkey_authentication(&keys).map_err(|_unspecified| UNUSABLE)?;
        self.ceremony_begin(who, Ceremony::Authentication(state), now).await?;
        serde_json::to_string(&options).map(Some).map_err(|_unwritable| UNUSABLE)
    }

    /// The answer of a passkey as something that was shown; nothing when it is not good.
    pub(super) async fn passkey_shown(
        &self,
        who: &SignedIn,
        answer: &str,
        now: Timestamp,
    ) -> Result<Option<Shown>, StoreError> {
        let Some(Ceremony::Authentication(state)) = self.ceremony_take(who, now).await? else {
            return Ok(None);
        };
        let mut keys = self.keys(who.id()).await?;
        Ok(self.answered(answer, &state, &mut keys))
    }

    fn answered(
        &self,
        answer: &str,
        state: &PasskeyAuthentication,
        keys: &mut [Passkey],
    ) -> Option<Shown> {
        let answer = serde_json::from_str::<PublicKeyCredential>(answer).ok()?;
        let result = self.passkeys.as_ref()?.finish_passkey_authentication(&answer, state).ok()?;
        let (key, changed) = keys
            .iter_mut()
            .find_map(|key| key.update_credential(&result).map(|changed| (key, changed)))?;
        let data = if changed { Some(written(key).ok()?) } else { None };
        Some(Shown::Passkey { credential: key.cred_id().clone(), data })
    }

    async fn keys(&self, id: AccountId) -> Result<Vec<Passkey>, StoreError> {
        let records = self.store.passkey_list(id).await?;
        let read = |record: &PasskeyRecord| {
            serde_json::from_str(&record.data).map_err(|_unreadable| UNUSABLE)
        };
        records.iter().map(read).collect()
    }

    /// What authenticators know an account by: nothing that says who it is.
    fn webauthn_user(&self, id: AccountId) -> Uuid {
        let hash: SecretHash = self.key.hash("webauthn-user", &id.to_string());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Uuid::from_bytes(bytes)
    }
}

const UNUSABLE: StoreError = StoreError::Locked("a passkey is not usable");

fn no_passkeys() -> AccountError {
    AccountError::refused("passkeys cannot be used at this address")
}

fn written(key: &Passkey) -> Result<String, StoreError> {
    serde_json::to_string(key).map_err(|_unwritable| UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_to_be_bound_to() {
        assert!(relying_party("https://localhost:8443").is_some());
        assert!(relying_party("https://iz.example.gov").is_some());
        for url in ["https://127.0.0.1:8443", "https://[::1]", "", "nonsense"] {
            assert!(relying_party(url).is_none(), "{url}");
        }
    }
}
