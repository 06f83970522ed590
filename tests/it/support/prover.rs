//! A client with a key of its own, which it proves to hold with each request (RFC 9449).

use countersign::base::secret::sha256;
use serde_json::Value;
use serde_json::json;

use crate::support::Signer;
use crate::support::TestServer;
use crate::support::encode;

pub(crate) struct Prover {
    pub(crate) signer: Signer,
    algorithm: &'static str,
}

impl Prover {
    pub(crate) fn new() -> Self {
        Self::with("ES256", Signer::p256())
    }

    pub(crate) fn with(algorithm: &'static str, signer: Signer) -> Self {
        Self { signer, algorithm }
    }

    /// Of its key (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = &self.signer.jwk;
        let names: &[&str] = match jwk["kty"].as_str().unwrap() {
            "RSA" => &["e", "kty", "n"],
            "EC" => &["crv", "kty", "x", "y"],
            _ => &["crv", "kty", "x"],
        };
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", jwk[name])).collect();
        encode(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }

    /// What a good proof says in its header, with `changes` made; `null` leaves something out.
    pub(crate) fn header(&self, changes: &Value) -> Value {
        changed(json!({ "typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.signer.jwk }), changes)
    }

    /// What a good proof for a request says, with `changes` made; `null` leaves something out.
    pub(crate) fn claims(server: &TestServer, (method, url): (&str, &str), changes: &Value) -> Value {
        let claims = json!({
            "jti": encode(rand::random::<[u8; 16]>()),
            "htm": method,
            "htu": url,
            "iat": server.clock.now().timestamp(),
        });
        changed(claims, changes)
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.signer.jws(&header.to_string(), &claims.to_string())
    }

    /// For a request to the token endpoint.
    pub(crate) fn proof(&self, server: &TestServer) -> String {
        self.proof_with(server, &json!({}))
    }

    pub(crate) fn proof_with(&self, server: &TestServer, changes: &Value) -> String {
        self.proof_at(server, "/oauth/token", changes)
    }

    /// For a request to another endpoint.
    pub(crate) fn proof_at(&self, server: &TestServer, path: &str, changes: &Value) -> String {
        let url = format!("{}{path}", server.issuer());
        self.sign(&self.header(&json!({})), &Self::claims(server, ("POST", &url), changes))
    }

    /// For a request with a token.
    pub(crate) fn call(&self, server: &TestServer, (method, url): (&str, &str), token: &str) -> String {
        let changes = json!({ "ath": encode(sha256(token.as_bytes())) });
        self.sign(&self.header(&json!({})), &Self::claims(server, (method, url), &changes))
    }
}

fn changed(value: Value, changes: &Value) -> Value {
    let Value::Object(mut members) = value else { panic!("{value} is no object") };
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    members.into()
}
