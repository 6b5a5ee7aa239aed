//! Instructions of each stage, and what is too many.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::bail;

use crate::exit::Result;

/// In the order in which an event goes through them.
const STAGES: [&str; 4] = ["decode", "enrich", "judge", "encode"];

/// A difference that compilers and hash seeds make, percent.
const TOLERANCE: u64 = 10;

/// Instructions an event, by stage.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// From what `callgrind_annotate --inclusive=yes` prints of a run with so many
    /// events.
    ///
    /// # Errors
    /// When a stage is not in it.
    pub fn of(annotated: &str, events: u64) -> Result<Self> {
        let mut counts = BTreeMap::new();
        for stage in STAGES {
            let name = format!("stage_{stage}");
            let line = annotated.lines().find(|line| line.contains(&name));
            let number =
                line.and_then(|line| line.split_whitespace().next()).map(|word| word.replace(',', ""));
            let Some(all) = number.and_then(|number| number.parse::<u64>().ok()) else {
                bail!("callgrind did not see {name}");
            };
            counts.insert(stage.to_owned(), all / events.max(1));
        }
        Ok(Self(counts))
    }

    /// From a file of accepted ones.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// For such a file.
    ///
    /// # Errors
    /// Never in earnest.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// The stages that take too much more than was accepted.
    pub fn worse_than(&self, accepted: &Self) -> Vec<String> {
        let worse = |(stage, count): (&String, &u64)| {
            let most = accepted.0.get(stage).map_or(0, |accepted| accepted + accepted * TOLERANCE / 100);
            (*count > most).then(|| stage.clone())
        };
        self.0.iter().filter_map(worse).collect()
    }

    /// For people.
    pub fn table(&self, accepted: &Self) -> String {
        let mut text = format!("{:<8}{:>14}{:>10}", "stage", "instructions", "accepted");
        for stage in STAGES {
            let of = |counts: &Self| counts.0.get(stage).map_or("-".to_owned(), u64::to_string);
            let _ = write!(text, "\n{stage:<8}{:>14}{:>10}", of(self), of(accepted));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOTATED: &str = "\
Ir
1,234,567 (100.0%)  PROGRAM TOTALS
  400,000 (32.4%)  stages.rs:sensor::replay::stages::stage_decode [/x]
  300,000 (24.3%)  stages.rs:sensor::replay::stages::stage_enrich [/x]
   20,000 ( 1.6%)  stages.rs:sensor::replay::stages::stage_judge [/x]
  100,000 ( 8.1%)  stages.rs:sensor::replay::stages::stage_encode [/x]
";

    #[test]
    fn counts_are_those_of_an_event() {
        let counts = Counts::of(ANNOTATED, 100).unwrap();
        assert_eq!(counts.0["decode"], 4000);
        assert_eq!(Counts::from_json(&counts.to_json().unwrap()).unwrap(), counts);
        assert!(Counts::of("nothing", 1).is_err());
    }

    #[test]
    fn only_what_takes_over_a_tenth_more_is_worse() {
        let accepted = Counts::of(ANNOTATED, 100).unwrap();
        let now = |text: &str, other: &str| Counts::of(&ANNOTATED.replace(text, other), 100).unwrap();
        assert!(now("400,000", "439,900").worse_than(&accepted).is_empty());
        assert_eq!(now("400,000", "440,200").worse_than(&accepted), ["decode"]);
        assert!(now("400,000", "100").worse_than(&accepted).is_empty());
    }
}
