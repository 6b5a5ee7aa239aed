//! Files and command lines, and what is wrong with them.

use std::fs;

use super::*;

#[test]
fn a_whole_file_is_read() {
    let text = "sensors = ['unix:/a', '127.0.0.1:1']\nstore = '/s'\nplain_text = true\n[roll]\nbytes = 65536\nseconds = 5\n";
    let file = File::parse(text).unwrap();
    assert_eq!(file.sensors.unwrap().len(), 2);
    assert_eq!((file.store.as_deref(), file.plain_text), (Some("/s"), true));
    assert_eq!((file.roll.bytes, file.roll.seconds), (65536, 5));
    let file = File::parse("[retention]\nkeep_days = 90\nmax_bytes = 33554432\n").unwrap();
    assert_eq!((file.retention.keep_days, file.retention.max_bytes), (90, 32 << 20));
}

#[test]
fn without_anything_it_is_the_sensor_of_this_machine() {
    let tenant = one(load(&[]).unwrap());
    assert_eq!(tenant.sensors, [Address::Unix(DEFAULT_SENSOR.into())]);
    assert_eq!((tenant.listen, tenant.name), (None, None));
    let tenant = one(load(&["--listen", "unix:/run/l.sock"]).unwrap());
    assert_eq!((tenant.sensors.len(), tenant.listen.is_some()), (0, true));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, sentence) in [
        ("store = '/x'\nsenors = []\n", 2, "unknown key `senors`; did you mean `sensors`?"),
        ("[roll]\nseconds = 5\nbyte = 5\n", 3, "unknown key `byte`; did you mean `bytes`?"),
        (
            "\n\nzzz = 1\n",
            3,
            "unknown key `zzz`; there are sensors, listen, store, plain_text, roll, retention, archive, query, tls, export, tenants",
        ),
        ("store = 5\n", 1, "invalid type: integer `5`, expected a string"),
        ("[roll]\nbytes = 5\n", 1, "`roll.bytes` must be at least 65536"),
        (
            "[retention]\nmax_bytes = 5\n",
            1,
            "`retention.max_bytes` must be at least `roll.bytes`, or 0 for no limit",
        ),
        (
            "\n[retention]\nkeep_days = 36501\n",
            2,
            "`retention.keep_days` must be at most 36500, or 0 for ever",
        ),
        ("[retention]\nclass_days = { files = 3 }\n", 2, "unknown key `files`; did you mean `file`?"),
        (
            "\n[retention]\nclass_days = { file = 36501 }\n",
            2,
            "every day of `retention.class_days` must be at most 36500, or 0 for ever",
        ),
    ] {
        assert_eq!(File::parse(text).unwrap_err(), (line, sentence.to_owned()), "{text}");
    }
    let (line, sentence) = File::parse("\nsensors = ['10.0.0.1']").unwrap_err();
    assert_eq!(line, 2);
    assert!(sentence.contains("is no address"), "{sentence}");
}

#[derive(clap::Parser)]
struct Run {
    #[command(flatten)]
    args: RunArgs,
}

fn one(config: Config) -> Tenant {
    let [tenant] = config.tenants.try_into().unwrap();
    tenant
}

fn load(arguments: &[&str]) -> Result<Config, Failure> {
    use clap::Parser as _;
    Config::load(&Run::parse_from([&["run", "--store", "/s"], arguments].concat()).args)
}

#[test]
fn another_machine_is_reached_with_mutual_tls_only() {
    let failure = load(&["--sensor", "192.0.2.1:7000", "--plain-text"]).unwrap_err();
    assert!(failure.code == 64 && failure.to_string().contains("mutual TLS"), "{failure}");
    assert_eq!(load(&["--sensor", "127.0.0.1:7000"]).unwrap_err().code, 64);
    assert_eq!(load(&["--sensor", "127.0.0.1:7000", "--plain-text"]).map(one).unwrap().tls, None);
    let files = ["--certificate", "/c", "--key", "/k", "--authority", "/a"];
    for address in ["192.0.2.1:7000", "web-1@sensor.example.org:7000", "127.0.0.1:7000"] {
        let config = load(&[&["--sensor", address][..], &files].concat()).unwrap();
        assert_eq!(one(config).tls.unwrap().key, Path::new("/k"));
    }
    let failure = load(&["--sensor", "192.0.2.1:7000", "--certificate", "/c"]).unwrap_err();
    assert!(failure.code == 64 && failure.to_string().contains("--authority"), "{failure}");
}

#[test]
fn the_command_line_goes_before_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    let text = "sensors = ['h:1']\n[tls]\ncertificate = '/c'\nkey = '/k'\nauthority = '/a'\nrevoked = '/r'\n";
    fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let of_file = one(load(&config).unwrap()).tls.unwrap();
    assert_eq!(of_file.revoked.as_deref(), Some(Path::new("/r")));
    let both = one(load(&[&config[..], &["--key", "/k2"]].concat()).unwrap()).tls.unwrap();
    assert_eq!((both.key.as_path(), both.certificate), (Path::new("/k2"), of_file.certificate));
    fs::write(&file, "[tls]\nkey = '/k'\n").unwrap();
    assert_eq!(load(&config).unwrap_err().code, 78);
}

fn load_file(text: &str, arguments: &[&str]) -> Result<Config, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, text).unwrap();
    load(&[&["--config", file.to_str().unwrap()], arguments].concat())
}

#[test]
fn tenants_share_nothing_but_the_directory_they_are_in() {
    let text = "[tenants.acme]\nlisten = 'unix:/a'\n[tenants.zenith]\nsensors = ['unix:/z']\nstore = '/z'\n\
                [tenants.zenith.roll]\nseconds = 7\n";
    let tenants = load_file(text, &[]).unwrap().tenants;
    let told: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            (tenant.name.clone().unwrap().to_string(), tenant.store.root(), tenant.roll.age.as_secs())
        })
        .collect();
    assert_eq!(told, [("acme".into(), Path::new("/s/acme"), 300), ("zenith".into(), Path::new("/z"), 7)]);
}

#[test]
fn what_is_wrong_with_tenants_is_told() {
    let acme = "[tenants.acme]\nlisten = 'unix:/a'\n";
    for (text, arguments, code, words) in [
        (acme, &["--sensor", "unix:/x"][..], 64, "has tenants"),
        (&format!("listen = 'unix:/x'\n{acme}"), &[], 78, "belong to one of them"),
        ("[tenants.acme]\n", &[], 78, "tenants.acme: nothing would come in"),
        ("[tenants.ACME]\nlisten = 'unix:/a'\n", &[], 78, "tenants.ACME: names and tenants"),
        ("[tenants.acme]\nlisten = '192.0.2.1:1'\n", &[], 78, "mutual TLS"),
        (
            &format!("{acme}store = '/z'\n[tenants.b]\nlisten = 'unix:/b'\nstore = '/z'\n"),
            &[],
            78,
            "would share /z",
        ),
        (
            &format!("{acme}store = '/z'\n[tenants.b]\nlisten = 'unix:/b'\nstore = '/z/y'\n"),
            &[],
            78,
            "share /z",
        ),
    ] {
        let failure = load_file(text, arguments).unwrap_err();
        assert!(failure.code == code && failure.to_string().contains(words), "{failure}");
    }
}

#[test]
fn an_archive_is_read_and_stands_for_one_tenant_alone() {
    let text = "[archive]\nurl = 's3://b/p'\noptions = { region = 'r' }\n";
    let archive = one(load_file(text, &[]).unwrap()).archive.unwrap();
    assert_eq!((archive.settings.url.as_str(), archive.after_days), ("s3://b/p", 1));
    let acme =
        |url: &str| format!("[tenants.acme]\nlisten = 'unix:/a'\n[tenants.acme.archive]\nurl = '{url}'\n");
    let both = |one: &str, other: &str| {
        format!("{}[tenants.b]\nlisten = 'unix:/b'\n[tenants.b.archive]\nurl = '{other}'\n", acme(one))
    };
    let tenants = load_file(&both("s3://b/p", "s3://b/p2"), &[]).unwrap().tenants;
    assert_eq!(tenants.iter().filter(|tenant| tenant.archive.is_some()).count(), 2);
    for (text, words) in [
        ("[archive]\nafter_days = 0\n".to_owned(), "missing field `url`"),
        ("[archive]\nurl = 's3://b'\nafterdays = 0\n".to_owned(), "did you mean `after_days`?"),
        ("[archive]\nurl = 'http://b/p'\n".to_owned(), "no place for an archive"),
        ("[archive]\nurl = 's3://b'\nafter_days = 36501\n".to_owned(), "at most 36500"),
        ("[archive]\nurl = 's3://b'\noptions = { regon = 'r' }\n".to_owned(), "did you mean `region`?"),
        ("[archive]\nurl = 's3://b'\ncredentials = '/not/there'\n".to_owned(), "/not/there"),
        (format!("[archive]\nurl = 's3://b'\n{}", acme("s3://c")), "[tenants.NAME.archive]"),
        (both("s3://b/p", "s3://b/p"), "share the archive s3://b/p"),
        (both("s3://b/p", "s3a://b/p/q"), "share the archive s3://b/p"),
        (both("file:///x/y", "file:///x"), "share the archive file:///x"),
    ] {
        let failure = load_file(&text, &[]).unwrap_err();
        assert!(failure.code == 78 && failure.to_string().contains(words), "{text}: {failure}");
    }
}

const PACKAGED: &str = include_str!("../../../packaging/collector/config.toml");

/// The packaged file with its keys switched on: a comment without a space after `#` is one.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') && !key.is_empty() => key.to_owned(),
        _ => line.to_owned(),
    };
    PACKAGED.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_packaged_file_says_what_the_defaults_are() {
    let (packaged, default) = (File::parse(PACKAGED).unwrap(), File::default());
    assert_eq!(format!("{packaged:?}"), format!("{default:?}"));
    let written = File::parse(&uncommented()).unwrap();
    let common = |file: &File| {
        let query = &file.query;
        (
            (file.roll.bytes, file.roll.seconds, file.retention.keep_days, file.retention.max_bytes),
            (query.require_purpose, query.require_log, query.max_rows, query.max_seconds, query.max_calls),
            file.plain_text,
        )
    };
    assert_eq!(common(&written), common(&default));
    assert_eq!(written.sensors.unwrap(), [Address::Unix(DEFAULT_SENSOR.into())]);
    assert_eq!(written.store.as_deref(), Some(DEFAULT_STORE));
}

#[test]
fn every_key_is_in_the_packaged_file() {
    let document: toml::Table = uncommented().parse().unwrap();
    for (table, path) in [
        ("", &[][..]),
        ("[roll]\n", &["roll"]),
        ("[retention]\n", &["retention"]),
        ("[query]\n", &["query"]),
        ("[tls]\n", &["tls"]),
        ("[archive]\nurl = 's3://a/b'\n", &["archive"]),
        ("[export.a]\nto = 'nats://127.0.0.1:1/a'\n", &["export", "bus"]),
    ] {
        let (_, sentence) = File::parse(&format!("{table}qqqqqqqqqqqq = 1\n")).unwrap_err();
        let (_, known) = sentence.split_once("there are ").unwrap();
        let written = path.iter().fold(&document, |table, &key| table[key].as_table().unwrap());
        for key in known.split(", ") {
            assert!(written.contains_key(key), "{path:?} lacks {key}");
        }
    }
}
