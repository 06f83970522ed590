//! The code that a person carries from a device to a browser (RFC 8628 §6.1).

use std::fmt;

/// No vowels, so that no code is a word, and no letter that could be a digit.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// Eight letters, 34 bits: enough for ten minutes in which guesses are slowed down (RFC 8628 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct UserCode(String);

impl UserCode {
    pub fn generate() -> Self {
        Self((0..LENGTH).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect())
    }

    /// As people type it: in any case, with or without the dash. `None` if it cannot be a code at all.
    pub fn read(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        let letters: String = letters.map(|c| c.to_ascii_uppercase()).take(LENGTH + 1).collect();
        let is_code = letters.len() == LENGTH && letters.bytes().all(|letter| LETTERS.contains(&letter));
        is_code.then_some(Self(letters))
    }
}

/// In two halves, which are easier to read and to type.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UserCode::generate();
        let shown = code.to_string();

        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " – "),
            format!("\t{shown} "),
        ] {
            assert_eq!(UserCode::read(&typed), Some(code.clone()), "{typed}");
        }
        for other in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "BCDF-GHJÄ", "ＢCDF-GHJK"] {
            assert_eq!(UserCode::read(other), None, "{other}");
        }
    }
}
