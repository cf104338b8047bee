//! Enrolment: confirmed by the link in a mail, then decided by staff.

use std::collections::BTreeMap;

use crate::domain::form::Answers;
use crate::domain::questions::requested_users;
use crate::domain::{
    AccessLevel, AgreementText, By, County, DraftKind, EmailAddress, Letter, OneTimeToken, Request,
    RequestId, RequestKind, Role, TrainingNeed,
};
use crate::mail::compose;
use crate::sites::register::without;
use crate::sites::{Sites, Staff};
use crate::store::{
    Deed, Enrolled, NewClinician, NewEnrolment, NewNote, NewOrganization, NewRequest, Person,
    Placed, StoreError, WriteEnrolled,
};

/// Answers of an enrolment that the organization's profile keeps; clinician and users have tables of their own.
const NOT_OF_PROFILE: [&str; 3] = ["user_", "clinician_", "agreement"];

/// Types of organizations that give no vaccines, by what is known of them. Source: seed 003, the chooser.
const GIVE_NO_VACCINES: [&str; 4] = ["school", "child-care", "wic", "foster-care"];

impl Sites {
    /// Confirms an enrolment, which waits for staff from then on. None when the link is used, ended or no such link.
    pub async fn enrolment_verify(
        &self,
        token: &OneTimeToken,
        by: By,
    ) -> Result<Option<RequestId>, StoreError> {
        let draft = self.verify_peek(token, by.at).await?;
        let Some(draft) = draft.filter(|draft| draft.kind == DraftKind::Enrolment) else {
            return Ok(None);
        };
        let Ok(email) = draft.contact("email").parse::<EmailAddress>() else { return Ok(None) };
        let settled = draft.form().settled(&draft.answers);
        let level = level(&settled);
        let mut answers = without(settled, &["agreement"]);
        answers.set("agreement_version", AgreementText::of(level).version);
        answers.set("agreement_from", by.source.clone());
        let title = format!("{}, {}: {}", draft.name(), answers.get("city"), level.name());
        let new = NewRequest {
            kind: RequestKind::Enrolment,
            title,
            region: County::find(answers.get("county")).map(|county| county.region),
            organization: None,
            site: None,
            requested_by: None,
            flags: flags(&answers, level),
            email: email.clone(),
            answers,
            before: None,
        };
        let letter = compose("enrolment-received", "Your enrollment in CAIR has arrived")
            .greeting(draft.contact("first_name"))
            .paragraph(format!(
                "The address is confirmed. Our staff look at the enrollment of {}; it takes up to 10 business days.",
                draft.name()
            ))
            .paragraph("You get an email when it is decided, or when we have a question.")
            .to(email, &self.footer());
        let deed = Deed::from(by).with(letter);
        self.store.enrolment_verify(draft.id, token.hash(&self.key), new, deed).await
    }

    /// Approves an enrolment: all that was asked for is made, and everybody gets a letter.
    pub(super) async fn enrolment_approve(
        &self,
        staff: &Staff,
        held: &Request,
        note: NewNote,
        by: By,
    ) -> Result<Enrolled, StoreError> {
        let answers = &held.answers;
        let mut letters = Letters::new();
        let mut people: Vec<Person> = vec![];
        for (email, names, phone, role) in wanted(answers) {
            if let Some(known) = people.iter_mut().find(|one| one.email == email) {
                if !known.roles.contains(&role) {
                    known.roles.push(role);
                }
                continue;
            }
            let (token, invitation) = self.new_invitation()?;
            letters.tokens.insert(email.clone(), token);
            people.push(Person {
                email,
                first_name: names.0.to_owned(),
                last_name: names.1.to_owned(),
                phone,
                roles: vec![role],
                invitation,
            });
        }
        for person in &people {
            self.write_letters(person, &mut letters);
        }
        let level = level(answers);
        let new = NewEnrolment {
            organization: organization(answers, level),
            clinician: clinician(answers),
            agreement: [
                answers.get("agreement_version").to_owned(),
                answers.get("agreement_name").to_owned(),
                answers.get("agreement_title").to_owned(),
                answers.get("agreement_from").to_owned(),
            ],
            people,
        };
        let write = self.enrolled_letters(letters, level);
        let noted = (note, staff.id());
        self.store
            .enrolment_approve(held.id, staff.views(), new, noted, write, Deed::from(by))
            .await
    }

    /// What a person may get, before it is known whether they have an account.
    fn write_letters(&self, person: &Person, letters: &mut Letters) {
        let Some(token) = letters.tokens.get(&person.email) else { return };
        let to = (&person.email, person.first_name.as_str());
        let invitation = self.invitation(to, &person.roles, token);
        letters.invitations.insert(person.email.clone(), invitation);
        if person.roles.iter().any(|role| role.training() == TrainingNeed::Course) {
            let letter = self.awaiting_training(&person.email, &person.first_name);
            letters.trainings.insert(person.email.clone(), letter);
        }
    }

    /// The letters of an approved enrolment: the IDs to the primary contact, and to each user the way to the first sign-in.
    fn enrolled_letters(&self, mut ready: Letters, level: AccessLevel) -> WriteEnrolled {
        let (footer, sign_in) = (self.footer(), self.url("/sign-in"));
        Box::new(move |made: &Enrolled| {
            let mut letters = vec![];
            if let Some(first) = made.people.first() {
                let ids = made.people.iter().map(|one| (one.email.as_str(), one.user_id.as_str()));
                letters.push(
                    compose(
                        "enrolment-approved",
                        format!("{} is enrolled in CAIR: {}", made.name, made.provider_id),
                    )
                    .greeting(&first.first_name)
                    .paragraph(format!(
                        "{} has {} access to CAIR. Keep this email.",
                        made.name,
                        level.name()
                    ))
                    .facts([("CAIR Provider ID", made.provider_id.as_str())])
                    .paragraph("The User IDs of those you asked accounts for:")
                    .facts(ids)
                    .list([
                        "Each user gets an email of their own. No password is in any email.",
                        "Regular and Power users attend a webinar or a class first; Read-Only users watch the training videos.",
                        "You manage the organization and its users when you have signed in.",
                    ])
                    .to(first.email.clone(), &footer),
                );
            }
            for one in &made.people {
                letters.extend(ready.of(one, &made.name, &sign_in, &footer));
            }
            letters
        })
    }
}

/// The letters that are ready for each address.
struct Letters {
    tokens: BTreeMap<EmailAddress, OneTimeToken>,
    invitations: BTreeMap<EmailAddress, Letter>,
    trainings: BTreeMap<EmailAddress, Letter>,
}

impl Letters {
    const fn new() -> Self {
        Self { tokens: BTreeMap::new(), invitations: BTreeMap::new(), trainings: BTreeMap::new() }
    }

    fn of(
        &mut self,
        one: &Placed,
        organization: &str,
        sign_in: &str,
        footer: &crate::mail::Footer,
    ) -> Vec<Letter> {
        let invitation = self.invitations.remove(&one.email).filter(|_| one.sets_password);
        let training = self.trainings.remove(&one.email);
        let added = one.has_password.then(|| {
            compose("added", "You were added to an organization")
                .greeting(&one.first_name)
                .paragraph(format!("You were added to {organization} in CAIR."))
                .link("Sign in with the account that you have", sign_in)
                .to(one.email.clone(), footer)
        });
        [invitation, added, training].into_iter().flatten().collect()
    }
}

fn level(answers: &Answers) -> AccessLevel {
    answers.get("access_level").parse().unwrap_or(AccessLevel::ReadOnly)
}

/// Who is to have a place, in which role: the primary contact, who represents the organization, and each user.
type Wanted<'a> = (EmailAddress, (&'a str, &'a str), Option<String>, Role);

fn wanted(answers: &Answers) -> Vec<Wanted<'_>> {
    let contact = |what: &str| answers.get(&format!("primary_contact_{what}"));
    let first = contact("email").parse().ok().map(|email| {
        let phone = Some(contact("phone").to_owned()).filter(|phone| !phone.is_empty());
        (email, (contact("first_name"), contact("last_name")), phone, Role::Representative)
    });
    let users = requested_users(answers).into_iter().filter_map(|user| {
        let role = user.role.parse().unwrap_or(Role::ReadOnly);
        Some((user.email.parse().ok()?, (user.first_name, user.last_name), None, role))
    });
    first.into_iter().chain(users).collect()
}

/// What staff should look at, a sentence each.
fn flags(answers: &Answers, level: AccessLevel) -> Vec<String> {
    let mut found = vec![];
    let kind = answers.get("organization_type");
    if level == AccessLevel::Clinical && GIVE_NO_VACCINES.contains(&kind) {
        found.push(
            "Asks for Clinical access, but organizations of its type rarely give vaccines."
                .to_owned(),
        );
    }
    let mut seen = vec![];
    for user in requested_users(answers) {
        if seen.contains(&user.email) {
            found.push(format!("Two users share the address {}.", user.email));
        }
        seen.push(user.email);
    }
    found
}

fn organization(answers: &Answers, level: AccessLevel) -> NewOrganization {
    let county = County::find(answers.get("county"));
    NewOrganization {
        name: answers.get("organization_name").to_owned(),
        access_level: level,
        county: county.map(|county| county.fips.to_owned()),
        region: county.map(|county| county.region),
        answers: answers
            .iter()
            .filter(|(name, _)| !NOT_OF_PROFILE.iter().any(|begin| name.starts_with(begin)))
            .collect(),
    }
}

fn clinician(answers: &Answers) -> Option<NewClinician> {
    let answer = |what: &str| answers.get(&format!("clinician_{what}")).to_owned();
    let license = answer("license");
    (!license.is_empty()).then(|| NewClinician {
        first_name: answer("first_name"),
        last_name: answer("last_name"),
        title: "Clinician of record".to_owned(),
        license_type: answer("license_type"),
        license,
        npi: Some(answer("npi")).filter(|npi| !npi.is_empty()),
    })
}
