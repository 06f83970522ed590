//! Puts the house together: every URL, the order of middleware, workers, shutdown.

pub mod access_log_writer;
pub mod announcements;
pub mod database;
pub mod demo;
pub mod health;
pub mod logouts;
pub mod run;
pub mod secret;
pub mod tls;
pub mod webhooks;
pub mod workers;

mod layers;
mod metrics;
mod router;
mod worker;

pub use router::router;
