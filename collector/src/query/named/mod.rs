//! Common questions under a name, with parameters that are bound, never pasted.

mod catalogue;

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use jiff::Zoned;

use super::{functions::Networks, moment};
use crate::failure::Failure;

pub(crate) use catalogue::is_sensitive;
pub use catalogue::{INSIDE, NAMED};

/// A question.
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What it asks, in one line.
    pub about: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// The statement, with `$name` for each parameter.
    pub sql: &'static str,
}

/// What can be set in a question.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub kind: Kind,
    /// What it is otherwise.
    pub default: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// What a parameter can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As in [`moment`].
    Time,
    /// Text in which `*` stands for anything.
    Pattern,
    /// A whole number.
    Number,
    /// A time of day, such as 08:00.
    Clock,
    /// A time zone.
    Zone,
    /// Networks, with commas between them.
    Networks,
}

/// The question of a name.
///
/// # Errors
/// When there is none: the nearest is suggested.
pub fn named(name: &str) -> Result<&'static Named, Failure> {
    let likeness = |of: &&Named| (strsim::normalized_damerau_levenshtein(name, of.name) * 1000.0) as u32;
    NAMED.iter().find(|of| of.name == name).ok_or_else(|| {
        let nearest = NAMED.iter().max_by_key(likeness).map_or("", |of| of.name);
        let name = name.escape_debug();
        Failure::usage(format!(
            "there is no question named `{name}`; did you mean `{nearest}`? `query --list` shows all"
        ))
    })
}

impl Named {
    /// The values of all parameters: those given as `name=value`, defaults for the others.
    ///
    /// # Errors
    /// When one is unknown, given twice, or cannot be what it should be.
    pub fn bind(
        &self,
        given: &[(String, String)],
        now: &Zoned,
    ) -> Result<Vec<(String, ScalarValue)>, Failure> {
        let mut values = BTreeMap::new();
        for (name, value) in given {
            if !self.parameters.iter().any(|parameter| parameter.name == name) {
                return Err(Failure::usage(self.unknown(name)));
            }
            if values.insert(name.as_str(), value.as_str()).is_some() {
                return Err(Failure::usage(format!("--param {name} is given twice")));
            }
        }
        let bind = |parameter: &Parameter| {
            let text = values.get(parameter.name).copied().unwrap_or(parameter.default);
            let value = parameter.kind.value(text, now);
            let value = value.map_err(|why| Failure::usage(format!("--param {}: {why}", parameter.name)))?;
            Ok((parameter.name.to_owned(), value))
        };
        self.parameters.iter().map(bind).collect()
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<_> = self.parameters.iter().map(|parameter| parameter.name).collect();
        let (name, question) = (name.escape_debug(), self.name);
        match known.is_empty() {
            true => format!("`{question}` has no parameters, so no `{name}`"),
            false => format!("`{question}` has no parameter `{name}`; there are {}", known.join(", ")),
        }
    }
}

impl Kind {
    /// What is understood.
    pub fn form(self) -> &'static str {
        match self {
            Self::Time => moment::FORMS,
            Self::Pattern => "a name, in which * stands for anything",
            Self::Number => "a whole number",
            Self::Clock => "a time of day, as 08:00",
            Self::Zone => "a time zone, as Europe/Berlin, UTC or local",
            Self::Networks => "networks, as 10.0.0.0/8,2001:db8::/32",
        }
    }

    fn value(self, text: &str, now: &Zoned) -> Result<ScalarValue, String> {
        let said = text.escape_debug();
        Ok(match self {
            Self::Time => {
                let moment = moment::moment(text, now).map_err(|failure| failure.to_string())?;
                ScalarValue::TimestampNanosecond(Some(moment::nanoseconds(moment)), Some("UTC".into()))
            }
            Self::Pattern => ScalarValue::Utf8(Some(like(text))),
            Self::Number => {
                let number = text.parse().map_err(|_| format!("`{said}` is no whole number"))?;
                ScalarValue::Int64(Some(number))
            }
            Self::Clock => {
                let minutes =
                    minutes(text).ok_or_else(|| format!("`{said}` is no time of day; give 08:00"))?;
                ScalarValue::Int64(Some(minutes))
            }
            Self::Zone => {
                let zone = moment::zone(text).map_err(|failure| failure.to_string())?;
                ScalarValue::Utf8(Some(moment::zone_name(&zone)))
            }
            Self::Networks => {
                Networks::read(text)?;
                ScalarValue::Utf8(Some(text.to_owned()))
            }
        })
    }
}

/// A pattern with `*` as SQL's LIKE has it.
pub fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '*' => like.push('%'),
            '%' | '_' | '\\' => like.extend(['\\', character]),
            other => like.push(other),
        }
    }
    like
}

/// Minutes since midnight of a time of day, up to 24:00.
pub fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<i64>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_used_and_every_place_has_one() {
        for named in NAMED {
            for parameter in named.parameters {
                assert!(named.sql.contains(&format!("${}", parameter.name)), "{}", named.name);
            }
            let places = named.sql.split('$').skip(1);
            for place in places {
                let name: String =
                    place.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                // Of a regular expression it is the end.
                let is_place = name.is_empty() || named.parameters.iter().any(|of| of.name == name);
                assert!(is_place, "{}: ${name}", named.name);
            }
            assert!(!named.about.ends_with('.') && named.about.len() < 70, "{}", named.name);
            named.bind(&[], &Zoned::now()).unwrap();
        }
        assert!(NAMED.len() >= 10);
    }

    #[test]
    fn what_cannot_be_bound_is_refused_in_one_sentence() {
        let question = named("sudo").unwrap();
        let bind = |name: &str, value: &str| {
            question.bind(&[(name.to_owned(), value.to_owned())], &Zoned::now()).unwrap_err().to_string()
        };
        assert!(bind("since", "x").starts_with("--param since: `x` is no time"));
        assert!(bind("sinse", "x").contains("no parameter `sinse`; there are since, until"));
        assert!(named("sud").err().unwrap().to_string().contains("`sudo`"));
        let twice = [("since".to_owned(), "1d".to_owned()), ("since".to_owned(), "2d".to_owned())];
        assert!(question.bind(&twice, &Zoned::now()).is_err());
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        assert_eq!(like("web-*"), "web-%");
        assert_eq!(like(r"svc_a%\"), r"svc\_a\%\\");
        assert_eq!(
            ["08:30", "24:00", "8:00", "24:01", "08:60"].map(minutes),
            [Some(510), Some(1440), None, None, None]
        );
    }
}
