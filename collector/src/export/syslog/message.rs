//! One event as a message of RFC 5424, in a frame of RFC 6587.

use std::io::Write as _;

use jiff::Timestamp;

use crate::export::Line;

/// Facility `authpriv`, "security/authorization messages (private)".
const FACILITY: u32 = 10;
const HOST_MAX: usize = 255;

/// Appends a frame: the length of the message in decimal, a space, the message
///
/// ```text
/// <PRI>1 TIME HOST activity-sensor - TYPE - EVENT
/// ```
///
/// Its text begins with no byte order mark, which would keep programs from reading JSON.
pub fn frame(line: &Line, out: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(line.text.len() + 96);
    let priority = FACILITY * 8 + line.severity.syslog();
    let time = line.time.and_then(|time| Timestamp::from_nanosecond(time.into()).ok());
    let time = time.map_or_else(|| "-".to_owned(), |time| format!("{time:.6}"));
    // Writing to a Vec does not fail.
    let _ = write!(message, "<{priority}>1 {time} {} activity-sensor - {} - ", host(&line.host), line.kind);
    message.extend_from_slice(&line.text);
    let _ = write!(out, "{} ", message.len());
    out.extend_from_slice(&message);
}

/// Printable ASCII without spaces, or nothing known.
fn host(host: &str) -> &str {
    let well_formed =
        !host.is_empty() && host.len() <= HOST_MAX && host.bytes().all(|byte| byte.is_ascii_graphic());
    if well_formed { host } else { "-" }
}

#[cfg(test)]
mod tests {
    use activity_formats::Severity;

    use super::*;

    fn framed(host: &str, time: Option<i64>) -> String {
        let line = Line {
            text: "{\"a\":\"ä\"}".into(),
            identity: "s/b/1/file/1".into(),
            kind: "open",
            host: host.into(),
            time,
            severity: Severity::Informational,
        };
        let mut out = Vec::new();
        frame(&line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_says_its_length_in_bytes() {
        let message = "<86>1 2026-01-01T00:00:00.123456Z web-1 activity-sensor - open - {\"a\":\"ä\"}";
        let expected = format!("{} {message}", message.len());
        assert_eq!(framed("web-1", Some(1_767_225_600_123_456_789)), expected);
    }

    #[test]
    fn a_host_that_would_end_the_header_is_none() {
        for host in ["", "a b", "ä", "a\n", &"x".repeat(256)] {
            assert!(framed(host, None).contains("<86>1 - - activity-sensor - open - "), "{host}");
        }
    }
}
