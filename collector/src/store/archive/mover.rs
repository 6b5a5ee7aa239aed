//! Which files move, when, and what is noted of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    ArchiveConfig, ArchiveError, Book, Kept, Settings, State,
    courier::{Courier, Done, Job},
};
use crate::{
    seal::{Seal, SealedFile},
    store::{
        Layout, StoreError, StoredFile,
        compact::{Compactor, SETTLED, Zeal},
    },
};

/// So many files are given to the courier at a time.
const AT_A_TIME: usize = 32;
/// How long to wait after the first failure; then twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A point of a move, in their order; each leaves the store readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// That a file is about to be copied is noted, durably.
    Noted,
    /// It was copied and read back.
    Came,
    /// That it is there is noted, durably.
    Kept,
}

/// Asked at every step; its error ends things there as a kill would.
pub type Gate<'a> = &'a mut dyn FnMut(Step) -> Result<(), StoreError>;

/// The one who moves files, and deletes there what is removed.
pub struct Mover {
    layout: Layout,
    book: Book,
    settings: Option<Settings>,
    /// `None` where nothing more is to be moved.
    after_days: Option<u32>,
    courier: Option<Courier>,
    is_busy: bool,
    failures: u32,
    retry_at: Option<Instant>,
    /// Files that are not what was sealed.
    refused: BTreeSet<String>,
}

impl Mover {
    /// Opens the book, and says in the store where the archive is.
    ///
    /// # Errors
    /// When the store has files in another archive, or cannot be written.
    pub fn open(layout: &Layout, config: Option<ArchiveConfig>) -> Result<Self, StoreError> {
        let (there, book) = (Settings::read(layout)?, Book::open(layout)?);
        let (wanted, after_days) = config.map(|config| (config.settings, config.after_days)).unzip();
        if let (Some(wanted), Some(there)) = (&wanted, &there)
            && wanted.url != there.url
            && !book.states().is_empty()
        {
            return Err(ArchiveError::Settings(format!(
                "the store {} has {} files in the archive {}: copy them to {} and change `url` in {}, or put \
                 `archive.url` back",
                layout.root().display(),
                book.states().len(),
                there.url,
                wanted.url,
                layout.archive().display()
            ))
            .into());
        }
        if let Some(wanted) = &wanted
            && there.as_ref() != Some(wanted)
        {
            wanted.write(layout)?;
        }
        let settings = wanted.or(there);
        Ok(Self {
            layout: layout.clone(),
            book,
            settings,
            after_days,
            courier: None,
            is_busy: false,
            failures: 0,
            retry_at: None,
            refused: BTreeSet::new(),
        })
    }

    /// Starts the one who speaks with the archive, where there is one; `wake` is called when
    /// there is something to [`Mover::take`].
    ///
    /// # Errors
    /// As the system says.
    pub fn start(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()> {
        let settings = self.settings.clone();
        self.courier = settings.map(|settings| Courier::start(settings, wake)).transpose()?;
        Ok(())
    }

    /// What is known of files.
    pub fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    /// Local files of which the archive has what was sealed: what a kill left of moves.
    pub fn left(&self) -> Vec<PathBuf> {
        let local = |kept: &Kept| Some(self.layout.stored(&kept.file.path)?.path);
        self.book.kept().filter_map(local).filter(|path| path.exists()).collect()
    }

    /// When there is something to do next that nothing wakes for.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Notes what was done, and leaves it to the compactor to remove the local files.
    ///
    /// # Errors
    /// When it cannot be noted, and what `gate` says.
    pub fn take(&mut self, compactor: &mut Compactor, gate: Gate) -> Result<(), StoreError> {
        while let Some(done) = self.courier.as_ref().and_then(Courier::done) {
            self.note(done, compactor, gate)?;
        }
        Ok(())
    }

    /// Whether something is under way.
    #[cfg(test)]
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Waits until all is done, and notes it.
    #[cfg(test)]
    pub fn finish(&mut self, compactor: &mut Compactor, gate: Gate) -> Result<(), StoreError> {
        while self.is_busy {
            let done = self.courier.as_ref().unwrap().wait();
            self.note(done, compactor, gate)?;
        }
        Ok(())
    }

    /// Tries again at once what failed.
    #[cfg(test)]
    pub fn hurry(&mut self) {
        self.retry_at = None;
    }

    fn note(&mut self, done: Done, compactor: &mut Compactor, gate: Gate) -> Result<(), StoreError> {
        if matches!(done, Done::Put(_) | Done::Deleted(_)) && self.failures > 0 {
            tracing::info!("the archive answers again");
            (self.failures, self.retry_at) = (0, None);
        }
        match done {
            Done::Put(file) => {
                gate(Step::Came)?;
                self.keep(file, compactor)?;
                gate(Step::Kept)?;
            }
            Done::Changed(path) => {
                tracing::error!(
                    "{path} is not as it was sealed and stays where it is: `activity-collector verify` tells more"
                );
                self.book.leaving(&path)?;
                self.refused.insert(path);
            }
            Done::Void(path) => self.book.leaving(&path)?,
            Done::Deleted(path) => self.book.gone(&path)?,
            Done::Failed(error) => {
                if self.failures == 0 {
                    tracing::warn!("{error}; files stay here meanwhile, and it is tried again");
                }
                let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
                self.failures = self.failures.saturating_add(1);
                self.retry_at = Some(Instant::now() + wait);
            }
            Done::End => self.is_busy = false,
        }
        Ok(())
    }

    fn keep(&mut self, file: SealedFile, compactor: &mut Compactor) -> Result<(), StoreError> {
        let path = self.layout.root().join(&file.path);
        // Retention may have removed it meanwhile.
        let local = StoredFile::from_path(path.clone()).and_then(|file| file.stored());
        match (self.book.states().get(&file.path), local) {
            (Some(State::Moving), Some(stored)) => {
                tracing::info!("{} is in the archive", file.path);
                self.book.keep(Kept { file, stored })?;
                compactor.supersede(path);
                Ok(())
            }
            _ => self.book.leaving(&file.path),
        }
    }

    /// Gives the courier what is to be done next.
    ///
    /// # Errors
    /// When it cannot be noted, and what `gate` says.
    pub fn send(
        &mut self,
        seal: &Seal,
        compactor: &mut Compactor,
        zeal: Zeal,
        gate: Gate,
    ) -> Result<(), StoreError> {
        if self.courier.is_none() || self.is_busy || self.wait().is_some_and(|wait| !wait.is_zero()) {
            return Ok(());
        }
        self.settle(seal)?;
        let room =
            AT_A_TIME.saturating_sub(self.book.states().values().filter(|state| is_open(state)).count());
        for path in self.due(seal, compactor, zeal)?.into_iter().take(room) {
            self.book.moving(&path)?;
            gate(Step::Noted)?;
        }
        let jobs = self.jobs(seal);
        self.is_busy = !jobs.is_empty() && self.courier.as_ref().is_some_and(|courier| courier.give(jobs));
        Ok(())
    }

    /// Gives up moves of files that are not there any more, or whose removal is sealed.
    fn settle(&mut self, seal: &Seal) -> Result<(), StoreError> {
        let states = self.book.states().iter();
        let moving = states.filter(|(_, state)| **state == State::Moving).map(|(path, _)| path.clone());
        let is_over = |path: &String| seal.digest(path).is_none() || !self.layout.root().join(path).exists();
        let over: Vec<String> = moving.filter(is_over).collect();
        over.iter().try_for_each(|path| self.book.leaving(path))
    }

    fn jobs(&self, seal: &Seal) -> Vec<Job> {
        let job = |(path, state): (&String, &State)| match state {
            State::Kept(_) => None,
            State::Leaving => Some(Job::Delete(path.clone())),
            State::Moving => {
                let file = self.layout.stored(path)?;
                let (number, digest) = (file.number, seal.digest(path)?);
                Some(Job::Put { number, path: path.clone(), digest, from: file.path })
            }
        };
        self.book.states().iter().filter_map(job).take(AT_A_TIME).collect()
    }

    /// Files that are whole, old enough, and will not be compacted any more.
    fn due(&self, seal: &Seal, compactor: &mut Compactor, zeal: Zeal) -> Result<Vec<String>, StoreError> {
        let Some(before) = self.after_days.and_then(|days| first_to_stay(Timestamp::now(), days)) else {
            return Ok(Vec::new());
        };
        let mut partitions: BTreeMap<PathBuf, Vec<StoredFile>> = BTreeMap::new();
        for file in self.layout.files()?.into_iter().filter(|file| file.class.is_some()) {
            if file.day().is_some_and(|day| day < before) && !self.is_known(&file) {
                partitions.entry(file.directory().to_owned()).or_default().push(file);
            }
        }
        let mut due = Vec::new();
        for (directory, files) in partitions {
            let is_whole = zeal == Zeal::Idle || files.iter().all(|file| file.is_older(SETTLED));
            let is_pending = |path: &Path| !self.book.has(&self.layout.relative(path));
            if is_whole
                // What it was made of would count again where only the archive has it.
                && !compactor.supersedes_in(&directory).any(is_pending)
                && compactor.is_settled(&self.layout, &files, self.book.states())?
            {
                let sealed = files.iter().map(|file| self.layout.relative(&file.path));
                due.extend(sealed.filter(|path| seal.digest(path).is_some()));
            }
        }
        Ok(due)
    }

    fn is_known(&self, file: &StoredFile) -> bool {
        let path = self.layout.relative(&file.path);
        self.book.states().contains_key(&path) || self.refused.contains(&path)
    }
}

fn is_open(state: &State) -> bool {
    !matches!(state, State::Kept(_))
}

/// The first day of which files stay.
fn first_to_stay(now: Timestamp, days: u32) -> Option<Date> {
    now.to_zoned(TimeZone::UTC).date().checked_sub(i64::from(days).days()).ok()
}
