//! Who changed what that matters to security: one record of it feeds the audit log and the webhooks, in the
//! transaction of the change itself. Subjects above write here; functions that do take a transaction.

pub mod act;
pub mod log;
