//! What a guest has to do, and the words in which it answers. Both sides use
//! this file: the host writes the job into the initramfs, the agent reads it.

use anyhow::{Context, bail};

use crate::exit::Result;

/// Where the agent lies in a guest. A program of this name is the agent,
/// whatever it is called with.
pub const AGENT: &str = "/guest/activity-guest-agent";
/// Where the job lies in a guest.
pub const JOB: &str = "/guest/job";

/// The serial port for what is run, its standard output.
pub const OUT: &str = "/dev/ttyS1";
/// The serial port for its standard error.
pub const ERR: &str = "/dev/ttyS2";
/// The serial port for the agent's own words: the lines below.
pub const REPORT: &str = "/dev/ttyS3";

/// The agent works.
pub const UP: &str = "up";
/// It still does; said now and then.
pub const ALIVE: &str = "alive";
/// `code N`: everything is done, and this is the exit code.
pub const CODE: &str = "code";
/// `failed SENTENCE`: it could not be done.
pub const FAILED: &str = "failed";
/// `file N`: as many bytes follow, the captured events, compressed.
pub const FILE: &str = "file";

/// Begins a line among the tests' output: `PLAN NAME` begins a plan, and
/// `ENDED STATUS PROGRAM` says how a test program ended.
pub const MARK_PLAN: &str = "#guest-plan ";
/// See [`MARK_PLAN`].
pub const MARK_ENDED: &str = "#guest-ended ";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Run test programs.
    Suite(SuiteJob),
    /// Run a script, with the sensor beside it if events are wanted.
    Script(ScriptJob),
}

/// Test programs to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteJob {
    /// Plans, each with all programs.
    pub plans: Vec<String>,
    /// Paths.
    pub programs: Vec<String>,
    /// Parts of names; none for all tests.
    pub filters: Vec<String>,
    /// `NAME=VALUE` for the tests' environment.
    pub environment: Vec<String>,
    /// Also those that take long.
    pub long: bool,
    /// As for a script.
    pub system: bool,
}

/// A script to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptJob {
    /// Path.
    pub script: String,
    /// The sensor's path, where events are captured.
    pub sensor: Option<String>,
    /// For the sensor.
    pub plan: String,
    /// Whether a whole system is there, whose first process is its own and
    /// which runs the sensor as a service.
    pub system: bool,
}

impl Job {
    /// Whether a whole system is there.
    pub fn has_system(&self) -> bool {
        match self {
            Self::Suite(job) => job.system,
            Self::Script(job) => job.system,
        }
    }

    /// As lines of `key value`.
    pub fn to_text(&self) -> Result<String> {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            if value.contains('\n') {
                bail!("a guest cannot be given {value:?}, which has a line break in it");
            }
            text += &format!("{key} {value}\n");
            Ok(())
        };
        match self {
            Self::Suite(job) => {
                line("do", "suite")?;
                job.plans.iter().try_for_each(|plan| line("plan", plan))?;
                job.programs.iter().try_for_each(|program| line("program", program))?;
                job.filters.iter().try_for_each(|filter| line("filter", filter))?;
                job.environment.iter().try_for_each(|setting| line("environment", setting))?;
                line("long", yes_or_no(job.long))?;
                line("system", yes_or_no(job.system))?;
            }
            Self::Script(job) => {
                line("do", "script")?;
                line("script", &job.script)?;
                job.sensor.iter().try_for_each(|sensor| line("sensor", sensor))?;
                line("plan", &job.plan)?;
                line("system", yes_or_no(job.system))?;
            }
        }
        Ok(text)
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self> {
        let lines: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        let all = |key: &str| -> Vec<String> {
            let of_key = lines.iter().filter(|(name, _)| *name == key);
            of_key.map(|(_, value)| (*value).to_owned()).collect()
        };
        let one = |key: &str| all(key).into_iter().next();
        let is = |key: &str| one(key).is_some_and(|value| value == yes_or_no(true));
        let job = match one("do").as_deref() {
            Some("suite") => Self::Suite(SuiteJob {
                plans: all("plan"),
                programs: all("program"),
                filters: all("filter"),
                environment: all("environment"),
                long: is("long"),
                system: is("system"),
            }),
            Some("script") => Self::Script(ScriptJob {
                script: one("script").context("the job names no script")?,
                sensor: one("sensor"),
                plan: one("plan").unwrap_or_else(|| "auto".to_owned()),
                system: is("system"),
            }),
            _ => bail!("this is not a job for a guest"),
        };
        Ok(job)
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let suite = Job::Suite(SuiteJob {
            plans: vec!["trampoline".to_owned(), "tracepoint".to_owned()],
            programs: vec!["/a path/live-1".to_owned()],
            filters: vec!["files::".to_owned()],
            environment: vec!["ACTIVITY_TEST_SLOW=10".to_owned()],
            long: true,
            system: true,
        });
        let sensor = Some("/t/activity-sensor".to_owned());
        let script = Job::Script(ScriptJob {
            script: "/tmp/s.sh".to_owned(),
            sensor,
            plan: "auto".to_owned(),
            system: true,
        });
        for job in [suite, script] {
            assert_eq!(Job::from_text(&job.to_text().unwrap()).unwrap(), job);
        }
        assert!(Job::from_text("").is_err());
    }

    #[test]
    fn a_line_break_cannot_forge_a_setting() {
        let job = ScriptJob { script: "a\nsensor x".to_owned(), ..ScriptJob::default() };
        assert!(Job::Script(job).to_text().is_err());
    }
}
