//! Secrets in any text: assignments, headers, URLs, and keys that are known by
//! their shape.

use std::{borrow::Cow, ops::Range};

use regex::bytes::{Regex, RegexBuilder};

use super::{Found, names, programs};

/// One of these is in every text with a secret that this file can find.
const HINTS: &[&str] = &[
    "pass",
    "pwd",
    "[-_.?&]pw",
    "secret",
    "token",
    "key",
    "auth",
    "jwt",
    "cookie",
    "bearer",
    "sig=",
    "signature",
    r"://\S",
    "-----BEGIN",
    "gh[a-z]_",
    "github_pat_",
    "gl[a-z]{2,5}-",
    "xox[a-z]-",
    "xapp-",
    "AKIA",
    "ASIA[A-Z0-9]",
    "eyJ",
    r"\bsk-",
    r"\b[sr]k_",
    "npm_",
    "pypi-",
    "AIza",
    r"hv[sb]\.",
    "hf_",
    r"ya29\.",
    "[?&]code=",
];

/// Keys that are known by how they begin. The lengths are short because a cut
/// argument may hold only the beginning.
const SHAPES: &[(&str, &str)] = &[
    (
        "private_key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*-----|\z)",
    ),
    ("token", r"\bgh[pousr]_[A-Za-z0-9]{4,}"),
    ("token", r"\bgithub_pat_[A-Za-z0-9_]{4,}"),
    ("token", r"\bgl(?:pat|rt|dt|ptt|cbt|soat|agent|ft|imt)-[A-Za-z0-9_.-]{4,}"),
    ("token", r"\bxox[a-z]-[A-Za-z0-9-]{4,}"),
    ("token", r"\bxapp-[A-Za-z0-9-]{4,}"),
    ("key", r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}"),
    ("token", r"\beyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,4}"),
    ("key", r"\bsk-(?:proj|ant|live|test|svcacct|admin|or)-[A-Za-z0-9_-]{4,}"),
    ("key", r"\bsk-[A-Za-z0-9]{16,}"),
    ("key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{4,}"),
    ("token", r"\bnpm_[A-Za-z0-9]{10,}"),
    ("token", r"\bpypi-[A-Za-z0-9_-]{10,}"),
    ("key", r"\bAIza[A-Za-z0-9_-]{10,}"),
    ("token", r"\bhv[sb]\.[A-Za-z0-9_-]{4,}"),
    ("token", r"\bhf_[A-Za-z0-9]{10,}"),
    ("token", r"\bya29\.[A-Za-z0-9_-]{4,}"),
];

/// Headers whose value has a form of its own; the group is the secret.
const HEADERS: &[(&str, &str)] = &[
    (
        "token",
        r#"(?i)(?:\b|-H)authorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|digest|negotiate|token|apikey|bot|key|aws4-hmac-sha256)\s+)?([^\r\n"']+)"#,
    ),
    ("cookie", r#"(?i)(?:\b|-H)(?:set-)?cookie["']?\s*:\s*["']?([^\r\n"']+)"#),
    ("token", r#"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{16,})"#),
];

/// A name and what separates it from its value: `=` in variables, options,
/// forms and queries; a colon after a quote in JSON, before a space in YAML and
/// headers, and in headers also without.
const NAME: &str = r#"([A-Za-z_][A-Za-z0-9_.-]*)(?:(\s*=\s*)|(\\?["']\s*:\s*|:[ \t]+)|(:))"#;

/// Finds secrets in text.
#[derive(Debug)]
pub struct TextRules {
    hints: Regex,
    /// Any of `patterns`: nearly always none is there.
    any_pattern: Regex,
    patterns: Vec<(&'static str, Regex)>,
    name: Regex,
    scheme: Regex,
}

impl TextRules {
    pub fn new() -> Result<Self, regex::Error> {
        let rules = || HEADERS.iter().chain(SHAPES);
        let any: Vec<_> = rules().map(|(_, pattern)| format!("(?:{pattern})")).collect();
        let patterns = rules().map(|(name, pattern)| Ok((*name, compile(pattern)?)));
        let programs: Vec<_> = programs::names().map(regex::escape).collect();
        let hints = format!("(?i)(?:{}|(?:^|[^a-z0-9_])(?:{}))", HINTS.join("|"), programs.join("|"));
        Ok(Self {
            hints: compile(&hints)?,
            any_pattern: compile(&any.join("|"))?,
            patterns: patterns.collect::<Result<_, regex::Error>>()?,
            name: compile(NAME)?,
            scheme: compile("[A-Za-z][A-Za-z0-9+.-]*://")?,
        })
    }

    /// Whether there can be anything to replace; nearly always not.
    pub fn may_match(&self, text: &[u8]) -> bool {
        self.hints.is_match(text)
    }

    /// Replaces what is found.
    pub fn apply(&self, text: &mut Cow<'_, [u8]>, found: &mut Found) {
        if !self.may_match(text) {
            return;
        }
        self.replace_urls(text, found);
        self.replace_named(text, found);
        if self.any_pattern.is_match(text) {
            for (name, pattern) in &self.patterns {
                replace(pattern, name, text, found);
            }
        }
    }

    fn replace_urls(&self, text: &mut Cow<'_, [u8]>, found: &mut Found) {
        let mut secrets = Vec::new();
        let mut at = 0;
        while let Some(scheme) = self.scheme.find_at(text, at) {
            at = scheme.end();
            let rest = text.get(at..).unwrap_or_default();
            // One URL may follow another in the same word.
            if let Some((range, name)) = secret_of_authority(rest) {
                secrets.push((at + range.start..at + range.end, name));
                at += range.end;
            }
        }
        splice(text, &secrets, found);
    }

    /// Values of names that stand before secrets.
    fn replace_named(&self, text: &mut Cow<'_, [u8]>, found: &mut Found) {
        let mut secrets = Vec::new();
        let mut at = 0;
        while let Some(captures) = self.name.captures_at(text, at) {
            let (Some(all), Some(name)) = (captures.get(0), captures.get(1)) else { break };
            at = all.end();
            let header = captures.get(4).is_some();
            let in_query = name.start().checked_sub(1).and_then(|before| text.get(before));
            let in_query = matches!(in_query, Some(b'?' | b'&'));
            let kind = match name.as_bytes() {
                b"key" | b"code" if in_query => Some("key"),
                name if header => names::secret_kind(name).filter(|_| name.contains(&b'-')),
                name => names::secret_kind(name),
            };
            // `-v /run/api-token:/token` is no header.
            let in_path = header && name.start() > 0 && !starts_word(text, name.start());
            let Some(kind) = kind.filter(|_| !in_path) else { continue };
            let value = value_at(text, all.end());
            at = value.end.max(at);
            secrets.push((value, kind));
        }
        splice(text, &secrets, found);
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).build()
}

/// Whether a word begins here.
fn starts_word(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.is_none_or(|before| before.is_ascii_whitespace() || b"\"'{,H".contains(before))
}

/// The value that begins at `start`: up to its closing quote, or, without
/// quotes, up to what ends a word or a field of a form.
fn value_at(text: &[u8], start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let escape = usize::from(rest.first() == Some(&b'\\'));
    let quote = rest.get(escape).copied().filter(|byte| b"\"'".contains(byte));
    let (from, end) = match quote {
        Some(quote) => {
            let from = escape + 1;
            let value = rest.get(from..).unwrap_or_default();
            (from, from + quoted_length(value, quote, escape == 1))
        }
        None => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || b"&\"'".contains(byte);
            (0, rest.iter().position(ends).unwrap_or(rest.len()))
        }
    };
    start + from..start + end
}

/// Bytes up to the closing quote; `escaped`: it has a backslash itself.
fn quoted_length(value: &[u8], quote: u8, escaped: bool) -> usize {
    let mut backslashes = 0;
    for (at, byte) in value.iter().enumerate() {
        if *byte == quote && (escaped == (backslashes % 2 == 1)) {
            return at - usize::from(escaped);
        }
        backslashes = if *byte == b'\\' { backslashes + 1 } else { 0 };
    }
    value.len()
}

/// The password in `user:password@host/…`, or a token in the user's place.
fn secret_of_authority(rest: &[u8]) -> Option<(Range<usize>, &'static str)> {
    /// How far a password with a slash in it is followed.
    const FARTHEST: usize = 256;
    let ends_url = |byte: &u8| byte.is_ascii_whitespace() || b"\"'<>`|\\".contains(byte);
    let until = |ends: &dyn Fn(&u8) -> bool| rest.iter().take_while(|byte| !ends(byte)).count();
    let authority = rest.get(..until(&|byte| ends_url(byte) || b"/?#".contains(byte)))?;
    let at = authority.iter().rposition(|byte| *byte == b'@');
    let colon = authority.iter().position(|byte| *byte == b':');
    let (range, name) = match (at, colon) {
        (Some(at), Some(colon)) if colon < at => (colon + 1..at, "password"),
        (Some(at), _) => {
            let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
            (at >= 20 && authority.get(..at)?.iter().all(token)).then_some((0..at, "token"))?
        }
        (None, Some(colon)) if !rest.starts_with(b"[") => {
            // A port, or a password with a slash in it, or one that is cut.
            let is_port = authority.get(colon + 1..)?.iter().all(u8::is_ascii_digit);
            let url = rest.iter().take(FARTHEST).take_while(|byte| !ends_url(byte));
            let at = url.enumerate().filter(|(_, byte)| **byte == b'@').last();
            let end = at.map_or(authority.len(), |(at, _)| at);
            (!is_port).then_some((colon + 1..end, "password"))?
        }
        _ => return None,
    };
    (!range.is_empty()).then_some((range, name))
}

/// Replaces every match of `pattern`, or its first group where it has one.
pub fn replace<'n>(pattern: &Regex, name: &'n str, text: &mut Cow<'_, [u8]>, found: &mut Found) {
    let secrets: Vec<(Range<usize>, &'n str)> = if pattern.captures_len() > 1 {
        let groups =
            pattern.captures_iter(text).filter_map(|captures| captures.get(1).map(|group| group.range()));
        groups.map(|range| (range, name)).collect()
    } else {
        pattern.find_iter(text).map(|all| (all.range(), name)).collect()
    };
    splice(text, &secrets, found);
}

/// Puts tokens in the place of ranges, which are in order, unless one is
/// there already.
pub fn splice(text: &mut Cow<'_, [u8]>, secrets: &[(Range<usize>, &str)], found: &mut Found) {
    let mut redacted = Vec::new();
    let mut copied = 0;
    for (range, name) in secrets {
        let Some(secret) = text.get(range.clone()) else { continue };
        if secret.is_empty() || begins_with_token(secret) {
            continue;
        }
        redacted.extend_from_slice(text.get(copied..range.start).unwrap_or_default());
        redacted.extend_from_slice(&found.token(name));
        copied = range.end;
    }
    if copied > 0 {
        redacted.extend_from_slice(text.get(copied..).unwrap_or_default());
        *text = Cow::Owned(redacted);
    }
}

/// Whether this has been replaced already; what follows the token is not part
/// of the secret then.
fn begins_with_token(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"<redacted:") else { return false };
    let name = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(byte);
    let length = rest.iter().take_while(name).count();
    rest.get(length) == Some(&b'>')
}
