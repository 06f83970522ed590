//! The filter above the access log: a form that is sent by GET, so that what it shows has an address.

use chrono::TimeDelta;
use serde::Deserialize;
use url::form_urlencoded;

use crate::base::clock;
use crate::base::clock::Timestamp;
use crate::base::ids::AccessEntryId;
use crate::organizations::access_log::Via;
use crate::organizations::access_log::reading;
use crate::organizations::access_log::reading::Filter;
use crate::organizations::credential::Credential;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::settings::ACCESS_LOG;

/// As the form sends it: what is empty filters nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    status: String,
    method: String,
    path: String,
    via: String,
    credential: String,
    since: String,
    until: String,
    pub before: Option<AccessEntryId>,
}

pub struct FilterForm {
    pub statuses: Vec<Choice>,
    pub methods: Vec<Choice>,
    pub vias: Vec<Choice>,
    pub path: Field,
    pub credential: Field,
    pub since: Field,
    pub until: Field,
    /// Whether anything is filtered.
    pub is_set: bool,
    pub has_problem: bool,
}

const STATUSES: [(&str, &str); 6] = [
    ("", "Any"),
    ("2xx", "Succeeded (2xx)"),
    ("4xx", "Refused (4xx)"),
    ("403", "Not allowed (403)"),
    ("429", "Over the limit (429)"),
    ("5xx", "Failed (5xx)"),
];
const METHODS: [(&str, &str); 6] =
    [("", "Any"), ("GET", "GET"), ("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];
const VIAS: [(&str, &str); 3] =
    [("", "Anywhere"), ("api", "This server’s API"), ("forward_auth", "Your API, by forward-auth")];

impl Asked {
    fn fields(&self) -> [(&'static str, &str); 7] {
        [
            ("status", &self.status),
            ("method", &self.method),
            ("path", &self.path),
            ("via", &self.via),
            ("credential", &self.credential),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }

    fn address(&self, changed: &str, value: &str) -> String {
        let kept = self.fields().into_iter().filter(|(name, value)| *name != changed && !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair(changed, value)
            .finish();
        format!("{ACCESS_LOG}?{query}")
    }

    /// The same filter, further back.
    pub fn older(&self, before: AccessEntryId) -> String {
        self.address("before", &before.to_string())
    }

    /// The same filter for one credential alone; `None` if that is what it is, or for a session, which has no name.
    pub fn only(&self, credential: Credential) -> Option<String> {
        let id = credential.id();
        let can_be_asked_for = !matches!(credential, Credential::Session(_));
        (can_be_asked_for && self.credential != id).then(|| self.address("credential", &id))
    }
}

/// The filter, or none if a field has a problem.
pub fn read(asked: &Asked) -> (Option<Filter>, FilterForm) {
    let mut filter = Filter::default();
    let mut has_problem = false;
    let mut field = |text: &str, problem: &str, set: &mut dyn FnMut(&str) -> bool| {
        let is_good = text.is_empty() || set(text);
        has_problem |= !is_good;
        Field { value: text.to_owned(), problem: (!is_good).then(|| problem.to_owned()) }
    };
    let path = field(&asked.path, "A path begins with a slash.", &mut |text| {
        filter.path = reading::parse_path(text);
        filter.path.is_some()
    });
    let problem = "An id begins with key_, cli_ or gra_.";
    let credential = field(asked.credential.trim(), problem, &mut |text| {
        (filter.key, filter.client, filter.grant) = (text.parse().ok(), text.parse().ok(), text.parse().ok());
        filter.key.is_some() || filter.client.is_some() || filter.grant.is_some()
    });
    let since = field(&asked.since, "This is no day.", &mut |text| {
        filter.since = clock::parse(text);
        filter.since.is_some()
    });
    let until = field(&asked.until, "This is no day.", &mut |text| {
        filter.until = clock::parse(text).and_then(|moment| end_of(text, moment));
        filter.until.is_some()
    });
    let mut choice = |text: &str, set: &mut dyn FnMut(&str) -> bool| {
        has_problem |= !(text.is_empty() || set(text));
    };
    choice(&asked.status, &mut |text| {
        filter.statuses = reading::parse_statuses(text);
        filter.statuses.is_some()
    });
    choice(&asked.method, &mut |text| {
        filter.method = reading::parse_method(text);
        filter.method.is_some()
    });
    choice(&asked.via, &mut |text| {
        filter.via = Via::from_name(text);
        filter.via.is_some()
    });
    let form = FilterForm {
        statuses: choices(&STATUSES, &asked.status),
        methods: choices(&METHODS, &asked.method),
        vias: choices(&VIAS, &asked.via),
        path,
        credential,
        since,
        until,
        has_problem,
        is_set: asked.fields().iter().any(|(_, value)| !value.is_empty()),
    };
    ((!has_problem).then_some(filter), form)
}

/// People mean the whole of the last day.
fn end_of(text: &str, moment: Timestamp) -> Option<Timestamp> {
    let is_day = text.len() == 10;
    if is_day { moment.checked_add_signed(TimeDelta::days(1)) } else { Some(moment) }
}

/// One that an address has and the list has not is there, too: the form must not change what it shows.
fn choices(known: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let is_known = known.iter().any(|(value, _)| *value == chosen);
    let other = (!is_known).then_some((chosen, chosen));
    let all = known.iter().copied().chain(other);
    all.map(|(value, label)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        hint: "",
        is_checked: value == chosen,
    })
    .collect()
}
