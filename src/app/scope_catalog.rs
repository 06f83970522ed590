//! The scopes of the deployment, each with the sentence that the consent page shows.

use std::collections::BTreeMap;

use anyhow::ensure;

use crate::scopes;
use crate::scopes::Scopes;

#[derive(Debug, Clone)]
pub struct ScopeCatalog {
    entries: Vec<ScopeEntry>,
    all: Scopes,
    /// With who the person is.
    entries_for_people: Vec<ScopeEntry>,
    for_people: Scopes,
}

#[derive(Debug, Clone)]
pub struct ScopeEntry {
    pub name: String,
    /// What it lets an app do, as a person would say it.
    pub sentence: String,
    /// The heading under which the consent page puts it.
    pub group: &'static str,
    /// Data may be lost, or the account itself is at stake.
    pub is_dangerous: bool,
}

impl ScopeCatalog {
    /// `own` are those that the deployment adds: name and sentence. A built-in one may get another sentence.
    pub fn new(own: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut entries: Vec<ScopeEntry> = [
            ("read", "See your organization's data", "See", false),
            ("write", "Create new data and change what is there", "Change", false),
            ("delete", "Delete data for good", "Delete", true),
            ("admin", "Everything, also settings, members and keys", "Full control", true),
        ]
        .map(|(name, sentence, group, is_dangerous)| ScopeEntry {
            name: name.to_owned(),
            sentence: sentence.to_owned(),
            group,
            is_dangerous,
        })
        .to_vec();
        for (name, sentence) in own {
            ensure!(scopes::is_well_formed(name), "scopes: {name:?} cannot be the name of a scope");
            ensure!(!sentence.is_empty(), "scopes: {name} needs a sentence");
            ensure!(!scopes::IDENTITY.contains(&name.as_str()), "scopes: {name} is OpenID Connect's own");
            match entries.iter_mut().find(|entry| entry.name == *name) {
                Some(entry) => entry.sentence.clone_from(sentence),
                None => entries.push(ScopeEntry {
                    name: name.clone(),
                    sentence: sentence.clone(),
                    group: group_of(name),
                    is_dangerous: name.contains("delete") || name.contains("admin"),
                }),
            }
        }
        let all = Scopes::from_names(entries.iter().map(|entry| entry.name.as_str()))?;
        let mut entries_for_people = identity().to_vec();
        entries_for_people.extend(entries.iter().cloned());
        Ok(Self { for_people: Scopes::identity().with(&all), entries_for_people, entries, all })
    }

    /// What opens the API.
    pub fn all(&self) -> &Scopes {
        &self.all
    }

    /// What an app can ask a person for: besides the API, who they are.
    pub fn for_people(&self) -> &Scopes {
        &self.for_people
    }

    /// In the order in which people are shown them.
    pub fn entries(&self) -> &[ScopeEntry] {
        &self.entries
    }

    pub fn entries_for_people(&self) -> &[ScopeEntry] {
        &self.entries_for_people
    }
}

/// OpenID Connect Core §5.4, §11.
fn identity() -> [ScopeEntry; 4] {
    [
        ("openid", "Know who you are, to sign you in"),
        ("profile", "See your name"),
        ("email", "See your e-mail address"),
        ("offline_access", "Keep access while you are away"),
    ]
    .map(|(name, sentence)| ScopeEntry {
        name: name.to_owned(),
        sentence: sentence.to_owned(),
        group: "You",
        is_dangerous: false,
    })
}

/// `contacts:read` stands with what is seen, `contacts:write` with what is changed.
fn group_of(name: &str) -> &'static str {
    let last = name.rsplit([':', '.', '/']).next().unwrap_or(name);
    match last {
        "read" | "view" | "list" => "See",
        "write" | "create" | "update" | "edit" | "send" => "Change",
        "delete" | "remove" => "Delete",
        "admin" | "manage" => "Full control",
        _ => "Also",
    }
}
