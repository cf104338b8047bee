//! The letters about accounts: links to get in, and notices of what was changed.

use crate::domain::{Account, EmailAddress, Letter, OneTimeToken, Role, TrainingNeed};
use crate::mail::{Composition, compose};
use crate::sites::Sites;

impl Sites {
    /// Where the first password or another one is set.
    pub(super) fn password_url(&self, token: &OneTimeToken) -> String {
        self.url(&format!("/set-password/{}", token.reveal()))
    }

    /// The way to a first password.
    pub(super) fn invitation(
        &self,
        (email, first_name): (&EmailAddress, &str),
        roles: &[Role],
        token: &OneTimeToken,
    ) -> Letter {
        let mut letter = compose("invitation", "Set the password of your IZ Portal account")
            .greeting(first_name)
            .paragraph(
                "An account was made for you at the IZ Portal of the California Department of Public \
                 Health. Set your password to begin.",
            )
            .link("Set your password", self.password_url(token));
        let videos = &self.settings.training_videos;
        if !videos.is_empty() && roles.iter().any(|role| role.training() == TrainingNeed::Videos) {
            letter = letter.link("Watch how to look patients up", videos);
        }
        letter
            .list([
                "The link works once and ends after seven days. After that, ask for another one with \"Forgot your \
                 password?\" on the sign-in page.",
                "The account is yours alone: do not share it.",
            ])
            .to(email.clone(), &self.footer())
    }

    /// The way will open after training.
    pub(super) fn awaiting_training(&self, email: &EmailAddress, first_name: &str) -> Letter {
        compose("awaiting-training", "Training for your IZ Portal account")
            .greeting(first_name)
            .paragraph(
                "An account was made for you at the IZ Portal of the California Department of Public Health. \
                 Your role enters data into the registry, so you attend a webinar or a class first.",
            )
            .paragraph(
                "When you have attended, we record it and mail you a link to set your password. \
                 To find a date, ask us.",
            )
            .to(email.clone(), &self.footer())
    }

    /// Somebody with an account got a role in another organization.
    pub(super) fn added(&self, account: &Account, organization: &str) -> Letter {
        Self::notice(account, "added", "You were added to an organization")
            .paragraph(format!(
                "You were added to {organization}. Sign in with the account that you have."
            ))
            .to(account.email.clone(), &self.footer())
    }

    /// The way to another password.
    pub(super) fn forgotten(&self, account: &Account, token: &OneTimeToken) -> Letter {
        Self::notice(account, "forgotten-password", "Set a new password")
            .paragraph(
                "Somebody, we hope you, said that the password of this account is forgotten.",
            )
            .link("Set a new password", self.password_url(token))
            .list([
                "The link works once and ends after one hour.",
                "If it was not you, do nothing: your password stays as it is.",
            ])
            .to(account.email.clone(), &self.footer())
    }

    /// Proves a new address.
    pub(super) fn confirm_email(
        &self,
        account: &Account,
        new: &EmailAddress,
        token: &OneTimeToken,
    ) -> Letter {
        Self::notice(account, "confirm-email", "Confirm your new email address")
            .paragraph("This address is to become the one of an account at the IZ Portal.")
            .link("Confirm this address", self.url(&format!("/confirm-email/{}", token.reveal())))
            .list([
                "The link works once and ends after 24 hours.",
                "If you did not ask for this, do nothing.",
            ])
            .to(new.clone(), &self.footer())
    }

    /// Tells the owner of an account that something about it changed, and what to do if it was somebody else.
    pub(super) fn changed(&self, account: &Account, subject: &str, what: &str) -> Letter {
        Self::notice(account, "security-notice", subject)
            .paragraph(what)
            .paragraph(
                "If it was you, there is nothing to do. If not, set a new password at once with \"Forgot your \
                 password?\" on the sign-in page, and tell us.",
            )
            .to(account.email.clone(), &self.footer())
    }

    fn notice(account: &Account, kind: &'static str, subject: &str) -> Composition {
        compose(kind, subject)
            .greeting(&account.first_name)
            .facts([("Account", account.user_id.as_str())])
    }
}
