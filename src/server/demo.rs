//! The demo organization: what a newcomer needs to walk a real flow at once.
//!
//! Its secrets are derived from the server secret, so that every start can print them though the database
//! keeps only hashes.

use std::fmt::Write;

use sqlx::PgConnection;

use crate::accounts::password::Outcome;
use crate::accounts::user;
use crate::api_keys::format;
use crate::api_keys::key;
use crate::api_keys::key::NewApiKey;
use crate::api_keys::verify;
use crate::app::App;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::secret::Secret;
use crate::base::server_secret::ServerSecret;
use crate::clients::client;
use crate::clients::registration::AUTHORIZATION_CODE;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::CLIENT_CREDENTIALS;
use crate::clients::registration::DEVICE_CODE;
use crate::clients::registration::REFRESH_TOKEN;
use crate::clients::registration::Registration;
use crate::clients::registration::TOKEN_EXCHANGE;
use crate::clients::secret;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::Beginning;
use crate::scopes::Scopes;

const EMAIL: &str = "demo@example.com";
const ORGANIZATION: &str = "Demo";
const PUBLIC_CLIENT: &str = "Demo app";
const CONFIDENTIAL_CLIENT: &str = "Demo server";
const KEY_LABEL: &str = "Demo key";
/// A thousand dollars: a demo should not run dry.
const CREDITS_CENTS: i64 = 100_000;

/// What is printed at the start.
pub struct Demo {
    text: String,
}

impl Demo {
    pub fn text(&self) -> &str {
        &self.text
    }
}

struct Secrets {
    password: Secret,
    client_secret: Secret,
    api_key: Secret,
}

impl Secrets {
    fn derive(secret: &ServerSecret, prefix: &str) -> Self {
        let letters = |purpose: &str, length: usize| {
            let key = secret.derive(purpose);
            // Lower-case letters and digits that are not taken for each other.
            key.iter()
                .map(|byte| char::from(b"23456789abcdefghjkmnpqrstuvwxyz"[usize::from(byte % 31)]))
                .take(length)
                .collect::<String>()
        };
        let public_id = letters("demo key id", 8);
        Self {
            password: Secret::new(letters("demo password", 16)),
            client_secret: Secret::new(format!("cs_{}", letters("demo client secret", 32))),
            api_key: format::assemble(prefix, &public_id, &Secret::new(letters("demo key", 32))),
        }
    }
}

/// Creates what is missing as a whole: if the demo person is there, everything was.
pub async fn seed(app: &App, secret: &ServerSecret) -> anyhow::Result<Demo> {
    let secrets = Secrets::derive(secret, &app.config.api_key_prefix);
    let mut db = app.db.acquire().await?;
    if user::find_by_email(&mut db, EMAIL).await?.is_none() {
        create(app, &secrets).await?;
    }
    describe(app, &secrets).await
}

async fn create(app: &App, secrets: &Secrets) -> anyhow::Result<()> {
    let now = app.clock.now();
    let hash = app.passwords.hash(secrets.password.clone()).await?;
    let mut tx = app.db.begin().await?;
    let Some(user) = user::create(&mut tx, EMAIL, &hash, now).await? else { return Ok(()) };
    let act = Act::of_operator(now);
    let beginning = Beginning { plan: "pro", credits_cents: CREDITS_CENTS };
    let organization = organization::create(&mut tx, ORGANIZATION, beginning, &act).await?;
    member::add(&mut tx, organization, user.id, Role::Owner, &act).await?;
    // So that a newcomer sees /admin, too.
    user::set_superadmin(&mut tx, &user, true, &act).await?;

    // The public one last, so that it stands first in lists: it works without a secret being typed.
    let confidential = client::create(&mut tx, organization, &registration(app, true), &act).await?;
    let whose = (Some(organization), confidential);
    secret::insert(&mut tx, whose, ("Demo secret", None), &secrets.client_secret, &act).await?;
    client::create(&mut tx, organization, &registration(app, false), &act).await?;
    let new_key = NewApiKey {
        organization,
        label: KEY_LABEL,
        scopes: &Scopes::from_names(["read", "write"])?,
        created_by: Some(user.id),
        expires_at: None,
        ip_allowlist: &IpAllowlist::default(),
    };
    key::insert(&mut tx, &new_key, &secrets.api_key, &app.config.api_key_prefix, &act).await?;
    tx.commit().await?;
    Ok(())
}

fn registration(app: &App, is_confidential: bool) -> Registration {
    let mut grant_types = vec![AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE, TOKEN_EXCHANGE];
    if is_confidential {
        grant_types.push(CLIENT_CREDENTIALS);
    }
    let scopes = Scopes::from_names(["read", "write", "delete"]).unwrap_or_default();
    Registration {
        name: if is_confidential { CONFIDENTIAL_CLIENT } else { PUBLIC_CLIENT }.to_owned(),
        token_endpoint_auth_method: if is_confidential {
            AuthMethod::ClientSecretBasic
        } else {
            AuthMethod::None
        },
        redirect_uris: vec![
            app.config.links.to("/playground/callback"),
            // For a client on this machine, on whichever port it has.
            "http://127.0.0.1/callback".to_owned(),
            "http://localhost/callback".to_owned(),
        ],
        default_scopes: Scopes::from_names(["read"]).unwrap_or_default(),
        required_scopes: Scopes::from_names(["read"]).unwrap_or_default(),
        scopes,
        grant_types: grant_types.into_iter().map(str::to_owned).collect(),
        ..Registration::blank(app.config.lifetimes)
    }
}

/// Only what still holds: the demo is data like all other, and may have been changed.
async fn describe(app: &App, secrets: &Secrets) -> anyhow::Result<Demo> {
    let mut db = app.db.acquire().await?;
    let Some((user, hash)) = user::find_by_email(&mut db, EMAIL).await? else {
        return Ok(Demo { text: String::new() });
    };
    let now = app.clock.now();
    let mut text = String::new();
    let is_unchanged = match app.passwords.check(secrets.password.clone(), Some(hash)).await? {
        Outcome::Wrong => false,
        Outcome::Right | Outcome::RightAndRehashed(_) => true,
    };
    let password = if is_unchanged { secrets.password.expose() } else { "(changed)" };
    writeln!(text, "  Person               {EMAIL}")?;
    writeln!(text, "  Password             {password}")?;
    for organization in organization::list_of(&mut db, user.id).await? {
        let with_prefix = (secrets, app.config.api_key_prefix.as_str());
        describe_credentials(&mut db, organization.id, with_prefix, now, &mut text).await?;
    }
    Ok(Demo { text })
}

async fn describe_credentials(
    db: &mut PgConnection,
    organization: OrganizationId,
    (secrets, prefix): (&Secrets, &str),
    now: Timestamp,
    text: &mut String,
) -> anyhow::Result<()> {
    for client in client::list(db, organization).await? {
        if client.registration.name == PUBLIC_CLIENT {
            writeln!(text, "  Public client        {}", client.id)?;
        }
        let found = client::find(db, client.id).await?;
        if found.is_some_and(|found| found.proved_by(&secrets.client_secret, now).is_some()) {
            writeln!(text, "  Confidential client  {}", client.id)?;
            writeln!(text, "  Its secret           {}", secrets.client_secret.expose())?;
        }
    }
    if let Some(parts) = format::parse(secrets.api_key.expose(), prefix)
        && verify::find_presented(db, &parts, now).await?.is_some_and(|key| key.is_live(now))
    {
        writeln!(text, "  API key              {}", secrets.api_key.expose())?;
    }
    Ok(())
}
