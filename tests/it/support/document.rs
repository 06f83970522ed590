//! Holds every answer that a test receives against the OpenAPI document.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;

use countersign::api::openapi;
use countersign::app::links::Links;
use jsonschema::Validator;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let links = Links::new("http://localhost:8080").unwrap();
    serde_json::to_value(openapi::document(&links)).unwrap()
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// One call of the document.
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its ids as `{…}`.
    pub path: String,
    /// JSON pointer into the document.
    pointer: String,
}

impl Operation {
    pub fn all() -> Vec<Self> {
        let paths = DOCUMENT["paths"].as_object().unwrap();
        let mut all = Vec::new();
        for (path, item) in paths {
            for method in item.as_object().unwrap().keys() {
                let pointer = format!("/paths/{}/{method}", path.replace('/', "~1"));
                all.push(Self { method: method.to_uppercase(), path: path.clone(), pointer });
            }
        }
        all
    }

    pub fn value(&self) -> &Value {
        DOCUMENT.pointer(&self.pointer).unwrap()
    }

    /// What a request is for, if the document knows it. A path that is written out comes before one with an id.
    fn find(method: &str, path: &str) -> Option<Self> {
        let mut fitting: Vec<_> =
            Self::all().into_iter().filter(|found| found.method == method && found.fits(path)).collect();
        fitting.sort_by_key(|found| found.path.matches('{').count());
        fitting.into_iter().next()
    }

    fn fits(&self, path: &str) -> bool {
        let (ours, theirs): (Vec<_>, Vec<_>) = (self.path.split('/').collect(), path.split('/').collect());
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| ours.starts_with('{') || *ours == theirs)
    }

    /// Where the document describes such an answer.
    fn response(&self, status: u16) -> Option<String> {
        let pointer = format!("{}/responses/{status}", self.pointer);
        let response = DOCUMENT.pointer(&pointer)?;
        let shared = response["$ref"].as_str().map(|target| target.trim_start_matches('#').to_owned());
        Some(shared.unwrap_or(pointer))
    }
}

/// Panics if the document promises another answer. Of what it does not describe it says nothing.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = Operation::find(method, path) else { return };
    let what = format!("{method} {path}: {} {}", answer.status, answer.text);
    let pointer = operation.response(answer.status).unwrap_or_else(|| panic!("not in the document: {what}"));
    let response = DOCUMENT.pointer(&pointer).unwrap();
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let Some(value) = answer.header(name) else { continue };
        let target = header["$ref"].as_str().map(|target| target.trim_start_matches('#'));
        let header = target.map_or(header, |target| DOCUMENT.pointer(target).unwrap());
        let is_number = header["schema"]["type"] == "integer";
        assert!(!is_number || value.parse::<i64>().is_ok(), "{name} is {value:?}: {what}");
    }
    for (status, name) in [(429, "retry-after"), (503, "retry-after")] {
        assert!(answer.status != status || answer.header(name).is_some(), "no {name}: {what}");
    }
    if response.get("content").is_none() {
        return;
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    let schema = format!("{pointer}/content/application~1json/schema");
    let errors: Vec<_> =
        validator(&schema).iter_errors(&answer.json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}\nis not as the document says: {errors:#?}");
}

/// Of the schema at a place in the document.
pub fn validator(pointer: &str) -> Arc<Validator> {
    if let Some(made) = VALIDATORS.lock().unwrap().get(pointer) {
        return made.clone();
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")),
        "paths": DOCUMENT["paths"],
        "components": DOCUMENT["components"],
    });
    let made = Arc::new(jsonschema::options().should_validate_formats(true).build(&schema).unwrap());
    VALIDATORS.lock().unwrap().insert(pointer.to_owned(), Arc::clone(&made));
    made
}
