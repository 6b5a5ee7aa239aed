//! `files`: which files count, for other programs that read them.

use std::{
    io::{self, Write as _},
    path,
};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use jiff::Zoned;

use crate::{
    cli::StoreArgs,
    failure::{Failure, written},
    query::moment::{moment, nanoseconds},
    store::{Class, Snapshot, Span, StoredFile, archive::Settings},
};

/// List the files that count.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FilesArgs {
    /// Only files of a class; may be given more than once
    #[arg(long = "class", value_name = "CLASS",
        value_parser = PossibleValuesParser::new(Class::ALL.map(Class::name)).try_map(|name| name.parse::<Class>()))]
    classes: Vec<Class>,
    /// Only files that may have events since then: 7d (ago), yesterday, 2026-01-31, …
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only files that may have events from before that time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
}

const EXAMPLES: &str = "\
One path a line, oldest first; the URL of one that is in the archive. Every event that is in
a file is in exactly one of them, also while `run` replaces small files by larger ones; those
of the last minutes are in the log and in none. Nothing is removed while somebody holds a
shared lock on the file `readers` in the store.

Examples:
  activity-collector files --since 7d --class identity
  flock --shared /var/lib/activity-collector/readers sh -c \\
      'activity-collector files > files.txt && spark-submit review.py files.txt'

Reading files is in no log of viewers: their permissions decide who can.";

/// Prints them.
///
/// # Errors
/// When the store cannot be read, or a time is none.
pub fn files(args: &FilesArgs) -> Result<(), Failure> {
    let layout = args.store.layout()?;
    let snapshot = Snapshot::take(&layout)?;
    let now = Zoned::now();
    let time =
        |text: &Option<String>| text.as_deref().map(|text| moment(text, &now).map(nanoseconds)).transpose();
    let span = Span { since: time(&args.since)?, until: time(&args.until)? };
    let is_of_class = |file: &StoredFile| {
        args.classes.is_empty() || file.class.is_none_or(|class| args.classes.contains(&class))
    };
    let is_wanted = |file: &&StoredFile| is_of_class(file) && span.overlaps(file.from, file.to);
    let archive = Settings::read(&layout)?.map(|settings| settings.url);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut print = |file: &StoredFile| match &archive {
        Some(url) if file.archived.is_some() => {
            writeln!(out, "{}/{}", url.trim_end_matches('/'), layout.relative(&file.path))
        }
        _ => writeln!(out, "{}", path::absolute(&file.path).as_ref().unwrap_or(&file.path).display()),
    };
    let printed = snapshot.files.iter().filter(is_wanted).try_for_each(&mut print);
    written(printed.and_then(|()| out.flush()))
}
