//! What an organization pays for. Plans are rows, so a deployment may have its own.

use sqlx::PgConnection;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    pub requests_per_hour: u32,
    pub requests_per_minute: u32,
    pub has_oauth_apps: bool,
    pub has_ip_allowlist: bool,
}

/// The cheapest plan, by its rate, that has OAuth apps; for the message that asks to upgrade.
pub async fn cheapest_with_oauth_apps(db: &mut PgConnection) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("select name from plans where has_oauth_apps order by requests_per_hour limit 1")
        .fetch_optional(db)
        .await
}

/// The same for IP allowlists.
pub async fn cheapest_with_ip_allowlist(db: &mut PgConnection) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("select name from plans where has_ip_allowlist order by requests_per_hour limit 1")
        .fetch_optional(db)
        .await
}

pub async fn exists(db: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists(select from plans where name = $1) as "exists!""#, name)
        .fetch_one(db)
        .await
}

/// All of them, the smallest first.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<Plan>> {
    let rows = sqlx::query!(
        "select name, requests_per_hour, requests_per_minute, has_oauth_apps, has_ip_allowlist
           from plans
          order by requests_per_hour, name"
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Plan {
            name: row.name,
            requests_per_hour: row.requests_per_hour.unsigned_abs(),
            requests_per_minute: row.requests_per_minute.unsigned_abs(),
            has_oauth_apps: row.has_oauth_apps,
            has_ip_allowlist: row.has_ip_allowlist,
        })
        .collect())
}
