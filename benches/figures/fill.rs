//! Keys and grants by the million. Everything about one follows from its number, so that each can be used though none
//! is kept here.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::base::ids::ApiKeyId;
use countersign::base::ids::GrantId;
use countersign::base::secret::sha256;
use sqlx::AssertSqlSafe;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::postgres;
use crate::postgres::Postgres;
use crate::tenants::Tenant;

/// For fewer rows the indexes stay.
const MANY: u64 = 100_000;

/// What rows are numbered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    Keys = 1,
    /// With a refresh token: generation 1.
    Grants = 2,
    /// With a code: generation 0.
    Codes = 3,
}

impl Series {
    fn id(self, number: u64) -> [u8; 16] {
        let mut bytes = [0x01, 0x90, 0, self as u8, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        bytes[10..].copy_from_slice(&number.to_be_bytes()[2..]);
        bytes
    }

    /// The same in SQL; `number` is a `bigint`.
    pub fn id_in_sql(self, number: &str) -> String {
        format!("('0190000{}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid", self as u8)
    }
}

pub fn key_id(number: u64) -> ApiKeyId {
    ApiKeyId::from_bytes(Series::Keys.id(number))
}

pub fn grant_id(series: Series, number: u64) -> GrantId {
    GrantId::from_bytes(series.id(number))
}

/// Spread over the index, and no two alike.
pub fn public_id_of_key(number: u64) -> String {
    format!("{:08x}", (number * 2_654_435_761) & 0xffff_ffff)
}

pub fn secret_of_key(number: u64) -> String {
    format!("{number:032x}")
}

/// The first key of each organization may do everything there.
const KEYS: &str = "
    insert into api_keys (id, organization_id, public_id, secret_hash, label, scopes, created_by, created_at)
    select {id}, ($3::uuid[])[1 + n % {tenants}], lpad(to_hex((n * 2654435761) & 4294967295), 8, '0'),
           sha256(lpad(to_hex(n), 32, '0')::bytea), 'Key ' || n,
           case when n < {tenants} then '{admin}'::text[] else '{read,write}' end,
           ($5::uuid[])[1 + n % {tenants} * {people}], now()
      from generate_series($1::bigint, $2::bigint - 1) n
     where $4::uuid[] is not null and $6::smallint is not null and $7::text is not null";

const GRANTS: &str = "
    insert into grants
           (id, organization_id, client_id, user_id, scopes, resources, redirect_uri, redirect_uri_asked,
            code_challenge, auth_time, acr, amr, sid, generation, token_key, rotated_at, created_at, expires_at)
    select {id}, ($3::uuid[])[1 + n % {tenants}], ($4::uuid[])[1 + n % {tenants}],
           ($5::uuid[])[1 + n % {tenants} * {people} + n / {tenants} % {people}], '{read,write}', '{}',
           '{redirect_uri}', true, $7, now(), 'urn:countersign:acr:password', '{pwd}', {id}, {generation}, $6, now(),
           now(), now() + interval '300 days'
      from generate_series($1::bigint, $2::bigint - 1) n";

/// Proves the codes (RFC 7636 §4.1).
pub const VERIFIER: &str = "a-verifier-for-every-code-of-the-bench-0123456789";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()))
}

/// What to fill tables with.
pub struct Filling<'a> {
    pub postgres: &'a Postgres,
    pub tenants: &'a [Tenant],
    /// With which codes and refresh tokens are derived.
    pub token_key: i16,
}

impl Filling<'_> {
    /// Keys and grants `from..to`, at the same time.
    pub async fn grow(&self, from: u64, to: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        tokio::try_join!(self.insert(Series::Keys, from, to), self.insert(Series::Grants, from, to))?;
        let mut db = self.postgres.connect().await?;
        postgres::execute(&mut db, "checkpoint").await?;
        eprintln!("filled up to {to} keys and grants in {:.1} s", began.elapsed().as_secs_f64());
        Ok(())
    }

    pub async fn insert(&self, series: Series, from: u64, to: u64) -> anyhow::Result<()> {
        let (table, sql) = match series {
            Series::Keys => ("api_keys", KEYS),
            Series::Grants | Series::Codes => ("grants", GRANTS),
        };
        let mut db = self.postgres.connect_to_fill().await?;
        let indexes = if to - from > MANY { take_indexes(&mut db, table).await? } else { Vec::new() };
        self.insert_rows(&mut db, series, sql, from..to).await?;
        for index in indexes {
            postgres::execute(&mut db, &index).await?;
        }
        postgres::execute(&mut db, &format!("vacuum analyze {table}")).await
    }

    async fn insert_rows(
        &self,
        db: &mut PgConnection,
        series: Series,
        sql: &str,
        numbers: std::ops::Range<u64>,
    ) -> anyhow::Result<()> {
        let sql = sql
            .replace("{id}", &series.id_in_sql("n"))
            .replace("{tenants}", &self.tenants.len().to_string())
            .replace("{people}", &self.tenants[0].people.len().to_string())
            .replace("{redirect_uri}", crate::tenants::REDIRECT_URI)
            .replace("{generation}", if series == Series::Codes { "0" } else { "1" });
        let tenants = self.tenants.iter();
        let organizations: Vec<Uuid> = tenants.clone().map(|one| uuid(one.organization.to_bytes())).collect();
        let clients: Vec<Uuid> = tenants.clone().map(|one| uuid(one.client.to_bytes())).collect();
        let people: Vec<Uuid> =
            tenants.flat_map(|one| &one.people).map(|person| uuid(person.to_bytes())).collect();
        sqlx::query(AssertSqlSafe(sql))
            .bind(numbers.start.cast_signed())
            .bind(numbers.end.cast_signed())
            .bind(organizations)
            .bind(clients)
            .bind(people)
            .bind(self.token_key)
            .bind(challenge())
            .execute(db)
            .await?;
        Ok(())
    }
}

fn uuid(bytes: [u8; 16]) -> Uuid {
    Uuid::from_bytes(bytes)
}

/// Drops the indexes of a table, save that of its key, to which others refer; the answer makes them again.
async fn take_indexes(db: &mut PgConnection, table: &str) -> anyhow::Result<Vec<String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        r"
        select case when c.oid is null then format('drop index %s', i.indexrelid::regclass)
                    else format('alter table %s drop constraint %I', i.indrelid::regclass, c.conname) end,
               case when c.oid is null then pg_get_indexdef(i.indexrelid)
                    else format('alter table %s add constraint %I %s', i.indrelid::regclass, c.conname,
                                pg_get_constraintdef(c.oid)) end
          from pg_index i
          left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'u'
         where i.indrelid = $1::regclass
           and not i.indisprimary
        ",
    )
    .bind(table)
    .fetch_all(&mut *db)
    .await?;
    for (drop, _) in &rows {
        postgres::execute(db, drop).await?;
    }
    Ok(rows.into_iter().map(|(_, create)| create).collect())
}
