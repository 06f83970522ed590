//! Puts the house together: every URL, the order of middleware, workers, shutdown.

pub mod database;
pub mod demo;
pub mod health;
pub mod run;
pub mod secret;
pub mod webhooks;

mod layers;
mod router;
mod workers;

pub use router::router;
