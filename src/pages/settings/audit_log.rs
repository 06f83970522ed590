//! `/settings/audit-log`: who changed what that matters to security. The audit log of the whole server, at
//! `/admin/audit-log`, is the same page.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::app::App;
use crate::audit::log;
use crate::audit::log::Entry;
use crate::audit::log::Filter;
use crate::base::clock;
use crate::base::clock::Timestamp;
use crate::base::ids::AuditEntryId;
use crate::base::ids::OrganizationId;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::settings::AUDIT_LOG;
use crate::pages::settings::Frame;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

const NOTHING: &str = "nothing";
/// On one page.
const LIMIT: i64 = 50;

#[derive(Template)]
#[template(path = "pages/settings/audit_log.html")]
pub struct AuditLog {
    frame: Frame,
    /// Of this page.
    address: &'static str,
    /// What the changes are changes of.
    whose: String,
    form: FilterForm,
    entries: Vec<Row>,
    /// Address of the next page.
    older: Option<String>,
}

/// As the form sends it: what is empty filters nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    action: String,
    actor: String,
    target: String,
    since: String,
    until: String,
    before: Option<AuditEntryId>,
}

#[derive(Default)]
struct FilterForm {
    action: Field,
    actor: Field,
    target: Field,
    since: Field,
    until: Field,
    /// Whether anything is filtered.
    is_set: bool,
    has_problem: bool,
}

struct Row {
    when: Moment,
    what: String,
    /// Its code, and the address of all of its kind.
    action: String,
    only_action: String,
    who: String,
    /// Address of what they did.
    only_actor: Option<String>,
    target: String,
    only_target: String,
    changes: Vec<Changed>,
    /// Address and device.
    origin: Option<String>,
}

/// One field of what was changed.
struct Changed {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

impl Asked {
    fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("action", &self.action),
            ("actor", &self.actor),
            ("target", &self.target),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }

    /// Of the page at `address`, with one field of the filter changed.
    fn address(&self, address: &str, (changed, value): (&str, &str)) -> String {
        let kept = self.fields().into_iter().filter(|(name, value)| *name != changed && !value.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(kept).append_pair(changed, value).finish();
        format!("{address}?{query}")
    }

    /// The filter, or none if a field has a problem.
    fn read(&self) -> (Option<Filter>, FilterForm) {
        let text = |text: &str| {
            let text = text.trim();
            let problem = text.contains(char::is_control).then(|| "This is no text.".to_owned());
            (Some(text.to_owned()).filter(|text| !text.is_empty()), Field { value: text.to_owned(), problem })
        };
        let day = |text: &str| {
            let day = clock::parse(text);
            let problem = (day.is_none() && !text.is_empty()).then(|| "This is no day.".to_owned());
            (day, Field { value: text.to_owned(), problem })
        };
        let (action, action_field) = text(&self.action);
        let (actor_id, actor_field) = text(&self.actor);
        let (target_id, target_field) = text(&self.target);
        let (since, since_field) = day(&self.since);
        let (until, until_field) = day(&self.until);
        let filter = Filter {
            action,
            actor_id,
            target_id,
            since,
            until: until.and_then(|at| end_of(&self.until, at)),
        };
        let mut form = FilterForm {
            has_problem: false,
            action: action_field,
            actor: actor_field,
            target: target_field,
            since: since_field,
            until: until_field,
            is_set: self.fields().iter().any(|(_, value)| !value.is_empty()),
        };
        let fields = [&form.action, &form.actor, &form.target, &form.since, &form.until];
        form.has_problem = fields.iter().any(|field| field.problem.is_some());
        ((!form.has_problem).then_some(filter), form)
    }
}

/// People mean the whole of the last day.
fn end_of(text: &str, moment: Timestamp) -> Option<Timestamp> {
    let is_day = text.len() == 10;
    if is_day { moment.checked_add_signed(TimeDelta::days(1)) } else { Some(moment) }
}

pub async fn list(
    State(app): State<App>,
    Manager(visitor): Manager,
    Query(asked): Query<Asked>,
) -> Result<Page<AuditLog>, PageError> {
    let frame = visitor.frame(AUDIT_LOG).await?;
    let organization = visitor.organization();
    let page = AuditLog::empty(frame, AUDIT_LOG, organization.name.clone());
    page.filled(&app, &visitor, Some(organization.id), &asked).await
}

impl AuditLog {
    pub(in crate::pages) fn empty(frame: Frame, address: &'static str, whose: String) -> Self {
        Self { frame, address, whose, form: FilterForm::default(), entries: Vec::new(), older: None }
    }

    /// With the entries that were asked for: an organization's, or those of the whole server.
    pub(in crate::pages) async fn filled(
        mut self,
        app: &App,
        visitor: &Visitor,
        organization: Option<OrganizationId>,
        asked: &Asked,
    ) -> Result<Page<Self>, PageError> {
        let (filter, form) = asked.read();
        self.form = form;
        let Some(filter) = filter else {
            return Ok(visitor.page(app, self).status(StatusCode::BAD_REQUEST));
        };
        let mut db = app.db.acquire().await?;
        let mut found = log::list(&mut db, organization, &filter, (asked.before, LIMIT + 1)).await?;
        drop(db);
        self.older = paging::cut(&mut found, LIMIT)
            .map(|entry| asked.address(self.address, ("before", &entry.id.to_string())));
        self.entries = found.into_iter().map(|entry| row(entry, self.address, asked)).collect();
        Ok(visitor.page(app, self))
    }
}

fn row(entry: Entry, address: &str, asked: &Asked) -> Row {
    let device = entry.user_agent.as_deref().map(words::agent);
    let host = entry.address.map(|address| address.addr().to_string());
    let origin: Vec<String> = [host, device].into_iter().flatten().collect();
    Row {
        when: words::instant(entry.created_at),
        what: words::action(&entry.action),
        only_action: asked.address(address, ("action", &entry.action)),
        who: who(&entry),
        only_actor: entry.actor_id.as_ref().map(|id| asked.address(address, ("actor", id))),
        only_target: asked.address(address, ("target", &entry.target_id)),
        changes: changes(entry.before.as_ref(), entry.after.as_ref()),
        origin: (!origin.is_empty()).then(|| origin.join(", ")),
        action: entry.action,
        target: entry.target_id,
    }
}

fn who(entry: &Entry) -> String {
    let name = entry.actor_name.clone().or_else(|| entry.actor_id.clone()).unwrap_or_default();
    match entry.actor_kind.as_str() {
        "api_key" => format!("Key {name}"),
        "operator" => "The operator, on the command line".to_owned(),
        "server" => "The server, by its rules".to_owned(),
        _ => name,
    }
}

/// Each field that either side has.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Changed> {
    let fields = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names = before.keys().chain(after.keys());
    // What a new thing has not is not worth a line.
    let is_said = |name: &&String| {
        (before.contains_key(*name) && after.contains_key(*name))
            || [&before, &after]
                .iter()
                .filter_map(|side| side.get(*name))
                .any(|value| shown(value) != NOTHING)
    };
    let names: BTreeSet<&String> = names.filter(is_said).collect();
    let changed = |name: &String| Changed {
        name: words::words_of(name),
        before: before.get(name).map(shown),
        after: after.get(name).map(shown),
    };
    names.into_iter().map(changed).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<String>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_shown_field_by_field() {
        let (before, after) = (
            json!({ "scopes": ["read"], "name": "x", "url": "" }),
            json!({ "scopes": [], "enabled": true, "logo": null }),
        );

        let shown: Vec<_> = changes(Some(&before), Some(&after))
            .into_iter()
            .map(|change| (change.name, change.before, change.after))
            .collect();

        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown,
            [
                ("enabled".to_owned(), None, text("yes")),
                ("name".to_owned(), text("x"), None),
                ("scopes".to_owned(), text("read"), text("nothing")),
            ]
        );
    }
}
