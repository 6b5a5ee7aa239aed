//! Lists of path patterns, compiled into one automaton: the cost of a match
//! does not depend on the length of the list.

use regex::bytes::{Regex, RegexBuilder};

/// Room for lists of many long patterns.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;

/// A list of patterns.
///
/// In a pattern `*` is any run of bytes within one name, `**` any run of
/// bytes, and a `/` at the end means the directory and everything in it. All
/// else is itself.
#[derive(Debug)]
pub struct Patterns {
    any: Option<Regex>,
    /// `/proc/self/` is in the list: a process's own directory under its number.
    pub covers_own_proc: bool,
}

impl Patterns {
    /// Compiles the lists together.
    pub fn new(lists: &[&[String]]) -> Result<Self, regex::Error> {
        let patterns = || lists.iter().flat_map(|list| list.iter());
        let covers_own_proc = patterns().any(|pattern| pattern == "/proc/self/");
        if patterns().next().is_none() {
            return Ok(Self { any: None, covers_own_proc });
        }
        let alternatives: Vec<_> = patterns().map(|pattern| expression(pattern)).collect();
        let any = RegexBuilder::new(&format!("^(?:{})$", alternatives.join("|")))
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()?;
        Ok(Self { any: Some(any), covers_own_proc })
    }

    /// Whether a pattern matches the whole path.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.any.as_ref().is_some_and(|any| any.is_match(path))
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
