//! Whether a path takes longer where there is more.

use crate::load::Run;
use crate::table::Row;
use crate::table::Table;

const LIMIT: f64 = 1.3;

/// What was measured with so many keys and grants.
pub struct Stage {
    pub total: u64,
    pub verifying: Run,
    pub refreshing: Run,
}

pub fn report(table: &mut Table, stages: &[Stage]) {
    for stage in stages {
        table.note(&format!("/v1/auth/verify, {} keys", stage.total), &stage.verifying);
        table.note(&format!("refresh_token, {} grants", stage.total), &stage.refreshing);
    }
    let totals = stages.iter().map(|stage| stage.total.to_string()).collect::<Vec<_>>().join(", ");
    let verifying: Vec<&Run> = stages.iter().map(|stage| &stage.verifying).collect();
    let refreshing: Vec<&Run> = stages.iter().map(|stage| &stage.refreshing).collect();
    for (path, runs) in [("/v1/auth/verify", verifying), ("refresh_token", refreshing)] {
        for of in [50, 99] {
            let times: Vec<f64> = runs.iter().map(|run| run.percentile(of)).collect();
            let [first, .., last] = times[..] else { return };
            table.push(Row {
                path: format!("{path}, p{of} with {totals}"),
                goal: format!("≤ {LIMIT} × the first"),
                figure: format!("{last:.2} ms"),
                reference: times.iter().map(|time| format!("{time:.2}")).collect::<Vec<_>>().join(", "),
                ratio: format!("{:.2}", last / first),
                is_met: last <= LIMIT * first,
            });
        }
    }
}
