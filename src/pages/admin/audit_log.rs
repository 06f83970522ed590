//! `/admin/audit-log`: changes of the whole server, which are no organization's.

use axum::extract::Query;
use axum::extract::State;

use crate::app::App;
use crate::pages::admin::AUDIT_LOG;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::settings::audit_log::Asked;
use crate::pages::settings::audit_log::AuditLog;

pub async fn get(
    State(app): State<App>,
    superadmin: Superadmin,
    Query(asked): Query<Asked>,
) -> Result<Page<AuditLog>, PageError> {
    let frame = superadmin.frame(AUDIT_LOG).await?;
    let page = AuditLog::empty(frame, AUDIT_LOG, "this server as a whole".to_owned());
    page.filled(&app, &superadmin.0, None, &asked).await
}
