//! What the server tells Prometheus of itself, in the `OpenMetrics` text format. What it counts is counted here; what
//! others know (the pool, Redis, the queue of the access log) is asked when somebody looks.
//!
//! No label has a value that a caller chose: each would be kept for ever.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;
use sqlx::PgPool;

use crate::app::cache::Cache;
use crate::organizations::access_queue::AccessQueue;
use crate::organizations::rate_limit::Decision;
use crate::organizations::rate_limit::RateLimiter;
use crate::organizations::rate_limit::Subject;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// In seconds: from what needs no database to what its caller has given up.
const DURATIONS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<RouteLabels, Histogram>,
    rate_limit_decisions: Family<DecisionLabels, Counter>,
    rate_limit_fallbacks: Counter,
    token_issues: Family<GrantTypeLabels, Counter>,
    webhook_deliveries: Family<OutcomeLabels, Counter>,
    logout_deliveries: Family<OutcomeLabels, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabels {
    subject: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GrantTypeLabels {
    grant_type: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    pub fn new(db: PgPool, cache: Arc<Cache>, rate_limiter: RateLimiter, access_log: AccessQueue) -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            rate_limit_decisions: Family::default(),
            rate_limit_fallbacks: Counter::default(),
            token_issues: Family::default(),
            webhook_deliveries: Family::default(),
            logout_deliveries: Family::default(),
        };
        let mut registry = Registry::with_prefix("countersign");
        metrics.register(&mut registry);
        registry.register_collector(Box::new(Observed { db, cache, rate_limiter, access_log }));
        metrics.registry = Arc::new(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "How long requests took",
            Unit::Seconds,
            self.request_duration.clone(),
        );
        registry.register(
            "rate_limit_decisions",
            "Requests counted against a rate limit",
            self.rate_limit_decisions.clone(),
        );
        registry.register(
            "rate_limit_fallbacks",
            "Requests that this node counted by itself because Redis was away",
            self.rate_limit_fallbacks.clone(),
        );
        registry.register(
            "token_issues",
            "Answers of the token endpoint with tokens",
            self.token_issues.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Attempts to deliver a webhook: delivered, refused by the receiver, or failed without an answer",
            self.webhook_deliveries.clone(),
        );
        registry.register(
            "logout_deliveries",
            "Attempts to tell an app of a logout: delivered, refused by the app, or failed",
            self.logout_deliveries.clone(),
        );
    }

    /// `route` as the router has it, not as it was asked for.
    pub fn count_request(&self, route: &str, method: &Method, status: u16, duration: Duration) {
        let (route, method) = (route.to_owned(), known(method));
        let labels = RouteLabels { route: route.clone(), method };
        self.request_duration.get_or_create(&labels).observe(duration.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }

    pub fn count_decision(&self, subject: Subject, decision: &Decision) {
        let labels = DecisionLabels {
            subject: match subject {
                Subject::Credential(_) => "credential",
                Subject::Network(_) => "address",
                Subject::Registration(_) => "registration",
            },
            outcome: if decision.is_allowed { "allowed" } else { "refused" },
        };
        self.rate_limit_decisions.get_or_create(&labels).inc();
        if decision.is_fallback {
            self.rate_limit_fallbacks.inc();
        }
    }

    pub fn count_token_issue(&self, grant_type: &'static str) {
        self.token_issues.get_or_create(&GrantTypeLabels { grant_type }).inc();
    }

    pub fn count_webhook_delivery(&self, outcome: &'static str) {
        self.webhook_deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn count_logout_delivery(&self, outcome: &'static str) {
        self.logout_deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// As [`CONTENT_TYPE`] says.
    pub fn to_text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A caller may make methods up.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// What is asked when somebody looks.
struct Observed {
    db: PgPool,
    cache: Arc<Cache>,
    rate_limiter: RateLimiter,
    access_log: AccessQueue,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

impl Observed {
    fn gauges(&self) -> [(&'static str, &'static str, i64); 5] {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        [
            ("database_connections", "Open connections to PostgreSQL", i64::from(self.db.size())),
            ("database_connections_idle", "Open connections that nobody uses", number(self.db.num_idle())),
            ("cache_rows", "Rows kept in memory", number(self.cache.row_count())),
            (
                "cache_trusted",
                "Whether what is kept in memory is believed, because this node hears of changes",
                i64::from(self.cache.lease().holds()),
            ),
            ("access_log_waiting", "Entries not yet in the access log", number(self.access_log.waiting())),
        ]
    }

    fn counters(&self) -> [(&'static str, &'static str, u64); 2] {
        [
            ("access_log_written", "Entries written into the access log", self.access_log.written()),
            ("access_log_dropped", "Entries that the access log has lost", self.access_log.dropped()),
        ]
    }
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauges = self.gauges().to_vec();
        // Without Redis there is nothing that could be up.
        let redis = self.rate_limiter.is_redis_up();
        gauges.extend(redis.map(|is_up| ("redis_up", "Whether Redis counts rate limits", i64::from(is_up))));
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, EncodeMetric::metric_type(&gauge))?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in self.counters() {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, EncodeMetric::metric_type(&counter))?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}
