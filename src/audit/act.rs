//! Who does something, from where and when.

use std::fmt;
use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::UserId;

#[derive(Debug, Clone)]
pub struct Act {
    pub actor: Actor,
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Actor {
    pub kind: ActorKind,
    /// Of the user, key or client.
    pub id: Option<String>,
    /// As people know it: an e-mail address, a label, a name.
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    User,
    ApiKey,
    Client,
    /// Whoever has the command line.
    Operator,
    /// Nobody: a rule of the server, such as a replay that ends a grant.
    Server,
}

impl Actor {
    pub fn user(id: UserId, email: &str) -> Self {
        Self { kind: ActorKind::User, id: Some(id.to_string()), name: Some(email.to_owned()) }
    }

    pub fn client(id: ClientId, name: &str) -> Self {
        Self { kind: ActorKind::Client, id: Some(id.to_string()), name: Some(name.to_owned()) }
    }

    pub fn api_key(id: ApiKeyId, label: &str) -> Self {
        Self { kind: ActorKind::ApiKey, id: Some(id.to_string()), name: Some(label.to_owned()) }
    }
}

/// As a ledger names them: kind and id.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{}:{id}", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}

impl ActorKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Server => "server",
        }
    }
}

impl Act {
    /// On the command line.
    pub const fn of_operator(at: Timestamp) -> Self {
        Self::of(ActorKind::Operator, at)
    }

    /// By a rule of the server.
    pub const fn of_server(at: Timestamp) -> Self {
        Self::of(ActorKind::Server, at)
    }

    const fn of(kind: ActorKind, at: Timestamp) -> Self {
        Self { actor: Actor { kind, id: None, name: None }, address: None, user_agent: None, at }
    }
}
