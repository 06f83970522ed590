//! The developer's face: JSON. `/v1` for any credential, `/v1/auth/verify` for proxies, `/api/auth` for a vendor's
//! own front end.

pub mod access_log;
pub mod api_keys;
pub mod audit_log;
pub mod auth_test;
pub mod clients;
pub mod credits;
pub mod grants;
pub mod invitations;
pub mod ip_allowlist;
pub mod leaked_keys;
pub mod members;
pub mod openapi;
pub mod organization;
pub mod profile;
pub mod session;
pub mod verify;
pub mod webhooks;

mod json_body;
mod named;
mod page;
mod path;
mod query;
