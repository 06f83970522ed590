//! People, and how they prove who they are. Knows nothing of organizations or apps.

pub mod browser_session;
pub mod email;
pub mod password;
pub mod throttle;
pub mod user;
