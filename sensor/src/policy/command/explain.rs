//! `policy explain`: which rule decides about an act.

use std::io::{self, Write};

use activity_proto::{
    json::to_json,
    v1::{Event, EventType},
};
use serde_json::{Value, json};

use super::{describe::why, event::event};
use crate::{
    cli::{DoctorFormat, ExplainArgs},
    config::Config,
    enrich::ancestry::Ancestry,
    failure::{Failure, printed},
    pipeline::{self, host_mount_namespace},
    policy::{Action, Policy, Rule, act::Act, reach::Reach},
};

/// Builds the event and says what becomes of it.
///
/// # Errors
/// When the configuration is wrong, or the arguments name what there is not.
pub fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    let policy = pipeline::policy(&config, false).map_err(Failure::config)?;
    let (event, ancestry) = event(args, host_mount_namespace())?;
    let explanation = Explanation::of(&policy, &event, &ancestry);
    let mut out = io::stdout().lock();
    printed(match args.format {
        DoctorFormat::Text => explanation.print(&mut out),
        DoctorFormat::Json => writeln!(out, "{:#}", explanation.json(&event, &policy)),
    })
}

/// What becomes of an event, and why.
pub struct Explanation<'a> {
    /// The rule that decides, if any.
    decides: Option<&'a Rule>,
    /// Those before it, and why they do not.
    passed_over: Vec<(&'a Rule, String)>,
    /// Of an open that is left out: for which others the kernel does so by itself.
    reach: Option<Reach>,
}

impl<'a> Explanation<'a> {
    /// Judges the event and keeps the reasons.
    pub fn of(policy: &'a Policy, event: &Event, ancestry: &Ancestry) -> Self {
        let act = Act::of(event, ancestry);
        let is_open = act.event_type == EventType::Open && !act.failed();
        let reach = if is_open { policy.reach(event, ancestry, true) } else { None };
        let mut passed_over = Vec::new();
        for rule in policy.rules() {
            match rule.miss(act) {
                None => return Self { decides: Some(rule), passed_over, reach },
                Some(miss) => passed_over.push((rule, why(rule, miss, act))),
            }
        }
        Self { decides: None, passed_over, reach: None }
    }

    /// Who judges it when it comes again, in words.
    fn again(&self) -> Option<&'static str> {
        self.reach.map(|reach| match (reach.whatever, reach.whoever) {
            (true, _) => "left out in the kernel, whatever this program opens",
            (_, true) => "left out in the kernel, whoever opens it",
            _ => "judged anew, since it depends on who opens what",
        })
    }

    /// What happens, in words.
    fn happens(&self) -> String {
        match self.decides.map(|rule| rule.action) {
            None | Some(Action::Allow) => "kept".to_owned(),
            Some(Action::Fold) => "kept, and may be told together with equal ones".to_owned(),
            Some(Action::Deny) => "left out".to_owned(),
            Some(Action::Sample(one_in)) => format!("kept once in {one_in} times"),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        match self.decides {
            None => writeln!(out, "{}: no rule matches", self.happens())?,
            Some(rule) => {
                let built_in = if rule.built_in { ", built in" } else { "" };
                writeln!(out, "{}: rule `{}` ({}{built_in})", self.happens(), rule.name, rule.action.name())?;
                if !rule.reason.is_empty() {
                    writeln!(out, "because: {}", rule.reason)?;
                }
                if let Some(again) = self.again() {
                    writeln!(out, "again: {again}")?;
                }
            }
        }
        if self.passed_over.is_empty() {
            return Ok(());
        }
        let width = self.passed_over.iter().map(|(rule, _)| rule.name.len()).max().unwrap_or(0);
        writeln!(out, "\nrules before it that do not match:")?;
        self.passed_over.iter().try_for_each(|(rule, why)| {
            writeln!(out, "  {:width$}  {:6}  {why}", rule.name, rule.action.name())
        })
    }

    fn json(&self, event: &Event, policy: &Policy) -> Value {
        let passed_over: Vec<_> =
            self.passed_over.iter().map(|(rule, why)| json!({"rule": rule.name, "because": why})).collect();
        json!({
            "event": to_json(event),
            "policyVersion": policy.version(),
            "happens": self.happens(),
            "again": self.again(),
            "rule": self.decides,
            "passedOver": passed_over,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, PolicyCommand};

    const RULES: &str = "[[policy.rules]]\nname = \"backup\"\naction = \"sample\"\none_in = 9\n\
        under = [\"/opt/backup\"]\n[[policy.rules]]\nname = \"web\"\naction = \"deny\"\nreason = \"too much\"\n\
        uid = [33]\nport = [443]\naddress = [\"10.0.0.0/8\"]\n[[policy.rules]]\nname = \"denied\"\n\
        action = \"deny\"\npath = [\"/srv/\"]\n";

    fn explained(words: &str) -> String {
        explained_by(RULES, words)
    }

    fn explained_by(rules: &str, words: &str) -> String {
        let words = format!("activity-sensor policy explain {words}");
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        let Command::Policy(PolicyCommand::Explain(args)) = cli.command else { panic!("another command") };
        let config = Config::parse(rules, "c.toml".as_ref()).unwrap();
        let policy = Policy::new(&config.policy, Some(1)).unwrap();
        let (event, ancestry) = event(&args, Some(1)).unwrap();
        let explanation = Explanation::of(&policy, &event, &ancestry);
        let mut text = Vec::new();
        explanation.print(&mut text).unwrap();
        let json = explanation.json(&event, &policy);
        assert_eq!(json["event"]["type"], args.event_type.short_name());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_rule_that_decides_and_why_the_others_do_not() {
        insta::assert_snapshot!(explained(
            "--type open --path /etc/shadow --access read --user 1001 --exe /usr/bin/cat"
        ));
    }

    #[test]
    fn an_open_that_is_left_out_says_who_leaves_it_out_the_next_time() {
        let again = |rules: &str, words: &str| {
            let text = explained_by(rules, &format!("--type open {words} --user 5 --exe /usr/bin/cat"));
            text.lines().find_map(|line| Some(line.strip_prefix("again: ")?.to_owned())).unwrap_or_default()
        };
        let cat = "[[policy.rules]]\nname = \"cat\"\naction = \"deny\"\nexe = [\"/usr/bin/cat\"]\n";
        let cache = "--path /etc/ld.so.cache";
        assert_eq!(again("", cache), "left out in the kernel, whoever opens it");
        assert_eq!(again(cat, "--path /srv/a"), "left out in the kernel, whatever this program opens");
        assert_eq!(
            again(RULES, cache),
            "judged anew, since it depends on who opens what",
            "`backup` keeps it"
        );
        assert_eq!(again("", "--path /etc/shadow"), "", "it is kept");
        assert_eq!(again(RULES, "--path /srv/a --errno ENOENT"), "", "the kernel looks at what is opened");
    }

    #[test]
    fn each_option_reaches_its_matcher() {
        let decides = |words: &str| explained(words).lines().next().unwrap().to_owned();
        let cases = [
            (
                "--type exec --path /bin/ls --under /opt/backup",
                "kept once in 9 times: rule `backup` (sample)",
            ),
            ("--type connect --address 10.1.1.1 --port 443 --uid 33", "left out: rule `web` (deny)"),
            ("--type open --path /srv/a --user 5 --errno ENOENT", "left out: rule `denied` (deny)"),
            ("--type open --path /srv/a --user 5 --errno EACCES", "kept: no rule matches"),
            ("--type open --path /srv/a --user 5 --container", "kept: no rule matches"),
            ("--type open --path /a --tty pts/0", "kept: no rule matches"),
            ("--type open --path /a", "left out: rule `services` (deny, built in)"),
            (
                "--type open --path /dev/null --file-kind character-device --access write --user 5",
                "left out: rule `devices` (deny, built in)",
            ),
            (
                "--type file_receive --unnamed --file-kind socket --user 5",
                "left out: rule `descriptors` (deny, built in)",
            ),
            ("--type connect --path /run/nscd/socket --user 5", "left out: rule `sockets` (deny, built in)"),
            ("--type tamper", "kept: rule `machine` (allow, built in)"),
        ];
        for (words, expected) in cases {
            assert_eq!(decides(words), expected, "{words}");
        }
    }
}
