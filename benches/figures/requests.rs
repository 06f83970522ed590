//! Requests as bytes, made before anything is measured.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::tenants::Tenant;

/// With a key or an access token.
pub fn get(path: &str, credential: &str) -> Vec<u8> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: auth.example.com\r\nUser-Agent: figures\r\nAuthorization: Bearer {credential}\r\n\r\n"
    );
    request.into_bytes()
}

/// As a proxy asks for its caller.
pub fn verify(credential: &str) -> Vec<u8> {
    let request = format!(
        "GET /v1/auth/verify HTTP/1.1\r\nHost: auth.example.com\r\nUser-Agent: figures\r\n\
         X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /contacts/17\r\nX-Forwarded-For: 203.0.113.7\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example.com\r\nAuthorization: Bearer {credential}\r\n\r\n"
    );
    request.into_bytes()
}

pub fn delete(path: &str, key: &str) -> Vec<u8> {
    let request =
        format!("DELETE {path} HTTP/1.1\r\nHost: auth.example.com\r\nAuthorization: Bearer {key}\r\n\r\n");
    request.into_bytes()
}

/// From an app that proves itself with its secret.
pub fn form(path: &str, tenant: &Tenant, fields: &str) -> Vec<u8> {
    let credentials = STANDARD.encode(format!("{}:{}", tenant.client, tenant.client_secret));
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: auth.example.com\r\nUser-Agent: figures\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{fields}",
        fields.len()
    );
    request.into_bytes()
}

/// From a person in a network of their own.
pub fn log_in(number: usize, email: &str, password: &str) -> Vec<u8> {
    let body = serde_json::json!({ "email": email, "password": password }).to_string();
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: auth.example.com\r\nX-Forwarded-For: 198.51.{}.{}\r\n\
         X-Forwarded-Proto: https\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        number / 250,
        number % 250,
        body.len()
    );
    request.into_bytes()
}
