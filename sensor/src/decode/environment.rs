//! The variables of an environment that change which code is run.

use activity_proto::v1::{Event, Truncation};
use bytes::Bytes;
use sensor_types::span::{CUT, Span, UNREADABLE};

/// Read by the dynamic loader before the program's own code runs.
const NAMES: [&[u8]; 3] = [b"LD_PRELOAD", b"LD_AUDIT", b"LD_LIBRARY_PATH"];
/// Most bytes of one variable that are kept.
const LONGEST: usize = 1024;
/// An environment may repeat a name at will; so many are kept at most.
const MOST: usize = 16;

/// What is kept of the environment, as NAME=VALUE; notes in the event what is
/// missing of it.
pub fn preload(memory: &[u8], span: &Span, event: &mut Event) -> Vec<Bytes> {
    let mut kept = Vec::new();
    // The length of the environment says nothing about these variables.
    let mut cut = (span.flags & (CUT | UNREADABLE) != 0).then_some(None);
    for variable in memory.split(|&byte| byte == 0).filter(|variable| is_wanted(variable)) {
        if kept.len() == MOST {
            cut = Some(None);
            break;
        }
        if variable.len() > LONGEST {
            cut = cut.or(Some(Some(variable.len() as u64)));
        }
        kept.push(Bytes::copy_from_slice(variable.get(..LONGEST).unwrap_or(variable)));
    }
    if let Some(full_length) = cut {
        event.truncated.push(Truncation { field: "preload".to_owned(), full_length });
    }
    kept
}

fn is_wanted(variable: &[u8]) -> bool {
    let mut parts = variable.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default();
    parts.next().is_some_and(|value| !value.is_empty()) && NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(memory: &[u8], flags: u32) -> (Vec<Bytes>, Vec<Truncation>) {
        let mut event = Event::default();
        let kept = preload(memory, &Span { flags, ..Span::EMPTY }, &mut event);
        (kept, event.truncated)
    }

    #[test]
    fn only_what_changes_the_code_is_kept() {
        let (kept, cut) = kept(
            b"HOME=/home/alice\0LD_PRELOAD=/tmp/x.so\0LD_PRELOADER=1\0SECRET=a\0LD_AUDIT=\0LD_LIBRARY_PATH=/tmp\0",
            0,
        );
        assert_eq!(kept, ["LD_PRELOAD=/tmp/x.so", "LD_LIBRARY_PATH=/tmp"]);
        assert!(cut.is_empty());
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(kept(b"LD_PRELOAD=/tm", CUT).1.len(), 1);
        assert_eq!(kept(b"", UNREADABLE).1.len(), 1);
        let long = [&b"LD_PRELOAD="[..], &[b'x'; 2000]].concat();
        let (kept, cut) = kept(&long, 0);
        assert_eq!((kept[0].len(), cut[0].full_length), (LONGEST, Some(2011)));
    }

    #[test]
    fn many_of_one_name_are_bounded() {
        let (kept, cut) = kept(&b"LD_AUDIT=x\0".repeat(1000), 0);
        assert_eq!((kept.len(), cut.len()), (MOST, 1));
    }
}
