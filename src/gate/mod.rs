//! What every request passes on its way in: its name in the log, where it comes from, who asks, how often.

pub mod access_log;
pub mod caller;
pub mod challenge;
pub mod client_address;
pub mod csrf;
pub mod dpop;
pub mod error;
pub mod idempotency;
pub mod invitation;
pub mod original_request;
pub mod permission;
pub mod presented;
pub mod principal;
pub mod provenance;
pub mod rate_limit;
pub mod request_log;
pub mod session;
pub mod sign_in;
