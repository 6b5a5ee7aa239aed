//! Rules of the configuration.

use activity_proto::v1::{
    Accept, Actor, Attribution, Credentials, Exec, Interpreter, Listen, Place, Rename, Session, Tamper,
    Unlink,
};

use super::*;

/// A policy of one rule, whose matchers are given.
fn rule_of(action: &str, matchers: &str) -> Policy {
    policy(&format!("[[policy.rules]]\nname = \"own-rule\"\naction = \"{action}\"\n{matchers}"))
}

fn matches(action: &str, matchers: &str, event: &Event) -> bool {
    rule(&rule_of(action, matchers), event) == "own-rule"
}

#[test]
fn the_first_rule_that_matches_decides_and_the_built_in_ones_come_last() {
    let policy = policy(
        "[[policy.rules]]\nname = \"a\"\naction = \"allow\"\npath = [\"/srv/cache/keep\"]\n\
         [[policy.rules]]\nname = \"b\"\naction = \"deny\"\npath = [\"/srv/cache/\", \"/etc/shadow\"]\n\
         [[policy.rules]]\nname = \"c\"\naction = \"allow\"\npath = [\"/etc/passwd\"]\n",
    );
    assert_eq!(rule(&policy, &open("/srv/cache/keep")), "a");
    assert_eq!(rule(&policy, &open("/srv/cache/x")), "b");
    assert_eq!(rule(&policy, &open("/etc/shadow")), "b", "before `always`");
    assert_eq!(rule(&policy, &open("/etc/passwd")), "c", "before `noise`");
    assert_eq!(rule(&policy, &open("/etc/group")), "noise");
    assert_eq!(rule(&policy, &open("/etc/gshadow")), "always");
    assert_eq!(rule(&policy, &open("/etc/hostname")), "");
}

#[test]
fn all_that_are_given_must_match_and_one_of_each() {
    let by = |auid| Event { login: Some(Login { auid: Some(auid), ..Login::default() }), ..open("/srv/a") };
    let matchers = "type = [\"open\"]\nlogin_uid = [1001, \"2000-2999\"]\npath = [\"/srv/*\", \"/opt/\"]\n";
    assert!(matches("deny", matchers, &by(1001)));
    assert!(matches("deny", matchers, &by(2999)));
    assert!(!matches("deny", matchers, &by(3000)));
    assert!(!matches("deny", matchers, &Event { payload: open("/home/x").payload, ..by(1001) }));
    assert!(!matches("deny", matchers, &event(Payload::Exec(Exec::default()))));
}

#[test]
fn a_rule_without_types_leaves_alone_what_matters_whoever_does_it() {
    let tamper = event(Payload::Tamper(Tamper::default()));
    assert_eq!(rule(&rule_of("deny", "login_uid = [1001]"), &tamper), "machine");
    assert!(matches("deny", "type = [\"tamper\"]", &tamper));
    assert!(matches("deny", "", &event(Payload::Exec(Exec::default()))));
    assert!(!matches("deny", "", &event(Payload::Status(Default::default()))));
}

#[test]
fn a_human_is_who_logged_in_whoever_they_are_now() {
    let attributed = |uid, others: &[u32]| {
        let others = others.iter().map(|uid| Actor { uid: *uid, ..Actor::default() }).collect();
        let attribution = Some(Attribution { uid, others, ..Attribution::default() });
        let credentials = Some(Credentials::default());
        Event { attribution, credentials, login: None, ..open("/srv/a") }
    };
    let alice = "login_uid = [1001]";
    assert!(matches("deny", alice, &attributed(Some(1001), &[])));
    assert!(!matches("deny", alice, &attributed(Some(1002), &[])));
    assert!(matches("allow", alice, &attributed(Some(1002), &[1001])), "one of them is enough to keep");
    assert!(!matches("deny", alice, &attributed(Some(1001), &[1002])), "it may have been the other one");
    assert!(matches("deny", "login_uid = [\"unset\"]", &attributed(None, &[])));
    assert!(!matches("deny", "login_uid = [\"unset\"]", &attributed(Some(1001), &[])));
    assert!(matches("deny", "login_uid = [\"root\"]", &attributed(Some(0), &[])));
    let mut first = open("/srv/a");
    first.login = Some(Login { auid: Some(7), first_auid: Some(1001), ..Login::default() });
    assert!(matches("deny", alice, &first));
}

#[test]
fn one_of_two_users_keeps_and_both_leave_out() {
    let mut event = open("/srv/a");
    event.credentials = Some(Credentials { uid: 33, euid: 0, gid: 33, egid: 33, ..Credentials::default() });
    assert!(matches("allow", "uid = [33]", &event) && !matches("deny", "uid = [33]", &event));
    assert!(matches("deny", "uid = [\"root\", 33]\ngid = [33]", &event));
    event.credentials = None;
    assert!(!matches("allow", "uid = [\"0-4294967295\"]", &event));
}

#[test]
fn sessions_are_matched_by_kind() {
    let mut event = open("/srv/a");
    assert!(matches("deny", "session = [\"none\"]", &event));
    event.session = Some(Session { kind: "cron".into(), ..Session::default() });
    assert!(matches("deny", "session = [\"ssh\", \"cron\"]", &event));
    assert!(!matches("deny", "session = [\"ssh\", \"none\"]", &event));
}

#[test]
fn under_is_the_program_and_all_it_leads_to() {
    let policy = rule_of("deny", "under = [\"/opt/backup\"]");
    let under = |exe: &str, is_real| {
        Ancestry::default().and(exe.to_owned().into(), is_real).and("/bin/sh".into(), true)
    };
    assert_eq!(rule_under(&policy, &open("/srv/a"), &under("/opt/backup", true)), "own-rule");
    assert_eq!(rule_under(&policy, &open("/srv/a"), &under("/opt/other", true)), "");
    assert_eq!(
        rule_under(&policy, &open("/srv/a"), &under("/opt/backup", false)),
        "",
        "that was no such file"
    );
    let mut own = open("/srv/a");
    own.process.as_mut().unwrap().exe = "/opt/backup".into();
    assert_eq!(rule(&policy, &own), "own-rule");
    own.process.as_mut().unwrap().deleted = true;
    assert_eq!(rule(&policy, &own), "");
    assert!(policy.asks_for_ancestry() && !rule_of("deny", "exe = [\"/opt/backup\"]").asks_for_ancestry());
}

#[test]
fn a_path_that_may_be_another_leaves_nothing_out() {
    let path = "path = [\"/srv/\"]";
    let mut event = open("/srv/a");
    event.place = Some(Place { mount_namespace: Some(HOST + 1), ..Place::default() });
    assert!(!matches("deny", path, &event) && matches("allow", path, &event));
    assert!(matches("deny", &format!("{path}\ncgroup = [\"**\"]").replace("**", "/**"), &{
        let mut event = event.clone();
        event.place.as_mut().unwrap().cgroup_path = "/docker/1".into();
        event
    }));
    let mut told = open("/srv/a");
    opened(&mut told).path_source = PathSource::User as i32;
    assert!(!matches("deny", path, &told) && matches("allow", path, &told));
    let refused = failed(open("/srv/a"), Errno::ACCESS);
    assert!(!matches("deny", path, &refused), "the path of a refusal is the caller's word");
    assert!(matches("deny", &format!("{path}\noutcome = [\"failure\"]"), &refused), "which was asked for");
    assert!(matches("deny", path, &failed(open("/srv/a"), Errno::NOENT)));
}

#[test]
fn both_names_of_a_rename_are_looked_at() {
    let rename = |from: &str, to: &str| {
        event(Payload::Rename(Rename {
            path: from.to_owned().into(),
            new_path: to.to_owned().into(),
            path_source: PathSource::Kernel as i32,
            ..Rename::default()
        }))
    };
    let path = "path = [\"/srv/\"]";
    assert!(matches("deny", path, &rename("/srv/a", "/srv/b")));
    assert!(!matches("deny", path, &rename("/srv/a", "/etc/b")));
    assert!(matches("allow", path, &rename("/srv/a", "/etc/b")));
}

#[test]
fn the_path_of_a_program_start_is_what_was_asked_for() {
    let mut exec = Exec { filename: "./x".into(), ..Exec::default() };
    let path = "type = [\"exec\"]\npath = [\"/opt/x\", \"/usr/bin/cat\", \"**/x\"]";
    assert!(matches("deny", path, &event(Payload::Exec(exec.clone()))), "its program is cat");
    exec.interpreters = vec![Interpreter { path: "/opt/y".into(), ..Interpreter::default() }];
    assert!(!matches("deny", path, &event(Payload::Exec(exec.clone()))));
    exec.filename = "/opt/x".into();
    assert!(matches("deny", path, &failed(event(Payload::Exec(exec)), Errno::NOENT)));
}

#[test]
fn access_address_port_and_outcome() {
    let write = open_as("/srv/a", &[Access::Write, Access::Create], S_IFREG);
    assert!(
        matches("deny", "access = [\"write\"]", &write) && !matches("deny", "access = [\"read\"]", &write)
    );
    let connect = |address: &str, port| {
        let (family, address) = (Family::Inet as i32, address.to_owned());
        event(Payload::Connect(Connect { family, address, port: Some(port), ..Connect::default() }))
    };
    let net = "address = [\"10.0.0.0/8\", \"2001:db8::/32\", \"127.0.0.1\"]\nport = [22, \"8000-8099\"]";
    assert!(
        matches("deny", net, &connect("10.1.2.3", 8099)) && matches("deny", net, &connect("127.0.0.1", 22))
    );
    assert!(
        matches("deny", net, &connect("::ffff:10.1.2.3", 22))
            && matches("deny", net, &connect("2001:db8::7", 22))
    );
    assert!(
        !matches("deny", net, &connect("11.0.0.1", 22)) && !matches("deny", net, &connect("10.0.0.1", 23))
    );
    assert!(!matches("deny", net, &connect("", 22)));
    let accept =
        Accept { address: "10.0.0.9".into(), port: Some(50_000), local_port: Some(22), ..Accept::default() };
    assert!(matches("deny", net, &event(Payload::Accept(accept))));
    let listen = Listen { address: "127.0.0.1".into(), port: Some(8000), ..Listen::default() };
    assert!(matches("deny", net, &event(Payload::Listen(listen))));
    let refused = failed(connect("10.0.0.1", 22), Errno::CONNREFUSED);
    assert!(matches("deny", "outcome = [\"ECONNREFUSED\"]", &refused));
    assert!(
        matches("deny", "outcome = [\"failure\"]", &refused)
            && !matches("deny", "outcome = [\"success\"]", &refused)
    );
}

#[test]
fn one_of_so_many_is_kept_and_says_so() {
    let policy = rule_of("sample", "one_in = 3\ntype = [\"unlink\"]");
    let unlink = event(Payload::Unlink(Unlink::default()));
    let nothing = Ancestry::default();
    let three = Verdict::KeepOneIn(NonZeroU32::new(3).unwrap());
    let verdicts: Vec<_> = (0..7).map(|_| policy.decide(&unlink, &nothing)).collect();
    let (out, kept) = (Verdict::LeaveOut, three);
    assert_eq!(verdicts, [kept, out, out, kept, out, out, kept]);
    let count = &policy.rule_counts()[0];
    assert_eq!((count.decided, count.left_out, count.one_in), (7, 4, Some(3)));
    assert!(policy.filtered_by().iter().any(|count| count.reason == "own-rule" && count.count == 4));
    assert_eq!(policy.decide(&open("/srv/a"), &nothing), Verdict::Keep);
    assert_eq!(policy.unmatched(), 1);
    let next = rule_of("fold", "").after(&policy);
    assert_eq!(next.decide(&unlink, &nothing), Verdict::Keep);
    assert_eq!((next.rule_counts()[0].decided, next.unmatched()), (1, 0));
    assert!(next.filtered_by().iter().any(|count| count.reason == "own-rule" && count.count == 4));
}

#[test]
fn the_version_says_whether_the_rules_are_the_same() {
    let a = rule_of("deny", "path = [\"/srv/\"]");
    assert_eq!(a.version(), rule_of("deny", "path = [\"/srv/\"]").version());
    assert_ne!(a.version(), rule_of("deny", "path = [\"/srv/*\"]").version());
    assert_ne!(a.version(), rule_of("fold", "path = [\"/srv/\"]").version());
    assert_eq!(a.version().len(), VERSION_DIGITS);
}

#[test]
fn services_are_asked_of_the_kernel_only_where_a_rule_may_keep_them() {
    let wants = |rule: &str| policy(&format!("[[policy.rules]]\nname = \"r\"\n{rule}")).wants_everybody();
    assert!(wants("action = \"allow\"\npath = [\"/etc/shadow\"]"));
    assert!(wants("action = \"sample\"\none_in = 9\nlogin_uid = [\"unset\"]"));
    assert!(!wants("action = \"deny\"\npath = [\"/etc/shadow\"]"));
    assert!(!wants("action = \"allow\"\nlogin_uid = [1001]"));
    assert!(!wants("action = \"allow\"\ntype = [\"exec\"]"), "program starts come out of the kernel anyway");
    assert!(!policy("").wants_everybody() && Policy::everything().wants_everybody());
    assert!(policy("policy.scope = \"everything\"").wants_everybody());
}

/// Judging is on the way of every event. Printed with `--nocapture`; held to its
/// limit where the build is optimized.
#[test]
fn an_event_is_judged_in_two_microseconds() {
    const ROUNDS: usize = 100;
    const EVENTS: u32 = 60;
    let rules: String = (0..20)
        .map(|number| {
            format!(
                "[[policy.rules]]\nname = \"r{number}\"\naction = \"deny\"\nlogin_uid = [\"2000-2999\", {number}]\n\
                 under = [\"/opt/{number}/**\"]\npath = [\"/srv/{number}/\", \"**/*.{number}\"]\n"
            )
        })
        .collect();
    let policy = policy(&rules);
    let paths = ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/home/alice/report-2026-01.csv", "/etc/shadow"];
    let events = paths.map(open);
    let nothing = Ancestry::default();
    // The best of many: in the others something else had the processor.
    let rounds = (0..ROUNDS).map(|_| {
        let begun = std::time::Instant::now();
        for event in events.iter().cycle().take(EVENTS as usize) {
            policy.decide(event, &nothing);
        }
        begun.elapsed() / EVENTS
    });
    let time = rounds.min().unwrap();
    println!("judging takes {time:?} with {} rules", policy.rules().len());
    assert!(cfg!(debug_assertions) || time.as_nanos() <= 2_000, "{time:?}");
}
