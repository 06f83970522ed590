//! What the server says of itself on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// `filter` as in `info,countersign=debug`; `json` for one JSON object a line. `writer` brings the lines there.
pub fn init<W>(filter: &str, json: bool, writer: W) -> anyhow::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A session that has run out is nothing to be warned of.
    let filter = EnvFilter::try_new(format!("tower_sessions_core=error,{filter}"))?;
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_span_events(FmtSpan::NONE);
    let result = if json {
        subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    result.map_err(|error| anyhow::anyhow!("{error}"))
}
