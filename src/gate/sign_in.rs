//! Signing in and signing up: one set of rules for the pages and for the session API.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::accounts::email;
use crate::accounts::password;
use crate::accounts::password::Outcome;
use crate::accounts::password::PasswordError;
use crate::accounts::password::PasswordHash;
use crate::accounts::throttle;
use crate::accounts::throttle::Subject;
use crate::accounts::user;
use crate::accounts::user::User;
use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::ids::OrganizationId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::gate::client_address::ClientAddress;
use crate::gate::provenance::Provenance;
use crate::organizations::invitation;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::Beginning;
use crate::organizations::organization::Organization;

/// What came of an attempt to sign in.
#[derive(Debug)]
pub enum Authenticated {
    Yes(User),
    /// The address or the password is wrong; which of them stays unsaid.
    No,
    /// Too many failures: the attempt was not looked at.
    Wait(TimeDelta),
    /// Too many others are signing in.
    Busy,
}

/// Takes as long for an unknown address as for a known one.
pub async fn authenticate(
    app: &App,
    email: &str,
    password: Secret,
    address: ClientAddress,
) -> anyhow::Result<Authenticated> {
    let now = app.clock.now();
    let email = email.trim();
    // The connection goes back to the pool before the password is checked: that may take its time.
    let (user, hash) = {
        let mut db = app.db.acquire().await?;
        let (user, hash) = find(&mut db, email).await?.unzip();
        let subjects = [account(user.as_ref(), email), Subject::Network(address.ip)];
        if let Some(wait) = throttle::admit(&mut db, &subjects, now).await? {
            return Ok(Authenticated::Wait(wait));
        }
        (user, hash)
    };
    let outcome = match app.passwords.check(password, hash.clone()).await {
        Ok(outcome) => outcome,
        Err(PasswordError::Busy) => {
            let mut db = app.db.acquire().await?;
            throttle::take_back(&mut db, account(user.as_ref(), email)).await?;
            throttle::take_back(&mut db, Subject::Network(address.ip)).await?;
            return Ok(Authenticated::Busy);
        }
        Err(error) => return Err(error.into()),
    };
    let (Some(user), Outcome::Right | Outcome::RightAndRehashed(_)) = (user, &outcome) else {
        return Ok(Authenticated::No);
    };
    let mut db = app.db.acquire().await?;
    if let (Outcome::RightAndRehashed(new), Some(old)) = (outcome, hash) {
        user::rehash_password(&mut db, user.id, &old, &new).await?;
    }
    throttle::forget(&mut db, Subject::Account(&user.email)).await?;
    // One good account must not buy more guesses at others: only this attempt is taken back.
    throttle::take_back(&mut db, Subject::Network(address.ip)).await?;
    Ok(Authenticated::Yes(user))
}

/// Under the address as it is stored: the same account in another spelling is the same account.
fn account<'a>(user: Option<&'a User>, typed: &'a str) -> Subject<'a> {
    Subject::Account(user.map_or(typed, |user| &user.email))
}

/// PostgreSQL has no NUL in text, so nobody's address has one.
async fn find(db: &mut PgConnection, email: &str) -> sqlx::Result<Option<(User, PasswordHash)>> {
    if email.contains('\0') { Ok(None) } else { user::find_by_email(db, email).await }
}

/// What came of an attempt to sign up.
#[derive(Debug)]
pub enum Registered {
    Yes(User, Box<Organization>),
    AddressTaken,
    Invalid {
        field: RegistrationField,
        message: String,
    },
    /// Too many registrations from one network.
    Wait(TimeDelta),
    Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationField {
    Email,
    Password,
    OrganizationName,
}

/// A person and their organization, of which they are the owner: both or neither.
pub async fn register(
    app: &App,
    email: &str,
    password: Secret,
    organization_name: &str,
    provenance: Provenance,
) -> anyhow::Result<Registered> {
    let invalid = |field, message: &str| Registered::Invalid { field, message: message.to_owned() };
    let Some(email) = email::parse(email) else {
        return Ok(invalid(RegistrationField::Email, "This is not an e-mail address"));
    };
    let Some(name) = organization::parse_name(organization_name) else {
        return Ok(invalid(RegistrationField::OrganizationName, "A name has 1 to 100 characters"));
    };
    let hash = match admit_newcomer(app, password, &provenance).await? {
        Ok(hash) => hash,
        Err(refused) => return Ok(refused),
    };
    let mut tx = app.db.begin().await?;
    let Some(user) = user::create(&mut tx, email, &hash, provenance.at).await? else {
        return Ok(Registered::AddressTaken);
    };
    let act = provenance.act(Actor::user(user.id, &user.email));
    let id = organization::create(&mut tx, name, beginning(app), &act).await?;
    record(&mut tx, id, &user, &act).await?;
    member::add(&mut tx, id, user.id, Role::Owner, &act).await?;
    let organization = organization::find(&mut tx, id).await?;
    tx.commit().await?;
    let organization = organization.ok_or_else(|| anyhow::anyhow!("a new organization was not found"))?;
    Ok(Registered::Yes(user, Box::new(organization)))
}

/// A person with an invitation, whose token has proved the address: an account and the membership, both or
/// neither.
pub async fn register_invited(
    app: &App,
    (email, token): (&str, &SecretHash),
    password: Secret,
    provenance: Provenance,
) -> anyhow::Result<Registered> {
    let hash = match admit_newcomer(app, password, &provenance).await? {
        Ok(hash) => hash,
        Err(refused) => return Ok(refused),
    };
    let mut tx = app.db.begin().await?;
    let Some(user) = user::create(&mut tx, email, &hash, provenance.at).await? else {
        return Ok(Registered::AddressTaken);
    };
    let act = provenance.act(Actor::user(user.id, &user.email));
    let Some(id) = invitation::accept(&mut tx, token, (user.id, email), &act).await? else {
        let message = "The invitation does not hold any more".to_owned();
        return Ok(Registered::Invalid { field: RegistrationField::Email, message });
    };
    record(&mut tx, id, &user, &act).await?;
    let organization = organization::find(&mut tx, id).await?;
    tx.commit().await?;
    let organization = organization.ok_or_else(|| anyhow::anyhow!("a joined organization was not found"))?;
    Ok(Registered::Yes(user, Box::new(organization)))
}

/// The password's hash; or why nobody is registered now.
async fn admit_newcomer(
    app: &App,
    password: Secret,
    provenance: &Provenance,
) -> anyhow::Result<Result<PasswordHash, Registered>> {
    if let Err(message) = check_password(&password) {
        return Ok(Err(Registered::Invalid { field: RegistrationField::Password, message }));
    }
    if let Some(wait) = count_registration(app, provenance).await? {
        return Ok(Err(Registered::Wait(wait)));
    }
    match app.passwords.hash(password).await {
        Ok(hash) => Ok(Ok(hash)),
        Err(PasswordError::Busy) => Ok(Err(Registered::Busy)),
        Err(error) => Err(error.into()),
    }
}

/// Each costs as much as a sign-in, and a row that stays. This machine's own programs are the operator's.
async fn count_registration(app: &App, provenance: &Provenance) -> sqlx::Result<Option<TimeDelta>> {
    let address = provenance.address.ip;
    if address.is_loopback() {
        return Ok(None);
    }
    let mut db = app.db.acquire().await?;
    throttle::admit(&mut db, &[Subject::Registration(address)], app.clock.now()).await
}

fn beginning(app: &App) -> Beginning<'_> {
    Beginning {
        plan: &app.config.new_organization_plan,
        credits_cents: app.config.new_organization_credits_cents,
    }
}

async fn record(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: &User,
    act: &Act,
) -> sqlx::Result<()> {
    let registered = Change {
        organization: Some(organization),
        action: "user.registered",
        target: ("user", user.id.to_string()),
        before: None,
        after: Some(json!({ "email": user.email })),
    };
    log::record(tx, act, &registered).await
}

/// What came of an attempt to make an organization.
#[derive(Debug)]
pub enum Founded {
    Yes(OrganizationId),
    /// The person belongs to one already.
    HasOne,
    InvalidName,
    Wait(TimeDelta),
}

/// For somebody who belongs to none, as at the registration. Not for others: each begins with credits.
pub async fn found_organization(
    app: &App,
    user: &User,
    name: &str,
    provenance: Provenance,
) -> sqlx::Result<Founded> {
    let Some(name) = organization::parse_name(name) else { return Ok(Founded::InvalidName) };
    if let Some(wait) = count_registration(app, &provenance).await? {
        return Ok(Founded::Wait(wait));
    }
    let act = provenance.act(Actor::user(user.id, &user.email));
    let mut tx = app.db.begin().await?;
    // Of two at once the second sees what the first made.
    user::lock(&mut tx, user.id).await?;
    if !organization::list_of(&mut tx, user.id).await?.is_empty() {
        return Ok(Founded::HasOne);
    }
    let id = organization::create(&mut tx, name, beginning(app), &act).await?;
    member::add(&mut tx, id, user.id, Role::Owner, &act).await?;
    tx.commit().await?;
    Ok(Founded::Yes(id))
}

/// What a new password must be like; the text is for the person.
pub fn check_password(password: &Secret) -> Result<(), String> {
    let text = password.expose();
    if text.chars().count() < password::MIN_LENGTH {
        return Err(format!("A password has at least {} characters", password::MIN_LENGTH));
    }
    if text.len() > password::MAX_LENGTH {
        return Err(format!("A password has at most {} bytes", password::MAX_LENGTH));
    }
    Ok(())
}
