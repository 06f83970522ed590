//! What the forms for a new API key and a new client secret have in common: a label and an expiry.

use chrono::TimeDelta;

use crate::api_keys::key;
use crate::api_keys::key::MAX_LABEL_LENGTH;
use crate::base::clock::Timestamp;
use crate::pages::error::PageError;
use crate::pages::parts::Choice;

/// When a new key or secret expires: in days, or `never`.
pub fn expiries(chosen: &str) -> Vec<Choice> {
    let offered = [("never", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In 1 year")];
    let choice = |(value, label): (&str, &str)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        hint: "",
        is_checked: value == chosen,
    };
    offered.map(choice).into()
}

/// The moment that a choice of [`expiries`] means.
pub fn expiry(chosen: &str, now: Timestamp) -> Result<Option<Timestamp>, PageError> {
    match chosen {
        "never" => Ok(None),
        "30" => Ok(Some(now + TimeDelta::days(30))),
        "90" => Ok(Some(now + TimeDelta::days(90))),
        "365" => Ok(Some(now + TimeDelta::days(365))),
        _ => Err(PageError::bad_request("Choose one of the expiries that the form offers.")),
    }
}

/// A label as it is kept, or what is wrong with it.
pub fn label(text: &str) -> Result<&str, String> {
    key::parse_label(text).ok_or_else(|| {
        format!("A label has 1 to {MAX_LABEL_LENGTH} characters, and none that cannot be seen.")
    })
}
