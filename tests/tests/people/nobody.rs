//! Acts that no login leads to.

use std::{fs, process::Command};

use activity_tests::{here, people::Log, run, skip};

use crate::{
    expect::{Expect, PLAIN, Whom, Whose},
    play::{Play, path},
};

const SOMEBODY: u32 = 424_243;

/// By a program that is none for logging in.
const CLAIMED: Expect = Expect {
    session: Whose::Kind("claimed"),
    human: Whom::Uid(SOMEBODY),
    method: &[],
    confidence: &["low"],
    reason: &["claimed"],
    ..PLAIN
};
/// A service.
const NOBODY: Expect = Expect {
    session: Whose::None,
    human: Whom::Nobody,
    method: &["absent"],
    confidence: &[],
    reason: &["no_login"],
    ..PLAIN
};

#[test]
fn without_a_login_nobody_is_named_and_a_claim_is_called_one() {
    let own = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    if own.trim() != u32::MAX.to_string() {
        return skip(here!(), "the tests were started from a login, which cannot be undone");
    }
    let config = "[policy]\nscope = \"everything\"\n";
    let Some(mut play) = Play::with(here!(), Log::of_this_machine(), config) else { return };
    for (name, before, expect) in [
        ("claimed", format!("echo {SOMEBODY} > /proc/self/loginuid;"), CLAIMED),
        ("service", String::new(), NOBODY),
    ] {
        let mark = play.stage.mark(&format!("{name}.mark"));
        let line = format!("{before} touch {}", mark.display());
        assert_eq!(run(Command::new("sh").arg("-c").arg(line)).code, Some(0));
        play.note(name, path(&mark), None, expect);
    }
    play.end();
}
