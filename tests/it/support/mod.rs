//! A real server on an ephemeral port, with its own database and a clock the test moves by hand.

mod answer;
mod browser;
mod database;
mod device;
pub mod document;
mod oauth_client;
mod people;
mod program;
mod prover;
mod raw;
mod receiver;
mod redis;
mod signer;
mod stand_in;

use std::net::SocketAddr;
use std::sync::Arc;

use countersign::accounts::user;
use countersign::api_keys::key;
use countersign::api_keys::key::Ending;
use countersign::api_keys::key::NewApiKey;
use countersign::app::App;
use countersign::app::config::Config;
use countersign::app::config::DpopNonces;
use countersign::app::config::Settings;
use countersign::audit::act::Act;
use countersign::base::clock::Clock;
use countersign::base::ids::ApiKeyId;
use countersign::base::ids::ClientId;
use countersign::base::ids::OrganizationId;
use countersign::base::mail::Mail;
use countersign::base::mail::Mailer;
use countersign::base::secret::Secret;
use countersign::base::server_secret::ServerSecret;
use countersign::clients::client;
use countersign::clients::registration::AuthMethod;
use countersign::clients::registration::Registration;
use countersign::clients::secret;
use countersign::clients::standing;
use countersign::organizations::ip_allowlist::IpAllowlist;
use countersign::organizations::member;
use countersign::organizations::member::Role;
use countersign::organizations::organization;
use countersign::organizations::organization::Beginning;
use countersign::scopes::Scopes;
use countersign::server::access_log_writer::AccessLogWriter;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

pub use answer::Answer;
pub use browser::Browser;
pub use browser::PageForm;
pub use browser::field_of;
pub use browser::form_of;
pub use database::TestDatabase;
pub use device::DeviceCodes;
pub use device::for_devices;
pub use oauth_client::CALLBACK;
pub use oauth_client::OAuthClient;
pub use oauth_client::Pkce;
pub use people::Session;
pub use program::Folder;
pub use program::Outcome;
pub use program::Program;
pub use program::Running;
pub(crate) use prover::Prover;
pub use raw::RawConnection;
pub use receiver::Received;
pub use receiver::Receiver;
pub use redis::TestRedis;
pub(crate) use signer::Signer;
pub(crate) use signer::encode;
pub use stand_in::Fault;
pub use stand_in::StandIn;

/// Of everybody in a test.
pub const PASSWORD: &str = "correct horse battery";

/// Of every server in a test, in this process or another.
pub const SERVER_SECRET: &str = "a server secret of the tests, long enough";

pub struct TestServer {
    pub url: String,
    pub clock: Clock,
    pub app: App,
    pub database: Arc<TestDatabase>,
    access_log: Mutex<AccessLogWriter>,
    http: reqwest::Client,
}

/// A person and their organization.
#[derive(Debug, Clone)]
pub struct TestUser {
    pub id: String,
    pub email: String,
    pub organization: OrganizationId,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// `adjust` changes the settings from what a newcomer has.
    pub async fn start_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let database = Arc::new(TestDatabase::create().await);
        let clock = Clock::manual("2030-01-01T00:00:00Z".parse().unwrap());
        Self::start_on(database, clock, adjust).await
    }

    /// Another node of the same deployment: its database and its clock, and its Redis if it has one. Of the settings those
    /// that nodes have in common in some test.
    pub async fn second_node(&self) -> Self {
        let config = &self.app.config;
        Self::start_on(Arc::clone(&self.database), self.clock.clone(), |settings| {
            settings.redis_url.clone_from(&config.redis_url);
            settings.redis_timeout_milliseconds = config.redis_timeout.as_millis().try_into().unwrap();
            config.links.issuer().clone_into(&mut settings.issuer);
            settings.outgoing_to_private = config.outgoing_to_private;
            settings.dpop_nonces = match config.dpop_nonces {
                DpopNonces::Off => "off".to_owned(),
                DpopNonces::TokenEndpoint => "token_endpoint".to_owned(),
                DpopNonces::Everywhere => "everywhere".to_owned(),
            };
        })
        .await
    }

    async fn start_on(database: Arc<TestDatabase>, clock: Clock, adjust: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings =
            Settings { issuer: format!("http://{address}"), demo: Some(false), ..Settings::default() };
        adjust(&mut settings);
        let config = Config::try_from(settings).unwrap();
        let secret = ServerSecret::new(&Secret::new(SERVER_SECRET));
        // Boxed, or every test would hold it in its own future.
        let app = Box::pin(App::new(config, secret, database.pool(), clock.clone())).await.unwrap();
        let app = app.with_mailer(Mailer::in_memory());
        countersign::server::announcements::start(&app).await;

        let service =
            countersign::server::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async { axum::serve(listener, service).await });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let access_log = Mutex::new(AccessLogWriter::new(&app));
        Self { url: format!("http://{address}"), clock, app, database, access_log, http }
    }

    /// What was sent so far, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.app.mailer.kept()
    }

    /// What the writer of the access log does each second.
    pub async fn write_access_log(&self) {
        self.try_to_write_access_log().await.unwrap();
    }

    pub async fn try_to_write_access_log(&self) -> sqlx::Result<()> {
        self.access_log.lock().await.write().await
    }

    /// What the server does each hour.
    pub async fn clean_up(&self) {
        countersign::server::workers::clean_up(&self.app).await.unwrap();
    }

    /// Makes all deliveries that are due, and answers how many there were.
    pub async fn deliver_webhooks(&self) -> usize {
        countersign::server::webhooks::deliver_due(&self.app).await.unwrap()
    }

    /// Tells all apps of logouts that are to hear of one, and answers how many there were.
    pub async fn tell_of_logouts(&self) -> usize {
        countersign::server::logouts::deliver_due(&self.app).await.unwrap()
    }

    pub fn issuer(&self) -> &str {
        self.app.config.links.issuer()
    }

    /// For requests of any kind; `path` begins with a slash.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path)).await
    }

    /// With a credential, as `Authorization: Bearer`.
    pub async fn get_as(&self, credential: &str, path: &str) -> Answer {
        Answer::of(self.request("GET", path).bearer_auth(credential)).await
    }

    pub async fn send_json_as(
        &self,
        credential: &str,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Answer {
        Answer::of(self.request(method, path).bearer_auth(credential).json(body)).await
    }

    pub async fn post_form(&self, path: &str, form: &str) -> Answer {
        let request = self.request("POST", path);
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        Answer::of(request).await
    }

    /// Somebody with an organization of their own, on plan `pro`.
    pub async fn user(&self, name: &str) -> TestUser {
        self.user_on_plan(name, "pro").await
    }

    pub async fn user_on_plan(&self, name: &str, plan: &str) -> TestUser {
        let now = self.clock.now();
        let hash = self.app.passwords.hash(Secret::new(PASSWORD)).await.unwrap();
        let mut tx = self.app.db.begin().await.unwrap();
        let email = format!("{name}@example.com");
        let user = user::create(&mut tx, &email, &hash, now).await.unwrap().unwrap();
        let beginning = Beginning { plan, credits_cents: 500 };
        let organization =
            organization::create(&mut tx, &format!("{name} Inc"), beginning, &self.act()).await.unwrap();
        member::add(&mut tx, organization, user.id, Role::Owner, &self.act()).await.unwrap();
        tx.commit().await.unwrap();
        TestUser { id: user.id.to_string(), email, organization }
    }

    /// A key of the organization.
    pub async fn key(&self, organization: OrganizationId, scopes: &str) -> (ApiKeyId, String) {
        let scopes = Scopes::parse(scopes).unwrap();
        let new = NewApiKey {
            organization,
            label: "test",
            scopes: &scopes,
            created_by: None,
            expires_at: None,
            ip_allowlist: &IpAllowlist::default(),
        };
        let mut tx = self.app.db.begin().await.unwrap();
        let (id, key) = key::create(&mut tx, &new, "sk", &self.act()).await.unwrap();
        tx.commit().await.unwrap();
        (id, key.expose().to_owned())
    }

    pub async fn revoke_key(&self, organization: OrganizationId, id: ApiKeyId) {
        let mut tx = self.app.db.begin().await.unwrap();
        assert!(key::revoke(&mut tx, organization, id, Ending::Revoked, &self.act()).await.unwrap());
        tx.commit().await.unwrap();
        self.hear().await;
    }

    pub async fn disable_client(&self, id: &str) {
        let mut tx = self.app.db.begin().await.unwrap();
        let found = client::find(&mut tx, id.parse().unwrap()).await.unwrap().unwrap();
        standing::set_disabled(&mut tx, &found.client, true, &self.act()).await.unwrap();
        tx.commit().await.unwrap();
        self.hear().await;
    }

    /// After a change that no request made: as soon as this node has heard of it.
    pub async fn hear(&self) {
        self.app.cache.catch_up().await;
    }

    /// As a database that goes away; as soon as this node has noticed.
    pub async fn lose_database(&self) {
        self.database.take_away().await;
        self.hear().await;
    }

    /// By the operator, now.
    pub fn act(&self) -> Act {
        Act::of_operator(self.clock.now())
    }

    /// A public client of the organization with [`CALLBACK`] and all scopes but `admin`.
    pub async fn public_client(&self, organization: OrganizationId) -> OAuthClient {
        self.client(organization, |_| {}).await
    }

    /// The same with a secret and all grant types.
    pub async fn confidential_client(&self, organization: OrganizationId) -> OAuthClient {
        self.client(organization, |registration| {
            registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
            registration.grant_types.push("client_credentials".to_owned());
        })
        .await
    }

    pub async fn client(
        &self,
        organization: OrganizationId,
        adjust: impl FnOnce(&mut Registration),
    ) -> OAuthClient {
        let scopes = Scopes::parse("read write delete").unwrap();
        let mut registration = Registration {
            name: "Test app".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            default_scopes: scopes.clone(),
            scopes,
            ..Registration::blank(self.app.config.lifetimes)
        };
        adjust(&mut registration);
        registration.check(self.app.config.scopes.all()).unwrap();
        let act = self.act();
        let mut tx = self.app.db.begin().await.unwrap();
        let id: ClientId = client::create(&mut tx, organization, &registration, &act).await.unwrap();
        let secret = if registration.token_endpoint_auth_method.has_secret() {
            let created =
                secret::create(&mut tx, (Some(organization), id), "test", None, &act).await.unwrap();
            created.map(|(_, secret)| secret)
        } else {
            None
        };
        tx.commit().await.unwrap();
        OAuthClient { id: id.to_string(), secret: secret.map(|secret| secret.expose().to_owned()) }
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    pub async fn browser_of(&self, user: &TestUser) -> Browser {
        let browser = self.browser();
        browser.sign_in(&user.email, PASSWORD).await;
        browser
    }
}
