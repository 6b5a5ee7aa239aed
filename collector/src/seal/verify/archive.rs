//! The files that are in the archive: all of them, as they were sealed, and nothing else.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Progress,
    files::{Claim, Claims, Digests, compare},
    report::{Kind, Place, Report},
};
use crate::{
    seal::Digest,
    store::{
        Layout, StoreError,
        archive::{State, States, blocking, states},
    },
};

/// So many are read at a time.
const AT_A_TIME: usize = 4;

/// What the archive has.
struct Found {
    /// Length and digest of each that was asked for.
    files: Vec<Option<(u64, Digest)>>,
    /// The paths of all.
    listed: Vec<String>,
}

/// Looks in the archive for files that are not here; gives those that are not there either.
pub fn check<'a, 'b>(
    layout: &Layout,
    absent: Vec<&'b Claim<'a>>,
    claims: &Claims,
    digests: &Digests,
    report: &mut Report,
    progress: Progress,
) -> Result<Vec<&'b Claim<'a>>, StoreError> {
    let archived = states(layout)?;
    // What is only on its way counts here, and needs nobody to answer there.
    if !archived.values().any(|state| matches!(state, State::Kept(_))) {
        return Ok(absent);
    }
    let is_kept = |claim: &&Claim| matches!(archived.get(&claim.file.path), Some(State::Kept(_)));
    let (kept, absent): (Vec<_>, Vec<_>) = absent.into_iter().partition(is_kept);
    let found = look(layout, &kept, claims.len(), progress)?;
    for (claim, file) in kept.iter().zip(found.files) {
        match file {
            Some((length, digest)) => {
                report.archived += u64::from(compare(claim, length, digest, digests, report));
            }
            None => report.problem(Kind::Missing, claim.place(), "the file is not in the archive"),
        }
    }
    added(&states(layout)?, &found.listed, claims, report);
    Ok(absent)
}

fn look(layout: &Layout, kept: &[&Claim], all: usize, progress: Progress) -> Result<Found, StoreError> {
    let paths: Vec<&str> = kept.iter().map(|claim| claim.file.path.as_str()).collect();
    let before = all.saturating_sub(paths.len());
    blocking(layout, async |archive| {
        let mut files = Vec::new();
        let mut measured = stream::iter(&paths).map(|path| archive.measure(path)).buffered(AT_A_TIME);
        while let Some(file) = measured.try_next().await? {
            files.push(file);
            progress(before.saturating_add(files.len()), all);
        }
        Ok(Found { files, listed: archive.list().await? })
    })
}

/// What nobody sealed, or moved there. It is looked at after the list was made: whatever
/// `run` copies is noted before.
fn added(archived: &States, listed: &[String], claims: &Claims, report: &mut Report) {
    let is_sealed = |path: &str| claims.contains_key(path);
    let noted = archived.iter().filter(|(_, state)| matches!(state, State::Kept(_)));
    let noted = noted.map(|(path, _)| path.as_str()).filter(|path| !is_sealed(path));
    let there = listed.iter().map(String::as_str);
    let there = there.filter(|path| !archived.contains_key(*path) && !is_sealed(path));
    for path in noted.chain(there) {
        let file = activity_proto::json::escape_bytes(path.as_bytes()).into_owned();
        let place = Place { file: Some(file), ..Place::default() };
        report.problem(Kind::Added, place, "the file in the archive was never sealed");
    }
}
