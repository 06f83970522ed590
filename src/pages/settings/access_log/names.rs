//! What people call the credentials in the log.

use sqlx::PgConnection;

use crate::accounts::user;
use crate::api_keys;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::clients;
use crate::organizations::access_log::reading::ReadEntry;
use crate::organizations::credential::Credential;

pub struct Names {
    keys: Vec<(ApiKeyId, String)>,
    clients: Vec<(ClientId, String)>,
    users: Vec<(UserId, String)>,
}

impl Names {
    pub async fn find(
        db: &mut PgConnection,
        organization: OrganizationId,
        entries: &[ReadEntry],
    ) -> sqlx::Result<Self> {
        let keys = entries.iter().filter_map(|entry| match entry.credential {
            Credential::ApiKey(id) => Some(id),
            _ => None,
        });
        let keys: Vec<ApiKeyId> = keys.collect();
        let clients: Vec<ClientId> = entries.iter().filter_map(|entry| entry.client).collect();
        let users: Vec<UserId> = entries.iter().filter_map(|entry| entry.user).collect();
        Ok(Self {
            keys: api_keys::usage::labels(db, organization, &keys).await?,
            clients: clients::usage::names(db, &clients).await?,
            users: user::emails(db, &users).await?,
        })
    }

    /// The id of what is gone.
    pub fn of(&self, entry: &ReadEntry) -> String {
        let client = entry.client.and_then(|id| name(&self.clients, &id));
        let user = entry.user.and_then(|id| name(&self.users, &id));
        let known = match entry.credential {
            Credential::ApiKey(id) => name(&self.keys, &id).map(|label| format!("Key {label}")),
            Credential::Client(_) => client.map(str::to_owned),
            Credential::Session(_) => user.map(|email| format!("{email}, signed in")),
            Credential::Grant(_) => client.map(|client| match user {
                Some(email) => format!("{client} for {email}"),
                None => client.to_owned(),
            }),
        };
        known.unwrap_or_else(|| entry.credential.id())
    }
}

fn name<'a, T: PartialEq>(names: &'a [(T, String)], id: &T) -> Option<&'a str> {
    names.iter().find(|(known, _)| known == id).map(|(_, name)| name.as_str())
}
