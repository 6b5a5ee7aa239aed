//! The configuration file and what the command line changes of it.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;

use crate::{
    address::Address,
    cli::RunArgs,
    failure::Failure,
    store::{Layout, RollSettings},
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
}

/// The configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    sensors: Vec<Address>,
    store: String,
    plain_text: bool,
    roll: Roll,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Roll {
    bytes: u64,
    seconds: u64,
}

impl Default for File {
    fn default() -> Self {
        Self {
            sensors: vec![Address::Unix(DEFAULT_SENSOR.into())],
            store: DEFAULT_STORE.into(),
            plain_text: false,
            roll: Roll::default(),
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
        let tcp = file.sensors.iter().find(|sensor| matches!(sensor, Address::Tcp(_)));
        if let Some(tcp) = tcp
            && !(file.plain_text || args.plain_text)
        {
            let sentence = format!(
                "{tcp} would be plain text, which every program on this machine can take part in: \
                 use unix:PATH, or accept it with --plain-text or `plain_text = true`"
            );
            return Err(if args.sensors.is_empty() {
                Failure::config(sentence)
            } else {
                Failure::usage(sentence)
            });
        }
        let roll = RollSettings { bytes: file.roll.bytes, age: Duration::from_secs(file.roll.seconds) };
        Ok(Self { sensors: file.sensors, store, roll })
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
    let too_small = match &file.roll {
        Roll { bytes: ..0x1_0000, .. } => Some("`roll.bytes` must be at least 65536"),
        Roll { bytes: 0x4000_0001.., .. } => Some("`roll.bytes` must be at most 1073741824"),
        Roll { seconds: 0, .. } => Some("`roll.seconds` must be at least 1"),
        Roll { seconds: 86_401.., .. } => Some("`roll.seconds` must be at most 86400"),
        _ => None,
    };
    match too_small {
        Some(message) => Err((line(text, text.find("roll").unwrap_or_default()), message.to_owned())),
        None => Ok(file),
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
            ("\n\nzzz = 1\n", 3, "unknown key `zzz`; there are sensors, store, plain_text, roll"),
            ("store = 5\n", 1, "invalid type: integer `5`, expected a string"),
            ("[roll]\nbytes = 5\n", 1, "`roll.bytes` must be at least 65536"),
        ] {
            assert_eq!(parse(text).unwrap_err(), (line, sentence.to_owned()), "{text}");
        }
        let (line, sentence) = parse("\nsensors = ['10.0.0.1:1']").unwrap_err();
        assert_eq!(line, 2);
        assert!(sentence.contains("mutual TLS"), "{sentence}");
    }
}
