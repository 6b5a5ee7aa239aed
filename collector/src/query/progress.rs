//! Tells people at a terminal how far a long answer is.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::physical_plan::ExecutionPlan;
use tokio::task::JoinHandle;

/// An answer that comes sooner needs none.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(250);

/// Shows on standard error, where that is a terminal, how many rows were read; until it is
/// dropped.
#[derive(Default)]
pub struct Progress(Option<JoinHandle<()>>);

impl Progress {
    /// Begins to watch a plan that is carried out.
    pub fn watch(plan: Arc<dyn ExecutionPlan>) -> Self {
        Self(io::stderr().is_terminal().then(|| tokio::spawn(show(plan))))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(shown) = self.0.take() {
            shown.abort();
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

async fn show(plan: Arc<dyn ExecutionPlan>) {
    let begun = Instant::now();
    tokio::time::sleep(PATIENCE).await;
    loop {
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(begun.elapsed(), read(&plan)));
        tokio::time::sleep(EVERY).await;
    }
}

fn line(elapsed: Duration, rows: usize) -> String {
    format!("{} s, {} events read; Ctrl-C ends", elapsed.as_secs(), grouped(rows as u64))
}

/// Rows that came out of what reads.
fn read(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0);
    }
    children.into_iter().map(read).sum()
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(line(Duration::from_millis(3500), 12_000), "3 s, 12,000 events read; Ctrl-C ends");
    }
}
