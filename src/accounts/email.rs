//! E-mail addresses, as far as one can be judged without writing to it.

/// RFC 5321 §4.5.3.1.3, less the angle brackets.
const MAX_LENGTH: usize = 254;

/// The address without surrounding blanks, or `None` if no mail could be sent to it.
pub fn parse(text: &str) -> Option<&str> {
    let email = text.trim();
    let (local, domain) = email.rsplit_once('@')?;
    let is_plausible = email.len() <= MAX_LENGTH
        && (1..=64).contains(&local.len())
        && !domain.is_empty()
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !email.chars().any(|c| c.is_control() || c.is_whitespace());
    is_plausible.then_some(email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_sides_and_no_blanks() {
        assert_eq!(parse(" ada@example.com "), Some("ada@example.com"));
        for text in ["", "ada", "@example.com", "ada@", "a da@example.com", "ada@.com", "ada@x\u{0}.com"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
