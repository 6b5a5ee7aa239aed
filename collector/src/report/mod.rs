//! `report`: the periodic review. Collected by SQL, computed once, rendered in three ways.
//!
//! What must be answered stands first, then what is missing, then everybody and every host.

mod args;
mod assess;
mod build;
mod collect;
mod hours;
mod html;
mod markdown;
mod model;
mod roster;
#[cfg(test)]
mod tests;
mod words;

use std::{
    fs,
    io::{self, Write as _},
};

use jiff::{Timestamp, Zoned, tz::TimeZone};

use args::Form;
pub use args::ReportArgs;
use model::Report;
use roster::Roster;
use words::Clock;

use crate::{
    failure::{Failure, written},
    query::{Engine, INSIDE, Networks, moment},
    state::{Viewing, me},
};

/// What is asked for.
pub struct Asked {
    title: String,
    tenant: Option<String>,
    since: Timestamp,
    until: Timestamp,
    /// When it is asked.
    made: Timestamp,
    zone: TimeZone,
    inside: String,
    roster: Option<Roster>,
}

impl Asked {
    fn from(args: &ReportArgs) -> Result<Self, Failure> {
        let zone = moment::zone(&args.zone)?;
        let now = Zoned::now().with_time_zone(zone.clone());
        let (since, until) = (moment::moment(&args.since, &now)?, moment::moment(&args.until, &now)?);
        if since >= until {
            return Err(Failure::usage(format!("--since {since} is not before --until {until}")));
        }
        let inside = args.inside.clone().unwrap_or_else(|| INSIDE.to_owned());
        Networks::read(&inside).map_err(Failure::usage)?;
        let roster = args.roster.as_deref().map(roster::read).transpose()?;
        let tenant = args.store.tenant.as_ref().map(ToString::to_string);
        let made = now.timestamp();
        Ok(Self { title: args.title.clone(), tenant, since, until, made, zone, inside, roster })
    }
}

/// Writes a review.
pub async fn report(args: &ReportArgs) -> Result<(), Failure> {
    let asked = Asked::from(args)?;
    let layout = args.store.layout()?;
    let what = format!("--since {} --until {}", asked.since, asked.until);
    let viewing = Viewing::begin(&layout, &me(), "report", &what, &args.viewing)?;
    let report = match Engine::open(&layout).await {
        Ok(engine) => review(&engine, &asked).await,
        Err(failure) => Err(failure),
    };
    let people = report.as_ref().map_or(0, |report| report.people.len() as u64);
    let report = viewing.end(people, report)?;
    let text = render(&report, &asked.zone, args.format)?;
    match &args.out {
        Some(path) => {
            let failed = |error| Failure::unavailable(format!("cannot write {}: {error}", path.display()));
            fs::write(path, text).map_err(failed)
        }
        None => written(io::stdout().lock().write_all(text.as_bytes())),
    }
}

async fn review(engine: &Engine, asked: &Asked) -> Result<Report, Failure> {
    Ok(build::build(collect::collect(engine, asked).await?, asked))
}

fn render(report: &Report, zone: &TimeZone, form: Form) -> Result<String, Failure> {
    let clock = Clock(zone.clone());
    Ok(match form {
        Form::Html => html::html(report, &clock),
        Form::Md => markdown::markdown(report, &clock),
        Form::Json => {
            let json = serde_json::to_string_pretty(report);
            format!("{}\n", json.map_err(|error| Failure::unavailable(format!("no JSON: {error}")))?)
        }
    })
}
