//! Moves events from the store to where they are passed on, until it is told to end.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use activity_formats::Format;
use activity_peers::Backoff;
use tokio::{sync::watch, time};

use super::{ExportError, Exporter, Line, batch, cursor::Cursor};
use crate::{
    config::ExportConfig,
    failure::Failure,
    store::{Feed, Layout, Position, Span},
};

/// How long to wait for more.
const POLL: Duration = Duration::from_millis(200);
/// How long to wait before beginning anew with an export that cannot run.
const AGAIN: Duration = Duration::from_secs(10);
/// How often to remember how far it is: what a kill makes come again.
const SAVE: Duration = Duration::from_secs(1);
/// How often to say how far it is.
const REPORT: Duration = Duration::from_secs(60);

/// What is passed on, and where.
pub struct Export {
    /// Its name in messages.
    pub name: String,
    /// The store it reads.
    pub layout: Layout,
    /// Where it remembers how far it came; without one it begins at the beginning.
    pub cursor: Option<Cursor>,
    /// Where it begins.
    pub position: Position,
    /// In which form.
    pub format: Format,
    /// Which of them.
    pub span: Span,
    /// Whether it goes on when it has come to the end.
    pub follow: bool,
}

/// Runs a configured export until it is stopped. What goes wrong never ends the collector:
/// it is told and tried again.
pub async fn run(config: ExportConfig, layout: Layout, mut stopped: watch::Receiver<bool>) {
    let name = config.name.to_string();
    while !*stopped.borrow() {
        let ended = run_once(&config, &layout, &stopped).await;
        if let Err(failure) = ended {
            tracing::error!("export {name}: {failure}; it is tried again");
            let _ = time::timeout(AGAIN, stopped.wait_for(|stop| *stop)).await;
        }
    }
}

async fn run_once(
    config: &ExportConfig,
    layout: &Layout,
    stopped: &watch::Receiver<bool>,
) -> Result<(), Failure> {
    let (cursor, position) = Cursor::open(layout, &config.name)?;
    let exporter = config.to.open(&config.secrets).map_err(Failure::config)?;
    tracing::info!("export {}: to {}, as {}", config.name, config.to, config.format.name());
    let export = Export {
        name: config.name.to_string(),
        layout: layout.clone(),
        cursor: Some(cursor),
        position,
        format: config.format,
        span: Span { since: config.since, until: None },
        follow: true,
    };
    Driver::new(export, exporter, stopped.clone()).run().await.map(drop)
}

/// Sends, waits, and moves the cursor.
pub struct Driver {
    name: String,
    format: Format,
    span: Span,
    follow: bool,
    /// Elsewhere while it works.
    reader: Option<Reader>,
    exporter: Box<dyn Exporter>,
    stopped: watch::Receiver<bool>,
    /// What the other side has and may still lose, oldest first: when it got it, and where
    /// the feed was then.
    unsettled: VecDeque<(Instant, Position)>,
    /// Behind what is delivered.
    committed: Position,
    /// Since when that is not remembered.
    unsaved: Option<Instant>,
    backoff: Backoff,
    failing: bool,
    counts: Counts,
}

/// What waits for the disk.
struct Reader {
    feed: Feed,
    cursor: Option<Cursor>,
}

#[derive(Default)]
struct Counts {
    sent: u64,
    retries: u64,
    newest: Option<i64>,
    reported: Option<Instant>,
    missed: u64,
}

impl Driver {
    /// Of an export and the way there.
    pub fn new(export: Export, exporter: Box<dyn Exporter>, stopped: watch::Receiver<bool>) -> Self {
        let Export { name, layout, cursor, position, format, span, follow } = export;
        let feed = Feed::new(layout, position.clone(), span);
        Self {
            name,
            format,
            span,
            follow,
            reader: Some(Reader { feed, cursor }),
            exporter,
            stopped,
            unsettled: VecDeque::new(),
            committed: position,
            unsaved: None,
            backoff: Backoff::default(),
            failing: false,
            counts: Counts::default(),
        }
    }

    /// Runs to the end of what is stored, or with `follow` until it is stopped. Gives how many
    /// lines were sent.
    ///
    /// # Errors
    /// Of the store and of the cursor; without `follow` of the other side too.
    pub async fn run(mut self) -> Result<u64, Failure> {
        let ended = self.pass_all().await;
        let saved = self.save().await;
        ended.and(saved).map(|()| self.counts.sent)
    }

    async fn pass_all(&mut self) -> Result<(), Failure> {
        while !*self.stopped.borrow() {
            let (lines, moved) = self.next().await?;
            let passed = match self.pass_on(&lines, moved).await {
                Ok(passed) => passed,
                Err(ExportError::Closed) => break,
                Err(error) => {
                    self.failed(error).await?;
                    continue;
                }
            };
            if self.unsaved.is_some_and(|since| since.elapsed() >= SAVE) {
                self.save().await?;
            }
            self.report();
            if !moved && passed {
                if !self.follow && self.unsettled.is_empty() {
                    break;
                }
                self.pause(POLL).await;
            }
        }
        Ok(())
    }

    /// Reads or writes on a thread that may wait for the disk.
    async fn at_disk<Done: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Reader) -> Done + Send + 'static,
    ) -> Result<Done, Failure> {
        let Some(mut reader) = self.reader.take() else {
            return Err(Failure::unavailable("the thread that reads the store has ended"));
        };
        let work = move || {
            let done = work(&mut reader);
            (reader, done)
        };
        let (reader, done) = tokio::task::spawn_blocking(work).await.map_err(Failure::unavailable)?;
        self.reader = Some(reader);
        Ok(done)
    }

    /// Remembers what is delivered.
    async fn save(&mut self) -> Result<(), Failure> {
        if self.unsaved.take().is_none() {
            return Ok(());
        }
        let position = self.committed.clone();
        let save =
            move |reader: &mut Reader| reader.cursor.as_ref().map_or(Ok(()), |cursor| cursor.save(&position));
        self.at_disk(save).await?
    }

    /// The next lines, and whether the feed moved to find them.
    async fn next(&mut self) -> Result<(Vec<Line>, bool), Failure> {
        let (format, span) = (self.format, self.span);
        let read =
            move |reader: &mut Reader| (batch::next(&mut reader.feed, format, span), reader.feed.missed);
        let (next, missed) = self.at_disk(read).await?;
        if missed > self.counts.missed {
            tracing::error!(
                "export {}: {} events were removed from the store before they were sent; keep them longer",
                self.name,
                missed - self.counts.missed
            );
            self.counts.missed = missed;
        }
        Ok(next?)
    }

    /// Sends lines and moves the cursor as far as is safe.
    async fn pass_on(&mut self, lines: &[Line], moved: bool) -> Result<bool, ExportError> {
        if !lines.is_empty() {
            let mut stopped = self.stopped.clone();
            tokio::select! {
                sent = self.exporter.send(lines) => sent?,
                // What was sent of it is sent again after the next start.
                _ = stopped.wait_for(|stop| *stop) => return Ok(false),
            }
            self.counts.sent += lines.len() as u64;
            self.counts.newest = lines.iter().filter_map(|line| line.time).max().or(self.counts.newest);
            if std::mem::take(&mut self.failing) {
                tracing::info!("export {}: events are taken again", self.name);
            }
            self.backoff = Backoff::default();
        }
        if moved && let Some(reader) = &self.reader {
            self.unsettled.push_back((Instant::now(), reader.feed.position().clone()));
        }
        self.settle().await?;
        Ok(true)
    }

    /// What has been with the other side for long enough is delivered, if that is still the
    /// same.
    async fn settle(&mut self) -> Result<(), ExportError> {
        let settles = self.exporter.settles();
        let due = self.unsettled.iter().take_while(|(at, _)| at.elapsed() >= settles).count();
        if due == 0 {
            return Ok(());
        }
        self.exporter.still_has().await?;
        let Some((_, position)) = self.unsettled.drain(..due).next_back() else { return Ok(()) };
        self.committed = position;
        self.unsaved.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Goes back to what is delivered, and waits.
    async fn failed(&mut self, error: ExportError) -> Result<(), Failure> {
        let is_final = matches!(error, ExportError::Settings(_));
        if is_final || !self.follow {
            return Err(Failure::unavailable(error));
        }
        self.counts.retries += 1;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!("export {}: {error}; events are sent again until they are taken", self.name);
        }
        self.unsettled.clear();
        if let Some(reader) = &mut self.reader {
            reader.feed.rewind(self.committed.clone());
        }
        let wait = self.backoff.wait();
        self.pause(wait).await;
        Ok(())
    }

    async fn pause(&mut self, wait: Duration) {
        let _ = time::timeout(wait, self.stopped.wait_for(|stop| *stop)).await;
    }

    /// Says from time to time how far it is.
    fn report(&mut self) {
        let reported = *self.counts.reported.get_or_insert_with(Instant::now);
        if !self.follow || reported.elapsed() < REPORT {
            return;
        }
        self.counts.reported = Some(Instant::now());
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let lag = self.counts.newest.map_or(0, |newest| now.saturating_sub(newest) / 1_000_000_000);
        tracing::info!(
            sent = self.counts.sent,
            retries = self.counts.retries,
            refused = self.exporter.refused(),
            missed = self.counts.missed,
            unreadable = self.reader.as_ref().map_or(0, |reader| reader.feed.unreadable),
            "export {}: the newest event that was sent is {lag} s old",
            self.name
        );
    }
}
