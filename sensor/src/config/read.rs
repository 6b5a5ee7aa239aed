//! From text to a `Config`, or to everything that is wrong with it.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer},
};

use super::{Config, ConfigError, KEYS, Problem};

/// How unlike a known key a suggestion may be, from 0 (anything) to 1 (equal).
const SIMILAR: f64 = 0.6;
/// A file with more mistakes than this is not a configuration file.
const MAX_PROBLEMS: usize = 50;

pub(super) fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
    let mut found = Vec::new();
    let config = collect(text, &mut found);
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => {
            found.sort();
            found.dedup();
            let problem = |(line, message)| Problem { file: file.into(), line, message };
            Err(ConfigError::Invalid(found.into_iter().take(MAX_PROBLEMS).map(problem).collect()))
        }
    }
}

/// Reads as far as possible; adds line and sentence of each problem to `found`.
fn collect(text: &str, found: &mut Vec<(usize, String)>) -> Option<Config> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let first = syntax.first();
    if let Some(error) = first {
        // What follows a syntax error is mostly its consequence.
        let sentence = error.message().replace('\n', ", ");
        found.push((line(text, error.span().unwrap_or_default().start), sentence));
        return None;
    }

    let mut table = document;
    let config = loop {
        let mut unknown = Vec::new();
        let deserializer = Deserializer::from(table.clone());
        let read = serde_ignored::deserialize(deserializer, |path| unknown.push(steps(&path)));
        match read {
            Ok(config) => {
                for path in &unknown {
                    report_unknown(text, table.get_ref(), path, found);
                }
                break Some(config);
            }
            Err(error) => {
                // Take the offending value out and read again: the default in
                // its place lets the rest be checked as well.
                let span = error.span().unwrap_or_default();
                let removed = remove(table.get_mut(), &span);
                let key = removed.as_deref().map(|key| format!("`{key}` ")).unwrap_or_default();
                found.push((line(text, span.start), format!("{key}{}", sentence(error.message()))));
                if removed.is_none() || found.len() >= MAX_PROBLEMS {
                    break None;
                }
            }
        }
    };
    let config: Config = config?;
    for conflict in config.check() {
        let start = find(table.get_ref(), &conflict.path).map_or(0, |(span, _)| span.start);
        found.push((line(text, start), format!("`{}` {}", key(&conflict.path), conflict.message)));
    }
    Some(config)
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The words of serde and of this crate's checks as the rest of a sentence
/// that begins with the key.
fn sentence(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    for (theirs, ours) in [
        ("invalid type: ", "has the wrong type: "),
        ("invalid value: ", "has a wrong value: "),
        ("unknown variant ", "has a wrong value: "),
        ("missing field ", "lacks "),
    ] {
        if let Some(rest) = message.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    message.to_owned()
}

/// The keys and indices that lead to an ignored value.
fn steps(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    match path {
        Path::Root => Vec::new(),
        Path::Seq { parent, index } => extended(parent, &index.to_string()),
        Path::Map { parent, key } => extended(parent, key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            steps(parent)
        }
    }
}

fn extended(parent: &serde_ignored::Path<'_>, step: &str) -> Vec<String> {
    let mut steps = steps(parent);
    steps.push(step.to_owned());
    steps
}

/// The name of a key, which does not tell the elements of an array apart.
fn key(path: &[String]) -> String {
    let names: Vec<_> =
        path.iter().filter(|step| step.parse::<usize>().is_err()).map(String::as_str).collect();
    names.join(".")
}

/// Reports an unknown key; of an unknown table, each key in it.
fn report_unknown(text: &str, table: &DeTable<'_>, path: &[String], found: &mut Vec<(usize, String)>) {
    let Some((span, value)) = find(table, path) else { return };
    if let DeValue::Table(inner) = value
        && !inner.is_empty()
    {
        for key in inner.keys() {
            let mut path = path.to_vec();
            path.push(key.get_ref().to_string());
            report_unknown(text, table, &path, found);
        }
        return;
    }
    let key = key(path);
    let mut message = format!("unknown key `{key}`");
    match nearest(&key) {
        Some(known) => message.push_str(&format!("; did you mean `{known}`?")),
        None => message.push_str("; remove it, or see the default file for the keys there are"),
    }
    found.push((line(text, span.start), message));
}

/// The known key most like `key`: as a whole, or by its last name alone, for
/// a key that stands in the wrong table.
fn nearest(key: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let wanted = last(key);
    let likeness = |known: &str| {
        let elsewhere = if last(known) == wanted { 0.9 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(key, known).max(elsewhere)
    };
    let tables = KEYS.iter().filter_map(|key| key.split('.').next());
    let candidates = KEYS.iter().copied().chain(tables.filter(|_| !key.contains('.')));
    let best = candidates.map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= SIMILAR).then_some(best.1)
}

/// Where the key at the end of `path` stands, and its value.
fn find<'a, 'i>(table: &'a DeTable<'i>, path: &[String]) -> Option<(Range<usize>, &'a DeValue<'i>)> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == first.as_str())?;
    let mut span = key.span();
    let mut value = value;
    let mut rest = rest;
    while let Some((step, further)) = rest.split_first() {
        match value.get_ref() {
            DeValue::Table(inner) => return find(inner, rest),
            DeValue::Array(array) => value = array.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        }
        span = value.span();
        rest = further;
    }
    Some((span, value.get_ref()))
}

/// Removes the innermost entry that holds `span`, or the element of an array
/// that holds that entry; returns the key.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    for (key, value) in table.iter_mut() {
        let inner = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span),
            DeValue::Array(array) => remove_element(array, span),
            _ => None,
        };
        if let Some(inner) = inner {
            return Some(format!("{}.{inner}", key.get_ref()));
        }
    }
    let holds = |value: &Spanned<DeValue<'_>>| {
        let outer = value.span();
        outer.start <= span.start && span.end <= outer.end
    };
    let key = table.iter().find(|(_, value)| holds(value)).map(|(key, _)| key.get_ref().to_string())?;
    table.remove(key.as_str());
    Some(key)
}

/// Removes the table of an array that holds `span`; returns the key inside it.
fn remove_element(array: &mut DeArray<'_>, span: &Range<usize>) -> Option<String> {
    let (index, key) = array.iter_mut().enumerate().find_map(|(index, element)| match element.get_mut() {
        DeValue::Table(inner) => Some((index, remove(inner, span)?)),
        _ => None,
    })?;
    let others = array.clone().into_iter().enumerate().filter(|(other, _)| *other != index);
    *array = others.map(|(_, element)| element).collect();
    Some(key)
}
