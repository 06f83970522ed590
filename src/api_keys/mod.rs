//! Static API keys: create, rotate, revoke, verify.

pub mod format;
pub mod key;
pub mod usage;
pub mod verify;
