//! The tables of the evasion suite, one for each kernel and plan, made into one.

use std::{fmt::Write as _, fs, io, path::Path};

use anyhow::Context;

use crate::exit::{self, Result, failure};

/// Between these two lines of a document the table is replaced.
const BEGIN: &str = "<!-- table of guests: begin -->";
const END: &str = "<!-- table of guests: end -->";

/// What the suite printed in all guests.
#[derive(Debug, Default)]
pub struct Tables {
    columns: Vec<Column>,
    /// Whether the last line belonged to a table.
    reading: bool,
}

/// One kernel with one plan.
#[derive(Debug)]
struct Column {
    /// Such as `6.1 trampoline`.
    title: String,
    rows: Vec<Row>,
    /// The counts below the table.
    sum: String,
}

#[derive(Debug)]
struct Row {
    way: String,
    sensor: String,
    control: String,
}

impl Tables {
    /// Reads a line of a test's output.
    pub fn take(&mut self, line: &str) {
        if let Some(title) = title(line) {
            // A guest that was booted once more.
            self.columns.retain(|column| column.title != title);
            self.columns.push(Column { title, rows: Vec::new(), sum: String::new() });
            self.reading = true;
        } else if let Some(column) = self.columns.last_mut().filter(|_| self.reading) {
            if let Some(row) = Row::of(line) {
                column.rows.push(row);
            } else if line.starts_with("Of ") {
                line.clone_into(&mut column.sum);
                self.reading = false;
            }
        }
    }

    /// Puts the table into the document, in the place of the one that is there.
    pub fn write(&self, document: &Path) -> Result {
        let text =
            fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
        let (before, rest) = text.split_once(BEGIN).ok_or_else(|| no_place(document))?;
        let (_, after) = rest.split_once(END).ok_or_else(|| no_place(document))?;
        if self.columns.is_empty() {
            return Err(failure(exit::USAGE, "no table was printed: let --filter choose table:: as well"));
        }
        let text = format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.markdown());
        write(document, &text).with_context(|| format!("cannot write {}", document.display()))
    }

    fn markdown(&self) -> String {
        let mut text = String::from("| way |");
        for column in &self.columns {
            let _ = write!(text, " {} |", column.title);
        }
        text += " control |\n|---|";
        text += &"---|".repeat(self.columns.len() + 1);
        text += "\n";
        let ways = self.columns.first().map_or(&[][..], |column| &column.rows);
        for Row { way, .. } in ways {
            let _ = write!(text, "| {way} |");
            for column in &self.columns {
                let _ = write!(text, " {} |", column.row(way).map_or("", Row::verdict));
            }
            let _ = writeln!(text, " {} |", self.control(way));
        }
        for column in &self.columns {
            let _ = write!(text, "\n{}: {}\n", column.title, column.sum);
        }
        text + &self.reasons()
    }

    /// What the control made of it where it could be tried.
    fn control(&self, way: &str) -> &str {
        let rows = self.columns.iter().rev().filter_map(|column| column.row(way));
        rows.map(|row| row.control.as_str()).find(|control| !control.is_empty()).unwrap_or("")
    }

    /// Why some could not be tried.
    fn reasons(&self) -> String {
        let mut text = String::new();
        for column in &self.columns {
            for row in column.rows.iter().filter(|row| row.verdict() == CANNOT) {
                let reason = row.sensor.split_once(": ").map_or("", |(_, reason)| reason);
                let _ = writeln!(text, "- {}, {}: {reason}", column.title, row.way);
            }
        }
        if text.is_empty() { text } else { format!("\nWhat could not be tried:\n\n{text}") }
    }
}

const CANNOT: &str = "cannot run";

impl Column {
    fn row(&self, way: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.way == way)
    }
}

impl Row {
    /// A line of a table, but for its head.
    fn of(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        match cells[..] {
            ["way", ..] => None,
            [way, sensor, control] => {
                Some(Self { way: way.into(), sensor: sensor.into(), control: control.trim().into() })
            }
            _ => None,
        }
    }

    /// The verdict without what goes with it.
    fn verdict(&self) -> &str {
        if self.sensor.starts_with(CANNOT) {
            return CANNOT;
        }
        self.sensor.split([',', ':']).next().unwrap_or_default()
    }
}

/// `6.1 trampoline` of `### Kernel 6.1.0-50-cloud-amd64, trampoline plan`.
fn title(line: &str) -> Option<String> {
    let (kernel, plan) = line.strip_prefix("### Kernel ")?.strip_suffix(" plan")?.rsplit_once(", ")?;
    let numbers: Vec<_> = kernel.split('.').take(2).collect();
    Some(format!("{} {plan}", numbers.join(".")))
}

fn no_place(document: &Path) -> anyhow::Error {
    failure(
        exit::USAGE,
        format!(
            "{} has no place for the table: write {BEGIN} and {END} on lines of their own",
            document.display()
        ),
    )
}

/// Whole or not at all.
fn write(document: &Path, text: &str) -> io::Result<()> {
    let new = document.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
### Kernel 5.10.0-32-cloud-amd64, tracepoint plan

| way | sensor | control |
|---|---|---|
| hard link | reported | saw only `a` |
| vsock | cannot run here: AF_VSOCK: no such family |  |

Of 1 ways the sensor reported 1.
### Kernel 7.2.13, trampoline plan

| way | sensor | control |
|---|---|---|
| hard link | not covered, and said so | saw only `a` |
| vsock | counted (gap) | missed |

Of 2 ways the sensor reported 0.
| not | of a | table |
";

    #[test]
    fn tables_become_one_with_a_column_for_each_kernel_and_plan() {
        let mut tables = Tables::default();
        PRINTED.lines().for_each(|line| tables.take(line));
        let document = tempfile::NamedTempFile::new().unwrap();
        fs::write(document.path(), format!("# Head\n{BEGIN}\nold\n{END}\nfoot\n")).unwrap();
        tables.write(document.path()).unwrap();
        assert_eq!(
            fs::read_to_string(document.path()).unwrap(),
            format!(
                "# Head\n{BEGIN}\n\n\
                 | way | 5.10 tracepoint | 7.2 trampoline | control |\n|---|---|---|---|\n\
                 | hard link | reported | not covered | saw only `a` |\n\
                 | vsock | cannot run | counted (gap) | missed |\n\n\
                 5.10 tracepoint: Of 1 ways the sensor reported 1.\n\n\
                 7.2 trampoline: Of 2 ways the sensor reported 0.\n\n\
                 What could not be tried:\n\n\
                 - 5.10 tracepoint, vsock: AF_VSOCK: no such family\n\n{END}\nfoot\n"
            )
        );
    }

    #[test]
    fn a_document_without_a_place_for_it_stays_as_it_is() {
        let document = tempfile::NamedTempFile::new().unwrap();
        fs::write(document.path(), "text").unwrap();
        let mut tables = Tables::default();
        PRINTED.lines().for_each(|line| tables.take(line));
        let error = tables.write(document.path()).unwrap_err();
        assert!(error.to_string().contains("no place"), "{error}");
        assert_eq!(fs::read_to_string(document.path()).unwrap(), "text");
    }
}
