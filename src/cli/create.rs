//! `countersign client create`, `user create`, `apikey create`: for scripts, beside a running server.

use std::io::Read;

use anyhow::Context;
use anyhow::bail;
use anyhow::ensure;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::accounts::email;
use crate::accounts::password::Passwords;
use crate::accounts::user;
use crate::api_keys::key;
use crate::api_keys::key::NewApiKey;
use crate::app::config::Config;
use crate::app::config::Settings;
use crate::audit::act::Act;
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::clients::client;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Registration;
use crate::clients::standing;
use crate::gate::sign_in;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::Beginning;
use crate::organizations::organization::Organization;
use crate::scopes::Scopes;

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an app
    Create(CreateClient),
}

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Create a person, in an organization or with one of their own; one that is known joins the organization, too
    Create(CreateUser),
}

#[derive(Subcommand)]
pub(super) enum ApikeyCommand {
    /// Create a key
    Create(CreateApikey),
}

#[derive(Args)]
pub(super) struct CreateClient {
    /// Number, UUID or exact name
    #[arg(long)]
    organization: String,
    #[arg(long)]
    name: String,
    #[arg(long, value_enum)]
    r#type: ClientType,
    /// May be repeated
    #[arg(long)]
    redirect_uri: Vec<String>,
    /// What the app may ask for; may be repeated
    #[arg(long, required = true)]
    scope: Vec<String>,
    /// May be repeated; if absent `authorization_code` and `refresh_token`
    #[arg(long)]
    grant_type: Vec<String>,
    /// Vouch for the app on the consent page
    #[arg(long)]
    reviewed: bool,
    /// Let this confidential client do without PKCE
    #[arg(long)]
    no_pkce: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClientType {
    Public,
    Confidential,
}

#[derive(Args)]
pub(super) struct CreateUser {
    #[arg(long)]
    email: String,
    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Number, UUID or exact name of one to join; if absent a new one, named after the address
    #[arg(long)]
    organization: Option<String>,
    /// May administer the whole server, at /admin
    #[arg(long)]
    superadmin: bool,
    /// In the organization that is joined
    #[arg(long, value_enum, default_value = "admin")]
    role: RoleName,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    Owner,
    Admin,
    Member,
}

#[derive(Args)]
pub(super) struct CreateApikey {
    /// Number, UUID or exact name
    #[arg(long)]
    organization: String,
    #[arg(long)]
    label: String,
    /// May be repeated
    #[arg(long, required = true)]
    scope: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl CreateClient {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (config, database) = super::open(settings).await?;
        let result = async {
            database.migrate().await?;
            let mut tx = database.pool.begin().await?;
            let act = Act::of_operator(Clock::System.now());
            let organization = find_organization(&mut tx, &self.organization).await?;
            let registration = self.registration(&config)?;
            registration
                .check(config.scopes.all())
                .map_err(|error| anyhow::anyhow!("{}: {error}", error.field))?;
            let (id, secret) = client::register(&mut tx, organization.id, &registration, &act).await?;
            if self.reviewed {
                standing::set_reviewed(&mut tx, id, true, &act).await?;
            }
            tx.commit().await?;
            let mut shown = json!({ "client_id": id });
            if let Some(secret) = secret {
                shown["client_secret"] = secret.expose().into();
            }
            print(&shown, self.json)
        }
        .await;
        database.close().await?;
        result
    }

    fn registration(&self, config: &Config) -> anyhow::Result<Registration> {
        let scopes = parse_scopes(&self.scope)?;
        let blank = Registration::blank(config.lifetimes);
        Ok(Registration {
            name: self.name.clone(),
            token_endpoint_auth_method: match self.r#type {
                ClientType::Public => AuthMethod::None,
                ClientType::Confidential => AuthMethod::ClientSecretBasic,
            },
            redirect_uris: self.redirect_uri.clone(),
            default_scopes: Registration::usual_default(&scopes),
            scopes,
            grant_types: if self.grant_type.is_empty() {
                blank.grant_types.clone()
            } else {
                self.grant_type.clone()
            },
            require_pkce: !self.no_pkce,
            ..blank
        })
    }
}

impl CreateUser {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let mut password = String::new();
        std::io::stdin().read_to_string(&mut password).context("the password cannot be read")?;
        let password = Secret::new(password.trim_end_matches(['\r', '\n']));
        sign_in::check_password(&password).map_err(|message| anyhow::anyhow!("{message}"))?;
        let email = email::parse(&self.email).context("this is not an e-mail address")?;
        let (config, database) = super::open(settings).await?;
        let result = async {
            database.migrate().await?;
            let hash = Passwords::new()?.hash(password).await?;
            let mut tx = database.pool.begin().await?;
            let now = Clock::System.now();
            let known = user::find_by_email(&mut tx, email).await?.map(|(user, _)| user);
            let user = match (known, &self.organization) {
                // Their password stays theirs.
                (Some(known), Some(_)) => known,
                (Some(_), None) => bail!("this address is already registered"),
                (None, _) => user::create(&mut tx, email, &hash, now).await?.context("this address was just registered")?,
            };
            let (organization, role) = match &self.organization {
                Some(name) => (find_organization(&mut tx, name).await?, self.role.into()),
                None => (create_organization(&mut tx, email, &config).await?, Role::Owner),
            };
            if member::find_role(&mut tx, organization.id, user.id).await?.is_some() {
                bail!("this person belongs to the organization already");
            }
            let act = Act::of_operator(now);
            member::add(&mut tx, organization.id, user.id, role, &act).await?;
            if self.superadmin {
                user::set_superadmin(&mut tx, &user, true, &act).await?;
            }
            tx.commit().await?;
            let shown = json!({
                "id": user.id,
                "email": user.email,
                "organization": { "id": organization.id, "number": organization.number, "name": organization.name },
            });
            print(&shown, self.json)
        }
        .await;
        database.close().await?;
        result
    }
}

impl CreateApikey {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (config, database) = super::open(settings).await?;
        let result = async {
            database.migrate().await?;
            let mut tx = database.pool.begin().await?;
            let organization = find_organization(&mut tx, &self.organization).await?;
            let scopes = parse_scopes(&self.scope)?;
            ensure!(!scopes.is_empty(), "a key has at least one scope");
            if let Some(unknown) = scopes.without(config.scopes.all()).iter().next() {
                bail!("there is no scope {unknown:?}");
            }
            let label = key::parse_label(&self.label).context("a label has 1 to 100 characters")?;
            let new = NewApiKey {
                organization: organization.id,
                label,
                scopes: &scopes,
                created_by: None,
                expires_at: None,
                ip_allowlist: &IpAllowlist::default(),
            };
            let (id, key) =
                key::create(&mut tx, &new, &config.api_key_prefix, &Act::of_operator(Clock::System.now()))
                    .await?;
            tx.commit().await?;
            print(&json!({ "id": id, "key": key.expose() }), self.json)
        }
        .await;
        database.close().await?;
        result
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
        }
    }
}

/// Several organizations may have one name: then it names none.
async fn find_organization(db: &mut PgConnection, name: &str) -> anyhow::Result<Organization> {
    let mut found = organization::find_named(db, name).await?;
    ensure!(found.len() <= 1, "several organizations are named {name:?}: give the number or the UUID");
    found.pop().with_context(|| format!("there is no organization {name:?}"))
}

async fn create_organization(
    tx: &mut PgTransaction<'_>,
    email: &str,
    config: &Config,
) -> anyhow::Result<Organization> {
    let beginning = Beginning {
        plan: &config.new_organization_plan,
        credits_cents: config.new_organization_credits_cents,
    };
    let name: String = email.chars().take(organization::MAX_NAME_LENGTH).collect();
    let id = organization::create(tx, &name, beginning, &Act::of_operator(Clock::System.now())).await?;
    organization::find(tx, id).await?.context("a new organization was not found")
}

/// `--scope read --scope write` and `--scope "read write"` are the same.
fn parse_scopes(names: &[String]) -> anyhow::Result<Scopes> {
    Ok(Scopes::parse(&names.join(" "))?)
}

fn print(shown: &serde_json::Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return super::print(&shown.to_string());
    }
    let lines = shown.as_object().into_iter().flatten().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}: {text}"),
        None => format!("{name}: {value}"),
    });
    super::print(&lines.collect::<Vec<_>>().join("\n"))
}
