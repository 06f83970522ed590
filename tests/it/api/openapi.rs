//! `/openapi.json`. That answers are as it says is checked for every request of every test: `support::document`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;
use crate::support::document::DOCUMENT;
use crate::support::document::Operation;
use crate::support::document::validator;

/// What the router takes from `api` and the document does not describe: a constant, Envoy's way to ask, which has no
/// path of its own, and what is neither under `/v1` nor under `/api/auth`.
const ELSEWHERE: [&str; 4] = ["verify::PATH", "verify::ask_by_path", "openapi::get", "leaked_keys::report"];

/// Every object inside, with the keys that lead to it.
fn walk<'a>(value: &'a Value, path: &str, visit: &mut impl FnMut(&str, &'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(path, object);
            for (key, value) in object {
                walk(value, &format!("{path}/{key}"), visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, visit)),
        _ => {}
    }
}

fn texts<'a>(values: &'a Value, field: &str) -> BTreeSet<&'a str> {
    values.as_array().into_iter().flatten().map(|value| value[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_document_is_served_to_any_origin_and_says_whose_it_is() {
    let server = TestServer::start().await;

    let answer =
        Answer::of(server.request("GET", "/openapi.json").header("origin", "https://app.example")).await;
    let preflight = server.request("OPTIONS", "/openapi.json").header("origin", "https://app.example");
    let preflight = Answer::of(preflight.header("access-control-request-method", "GET")).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(answer.json["openapi"], "3.1.0");
    assert_eq!(answer.json["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.json["servers"], json!([{ "url": server.issuer() }]));
    assert_eq!(answer.json["paths"], DOCUMENT["paths"]);
}

/// Cross-site scripts are for the protocol and for what is public; a credential of `/v1` belongs on a server.
#[tokio::test]
async fn the_calls_themselves_are_for_no_other_origin() {
    let server = TestServer::start().await;

    for path in ["/v1/auth/test", "/v1/api-keys", "/api/auth/me", "/api/auth/login"] {
        let request = server.request("OPTIONS", path).header("origin", "https://app.example");
        let answer = Answer::of(request.header("access-control-request-method", "GET")).await;

        assert!(answer.status >= 400, "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let mut used = BTreeSet::new();
    walk(&DOCUMENT, "", &mut |path, object| {
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{path}: {target}"));
            assert!(DOCUMENT.pointer(pointer).is_some(), "{path}: there is no {target}");
            used.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("/components/{kind}/{name}")), "{kind}: nobody uses {name}");
        }
    }
}

#[test]
fn every_operation_says_what_a_reader_needs() {
    let headings = texts(&DOCUMENT["tags"], "name");
    let mut names = BTreeSet::new();

    for operation in Operation::all() {
        let what = format!("{} {}", operation.method, operation.path);
        let value = operation.value();
        assert!(names.insert(value["operationId"].to_string()), "{what}: its id is another's");
        let summary = value["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{what}: {summary:?}");
        for tag in value["tags"].as_array().unwrap() {
            assert!(headings.contains(tag.as_str().unwrap()), "{what}: there is no heading {tag}");
        }
        let in_path: BTreeSet<_> =
            operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = value["parameters"].as_array().into_iter().flatten();
        let declared = parameters.filter(|parameter| parameter["in"] == "path");
        assert!(declared.clone().all(|parameter| parameter["required"] == true), "{what}");
        assert_eq!(
            declared.map(|found| found["name"].as_str().unwrap()).collect::<BTreeSet<_>>(),
            in_path,
            "{what}"
        );
        for (status, response) in value["responses"].as_object().unwrap() {
            let is_described = response["$ref"].is_string() || response["description"].is_string();
            assert!(is_described, "{what} {status}");
        }
        for requirement in value["security"].as_array().unwrap_or_else(|| panic!("{what}: no security")) {
            for scheme in requirement.as_object().unwrap().keys() {
                assert!(DOCUMENT["components"]["securitySchemes"][scheme].is_object(), "{what}: {scheme}");
            }
        }
    }
}

#[test]
fn every_schema_is_one() {
    walk(&DOCUMENT, "", &mut |path, object| {
        let Some(schema) = object.get("schema") else { return };
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{path}: {schema}");
    });
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
        // Compiles, with whatever it refers to.
        validator(&format!("/components/schemas/{name}"));
    }
}

/// The names in the document of the types of a source file: their own, or what `as = …` says.
fn names_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = source.lines();
    while lines.any(|line| line.starts_with("#[derive(") && line.contains("ToSchema")) {
        let mut given = None;
        for line in lines.by_ref() {
            if let Some((_, rest)) = line.split_once("schema(as = ") {
                given = rest.split([',', ')']).next();
            }
            if let Some((_, rest)) = line.split_once("struct ").or_else(|| line.split_once("enum ")) {
                let own = rest.split(|c: char| !c.is_alphanumeric()).next();
                names.extend(given.or(own).map(str::to_owned));
                break;
            }
        }
    }
    names
}

/// Of two with one name, the document would hold only one.
#[test]
fn no_two_types_have_one_name_in_the_document() {
    let mut names = BTreeSet::new();
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for name in names_in(&fs::read_to_string(&path).unwrap()) {
            assert!(names.insert(name.clone()), "{}: {name} is another's, too", path.display());
        }
    }
    assert!(names.contains("ApiKey") && names.contains("AuthTest"), "the text is read wrongly: {names:?}");
}

/// In the router, `api::clients::list` answers; in the document, `clients_list` is described.
#[test]
fn what_the_router_has_is_in_the_document_and_nothing_else() {
    let router = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/router.rs")).unwrap();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let handlers = router.split("api::").skip(1).map(|rest| rest.split(|c| !is_part(c)).next().unwrap());
    let handlers = handlers.filter(|name| name.contains("::") && !ELSEWHERE.contains(name));
    let handlers: BTreeSet<_> = handlers.map(|name| name.replace("::", "_")).collect();

    let described: BTreeSet<_> =
        Operation::all().iter().map(|it| it.value()["operationId"].as_str().unwrap().to_owned()).collect();

    assert_eq!(handlers, described);
}

/// `Allow` of a method that nobody offers lists what is offered.
#[tokio::test]
async fn every_path_takes_the_methods_that_the_document_says() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in Operation::all() {
        described.entry(operation.path).or_default().insert(operation.method);
    }

    for (path, methods) in described.into_iter().filter(|(path, _)| path != "/v1/auth/verify") {
        let answer = Answer::of(server.request("PROPFIND", &path).bearer_auth(&admin)).await;

        assert_eq!(
            (answer.status, answer.error().to_lowercase()),
            (405, "method_not_allowed".to_owned()),
            "{path}"
        );
        let allowed = answer.header("allow").unwrap().split(',').map(str::trim);
        let allowed: BTreeSet<_> = allowed.filter(|method| *method != "HEAD").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

/// A secret in an example is copied, or taken for a leak.
#[test]
fn no_example_looks_like_a_secret() {
    let text = DOCUMENT.to_string();

    for beginning in ["sk_", "cs_", "v1.", "eyJ", "whsec_"] {
        assert!(!text.contains(&format!("\"{beginning}")), "{beginning}");
    }
}
