//! Long lists, a page at a time.

/// Takes the row off that was asked for only to know whether there are more; the last one that stays then leads to
/// the next page.
pub fn cut<T>(rows: &mut Vec<T>, limit: i64) -> Option<&T> {
    let size = usize::try_from(limit).unwrap_or_default();
    if rows.len() <= size {
        return None;
    }
    rows.truncate(size);
    rows.last()
}
