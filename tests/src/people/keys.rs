//! Keys, made on the spot.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use super::tools::{command, must};

/// A pair of keys in files.
pub struct Key {
    /// The file with the secret.
    pub private: PathBuf,
    /// The line for `authorized_keys`.
    pub public: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

impl Key {
    /// Makes a pair; the public half goes beside the private one.
    pub fn make(private: &Path) -> Self {
        must(command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(private));
        let shown = must(command("ssh-keygen").arg("-lf").arg(private)).stdout;
        let fingerprint = shown.split_whitespace().find(|word| word.starts_with("SHA256:"));
        let public = fs::read_to_string(private.with_extension("pub")).expect("ssh-keygen made it");
        let fingerprint = fingerprint.expect("ssh-keygen names keys by SHA-256").to_owned();
        Self { private: private.to_owned(), public, fingerprint }
    }

    /// Puts a copy into somebody's home, as `id_ed25519`.
    pub fn give_to(&self, home: &Path, uid: u32) {
        let copy = home.join("id_ed25519");
        fs::copy(&self.private, &copy).expect("the home was made");
        chown(&copy, Some(uid), Some(uid)).expect("root may");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("root may");
    }
}
