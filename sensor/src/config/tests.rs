use std::{collections::BTreeSet, fs, path::Path};

use super::*;

const DEFAULT_FILE: &str = include_str!("../../../packaging/sensor/config.toml");
const REFERENCE: &str = include_str!("../../../docs/configuration.md");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("config.toml"))
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

/// The default file with its keys switched on: a comment without a space
/// after `#` is a key.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') && !key.is_empty() => key.to_owned(),
        _ => line.to_owned(),
    };
    DEFAULT_FILE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("[spool]\n[metrics]\n").unwrap(), Config::default());
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    assert_eq!(parse(DEFAULT_FILE).unwrap(), Config::default());
    let mut written = parse(&uncommented()).unwrap();
    // Keys without a default are shown with an example.
    assert_eq!(written.sensor.host.take().as_deref(), Some("web-1.example.org"));
    assert_eq!(written.sensor.cpu_limit.take(), Some(25));
    assert_eq!(written.hooks.pin.take(), Some("/sys/fs/bpf/activity-sensor".into()));
    assert_eq!(written.stream.tcp.take(), Some("127.0.0.1:50051".parse().unwrap()));
    let metrics = MetricsAddress::Tcp("127.0.0.1:9464".parse().unwrap());
    assert_eq!(written.metrics.listen.take(), Some(metrics));
    assert!(std::mem::take(&mut written.stream.plain_text));
    let collectors: Vec<_> =
        std::mem::take(&mut written.stream.push).iter().map(ToString::to_string).collect();
    assert_eq!(collectors, ["main@collector.example.org:50052"]);
    assert_eq!(written.stream.tls.take().map(|tls| tls.max_connection_age), Some(3600));
    assert_eq!(std::mem::take(&mut written.redaction.rules).len(), 1);
    assert_eq!(std::mem::take(&mut written.policy.rules).len(), 4);
    assert_eq!(written, Config::default());
}

#[test]
fn every_key_is_in_the_default_file_and_in_the_reference() {
    let document: toml::Table = uncommented().parse().unwrap();
    let mut written = BTreeSet::new();
    for (table, keys) in &document {
        for (key, value) in keys.as_table().unwrap() {
            let elements: Vec<_> =
                value.as_array().into_iter().flatten().filter_map(toml::Value::as_table).collect();
            let inner = elements.iter().flat_map(|element| element.keys());
            written.extend(inner.map(|inner| format!("{table}.{key}.{inner}")));
            let within = value.as_table().into_iter().flatten();
            written.extend(within.map(|(inner, _)| format!("{table}.{key}.{inner}")));
            if elements.is_empty() && !value.is_table() {
                written.insert(format!("{table}.{key}"));
            }
        }
    }
    assert_eq!(written, KEYS.iter().map(|key| (*key).to_owned()).collect());
    for key in KEYS {
        let name = key.rsplit('.').next().unwrap();
        assert!(REFERENCE.contains(&format!("`{name}`")), "{key} is not in docs/configuration.md");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        problems("# policy\n[polcy]\nignore_exe = []\n"),
        ["config.toml:3: unknown key `polcy.ignore_exe`; did you mean `policy.ignore_exe`?"]
    );
    assert_eq!(
        problems("[stream]\nsoket = \"/x\"\n"),
        ["config.toml:2: unknown key `stream.soket`; did you mean `stream.socket`?"]
    );
    assert_eq!(problems("[strem]\n"), ["config.toml:1: unknown key `strem`; did you mean `stream`?"]);
    assert_eq!(
        problems("[log]\nscope = \"people\"\n"),
        ["config.toml:2: unknown key `log.scope`; did you mean `policy.scope`?"]
    );
    assert_eq!(
        problems("[[redaction.rules]]\nname = \"a\"\npatern = \"b\"\npattern = \"c\"\n"),
        ["config.toml:3: unknown key `redaction.rules.patern`; did you mean `redaction.rules.pattern`?"]
    );
    assert_eq!(
        problems("[metrics]\nzzz = 1\n"),
        [
            "config.toml:2: unknown key `metrics.zzz`; remove it, or see the default file for the keys there are"
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let text = "[hooks]\nexec = 1\nopem = true\nfile_ring_bytes = 100000\n\n[stream]\nmode = \"0666\"\n\
                tcp = \"0.0.0.0:1\"\n[[redaction.rules]]\nname = \"A\"\npattern = \"x\"\n\
                [[redaction.rules]]\nname = \"b\"\npattern = \"(\"\n";
    let expected = [
        "config.toml:2: `hooks.exec` has the wrong type: integer `1`, expected a boolean",
        "config.toml:3: unknown key `hooks.opem`; did you mean `hooks.open`?",
        "config.toml:4: `hooks.file_ring_bytes` must be a power of two, which 100000 is not",
        "config.toml:7: `stream.mode` gives every user of the machine access with \"0666\"; end it in 0 and use `stream.group`",
        "config.toml:8: `stream.tcp` must be a loopback address (127.0.0.1 or [::1]), not 0.0.0.0, unless `[stream.tls]` says who may connect",
        "config.toml:10: `redaction.rules.name` must be 1 to 32 lower-case letters, digits, _ or -, not \"A\"",
        "config.toml:14: `redaction.rules.pattern` is not a usable regular expression: unclosed group",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn wrong_values_are_told_with_what_would_be_right() {
    let cases = [
        (
            "[log]\nlevel = \"inf\"",
            "2: `log.level` has a wrong value: `inf`, expected one of `error`, `warn`, `info`, `debug`, `trace`",
        ),
        (
            "policy.scope = \"all\"",
            "1: `policy.scope` has a wrong value: `all`, expected `people` or `everything`",
        ),
        ("[sensor]\nstate = \"x\"", "2: `sensor.state` must be a path that begins with /, not \"x\""),
        (
            "[sensor]\nhost = \"a b\"",
            "2: `sensor.host` must be a name of 1 to 253 bytes without spaces or control characters",
        ),
        (
            "[stream]\nmode = \"9\"",
            "2: `stream.mode` must be permission bits in octal, such as \"0660\", not \"9\"",
        ),
        ("[sensor]\nheartbeat = 61", "2: `sensor.heartbeat` must be from 1 to 60, not 61"),
        ("[stream]\nmax_subscribers = 0", "2: `stream.max_subscribers` must be from 1 to 1024, not 0"),
        (
            "[stream]\nsubscriber_queue_bytes = -1",
            "2: `stream.subscriber_queue_bytes` must be from 65536 to 1073741824, not -1",
        ),
        (
            "[policy]\nignore_paths = [\"/a\", \"b\"]",
            "2: `policy.ignore_paths` must hold patterns that begin with / or **/, which \"b\" does not",
        ),
        (
            "[policy]\nignore_exe = [\"b\"]",
            "2: `policy.ignore_exe` must hold paths that begin with /, which \"b\" does not",
        ),
        ("[[redaction.rules]]\nname = \"a\"", "1: `redaction.rules` lacks `pattern`"),
        (
            "[[redaction.rules]]\nname = \"a\"\npattern = \"x*\"",
            "3: `redaction.rules.pattern` matches the empty string, so it would match everywhere",
        ),
        ("log = 1", "1: `log` has the wrong type: integer `1`, expected struct LogConfig"),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), [format!("config.toml:{expected}")], "{text}");
    }
}

#[test]
fn tcp_needs_consent_to_plain_text() {
    assert_eq!(
        problems("[stream]\ntcp = \"127.0.0.1:50051\"\n"),
        ["config.toml:2: `stream.tcp` is not encrypted and does not check who connects; set \
          `stream.plain_text = true` as well if every user of this machine may read the stream, or remove it"]
    );
    let everywhere = "[stream]\nplain_text = true\ntcp = \"[::]:50051\"\n";
    assert_eq!(problems(everywhere).len(), 1, "consent is for this machine only");
    let config = parse("[stream]\ntcp = \"[::1]:50051\"\nplain_text = true\n").unwrap();
    assert_eq!(config.stream.tcp, Some("[::1]:50051".parse().unwrap()));
}

#[test]
fn metrics_are_served_on_this_machine_only() {
    let listen = |address: &str| parse(&format!("metrics.listen = {address:?}")).map(|config| config.metrics);
    let tcp = MetricsAddress::Tcp("[::1]:9464".parse().unwrap());
    assert_eq!(listen("[::1]:9464").unwrap().listen, Some(tcp));
    let unix = MetricsAddress::Unix("/run/m.sock".into());
    assert_eq!(listen("unix:/run/m.sock").unwrap().listen, Some(unix));
    for (address, complaint) in [
        (
            "0.0.0.0:9464",
            "must be a loopback address (127.0.0.1 or [::1]), not 0.0.0.0: nobody is asked who they are",
        ),
        (
            "9464",
            "must be an address with a port, such as \"127.0.0.1:9464\", or unix: and a path, not \"9464\"",
        ),
        (
            "unix:m.sock",
            "must have a path after unix: that begins with / and has at most 107 bytes, not \"m.sock\"",
        ),
        (
            "unix:/run/activity-sensor/sensor.sock",
            "is `stream.socket` as well; give one of them another path",
        ),
    ] {
        let text = format!("metrics.listen = {address:?}");
        assert_eq!(problems(&text), [format!("config.toml:1: `metrics.listen` {complaint}")]);
    }
}

#[test]
fn a_sensor_without_hooks_is_refused() {
    let all: Vec<_> = KEYS.iter().filter_map(|key| key.strip_prefix("hooks.")).collect();
    let switches = all.iter().filter(|key| !key.ends_with("_bytes") && !["preload", "pin"].contains(key));
    let off: String = switches.map(|key| format!("{key} = false\n")).collect();
    assert_eq!(
        problems(&format!("\n[hooks]\n{off}")),
        ["config.toml:2: `hooks` switches every hook off, so nothing would be recorded; leave one on"]
    );
    assert!(parse(&format!("[hooks]\n{}", off.replace("chmod = false", "chmod = true"))).is_ok());
}

#[test]
fn a_syntax_error_has_its_line() {
    let found = problems("[log]\nlevel = \"info\n");
    assert!(found.len() == 1 && found[0].starts_with("config.toml:2: "), "{found:?}");
    let found = problems("[log]\nlevel = \"info\"\nlevel = \"warn\"\n");
    assert!(found.len() == 1 && found[0].starts_with("config.toml:3: "), "{found:?}");
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_raw() {
    let found = problems("\"a\\u001b[31m\" = 1\n\"\\u202e\" = 1\n[log]\nlevel = \"\\u001b\"\n").join("");
    assert!(!found.contains(|c: char| c.is_control() || c == '\u{202e}'), "{found:?}");
}

#[test]
fn only_a_file_that_was_named_has_to_exist() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.toml");
    let error = Config::load(Some(&missing)).unwrap_err();
    assert!(error.to_string().contains("none.toml: No such file"), "{error}");

    let file = directory.path().join("config.toml");
    fs::write(&file, "log.level = \"debug\"").unwrap();
    assert_eq!(Config::load(Some(&file)).unwrap().log.level, LogLevel::Debug);
    fs::write(&file, b"# \xff").unwrap();
    assert!(matches!(Config::load(Some(&file)), Err(ConfigError::Unreadable { .. })));
    assert!(matches!(Config::load(Some("/dev/zero".as_ref())), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn mutual_tls_opens_any_address_and_needs_its_files() {
    let files = "[stream.tls]\ncertificate = \"/c\"\nkey = \"/k\"\nauthority = \"/a\"\n";
    let config = parse(&format!("[stream]\ntcp = \"0.0.0.0:50051\"\n{files}")).unwrap();
    let tls = config.stream.tls.unwrap();
    assert_eq!((tls.revoked.as_deref(), tls.age().as_secs()), (None, 3600));
    assert_eq!(
        problems(files),
        [
            "config.toml:1: `stream.tls` serves nobody without `stream.tcp` or `stream.push`; set one of them, or \
          remove it"
        ]
    );
    let with = |line: &str| format!("[stream]\ntcp = \"0.0.0.0:50051\"\n{files}{line}\n");
    assert_eq!(
        problems(&with("revoked = \"r\"")),
        ["config.toml:7: `stream.tls.revoked` must be a path that begins with /, not \"r\""]
    );
    assert_eq!(
        problems(&with("max_connection_age = 5")),
        ["config.toml:7: `stream.tls.max_connection_age` must be from 10 to 604800, not 5"]
    );
    assert_eq!(
        problems(&with("certificat = \"/x\"")),
        ["config.toml:7: unknown key `stream.tls.certificat`; did you mean `stream.tls.certificate`?"]
    );
    let lacking = problems("[stream]\ntcp = \"127.0.0.1:50051\"\n[stream.tls]\nkey = \"/k\"\n");
    assert_eq!(lacking.last().map(String::as_str), Some("config.toml:3: `stream.tls` lacks `certificate`"));
}

#[test]
fn collectors_on_other_machines_are_dialled_with_mutual_tls_only() {
    let files = "[stream.tls]\ncertificate = \"/c\"\nkey = \"/k\"\nauthority = \"/a\"\n";
    let push = |address: &str| format!("[stream]\npush = [\"{address}\"]\n");
    for (text, words) in [
        (push("192.0.2.1:1"), Some("takes mutual TLS")),
        (push("main@192.0.2.1:1") + "plain_text = true\n", Some("takes mutual TLS")),
        (push("127.0.0.1:1"), Some("set `stream.plain_text = true`")),
        (push("127.0.0.1:1") + "plain_text = true\n", None),
        (push("unix:/run/c.sock"), None),
        (push("main@192.0.2.1:1") + files, None),
        (push("unix:/run/c.sock") + "[spool]\nenabled = false\n", Some("delivers what the spool keeps")),
        (push("somewhere"), Some("is no address")),
    ] {
        match (parse(&text), words) {
            (Ok(_), None) => {}
            (Err(_), Some(words)) => {
                let [problem] = problems(&text).try_into().unwrap();
                assert!(problem.contains("stream.push") && problem.contains(words), "{problem}");
            }
            (parsed, _) => panic!("{text}: {parsed:?}"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(
        lines in proptest::collection::vec(
            r#"(\[{1,2})?(sensor|hooks|redaction\.rules|stream|x)?(\]{1,2}|\.| = |=)?("[a-z/]{0,5}"|-?[0-9]{1,12}|\[\]|\{ a = 1 \}|true)?"#,
            0..8,
        ),
    ) {
        let _ = parse(&lines.join("\n"));
    }
}
