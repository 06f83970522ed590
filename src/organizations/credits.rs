//! What an organization has paid for and not used up yet, in cents, and the ledger of how it came and went.
//!
//! The company's own billing debits; the gate only looks. A debit is one statement that takes what is there or
//! nothing, so that of several at once none finds what another has taken.

use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::CreditEntryId;
use crate::base::ids::OrganizationId;
use crate::base::text;

/// Of one entry and of a balance: JSON numbers are exact up to nine times this.
pub const MAX_CENTS: i64 = 1_000_000_000_000_000;

/// Of a reason, in characters.
pub const MAX_REASON_LENGTH: usize = 200;

/// A line of the ledger.
#[derive(Debug)]
pub struct CreditEntry {
    pub id: CreditEntryId,
    /// Negative: a debit.
    pub amount_cents: i64,
    /// Afterwards.
    pub balance_cents: i64,
    pub reason: String,
    /// As the audit log names them.
    pub created_by: String,
    pub created_at: Timestamp,
}

/// What came of a debit or a grant.
#[derive(Debug)]
pub enum Moved {
    Yes(CreditEntry),
    /// There is less than that, or with it there would be more than [`MAX_CENTS`]: nothing was moved.
    No {
        balance_cents: i64,
    },
    NoSuchOrganization,
}

/// Takes `amount_cents`, which is positive. To be committed whatever comes of it: also a debit that finds too
/// little is the end of the credits, which is told once until the next grant.
pub async fn debit(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    amount_cents: i64,
    reason: &str,
    act: &Act,
) -> sqlx::Result<Moved> {
    let left = sqlx::query_scalar!(
        r#"
        update organizations
           set credits_cents = credits_cents - $2
         where id = $1
           and credits_cents >= $2
        returning credits_cents
        "#,
        organization as OrganizationId,
        amount_cents,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(balance_cents) = left else {
        note_exhaustion(tx, organization, amount_cents, act).await?;
        return unmoved(tx, organization).await;
    };
    let entry = write(tx, organization, (-amount_cents, balance_cents), reason, act).await?;
    if balance_cents == 0 {
        note_exhaustion(tx, organization, amount_cents, act).await?;
    }
    Ok(Moved::Yes(entry))
}

/// Adds `amount_cents`, which is positive.
pub async fn grant(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    amount_cents: i64,
    reason: &str,
    act: &Act,
) -> sqlx::Result<Moved> {
    let balance = sqlx::query_scalar!(
        r#"
        update organizations
           set credits_cents = credits_cents + $2, credits_exhausted_at = null
         where id = $1
           and credits_cents <= $3
        returning credits_cents
        "#,
        organization as OrganizationId,
        amount_cents,
        MAX_CENTS - amount_cents,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(balance_cents) = balance else { return unmoved(tx, organization).await };
    let entry = write(tx, organization, (amount_cents, balance_cents), reason, act).await?;
    let change = Change {
        organization: Some(organization),
        action: "credits.granted",
        target: ("credits", organization.to_string()),
        before: Some(json!({ "balance_cents": balance_cents - amount_cents })),
        after: Some(
            json!({ "balance_cents": balance_cents, "amount_cents": amount_cents, "reason": reason }),
        ),
    };
    log::record(tx, act, &change).await?;
    Ok(Moved::Yes(entry))
}

async fn unmoved(tx: &mut PgTransaction<'_>, organization: OrganizationId) -> sqlx::Result<Moved> {
    let balance = sqlx::query_scalar!(
        "select credits_cents from organizations where id = $1",
        organization as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(balance.map_or(Moved::NoSuchOrganization, |balance_cents| Moved::No { balance_cents }))
}

async fn write(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    (amount_cents, balance_cents): (i64, i64),
    reason: &str,
    act: &Act,
) -> sqlx::Result<CreditEntry> {
    let entry = CreditEntry {
        id: CreditEntryId::new(act.at),
        amount_cents,
        balance_cents,
        reason: reason.to_owned(),
        created_by: act.actor.to_string(),
        created_at: act.at,
    };
    sqlx::query!(
        r#"
        insert into credit_entries
               (id, organization_id, amount_cents, balance_cents, reason, created_by, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        "#,
        entry.id as CreditEntryId,
        organization as OrganizationId,
        entry.amount_cents,
        entry.balance_cents,
        entry.reason,
        entry.created_by,
        entry.created_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(entry)
}

/// Only the first time since the last grant; and not if a grant came in between.
async fn note_exhaustion(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    asked_cents: i64,
    act: &Act,
) -> sqlx::Result<()> {
    let left = sqlx::query_scalar!(
        r#"
        update organizations
           set credits_exhausted_at = $2
         where id = $1
           and credits_exhausted_at is null
           and credits_cents < $3
        returning credits_cents
        "#,
        organization as OrganizationId,
        act.at,
        asked_cents,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(balance_cents) = left else { return Ok(()) };
    let change = Change {
        organization: Some(organization),
        action: "credits.exhausted",
        target: ("credits", organization.to_string()),
        before: None,
        after: Some(json!({ "balance_cents": balance_cents, "asked_cents": asked_cents })),
    };
    log::record(tx, act, &change).await
}

/// The newest first, at most `limit`, those older than `before`.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    before: Option<CreditEntryId>,
    limit: i64,
) -> sqlx::Result<Vec<CreditEntry>> {
    sqlx::query_as!(
        CreditEntry,
        r#"
        select id as "id: CreditEntryId", amount_cents, balance_cents, reason, created_by, created_at
          from credit_entries
         where organization_id = $1
           and ($2::uuid is null or id < $2)
         order by id desc
         limit $3
        "#,
        organization as OrganizationId,
        before as Option<CreditEntryId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The reason as it is kept, or `None` if it is empty, too long or has characters that cannot be seen.
pub fn parse_reason(reason: &str) -> Option<&str> {
    let reason = reason.trim();
    let is_good = (1..=MAX_REASON_LENGTH).contains(&reason.chars().count()) && text::is_plain(reason);
    is_good.then_some(reason)
}
