//! `verify`: is what is stored what was sealed?
//!
//! It works while `run` writes, without a lock. First it looks which files there are,
//! then it reads the seal: what was there before has an entry by then, or its segment
//! still.

mod archive;
mod chain;
mod files;
mod merges;
mod report;
mod sequences;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};

use report::{Kind, Place, Report};

use super::{Checkpoint, key::PublicKey};
use crate::{
    cli::StoreArgs,
    failure::{Failure, written},
    store::{Layout, StoreError},
};

/// How often progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// `verify`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Which events.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The store's public key, from where those who can write to the store cannot reach it [default:
    /// the store's own seal.pub]
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// A checkpoint that `run` logged: what it vouches for must be there; may be given more than once
    #[arg(long = "checkpoint", value_name = "NUMBER:HASH")]
    pub checkpoints: Vec<Checkpoint>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// How to print what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// One object
    Json,
}

const EXAMPLES: &str = "\
Every segment of the log that became a Parquet file is sealed with a signed entry in seal.jsonl.
This reads all files and tells the first problem of each kind. What cannot be found from inside
the store alone, such as that all of it was replaced by an older copy, needs a checkpoint from
the log of `run`, and a copy of seal.pub that was made when the store was new. Files that
`run` moved to an archive are read there, all of them.

Examples:
  activity-collector verify
  journalctl -u activity-collector | grep checkpoint | tail -1
  activity-collector verify --public-key /media/safe/seal.pub --checkpoint 119:0f3a99c07d1e44b2

Exit codes: 0 all is as it was sealed, 1 something is not, 64 wrong usage, 69 there is no store,
77 not permitted.";

/// Told how many files of all are done.
type Progress<'a> = &'a mut (dyn FnMut(usize, usize) + Send);

/// Prints what is found; fails where that is a problem.
pub fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let layout = args.store.layout()?;
    let key = args.public_key.as_ref().map(|path| {
        let text = fs::read(path).map_err(|source| StoreError::file("read", path, source))?;
        let none = || Failure::usage(format!("{} is no public key as in seal.pub", path.display()));
        PublicKey::read(&text).ok_or_else(none)
    });
    let report = check(&layout, key.transpose()?, &args.checkpoints, &mut progress())?;
    written(print(&report, args.format, &mut io::stdout().lock()))?;
    if report.is_fine() {
        return Ok(());
    }
    Err(Failure::tampered(format!(
        "the store {} is not as it was sealed: keep a copy of it as it is, and see docs/security.md",
        layout.root().display()
    )))
}

/// Compares a store with its seal.
pub fn check(
    layout: &Layout,
    key: Option<PublicKey>,
    checkpoints: &[Checkpoint],
    progress: Progress,
) -> Result<Report, StoreError> {
    if !layout.events().is_dir() {
        return Err(layout.why_missing());
    }
    let mut report = Report::default();
    let listed = files::Listed::take(layout)?;
    let key = store_key(layout, key, &mut report)?;
    let entries = chain::read(layout, key, &mut report)?;
    chain::checkpoints(&entries, checkpoints, &mut report);
    files::log(&listed, &entries, &mut report);
    sequences::check(&entries, &mut report);
    files::check(layout, &listed, &entries, &mut report, progress)?;
    Ok(report)
}

/// The key to verify with. The store's own must be the one that was given.
fn store_key(
    layout: &Layout,
    given: Option<PublicKey>,
    report: &mut Report,
) -> Result<Option<PublicKey>, StoreError> {
    let path = layout.seal_public();
    let own = match fs::read(&path) {
        Ok(text) => PublicKey::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(StoreError::file("read", &path, source)),
    };
    let place = || Place { file: Some("seal.pub".into()), ..Place::default() };
    match (own, given) {
        (None, _) => report.problem(Kind::Key, place(), "it is not there, or is no public key"),
        (Some(own), Some(given)) if own != given => {
            report.problem(Kind::Key, place(), "it is not the key that was given");
        }
        _ => {}
    }
    Ok(given.or(own))
}

fn print(report: &Report, form: Form, out: &mut impl io::Write) -> io::Result<()> {
    match form {
        Form::Text => report.text(out)?,
        Form::Json => writeln!(out, "{}", report.json())?,
    }
    out.flush()
}

/// Shows people how many files of all are done.
fn progress() -> impl FnMut(usize, usize) {
    let (is_shown, mut last) = (io::stderr().is_terminal(), None::<Instant>);
    move |done: usize, all: usize| {
        let is_due = last.is_none_or(|last| last.elapsed() >= SHOWN_EVERY);
        if is_shown && (is_due || done == all) {
            last = Some(Instant::now());
            let end = if done == all { "\r\x1b[K" } else { "" };
            let _ = write!(io::stderr(), "\r{done} of {all} files{end}");
        }
    }
}
