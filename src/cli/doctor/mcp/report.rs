//! What was found: a table for people, JSON for scripts.

use serde::Serialize;
use serde_json::json;

use crate::base::text;

/// No line of the table is longer, but for words that are.
const WIDTH: usize = 120;
/// In characters. What a server says of itself is shown, and may be anything.
const MAX_TEXT: usize = 500;

/// What a check saw, or what is wrong.
pub(super) type Finding = Result<String, Fault>;

/// What is wrong, and what its owner can do.
#[derive(Debug)]
pub(super) struct Fault {
    reason: String,
    advice: String,
}

pub(super) fn fault(reason: impl Into<String>, advice: impl Into<String>) -> Fault {
    Fault { reason: reason.into(), advice: advice.into() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Fail,
    Skipped,
}

#[derive(Serialize)]
struct Row {
    check: String,
    result: Verdict,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Default)]
pub(super) struct Report {
    /// What the URL turned out to be.
    pub(super) heading: String,
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn record(&mut self, check: &str, finding: Finding) {
        let (result, reason, advice) = match finding {
            Ok(reason) => (Verdict::Pass, reason, None),
            Err(fault) => (Verdict::Fail, fault.reason, Some(fault.advice)),
        };
        self.push(check, result, &reason, advice.as_deref());
    }

    pub(super) fn skip(&mut self, check: &str, reason: &str) {
        self.push(check, Verdict::Skipped, reason, None);
    }

    fn push(&mut self, check: &str, result: Verdict, reason: &str, advice: Option<&str>) {
        let check = check.to_owned();
        self.rows.push(Row { check, result, reason: shown(reason), advice: advice.map(shown) });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.count(Verdict::Fail) > 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.result == verdict).count()
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&json!({
            "summary": shown(&self.heading),
            "passed": self.count(Verdict::Pass),
            "failed": self.count(Verdict::Fail),
            "skipped": self.count(Verdict::Skipped),
            "rows": self.rows,
        }))
    }

    pub(super) fn to_text(&self) -> String {
        let widest = self.rows.iter().map(|row| row.check.chars().count()).max().unwrap_or_default();
        let mut lines = vec![shown(&self.heading), String::new()];
        for row in &self.rows {
            let verdict = match row.result {
                Verdict::Pass => "pass",
                Verdict::Fail => "FAIL",
                Verdict::Skipped => "skipped",
            };
            let mut start = format!("{verdict:<9}{:<widest$}  ", row.check);
            let width = WIDTH.saturating_sub(start.chars().count());
            let mut text = wrapped(&row.reason, width);
            text.extend(row.advice.iter().flat_map(|advice| wrapped(&format!("Do: {advice}"), width)));
            for line in text {
                lines.push(format!("{start}{line}"));
                start = " ".repeat(start.chars().count());
            }
        }
        let [passed, failed, skipped] =
            [Verdict::Pass, Verdict::Fail, Verdict::Skipped].map(|v| self.count(v));
        lines.extend([String::new(), format!("{passed} passed, {failed} failed, {skipped} skipped.")]);
        lines.join("\n")
    }
}

/// On one line, and of bearable length: a server could otherwise write to the terminal whatever it likes.
fn shown(text: &str) -> String {
    let mut shown: String = text::on_one_line(text).chars().take(MAX_TEXT).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        shown.push('…');
    }
    shown
}

/// At least one line, of `width` characters if its words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let is_first = room == width;
        if !is_first && length + 1 > room {
            lines.push(String::new());
            room = width;
        }
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() {
            line.push(' ');
            room = room.saturating_sub(1);
        }
        line.push_str(word);
        room = room.saturating_sub(length);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_long_text_is_wrapped() {
        let mut report = Report { heading: "A server.".to_owned(), rows: Vec::new() };
        report.record("a check", Ok("200".to_owned()));
        report.record("a longer check", Err(fault("wrong ".repeat(24), "put it right")));
        report.skip("a check", "not asked for");

        assert_eq!(
            report.to_text(),
            format!(
                "A server.\n\npass     a check         200\nFAIL     a longer check  {}\n{}{}\n{}Do: put it right\n\
                 skipped  a check         not asked for\n\n1 passed, 1 failed, 1 skipped.",
                ["wrong"; 16].join(" "),
                " ".repeat(25),
                ["wrong"; 8].join(" "),
                " ".repeat(25),
            )
        );
    }

    #[test]
    fn what_a_server_says_cannot_command_the_terminal() {
        assert_eq!(shown("\u{1b}[2Jgone\r\nline"), " [2Jgone  line");
        assert_eq!(shown(&"x".repeat(9999)).chars().count(), MAX_TEXT + 1);
    }
}
