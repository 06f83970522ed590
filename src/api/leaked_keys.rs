//! `POST /leaked-keys`: whoever finds a key where it should not be, such as a secret scanner, ends it. Having the
//! key is all the proof that is needed; nothing is told of those that are none.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::api::json_body::JsonBody;
use crate::api_keys::format;
use crate::api_keys::key;
use crate::api_keys::key::Ending;
use crate::api_keys::verify;
use crate::app::App;
use crate::audit::act::Actor;
use crate::audit::act::ActorKind;
use crate::base::secret::Secret;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::provenance::Provenance;

/// In one report.
const MAX_KEYS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    keys: Vec<Secret>,
}

pub async fn report(
    State(app): State<App>,
    provenance: Provenance,
    JsonBody(body): JsonBody<Report>,
) -> Result<StatusCode, ApiError> {
    if body.keys.len() > MAX_KEYS {
        let message = format!("At most {MAX_KEYS} keys can be reported at once");
        return Err(ApiErrorCode::ValidationError.because(message).at("keys"));
    }
    let act = provenance.act(Actor { kind: ActorKind::Server, id: None, name: Some("a report".to_owned()) });
    for text in &body.keys {
        // Junk ends here, without a look into the database.
        let Some(parts) = format::parse(text.expose().trim(), &app.config.api_key_prefix) else { continue };
        let mut tx = app.db.begin().await?;
        if let Some(found) = verify::find_presented(&mut tx, &parts, act.at).await? {
            key::revoke(&mut tx, found.organization_id, found.id, Ending::Leaked, &act).await?;
        }
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
