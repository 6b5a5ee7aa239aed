//! `hooks.json`: what is pinned, for the next run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use activity_segments::{Machine, replace};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::PinError;
use crate::{
    config::HooksConfig,
    source::{
        kernel::Hooks,
        load::{LoadOptions, object_sha256},
    },
    tally::LAYOUT,
};

/// What is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The generation's directory.
    pub directory: PathBuf,
    /// Says whether the programs of another run would be the same.
    pub fingerprint: String,
    /// The form of the records: [`sensor_types::FORMAT`].
    pub format: u32,
    /// Acts before this moment, in nanoseconds since the boot, were told by the programs
    /// before.
    pub since_ns: u64,
    /// The generation before, while it has not been read out: its directory and format.
    pub before: Option<(PathBuf, u32)>,
    /// How the kernel is hooked.
    pub hooks: Hooks,
}

impl Description {
    /// Of programs of this build.
    pub fn new(
        directory: PathBuf,
        fingerprint: String,
        since_ns: u64,
        before: Option<(PathBuf, u32)>,
        hooks: Hooks,
    ) -> Self {
        Self { directory, fingerprint, format: sensor_types::FORMAT, since_ns, before, hooks }
    }

    /// What is pinned; `None` where nothing is, as after a start of the machine.
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read(path).ok()?;
        let description = serde_json::from_slice::<Self>(&text);
        let description = description.inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "what is pinned is not known any more");
        });
        description.ok().filter(|description| description.directory.exists())
    }

    /// Writes it durably.
    pub fn write(&self, path: &Path) -> Result<(), PinError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        replace(&Machine, path, &text).map_err(|error| PinError::new("write", path, &error))
    }

    /// Every generation, the one before first.
    pub fn all(&self) -> impl Iterator<Item = (&Path, u32)> {
        let before = self.before.as_ref().map(|(directory, format)| (directory.as_path(), *format));
        before.into_iter().chain([(self.directory.as_path(), self.format)])
    }
}

/// All that the programs depend on, in one word.
pub fn fingerprint(config: &HooksConfig, options: LoadOptions) -> String {
    let debug = tracing::enabled!(tracing::Level::DEBUG);
    let all = format!("{} {LAYOUT} {config:?} {options:?} {debug}", object_sha256());
    Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use sensor_types::act::Act;

    use super::*;
    use crate::{cli::Plan, source::kernel::HookState};

    fn options() -> LoadOptions {
        LoadOptions { everybody: false, shortcuts: true, allow_degraded: false, plan: Plan::Auto }
    }

    #[test]
    fn what_the_programs_depend_on_makes_others_of_them() {
        let config = HooksConfig::default();
        let same = fingerprint(&config, options());
        assert_eq!(fingerprint(&config, options()), same);
        let larger = HooksConfig { file_ring_bytes: 4096, ..config.clone() };
        assert_ne!(fingerprint(&larger, options()), same);
        assert_ne!(fingerprint(&config, LoadOptions { everybody: true, ..options() }), same);
    }

    #[test]
    fn what_is_written_is_read_while_the_pins_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let (path, pins) = (directory.path().join("hooks.json"), directory.path().join("pins"));
        assert_eq!(Description::read(&path), None);
        let state = HookState {
            act: Act::Open,
            attached_to: "do_filp_open".into(),
            how: "fexit".into(),
            obstacle: None,
        };
        let hooks = Hooks {
            states: vec![state],
            plan: "trampoline".into(),
            not_covered: vec!["a way".into()],
            fallback: None,
        };
        let written = Description::new(pins.clone(), "f".into(), 7, Some(("old".into(), 1)), hooks);
        written.write(&path).unwrap();
        assert_eq!(Description::read(&path), None, "the machine was started again");
        fs::create_dir(&pins).unwrap();
        assert_eq!(Description::read(&path), Some(written));
        fs::write(&path, "{").unwrap();
        assert_eq!(Description::read(&path), None);
    }
}
