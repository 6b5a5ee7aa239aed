//! One line of text for each act, for people to read as it happens.

mod alive;
mod columns;
mod line;
mod notice;
mod object;
mod quote;
pub use quote::word;
mod signal;
#[cfg(test)]
mod tests;

use std::io;

use activity_proto::{
    json::errno_name,
    v1::{Event, Outcome, event::Payload},
};
use jiff::tz::TimeZone;

use self::{
    columns::Columns,
    line::{Ink, Line, elide, width},
    object::Object,
};

/// Below this width the columns are tight.
const NARROW: usize = 100;

/// What an object gets at least, even where the line then wraps.
const LEAST_ROOM: usize = 6;

/// How lines look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether to use colours; for a terminal only.
    pub colour: bool,
    /// Columns of the terminal; without it nothing is elided.
    pub width: Option<usize>,
    /// Whether to show every exit rather than those that failed.
    pub all_exits: bool,
}

/// Turns events into lines.
///
/// What a line shows outside of quotes is the sensor's own: names that users
/// chose are escaped, and quoted where they could pass for something else.
#[derive(Debug)]
pub struct Renderer {
    style: Style,
    zone: TimeZone,
    columns: Columns,
    line: Line,
}

impl Renderer {
    /// A renderer that shows times in the system's time zone.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let columns = Columns::new(style.width.is_some_and(|width| width < NARROW));
        Self { style, zone: TimeZone::system(), columns, line: Line::new(style.colour) }
    }

    /// Follows a terminal that changed its size.
    pub fn resize(&mut self, width: Option<usize>) {
        self.style.width = width;
        self.columns = Columns::new(width.is_some_and(|width| width < NARROW));
    }

    /// Writes the names of the columns.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn header(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        self.line.clear();
        self.columns.push_header(&mut self.line);
        self.write_line(out)
    }

    /// Writes the line of an event; nothing for a success that `Style` leaves out.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn render(&mut self, event: &Event, out: &mut impl io::Write) -> io::Result<()> {
        self.line.clear();
        match &event.payload {
            Some(Payload::Exit(exit)) if exit.code == Some(0) && !self.style.all_exits => Ok(()),
            Some(Payload::Gap(gap)) => self.render_notice(event, &[(Ink::Alarm, notice::gap(gap))], out),
            Some(Payload::Status(status)) => self.render_notice(event, &notice::status(status), out),
            Some(Payload::Heartbeat(heartbeat)) => {
                self.render_notice(event, &[(Ink::Faint, alive::heartbeat(heartbeat))], out)
            }
            Some(Payload::Silence(silence)) => {
                self.render_notice(event, &[(Ink::Alarm, alive::silence(silence))], out)
            }
            _ => {
                self.columns.push(&mut self.line, event, &self.zone);
                match Object::of(event) {
                    Some(object) => self.push_object(event, &object),
                    None => self.line.push(Ink::Faint, "[a newer type]"),
                }
                self.write_line(out)
            }
        }
    }

    fn write_line(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        self.line.end();
        out.write_all(self.line.as_str().as_bytes())
    }

    fn push_object(&mut self, event: &Event, object: &Object) {
        self.push_outcome(event, object);
        let room = self.style.width.map_or(usize::MAX, |width| width.saturating_sub(self.line.width()));
        let needed = width(&object.body) + width(&object.marks);
        let room_for_body = room.saturating_sub(width(&object.marks)).max(LEAST_ROOM);
        let body = elide(&object.body, room_for_body, object.keep_end);
        for (piece, is_token) in quote::tokens(&body) {
            self.line.push(if is_token { Ink::Redacted } else { Ink::Plain }, piece);
        }
        self.line.push(Ink::Faint, &object.marks);
        if needed + width(&object.hint) <= room {
            self.line.push(Ink::Faint, &object.hint);
        }
    }

    /// How it ended, before the object: never elided, and no name can forge it.
    fn push_outcome(&mut self, event: &Event, object: &Object) {
        if let Some(Outcome { success: false, errno }) = event.outcome {
            self.push_failure(&errno_text(errno));
        }
        if let Some(Payload::Exit(exit)) = &event.payload {
            match exit.code {
                Some(0) => self.line.push(Ink::Faint, &format!("{} ", object.lead)),
                _ => self.push_failure(&object.lead),
            }
        }
        if let Some(count) = event.count.filter(|&count| count > 1) {
            self.line.push(Ink::Faint, &format!("{count}× "));
        }
        if let Some(sampled) = event.sampled {
            self.line.push(Ink::Faint, &format!("1 in {sampled}: "));
        }
    }

    fn push_failure(&mut self, what: &str) {
        if self.style.width.is_none_or(|width| width >= NARROW) {
            self.line.push(Ink::Failure, "✗ ");
        }
        self.line.push(Ink::Failure, what);
        self.line.push(Ink::Plain, " ");
    }

    /// Paragraphs behind the time, wrapped between words.
    fn render_notice(
        &mut self,
        event: &Event,
        paragraphs: &[(Ink, String)],
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let indent = self.columns.after_time();
        let room = self.style.width.map(|width| width.saturating_sub(indent));
        self.columns.push_time(&mut self.line, event, &self.zone);
        for (ink, paragraph) in paragraphs {
            for text in notice::wrap(paragraph, room) {
                self.line.pad(indent);
                self.line.push(*ink, &text);
                self.write_line(out)?;
                self.line.clear();
            }
        }
        Ok(())
    }
}

/// The name of an error, or its number.
fn errno_text(errno: Option<u32>) -> String {
    match errno {
        Some(errno) => errno_name(errno).map_or_else(|| format!("error {errno}"), str::to_owned),
        None => "failed".to_owned(),
    }
}
