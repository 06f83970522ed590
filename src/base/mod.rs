//! Ground floor: things with no product knowledge. Imports nothing from the rest of the house.

pub mod clock;
pub mod ids;
pub mod network;
pub mod secret;
pub mod server_secret;
pub mod text;

pub mod db;
pub mod document;
pub mod embedded_postgres;
pub mod lanes;
pub mod log_writer;
pub mod mail;
pub mod outgoing;
pub mod redis;
pub mod row_cache;
pub mod telemetry;
