//! One line under construction: what it says, in which ink, how wide it is.

use std::{borrow::Cow, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar as _;

/// What a piece of text is, which decides its colour.
///
/// Only the terminal's own colours, and of them those that stay readable on a
/// dark and on a light background: no yellow, no bright ones, no plain blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// What there is to read.
    Plain,
    /// What is there when it is looked for: times, numbers, remarks.
    Faint,
    /// Who it was.
    User,
    /// Whom the user has become, and the type of an act that gives power.
    Switched,
    /// The type of an act that starts a program.
    Exec,
    /// The type of an act that leaves the machine or the process.
    Connect,
    /// The kernel refused, or the program failed.
    Failure,
    /// Stands for a secret that was taken out.
    Redacted,
    /// What was recorded is not all there was.
    Alarm,
}

impl Ink {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Faint => Style::new().dimmed(),
            Self::User => Style::new().bold(),
            Self::Switched => colour(AnsiColor::Magenta).bold(),
            Self::Exec => colour(AnsiColor::Green),
            Self::Connect => colour(AnsiColor::Cyan),
            Self::Failure => colour(AnsiColor::Red),
            Self::Redacted => colour(AnsiColor::Magenta),
            Self::Alarm => colour(AnsiColor::Red).bold().invert(),
        }
    }
}

/// A line, and how many columns of the terminal it takes.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    width: usize,
    colour: bool,
}

impl Line {
    /// An empty line, with or without colours.
    pub fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// Makes the line empty again, keeping its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.width = 0;
    }

    /// The columns it takes so far.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The line with its colour codes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends text that has been escaped.
    pub fn push(&mut self, ink: Ink, text: &str) {
        self.width += width(text);
        if self.colour && ink != Ink::Plain && !text.is_empty() {
            let style = ink.style();
            // Writing to a String does not fail.
            let _ = write!(self.text, "{style}{text}{style:#}");
        } else {
            self.text.push_str(text);
        }
    }

    /// Appends spaces until the line is `column` columns wide.
    pub fn pad(&mut self, column: usize) {
        while self.width < column {
            self.text.push(' ');
            self.width += 1;
        }
    }

    /// Ends the line.
    pub fn end(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }
}

/// The columns that escaped text takes on a terminal.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char_width).sum() }
}

fn char_width(character: char) -> usize {
    match character {
        // Turns the sign before it into an emoji, which some terminals draw wider.
        '\u{fe0f}' => 1,
        c => c.width().unwrap_or(0),
    }
}

/// The text in no more than `room` columns, its middle replaced by `…`; of
/// what is kept, `end` per cent is its end.
pub fn elide(text: &str, room: usize, end: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let kept = room.saturating_sub(1);
    let tail_room = kept * end / 100;
    let head =
        fitting(text.char_indices().map(|(at, c)| (at + c.len_utf8(), c)), kept - tail_room).unwrap_or(0);
    let tail = fitting(text.char_indices().rev(), tail_room).unwrap_or(text.len());
    let (head, tail) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    Cow::Owned(format!("{head}…{tail}"))
}

/// How far one gets into the characters before they take more than `room`.
fn fitting(characters: impl Iterator<Item = (usize, char)>, room: usize) -> Option<usize> {
    let mut taken = 0;
    let within = characters.take_while(|&(_, character)| {
        taken += char_width(character);
        taken <= room
    });
    within.last().map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn eliding_keeps_both_ends() {
        assert_eq!(elide("/usr/bin/true", 13, 50), "/usr/bin/true");
        assert_eq!(elide("/usr/bin/true", 9, 50), "/usr…true");
        assert_eq!(elide("/usr/bin/true", 9, 75), "/u…n/true");
        assert_eq!(elide("/usr/bin/true", 1, 50), "…");
        assert_eq!(elide("日本語日本語", 8, 50), "日本…語");
    }

    proptest! {
        #[test]
        fn elided_text_fits(text in any::<String>(), room in 1_usize..80, end in 0_usize..=100) {
            prop_assert!(width(&elide(&text, room, end)) <= room);
        }
    }

    #[test]
    fn only_a_line_with_colour_has_codes() {
        for (colour, expected) in [(false, "alice  x\n"), (true, "\x1b[1malice\x1b[0m  x\n")] {
            let mut line = Line::new(colour);
            line.push(Ink::User, "alice");
            line.pad(7);
            line.push(Ink::Plain, "x");
            line.end();
            assert_eq!((line.as_str(), line.width()), (expected, 8));
        }
    }
}
