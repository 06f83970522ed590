//! Small things that several pages show.

/// A moment as a person reads it ("2 hours ago"), in full, and for machines (RFC 3339).
#[derive(Debug, Clone)]
pub struct Moment {
    pub text: String,
    pub exact: String,
    pub datetime: String,
}

/// What was typed into a field, and what is wrong with it. Has no `Debug`: it may be a secret.
#[derive(Default)]
pub struct Field {
    pub value: String,
    pub problem: Option<String>,
}

impl Field {
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), problem: None }
    }
}

/// One of several to tick or to pick.
#[derive(Debug)]
pub struct Choice {
    pub value: String,
    pub label: String,
    /// Empty where the label says it all.
    pub hint: &'static str,
    pub is_checked: bool,
}

/// A scope to tick.
#[derive(Debug)]
pub struct ScopeChoice {
    pub name: String,
    pub sentence: String,
    pub is_checked: bool,
}

#[derive(Debug, Clone)]
pub struct Link {
    pub url: String,
    pub name: String,
}

impl Link {
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self { url: url.into(), name: name.into() }
    }
}

/// A word that stands out.
#[derive(Debug)]
pub struct Tag {
    /// A class of the stylesheet: ok, warn, danger, or empty.
    pub tone: &'static str,
    pub text: String,
}

impl Tag {
    pub fn new(tone: &'static str, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

/// When a thing ended or will: "Expires", "Expired", "Revoked".
#[derive(Debug)]
pub struct End {
    pub verb: &'static str,
    pub when: Moment,
}

/// An app as people see it.
#[derive(Debug)]
pub struct AppFace {
    pub name: String,
    pub initials: String,
    pub publisher: String,
    /// The operator vouches for it.
    pub is_reviewed: bool,
}
