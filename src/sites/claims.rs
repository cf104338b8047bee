//! Claims: somebody says that a registered Site is theirs.
//!
//! Whether the Site is there is told to nobody before staff answer: the same page, the same letters, either way.

use crate::domain::form::Answers;
use crate::domain::{
    By, CLAIMED_SITE, EmailAddress, LinkPurpose, OneTimeToken, Refusal, Request, RequestKind, Role,
    SiteId, Timestamp,
};
use crate::mail::compose;
use crate::sites::register::without;
use crate::sites::{AccountError, Browser, Sites, Staff, VERIFY_WITHIN};
use crate::store::{ClaimSent, Claimed, Deed, NewLink, NewNote, NewRequest, StoreError};

/// A claim as it was made: the Site and the address that it names.
fn parts(answers: &Answers) -> Option<(SiteId, EmailAddress)> {
    Some((answers.get(CLAIMED_SITE).parse().ok()?, answers.get("claimant_email").parse().ok()?))
}

impl Sites {
    /// Mails the link that proves the address of a claim; false when the address has had too many letters.
    pub async fn claim_ask(
        &self,
        answers: &Answers,
        browser: &Browser,
    ) -> Result<bool, AccountError> {
        if !self.addresses.allow(browser) {
            return Err(AccountError::TooMany);
        }
        let Some((site, email)) = parts(answers) else {
            return Err(AccountError::refused("a claim names a Site and an address"));
        };
        let token = Self::new_link()?;
        let link = NewLink {
            hash: token.hash(&self.key),
            purpose: LinkPurpose::ClaimSite,
            // One open link for each Site and address; the trail is not told the address.
            subject: format!("site {site} {}", self.key.hash("claim", email.as_str()).to_hex()),
            detail: Some(without(answers.clone(), &[]).to_json()),
            life: VERIFY_WITHIN,
        };
        let letter = compose("claim-verify", "Confirm your email address for the IZ Portal")
            .greeting(answers.get("claimant_first_name"))
            .paragraph(format!(
                "Somebody, we hope you, said at the IZ Portal that the Site {site} is theirs."
            ))
            .link("Confirm this email address", self.url(&format!("/claim/{}", token.reveal())))
            .list([
                "The link is good for 24 hours and opens once. After that our staff look at it.",
                "If it was not you, do nothing: without the link nothing is sent to our staff.",
            ])
            .to(email, &self.footer());
        let by = By::visitor(&browser.address, browser.now);
        Ok(self.store.link_issue(link, Deed::from(by).with(letter)).await?)
    }

    /// The Site that a link would claim; nothing is used up.
    pub async fn claim_peek(
        &self,
        token: &OneTimeToken,
        now: Timestamp,
    ) -> Result<Option<Answers>, StoreError> {
        let hash = token.hash(&self.key);
        let link = self.store.link_peek(hash, LinkPurpose::ClaimSite, now).await?;
        let Some(detail) = link.and_then(|link| link.detail) else { return Ok(None) };
        Answers::from_json(&detail)
            .map(Some)
            .map_err(|_other| StoreError::Locked("it is not a claim"))
    }

    /// Confirms the address of a claim, which waits for staff from then on; none when the link is used or ended.
    pub async fn claim_verify(
        &self,
        token: &OneTimeToken,
        by: By,
    ) -> Result<Option<ClaimSent>, StoreError> {
        let Some(answers) = self.claim_peek(token, by.at).await? else { return Ok(None) };
        let Some((site, email)) = parts(&answers) else { return Ok(None) };
        let letter = compose("claim-received", format!("Your claim of Site {site} has arrived"))
            .greeting(answers.get("claimant_first_name"))
            .paragraph("The address is confirmed. Our staff look at what you wrote, and may telephone the Site.")
            .paragraph("You get an email when it is decided, or when we have a question.")
            .to(email.clone(), &self.footer());
        let new = NewRequest {
            kind: RequestKind::Update,
            title: format!("Claim of Site {site}"),
            region: None,
            organization: None,
            site: None,
            requested_by: None,
            email,
            answers,
            before: None,
            flags: vec![],
        };
        let deed = Deed::from(by).with(letter);
        self.store.claim_verify(token.hash(&self.key), new, site, deed).await
    }

    /// Approves a claim: who made it gets a place as representative, and those who have one are told.
    pub(super) async fn claim_approve(
        &self,
        staff: &Staff,
        held: &Request,
        note: NewNote,
        by: By,
    ) -> Result<(), StoreError> {
        let (token, _) = self.new_invitation()?;
        let roles = [Role::Representative];
        let Some(person) = self.person(&held.answers, "claimant", &roles, &token) else {
            return Err(Refusal("the claim names no address".to_owned()).into());
        };
        let (footer, sign_in) = (self.footer(), self.url("/sign-in"));
        let password = self.password_url(&token);
        let said = note.text.clone();
        let name = format!("{} {}", person.first_name, person.last_name);
        let write = move |made: &Claimed| {
            let about = format!("{} ({})", made.site.name, made.site.id);
            let letter = compose("claim-approved", format!("You represent {about}"))
                .greeting(&made.person.first_name)
                .paragraph(format!(
                    "Our staff agreed to your claim: you represent {about} from now on."
                ))
                .list(said.lines());
            let letter = if made.person.sets_password {
                letter
                    .link("Set your password", password)
                    .paragraph("The link works once and ends after seven days.")
            } else {
                letter.link("Sign in with the account that you have", &sign_in)
            };
            let mut letters = vec![letter.to(made.person.email.clone(), &footer)];
            for other in &made.others {
                letters.push(
                    compose("claim-notice", format!("Another person represents {about}"))
                        .paragraph(format!(
                            "{name} said that {about} is theirs. Our staff looked at it and agreed: they represent the organization, as you do."
                        ))
                        .link("Look at the users of your organization", &sign_in)
                        .paragraph("Is that wrong? Deactivate them there, and tell us at once.")
                        .to(other.clone(), &footer),
                );
            }
            letters
        };
        let noted = (note, staff.id());
        let (id, views) = (held.id, staff.views());
        self.store.claim_approve(id, views, person, noted, Box::new(write), Deed::from(by)).await
    }
}
