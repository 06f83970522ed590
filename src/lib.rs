//! Countersign, an OAuth 2.0 authorization server. This list is the map of the house, roof to ground; a room
//! may use only the rooms written below its own group (checked by `tests/it/house_rules.rs`).
//!
//! - [`cli`] the command line
//! - [`server`] puts the house together: every URL, the order of middleware, workers, shutdown
//! - [`oauth`] face for programs: the OAuth 2.0 endpoints
//! - [`api`] face for developers: the JSON API and the session API; [`pages`] face for people
//! - [`gate`] what every request passes: address, caller, rate, session, log
//! - [`app`] what every handler is handed: database and what is kept of it in memory, clock, keys, configuration, links
//! - [`protocol`] decides, never does IO: drives oxide-auth
//! - [`grants`] what a client has been given
//! - [`clients`] registered applications; [`api_keys`] static keys
//! - [`organizations`] the tenants, their plans, members and sessions
//! - [`accounts`] people and how they prove who they are
//! - [`audit`] who changed what: the audit log, and what webhooks tell of it
//! - [`webhooks`] events, written with the change and delivered later
//! - [`scopes`] what a credential may do; [`signing`] the server's own keys
//! - [`base`] clock, ids, secrets, database
//!
//! Things lie below, by subject; faces above, by audience. A subject owns its types, rules and SQL and knows
//! no HTTP; a face speaks HTTP and holds no SQL.

pub mod cli;

pub mod server;

pub mod oauth;

pub mod api;
pub mod pages;

pub mod gate;

pub mod app;
pub mod protocol;

pub mod grants;

pub mod api_keys;
pub mod clients;

pub mod organizations;

pub mod accounts;

pub mod audit;

pub mod webhooks;

pub mod scopes;
pub mod signing;

pub mod base;
