mod session;
mod session_refresh;
mod session_refusals;
mod throttle;

mod credentials;
mod insecure;
mod rate_limit;
mod refusals;

mod access_log;
mod access_log_writer;
mod api_key_rotation;
mod api_keys;
mod audit_log;
mod auth_test;
mod clients;
mod credits;
mod grants;
mod idempotency;
mod invitations;
mod ip_allowlist;
mod members;
mod organization;
mod profile;
mod verify;
mod verify_refusals;
