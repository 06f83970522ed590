//! What the company's customers are told: events, written in the transaction of the change that they tell of
//! (the outbox) and delivered later. Low in the house, so that every subject can write one.
//!
//! A delivery is at least once. Whoever sends one first leases it, in a transaction of its own; a process that dies
//! while it sends leaves a lease that runs out, and the delivery is made again. Receivers tell repeated ones by
//! `webhook-id`.

pub mod delivery;
pub mod due;
pub mod endpoint;
pub mod event;
pub mod signature;
