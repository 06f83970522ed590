//! Rows of one kind that are asked for on many requests, kept in memory while this node hears of every change.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

/// Until when this node may believe what it keeps. It must be renewed all the time: a node that was cut off, or stopped,
/// has missed what was announced. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Lease {
    began: Instant,
    /// Nanoseconds after `began`.
    ends: Arc<AtomicU64>,
}

impl Default for Lease {
    /// One that has ended.
    fn default() -> Self {
        Self { began: Instant::now(), ends: Arc::default() }
    }
}

impl Lease {
    pub fn holds(&self) -> bool {
        self.began.elapsed() < Duration::from_nanos(self.ends.load(Ordering::Acquire))
    }

    pub fn renew(&self, until: Instant) {
        let length = until.saturating_duration_since(self.began);
        self.ends.store(length.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Release);
    }

    pub fn end(&self) {
        self.ends.store(0, Ordering::Release);
    }
}

/// Bounded: what has not been asked for makes room. Without a lease everything is read from the database.
pub struct RowCache<K, V> {
    rows: Cache<K, Arc<V>>,
    lease: Lease,
}

impl<K: Eq + Hash + Clone, V> RowCache<K, V> {
    pub fn new(capacity: usize, lease: Lease) -> Self {
        Self { rows: Cache::new(capacity), lease }
    }

    /// The row as it is here, or else as `find` reads it: once for all requests that want it at that time. Nothing is
    /// kept of a row that is not there, nor of one that is forgotten while it is read.
    pub async fn get<Q, E, F>(&self, key: &Q, find: impl FnOnce() -> F) -> Result<Option<Arc<V>>, E>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<Option<V>, E>>,
    {
        if self.lease.holds()
            && let Some(row) = self.rows.get(key)
        {
            return Ok(Some(row));
        }
        // Boxed: a query is a large thing, and would be moved about on every request that makes none.
        Box::pin(self.read(key, find())).await
    }

    async fn read<Q, E>(
        &self,
        key: &Q,
        find: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, E>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if !self.lease.holds() {
            return Ok(find.await?.map(Arc::new));
        }
        let room = match self.rows.get_value_or_guard_async(key).await {
            Ok(row) => return Ok(Some(row)),
            Err(room) => room,
        };
        let Some(row) = find.await?.map(Arc::new) else { return Ok(None) };
        // Fails if there is no room any more, because the key was forgotten.
        let _ = room.insert(Arc::clone(&row));
        Ok(Some(row))
    }

    pub fn forget<Q>(&self, key: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.rows.remove(key);
    }

    pub fn clear(&self) {
        self.rows.clear();
    }

    pub fn row_count(&self) -> usize {
        self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn cache() -> RowCache<u8, &'static str> {
        let lease = Lease::default();
        lease.renew(Instant::now() + Duration::from_hours(1));
        RowCache::new(100, lease)
    }

    async fn get(cache: &RowCache<u8, &'static str>, row: Option<&'static str>) -> Option<&'static str> {
        let found = cache.get(&1, async || Ok::<_, Infallible>(row)).await.unwrap();
        found.map(|row| *row)
    }

    #[tokio::test]
    async fn a_row_is_read_once() {
        let cache = cache();

        assert_eq!(get(&cache, Some("first")).await, Some("first"));

        assert_eq!(get(&cache, Some("second")).await, Some("first"));
        cache.forget(&1);
        assert_eq!(get(&cache, Some("second")).await, Some("second"));
    }

    #[tokio::test]
    async fn that_there_is_none_is_not_kept() {
        let cache = cache();

        assert_eq!(get(&cache, None).await, None);

        assert_eq!(get(&cache, Some("new")).await, Some("new"));
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_is_read_is_not_kept() {
        for forget in [RowCache::clear, |cache: &RowCache<u8, &'static str>| cache.forget(&1)] {
            let cache = cache();
            let reading = cache.get(&1, async || {
                forget(&cache);
                Ok::<_, Infallible>(Some("old"))
            });

            assert_eq!(reading.await.unwrap().as_deref(), Some(&"old"));

            assert_eq!(get(&cache, Some("new")).await, Some("new"));
        }
    }

    #[tokio::test]
    async fn without_a_lease_every_row_is_read() {
        let cache = cache();
        assert_eq!(get(&cache, Some("first")).await, Some("first"));

        cache.lease.end();

        assert_eq!(get(&cache, Some("second")).await, Some("second"));
    }
}
