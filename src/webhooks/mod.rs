//! What the company's customers are told: events, written in the transaction of the change that they tell of
//! (the outbox) and delivered later. Low in the house, so that every subject can write one.

pub mod event;
