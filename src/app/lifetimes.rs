//! How long tokens live, unless their client says otherwise.

use anyhow::ensure;
use chrono::TimeDelta;

use crate::app::config::Settings;
use crate::clients::registration::Lifetimes;

pub(super) fn of(settings: &Settings) -> anyhow::Result<Lifetimes> {
    let seconds = |name: &str, value: i64, most: i64| {
        ensure!((1..=most).contains(&value), "{name} must be 1 to {most}");
        Ok(TimeDelta::seconds(value))
    };
    ensure!((0..=1800).contains(&settings.retry_window_seconds), "retry_window_seconds must be 0 to 1800");
    let ten_years = 3650 * 24 * 3600;
    Ok(Lifetimes {
        access_token: seconds("access_token_seconds", settings.access_token_seconds, 24 * 3600)?,
        refresh_token_idle: seconds(
            "refresh_token_idle_seconds",
            settings.refresh_token_idle_seconds,
            ten_years,
        )?,
        refresh_token_max: seconds(
            "refresh_token_max_seconds",
            settings.refresh_token_max_seconds,
            ten_years,
        )?,
        retry_window: TimeDelta::seconds(settings.retry_window_seconds),
    })
}
