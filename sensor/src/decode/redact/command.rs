//! Reads a command line word by word, as its program would.

use std::{borrow::Cow, ops::Range};

use super::{
    Found, Rules, names,
    programs::{self, Kind, Place, Program},
    shell, text,
};

/// Command lines inside command lines: `ssh host "sh -c '…'"` is two.
const MAX_DEPTH: usize = 3;

/// The state while reading from left to right.
struct Reader<'r> {
    rules: &'r Rules,
    depth: usize,
    /// The program whose options these are, where it is a known one.
    program: Option<&'static Program>,
    /// The next word names a program.
    expects_program: bool,
    /// An argument with spaces is a command line in a shell's language.
    runs_text: bool,
    /// Options of the program in front do not take values.
    runs_program: bool,
    /// The next word is a host, not a program.
    expects_host: bool,
    after_option: bool,
    /// The next word is the value of an option.
    value: Option<Value>,
    operands: usize,
    /// Set by a switch that makes the last operand a secret.
    last_is_secret: Option<Kind>,
}

struct Value {
    kind: Kind,
    /// The option may have been a switch: a word that begins with a dash is
    /// then another option.
    uncertain: bool,
}

/// Replaces the secrets in the words of one command.
pub fn redact(rules: &Rules, exe: &[u8], words: &mut [Cow<'_, [u8]>], depth: usize, found: &mut Found) {
    let mut reader = Reader {
        rules,
        depth,
        program: programs::find(exe),
        expects_program: true,
        runs_text: programs::runs_text(exe),
        runs_program: false,
        expects_host: false,
        after_option: false,
        value: None,
        operands: 0,
        last_is_secret: None,
    };
    let mut last_operand = None;
    for (index, word) in words.iter_mut().enumerate() {
        if reader.read(word, found) {
            last_operand = Some(index);
        }
    }
    if let (Some(kind), Some(word)) =
        (reader.last_is_secret, last_operand.and_then(|last| words.get_mut(last)))
    {
        replace_value(word, 0, kind, found);
    }
}

impl Reader<'_> {
    /// Takes the next word; whether it is an operand.
    fn read(&mut self, word: &mut Cow<'_, [u8]>, found: &mut Found) -> bool {
        if let Some(Value { kind, uncertain }) = self.value.take() {
            let is_option = uncertain && word.len() > 1 && word.starts_with(b"-");
            if !is_option {
                self.after_option = false;
                if !replace_value(word, 0, kind, found) {
                    self.read_text(word, found);
                }
                return false;
            }
        }
        if self.expects_program {
            self.read_program(word);
            self.read_text(word, found);
            return false;
        }
        if word.len() > 1 && word.starts_with(b"-") {
            self.after_option = word.as_ref() != b"--" && !word.contains(&b'=');
            if !self.read_option(word, found) {
                self.read_text(word, found);
            }
            return false;
        }
        self.read_operand(word, found);
        self.after_option = false;
        true
    }

    fn read_program(&mut self, word: &[u8]) {
        if assignment(word).is_some() {
            return;
        }
        self.expects_program = false;
        self.enter(word);
    }

    fn enter(&mut self, word: &[u8]) {
        self.program = programs::find(word).or(self.program);
        self.runs_text |= programs::runs_text(word);
        self.runs_program = programs::runs_program(word);
        self.expects_host = programs::goes_to_host(word);
    }

    fn read_operand(&mut self, word: &mut Cow<'_, [u8]>, found: &mut Found) {
        self.operands += 1;
        let names_program = !self.expects_host && (!self.after_option || self.runs_program);
        self.expects_host &= self.after_option;
        for place in self.program.map_or(&[][..], |program| program.places) {
            match *place {
                Place::Operand(number, kind) if number == self.operands => {
                    replace_value(word, 0, kind, found);
                }
                Place::AnyOperand(kind) => {
                    replace_value(word, 0, kind, found);
                }
                Place::Word(name, kind) if name.as_bytes() == word.as_ref() => {
                    self.value = Some(Value { kind, uncertain: false });
                    return;
                }
                Place::Prefix(prefix, kind) if word.starts_with(prefix.as_bytes()) => {
                    replace_value(word, prefix.len(), kind, found);
                }
                Place::Then(name, program) if name.as_bytes() == word.as_ref() => {
                    self.program = Some(program)
                }
                _ => {}
            }
        }
        // `net` and the like are also what hosts and interfaces are called.
        let distinct = word.len() > 3 || self.runs_program || self.runs_text;
        if names_program && distinct && is_program(word) {
            self.enter(word);
            self.operands = 0;
        }
        self.read_text(word, found);
    }

    /// Whether the word is an option that is known to lead to a secret.
    fn read_option(&mut self, word: &mut Cow<'_, [u8]>, found: &mut Found) -> bool {
        if let Some(program) = self.program
            && self.read_known_option(program, word, found)
        {
            return true;
        }
        let dashes = if word.starts_with(b"--") { 2 } else { 1 };
        let Some(option) = word.get(dashes..) else { return false };
        let end = option.iter().position(|byte| *byte == b'=');
        let Some(name) = option.get(..end.unwrap_or(option.len())) else { return false };
        // `-pass` is an option of some programs; `-pw` a few switches of others.
        let kind = names::secret_kind(name).filter(|_| dashes == 2 || name.len() >= 4);
        let Some(kind) = kind.map(Kind::All) else { return false };
        match end {
            Some(end) => {
                replace_value(word, dashes + end + 1, kind, found);
                true
            }
            None => {
                let is_switch = names::is_switch(name)
                    || self
                        .places()
                        .iter()
                        .any(|place| matches!(place, Place::Switch(s) if s.as_bytes() == name));
                self.value = (!is_switch).then_some(Value { kind, uncertain: true });
                true
            }
        }
    }

    fn places(&self) -> &'static [Place] {
        self.program.map_or(&[], |program| program.places)
    }

    fn read_known_option(&mut self, program: &Program, word: &mut Cow<'_, [u8]>, found: &mut Found) -> bool {
        for place in program.places {
            match *place {
                Place::Word(name, kind) if word.starts_with(name.as_bytes()) => match word.get(name.len()) {
                    None => {
                        self.value = Some(Value { kind, uncertain: false });
                        return true;
                    }
                    Some(b'=') => return replace_value(word, name.len() + 1, kind, found),
                    Some(_) => {}
                },
                Place::Prefix(prefix, kind) if word.starts_with(prefix.as_bytes()) => {
                    return replace_value(word, prefix.len(), kind, found);
                }
                _ => {}
            }
        }
        if word.starts_with(b"--") { false } else { self.read_short_options(program, word, found) }
    }

    /// One word of short options: switches, then perhaps one with a secret.
    fn read_short_options(&mut self, program: &Program, word: &mut Cow<'_, [u8]>, found: &mut Found) -> bool {
        let mut at = 1;
        while let Some(letter) = word.get(at).copied() {
            at += 1;
            for place in program.places {
                match *place {
                    Place::Short(option, kind) if option == letter => {
                        if at == word.len() {
                            self.value = Some(Value { kind, uncertain: false });
                            return true;
                        }
                        return replace_value(word, at, kind, found);
                    }
                    Place::Attached(option, kind) if option == letter => {
                        return replace_value(word, at, kind, found);
                    }
                    Place::LastWith(switch, kind) if switch == letter => self.last_is_secret = Some(kind),
                    _ => {}
                }
            }
            if !program.switches.contains(&letter) {
                return false;
            }
        }
        false
    }

    /// What is left: a word that may be an assignment, a command line or
    /// any text.
    fn read_text(&self, word: &mut Cow<'_, [u8]>, found: &mut Found) {
        if !self.rules.may_match(word) {
            return;
        }
        let has_space = word.iter().any(u8::is_ascii_whitespace);
        let is_text = has_space && self.runs_text;
        if let Some((kind, value)) = assignment(word)
            .filter(|_| !is_text)
            .and_then(|(name, value)| names::secret_kind(word.get(name)?).map(|kind| (kind, value)))
        {
            replace_value(word, value, Kind::All(kind), found);
            return;
        }
        if has_space && self.depth < MAX_DEPTH {
            shell::redact(self.rules, word, self.runs_text, self.depth + 1, found);
        }
        self.rules.text.apply(word, found);
    }
}

fn is_program(word: &[u8]) -> bool {
    programs::find(word).is_some() || programs::runs_text(word) || programs::runs_program(word)
}

/// `NAME=value`: where the name is and where the value begins.
fn assignment(word: &[u8]) -> Option<(Range<usize>, usize)> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = word.iter().take_while(|byte| allowed(byte)).count();
    let first = *word.first()?;
    let is_name = first.is_ascii_alphabetic() || first == b'_';
    (is_name && word.get(length) == Some(&b'=')).then_some((0..length, length + 1))
}

/// Replaces the secret in the value that begins at `start`; whether there was one.
fn replace_value(word: &mut Cow<'_, [u8]>, start: usize, kind: Kind, found: &mut Found) -> bool {
    let Some(value) = word.get(start..) else { return false };
    let Some((range, name)) = secret_in(value, kind) else { return false };
    text::splice(word, &[(start + range.start..start + range.end, name)], found);
    true
}

/// The part of a value that is secret, and its name.
fn secret_in(value: &[u8], kind: Kind) -> Option<(Range<usize>, &'static str)> {
    let rest_after = |byte: u8| value.iter().position(|b| *b == byte).map(|at| at + 1..value.len());
    let (range, name) = match kind {
        Kind::All(name) => (0..value.len(), name),
        Kind::After(byte) => (rest_after(byte)?, "password"),
        Kind::Pass => (value.starts_with(b"pass:").then_some(5..value.len())?, "password"),
        // Without `=` it is the name of a file.
        Kind::Cookie => (value.contains(&b'=').then_some(0..value.len())?, "cookie"),
        Kind::UserInfo => {
            let end = value.iter().position(|byte| b"/?# \t\n".contains(byte)).unwrap_or(value.len());
            let host = value.get(..end)?.iter().rposition(|byte| *byte == b'@')?;
            let colon = value.get(..host)?.iter().position(|byte| *byte == b':')?;
            (colon + 1..host, "password")
        }
        Kind::Slash => {
            let slash = rest_after(b'/')?.start;
            // `/nolog`, `/ as sysdba` and paths have nothing in front.
            let user = value.get(..slash.checked_sub(1)?)?;
            let is_user =
                !user.is_empty() && !user.contains(&b'.') && !user.contains(&b':') && !user.contains(&b'=');
            let end = value.iter().rposition(|byte| *byte == b'@').filter(|at| *at > slash);
            (is_user.then_some(slash..end.unwrap_or(value.len()))?, "password")
        }
    };
    (!range.is_empty()).then_some((range, name))
}
