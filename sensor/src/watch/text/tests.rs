//! Golden files: what people get to see.

mod extended;
mod scene;

use activity_proto::v1::{Event, EventType, GapReason, event::Payload};
use jiff::tz::{Offset, TimeZone};

use super::{Renderer, Style, line::width};

fn renderer(style: Style) -> Renderer {
    let mut renderer = Renderer::new(style);
    renderer.zone = TimeZone::UTC;
    renderer
}

/// The screen after these events, header included.
fn screen(style: Style, events: &[Event]) -> String {
    let mut renderer = renderer(style);
    let mut out = Vec::new();
    renderer.header(&mut out).unwrap();
    for event in events {
        renderer.render(event, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn plain(width: Option<usize>) -> Style {
    Style { width, ..Style::default() }
}

/// Compares with the file of this name in `snapshots`.
fn golden(name: &str, screen: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, screen);
    });
}

#[test]
fn an_ordinary_minute_at_80_columns() {
    golden("an_ordinary_minute_at_80_columns", &screen(plain(Some(80)), &scene::ordinary()));
}

#[test]
fn an_ordinary_minute_at_120_columns() {
    golden("an_ordinary_minute_at_120_columns", &screen(plain(Some(120)), &scene::ordinary()));
}

#[test]
fn an_ordinary_minute_in_a_file() {
    golden("an_ordinary_minute_in_a_file", &screen(plain(None), &scene::ordinary()));
}

#[test]
fn hostile_names_at_80_columns() {
    golden("hostile_names_at_80_columns", &screen(plain(Some(80)), &scene::nasty()));
}

#[test]
fn hostile_names_at_120_columns() {
    golden("hostile_names_at_120_columns", &screen(plain(Some(120)), &scene::nasty()));
}

#[test]
fn hostile_names_in_a_file() {
    golden("hostile_names_in_a_file", &screen(plain(None), &scene::nasty()));
}

#[test]
fn acts_on_names_sockets_and_powers_at_80_columns() {
    golden("acts_on_names_sockets_and_powers_at_80_columns", &screen(plain(Some(80)), &extended::acts()));
}

#[test]
fn acts_on_names_sockets_and_powers_in_a_file() {
    golden("acts_on_names_sockets_and_powers_in_a_file", &screen(plain(None), &extended::acts()));
}

#[test]
fn no_line_wraps() {
    let events = [scene::ordinary(), scene::nasty(), extended::acts()].concat();
    for columns in 80..=200 {
        for line in screen(plain(Some(columns)), &events).lines() {
            assert!(width(line) <= columns, "{columns} columns: {line}");
        }
    }
}

#[test]
fn no_name_acts_on_the_terminal() {
    for style in [plain(Some(80)), plain(None)] {
        let screen = screen(style, &scene::nasty());
        let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!screen.contains(raw), "{screen}");
        let acts = scene::nasty().len();
        assert_eq!(screen.lines().count(), 1 + acts, "one line an act, and the header");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let events = [scene::ordinary(), scene::nasty()].concat();
    for width in [Some(80), Some(120), None] {
        let coloured = screen(Style { colour: true, width, all_exits: false }, &events);
        assert!(coloured.contains("\x1b[31mEACCES\x1b[0m"));
        let mut stripped = String::new();
        for (index, part) in coloured.split('\x1b').enumerate() {
            stripped.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        let trimmed: String = stripped.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(trimmed, screen(plain(width), &events));
    }
}

#[test]
fn a_secret_that_was_taken_out_stands_out() {
    let screen = screen(Style { colour: true, ..Style::default() }, &scene::ordinary());
    assert!(screen.contains("-p\x1b[35m<redacted:password>\x1b[0m shop"), "{screen}");
}

#[test]
fn a_good_exit_is_shown_when_all_are_asked_for() {
    let events = [scene::exit(0, 77, "/usr/bin/true", Some(0), None)];
    assert_eq!(screen(plain(None), &events).lines().count(), 1);
    let shown = screen(Style { all_exits: true, ..Style::default() }, &events);
    assert!(shown.ends_with("exit    true[77]       code 0 /usr/bin/true [ran 6.4 s]\n"), "{shown}");
}

#[test]
fn a_gap_says_how_many_of_what_and_why() {
    let gaps = [
        scene::gap(0, GapReason::SlowSubscriber, &[(EventType::Exec, 1), (EventType::Open, 20)]),
        scene::gap(1, GapReason::Decode, &[(EventType::Connect, 1)]),
        scene::gap(2, GapReason::NotConnected, &[]),
    ];
    let shown = screen(plain(None), &gaps);
    let lines: Vec<&str> =
        shown.lines().skip(1).filter_map(|line| line.split_once(' ')).map(|(_, said)| said).collect();
    let expected = [
        "GAP: 1 exec and 20 open events lost: not read fast enough here",
        "GAP: 1 connect event lost: records had the wrong form",
        "GAP: an unknown number of events lost: the collector was not connected",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn times_are_local() {
    let mut renderer = renderer(plain(None));
    renderer.zone = TimeZone::fixed(Offset::constant(-5));
    let mut out = Vec::new();
    renderer.render(&scene::exec(123, 1, "/usr/bin/true", &[]), &mut out).unwrap();
    assert!(out.starts_with(b"09:03:07.123 "));
}

#[test]
fn a_set_user_id_program_shows_both_users() {
    let mut event = scene::exec(0, 1, "/usr/bin/passwd", &[b"passwd"]);
    event.attribution = None;
    event.login = None;
    let credentials = event.credentials.as_mut().unwrap();
    (credentials.euid, credentials.effective_user) = (0, "root".into());
    assert!(screen(plain(None), &[event.clone()]).contains(" alice→root "));
    let credentials = event.credentials.as_mut().unwrap();
    (credentials.user, credentials.effective_user) = (String::new(), String::new());
    assert!(screen(plain(None), &[event]).contains(" 1001→0 "));
}

#[test]
fn an_open_by_a_relative_path_is_shown_absolute() {
    let mut event = scene::failed(scene::open(0, 1, "/usr/bin/cat", b"./notes", &[]), 2);
    let Some(Payload::Open(open)) = &mut event.payload else { unreachable!() };
    open.path_source = activity_proto::v1::PathSource::User.into();
    assert!(screen(plain(None), &[event.clone()]).ends_with("ENOENT -   /home/alice/notes\n"));
    event.process.as_mut().unwrap().cwd.clear();
    assert!(screen(plain(None), &[event]).ends_with("ENOENT -   ./notes\n"));
}
