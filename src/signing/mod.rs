//! The server's own keys, and what is made with them: signed tokens (JWT) that anybody can verify, and
//! derived tokens (codes, refresh tokens) that only this server can.
//!
//! Keys live in the database, sealed under the server secret, so that every node has the same ones and a
//! stolen database has none. Knows nothing of clients, people or grants.
//!
//! And, in [`foreign`], JWTs that others signed with theirs.

pub mod algorithm;
pub mod derived;
pub mod foreign;
pub mod jwt;
pub mod key;
pub mod keyring;
pub mod private_key;
pub mod token_key;
