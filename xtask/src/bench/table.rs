//! Results for people.

use super::result::{Alone, Compared, Report};

/// A table whose columns are as wide as their widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// How many columns, from the left, are words; the rest are figures, but for the last.
    words: usize,
}

impl Table {
    /// With these heads.
    pub fn new(words: usize, heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()], words }
    }

    /// Adds one.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// All of them.
    pub fn lines(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width =
            |column: usize| self.rows.iter().map(|row| row.get(column).map_or(0, |cell| length(cell))).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let left = column < self.words || column + 1 == columns;
                if left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        text
    }
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

/// Everything, as text.
pub fn text(report: &Report) -> String {
    let mut parts = vec![head(report)];
    if !report.compared.is_empty() {
        parts.push(format!("Time for one operation, medians\n{}", times(&report.compared).lines()));
        parts.push(format!("What watching took\n{}", costs(&report.compared).lines()));
        parts.push(format!("The ratio of each pair, in order\n{}", ratios(&report.compared).lines()));
    }
    if !report.alone.is_empty() {
        parts.push(format!("Arrival, sensor --all\n{}", arrivals(&report.alone).lines()));
    }
    let skipped =
        report.skipped.iter().map(|skipped| format!("not measured: {}: {}\n", skipped.what, skipped.reason));
    let skipped: String = skipped.collect();
    if !skipped.is_empty() {
        parts.push(skipped);
    }
    parts.join("\n")
}

fn head(report: &Report) -> String {
    let (machine, subject) = (&report.machine, &report.subject);
    let sensor = subject.sensor.as_ref();
    let plan =
        sensor.map_or("none was started".to_owned(), |says| format!("{}, plan {}", says.version, says.plan));
    format!(
        "{}, {} cores, {} MiB, Linux {}\nsensor {plan}, profile {}, commit {}\n\
         load average before {:.2}, after {:.2}{}\n",
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        subject.profile,
        subject.commit.as_deref().unwrap_or("unknown"),
        machine.load_before,
        report.load_after,
        busy(machine.load_before),
    )
}

/// Our own load comes after the beginning, so this is others'.
fn busy(load: f64) -> &'static str {
    if load > 0.3 { ": this machine had other work to do, and the figures are only a hint" } else { "" }
}

fn times(compared: &[Compared]) -> Table {
    let mut table =
        Table::new(2, &["workload", "beside", "alone ns", "with ns", "added ns", "ratio", "goals"]);
    for row in compared {
        let medians = &row.medians;
        let verdicts: Vec<_> = row.verdicts.iter().filter(|verdict| verdict.measure.is_time()).collect();
        table.row([
            row.workload.to_string(),
            row.contestant.to_string(),
            figure(medians.baseline_ns, 0),
            figure(medians.with_ns, 0),
            figure(medians.added_ns, 0),
            figure(medians.ratio, 3),
            joined(&verdicts),
        ]);
    }
    table
}

fn costs(compared: &[Compared]) -> Table {
    let heads = [
        "workload",
        "beside",
        "cpu s",
        "cpu s/M",
        "start MiB",
        "rest MiB",
        "run MiB",
        "done",
        "received",
        "missing",
        "told lost",
        "goals",
    ];
    let mut table = Table::new(2, &heads);
    for row in compared {
        let medians = &row.medians;
        // Of a floor it would be that of the program that loads it.
        let memory = |value| figure(if row.contestant.is_floor() { None } else { value }, 1);
        let verdicts: Vec<_> = row.verdicts.iter().filter(|verdict| !verdict.measure.is_time()).collect();
        let mut cells = vec![
            row.workload.to_string(),
            row.contestant.to_string(),
            figure(medians.cpu_seconds, 2),
            figure(medians.cpu_per_million, 2),
            memory(medians.start_mib),
            memory(medians.rest_mib),
            memory(medians.run_mib),
        ];
        cells.extend(row.sums().cells());
        cells.push(joined(&verdicts));
        table.row(cells);
    }
    table
}

fn ratios(compared: &[Compared]) -> Table {
    let mut table = Table::new(2, &["workload", "beside", "ratios"]);
    for row in compared {
        let ratios: Vec<_> = row.pairs.iter().map(|pair| figure(pair.ratio, 3)).collect();
        table.row([row.workload.to_string(), row.contestant.to_string(), ratios.join(" ")]);
    }
    table
}

fn arrivals(alone: &[Alone]) -> Table {
    let mut table =
        Table::new(1, &["workload", "done", "received", "missing", "told lost", "cpu s/M", "what"]);
    for row in alone {
        let mut cells = vec![row.workload.to_string()];
        cells.extend(row.sums().cells());
        cells.push(figure(row.cpu_per_million(), 2));
        cells.push(said(row));
        table.row(cells);
    }
    table
}

fn said(row: &Alone) -> String {
    if let Some(delay) = row.delay_ms {
        return format!(
            "from the act to the subscriber: half within {:.1} ms, 99 of 100 within {:.1} ms, all within {:.1} ms",
            delay.p50, delay.p99, delay.max
        );
    }
    if !row.start_ms.is_empty() {
        let each: Vec<_> = row.start_ms.iter().map(|time| format!("{time:.0}")).collect();
        return format!("from the start to the first event, ms: {}", each.join(" "));
    }
    row.rate.map(|rate| format!("at {rate} a second")).unwrap_or_default()
}

fn joined(verdicts: &[&super::goals::Verdict]) -> String {
    verdicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A figure with so many places after the point; `-` where there is none.
pub fn figure(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_at_the_left_and_figures_at_the_right() {
        let mut table = Table::new(1, &["what", "ns", "goals"]);
        table.row(["open", "1234", "≤ 5 reached"].map(str::to_owned));
        table.row(["connection", "7", ""].map(str::to_owned));
        let lines = table.lines();
        assert_eq!(
            lines.lines().collect::<Vec<_>>(),
            ["what          ns  goals", "open        1234  ≤ 5 reached", "connection     7"]
        );
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert_eq!(
            (figure(None, 1), figure(Some(1.25), 1), figure(Some(2.0), 0)),
            ("-".into(), "1.2".into(), "2".into())
        );
    }

    #[test]
    fn a_machine_with_other_work_is_told() {
        assert!(busy(2.0).contains("hint") && busy(0.1).is_empty());
    }
}
