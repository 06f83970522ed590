//! The rules of the house that the compiler does not know.

use std::fs;
use std::path::Path;

/// Ground to roof. A room may use rooms on lower floors; rooms on one floor do not know each other.
const FLOORS: [&[&str]; 16] = [
    &["base"],
    &["scopes", "signing"],
    &["webhooks"],
    &["audit"],
    &["accounts"],
    &["organizations"],
    &["api_keys", "clients"],
    &["grants"],
    &["protocol"],
    &["app"],
    &["gate"],
    &["api", "pages"],
    &["oauth"],
    &["server"],
    &["cli"],
    &["lib", "main"],
];
/// Where SQL may stand.
const SUBJECTS: [&str; 9] =
    ["base", "signing", "webhooks", "audit", "accounts", "organizations", "clients", "api_keys", "grants"];
const MAX_LINES: usize = 400;

#[test]
fn rooms_use_only_lower_floors() {
    each_source(|room, path, text| {
        assert!(
            !text.contains("crate::{"),
            "{}: one path per `use`, so this test can read it",
            path.display()
        );
        let floor = floor_of(room).unwrap_or_else(|| panic!("{room} has no floor"));
        for used in text.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let Some(used_floor) = floor_of(used) else { continue };
            assert!(used == room || used_floor < floor, "{} must not use {used}", path.display());
        }
    });
}

#[test]
fn sql_stays_in_the_subjects() {
    each_source(|room, path, text| {
        assert!(SUBJECTS.contains(&room) || !text.contains("sqlx::query"), "{} holds SQL", path.display());
    });
}

#[test]
fn only_protocol_knows_oxide_auth() {
    each_source(|room, path, text| {
        assert!(room == "protocol" || !text.contains("oxide_auth::"), "{} uses oxide-auth", path.display());
    });
}

#[test]
fn files_stay_short() {
    each_source(|_, path, text| {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    });
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Calls `check(room, path, text)` for every file under `src`.
fn each_source(check: impl Fn(&str, &Path, &str)) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![src.clone()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let inside = path.strip_prefix(&src).unwrap();
            let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
            check(room, &path, &fs::read_to_string(&path).unwrap());
        }
    }
}
