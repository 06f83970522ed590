//! The README is believed: what it says of the configuration is what the code says.

use countersign::app::config::Settings;

#[test]
fn every_key_stands_in_the_table_with_its_default_and_its_meaning() {
    let readme = include_str!("../../README.md");
    let dump = Settings::default().dump();

    for key in Settings::KEYS {
        let name = key.name;
        let written = dump.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        let default = match written {
            None => String::new(),
            Some("[]" | "{}") => "none".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let row = format!("| `{name}` | {default} | {} |", key.doc.trim());
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
}
