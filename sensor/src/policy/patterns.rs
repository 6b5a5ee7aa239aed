//! Lists of path patterns, compiled into one automaton: the cost of a match
//! does not depend on the length of the list.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};

/// Room for lists of many long patterns.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;

/// A list of patterns.
///
/// In a pattern `*` is any run of bytes within one name, `**` any run of
/// bytes, and a `/` at the end means the directory and everything in it. All
/// else is itself.
#[derive(Debug)]
pub struct Patterns {
    texts: Vec<String>,
    any: Any,
    /// `/proc/self/` is in the list: a process's own directory under its number.
    pub covers_own_proc: bool,
}

/// How the list is searched.
#[derive(Debug)]
enum Any {
    /// Each is compared as it is.
    Exact,
    /// One of the patterns.
    Pattern(Box<Regex>),
}

impl Patterns {
    /// Compiles the lists together.
    ///
    /// # Errors
    /// When they are too large together.
    pub fn new(lists: &[&[String]]) -> Result<Self, regex::Error> {
        let texts = lists.concat();
        let covers_own_proc = texts.iter().any(|pattern| pattern == "/proc/self/");
        if texts.is_empty() {
            return Ok(Self { any: Any::Exact, ..Self::exact(&[]) });
        }
        let alternatives: Vec<_> = texts.iter().map(|pattern| expression(pattern)).collect();
        let any = RegexBuilder::new(&format!("^(?:{})$", alternatives.join("|")))
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()?;
        Ok(Self { texts, any: Any::Pattern(Box::new(any)), covers_own_proc })
    }

    /// Paths without any pattern in them.
    #[must_use]
    pub fn exact(texts: &[String]) -> Self {
        Self { texts: texts.to_vec(), any: Any::Exact, covers_own_proc: false }
    }

    /// Whether one of them matches the whole path.
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.any {
            Any::Exact => self.texts.iter().any(|text| text.as_bytes() == path),
            Any::Pattern(any) => any.is_match(path),
        }
    }

    /// As they were written.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl Serialize for Patterns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts.serialize(serializer)
    }
}

/// The regular expression of one pattern.
fn expression(pattern: &str) -> String {
    let (name, everything_in_it) = match pattern.strip_suffix('/') {
        Some(directory) => (directory, "(?:/.*)?"),
        None => (pattern, ""),
    };
    let parts: Vec<_> = name
        .split("**")
        .map(|part| part.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*"))
        .collect();
    // `/**/` also matches a single `/`: nothing has to lie between.
    let joined = parts.join(".*").replace("/.*/", "/(?:.*/)?");
    format!("{joined}{everything_in_it}")
}
