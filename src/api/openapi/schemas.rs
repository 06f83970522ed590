//! What the derived schemas cannot know of how bodies are read and answers written here.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::OpenApi;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::Schema;
use utoipa::openapi::Type;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::schema::SchemaType;

const PREFIX: &str = "#/components/schemas/";

pub(super) fn tidy(document: &mut OpenApi) {
    let asked = asked(document);
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.put, &mut item.patch].into_iter().flatten() {
            let Some(RefOr::T(body)) = &mut operation.request_body else { continue };
            let contents = body.content.values_mut().filter_map(|content| match content {
                RefOr::T(content) => content.schema.as_mut(),
                RefOr::Ref(_) => None,
            });
            contents.for_each(without_null);
        }
    }
    let Some(components) = &mut document.components else { return };
    for (name, schema) in &mut components.schemas {
        refer_to_entries(name, schema);
        if !asked.contains(name) {
            require_nullable(schema);
        }
    }
}

/// A body that may be left out is not `null` instead.
fn without_null(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::OneOf(choice)) = schema
        && let Some(body) = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
    {
        *schema = body.clone();
    }
}

/// A page's entries have a name of their own.
fn refer_to_entries(name: &str, page: &mut RefOr<Schema>) {
    let Some(entry) = name.strip_prefix("Page_") else { return };
    if let RefOr::T(Schema::Object(page)) = page
        && let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data")
    {
        data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(entry).into()));
    }
}

/// In an answer, what has no value is `null` and not absent. (What may be absent says `nullable = false`.)
fn require_nullable(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            for (name, property) in &mut object.properties {
                if is_nullable(property) && !object.required.contains(name) {
                    object.required.push(name.clone());
                }
                require_nullable(property);
            }
        }
        Schema::AllOf(parts) => parts.items.iter_mut().for_each(require_nullable),
        _ => {}
    }
}

fn is_nullable(property: &RefOr<Schema>) -> bool {
    let has_null = |kind: &SchemaType| match kind {
        SchemaType::Type(kind) => *kind == Type::Null,
        SchemaType::Array(kinds) => kinds.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match property {
        RefOr::T(Schema::Object(object)) => has_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => has_null(&array.schema_type),
        RefOr::T(Schema::OneOf(choice)) => choice.items.iter().any(is_nullable),
        _ => false,
    }
}

/// The names of the schemas of request bodies, and of those inside them.
fn asked(document: &OpenApi) -> BTreeSet<String> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut pending = Vec::new();
    let operations = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in operations.filter_map(Value::as_object).flat_map(|item| item.values()) {
        references(&operation["requestBody"], &mut pending);
    }
    let mut found = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if found.insert(name.clone()) {
            references(&document["components"]["schemas"][&name], &mut pending);
        }
    }
    found
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let target =
                fields.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(PREFIX));
            found.extend(target.map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
