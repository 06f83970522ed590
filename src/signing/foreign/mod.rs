//! JWTs that others signed with keys of their own: how a client proves who it is (RFC 7523), what it asks for
//! (RFC 9101), that it holds a key (RFC 9449).
//!
//! Which keys may have signed is for the rooms above to say, never for the JWT: whatever it points to or brings along
//! (`jku`, `x5u`, `x5c`, `jwk`) is left alone, but for the one kind of JWT that is there to show a key (RFC 9449).
//! Taken apart and verified here rather than by a library, so that nothing is accepted that is not written here.

pub mod algorithm;
pub mod header;
pub mod jws;
pub mod key_set;
pub mod nonce;
pub mod numeric_date;
pub mod public_key;
pub mod recent_id;
pub mod used_id;

mod members;
#[cfg(test)]
#[path = "../../../tests/it/support/signer.rs"]
mod signer;
