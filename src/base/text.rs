//! Text that people give things as names.

use serde_json::Value;

/// Whether a name shows as what it is: no control characters, and none of those that turn the direction of
/// what stands around them, or that cannot be seen.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

/// Whether a text in it has a NUL, which PostgreSQL does not keep.
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// For a place that holds one line, such as a header: characters that no line has become blanks.
pub fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_turn_the_words_around_it() {
        assert!(is_plain("Zoë & Söhne 株式会社"));
        assert!(!is_plain("Acme\u{202e}knaB"));
        assert!(!is_plain("Ac\u{200b}me"));
        assert!(!is_plain("Acme\n"));
    }
}
