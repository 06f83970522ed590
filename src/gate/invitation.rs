//! Inviting somebody: the rules are the subject's; here they meet the mail, for the API and the pages alike.

use chrono::Datelike;

use crate::accounts::email;
use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::ActorKind;
use crate::base::clock::Timestamp;
use crate::base::ids::InvitationId;
use crate::base::mail;
use crate::base::mail::Mail;
use crate::base::secret::Secret;
use crate::organizations::invitation;
use crate::organizations::invitation::LIFETIME;
use crate::organizations::invitation::NewInvitation;
use crate::organizations::invitation::NotInvited;
use crate::organizations::member::Role;
use crate::organizations::organization::Organization;

/// The address as it is kept, or `None` if no mail could be sent to it.
pub fn parse_address(text: &str) -> Option<&str> {
    email::parse(text).filter(|email| mail::is_address(email))
}

/// Invites whoever has the address, or invites them anew; the mail goes out after the commit.
pub async fn invite(
    app: &App,
    organization: &Organization,
    (email, role): (&str, Role),
    act: &Act,
) -> sqlx::Result<Result<InvitationId, NotInvited>> {
    let by_person = act.actor.kind == ActorKind::User;
    let invited_by = act.actor.id.as_deref().filter(|_| by_person).and_then(|id| id.parse().ok());
    let new = NewInvitation { organization: organization.id, email, role, invited_by };
    let mut tx = app.db.begin().await?;
    let (id, token) = match invitation::create(&mut tx, &new, act).await? {
        Ok(created) => created,
        Err(refused) => return Ok(Err(refused)),
    };
    tx.commit().await?;
    let inviter = act.actor.name.as_deref().filter(|_| by_person);
    app.mailer.send(written(app, &organization.name, &new, (inviter, &token), act.at));
    Ok(Ok(id))
}

fn written(
    app: &App,
    organization: &str,
    new: &NewInvitation<'_>,
    (inviter, token): (Option<&str>, &Secret),
    now: Timestamp,
) -> Mail {
    let (host, email) = (app.config.links.host(), new.email);
    let who =
        inviter.map_or_else(|| "You are invited".to_owned(), |inviter| format!("{inviter} invites you"));
    let role = if new.role == Role::Admin { "an admin" } else { "a member" };
    let link = app.config.links.to(&link_path(token.expose()));
    let ends = now + LIFETIME;
    let last_day = format!("{} {}", ends.day(), ends.format("%B %Y, %H:%M UTC"));
    Mail {
        to: email.to_owned(),
        subject: format!("Join {organization}"),
        text: format!(
            "Hello,\n\n{who} to join “{organization}” on {host} as {role}.\n\nTo accept, open this page:\n\n\
             {link}\n\nIt works once, until {last_day}, and only for {email}.\n\nIf you do not know why you got \
             this, do nothing: nothing happens then.\n"
        ),
    }
}

/// Of the page on which an invitation is accepted.
pub fn link_path(token: &str) -> String {
    format!("/invitations/{token}")
}
