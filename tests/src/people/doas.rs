//! Who may use `doas`.

use std::{fs, path::Path};

use super::tools::absent;

const FILE: &str = "/etc/doas.conf";

/// Rules that are there until this is dropped.
pub struct Doas;

impl Doas {
    /// Lets an account do everything without a password.
    ///
    /// # Errors
    /// Why that cannot be here.
    ///
    /// # Panics
    /// When the rules cannot be written.
    pub fn allow(account: &str) -> Result<Self, String> {
        if let Some(reason) = absent("doas", "opendoas") {
            return Err(reason);
        }
        if Path::new(FILE).exists() {
            return Err(format!("{FILE} is this machine's own"));
        }
        let doas = Self;
        fs::write(FILE, format!("permit nopass {account}\n")).expect("root may");
        Ok(doas)
    }
}

impl Drop for Doas {
    fn drop(&mut self) {
        let _ = fs::remove_file(FILE);
    }
}
