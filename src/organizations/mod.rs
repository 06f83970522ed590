//! The tenants: who belongs to one, what its plan gives it, and the sessions in which its people work.

pub mod access_log;
pub mod access_queue;
pub mod amendment;
pub mod credential;
pub mod credits;
pub mod idempotent_request;
pub mod invitation;
pub mod ip_allowlist;
pub mod member;
pub mod organization;
pub mod plan;
pub mod rate_limit;
pub mod session;
pub mod webhook;
