//! The configuration file and what the command line changes of it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use activity_peers::Files;
use serde::Deserialize;

use crate::{
    address::Address,
    cli::RunArgs,
    failure::Failure,
    store::{Layout, Retention, RollSettings},
};

/// Where events are kept when nothing else is said.
pub const DEFAULT_STORE: &str = "/var/lib/activity-collector";
/// Where the sensor of this machine is reached.
const DEFAULT_SENSOR: &str = "/run/activity-sensor/sensor.sock";
/// How unlike a known key a suggestion may be, from 0 (anything) to 1 (equal).
const SIMILAR: f64 = 0.6;

/// What `run` works with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sensors to receive from.
    pub sensors: Vec<Address>,
    /// Where to keep what they send.
    pub store: Layout,
    /// When the log becomes a Parquet file.
    pub roll: RollSettings,
    /// How long files are kept.
    pub retention: Retention,
    /// Our certificate, key and authority, for sensors over TCP.
    pub tls: Option<Files>,
}

/// The configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    sensors: Vec<Address>,
    store: String,
    plain_text: bool,
    roll: Roll,
    retention: Keep,
    tls: Tls,
}

/// What is missing here may stand on the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authority: Option<PathBuf>,
    revoked: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Roll {
    bytes: u64,
    seconds: u64,
}

/// Zeroes keep everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keep {
    keep_days: u32,
    max_bytes: u64,
}

impl Default for File {
    fn default() -> Self {
        Self {
            sensors: vec![Address::Unix(DEFAULT_SENSOR.into())],
            store: DEFAULT_STORE.into(),
            plain_text: false,
            roll: Roll::default(),
            retention: Keep::default(),
            tls: Tls::default(),
        }
    }
}

impl Default for Roll {
    fn default() -> Self {
        Self { bytes: 32 << 20, seconds: 300 }
    }
}

impl Config {
    /// The configuration that a command line asks for.
    pub fn load(args: &RunArgs) -> Result<Self, Failure> {
        let mut file = match &args.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        if !args.sensors.is_empty() {
            file.sensors.clone_from(&args.sensors);
        }
        let store = match &args.store {
            Some(url) => Layout::new(url)?,
            None => Layout::new(&file.store).map_err(Failure::config)?,
        };
        let tls = files(args, file.tls)?;
        let plain_text = file.plain_text || args.plain_text;
        let unsafe_one = file.sensors.iter().find_map(|sensor| unsafe_without_tls(sensor, plain_text));
        if let Some(sentence) = unsafe_one.filter(|_| tls.is_none()) {
            return Err(if args.sensors.is_empty() {
                Failure::config(sentence)
            } else {
                Failure::usage(sentence)
            });
        }
        let roll = RollSettings { bytes: file.roll.bytes, age: Duration::from_secs(file.roll.seconds) };
        let Keep { keep_days, max_bytes } = file.retention;
        let retention = Retention { keep_days, max_bytes };
        Ok(Self { sensors: file.sensors, store, roll, retention, tls })
    }
}

/// What the command line and the file say together; all that is needed or nothing.
fn files(args: &RunArgs, file: Tls) -> Result<Option<Files>, Failure> {
    let given = &args.tls;
    let [certificate, key, authority, revoked] = [
        (&given.certificate, file.certificate),
        (&given.key, file.key),
        (&given.authority, file.authority),
        (&given.revoked, file.revoked),
    ]
    .map(|(given, file)| given.clone().or(file));
    match (certificate, key, authority) {
        (Some(certificate), Some(key), Some(authority)) => {
            Ok(Some(Files { certificate, key, authority, revoked }))
        }
        (None, None, None) if revoked.is_none() => Ok(None),
        _ => {
            let sentence = "mutual TLS needs all of certificate, key and authority: give them as --certificate, \
                            --key and --authority, or in the configuration file under [tls]";
            let given = given.certificate.is_some() || given.key.is_some() || given.authority.is_some();
            Err(if given { Failure::usage(sentence) } else { Failure::config(sentence) })
        }
    }
}

/// Why a sensor must not be reached without TLS.
fn unsafe_without_tls(sensor: &Address, plain_text: bool) -> Option<String> {
    match sensor {
        Address::Unix(_) => None,
        Address::Tcp(host) if host.is_loopback() => (!plain_text).then(|| {
            format!(
                "{host} would be plain text, which every program on this machine can take part in: \
                 use unix:PATH, or accept it with --plain-text or `plain_text = true`"
            )
        }),
        Address::Tcp(host) => Some(format!(
            "{host} is on another machine, which is reached with mutual TLS only: give --certificate, --key and \
             --authority, which `activity-collector enrol` makes"
        )),
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::config(format!("cannot read the configuration file {}: {error}", path.display()))
    })?;
    parse(&text).map_err(|(line, message)| Failure::config(format!("{}:{line}: {message}", path.display())))
}

/// Reads a file's text, or says which line is wrong and how.
fn parse(text: &str) -> Result<File, (usize, String)> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        (line(text, at), sentence(error.message()))
    })?;
    let wrong_retention = match &file.retention {
        Keep { keep_days: 36_501.., .. } => {
            Some("`retention.keep_days` must be at most 36500, or 0 for ever")
        }
        Keep { max_bytes: 1.., .. } if file.retention.max_bytes < file.roll.bytes => {
            Some("`retention.max_bytes` must be at least `roll.bytes`, or 0 for no limit")
        }
        _ => None,
    };
    let too_small = match &file.roll {
        Roll { bytes: ..0x1_0000, .. } => Some("`roll.bytes` must be at least 65536"),
        Roll { bytes: 0x4000_0001.., .. } => Some("`roll.bytes` must be at most 1073741824"),
        Roll { seconds: 0, .. } => Some("`roll.seconds` must be at least 1"),
        Roll { seconds: 86_401.., .. } => Some("`roll.seconds` must be at most 86400"),
        _ => None,
    };
    let wrong = |table: &str, message: &str| {
        Err((line(text, text.find(table).unwrap_or_default()), message.to_owned()))
    };
    match (too_small, wrong_retention) {
        (Some(message), _) => wrong("roll", message),
        (None, Some(message)) => wrong("retention", message),
        (None, None) => Ok(file),
    }
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// A message of serde as a sentence. For an unknown key it names the unknown
/// and the known ones between backquotes, in this order.
fn sentence(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.strip_prefix("unknown field "), quoted.next()) {
        (Some(_), Some(key)) => {
            let likeness = |known: &str| strsim::normalized_damerau_levenshtein(key, known);
            let known: Vec<&str> = quoted.collect();
            let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            match nearest.filter(|known| likeness(known) >= SIMILAR) {
                Some(known) => format!("unknown key `{key}`; did you mean `{known}`?"),
                None => format!("unknown key `{key}`; there are {}", known.join(", ")),
            }
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let text = "sensors = ['unix:/a', '127.0.0.1:1']\nstore = '/s'\nplain_text = true\n[roll]\nbytes = 65536\nseconds = 5\n";
        let file = parse(text).unwrap();
        assert_eq!(file.sensors.len(), 2);
        assert_eq!((file.store.as_str(), file.plain_text), ("/s", true));
        assert_eq!((file.roll.bytes, file.roll.seconds), (65536, 5));
        let file = parse("[retention]\nkeep_days = 90\nmax_bytes = 33554432\n").unwrap();
        assert_eq!((file.retention.keep_days, file.retention.max_bytes), (90, 32 << 20));
    }

    #[test]
    fn an_empty_file_means_the_sensor_of_this_machine() {
        let file = parse("").unwrap();
        assert_eq!(file.sensors, [Address::Unix(DEFAULT_SENSOR.into())]);
        assert_eq!(file.store, DEFAULT_STORE);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, sentence) in [
            ("store = '/x'\nsenors = []\n", 2, "unknown key `senors`; did you mean `sensors`?"),
            ("[roll]\nseconds = 5\nbyte = 5\n", 3, "unknown key `byte`; did you mean `bytes`?"),
            (
                "\n\nzzz = 1\n",
                3,
                "unknown key `zzz`; there are sensors, store, plain_text, roll, retention, tls",
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
        ] {
            assert_eq!(parse(text).unwrap_err(), (line, sentence.to_owned()), "{text}");
        }
        let (line, sentence) = parse("\nsensors = ['10.0.0.1']").unwrap_err();
        assert_eq!(line, 2);
        assert!(sentence.contains("is no address"), "{sentence}");
    }

    #[derive(clap::Parser)]
    struct Run {
        #[command(flatten)]
        args: RunArgs,
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
        assert_eq!(load(&["--sensor", "127.0.0.1:7000", "--plain-text"]).unwrap().tls, None);
        let files = ["--certificate", "/c", "--key", "/k", "--authority", "/a"];
        for address in ["192.0.2.1:7000", "web-1@sensor.example.org:7000", "127.0.0.1:7000"] {
            let config = load(&[&["--sensor", address][..], &files].concat()).unwrap();
            assert_eq!(config.tls.unwrap().key, Path::new("/k"));
        }
        let failure = load(&["--sensor", "192.0.2.1:7000", "--certificate", "/c"]).unwrap_err();
        assert!(failure.code == 64 && failure.to_string().contains("--authority"), "{failure}");
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let text =
            "sensors = ['h:1']\n[tls]\ncertificate = '/c'\nkey = '/k'\nauthority = '/a'\nrevoked = '/r'\n";
        fs::write(&file, text).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let of_file = load(&config).unwrap().tls.unwrap();
        assert_eq!(of_file.revoked.as_deref(), Some(Path::new("/r")));
        let both = load(&[&config[..], &["--key", "/k2"]].concat()).unwrap().tls.unwrap();
        assert_eq!((both.key.as_path(), both.certificate), (Path::new("/k2"), of_file.certificate));
        fs::write(&file, "[tls]\nkey = '/k'\n").unwrap();
        assert_eq!(load(&config).unwrap_err().code, 78);
    }
}
