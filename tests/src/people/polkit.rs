//! What polkit lets people do.

use std::fs;

use super::tools::absent;

const FILE: &str = "/etc/polkit-1/rules.d/00-activity-people.rules";

/// A rule that is there until this is dropped.
pub struct Polkit;

impl Polkit {
    /// Lets an account do everything without a password.
    ///
    /// # Errors
    /// Why that cannot be here.
    ///
    /// # Panics
    /// When the rule cannot be written.
    pub fn allow(account: &str) -> Result<Self, String> {
        if let Some(reason) = absent("pkexec", "pkexec") {
            return Err(reason);
        }
        let polkit = Self;
        let rule = format!(
            "polkit.addRule(function(action, subject) {{\n    \
             if (subject.user == \"{account}\") return polkit.Result.YES;\n}});\n"
        );
        fs::write(FILE, rule).expect("root may");
        Ok(polkit)
    }
}

impl Drop for Polkit {
    fn drop(&mut self) {
        let _ = fs::remove_file(FILE);
    }
}
