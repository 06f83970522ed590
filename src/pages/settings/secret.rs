//! The page that shows a secret, once, as the answer to the form that made it.

use askama::Template;

use crate::pages::parts::Link;
use crate::pages::settings::Frame;

#[derive(Template)]
#[template(path = "pages/settings/secret.html")]
pub struct ShownOnce {
    pub frame: Frame,
    pub title: String,
    /// Empty where nothing needs saying.
    pub sentence: String,
    pub values: Vec<Shown>,
    /// A command to try it with.
    pub example: Option<String>,
    pub back: Link,
}

pub struct Shown {
    pub id: &'static str,
    pub label: &'static str,
    pub value: String,
}
