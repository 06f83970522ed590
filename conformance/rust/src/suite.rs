//! What every suite is handed, and how it reports. The counterpart of node/check.js.

use std::env::var;
use std::fmt::Debug;
use std::process::Command;

use oauth2::ClientId;
use oauth2::reqwest::blocking::{Client as Http, Response};
use oauth2::url::Url;
use serde_json::{Value, from_slice, json};

pub type Failure = Box<dyn std::error::Error>;

pub struct Suite {
    pub issuer: String,
    pub email: String,
    pub http: Http,
    pub has_failed: bool,
}

pub fn equal<T: PartialEq + Debug + ?Sized>(actual: &T, expected: &T) -> Result<(), Failure> {
    if actual == expected { Ok(()) } else { Err(format!("{actual:?} is not {expected:?}").into()) }
}

impl Suite {
    pub fn from_environment() -> Result<Self, Failure> {
        Ok(Self { issuer: var("ISSUER")?, email: var("EMAIL")?, http: Http::new(), has_failed: false })
    }

    /// Prints one line; `None` when the check failed.
    pub fn check<T>(&mut self, words: &str, body: impl FnOnce(&Self) -> Result<T, Failure>) -> Option<T> {
        match body(self) {
            Ok(value) => {
                println!("  ok    {words}");
                Some(value)
            }
            Err(error) => {
                println!("  FAIL  {words}\n        {error:?}");
                self.has_failed = true;
                None
            }
        }
    }

    /// The person signs in and approves; returns the code from an answer whose state and issuer are right.
    pub fn authorize(&self, url: &str, callback: &str, state: &str) -> Result<String, Failure> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/authorize.js");
        let answer = Command::new("node").args([script, url, callback]).output()?;
        if !answer.status.success() {
            return Err(String::from_utf8_lossy(&answer.stderr).into());
        }
        let redirect = Url::parse(str::from_utf8(&answer.stdout)?.trim())?;
        let said =
            |name| redirect.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        equal(redirect.as_str().split('?').next().unwrap_or_default(), callback)?;
        equal(&said("state"), &Some(state.into()))?;
        equal(&said("iss"), &Some(self.issuer.clone()))?;
        said("code").ok_or("no code".into())
    }

    /// The token is accepted as this client's, for this person, with these scopes.
    pub fn acts_for(
        &self,
        token: &str,
        client: &ClientId,
        email: Option<&str>,
        scopes: &[&str],
    ) -> Result<(), Failure> {
        let answer = self.who_is(token)?;
        equal(&answer.status().as_u16(), &200)?;
        let body: Value = from_slice(&answer.bytes()?)?;
        equal(&body["authenticated"], &json!(true))?;
        equal(&body["user"]["email"], &json!(email))?;
        equal(&body["client"].to_string().contains(client.as_str()), &true)?;
        equal(&body["scopes"], &json!(scopes))
    }

    /// The token is refused as RFC 6750 §3 and RFC 9728 §5.1 ask.
    pub fn refuses(&self, token: &str) -> Result<(), Failure> {
        let answer = self.who_is(token)?;
        equal(&answer.status().as_u16(), &401)?;
        let challenge = answer.headers().get("www-authenticate").ok_or("no challenge")?.to_str()?;
        equal(&challenge.contains("resource_metadata=\""), &true)?;
        equal(&from_slice::<Value>(&answer.bytes()?)?["error"]["code"], &json!("unauthorized"))
    }

    fn who_is(&self, token: &str) -> Result<Response, Failure> {
        Ok(self.http.get(format!("{}/v1/auth/test", self.issuer)).bearer_auth(token).send()?)
    }
}
