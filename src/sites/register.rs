//! Registration: sent off, confirmed by the link in a mail, saved for later, shared with whoever knows the answers.

use std::time::Duration;

use crate::domain::form::{Answers, Page};
use crate::domain::{
    AGREEMENT, AccessLevel, By, CREDENTIAL_PURPOSE, County, Draft, DraftKind, DraftState,
    EmailAddress, Letter, LinkPurpose, OneTimeToken, Password, Role, SiteKind, Timestamp,
};
use crate::mail::{Composition, Footer, compose};
use crate::sites::{Sites, VERIFY_WITHIN};
use crate::store::{
    Deed, LinkSecret, Namesake, NewLink, NewOrganization, NewRegistration, Person, Placed,
    RESUME_WITHIN, Registered, StoreError,
};

/// Answers that are the organization's; the others are the Site's.
const OF_ORGANIZATION: &[&str] = &[
    "organization_name",
    "organization_type",
    "child_care_license",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zip",
    "county",
];

/// Answers that are typed twice, or recorded elsewhere.
const NOT_KEPT: &[&str] = &["agreement", "agreement_name", "agreement_title"];

/// How many Sending Facilities of a like name are shown.
const SHOWN_FACILITIES: i64 = 20;

/// What became of a draft that was sent off.
#[derive(Debug)]
pub enum Submitted {
    /// The address has had too many letters: wait.
    Capped,
    /// Something is still to be answered: the page's slug.
    Incomplete(&'static str),
    /// The link to confirm the address is on its way.
    Sent(EmailAddress),
}

/// A confirmed registration, and the link by which the Site Contact goes on at once, when they have no password yet.
#[derive(Debug)]
pub struct Verified {
    /// What was made.
    pub made: Registered,
    /// Sets the first password of the Site Contact.
    pub set_password: Option<OneTimeToken>,
    /// Whether the password of the test credential is in the letter to the Data Exchange Contact.
    pub mails_secret: bool,
}

/// The Sending Facilities that a text names.
#[derive(Debug)]
pub enum Facilities {
    /// Exactly this one.
    One(Namesake),
    /// One of these.
    Several(Vec<Namesake>),
    /// None.
    None,
}

impl Sites {
    /// The Sending Facility that somebody means by its ID or a part of its name.
    pub async fn facilities(&self, text: &str) -> Result<Facilities, StoreError> {
        let mut found = self.store.facility_search(text.to_owned(), SHOWN_FACILITIES).await?;
        let exact = found.iter().position(|one| one.id.as_str().eq_ignore_ascii_case(text));
        Ok(match (exact, found.len()) {
            (Some(at), _) => Facilities::One(found.swap_remove(at)),
            (None, 0) => Facilities::None,
            (None, 1) => Facilities::One(found.swap_remove(0)),
            (None, _) => Facilities::Several(found),
        })
    }

    /// Sites that may be the one that is being registered.
    pub async fn namesakes(&self, answers: &Answers) -> Result<Vec<Namesake>, StoreError> {
        let (name, zip) = (answers.get("site_name"), answers.get("zip"));
        self.store.site_namesakes(name.to_owned(), zip.to_owned()).await
    }

    /// Sends a registration or an enrolment off: its contact gets the link to confirm the address.
    pub async fn register(&self, draft: &Draft, by: By) -> Result<Submitted, StoreError> {
        let form = draft.form();
        // Every answer once more: what was good when it was given may not be today, or with the answers given since.
        let today = by.at.utc().date_naive();
        let is_open = |page: &&Page| {
            !page.is_answered(&draft.answers) || page.read(&draft.answers, today).is_err()
        };
        if let Some(page) = form.asked(&draft.answers).find(is_open) {
            return Ok(Submitted::Incomplete(page.slug));
        }
        let Ok(to) = draft.contact("email").parse::<EmailAddress>() else {
            return Ok(Submitted::Incomplete(draft.contact_page()));
        };
        let (link, deed) = self.verify_link(draft, &to, by)?;
        let posted = self.store.draft_submit(draft.id, link, deed).await?;
        Ok(if posted { Submitted::Sent(to) } else { Submitted::Capped })
    }

    /// Sends the link once more; the one before opens nothing any more.
    pub async fn register_again(&self, draft: &Draft, by: By) -> Result<Submitted, StoreError> {
        let Ok(to) = draft.contact("email").parse::<EmailAddress>() else {
            return Ok(Submitted::Incomplete(draft.contact_page()));
        };
        let (link, deed) = self.verify_link(draft, &to, by)?;
        let posted = self.store.draft_link_issue(draft.id, link, deed).await?;
        Ok(if posted { Submitted::Sent(to) } else { Submitted::Capped })
    }

    fn verify_link(
        &self,
        draft: &Draft,
        to: &EmailAddress,
        by: By,
    ) -> Result<(NewLink, Deed), StoreError> {
        let token = Self::new_link()?;
        let link = NewLink {
            hash: token.hash(&self.key),
            purpose: LinkPurpose::VerifyRegistration,
            subject: format!("draft {}", draft.id),
            detail: None,
            life: VERIFY_WITHIN,
        };
        let (what, then, without) = match draft.kind {
            DraftKind::Enrolment => (
                format!(
                    "The organization \"{}\" asks for access to CAIR, and you are named as its primary CAIR contact.",
                    draft.name()
                ),
                "The link is good for 24 hours and opens once. After that our staff look at the enrollment.",
                "You know nothing of this? Then do nothing: without the link nothing is sent to our staff.",
            ),
            DraftKind::Registration => (
                format!(
                    "The Site \"{}\" is being registered for data exchange, and you are named as its Site Contact.",
                    draft.name()
                ),
                "The link is good for 24 hours and opens once. After that you get the Site ID and set your password.",
                "You know nothing of this? Then do nothing: without the link nothing is registered.",
            ),
        };
        let letter = compose("verify-address", "Confirm your email address for the IZ Portal")
            .greeting(draft.contact("first_name"))
            .paragraph(what)
            .link("Confirm this email address", self.url(&format!("/verify/{}", token.reveal())))
            .paragraph(then)
            .paragraph(without)
            .to(to.clone(), &self.footer());
        Ok((link, Deed::from(by).with(letter)))
    }

    /// The registration or the enrolment that a link would confirm; nothing is used up.
    pub async fn verify_peek(
        &self,
        token: &OneTimeToken,
        now: Timestamp,
    ) -> Result<Option<Draft>, StoreError> {
        let hash = token.hash(&self.key);
        let link = self.store.link_peek(hash, LinkPurpose::VerifyRegistration, now).await?;
        match link.and_then(|link| link.subject.strip_prefix("draft ")?.parse().ok()) {
            Some(id) => {
                let draft = self.store.draft_by_id(id).await?;
                Ok(Some(draft).filter(|draft| draft.state == DraftState::Submitted))
            }
            None => Ok(None),
        }
    }

    /// Confirms a registration: organization, Site, test credential, accounts and letters, all or nothing.
    ///
    /// None when the link is used, ended or no such link.
    pub async fn verify(
        &self,
        token: &OneTimeToken,
        by: By,
    ) -> Result<Option<Verified>, StoreError> {
        let draft = self.verify_peek(token, by.at).await?;
        let Some(draft) = draft.filter(|draft| draft.kind == DraftKind::Registration) else {
            return Ok(None);
        };
        let form = draft.form();
        let answers = form.settled(&draft.answers);
        let links = [Self::new_link()?, Self::new_link()?];
        let people = self.people(&answers, &links);
        let (secret, mails_secret) = (Self::new_secret()?, self.settings.mail_secrets);
        let new = NewRegistration {
            draft: draft.id,
            link: token.hash(&self.key),
            organization: organization(&answers),
            kind: answers.get("site_type").parse().unwrap_or(SiteKind::Direct),
            clinical: answers.is_yes("clinical"),
            people,
            secret: self.key.hash(CREDENTIAL_PURPOSE, secret.reveal()),
            mails_secret,
            facility: answers.get("sending_facility").parse().ok(),
            agreement: [
                AGREEMENT.version.to_owned(),
                answers.get("agreement_name").to_owned(),
                answers.get("agreement_title").to_owned(),
                by.source.clone(),
            ],
            answers: without(answers, NOT_KEPT),
        };
        let (footer, base) = (self.footer(), self.settings.public_url.clone());
        let [own, other] = links.clone();
        let secret = Some(secret).filter(|_| mails_secret);
        let write =
            move |made: &Registered| letters(made, &[own, other], secret.as_ref(), &base, &footer);
        let made = self.store.registration_verify(new, Box::new(write), Deed::from(by)).await?;
        let [own, _] = links;
        Ok(made.map(|made| {
            let sets_password = made.people.first().is_some_and(|person| person.sets_password);
            Verified { made, set_password: Some(own).filter(|_| sets_password), mails_secret }
        }))
    }

    /// The Site Contact, and the Data Exchange Contact when it is somebody else.
    fn people(&self, answers: &Answers, links: &[OneTimeToken; 2]) -> Vec<Person> {
        let is_sender = answers.get("site_type") == SiteKind::SendingFacility.word();
        let technical = if is_sender { Role::FacilityOperator } else { Role::DataExchange };
        let [own, other] = links;
        let mut people: Vec<Person> = self
            .person(answers, "site_contact", &[Role::Representative], own)
            .into_iter()
            .collect();
        if let Some(person) = self.person(answers, "exchange_contact", &[technical], other) {
            match people.iter_mut().find(|known| known.email == person.email) {
                Some(known) => known.roles.push(technical),
                None => people.push(person),
            }
        } else if let Some(first) = people.first_mut() {
            first.roles.push(technical);
        }
        people
    }

    pub(super) fn person(
        &self,
        answers: &Answers,
        who: &str,
        roles: &[Role],
        link: &OneTimeToken,
    ) -> Option<Person> {
        let answer = |what: &str| answers.get(&format!("{who}_{what}")).to_owned();
        Some(Person {
            email: answer("email").parse().ok()?,
            first_name: answer("first_name"),
            last_name: answer("last_name"),
            phone: Some(answer("phone")).filter(|phone| !phone.is_empty()),
            roles: roles.to_vec(),
            invitation: LinkSecret {
                hash: link.hash(&self.key),
                life: crate::sites::INVITATION_WITHIN,
            },
        })
    }

    /// Mails a link by which a draft can be gone on with, on any device. Tells whether it was posted.
    pub async fn draft_save(
        &self,
        draft: &Draft,
        to: &EmailAddress,
        by: By,
    ) -> Result<bool, StoreError> {
        let token = Self::new_link()?;
        let link = NewLink {
            hash: token.hash(&self.key),
            purpose: LinkPurpose::ResumeDraft,
            subject: format!("draft {}", draft.id),
            detail: None,
            life: RESUME_WITHIN,
        };
        let letter = compose("resume-draft", "Your saved answers at the IZ Portal")
            .paragraph(format!(
                "Your {} is kept for 30 days. Go on with it by this link:",
                draft.kind.name()
            ))
            .link("Go on where you stopped", self.url(&format!("/resume/{}", token.reveal())))
            .paragraph("The link opens once. Save again for another one.")
            .to(to.clone(), &self.footer());
        self.store.draft_link_issue(draft.id, link, Deed::from(by).with(letter)).await
    }

    /// Opens a saved draft by its link: a new key for the browser's cookie. None when the link is used or ended.
    pub async fn draft_resume(
        &self,
        token: &OneTimeToken,
        by: By,
    ) -> Result<Option<(Draft, Password)>, StoreError> {
        let now = by.at;
        let used = self.store.link_use(token.hash(&self.key), LinkPurpose::ResumeDraft, by).await?;
        match used.and_then(|link| link.subject.strip_prefix("draft ")?.parse().ok()) {
            Some(id) => self.draft_reopen(id, now).await,
            None => Ok(None),
        }
    }

    /// Mails somebody a link to some pages of a draft, and no others. Tells whether it was posted.
    pub async fn draft_share(
        &self,
        draft: &Draft,
        slugs: &'static str,
        to: &EmailAddress,
        from: &str,
        by: By,
    ) -> Result<bool, StoreError> {
        let token = Self::new_link()?;
        let link = NewLink {
            hash: token.hash(&self.key),
            purpose: LinkPurpose::HelpWithDraft,
            subject: format!("draft {} {slugs}", draft.id),
            detail: Some(slugs.to_owned()),
            life: RESUME_WITHIN,
        };
        let letter = compose("help-with-draft", "Please answer a few questions about an EHR system")
            .paragraph(format!(
                "{from} is registering the Site \"{}\" for data exchange with CAIR, and asks you to answer the questions about its EHR system.",
                draft.answers.get("site_name")
            ))
            .link("Answer the questions", self.url(&format!("/help-with/{}", token.reveal())))
            .paragraph("It takes two minutes. The link is good for 30 days and opens once; you see these questions only.")
            .to(to.clone(), &self.footer());
        self.store.draft_link_issue(draft.id, link, Deed::from(by).with(letter)).await
    }

    /// Opens the shared pages of a draft: the value of a cookie that stands for them. None when the link is used or ended.
    pub async fn draft_help(
        &self,
        token: &OneTimeToken,
        by: By,
    ) -> Result<Option<String>, StoreError> {
        let now = by.at;
        let used =
            self.store.link_use(token.hash(&self.key), LinkPurpose::HelpWithDraft, by).await?;
        Ok(used.and_then(|link| {
            let mut words = link.subject.strip_prefix("draft ")?.split(' ');
            let (id, slugs) = (words.next()?, words.next()?);
            let until = now.plus(HELP_WITHIN).utc().timestamp();
            let said = format!("{id}.{slugs}.{until}");
            let seal = self.key.hash("help-with-draft", &said).to_hex();
            Some(format!("{said}.{seal}"))
        }))
    }

    /// The draft and the slugs of its pages that such a cookie stands for.
    pub async fn draft_of_help(
        &self,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Option<(Draft, String)>, StoreError> {
        let Some((said, seal)) = cookie.rsplit_once('.') else { return Ok(None) };
        let right = self.key.hash("help-with-draft", said).to_hex();
        let mut words = said.split('.');
        let (Some(id), Some(slugs), Some(until)) = (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        let is_ours = subtle::ConstantTimeEq::ct_eq(right.as_bytes(), seal.as_bytes()).into();
        let is_open = until.parse::<i64>().is_ok_and(|until| until > now.utc().timestamp());
        let (true, true, Ok(id)) = (is_ours, is_open, id.parse()) else { return Ok(None) };
        let draft = self.store.draft_by_id(id).await?;
        Ok(Some((draft, slugs.to_owned())).filter(|(draft, _)| draft.state == DraftState::Open))
    }
}

/// How long the pages of a draft stay open to somebody who helps, once opened.
const HELP_WITHIN: Duration = Duration::from_hours(24);

fn organization(answers: &Answers) -> NewOrganization {
    let county = County::find(answers.get("county"));
    NewOrganization {
        name: answers.get("organization_name").to_owned(),
        access_level: AccessLevel::DataExchange,
        county: county.map(|county| county.fips.to_owned()),
        region: county.map(|county| county.region),
        answers: OF_ORGANIZATION
            .iter()
            .filter(|name| answers.has(name))
            .map(|name| (*name, answers.get(name)))
            .collect(),
    }
}

pub(super) fn without(mut answers: Answers, names: &[&str]) -> Answers {
    for name in names {
        answers.set(name, "");
    }
    let again: Vec<String> = answers
        .iter()
        .filter(|(name, _)| name.ends_with("_again"))
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in again {
        answers.set(&name, "");
    }
    answers
}

/// The letters of a confirmed registration. No secret is in them, as it is shown behind the link and the sign-in; unless the
/// operator wants the Data Exchange Contact to get it by mail.
fn letters(
    made: &Registered,
    links: &[OneTimeToken; 2],
    secret: Option<&Password>,
    base: &str,
    footer: &Footer,
) -> Vec<Letter> {
    // The last one is the Data Exchange Contact, who may be the Site Contact as well.
    let last = made.people.last().map(|person| person.account);
    let mut letters: Vec<Letter> = made
        .people
        .iter()
        .zip(links)
        .map(|(person, link)| {
            let told = match secret {
                None => Told::Shown,
                Some(secret) if Some(person.account) == last => Told::Here(secret),
                Some(_) => Told::Elsewhere,
            };
            confirmation(made, person, link, &told, base).to(person.email.clone(), footer)
        })
        .collect();
    for to in &made.facility_people {
        let letter = compose("link-requested", format!("{} asks you to send for it", made.name))
            .paragraph(format!(
                "The Site {} ({}) has registered and named you as its Sending Facility. Its messages are refused until you agree.",
                made.name, made.site
            ))
            .link("Look at the request", format!("{base}/account"))
            .to(to.clone(), footer);
        letters.push(letter);
    }
    letters
}

/// How somebody comes by the password of the test credential.
enum Told<'a> {
    /// It is in the letter of the Data Exchange Contact.
    Elsewhere,
    /// By this letter.
    Here(&'a Password),
    /// The portal shows it.
    Shown,
}

impl Told<'_> {
    /// What to do about it, as the letter says.
    const fn step(&self) -> &'static str {
        match self {
            Self::Elsewhere => {
                "The password of the test credential is in the email to the Data Exchange Contact. The portal gives another one."
            }
            Self::Here(_) => {
                "The password of the test credential is in this email: put it into your EHR, then delete the email. The portal gives another one."
            }
            Self::Shown => {
                "Let the portal show the password of the test credential. It is shown once and never mailed."
            }
        }
    }
}

fn confirmation(
    made: &Registered,
    person: &Placed,
    link: &OneTimeToken,
    told: &Told<'_>,
    base: &str,
) -> Composition {
    let mut facts = vec![
        ("Site ID (CAIR ID)", made.site.to_string()),
        ("Name", made.name.clone()),
        (
            "Region code (MSH-6)",
            made.region.map_or_else(|| "that of each Site".to_owned(), |region| region.to_string()),
        ),
        ("Username of the test credential", made.username.clone()),
        ("SOAP service", format!("{base}/IISService")),
    ];
    if let Told::Here(secret) = told {
        facts.push(("Password of the test credential", secret.reveal().to_owned()));
    }
    let letter = compose(
        "registration-confirmed",
        format!("{} is registered: Site ID {}", made.name, made.site),
    )
    .greeting(&person.first_name)
    .paragraph("The registration for data exchange is confirmed. Keep this email.")
    .facts(facts);
    let letter = if person.sets_password {
        letter.link("Set your password", format!("{base}/set-password/{}", link.reveal()))
    } else {
        letter.link("Sign in", format!("{base}/sign-in"))
    };
    letter
        .paragraph("What to do next:")
        .list([
            "Set your password and sign in.",
            told.step(),
            "Give the Site ID, the region code and the credential to your EHR vendor, and send a test message.",
        ])
        .paragraph("Every answer to a test message says what to mend.")
}
