//! The lines of a log, and what syslog puts before a message.

use std::time::SystemTime;

use bytes::Bytes;

/// Longest line that is read, in bytes; a longer one is passed over.
pub const MAX_LINE: usize = 8 * 1024;
/// Most times a line is taken that syslog says was repeated.
const MAX_TIMES: u32 = 16;
/// The names sshd logs under.
pub const PROGRAMS: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

/// A line of a log that may be sshd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who says to have written it; none in a file that sshd writes itself.
    pub program: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// When, if the line says it with the year.
    pub at: Option<SystemTime>,
    /// How often it was said: more than once where syslog counts repetitions.
    pub times: u32,
    /// What it says.
    pub message: Bytes,
}

/// What the lines of a file look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Written by a syslog daemon: time, host, program.
    Syslog,
    /// Written by `sshd -E`: the messages only.
    Bare,
}

impl Form {
    /// The form of the file that begins with this line; none when it is not
    /// clear. The first line decides for the file, because in one of sshd's own
    /// everything after a first line may be the text of somebody far away.
    pub fn of(line: &[u8]) -> Option<Self> {
        const BEGINNINGS: [&[u8]; 14] = [
            b"Server ",
            b"Accepted ",
            b"Failed ",
            b"Invalid user ",
            b"Connection ",
            b"Received ",
            b"Disconnect",
            b"User ",
            b"PAM",
            b"error: ",
            b"fatal: ",
            b"debug",
            b"maximum ",
            b"Certificate ",
        ];
        if prefix(line).is_some() {
            Some(Self::Syslog)
        } else if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            Some(Self::Bare)
        } else {
            None
        }
    }
}

/// The line, when it may be sshd's.
pub fn parse(line: &[u8], form: Form) -> Option<Line> {
    let line = line.trim_ascii_end();
    if form == Form::Bare {
        let message = Bytes::copy_from_slice(line);
        return Some(Line { program: None, pid: None, at: None, times: 1, message });
    }
    let (at, tag, message) = prefix(line)?;
    let (program, pid) = match split_once(tag, b'[') {
        Some((program, pid)) => (program, Some(number(pid.strip_suffix(b"]")?)?)),
        None => (tag, None),
    };
    let program = PROGRAMS.into_iter().find(|name| name.as_bytes() == program)?.to_owned();
    let (times, message) = repeated(message).unwrap_or((1, message));
    let message = Bytes::copy_from_slice(message);
    Some(Line { program: Some(program), pid, at, times: times.min(MAX_TIMES), message })
}

/// Time, program with process id, and message of `TIME HOST PROGRAM[PID]: text`.
fn prefix(line: &[u8]) -> Option<(Option<SystemTime>, &[u8], &[u8])> {
    let (at, rest) = match traditional(line) {
        Some(rest) => (None, rest),
        None => {
            let (time, rest) = split_once(line, b' ')?;
            (Some(precise(time)?), rest)
        }
    };
    let (host, rest) = split_once(rest, b' ')?;
    let (tag, message) = split_once(rest, b' ')?;
    let tag = tag.strip_suffix(b":")?;
    if host.is_empty() || tag.is_empty() {
        return None;
    }
    Some((at, tag, message))
}

/// What follows a time as `Nov 22 04:00:00`.
fn traditional(line: &[u8]) -> Option<&[u8]> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    const SHAPE: &[u8] = b"... ## ##:##:## ";
    let (time, rest) = line.split_at_checked(SHAPE.len())?;
    let month = time.get(..3)?;
    let shaped = time.iter().zip(SHAPE).enumerate().all(|(at, (byte, shape))| match shape {
        b'.' => true,
        // A day of one digit has a blank before it.
        b'#' => byte.is_ascii_digit() || (at == 4 && *byte == b' '),
        shape => byte == shape,
    });
    (shaped && MONTHS.chunks(3).any(|name| name == month)).then_some(rest)
}

/// A time as `2026-11-22T04:00:00.123456+00:00`.
fn precise(time: &[u8]) -> Option<SystemTime> {
    if time.len() > 40 || !time.first()?.is_ascii_digit() {
        return None;
    }
    let time: jiff::Timestamp = std::str::from_utf8(time).ok()?.parse().ok()?;
    Some(time.into())
}

/// `message repeated 2 times: [ text]`
fn repeated(message: &[u8]) -> Option<(u32, &[u8])> {
    let rest = message.strip_prefix(b"message repeated ")?;
    let (times, rest) = split_once(rest, b' ')?;
    let text = rest.strip_prefix(b"times: [ ")?.strip_suffix(b"]")?;
    Some((number(times)?.max(1), text))
}

fn number(text: &[u8]) -> Option<u32> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Makes lines of what is read piece by piece.
pub struct Splitter {
    begun: Vec<u8>,
    max: usize,
    too_long: bool,
}

impl Splitter {
    /// Lines up to this many bytes; longer ones are passed over.
    pub fn new(max: usize) -> Self {
        Self { begun: Vec::new(), max, too_long: false }
    }

    /// Passes over what is left of a line of which the beginning was not read.
    pub fn skip_first(&mut self) {
        self.too_long = true;
    }

    /// Takes a piece and hands on the lines that end in it, without their ends.
    pub fn feed(&mut self, mut piece: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some((end, rest)) = split_once(piece, b'\n') {
            self.add(end);
            if !std::mem::take(&mut self.too_long) {
                line(&self.begun);
            }
            self.begun.clear();
            piece = rest;
        }
        self.add(piece);
    }

    fn add(&mut self, part: &[u8]) {
        if self.too_long {
            return;
        }
        if self.begun.len() + part.len() > self.max {
            self.too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Option<Line> {
        parse(text.as_bytes(), Form::of(text.as_bytes())?)
    }

    #[test]
    fn lines_of_syslog() {
        let old = line("Nov  2 04:00:00 host sshd[123]: Accepted password").unwrap();
        assert_eq!((old.program.as_deref(), old.pid, old.at), (Some("sshd"), Some(123), None));
        assert_eq!(&old.message[..], b"Accepted password");
        let new = line("2026-11-22T04:00:00.5+01:00 host sshd-session[4]: x y ").unwrap();
        assert_eq!(
            (new.program.as_deref(), new.pid, &new.message[..]),
            (Some("sshd-session"), Some(4), &b"x y"[..])
        );
        assert_eq!(new.at, Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_316_400_500)));
        assert_eq!(line("Nov 22 04:00:00 host sshd: x").unwrap().pid, None);
        let twice = line("Nov 22 04:00:00 host sshd[1]: message repeated 2 times: [ Failed x]").unwrap();
        assert_eq!((twice.times, &twice.message[..]), (2, &b"Failed x"[..]));
    }

    #[test]
    fn lines_of_others_and_junk() {
        for other in [
            "Nov 22 04:00:00 host sudo[123]: sshd[1]: x",
            "Nov 22 04:00:00 host sshdx[123]: x",
            "Nov 22 04:00:00 host sshd[x]: x",
            "Nov 22 04:00:00 host sshd[99999999999]: x",
            "Nov 22 04:00:00 host",
            "Now 22 04:00:00 host sshd[1]: x",
            "2026-13-22T04:00:00Z host sshd[1]: x",
            "",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn lines_of_sshd_itself() {
        let bare = line("Server listening on :: port 22.\r").unwrap();
        assert_eq!((bare.program, &bare.message[..]), (None, &b"Server listening on :: port 22."[..]));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let (mut splitter, mut lines) = (Splitter::new(4), Vec::new());
        splitter.skip_first();
        for piece in ["rest\nab", "cd\nabcde", "\n\nab\nabc"] {
            splitter.feed(piece.as_bytes(), |line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
        }
        assert_eq!(lines, ["abcd", "", "ab"]);
    }

    proptest! {
        #[test]
        fn no_line_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text, Form::Syslog);
            let long = [b"Nov 22 04:00:00 host sshd[1]: message repeated ", &text[..]].concat();
            let _ = (Form::of(&text), parse(&long, Form::Syslog));
        }

        #[test]
        fn pieces_make_the_same_lines(pieces in prop::collection::vec("[ab\n]{0,9}", 0..9)) {
            let whole = pieces.concat();
            let (mut splitter, mut lines) = (Splitter::new(100), Vec::new());
            for piece in &pieces {
                splitter.feed(piece.as_bytes(), |line| lines.push(line.to_vec()));
            }
            let ends = whole.matches('\n').count();
            let expected: Vec<_> = whole.split('\n').take(ends).map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
