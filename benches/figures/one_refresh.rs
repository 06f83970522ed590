//! What one refresh costs PostgreSQL.

use std::time::Duration;

use crate::bench::Bench;
use crate::connection::Connection;
use crate::postgres;
use crate::postgres::TableCounts;
use crate::refresh;
use crate::round_trips::RoundTrips;
use crate::server::Server;
use crate::table::Row;

/// The first on each connection prepare its statements.
const FIRST: u64 = 100;
const COUNTED: u64 = 200;
/// Until what the server does at its start is over.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

const REPORTED_WITHIN: Duration = Duration::from_secs(1);

/// No other server may be at work meanwhile.
pub async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let mut db = bench.postgres.connect().await?;
    let before = postgres::counts(&mut db).await?;
    let round_trips = RoundTrips::start(&bench.postgres).await?;
    let server = Server::start(&round_trips.url(), &bench.scratch).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let mut connection = Connection::open(server.address).await?;
    let mut counts = Vec::new();
    for place in 0..FIRST + COUNTED {
        // Between those that pgbench and the revocations have taken.
        let number = bench.population.spare(bench.population.spare_count() * 3 / 5 + place);
        let request = refresh::refreshing(bench, number, 1)?;
        let before = round_trips.count();
        connection.succeed(&request).await?;
        if place >= FIRST {
            counts.push(round_trips.count() - before);
        }
    }
    // Connections report what they have done when they end.
    server.stop().await?;
    tokio::time::sleep(REPORTED_WITHIN).await;
    let after = postgres::counts(&mut db).await?;

    counts.sort_unstable();
    let (median, most) = (counts[counts.len() / 2], counts[counts.len() - 1]);
    bench.table.push(Row {
        path: "one refresh, round trips to PostgreSQL".to_owned(),
        goal: "1".to_owned(),
        figure: format!("{median} (median; {most} at the most)"),
        reference: String::new(),
        ratio: String::new(),
        is_met: median == 1,
    });
    bench.table.push(rows_of(&before, &after));
    Ok(())
}

fn rows_of(before: &[TableCounts], after: &[TableCounts]) -> Row {
    let refreshes = i64::try_from(FIRST + COUNTED).unwrap_or(i64::MAX);
    let changed = after.iter().filter_map(|after| {
        let before = before.iter().find(|before| before.name == after.name)?;
        let changed = TableCounts {
            name: after.name.clone(),
            inserted: after.inserted - before.inserted,
            updated: after.updated - before.updated,
            updated_in_place: after.updated_in_place - before.updated_in_place,
            deleted: after.deleted - before.deleted,
        };
        Some(changed).filter(|changed| changed.inserted + changed.updated + changed.deleted > 0)
    });
    let changed: Vec<TableCounts> = changed.collect();
    let grants = changed.iter().find(|table| table.name == "grants");
    let one_each = grants.is_some_and(|grants| grants.updated == refreshes && grants.inserted == 0);
    let in_place = grants.map_or(0, |grants| grants.updated_in_place);
    let elsewhere = changed
        .iter()
        .filter(|table| table.name != "grants")
        .map(|table| format!("; {}: {} inserted, {} updated", table.name, table.inserted, table.updated));
    let (updated, inserted) = grants.map_or((0, 0), |grants| (grants.updated, grants.inserted));
    let inserted_elsewhere: i64 = changed.iter().map(|table| table.inserted).sum();
    Row {
        path: format!("{refreshes} refreshes, rows of grants"),
        goal: "one updated in place each, none inserted".to_owned(),
        figure: format!("{updated} updated, {in_place} in place, {inserted} inserted"),
        reference: format!("besides{}", elsewhere.collect::<String>()),
        ratio: String::new(),
        // Now and then a page is full, even with room left on each.
        is_met: one_each && in_place * 100 >= refreshes * 99 && inserted_elsewhere == 0,
    }
}
