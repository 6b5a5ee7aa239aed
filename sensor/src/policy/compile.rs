//! From the words of `[[policy.rules]]` to rules, or to everything that is wrong
//! with them.

use std::{collections::BTreeSet, num::NonZeroU32};

use super::{
    builtin,
    matcher::{Matcher, Paths},
    patterns::Patterns,
    rule::{Action, MAX_RULES, Rule},
    types::Types,
    words,
};
use crate::config::{ActionName, PolicyConfig, RuleConfig, Words, fault_of_patterns};

/// Something that is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which rule, counted from 0; `None`: all of them together.
    pub rule: Option<usize>,
    /// The key in it; empty for the rule as a whole.
    pub key: &'static str,
    /// The rest of a sentence that begins with the key.
    pub message: String,
}

/// Compiles the rules of the configuration. `host` is the mount namespace of the
/// host.
///
/// # Errors
/// All that is wrong with them.
pub fn rules(policy: &PolicyConfig, host: Option<u32>) -> Result<Vec<Rule>, Vec<Fault>> {
    let mut faults = faults_together(&policy.rules);
    let mut rules = Vec::with_capacity(policy.rules.len());
    for (index, config) in policy.rules.iter().enumerate() {
        let mut compiler = Compiler { config, matchers: Vec::new(), faults: Vec::new() };
        let rule = compiler.rule(host);
        let of_rule = |(key, message): (&'static str, String)| {
            let message = format!("of the rule {:?} {message}", config.name);
            Fault { rule: Some(index), key, message }
        };
        faults.extend(compiler.faults.into_iter().map(of_rule));
        rules.extend(rule);
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

/// What is wrong with their number and their names.
fn faults_together(rules: &[RuleConfig]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (own, most) = (builtin::NAMES.len(), MAX_RULES - builtin::NAMES.len());
    if rules.len() > most {
        let message = format!(
            "are {}, but there may be {most}: {MAX_RULES} in all, of which {own} are built in; join some",
            rules.len()
        );
        faults.push(Fault { rule: None, key: "", message });
    }
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let name = rule.name.as_str();
        let message = if builtin::NAMES.contains(&name) || builtin::COUNTED_AS.contains(&name) {
            format!("must not be that of a built-in rule, as {name:?} is; choose another")
        } else if !names.insert(name) {
            format!("must be unique, but {name:?} is the name of a rule above as well; choose another")
        } else {
            continue;
        };
        faults.push(Fault { rule: Some(index), key: "name", message });
    }
    faults
}

/// Reads one rule.
struct Compiler<'a> {
    config: &'a RuleConfig,
    matchers: Vec<Matcher>,
    faults: Vec<(&'static str, String)>,
}

impl Compiler<'_> {
    fn rule(&mut self, host: Option<u32>) -> Option<Rule> {
        let config = self.config;
        let action = self.action()?;
        self.people();
        self.objects();
        self.patterns("exe", config.exe.as_ref(), Matcher::Exe);
        self.patterns("under", config.under.as_ref(), Matcher::Under);
        self.patterns("cgroup", config.cgroup.as_ref(), Matcher::Cgroup);
        let counts = Rule::path_counts(action, config.outcome.is_some());
        self.patterns("path", config.path.as_ref(), |patterns| Matcher::Path(Paths { patterns, counts }));
        let types = self.types()?;
        self.matchers
            .extend(host.filter(|_| self.is_about_the_hosts_paths(action)).map(Matcher::MountNamespace));
        let matchers = std::mem::take(&mut self.matchers);
        let rule = Rule {
            name: config.name.clone(),
            action,
            reason: config.reason.clone(),
            counted_as: config.name.clone(),
            built_in: false,
            types,
            matchers,
        };
        self.faults.is_empty().then(|| rule.in_order())
    }

    /// A rule that leaves something out by a path means the host's, unless it says
    /// by `cgroup` that it means a container's.
    fn is_about_the_hosts_paths(&self, action: Action) -> bool {
        let RuleConfig { exe, under, path, cgroup, .. } = self.config;
        let names_paths = exe.is_some() || under.is_some() || path.is_some();
        action != Action::Allow && names_paths && cgroup.is_none()
    }

    fn action(&mut self) -> Option<Action> {
        let one_in = self.config.one_in;
        let fault = match (self.config.action, one_in) {
            (ActionName::Allow, None) => return Some(Action::Allow),
            (ActionName::Deny, None) => return Some(Action::Deny),
            (ActionName::Fold, None) => return Some(Action::Fold),
            (ActionName::Sample, Some(2..)) => return one_in.and_then(NonZeroU32::new).map(Action::Sample),
            (ActionName::Sample, Some(_)) => ("one_in", "must be at least 2"),
            (ActionName::Sample, None) => ("action", "samples, so it needs `one_in`, such as one_in = 10"),
            (_, Some(_)) => ("one_in", "is for action = \"sample\" only; remove it, or change the action"),
        };
        self.faults.push((fault.0, fault.1.to_owned()));
        None
    }

    fn people(&mut self) {
        let config = self.config;
        self.matcher("login_uid", config.login_uid.as_ref(), words::humans, Matcher::LoginUid);
        self.matcher("uid", config.uid.as_ref(), words::users, Matcher::Uid);
        self.matcher("gid", config.gid.as_ref(), words::groups, Matcher::Gid);
        self.matcher("session", config.session.as_ref(), words::sessions, Matcher::Session);
    }

    fn objects(&mut self) {
        let config = self.config;
        self.matcher("access", config.access.as_ref(), words::accesses, Matcher::Access);
        self.matcher("address", config.address.as_ref(), words::networks, Matcher::Address);
        self.matcher("port", config.port.as_ref(), words::numbers, Matcher::Port);
        self.matcher("outcome", config.outcome.as_ref(), words::outcomes, Matcher::Outcome);
    }

    /// The types that it is about: those it names, or all that are usual, as far as
    /// they have what it asks for.
    fn types(&mut self) -> Option<Types> {
        let config = self.config;
        let named = self.read("type", config.types.as_ref(), words::types)?;
        let asked = named.unwrap_or(Types::USUAL);
        let needs = [
            ("path", config.path.is_some(), Types::WITH_PATH),
            ("access", config.access.is_some(), Types::WITH_ACCESS),
            ("address", config.address.is_some(), Types::WITH_ADDRESS),
            ("port", config.port.is_some(), Types::WITH_ADDRESS),
        ];
        let mut types = asked;
        for (key, _, with) in needs.into_iter().filter(|(_, is_given, _)| *is_given) {
            types = types.and(with);
            if types.is_empty() {
                let names: Vec<_> = with.names().collect();
                let message = format!(
                    "cannot match together with the other keys; events with `{key}` are {}",
                    names.join(", ")
                );
                self.faults.push((key, message));
                return None;
            }
        }
        Some(types)
    }

    fn matcher<T>(
        &mut self,
        key: &'static str,
        given: Option<&Words>,
        read: impl Fn(&Words) -> Result<T, String>,
        matcher: impl Fn(T) -> Matcher,
    ) {
        if let Some(Some(read)) = self.read(key, given, read) {
            self.matchers.push(matcher(read));
        }
    }

    fn patterns(&mut self, key: &'static str, given: Option<&Words>, matcher: impl Fn(Patterns) -> Matcher) {
        self.matcher(key, given, patterns, matcher);
    }

    /// What a key says; `Some(None)` where it is not given, `None` where it is
    /// wrong.
    fn read<T>(
        &mut self,
        key: &'static str,
        given: Option<&Words>,
        read: impl Fn(&Words) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(given) = given else { return Some(None) };
        let result = match given.iter().next() {
            None => {
                Err("is empty, so that nothing would match; name something, or remove the key".to_owned())
            }
            Some(_) => read(given),
        };
        match result {
            Ok(value) => Some(Some(value)),
            Err(message) => {
                self.faults.push((key, message));
                None
            }
        }
    }
}

fn patterns(words: &Words) -> Result<Patterns, String> {
    let texts: Vec<_> = words.iter().map(str::to_owned).collect();
    if let Some(fault) = fault_of_patterns(&texts) {
        return Err(fault);
    }
    Patterns::new(&[&texts])
        .map_err(|_| "holds patterns that are too large together; shorten the list".to_owned())
}
