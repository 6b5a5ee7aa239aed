//! For people.

use std::{fmt::Write as _, io};

use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, civil::Date};

use super::{
    Asked,
    act::Section,
    flow::{Show, Told},
    fold::Folded,
    notice::Notice,
    words::{Weight, words},
};
use crate::query::{grouped, moment};

/// Width of what was done.
const VERB: usize = 10;

/// Writes lines.
pub struct Text<'a, Out> {
    out: Out,
    asked: &'a Asked,
    colour: bool,
    /// The day that was told last.
    day: Option<Date>,
    is_within: bool,
}

const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const ALARM: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))).bold();

/// Only colours that can be read on a dark and on a light background.
fn style(weight: Weight) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match weight {
        Weight::Plain => Style::new(),
        Weight::Exec => colour(AnsiColor::Green),
        Weight::Connect => colour(AnsiColor::Cyan),
        Weight::Switch => colour(AnsiColor::Magenta).bold(),
        Weight::Refused => colour(AnsiColor::Red),
        Weight::Alarm => ALARM,
    }
}

impl<'a, Out: io::Write> Text<'a, Out> {
    pub fn new(out: Out, asked: &'a Asked, colour: bool) -> Self {
        Self { out, asked, colour, day: None, is_within: false }
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The time of day; the day is told when it is another one.
    fn clock(&mut self, at: Timestamp) -> io::Result<String> {
        let zoned = at.to_zoned(self.asked.zone.clone());
        if self.day != Some(zoned.date()) {
            self.day = Some(zoned.date());
            let day = self.painted(BOLD, &zoned.strftime("%A %-d %B %Y").to_string());
            let indent = if self.is_within { "  " } else { "" };
            writeln!(self.out, "{indent}{day}")?;
        }
        Ok(self.painted(FAINT, &zoned.strftime("%H:%M:%S").to_string()))
    }

    fn time(&self, at: Timestamp) -> String {
        let zoned = at.to_zoned(self.asked.zone.clone());
        let same_day = self.day == Some(zoned.date());
        zoned.strftime(if same_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
    }
}

impl<Out: io::Write> Show for Text<'_, Out> {
    fn section(&mut self, section: &Section) -> io::Result<()> {
        self.is_within = false;
        self.day = None;
        let (who, host) =
            (self.painted(BOLD, &self.asked.who.to_string()), self.painted(BOLD, &section.host));
        writeln!(self.out, "\n{who} on {host}, {}", way(section))?;
        self.is_within = true;
        Ok(())
    }

    fn act(&mut self, folded: &Folded) -> io::Result<()> {
        let (act, words) = (&folded.act, words(&folded.act));
        let clock = self.clock(act.time)?;
        let style = style(words.weight);
        let mark = match words.weight {
            Weight::Switch => "^",
            Weight::Refused | Weight::Alarm => "!",
            _ => " ",
        };
        let mut line = format!("  {clock} {} ", self.painted(style, mark));
        // As whom, where that is not the person.
        let own = act.chain.first();
        let other = act.deed.as_user.as_ref().filter(|user| own.is_some_and(|own| own != *user));
        if let Some(user) = other.filter(|_| act.kind != "account_switch") {
            let _ = write!(line, "{} ", self.painted(self::style(Weight::Switch), &format!("{user}#")));
        }
        let verb = format!("{:<VERB$}", words.verb);
        let _ = write!(line, "{} {}", self.painted(style, &verb), words.object);
        if !words.hint.is_empty() {
            let _ = write!(line, "  {}", self.painted(FAINT, words.hint.trim()));
        }
        if folded.count > 1 {
            let until = folded.last.map_or_else(String::new, |last| format!(" until {}", self.time(last)));
            let _ = write!(
                line,
                "  {}{}",
                self.painted(BOLD, &format!("x{}", folded.count)),
                self.painted(FAINT, &until)
            );
        }
        if act.confidence.as_deref() == Some("low") {
            let _ = write!(line, "  {}", self.painted(FAINT, "(perhaps somebody else)"));
        }
        writeln!(self.out, "{}", line.trim_end())
    }

    fn notice(&mut self, notice: &Notice, is_within: bool) -> io::Result<()> {
        if self.is_within && !is_within {
            writeln!(self.out)?;
            (self.is_within, self.day) = (false, None);
        }
        let clock = self.clock(notice.time)?;
        let (style, mark) =
            if notice.kind == "login_failed" { (self::style(Weight::Refused), "!") } else { (ALARM, "?") };
        let host =
            if is_within || notice.host.is_empty() { String::new() } else { format!("{}: ", notice.host) };
        let text = format!("{mark} {host}{}", told(notice));
        let mut line = format!("  {clock} {}", self.painted(style, &text));
        if notice.times > 1 {
            let until = notice.last.map_or_else(String::new, |last| format!(" until {}", self.time(last)));
            let _ = write!(
                line,
                "  {}{}",
                self.painted(BOLD, &format!("x{}", notice.times)),
                self.painted(FAINT, &until)
            );
        }
        if let Some(ended) = notice.ended {
            let lasted = moment::length(ended.duration_since(notice.time));
            let _ = write!(line, " until {} ({lasted})", self.time(ended));
        }
        writeln!(self.out, "{line}")
    }

    fn end(&mut self, total: &Told) -> io::Result<()> {
        let Told { acts, sections, missing, unknown } = *total;
        let count = |number: u64, one: &str, more: &str| {
            format!("{} {}", grouped(number), if number == 1 { one } else { more })
        };
        let acts = format!("{} in {}", count(acts, "act", "acts"), count(sections, "session", "sessions"));
        self.day = None;
        let (since, until) = (self.time(self.asked.since), self.time(self.asked.until));
        let zone = moment::zone_name(&self.asked.zone);
        writeln!(self.out, "\n{acts}, {since} to {until} ({zone}).")?;
        if missing > 0 || unknown > 0 {
            let holes = if unknown > 0 {
                format!(
                    ", and {} of which nobody knows what happened meanwhile",
                    count(unknown, "time", "times")
                )
            } else {
                String::new()
            };
            let hole =
                format!("This is not all: {} missing{holes}.", count(missing, "event is", "events are"));
            let hole = self.painted(ALARM, &hole);
            writeln!(self.out, "{hole}")?;
        }
        self.out.flush()
    }
}

/// How somebody came in.
fn way(section: &Section) -> String {
    let Some(session) = &section.session else { return "outside of any session".to_owned() };
    let mut way = section.session_kind.clone().unwrap_or_else(|| "session".to_owned());
    if let Some(from) = &section.remote_address {
        let _ = write!(way, " from {from}");
        if let Some(port) = section.remote_port {
            let _ = write!(way, " port {port}");
        }
    }
    if let Some(method) = &section.auth_method {
        let _ = write!(way, " by {method}");
    }
    if let Some(key) = &section.key_fingerprint {
        let _ = write!(way, " {key}");
    }
    let _ = write!(way, ", session {session}");
    way
}

/// A notice in words.
fn told(notice: &Notice) -> String {
    let reason = notice.reason.as_deref().unwrap_or("unknown");
    match notice.kind.as_str() {
        "login_failed" => {
            let from = notice.address.as_deref().unwrap_or("?");
            format!("was refused at the door, from {from} by {reason}")
        }
        "silence" => {
            let address = notice.address.as_deref().unwrap_or("?");
            format!("the sensor at {address} is silent ({})", reason.replace('_', " "))
        }
        _ => {
            let lane = notice.lane.as_deref().map_or_else(String::new, |lane| format!(" of lane {lane}"));
            match notice.missing {
                Some(missing) => format!("{} events{lane} are missing here ({reason})", grouped(missing)),
                None => format!("nobody knows what is missing here{lane} ({reason})"),
            }
        }
    }
}
