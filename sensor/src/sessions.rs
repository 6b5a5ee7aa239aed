//! `activity-sensor sessions`: who is on, since when, from where, as whom now.

use std::io::{self, Write as _};

use activity_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        Confidence, ListSessionsRequest, Session, SessionState, sensor_service_client::SensorServiceClient,
    },
};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    cli::{SessionsArgs, WatchFormat},
    client::{connect, refused},
    config::Config,
    failure::{Failure, printed},
    watch::word,
};

/// Lists the sessions that the daemon knows.
///
/// # Errors
/// When no daemon answers, or nobody reads.
pub fn sessions(args: &SessionsArgs) -> Result<(), Failure> {
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(socket) = &args.socket {
        config.stream.socket.clone_from(socket);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("the runtime cannot be started ({error})")))?;
    let states = runtime.block_on(async {
        let channel = connect(&config.stream).await.map_err(|unreachable| unreachable.failure)?;
        let mut client = SensorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let listed = client.list_sessions(ListSessionsRequest {}).await.map_err(|status| refused(&status))?;
        Ok::<_, Failure>(listed.into_inner().sessions)
    })?;
    printed(print(args.format, &states))
}

fn print(format: WatchFormat, states: &[SessionState]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        WatchFormat::Json => states.iter().try_for_each(|state| {
            serde_json::to_writer(&mut out, state)?;
            writeln!(out)
        }),
        WatchFormat::Text if states.is_empty() => writeln!(out, "Nobody is logged in."),
        WatchFormat::Text => out.write_all(table(states, &TimeZone::system()).as_bytes()),
    }
}

const HEAD: [&str; 8] = ["USER", "NOW AS", "KIND", "FROM", "BY", "SINCE", "TTY", "PROCESSES"];

/// Columns as wide as what is in them.
fn table(states: &[SessionState], zone: &TimeZone) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(states.iter().map(|state| row(state, zone)));
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(state: &SessionState, zone: &TimeZone) -> [String; HEAD.len()] {
    let nothing = Session::default();
    let session = state.session.as_ref().unwrap_or(&nothing);
    let shown = |bytes: &[u8]| if bytes.is_empty() { "-".to_owned() } else { word(bytes) };
    let uid = session.uid.map(|uid| uid.to_string()).unwrap_or_default();
    let mut user = if session.user.is_empty() { uid } else { word(session.user.as_bytes()) };
    if state.confidence() != Confidence::High {
        user.push('?');
    }
    let now: Vec<String> = state.now.iter().map(|user| word(user.as_bytes())).collect();
    let mut by = shown(session.auth_method.as_bytes());
    if !session.key_fingerprint.is_empty() {
        by = format!("{by} {}", word(session.key_fingerprint.as_bytes()));
    }
    let kind = if state.ended { format!("{}, over", session.kind) } else { session.kind.clone() };
    [
        user,
        if now.is_empty() { "-".to_owned() } else { now.join(",") },
        kind,
        shown(session.remote_address.as_bytes()),
        by,
        since(session, zone),
        shown(&session.tty),
        state.processes.to_string(),
    ]
}

fn since(session: &Session, zone: &TimeZone) -> String {
    let start = session.start.and_then(|start| Timestamp::new(start.seconds, start.nanos).ok());
    start.map_or_else(
        || "-".to_owned(),
        |start| start.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_line_and_nothing_in_it_reaches_the_terminal_raw() {
        let session = Session {
            user: "alice".into(),
            kind: "ssh".into(),
            remote_address: "192.0.2.7".into(),
            auth_method: "publickey".into(),
            key_fingerprint: "SHA256:abc".into(),
            tty: bytes::Bytes::from_static(b"pts/0\x1b[2J"),
            ..Session::default()
        };
        let state = SessionState {
            session: Some(session),
            processes: 3,
            now: vec!["root".into()],
            confidence: Confidence::High.into(),
            ..SessionState::default()
        };
        let text = table(&[state], &TimeZone::UTC);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..6], ["alice", "root", "ssh", "192.0.2.7", "publickey", "SHA256:abc"]);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
