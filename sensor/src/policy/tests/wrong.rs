//! What is wrong with rules, and rules of any kind.

use activity_proto::v1::Exec;
use proptest::prelude::*;

use super::*;
use crate::config::ConfigError;

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text, "c.toml".as_ref()) {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

fn problem(rule: &str) -> String {
    let text = format!("[[policy.rules]]\nname = \"r\"\naction = \"deny\"\n{rule}");
    let mut problems = problems(&text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn what_is_wrong_is_named_with_line_rule_and_key() {
    let cases = [
        (
            "login_uid = [\"nobody-here\"]",
            "4: `policy.rules.login_uid` of the rule \"r\" names the user \"nobody-here\", who does not exist here; give another name, a number or a range",
        ),
        (
            "type = [\"exec\",\n\"opne\"]",
            "4: `policy.rules.type` of the rule \"r\" names no event type with \"opne\"; did you mean \"open\"?",
        ),
        (
            "type = [\"gap\"]",
            "4: `policy.rules.type` of the rule \"r\" names \"gap\", which the sensor says by itself; no rule decides about that",
        ),
        (
            "session = [\"shh\"]",
            "4: `policy.rules.session` of the rule \"r\" names no kind of session with \"shh\"; did you mean \"ssh\"?",
        ),
        (
            "path = [\"srv\"]",
            "4: `policy.rules.path` of the rule \"r\" must hold patterns that begin with / or **/, which \"srv\" does not",
        ),
        (
            "port = [\"90-80\"]",
            "4: `policy.rules.port` of the rule \"r\" must hold numbers up to 4294967295, and ranges from less to more, which \"90-80\" is not",
        ),
        (
            "address = [\"10.0.0.0/33\"]",
            "4: `policy.rules.address` of the rule \"r\" must hold addresses or networks, such as \"10.0.0.0/8\" or \"::1\", which \"10.0.0.0/33\" is not",
        ),
        (
            "outcome = [\"EACCESS\"]",
            "4: `policy.rules.outcome` of the rule \"r\" must be \"success\", \"failure\" or the name of an error, such as \"ENOENT\", not \"EACCESS\"",
        ),
        (
            "path = []",
            "4: `policy.rules.path` of the rule \"r\" is empty, so that nothing would match; name something, or remove the key",
        ),
        (
            "one_in = 5",
            "4: `policy.rules.one_in` of the rule \"r\" is for action = \"sample\" only; remove it, or change the action",
        ),
        (
            "type = [\"exec\"]\nport = [22]",
            "5: `policy.rules.port` of the rule \"r\" cannot match together with the other keys; events with `port` are connect, listen, accept",
        ),
        ("pth = [\"/srv\"]", "4: unknown key `policy.rules.pth`; did you mean `policy.rules.path`?"),
        (
            "uid = [true]",
            "4: `policy.rules.uid` has the wrong type: boolean `true`, expected a text or a number",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problem(text), format!("c.toml:{expected}"), "{text}");
    }
    let rules = "[[policy.rules]]\nname = \"a\"\naction = \"sample\"\n[[policy.rules]]\nname = \"a\"\naction = \"deny\"\n\
                 [[policy.rules]]\nname = \"noise\"\naction = \"allow\"\n";
    assert_eq!(
        problems(rules),
        [
            "c.toml:3: `policy.rules.action` of the rule \"a\" samples, so it needs `one_in`, such as one_in = 10",
            "c.toml:5: `policy.rules.name` must be unique, but \"a\" is the name of a rule above as well; choose another",
            "c.toml:8: `policy.rules.name` must not be that of a built-in rule, as \"noise\" is; choose another",
        ]
    );
}

#[test]
fn there_may_be_sixty_four_rules_in_all() {
    let rules = |count: usize| -> String {
        let rule =
            |number| format!("[[policy.rules]]\nname = \"r{number}\"\naction = \"deny\"\npath = [\"/a\"]\n");
        (0..count).map(rule).collect()
    };
    let policy = policy(&format!("[policy]\ndirectories = false\n{}", rules(51)));
    assert_eq!(policy.rules().len(), MAX_RULES);
    assert_eq!(rule(&policy, &open("/etc/group")), "noise", "the last rules are judged as well");
    assert_eq!(
        problems(&rules(52)),
        [
            "c.toml:1: `policy.rules` are 52, but there may be 51: 64 in all, of which 13 are built in; join some"
        ]
    );
}

/// A word for any list of a rule: right for some.
fn any_word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "open",
        "exec",
        "root",
        "unset",
        "1000-1999",
        "0",
        "ssh",
        "none",
        "/etc/",
        "/**/*.so",
        "read",
        "10.0.0.0/8",
        "::1",
        "success",
        "failure",
        "ENOENT",
        "",
        "-",
        "1-",
        "99999999999",
        "**",
        "\\u0000",
        "é",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn any_words_make_a_rule_or_an_error(
        key in prop::sample::select(vec!["type", "login_uid", "uid", "gid", "session", "exe", "under", "path",
            "access", "address", "port", "cgroup", "outcome"]),
        words in prop::collection::vec(any_word(), 0..4),
        path in "/[a-z*/]{0,12}",
    ) {
        let text = format!("[[policy.rules]]\nname = \"r\"\naction = \"deny\"\n{key} = {words:?}\n");
        if let Ok(config) = Config::parse(&text.replace("\\\\u", "\\u"), "c.toml".as_ref()) {
            let policy = Policy::new(&config.policy, Some(HOST)).unwrap();
            for event in [open(&path), connect(&path), failed(open(&path), Errno::NOENT)] {
                rule(&policy, &event);
            }
        }
    }

    /// The bits by type leave no rule out and put none first.
    #[test]
    fn the_rule_that_decides_is_the_first_that_would(
        picks in prop::collection::vec((0_usize..4, 0_usize..4), 1..20), path in "/(srv|etc|home)/[ab]"
    ) {
        let matchers = ["path = [\"/srv/\"]", "type = [\"open\"]", "login_uid = [1001]", "outcome = [\"failure\"]"];
        let actions = ["allow", "deny", "fold", "deny"];
        let rules: String = picks.iter().enumerate().map(|(number, (action, matcher))| {
            format!("[[policy.rules]]\nname = \"r{number}\"\naction = \"{}\"\n{}\n", actions[*action], matchers[*matcher])
        }).collect();
        let policy = policy(&rules);
        for event in [open(&path), event(Payload::Exec(Exec::default())), failed(open(&path), Errno::ACCESS)] {
            let nothing = Ancestry::default();
            let act = Act::of(&event, &nothing);
            let first = policy.rules().iter().find(|rule| rule.decides(act)).map_or("", |rule| rule.name.as_str());
            prop_assert_eq!(rule(&policy, &event), first);
        }
    }
}
