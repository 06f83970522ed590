//! Registered applications: what they say of themselves, where people are sent back to, and how an
//! application proves that it is the one.

pub mod client;
pub mod described;
pub mod identifier;
pub mod metadata;
pub mod redirect_uri;
pub mod registration;
pub mod secret;
pub mod self_registered;
pub mod standing;
pub mod usage;

mod columns;
