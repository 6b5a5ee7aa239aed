use std::{fs::File, io::Write as _, time::Duration};

use super::*;

/// What a file's text comes to: stage or "accepted", method, user, port.
fn told(text: &[u8]) -> Vec<String> {
    let (to, heard) = sync_channel(WAITING);
    let ear = Ear {
        to,
        dropped: Arc::default(),
        attempts: Mutex::default(),
        journal_heard: AtomicBool::new(false),
    };
    let mut form = None;
    let mut splitter = line::Splitter::new(line::MAX_LINE);
    splitter.feed(text, |text| {
        form = form.or_else(|| Form::of(text));
        if let Some(line) = line::parse(text, form.unwrap()) {
            ear.line(form.unwrap(), &line);
        }
    });
    heard.try_iter().map(|heard| describe(&heard)).collect()
}

fn describe(heard: &Heard) -> String {
    let (what, method, user, peer, key) = match &heard.said {
        Said::Accepted(said) => ("accepted", &said.method, &said.user, said.peer, &said.key),
        Said::Refused(said) if said.invalid_user => {
            ("nobody", &said.method, &said.user, said.peer, &said.key)
        }
        Said::Refused(said) => ("refused", &said.method, &said.user, said.peer, &said.key),
    };
    let kind = key.as_ref().map_or("-", |key| key.kind.as_str());
    format!("{what} {method} {kind} {} {}", peer.port, user.escape_ascii())
}

#[test]
fn what_sshd_wrote_into_a_file_of_its_own() {
    assert_eq!(
        told(include_bytes!("testdata/sshd-9.2-file.log")),
        [
            "accepted publickey ED25519 42416 alice",
            "accepted publickey ED25519 36582 alice",
            "refused  - 42420 alice",
            "refused  - 42422 alice",
            "refused  - 42438 root",
            "accepted publickey ED25519-CERT 42444 alice",
            "accepted password - 42460 alice",
            "accepted keyboard-interactive/pam - 42466 alice",
            "refused password - 42468 alice",
            "refused password - 42468 alice",
            "refused  - 35036 alice",
            "nobody password - 35052 mallory",
            "nobody  - 35054 mallory",
            "nobody password - 35068 bob from 192.0.2.4 port 5 ssh2",
            "nobody  - 56308 bob 192.0.2.4 port 5",
            "nobody  - 56322 games",
            "refused password - 56338 alice",
            "refused password - 56338 alice",
            "refused password - 56338 alice",
            "refused password - 56338 alice",
            "refused password - 56338 alice",
            "refused password - 56338 alice",
        ]
    );
}

#[test]
fn what_sshd_wrote_to_syslog_at_level_verbose() {
    assert_eq!(
        told(include_bytes!("testdata/sshd-9.2-syslog.log")),
        [
            "accepted publickey ED25519 57008 alice",
            "refused publickey RSA 57014 alice",
            "accepted publickey ED25519 57016 alice",
            "refused publickey ED25519 57028 root",
            "nobody password - 57040 bob from 192.0.2.4 port 5 ssh2",
            "refused keyboard-interactive/pam - 57054 alice",
            "nobody  - 49076 mallory",
            "nobody password - 49092 x\\\\r\\\\nAccepted publickey for root from 192.0.2.4 port 5 ssh2",
        ]
    );
}

fn config(path: &std::path::Path) -> LoginsConfig {
    LoginsConfig { auth_logs: vec![path.to_owned()], journal: false }
}

#[test]
fn the_readers_hand_over_what_comes_and_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("auth.log");
    let (logins, heard) = Logins::start(&config(&path)).unwrap();
    let mut file = File::create(&path).unwrap();
    file.write_all(b"Nov 22 04:00:00 host sshd[12]: Accepted password for alice from ::1 port 7 ssh2\n")
        .unwrap();
    let first = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((describe(&first).as_str(), first.pid), ("accepted password - 7 alice", Some(12)));
    assert_eq!(first.source, Source::Syslog);
    assert_eq!(logins.dropped(), 0);
    logins.stop();
    assert!(heard.recv().is_err());
    assert_eq!(past(&config(&path)).unwrap().len(), 1);
}

#[test]
fn what_nobody_takes_is_counted() {
    let (to, heard) = sync_channel(1);
    let ear = Ear {
        to,
        dropped: Arc::default(),
        attempts: Mutex::default(),
        journal_heard: AtomicBool::new(false),
    };
    for _ in 0..3 {
        ear.hear(b"Failed password for x from ::1 port 7 ssh2", None, None, Source::File);
    }
    assert_eq!((heard.try_iter().count(), ear.dropped.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn syslog_is_passed_over_once_the_journal_was_heard() {
    let (to, heard) = sync_channel(9);
    let ear =
        Ear { to, dropped: Arc::default(), attempts: Mutex::default(), journal_heard: AtomicBool::new(true) };
    let line = |form, text: &str| ear.line(form, &line::parse(text.as_bytes(), form).unwrap());
    line(Form::Syslog, "Nov 22 04:00:00 host sshd[12]: Accepted password for alice from ::1 port 7 ssh2");
    assert_eq!(heard.try_iter().count(), 0);
    line(Form::Bare, "Accepted password for alice from ::1 port 7 ssh2");
    assert_eq!(heard.try_iter().count(), 1);
    ear.entry(None);
    line(Form::Syslog, "Nov 22 04:00:00 host sshd[12]: Accepted password for alice from ::1 port 7 ssh2");
    assert_eq!(heard.try_iter().count(), 1);
}
