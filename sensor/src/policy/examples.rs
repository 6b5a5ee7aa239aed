//! A few of the events that each rule decided, for people.

use std::sync::{Mutex, PoisonError};

use activity_proto::v1::Event;

use super::act::Act;
use crate::{enrich::ancestry::Ancestry, watch::word};

/// Examples kept of each rule.
const MAX: usize = 2;

/// Examples by the place of the rule; the last are of events no rule decided.
#[derive(Debug)]
pub struct Examples(Vec<Mutex<Vec<String>>>);

impl Examples {
    /// None yet, of so many rules.
    pub fn of(rules: usize) -> Self {
        Self((0..=rules).map(|_| Mutex::default()).collect())
    }

    /// Takes note of an event, unless there are enough like it.
    pub fn add(&self, rule: Option<usize>, event: &Event) {
        let of_none = self.0.len().saturating_sub(1);
        let Some(kept) = self.0.get(rule.unwrap_or(of_none)) else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX {
            return;
        }
        let example = in_words(event);
        if !kept.contains(&example) {
            kept.push(example);
        }
    }

    /// Those of each rule, and at the end of none.
    pub fn all(&self) -> Vec<Vec<String>> {
        self.0.iter().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}

/// Program, act and object; names that users chose are quoted as for a shell.
fn in_words(event: &Event) -> String {
    let nothing = Ancestry::default();
    let act = Act::of(event, &nothing);
    let exe = act.exe().map(|(exe, _)| exe).filter(|exe| !exe.is_empty());
    let paths = act.paths().into_iter().flatten().map(word);
    let address = act.address().map(|address| match act.port() {
        Some(port) if address.is_ipv6() => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_string(),
    });
    let program = exe.map_or_else(|| "?".to_owned(), word);
    let parts = [program, act.event_type.short_name().to_owned()];
    parts.into_iter().chain(address).chain(paths).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::{Open, Process, event::Payload};

    use super::*;

    #[test]
    fn two_of_a_kind_are_kept_and_nothing_reaches_the_terminal_raw() {
        let examples = Examples::of(1);
        for path in ["/a\x1b[2J", "/a\x1b[2J", "/b c", "/d"] {
            let open = Open { path: path.into(), ..Open::default() };
            let process = Process { exe: "/bin/cat".into(), ..Process::default() };
            let payload = Some(Payload::Open(open));
            examples.add(None, &Event { process: Some(process), payload, ..Event::default() });
        }
        let all = examples.all();
        assert_eq!(
            all,
            [vec![], vec![r"/bin/cat open $'/a\x1b[2J'".to_owned(), "/bin/cat open '/b c'".to_owned()]]
        );
    }
}
