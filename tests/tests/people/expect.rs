//! What a step does, and what has to be said of it. Words are those of the
//! JSON form.

/// A line to type and what it has to lead to.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The name of its mark, and of the step.
    pub name: &'static str,
    /// The line. `MARK` is the path of a file that it makes; with `PORT` instead
    /// it connects there. `GO` is a file that the test makes when it wants;
    /// other words in capitals are the test's ([`crate::play::Play::words`]).
    pub line: &'static str,
    /// What the events of the mark have to say.
    pub expect: Expect,
}

/// What the events of a mark have to say. Where there is more than one word,
/// any of them; where there is none, nothing is compared.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// Whose session it is.
    pub session: Whose,
    /// The human, by the account that they logged in to.
    pub human: Whom,
    /// How that is known.
    pub method: &'static [&'static str],
    /// How sure it is.
    pub confidence: &'static [&'static str],
    /// Why nobody is named, or why no more surely.
    pub reason: &'static [&'static str],
    /// Users from the login on.
    pub chain: &'static [&'static str],
    /// Programs that made the steps of the chain.
    pub by: &'static [&'static str],
    /// The process has outlived its session.
    pub detached: &'static [bool],
    /// Others who may be behind it, and what links them to it.
    pub others: &'static [(&'static str, &'static str)],
}

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the one who types.
    Own,
    /// None of a visit, but of this kind.
    Kind(&'static str),
    /// None.
    None,
}

/// A human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The one who types.
    Typist,
    /// Somebody by the account.
    User(&'static str),
    /// A number without an account.
    Uid(u32),
    /// Nobody.
    Nobody,
}

/// What is not said.
pub const ABSENT: &str = "absent";
/// Nothing else than that.
const NOT: &[&str] = &[ABSENT];

/// What a person does in their own login.
pub const PLAIN: Expect = Expect {
    session: Whose::Own,
    human: Whom::Typist,
    method: &["kernel"],
    confidence: &["high"],
    reason: NOT,
    chain: &[],
    by: &[],
    detached: &[false],
    others: &[],
};
