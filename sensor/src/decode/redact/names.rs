//! Which names stand before a secret: options, variables, keys, headers.

/// The name of the token for what follows `name`, if that is a secret.
///
/// `name` is an option without its dashes, a variable, a key of a form, a
/// JSON object or a query, or a header.
pub fn secret_kind(name: &[u8]) -> Option<&'static str> {
    const LONGEST: usize = 128;
    if name.len() > LONGEST {
        return None;
    }
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let name = Name { original: name, lower };

    if name.is_any(&["pwd", "oldpwd", "public_key", "foreign_key", "primary_key", "ssh_public_key"])
        && !name.is_lower_pwd()
    {
        None
    } else if name.is_password() {
        Some("password")
    } else if name.ends(&["token"]) || name.ends_word(&["jwt", "bearer", "auth"]) {
        Some("token")
    } else if name.is_key() {
        Some("key")
    } else if name.ends(&["secret", "secrets"]) {
        Some("secret")
    } else if name.ends_word(&["sig", "signature"]) {
        Some("signature")
    } else {
        None
    }
}

/// Whether an option of this name is a switch, so that the next argument is
/// not its value: `--ask-password`, `--no-pass`.
pub fn is_switch(name: &[u8]) -> bool {
    const VERBS: [&str; 22] = [
        "no", "ask", "prompt", "get", "show", "use", "with", "without", "reset", "change", "disable",
        "enable", "skip", "need", "force", "require", "generate", "print", "rotate", "list", "delete",
        "allow",
    ];
    let verb = name.split(|byte| *byte == b'-' || *byte == b'_').next().unwrap_or_default();
    verb.len() < name.len() && VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known.as_bytes()))
}

struct Name<'a> {
    original: &'a [u8],
    lower: &'a [u8],
}

impl Name<'_> {
    fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.lower == name.as_bytes())
    }

    fn ends(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.lower.ends_with(ending.as_bytes()))
    }

    /// Ends in one of the words, which is all of the name or begins after a
    /// separator or with a capital: `db_pass`, `dbPass`, but not `bypass`.
    fn ends_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| {
            let Some(rest) = self.lower.strip_suffix(word.as_bytes()) else { return false };
            let capital = self.original.get(rest.len()).is_some_and(u8::is_ascii_uppercase);
            match rest.last() {
                None => true,
                Some(before) if b"_-.".contains(before) => true,
                Some(_) => capital && self.original.iter().any(u8::is_ascii_lowercase),
            }
        })
    }

    fn is_password(&self) -> bool {
        self.ends(&["password", "passwd", "passphrase", "passcode"])
            || self.ends_word(&["pass", "pwd", "passw", "pw"])
            || self.is_any(&["dbpass", "sshpass", "mysqlpass", "ftppass", "smtppass", "userpass", "rootpass"])
            || self.is_any(&["keypass", "storepass", "adminpass"])
    }

    fn is_key(&self) -> bool {
        const BEFORE: [&str; 13] = [
            "api",
            "access",
            "account",
            "encryption",
            "signing",
            "private",
            "master",
            "auth",
            "shared",
            "secret",
            "license",
            "service",
            "subscription",
        ];
        let Some(rest) = self.lower.strip_suffix(b"key") else { return false };
        let variable = self.original.iter().all(|byte| !byte.is_ascii_lowercase());
        if variable && rest.ends_with(b"_") {
            return true;
        }
        let rest = rest.strip_suffix(b"_").or(rest.strip_suffix(b"-")).unwrap_or(rest);
        BEFORE.iter().any(|word| rest.ends_with(word.as_bytes()))
    }

    /// The shell's `PWD` is a directory; `pwd=` in lower case is not the shell's.
    fn is_lower_pwd(&self) -> bool {
        self.lower == b"pwd" && self.original != b"PWD"
    }
}
