//! The server as a process: how it starts, what it says, and how it ends; and what every answer of it has.

mod announcements;
mod log;
mod logouts;
mod mail;
mod metrics;
mod process;
mod requests;
mod tls;
mod two_processes;
mod webhooks;
