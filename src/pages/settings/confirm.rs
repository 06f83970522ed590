//! The page before a change that cannot be undone: what will happen, and one button.

use askama::Template;

use crate::pages::parts::Link;
use crate::pages::settings::Frame;

#[derive(Template)]
#[template(path = "pages/settings/confirm.html")]
pub struct Confirm {
    pub frame: Frame,
    pub title: String,
    pub consequences: Vec<String>,
    /// Where the form is posted to.
    pub action: String,
    pub button: &'static str,
    pub back: Link,
}
