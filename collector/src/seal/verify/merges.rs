//! Compaction: does a file that others became have what they had?

use std::collections::BTreeMap;

use super::{
    chain::{self, Entries},
    files::Claims,
    report::{Kind, Report},
};
use crate::{
    seal::{
        Digest,
        entry::{Merged, Part, What},
    },
    store::{Layout, Sum, archive::States},
};

/// The claims with what came of mergers: one of which the new file is not there came to
/// nothing as long as all the old ones are, and then those count.
pub fn settled<'a>(layout: &Layout, archived: &States, mut claims: Claims<'a>) -> Claims<'a> {
    let is_here = |path: &str| layout.root().join(path).symlink_metadata().is_ok();
    let is_there = |path: &str| archived.contains_key(path) || is_here(path);
    let mut mergers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, claim) in &claims {
        if let Some(became) = claim.became {
            mergers.entry(became).or_default().push(path);
        }
    }
    for (new, old) in mergers {
        let was_removed = claims.get(new).is_some_and(|claim| claim.is_removed || claim.became.is_some());
        if was_removed || is_there(new) || !old.iter().all(|path| is_there(path)) {
            continue;
        }
        claims.remove(new);
        for path in old {
            claims.entry(path).and_modify(|claim| claim.became = None);
        }
    }
    claims
}

/// Compares rows and sums of what was merged with what it became.
pub fn check(entries: &Entries, report: &mut Report) {
    let mut parts: BTreeMap<&str, &Part> = BTreeMap::new();
    for (entry, _) in entries.values() {
        match &entry.what {
            What::Rolled(segment) => {
                parts.extend(segment.files.iter().map(|part| (part.file.path.as_str(), part)));
            }
            What::Merged(merged) => {
                report.merged += merged.from.len() as u64;
                if !is_same(merged, &parts) {
                    let what = "it is sealed as what others became, and has not the same events";
                    report.problem(Kind::Merged, chain::place(entry), what);
                }
                parts.insert(&merged.part.file.path, &merged.part);
            }
            _ => {}
        }
    }
}

/// Where an entry of the old files is lost, that is told elsewhere.
fn is_same(merged: &Merged, parts: &BTreeMap<&str, &Part>) -> bool {
    let (mut rows, mut sum) = (0_u64, Sum::default());
    for file in &merged.from {
        let Some(part) = parts.get(file.path.as_str()) else { return true };
        if part.file.digest != file.digest {
            return false;
        }
        rows = rows.saturating_add(part.rows);
        sum.add_sum(part.sum.into());
    }
    (rows, Digest::from(sum)) == (merged.part.rows, merged.part.sum)
}
