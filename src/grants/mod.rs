//! What a client has been given: a person's consent, the code and refresh tokens that follow from it, access tokens,
//! and word of who the person is, and of when they sign out.
//!
//! One row a grant, and none a token. The code and the refresh tokens of a grant are its generations
//! ([`generation`]): derived from the row, moved on by one statement. Access tokens are signed ([`access_token`])
//! and name their grant, whose row is looked at when they are used: so a revocation counts at once.
//!
//! What a client asks for and nobody has answered yet is a [`pending_request`], where it does not stand in the browser's
//! address as it is.
//!
//! A device without a browser ([`device`]) gets its grant's first tokens by polling. A part of a grant can be passed
//! on to another actor ([`child`]).

pub mod access_token;
pub mod child;
pub mod connected_app;
pub mod device;
pub mod generation;
pub mod grant;
pub mod id_token;
pub mod identity;
pub mod logout_delivery;
pub mod logout_token;
pub mod membership;
pub mod pending_request;
pub mod sign_out;
pub mod subject;
pub mod unused_client;
pub mod usage;
pub mod user_code;
