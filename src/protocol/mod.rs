//! Decides, never does IO: drives oxide-auth's state machines over the parameters of a request, the client
//! and what was loaded of its grant. The only room that knows oxide-auth.
//!
//! The machines decide which checks are made, in which order and with which error. What they get wrong on
//! the wire is put right here, each with its reason: they call an unknown code and a failed PKCE
//! `invalid_request`, they go by the system's clock (so they are never told a real expiry), they print scopes
//! in random order, and they compare redirect URIs after parsing (so they are compared as text before).

pub mod authorize;
pub mod client_credentials;
pub mod device;
pub mod exchange;
pub mod pkce;
pub mod refresh;

mod grant;

/// Why a request was refused, in the words of RFC 6749 §5.2 and §4.1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    InvalidRequest(&'static str),
    InvalidGrant(&'static str),
    InvalidScope(&'static str),
    UnsupportedResponseType(&'static str),
    /// A machine was in a state that it cannot be in.
    OutOfStep,
}
