//! For which other opens a verdict holds.

use super::*;

/// What leaves an open out, in words.
fn reach(policy: &Policy, event: &Event, settled: bool) -> String {
    let Some(reach) = policy.reach(event, &Ancestry::default(), settled) else { return "kept".to_owned() };
    let name = &policy.rules()[reach.rule].name;
    match (reach.whoever, reach.whatever) {
        (true, true) => format!("{name}, always"),
        (true, false) => format!("{name}, whoever"),
        (false, true) => format!("{name}, whatever"),
        (false, false) => format!("{name}, this"),
    }
}

fn library() -> Event {
    open("/usr/lib/x86_64-linux-gnu/libc.so.6")
}

#[test]
fn noise_is_noise_whoever_makes_it() {
    assert_eq!(reach(&policy(""), &library(), true), "noise, whoever");
    assert_eq!(
        reach(&policy(""), &open_as("/dev/null", &[Access::Write], S_IFCHR), true),
        "devices, whoever"
    );
    assert_eq!(reach(&policy(""), &open("/etc/shadow"), true), "kept");
}

#[test]
fn what_a_program_does_is_left_out_whatever_it_opens() {
    let rules = policy("[[policy.rules]]\nname = 'backup'\naction = 'deny'\nexe = ['/usr/bin/cat']\n");
    assert_eq!(reach(&rules, &open("/home/alice/file"), true), "backup, whatever");
    assert_eq!(reach(&rules, &library(), true), "backup, whatever");
}

#[test]
fn an_earlier_rule_that_may_keep_it_for_others_bounds_it() {
    let keep = "[[policy.rules]]\nname = 'guests'\naction = 'allow'\nlogin_uid = [2000]\n";
    assert_eq!(reach(&policy(keep), &library(), true), "noise, this", "a guest's is kept");
    let elsewhere = format!("{keep}path = ['/srv/**']\n");
    assert_eq!(reach(&policy(&elsewhere), &library(), true), "noise, whoever", "no file of theirs");
    let denied = keep.replace("allow", "deny");
    assert_eq!(reach(&policy(&denied), &library(), true), "noise, whoever", "left out as well");
    let sampled = keep.replace("'allow'", "'sample'\none_in = 10");
    assert_eq!(reach(&policy(&sampled), &library(), true), "noise, this");
}

#[test]
fn a_human_counts_only_where_nothing_can_make_it_another() {
    let rules = policy("[[policy.rules]]\nname = 'robot'\naction = 'deny'\nlogin_uid = [1001]\n");
    assert_eq!(reach(&rules, &open("/home/alice/file"), true), "robot, whatever");
    assert_eq!(reach(&rules, &open("/home/alice/file"), false), "robot, this");
    let session = policy("[[policy.rules]]\nname = 'none'\naction = 'deny'\nsession = ['none']\n");
    assert_eq!(reach(&session, &open("/home/alice/file"), true), "none, this");
}

#[test]
fn one_program_and_one_file_are_neither() {
    let both =
        "[[policy.rules]]\nname = 'both'\naction = 'deny'\nexe = ['/usr/bin/cat']\npath = ['/srv/**']\n";
    assert_eq!(reach(&policy(both), &open("/srv/file"), true), "both, this");
}

#[test]
fn what_is_kept_or_sampled_is_always_told() {
    let sample = "[[policy.rules]]\nname = 'some'\naction = 'sample'\none_in = 2\npath = ['/srv/**']\n";
    assert_eq!(reach(&policy(sample), &open("/srv/file"), true), "kept");
}
