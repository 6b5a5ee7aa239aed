//! From rows in order to what is shown: sections, folding, and notices in their places.

use std::io;

use super::{
    act::{Act, Section},
    fold::{Fold, Folded},
    notice::{Notice, together},
};

/// A way to show it.
pub trait Show {
    /// A session begins.
    fn section(&mut self, section: &Section) -> io::Result<()>;
    /// Acts of the section.
    fn act(&mut self, folded: &Folded) -> io::Result<()>;
    /// A notice, within a section or between two.
    fn notice(&mut self, notice: &Notice, is_within: bool) -> io::Result<()>;
    /// That was all.
    fn end(&mut self, told: &Told) -> io::Result<()>;
}

/// How much was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub acts: u64,
    pub sections: u64,
    /// Events that are missing, as far as that is known.
    pub missing: u64,
    /// Gaps and silences of which nobody knows how much they hide.
    pub unknown: u64,
}

/// What is between rows and what is shown.
pub struct Flow {
    notices: Vec<Notice>,
    /// Of each notice whether it was shown.
    shown: Vec<bool>,
    section: Option<Section>,
    /// The first notice that may come next in this section.
    next: usize,
    fold: Fold,
    pub told: Told,
}

impl Flow {
    /// With notices in the order of time.
    pub fn new(notices: Vec<Notice>) -> Self {
        let shown = vec![false; notices.len()];
        let mut told = Told::default();
        for notice in notices.iter().filter(|notice| notice.kind != "login_failed") {
            told.missing = told.missing.saturating_add(notice.missing.unwrap_or(0));
            told.unknown += u64::from(notice.missing.is_none());
        }
        Self { notices, shown, section: None, next: 0, fold: Fold::default(), told }
    }

    /// Takes the next act.
    pub fn act(&mut self, act: Act, out: &mut impl Show) -> io::Result<()> {
        if self.section.as_ref().is_none_or(|section| !section.is(&act.section)) {
            self.leave(out)?;
            self.between(Some(act.section.begun), out)?;
            out.section(&act.section)?;
            self.told.sections += 1;
            self.next = self.notices.partition_point(|notice| notice.time < act.section.begun);
            self.section = Some(act.section.clone());
        }
        self.within(act.time, out)?;
        self.told.acts = self.told.acts.saturating_add(act.acts);
        self.fold.push(act).iter().try_for_each(|folded| out.act(folded))
    }

    /// There are no more acts.
    pub fn end(&mut self, out: &mut impl Show) -> io::Result<()> {
        self.leave(out)?;
        self.between(None, out)?;
        out.end(&self.told)
    }

    fn leave(&mut self, out: &mut impl Show) -> io::Result<()> {
        if let Some(done) = self.section.take().map(|section| section.done) {
            self.within(done, out)?;
        }
        self.fold.flush().iter().try_for_each(|folded| out.act(folded))
    }

    /// Notices of this section's machine up to a time.
    fn within(&mut self, until: jiff::Timestamp, out: &mut impl Show) -> io::Result<()> {
        let Some(section) = &self.section else { return Ok(()) };
        let mut due = Vec::new();
        while let Some(notice) = self.notices.get(self.next).filter(|notice| notice.time <= until) {
            if notice.host == section.host {
                due.push(notice);
                if let Some(shown) = self.shown.get_mut(self.next) {
                    *shown = true;
                }
            }
            self.next += 1;
        }
        if due.is_empty() {
            return Ok(());
        }
        self.fold.flush().iter().try_for_each(|folded| out.act(folded))?;
        together(due.into_iter()).iter().try_for_each(|notice| out.notice(notice, true))
    }

    /// Notices that no section had, before a time.
    fn between(&mut self, before: Option<jiff::Timestamp>, out: &mut impl Show) -> io::Result<()> {
        let is_due = |notice: &Notice| before.is_none_or(|before| notice.time < before);
        let mut due = Vec::new();
        for (notice, shown) in self.notices.iter().zip(&mut self.shown) {
            if !*shown && is_due(notice) {
                *shown = true;
                due.push(notice);
            }
        }
        together(due.into_iter()).iter().try_for_each(|notice| out.notice(notice, false))
    }
}
