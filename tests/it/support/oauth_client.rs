//! An app as its developer writes it: sends people to the server, exchanges codes, refreshes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::base::secret::sha256;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::TestServer;
use crate::support::browser;

/// Where the test clients want people back.
pub const CALLBACK: &str = "https://app.example/callback";

#[derive(Debug, Clone)]
pub struct OAuthClient {
    pub id: String,
    pub secret: Option<String>,
}

/// RFC 7636.
#[derive(Debug, Clone)]
pub struct Pkce {
    pub verifier: String,
    pub challenge: String,
}

impl Default for Pkce {
    fn default() -> Self {
        let verifier = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        Self { verifier, challenge }
    }
}

impl OAuthClient {
    /// The path and query of a good authorization request, with `changes` made; an empty value leaves a
    /// parameter out.
    pub fn authorize_path(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> String {
        let mut params = vec![
            ("client_id", self.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "read write"),
            ("state", "state-1"),
            ("code_challenge", &pkce.challenge),
            ("code_challenge_method", "S256"),
        ];
        params.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        params.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        format!("/oauth/authorize?{query}")
    }

    /// Asks a person who is signed in, and has them allow everything; the answer is the redirect.
    pub async fn ask(&self, browser: &Browser, pkce: &Pkce, changes: &[(&str, &str)]) -> Answer {
        let page = browser.get(&self.authorize_path(pkce, changes)).await;
        if page.status == 303 {
            return page;
        }
        let form = browser::form_of(&page, "/oauth/authorize");
        browser.send(&form, &[("decision", "approve")]).await
    }

    /// A code, fresh from a person's consent.
    pub async fn code(&self, browser: &Browser, pkce: &Pkce) -> String {
        let answer = self.ask(browser, pkce, &[]).await;
        answer.location_params().remove("code").unwrap_or_else(|| panic!("no code in {}", answer.location()))
    }

    /// The whole flow; the answer of the token endpoint.
    pub async fn tokens(&self, server: &TestServer, browser: &Browser) -> Answer {
        let pkce = Pkce::default();
        let code = self.code(browser, &pkce).await;
        let answer = self.exchange(server, &code, &pkce).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    pub async fn exchange(&self, server: &TestServer, code: &str, pkce: &Pkce) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &pkce.verifier),
        ];
        self.post(server, "/oauth/token", &form).await
    }

    pub async fn refresh(&self, server: &TestServer, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.post(server, "/oauth/token", &form).await
    }

    /// Posts a form, and says who it is from: by Basic with a secret, by `client_id` without one.
    pub async fn post(&self, server: &TestServer, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.request(server, path, form)).await
    }

    /// What [`Self::post`] sends, not sent yet.
    pub fn request(&self, server: &TestServer, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let request = server.request("POST", path);
        if let Some(secret) = &self.secret {
            return request.basic_auth(&self.id, Some(secret)).form(form);
        }
        let mut form = form.to_vec();
        form.push(("client_id", &self.id));
        request.form(&form)
    }
}
