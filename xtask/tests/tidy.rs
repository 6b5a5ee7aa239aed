//! Rules for the whole checkout that no compiler checks.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test program fails by panicking")]

use std::{fs, path::PathBuf, process::Command};

/// A file longer than this, its unit tests aside, wants a second look.
const LONG_FILE: usize = 400;
/// Files that had their second look and are better whole, with the reason.
const WHOLE: [(&str, &str); 0] = [];
/// How far above an `unsafe` its reason may begin.
const REASON_WITHIN: usize = 8;

/// What must not be in any file: the places and neighbours of one machine.
/// Written in pieces, since this file is searched too.
const FORBIDDEN: [&str; 3] = [concat!("../", "shared"), concat!("/wo", "rk/"), concat!("/tmp", "/w/")];

struct Source {
    name: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("file names are UTF-8")
}

/// Every text file that is, or would be, in the repository; what fuzzers begin with is
/// no text, even where it is.
fn sources() -> Vec<Source> {
    let names = git(&["ls-files", "--cached", "--others", "--exclude-standard", ":!fuzz/corpus"]);
    let read = |name: &str| {
        let text = fs::read_to_string(root().join(name)).ok()?;
        Some(Source { name: name.to_owned(), text })
    };
    let sources: Vec<_> = names.lines().filter_map(read).collect();
    assert!(sources.iter().any(|source| source.name == "Cargo.toml"), "the checkout was not found");
    sources
}

fn rust() -> impl Iterator<Item = Source> {
    sources().into_iter().filter(|source| source.name.ends_with(".rs"))
}

/// `name:line: problem` for each line that has one.
fn complaints(
    sources: impl Iterator<Item = Source>,
    problem: impl Fn(&str, &[&str]) -> Option<String>,
) -> String {
    let mut found = String::new();
    for Source { name, text } in sources {
        let lines: Vec<_> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            if let Some(problem) = problem(line, &lines[index.saturating_sub(REASON_WITHIN)..index]) {
                found += &format!("\n{name}:{}: {problem}", index + 1);
            }
        }
    }
    found
}

fn without_reason(line: &str, above: &[&str]) -> Option<String> {
    let code = line.split("//").next().unwrap_or_default();
    let block = code.contains(concat!("unsafe", " {")) || code.contains(concat!("unsafe", " impl"));
    let said = above.iter().any(|line| line.trim_start().starts_with("// SAFETY: "));
    (block && !said).then(|| "unsafe without a `// SAFETY:` comment above it".to_owned())
}

#[test]
fn nothing_refers_to_one_machine() {
    let found = complaints(sources().into_iter(), |line, _| {
        FORBIDDEN.iter().find(|word| line.contains(**word)).map(|word| format!("contains {word}"))
    });
    assert!(found.is_empty(), "{found}");
}

/// Clippy checks the same, but it does not see the kernel programs.
#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let found = complaints(rust(), without_reason);
    assert!(found.is_empty(), "{found}");
}

#[test]
fn a_reason_must_stand_directly_above() {
    let block = concat!("let x = unsafe", " { f() };");
    assert!(without_reason(block, &["", "fn main() {"]).is_some());
    assert!(without_reason(block, &["// SAFETY: f has no preconditions."]).is_none());
    assert!(without_reason(concat!("// an unsafe", " { in a comment"), &[]).is_none());
}

#[test]
fn lints_are_expected_with_a_reason_and_not_allowed() {
    let found = complaints(rust(), |line, _| {
        let line = line.trim_start();
        (line.starts_with("#[allow(") || line.starts_with("#![allow("))
            .then(|| "use #[expect(…, reason)]".to_owned())
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn no_control_character_is_hidden_in_a_source() {
    let found = complaints(sources().into_iter(), |line, _| {
        line.chars().find(|c| c.is_control() && *c != '\t').map(|c| format!("contains {c:?}"))
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn all_lock_files_are_committed() {
    git(&["ls-files", "--error-unmatch", "Cargo.lock", "fuzz/Cargo.lock", "sensor-ebpf/Cargo.lock"]);
}

#[test]
fn long_files_are_split_or_have_a_reason() {
    let length = |text: &str| text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let long = rust()
        .map(|source| (length(&source.text), source.name))
        .filter(|(lines, name)| *lines > LONG_FILE && !WHOLE.iter().any(|(whole, _)| whole == name));
    let found: String = long.map(|(lines, name)| format!("\n{name} has {lines} lines")).collect();
    assert!(found.is_empty(), "{found}");
}
