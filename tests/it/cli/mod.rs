//! The command line, run as an operator runs it.

mod calls;
mod config;
mod create;
mod doctor;
mod doctor_mcp;
mod keys;
