//! Writes the access log beside the requests: what they left in the queue, many at once, and what follows from it
//! (when a credential was last used, that a limit was exceeded).

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use chrono::NaiveDate;
use chrono::SecondsFormat;
use serde_json::json;
use sqlx::PgPool;
use sqlx::PgTransaction;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api_keys;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::db;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::base::ids::GrantId;
use crate::clients;
use crate::grants;
use crate::organizations::access_log;
use crate::organizations::access_log::AccessEntry;
use crate::organizations::access_queue::AccessQueue;
use crate::organizations::access_queue::Left;
use crate::organizations::credential::Credential;
use crate::organizations::rate_limit::WindowState;
use crate::webhooks::event;

const WRITE_EVERY: Duration = Duration::from_secs(1);
/// What is used is seen to be used within this time. A busy credential costs a row that is updated as often, not as often
/// as it is used.
const NOTE_USES_EVERY: Duration = Duration::from_secs(5);
/// Losses are told no more often than this.
const REPORT_EVERY: Duration = Duration::from_mins(1);

pub struct AccessLogWriter {
    db: PgPool,
    queue: AccessQueue,
    /// Taken from the queue and not written yet. Kept when the database is away; what comes then waits in the queue
    /// as long as that has room.
    batch: Vec<Left>,
    /// Of what was written: not noted yet.
    uses: Uses,
    /// Whose partitions are known to be there.
    days: HashSet<NaiveDate>,
    /// Whether the database did not take this very batch, for a reason that is not an outage.
    is_refused: bool,
}

impl AccessLogWriter {
    pub fn new(app: &App) -> Self {
        let (db, queue) = (app.db.clone(), app.access_log.clone());
        let (batch, uses) = (Vec::new(), Uses::default());
        Self { db, queue, batch, uses, days: HashSet::new(), is_refused: false }
    }

    /// Writes all that is waiting, and what was used.
    pub async fn write(&mut self) -> sqlx::Result<()> {
        self.write_entries().await?;
        self.note_uses().await
    }

    /// After a failure the batch is kept and the next call begins with it.
    async fn write_entries(&mut self) -> sqlx::Result<()> {
        loop {
            self.queue.take(&mut self.batch).await;
            if self.batch.is_empty() {
                return Ok(());
            }
            let written = self.write_batch().await;
            if let Err(error) = written {
                // Perhaps a partition that was there is gone.
                self.days.clear();
                let is_hopeless = self.is_refused && !db::is_unavailable(&error);
                self.is_refused = !is_hopeless && !db::is_unavailable(&error);
                if is_hopeless {
                    // Twice the same: it would stand in the way of all that follow.
                    self.queue.note_dropped(self.batch.len().try_into().unwrap_or(u64::MAX));
                    self.batch.clear();
                }
                return Err(error);
            }
            self.is_refused = false;
            self.uses.add(&self.batch);
            self.batch.clear();
        }
    }

    /// After a failure they are kept, too.
    async fn note_uses(&mut self) -> sqlx::Result<()> {
        if self.uses.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        self.uses.note(&mut tx).await?;
        tx.commit().await?;
        self.uses = Uses::default();
        Ok(())
    }

    async fn write_batch(&mut self) -> sqlx::Result<()> {
        let entries: Vec<&AccessEntry> = self.batch.iter().filter_map(request).collect();
        let mut tx = self.db.begin().await?;
        let days: HashSet<NaiveDate> = entries.iter().map(|entry| entry.at.date_naive()).collect();
        // All before the first entry: making one waits for whoever writes into the table.
        for day in days.difference(&self.days) {
            access_log::create_day(&mut tx, *day).await?;
        }
        let new = access_log::insert(&mut tx, &entries).await?;
        for entry in &entries {
            // Few have run into a limit: the others are not looked for.
            if let Some(limit) = entry.exceeded.filter(|_| new.contains(&entry.id)) {
                tell_of_limit(&mut tx, entry, limit).await?;
            }
        }
        tx.commit().await?;
        self.queue.note_written(new.len().try_into().unwrap_or(u64::MAX));
        self.days.extend(days);
        Ok(())
    }
}

const fn request(left: &Left) -> Option<&AccessEntry> {
    match left {
        Left::Request(entry) => Some(entry),
        Left::SecretUse { .. } => None,
    }
}

/// The event `limit.exceeded`.
async fn tell_of_limit(
    tx: &mut PgTransaction<'_>,
    entry: &AccessEntry,
    limit: WindowState,
) -> sqlx::Result<()> {
    let resets_at = Timestamp::from_timestamp(limit.resets_at, 0).unwrap_or_default();
    let data = json!({
        "credential": entry.credential.to_string(),
        "limit": limit.limit,
        "window": limit.name,
        "resets_at": resets_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    });
    event::emit(tx, entry.organization, "limit.exceeded", &data, entry.at).await
}

/// The last use of each credential. In the order of ids, so that two nodes that write at once seldom want the same rows in
/// different order.
#[derive(Default)]
struct Uses {
    keys: BTreeMap<[u8; 16], api_keys::usage::Use>,
    grants: BTreeMap<[u8; 16], Timestamp>,
    clients: BTreeMap<[u8; 16], Timestamp>,
    secrets: BTreeMap<[u8; 16], Timestamp>,
}

impl Uses {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.grants.is_empty() && self.clients.is_empty()
    }

    fn add(&mut self, batch: &[Left]) {
        for left in batch {
            match left {
                Left::Request(entry) if entry.is_use => self.add_request(entry),
                Left::Request(_) => {}
                Left::SecretUse { client, secret, at } => {
                    latest(&mut self.clients, client.to_bytes(), *at);
                    latest(&mut self.secrets, secret.to_bytes(), *at);
                }
            }
        }
    }

    fn add_request(&mut self, entry: &AccessEntry) {
        match entry.credential {
            Credential::ApiKey(key) => {
                let use_of_key = api_keys::usage::Use { key, at: entry.at, from: entry.address };
                let noted = self.keys.entry(key.to_bytes()).or_insert(use_of_key);
                if noted.at <= entry.at {
                    *noted = use_of_key;
                }
            }
            Credential::Grant(grant) => latest(&mut self.grants, grant.to_bytes(), entry.at),
            Credential::Client(_) | Credential::Session(_) => {}
        }
        if let Some(client) = entry.client {
            latest(&mut self.clients, client.to_bytes(), entry.at);
        }
    }

    async fn note(&self, tx: &mut PgTransaction<'_>) -> sqlx::Result<()> {
        if !self.keys.is_empty() {
            let keys: Vec<api_keys::usage::Use> = self.keys.values().copied().collect();
            api_keys::usage::note_uses(tx, &keys).await?;
        }
        if !self.grants.is_empty() {
            let used: Vec<_> = self.grants.iter().map(|(id, at)| (GrantId::from_bytes(*id), *at)).collect();
            grants::usage::note_uses(tx, &used).await?;
        }
        if !self.clients.is_empty() {
            let used: Vec<_> = self.clients.iter().map(|(id, at)| (ClientId::from_bytes(*id), *at)).collect();
            clients::usage::note_uses(tx, &used).await?;
        }
        if !self.secrets.is_empty() {
            let used: Vec<_> =
                self.secrets.iter().map(|(id, at)| (ClientSecretId::from_bytes(*id), *at)).collect();
            clients::usage::note_secret_uses(tx, &used).await?;
        }
        Ok(())
    }
}

fn latest(uses: &mut BTreeMap<[u8; 16], Timestamp>, id: [u8; 16], at: Timestamp) {
    let noted = uses.entry(id).or_insert(at);
    *noted = at.max(*noted);
}

/// The writer at work.
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(super) fn start(app: &App) -> Running {
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(AccessLogWriter::new(app), stopped));
    Running { stop, task }
}

impl Running {
    /// Writes what is waiting; no longer than `patience`.
    pub(super) async fn stop(self, patience: Duration) {
        let _ = self.stop.send(());
        let task = self.task.abort_handle();
        if tokio::time::timeout(patience, self.task).await.is_err() {
            task.abort();
            tracing::warn!("stopped before the access log was written to its end");
        }
    }
}

async fn run(mut writer: AccessLogWriter, mut stopped: oneshot::Receiver<()>) {
    let queue = writer.queue.clone();
    let mut report = Report::default();
    let mut noted_at = Instant::now();
    loop {
        let is_stopping = tokio::select! {
            () = tokio::time::sleep(WRITE_EVERY) => false,
            // While the database is away, a full queue is no reason to hurry.
            () = queue.batch(), if !report.is_failing => false,
            _ = &mut stopped => true,
        };
        let is_time = noted_at.elapsed() >= NOTE_USES_EVERY;
        let written = if is_time { writer.write().await } else { writer.write_entries().await };
        if is_time {
            noted_at = Instant::now();
        }
        report.tell(&written, queue.dropped());
        if is_stopping {
            break;
        }
    }
    while let Err(error) = writer.write().await {
        report.tell(&Err(error), queue.dropped());
        tokio::time::sleep(WRITE_EVERY).await;
    }
}

/// What the operator is told: that it fails, that it works again, and what was lost.
#[derive(Default)]
struct Report {
    is_failing: bool,
    dropped: u64,
    told_of_dropped: Option<Instant>,
}

impl Report {
    fn tell(&mut self, written: &sqlx::Result<()>, dropped: u64) {
        match written {
            Err(error) if !self.is_failing => {
                tracing::warn!(error = %error, "the access log cannot be written; it will be tried again");
            }
            Ok(()) if self.is_failing => tracing::info!("the access log is written again"),
            _ => {}
        }
        self.is_failing = written.is_err();
        let is_time = self.told_of_dropped.is_none_or(|told| told.elapsed() >= REPORT_EVERY);
        if dropped > self.dropped && is_time {
            let lost = dropped - self.dropped;
            tracing::error!(lost, "entries of the access log were lost: more came than could be written");
            self.dropped = dropped;
            self.told_of_dropped = Some(Instant::now());
        }
    }
}
