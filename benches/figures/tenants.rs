//! Organizations with people and an app each: whose all keys and grants are.

use countersign::accounts::password::PasswordHash;
use countersign::accounts::password::Passwords;
use countersign::accounts::user;
use countersign::app::config::Config;
use countersign::app::config::Settings;
use countersign::audit::act::Act;
use countersign::base::clock::Clock;
use countersign::base::ids::ClientId;
use countersign::base::ids::OrganizationId;
use countersign::base::ids::UserId;
use countersign::base::secret::Secret;
use countersign::clients::client;
use countersign::clients::registration::AUTHORIZATION_CODE;
use countersign::clients::registration::AuthMethod;
use countersign::clients::registration::CLIENT_CREDENTIALS;
use countersign::clients::registration::REFRESH_TOKEN;
use countersign::clients::registration::Registration;
use countersign::organizations::member;
use countersign::organizations::member::Role;
use countersign::organizations::organization;
use countersign::organizations::organization::Beginning;
use countersign::scopes::Scopes;

use anyhow::Context;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::postgres;

pub const COUNT: usize = 100;
pub const PEOPLE_OF_EACH: usize = 10;
pub const PASSWORD: &str = "correct horse battery";
pub const REDIRECT_URI: &str = "https://app.example.com/callback";

#[derive(Debug)]
pub struct Tenant {
    pub organization: OrganizationId,
    pub client: ClientId,
    pub client_secret: String,
    /// The first is the owner.
    pub people: Vec<UserId>,
}

/// Whose the key or grant with this number is.
pub fn of(tenants: &[Tenant], number: u64) -> &Tenant {
    &tenants[usize::try_from(number).unwrap_or_default() % COUNT]
}

/// Whose grant it is.
pub fn person_of(tenant: &Tenant, number: u64) -> UserId {
    tenant.people[usize::try_from(number).unwrap_or_default() / COUNT % PEOPLE_OF_EACH]
}

pub fn email(number: usize) -> String {
    format!("person{number}@example.com")
}

/// With limits that nobody runs into.
pub async fn create(db: &mut PgConnection) -> anyhow::Result<Vec<Tenant>> {
    postgres::execute(
        db,
        "update plans set requests_per_hour = 2000000000, requests_per_minute = 2000000000",
    )
    .await?;
    let config = Config::try_from(Settings::default())?;
    let password = Passwords::new()?.hash(Secret::new(PASSWORD)).await?;
    let mut tenants = Vec::new();
    for number in 0..COUNT {
        let mut tx = db.begin().await?;
        tenants.push(create_one(&mut tx, number, &password, &config).await?);
        tx.commit().await?;
    }
    Ok(tenants)
}

async fn create_one(
    tx: &mut PgTransaction<'_>,
    number: usize,
    password: &PasswordHash,
    config: &Config,
) -> anyhow::Result<Tenant> {
    let act = Act::of_operator(Clock::System.now());
    let beginning = Beginning { plan: "pro", credits_cents: 1_000_000 };
    let organization = organization::create(tx, &format!("Company {number}"), beginning, &act).await?;
    let mut people = Vec::new();
    for place in 0..PEOPLE_OF_EACH {
        let email = email(number * PEOPLE_OF_EACH + place);
        let person = user::create(tx, &email, password, act.at).await?.context("an address is taken")?;
        let role = if place == 0 { Role::Owner } else { Role::Member };
        member::add(tx, organization, person.id, role, &act).await?;
        people.push(person.id);
    }
    let scopes = Scopes::from_names(["read", "write"])?;
    let registration = Registration {
        name: format!("App {number}"),
        token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        default_scopes: scopes.clone(),
        scopes,
        grant_types: [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS].map(str::to_owned).to_vec(),
        ..Registration::blank(config.lifetimes)
    };
    let (client, secret) = client::register(tx, organization, &registration, &act).await?;
    let secret = secret.context("a confidential client has a secret")?;
    Ok(Tenant { organization, client, client_secret: secret.expose().to_owned(), people })
}
