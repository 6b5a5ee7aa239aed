//! `timeline`: what a person did, in order.
//!
//! Acts come from the query engine sorted by session and time, so that a month of them needs
//! no more memory than a minute. What is not known (gaps, silent sensors) stands where it
//! belongs in time.

mod act;
mod args;
mod flow;
mod fold;
mod json;
mod notice;
mod pager;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, IsTerminal as _};

use datafusion::common::ScalarValue;
use futures::TryStreamExt as _;
use jiff::{Timestamp, Zoned, tz::TimeZone};

pub use args::TimelineArgs;
use args::{Form, Who};

use crate::{
    failure::{Failure, written},
    query::{Engine, Values, failure, like, moment, rows_of},
    state::{Viewing, me},
    store::Layout,
};
use flow::{Flow, Show, Told};
use pager::Pager;

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    who: Who,
    since: Timestamp,
    until: Timestamp,
    /// As SQL's LIKE has it.
    host: String,
    zone: TimeZone,
    /// Also what says little: ends of programs and the like.
    all: bool,
}

impl Asked {
    fn from(args: &TimelineArgs) -> Result<Self, Failure> {
        let zone = moment::zone(&args.zone)?;
        let now = Zoned::now().with_time_zone(zone.clone());
        let (since, until) = (moment::moment(&args.since, &now)?, moment::moment(&args.until, &now)?);
        if since >= until {
            return Err(Failure::usage(format!("--since {since} is not before --until {until}")));
        }
        Ok(Self { who: args.user.clone(), since, until, host: like(&args.host), zone, all: args.all })
    }

    /// The values of every statement.
    fn values(&self) -> Values {
        let time = |at| ScalarValue::TimestampNanosecond(Some(moment::nanoseconds(at)), Some("UTC".into()));
        let name = match &self.who {
            Who::Name(name) => ScalarValue::Utf8(Some(name.clone())),
            Who::Uid(uid) => ScalarValue::UInt32(Some(*uid)),
        };
        vec![
            ("who".into(), name),
            ("since".into(), time(self.since)),
            ("until".into(), time(self.until)),
            ("host".into(), ScalarValue::Utf8(Some(self.host.clone()))),
        ]
    }
}

/// Prints what a person did.
pub async fn timeline(args: &TimelineArgs) -> Result<(), Failure> {
    let asked = Asked::from(args)?;
    let layout = args.store.layout()?;
    let what =
        format!("--user {} --since {} --until {} --host {}", args.user, asked.since, asked.until, args.host);
    let viewing = Viewing::begin(&layout, &me(), "timeline", &what, &args.viewing)?;
    let told = print(args, &asked, &layout).await;
    let acts = told.as_ref().map_or(0, |told| told.acts);
    viewing.end(acts, told).map(drop)
}

async fn print(args: &TimelineArgs, asked: &Asked, layout: &Layout) -> Result<Told, Failure> {
    let engine = Engine::open(layout).await?;
    let terminal = io::stdout().is_terminal();
    let told = match args.format {
        Form::Json => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            show(&engine, asked, &mut json::Json { out: &mut out, who: &asked.who }).await?
        }
        Form::Text => {
            let colour = terminal && std::env::var_os("NO_COLOR").is_none();
            let mut out = Pager::open(terminal && !args.no_pager);
            let mut text = text::Text::new(&mut out, asked, colour);
            let told = show(&engine, asked, &mut text).await;
            out.close();
            told?
        }
    };
    if told.acts == 0 && terminal {
        eprintln!("{}", nobody(&engine, asked).await?);
    }
    Ok(told)
}

/// Shows all of it. Whoever reads may have seen enough before the end.
async fn show(engine: &Engine, asked: &Asked, out: &mut impl Show) -> Result<Told, Failure> {
    let mut flow = Flow::new(notice::read(engine, asked).await?);
    let mut answer = engine.answer(&act::statement(asked), asked.values()).await?;
    while let Some(batch) = answer.rows.try_next().await.map_err(failure)? {
        drop(std::mem::take(&mut answer.progress));
        for act in rows_of(&batch)? {
            if let Err(error) = flow.act(act, out) {
                written(Err(error))?;
                return Ok(flow.told);
            }
        }
    }
    drop(answer);
    let ended = flow.end(out);
    written(ended)?;
    Ok(flow.told)
}

/// What to say where there is nothing: perhaps the name is another.
async fn nobody(engine: &Engine, asked: &Asked) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Person {
        human: String,
    }
    let sql = "SELECT DISTINCT human FROM events
        WHERE human IS NOT NULL AND time >= $since AND time < $until AND host LIKE $host LIMIT 1000";
    let values = asked.values().into_iter().filter(|(name, _)| name != "who").collect();
    let people: Vec<Person> = engine.rows(sql, values).await?;
    let who = asked.who.to_string();
    let likeness = |of: &&Person| (strsim::normalized_damerau_levenshtein(&who, &of.human) * 1000.0) as u32;
    let nearest = people.iter().max_by_key(likeness).filter(|of| likeness(of) > 600 && of.human != who);
    let hint = match nearest {
        Some(nearest) => format!("; did you mean {}?", nearest.human),
        None if people.is_empty() => "; nobody else did either".to_owned(),
        None => format!("; {} others did", people.len()),
    };
    Ok(format!("{who} did nothing that is stored between {} and {}{hint}", asked.since, asked.until))
}
