//! How long an old secret goes on beside the new one, where a key or a webhook is given a new one.

use chrono::TimeDelta;

use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::parts::Choice;

/// In seconds.
const OFFERED: [(i64, &str); 4] =
    [(0, "Now"), (3600, "In 1 hour"), (86_400, "In 24 hours"), (604_800, "In 7 days")];

pub struct Overlap {
    pub length: TimeDelta,
    /// When the old secret ends, within a sentence; `None`: it has ended.
    pub end: Option<String>,
}

/// `hint` says what it means that the old secret ends now.
pub fn choices(hint: &'static str) -> Vec<Choice> {
    let choice = |(seconds, label): (i64, &str)| Choice {
        value: seconds.to_string(),
        label: label.to_owned(),
        hint: if seconds == 0 { hint } else { "" },
        is_checked: seconds == 0,
    };
    OFFERED.map(choice).into()
}

/// What was chosen of [`choices`].
pub fn read(posted: &Form) -> Result<Overlap, PageError> {
    let chosen = posted.one("overlap_seconds")?;
    let (seconds, label) = OFFERED
        .into_iter()
        .find(|(seconds, _)| seconds.to_string() == chosen)
        .ok_or_else(|| PageError::bad_request("Choose when the old secret ends."))?;
    Ok(Overlap { length: TimeDelta::seconds(seconds), end: (seconds > 0).then(|| label.to_lowercase()) })
}
