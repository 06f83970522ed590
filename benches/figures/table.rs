//! What is printed: what was to be reached, what was, and how the load was spread.

use std::io::Write;

use crate::load::Run;

#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    runs: Vec<[String; 8]>,
}

#[derive(Debug)]
pub struct Row {
    pub path: String,
    pub goal: String,
    pub figure: String,
    pub reference: String,
    pub ratio: String,
    pub is_met: bool,
}

impl Table {
    pub fn push(&mut self, row: Row) {
        let Row { path, goal, figure, reference, ratio, is_met } = &row;
        eprintln!("{path}: {figure} {reference} {ratio} (goal {goal}: {})", verdict(*is_met));
        self.rows.push(row);
    }

    /// A rate that is to be at least `goal` of a reference, both a second.
    pub fn push_rate(&mut self, path: &str, goal: f64, rate: f64, (name, reference): (&str, f64)) {
        let ratio = rate / reference;
        self.push(Row {
            path: path.to_owned(),
            goal: format!("≥ {goal} × {name}"),
            figure: format!("{rate:.0}/s"),
            reference: format!("{reference:.0}/s"),
            ratio: format!("{ratio:.2}"),
            is_met: ratio >= goal,
        });
    }

    /// Something that is to be `limit` at the most.
    pub fn push_bounded(&mut self, path: &str, (value, limit): (f64, f64), unit: &str) {
        self.push(Row {
            path: path.to_owned(),
            goal: format!("≤ {limit:.0} {unit}"),
            figure: format!("{value:.1} {unit}"),
            reference: String::new(),
            ratio: String::new(),
            is_met: value <= limit,
        });
    }

    /// How a run went, for the second table.
    pub fn note(&mut self, what: &str, run: &Run) {
        let [server, generator, postgres] = run.shares().map(|share| format!("{share:.0} %"));
        self.runs.push([
            what.to_owned(),
            format!("{:.0}/s", run.rate()),
            format!("{:.2} ms", run.percentile(50)),
            format!("{:.2} ms", run.percentile(99)),
            format!("{:.1} µs", run.work()),
            server,
            generator,
            postgres,
        ]);
    }

    pub fn print(&self, mut out: impl Write) -> std::io::Result<()> {
        let head = ["path", "goal", "figure", "reference", "ratio", ""].map(str::to_owned);
        let rows = self.rows.iter().map(|row| {
            let met = verdict(row.is_met).to_owned();
            [&row.path, &row.goal, &row.figure, &row.reference, &row.ratio, &met].map(Clone::clone)
        });
        print(&mut out, &head, &rows.collect::<Vec<_>>())?;
        writeln!(
            out,
            "\nHow the runs went; the last columns are processor time in percent of a core. Where neither the"
        )?;
        writeln!(
            out,
            "server nor the other two together fill theirs, a disk was waited for, or the machine was shared.\n"
        )?;
        let head =
            ["run", "rate", "p50", "p99", "work of a request", "server", "load generator", "PostgreSQL"];
        print(&mut out, &head.map(str::to_owned), &self.runs)
    }
}

const fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// As Markdown that can be read as it is.
fn print<const N: usize>(
    out: &mut impl Write,
    head: &[String; N],
    rows: &[[String; N]],
) -> std::io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| &row[column]).chain([&head[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} |"));
        format!("|{}", cells.collect::<String>())
    };
    writeln!(out, "{}", line(head))?;
    writeln!(out, "|{}", widths.map(|width| format!("{}|", "-".repeat(width + 2))).concat())?;
    for row in rows {
        writeln!(out, "{}", line(row))?;
    }
    Ok(())
}
