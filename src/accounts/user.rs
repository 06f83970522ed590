//! A person.

use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::accounts::password::PasswordHash;
use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::db;
use crate::base::ids::UserId;
use crate::base::text;

#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    /// As typed; unique whatever its case.
    pub email: String,
    /// When a mail to the address proved that it is theirs.
    pub email_verified_at: Option<Timestamp>,
    /// As they want apps to call them.
    pub name: Option<String>,
    pub is_superadmin: bool,
    pub created_at: Timestamp,
    /// When what apps are told of them last changed.
    pub updated_at: Timestamp,
}

/// In characters.
const MAX_NAME_LENGTH: usize = 100;

/// A name as it is kept, and none for an empty one; the text of a refusal is for the person.
pub fn parse_name(text: &str) -> Result<Option<&str>, &'static str> {
    let name = text.trim();
    if name.is_empty() {
        return Ok(None);
    }
    let is_name = name.chars().count() <= MAX_NAME_LENGTH && text::is_plain(name);
    if is_name { Ok(Some(name)) } else { Err("A name has at most 100 characters, none of them invisible.") }
}

/// `None` if the address is taken.
pub async fn create(
    db: &mut PgConnection,
    email: &str,
    password: &PasswordHash,
    now: Timestamp,
) -> sqlx::Result<Option<User>> {
    let user = User {
        id: UserId::new(now),
        email: email.to_owned(),
        email_verified_at: None,
        name: None,
        is_superadmin: false,
        created_at: now,
        updated_at: now,
    };
    let created = sqlx::query!(
        "insert into users (id, email, password_hash, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        user.id as UserId,
        user.email,
        password.as_str(),
        now,
    )
    .execute(db)
    .await;
    match created {
        Ok(_) => Ok(Some(user)),
        Err(error) if db::violates(&error, "users_email_key") => Ok(None),
        Err(error) => Err(error),
    }
}

pub async fn find(db: &mut PgConnection, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select id as "id: UserId", email, email_verified_at, name, is_superadmin, created_at, updated_at
          from users
         where id = $1
        "#,
        id as UserId,
    )
    .fetch_optional(db)
    .await
}

/// Until the transaction ends, what takes this lock for the same person waits.
pub async fn lock(db: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!("select id from users where id = $1 for no key update", id as UserId)
        .fetch_optional(db)
        .await?;
    Ok(())
}

/// The person with this address, in whatever case, and what the password must match.
pub async fn find_by_email(db: &mut PgConnection, email: &str) -> sqlx::Result<Option<(User, PasswordHash)>> {
    let row = sqlx::query!(
        r#"
        select id as "id: UserId", email, email_verified_at, name, is_superadmin, created_at, updated_at,
               password_hash
          from users
         where lower(email) = lower($1)
        "#,
        email,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let user = User {
            id: row.id,
            email: row.email,
            email_verified_at: row.email_verified_at,
            name: row.name,
            is_superadmin: row.is_superadmin,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        (user, PasswordHash::from_stored(row.password_hash))
    }))
}

/// Stores the same password hashed anew, unless it was changed meanwhile.
pub async fn rehash_password(
    db: &mut PgConnection,
    id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        id as UserId,
        old.as_str(),
        new.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn set_password(db: &mut PgConnection, id: UserId, password: &PasswordHash) -> sqlx::Result<()> {
    sqlx::query!("update users set password_hash = $2 where id = $1", id as UserId, password.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// A mail to the person's address was answered.
pub async fn note_verified_email(db: &mut PgConnection, id: UserId, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set email_verified_at = $2, updated_at = $2 where id = $1 and email_verified_at is null",
        id as UserId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The name has been checked.
pub async fn set_name(
    db: &mut PgConnection,
    id: UserId,
    name: Option<&str>,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set name = $2, updated_at = $3 where id = $1 and name is distinct from $2",
        id as UserId,
        name,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Those whose address holds `text`; the newest first, at most `limit`, those older than `before`.
pub async fn search(
    db: &mut PgConnection,
    text: &str,
    (before, limit): (Option<UserId>, i64),
) -> sqlx::Result<Vec<User>> {
    sqlx::query_as!(
        User,
        r#"
        select id as "id: UserId", email, email_verified_at, name, is_superadmin, created_at, updated_at
          from users
         where strpos(lower(email), lower($1)) > 0
           and ($2::uuid is null or id < $2)
         order by id desc
         limit $3
        "#,
        text,
        before as Option<UserId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Lets the person manage the whole server, or no longer. Nothing is recorded where nothing changes.
pub async fn set_superadmin(
    tx: &mut PgTransaction<'_>,
    user: &User,
    is_superadmin: bool,
    act: &Act,
) -> sqlx::Result<()> {
    let done = sqlx::query!(
        "update users set is_superadmin = $2 where id = $1 and is_superadmin <> $2",
        user.id as UserId,
        is_superadmin,
    )
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    let change = Change {
        organization: None,
        action: "user.superadmin_changed",
        target: ("user", user.id.to_string()),
        before: Some(json!({ "is_superadmin": !is_superadmin })),
        after: Some(json!({ "is_superadmin": is_superadmin })),
    };
    log::record(tx, act, &change).await
}

/// The e-mail addresses of people.
pub async fn emails(db: &mut PgConnection, users: &[UserId]) -> sqlx::Result<Vec<(UserId, String)>> {
    let rows = sqlx::query!(
        r#"select id as "id: UserId", email from users where id = any($1)"#,
        users as &[UserId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}
