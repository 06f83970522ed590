//! Colleagues, and what the session API hands to a front end.

use countersign::accounts::user;
use countersign::audit::log;
use countersign::audit::log::Entry;
use countersign::audit::log::Filter;
use countersign::base::ids::OrganizationId;
use countersign::base::secret::Secret;
use countersign::organizations::member;
use countersign::organizations::member::Role;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::TestUser;

impl TestServer {
    /// Somebody who belongs to another person's organization only.
    pub async fn colleague(&self, name: &str, organization: OrganizationId, role: Role) -> TestUser {
        let now = self.clock.now();
        let hash = self.app.passwords.hash(Secret::new(PASSWORD)).await.unwrap();
        let email = format!("{name}@example.com");
        let mut tx = self.app.db.begin().await.unwrap();
        let user = user::create(&mut tx, &email, &hash, now).await.unwrap().unwrap();
        member::add(&mut tx, organization, user.id, role, &self.act()).await.unwrap();
        tx.commit().await.unwrap();
        TestUser { id: user.id.to_string(), email, organization }
    }

    /// Somebody who may manage the whole server.
    pub async fn superadmin(&self) -> TestUser {
        let root = self.user("root").await;
        let mut tx = self.app.db.begin().await.unwrap();
        let user = user::find(&mut tx, root.id.parse().unwrap()).await.unwrap().unwrap();
        user::set_superadmin(&mut tx, &user, true, &self.act()).await.unwrap();
        tx.commit().await.unwrap();
        root
    }

    /// Lets a person into one more organization.
    pub async fn join(&self, user: &TestUser, organization: OrganizationId, role: Role) {
        let mut tx = self.app.db.begin().await.unwrap();
        let id = user.id.parse().unwrap();
        member::add(&mut tx, organization, id, role, &self.act()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The path of the link in the mail that was sent last.
    pub fn invitation_path(&self) -> String {
        let mail = self.mails().pop().unwrap();
        let (_, rest) = mail.text.split_once(self.issuer()).unwrap();
        rest.lines().next().unwrap().to_owned()
    }

    /// What the audit log has of an action, the newest first.
    pub async fn audit_of(&self, organization: OrganizationId, action: &str) -> Vec<Entry> {
        let filter = Filter { action: Some(action.to_owned()), ..Filter::default() };
        let mut db = self.app.db.acquire().await.unwrap();
        log::list(&mut db, Some(organization), &filter, (None, 100)).await.unwrap()
    }

    /// Without a credential.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request("POST", path).json(body)).await
    }

    /// `POST /api/auth/login`
    pub async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post_json("/api/auth/login", &json!({ "email": email, "password": password })).await
    }

    /// A person's tokens of the session API.
    pub async fn session_of(&self, user: &TestUser) -> Session {
        let answer = self.log_in(&user.email, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Session::of(&answer)
    }

    /// `POST /api/auth/refresh`
    pub async fn refresh_session(&self, refresh_token: &str) -> Answer {
        self.post_json("/api/auth/refresh", &json!({ "refresh_token": refresh_token })).await
    }
}

/// What a front end keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub access_token: String,
    pub refresh_token: String,
    /// Epoch seconds.
    pub expires_at: i64,
}

impl Session {
    pub fn of(answer: &Answer) -> Self {
        let session = &answer.json["session"];
        let token =
            |name: &str| session[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", answer.text));
        Self {
            access_token: token("access_token").to_owned(),
            refresh_token: token("refresh_token").to_owned(),
            expires_at: session["expires_at"].as_i64().unwrap(),
        }
    }
}
