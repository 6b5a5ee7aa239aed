//! Questions that people ask of a month.

use std::time::Instant;

use serde::Serialize;

use super::super::helper::Stop;
use crate::exit::Result;

/// How often each is asked.
const TIMES: usize = 3;
/// In seconds, what a person's day and any other question may take.
const DAY: f64 = 1.0;
const OTHER: f64 = 2.0;

/// The whole month, and a day of it.
const MONTH: [&str; 2] = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"];
const A_DAY: [&str; 2] = ["2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z"];

/// Statements, each with its name.
const STATEMENTS: [(&str, &str); 4] = [
    ("count", "SELECT count(*) FROM events"),
    ("types", "SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC"),
    (
        "who read that file",
        "SELECT DISTINCT human, host FROM events WHERE type = 'open' AND path LIKE '/home/alice/%/file_17.md'",
    ),
    (
        "destinations",
        "SELECT address, port, count(*) FROM events WHERE type = 'connect' GROUP BY address, port \
         ORDER BY 3 DESC LIMIT 20",
    ),
];

/// How soon a question was answered.
#[derive(Debug, Serialize)]
pub struct Query {
    pub name: String,
    /// The middle one of all.
    pub seconds: f64,
    /// What it may take.
    pub goal: f64,
    /// Lines of the answer, without its head.
    pub rows: usize,
}

/// What is asked.
struct Question {
    name: String,
    goal: f64,
    arguments: Vec<String>,
}

impl Question {
    fn new(name: &str, goal: f64, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), goal, arguments }
    }

    /// A question that the collector knows by name, over the whole month.
    fn named(name: &str) -> Self {
        let [since, until] = MONTH.map(str::to_owned);
        let (since, until) = (format!("since={since}"), format!("until={until}"));
        let arguments = ["query", "--name", name, "--param", &since, "--param", &until, "--format", "csv"];
        Self::new(name, OTHER, &arguments)
    }
}

/// Asks everything: statements, a person's day, and all that the collector knows by name.
pub fn ask(asked: impl Fn(&[String]) -> Result<String>, stop: &Stop) -> Result<Vec<Query>> {
    let [since, until] = A_DAY;
    let day = ["timeline", "--user", "alice", "--since", since, "--until", until];
    let list = asked(&["query".into(), "--list".into()])?;
    let statement =
        |(name, sql): (&str, &str)| Question::new(name, OTHER, &["query", sql, "--format", "csv"]);
    let questions = std::iter::once(Question::new("timeline of a day", DAY, &day))
        .chain(STATEMENTS.map(statement))
        .chain(names(&list).map(Question::named));
    let one = |Question { name, goal, arguments }| {
        let (mut seconds, mut rows) = (Vec::new(), 0);
        for _ in 0..TIMES {
            stop.check()?;
            let begun = Instant::now();
            rows = asked(&arguments)?.lines().count().saturating_sub(1);
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let seconds = seconds.get(TIMES / 2).copied().unwrap_or_default();
        Ok(Query { name, seconds, goal, rows })
    };
    questions.map(one).collect()
}

/// The names in what `query --list` says: of its first paragraph, what is indented least.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let paragraph = list.lines().skip(1).take_while(|line| !line.is_empty());
    paragraph
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' ').map(|(name, _)| name))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_list_and_nothing_else() {
        let list = "Questions (--name NAME):\n  logins   who came in\n           since=7d\n  sudo     who went on\n\n\
                    Parameters:\n  since    from when\n";
        assert_eq!(names(list).collect::<Vec<_>>(), ["logins", "sudo"]);
    }
}
