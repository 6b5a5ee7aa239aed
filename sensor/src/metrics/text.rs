//! Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

/// What every name begins with.
const PREFIX: &str = "activity_sensor_";
/// The format's own name.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What may become of a number.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It only rises, until the sensor starts again.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// The page under construction.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Adds a number; nothing where it is not known.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: Option<impl Display>) {
        self.family(name, kind, help, value.map(|value| ([], value)));
    }

    /// Adds numbers that are told apart by their labels; nothing where there is none.
    pub fn family<'a, const N: usize>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'static str, &'a str); N], impl Display)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a String does not fail, here and below.
        let _ = write!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n");
        for (labels, value) in samples {
            let _ = write!(self.0, "{PREFIX}{name}");
            self.labels(&labels);
            let _ = writeln!(self.0, " {value}");
        }
    }

    fn labels(&mut self, labels: &[(&str, &str)]) {
        for (place, (name, value)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{name}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_its_samples() {
        let mut text = Text::default();
        let samples = [([("type", "open"), ("why", "a\"b\\c\nd")], 7), ([("type", "exec"), ("why", "")], 0)];
        text.family("lost_total", Kind::Counter, "What was lost.", samples);
        text.one("share", Kind::Gauge, "A part.", Some(0.5));
        text.one("unknown", Kind::Gauge, "Nobody knows.", None::<u64>);
        let expected = "\
# HELP activity_sensor_lost_total What was lost.
# TYPE activity_sensor_lost_total counter
activity_sensor_lost_total{type=\"open\",why=\"a\\\"b\\\\c\\nd\"} 7
activity_sensor_lost_total{type=\"exec\",why=\"\"} 0
# HELP activity_sensor_share A part.
# TYPE activity_sensor_share gauge
activity_sensor_share 0.5
";
        assert_eq!(text.finish(), expected);
    }
}
