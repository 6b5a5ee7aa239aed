//! Counts what cargo's test harness prints.

/// What passed, failed and could not run.
#[derive(Debug, Default)]
pub struct Tally {
    passed: i64,
    /// Passed in a test program whose own count is still to come.
    unconfirmed: i64,
    /// Names.
    pub failed: Vec<String>,
    /// Names with reasons.
    pub skipped: Vec<String>,
}

impl Tally {
    /// One that passed.
    pub fn pass(&mut self) {
        self.passed += 1;
    }

    /// One that failed.
    pub fn fail(&mut self, name: &str) {
        self.failed.push(name.to_owned());
    }

    /// One that cannot run here.
    pub fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.push(format!("{name}: {reason}"));
    }

    /// Reads a line of the harness. With one test at a time its name comes
    /// first, so what the test itself prints can follow on the same line.
    pub fn take(&mut self, line: &str) {
        let after_name = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "));
        if let Some(reason) = after_name.map_or(line, |(_, rest)| rest).strip_prefix("skipped: ") {
            self.skipped.push(reason.to_owned());
            // The harness is going to count it as passed.
            self.passed -= 1;
        } else if let Some((name, outcome)) = after_name {
            if outcome == "ok" {
                self.unconfirmed += 1;
            } else if outcome == "FAILED" {
                self.fail(name);
            } else if let Some(reason) = outcome.strip_prefix("ignored") {
                self.skip(name, reason.strip_prefix(", ").unwrap_or("ignored"));
            }
        } else if line == "FAILED" {
            self.fail("a test that printed before it failed; see above");
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.unconfirmed = 0;
        }
    }

    /// The test program has ended without a count: what it told counts.
    pub fn cut_short(&mut self) {
        self.passed += std::mem::take(&mut self.unconfirmed);
    }

    /// Adds another run's counts, its names marked with where it ran.
    pub fn add(&mut self, place: &str, other: Self) {
        self.passed += other.passed;
        let marked = |name: String| format!("{place}: {name}");
        self.failed.extend(other.failed.into_iter().map(marked));
        self.skipped.extend(other.skipped.into_iter().map(marked));
    }

    /// What did not pass, a line each, and the counts.
    pub fn summary(&self) -> String {
        let skipped = self.skipped.iter().map(|name| format!("skipped: {name}\n"));
        let failed = self.failed.iter().map(|name| format!("failed: {name}\n"));
        skipped.chain(failed).chain([self.line()]).collect()
    }

    /// The last line of the run.
    pub fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

/// The number before that word in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> i64 {
    counts
        .split(word)
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.take(line));
        tally
    }

    #[test]
    fn several_programs_are_added_up() {
        let tally = tally(
            "running 2 tests\ntest a ... ok\ntest b ... ok\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
             running 2 tests\ntest m::c ... FAILED\ntest d ... ignored, takes an hour\n\n\
             test result: FAILED. 0 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
        );
        assert_eq!(tally.line(), "2 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failed, ["m::c"]);
        assert_eq!(tally.skipped, ["d: takes an hour"]);
    }

    #[test]
    fn a_test_that_says_it_was_skipped_did_not_pass() {
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let many = tally(&format!("skipped: live: needs root\ntest live ... ok\ntest b ... ok\n{result}"));
        let single = tally(&format!("test live ... skipped: live: needs root\nok\ntest b ... ok\n{result}"));
        for tally in [many, single] {
            assert_eq!(tally.line(), "1 passed, 0 failed, 1 skipped");
            assert_eq!(tally.skipped, ["live: needs root"]);
        }
    }

    #[test]
    fn without_a_count_the_lines_are_counted() {
        let mut tally = tally("skipped: a: no root\ntest a ... ok\ntest b ... ok\ntest c ... FAILED");
        tally.cut_short();
        assert_eq!(tally.line(), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn what_a_test_prints_about_results_is_not_counted_twice() {
        assert_eq!(tally("   test result: ok. 9 passed; 0 failed").line(), "0 passed, 0 failed, 0 skipped");
    }
}
