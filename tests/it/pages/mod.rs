mod sessions;
mod sign_in;
mod sign_up;

mod invitations;
mod settings_access_log;
mod settings_account;
mod settings_api;
mod settings_apps;
mod settings_audit_log;
mod settings_developer;
mod settings_organization;
mod settings_security;
mod settings_webhooks;
mod visitors;

mod admin;
mod csrf;
mod device;
mod errors;
mod escaping;
mod headers;
mod hostile_forms;
mod playground;
