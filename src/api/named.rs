//! Who and what many answers name, always in the same words.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::gate::principal::Principal;
use crate::organizations::organization::Organization;

#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct NamedUser {
    pub(super) id: UserId,
    pub(super) email: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NamedClient)]
pub(super) struct NamedClient {
    pub(super) id: ClientId,
    pub(super) name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NamedApiKey)]
pub(super) struct NamedKey {
    pub(super) id: ApiKeyId,
    pub(super) label: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NamedOrganization)]
pub(super) struct NamedOrganization {
    pub(super) id: OrganizationId,
    /// `companyId` of the session API's users.
    pub(super) number: i64,
    pub(super) name: String,
    /// The plan's name.
    pub(super) plan: String,
}

impl From<&Organization> for NamedOrganization {
    fn from(organization: &Organization) -> Self {
        Self {
            id: organization.id,
            number: organization.number,
            name: organization.name.clone(),
            plan: organization.plan.name.clone(),
        }
    }
}

/// The caller: what of it there is depends on the credential.
#[derive(Serialize, ToSchema)]
pub(super) struct Who {
    /// The person behind the credential.
    pub(super) user: Option<NamedUser>,
    /// The app, if the credential is an OAuth token.
    pub(super) client: Option<NamedClient>,
    /// If the credential is an API key.
    pub(super) key: Option<NamedKey>,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        let user = principal.user.as_ref();
        let client = principal.client.as_ref();
        let key = principal.key.as_ref();
        Self {
            user: user.map(|user| NamedUser { id: user.id, email: user.email.clone() }),
            client: client.map(|client| NamedClient { id: client.id, name: client.name.clone() }),
            key: key.map(|key| NamedKey { id: key.id, label: key.name.clone() }),
        }
    }
}
