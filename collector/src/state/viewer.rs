//! One look at what is stored, from its beginning to its end.

use std::{fs, path::PathBuf, time::Instant};

use rustix::process::getuid;

use super::{State, ViewingArgs, failure};
use crate::{failure::Failure, store::Layout};

/// Longest statement that is kept.
const STATEMENT_MAX: usize = 64 * 1024;
/// `/proc/self/loginuid` of what no login leads to.
const NO_LOGIN: u32 = u32::MAX;

/// A look that is noted in the log of viewers.
pub struct Viewing {
    path: PathBuf,
    /// Nothing where the log cannot be written.
    entry: Option<(State, i64)>,
    begun: Instant,
}

impl Viewing {
    /// Notes, before anything is read, who looks at what and what for. Where that cannot be
    /// noted it is said, and the look goes on, unless the rules ask for more.
    ///
    /// # Errors
    /// When the rules of the store are not met.
    pub fn begin(
        layout: &Layout,
        who: &str,
        way: &str,
        what: &str,
        args: &ViewingArgs,
    ) -> Result<Self, Failure> {
        let path = layout.state();
        let mut viewing = Self { path, entry: None, begun: Instant::now() };
        // Without a store there is nothing to look at, and nothing is written.
        if !layout.events().is_dir() {
            return Ok(viewing);
        }
        let purpose = args.purpose.as_deref().map(str::trim).filter(|purpose| !purpose.is_empty());
        let rules =
            State::read(layout).ok().flatten().and_then(|state| state.rules().ok()).unwrap_or_default();
        if rules.purpose && purpose.is_none() {
            return Err(Failure::usage("looking at this store needs a purpose: say with --purpose what for"));
        }
        let end = what.floor_char_boundary(STATEMENT_MAX);
        let what = what.get(..end).unwrap_or_default();
        let begun = State::open(layout).and_then(|state| {
            let entry = state.begin(who, way, what, purpose)?;
            Ok((state, entry))
        });
        match begun {
            Ok(entry) => viewing.entry = Some(entry),
            Err(error) if rules.log => return Err(failure(&viewing.path, &error)),
            Err(error) => {
                tracing::warn!("this look is not in the log of viewers: {}", failure(&viewing.path, &error));
            }
        }
        Ok(viewing)
    }

    /// Notes what became of it.
    pub fn end<Done>(self, rows: u64, result: Result<Done, Failure>) -> Result<Done, Failure> {
        if let Some((state, entry)) = &self.entry {
            let outcome = result.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
            if let Err(error) = state.end(*entry, rows, self.begun.elapsed(), &outcome) {
                tracing::warn!(
                    "the end of this look is not in the log of viewers: {}",
                    failure(&self.path, &error)
                );
            }
        }
        result
    }
}

/// Who runs this program: the login behind it, which stays through `sudo`, and the user.
pub fn me() -> String {
    let uid = getuid().as_raw();
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let login = login.filter(|login: &u32| *login != NO_LOGIN && *login != uid);
    match login {
        Some(login) => format!("{} as {}", user(login), user(uid)),
        None => user(uid),
    }
}

/// A user of this machine, by name and number.
pub fn user(uid: u32) -> String {
    let name = uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned());
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}
