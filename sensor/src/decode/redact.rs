//! Replaces secrets in command lines by named tokens, before an event goes
//! anywhere: `mysql -psecret` leaves as `mysql -p<redacted:password>`.
//!
//! A command line is read as its program would read it (`command.rs`, with
//! what is known about programs in `programs.rs`); an argument with spaces in
//! it may be a command line itself, as in `sh -c "…"`, and is read as a shell
//! would (`shell.rs`). Whatever an argument is, assignments, URLs, headers and
//! the known shapes of keys are found in its text (`text.rs`). Most command
//! lines hold nothing that looks like any of this: one pass over the bytes
//! tells (`text::HINTS`).
//!
//! Where it is unclear whether something is a secret, it is replaced: a token
//! too many costs a look at the machine, a password in a store costs more.

mod command;
mod names;
mod programs;
mod shell;
mod text;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use regex::bytes::Regex;

use crate::config::RedactionConfig;
use text::TextRules;

/// Finds and replaces secrets.
#[derive(Debug)]
pub struct Redactor {
    enabled: bool,
    rules: Rules,
    replaced: AtomicU64,
}

/// What to look for.
#[derive(Debug)]
struct Rules {
    text: TextRules,
    own: Vec<OwnRule>,
}

/// A rule from the configuration.
#[derive(Debug)]
struct OwnRule {
    name: String,
    pattern: Regex,
}

/// The names of the tokens that were put in, each once.
#[derive(Debug, Default)]
struct Found(Vec<String>);

impl Found {
    /// Notes a replacement; returns the token.
    fn token(&mut self, name: &str) -> Vec<u8> {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
        format!("<redacted:{name}>").into_bytes()
    }
}

impl Redactor {
    /// A redactor for this configuration.
    ///
    /// # Errors
    /// When a pattern does not compile; the built-in ones do.
    pub fn new(config: &RedactionConfig) -> Result<Self, regex::Error> {
        let own = config
            .rules
            .iter()
            .map(|rule| OwnRule { name: rule.name.clone(), pattern: rule.pattern.regex().clone() })
            .collect();
        let rules = Rules { text: TextRules::new()?, own };
        Ok(Self { enabled: config.enabled, rules, replaced: AtomicU64::new(0) })
    }

    /// Replaces the secrets in a command line. `exe` is the executable, for a
    /// program that was started under another name. Returns the names of the
    /// tokens, such as `password`, each once.
    pub fn redact_argv(&self, exe: &[u8], argv: &mut [Bytes]) -> Vec<String> {
        if !self.enabled || !self.may_hold_secrets(exe, argv) {
            return Vec::new();
        }
        let mut found = Found::default();
        let mut words: Vec<Cow<'_, [u8]>> = argv.iter().map(|word| Cow::Borrowed(word.as_ref())).collect();
        command::redact(&self.rules, exe, &mut words, 0, &mut found);
        for word in &mut words {
            self.rules.apply_own(word, &mut found);
        }
        let changed: Vec<_> = words
            .into_iter()
            .map(|word| match word {
                Cow::Borrowed(_) => None,
                Cow::Owned(word) => Some(Bytes::from(word)),
            })
            .collect();
        let mut count = 0;
        for (word, changed) in argv.iter_mut().zip(changed) {
            if let Some(changed) = changed {
                *word = changed;
                count += 1;
            }
        }
        self.replaced.fetch_add(count, Relaxed);
        found.0
    }

    /// Replaces the secrets in texts that are no command line. Returns the names
    /// of the tokens.
    pub fn redact_texts(&self, texts: &mut [Bytes]) -> Vec<String> {
        let mut found = Found::default();
        for text in texts.iter_mut().filter(|text| self.enabled && self.rules.may_match(text)) {
            let mut changed = Cow::Borrowed(text.as_ref());
            self.rules.text.apply(&mut changed, &mut found);
            self.rules.apply_own(&mut changed, &mut found);
            if let Cow::Owned(changed) = changed {
                *text = changed.into();
                self.replaced.fetch_add(1, Relaxed);
            }
        }
        found.0
    }

    /// How many arguments and strings have been replaced, in whole or in part.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Relaxed)
    }

    fn may_hold_secrets(&self, exe: &[u8], argv: &[Bytes]) -> bool {
        self.rules.may_match(exe) || argv.iter().any(|word| self.rules.may_match(word))
    }
}

impl Rules {
    fn may_match(&self, text: &[u8]) -> bool {
        self.text.may_match(text) || self.own.iter().any(|rule| rule.pattern.is_match(text))
    }

    fn apply_own(&self, text: &mut Cow<'_, [u8]>, found: &mut Found) {
        for rule in &self.own {
            text::replace(&rule.pattern, &rule.name, text, found);
        }
    }
}

#[cfg(test)]
mod tests;
