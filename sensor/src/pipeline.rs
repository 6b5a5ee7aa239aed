//! The only place where the stages meet.
//!
//! ring buffers → reader → [batches, bounded] → decode → enrich → filter →
//! number → hub → one bounded queue for each subscriber
//!
//! Two threads: one reads the rings, one does the rest (a third passes on the
//! kernel programs' log). A slow second thread
//! makes the first wait, then the rings fill, and the kernel programs count
//! what they could not put there: it comes out as a gap.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use activity_proto::v1::{Event, EventType, Lane, event::Payload};
use anyhow::Context as _;
use rustix::process::setpriority_process;
use sensor_types::process::Fork;

use crate::{
    clock,
    config::Config,
    decode::{Decoded, Decoder, redact::Redactor},
    enrich::{Enriched, Enricher},
    filter::{Filter, Verdict},
    identity::LoginPrograms,
    logins::{self, Logins},
    losses::Losses,
    sequence::{Sequencer, lane_of},
    source::{Kernel, LoginProgramMap, batch::Batch, load::KernelLog, reader, recording::Recorder},
    state::State,
    status::{PipelineStats, SensorStatus},
    stream::Hub,
};

/// Batches between the two threads.
const BATCHES: usize = 16;
/// Events encoded and handed on at once.
const PUBLISH: usize = 512;
/// The nice value of the threads that records wait for.
const NICE: i32 = -10;
/// How soon something that waits for more to be known is looked at again.
const SOON: Duration = Duration::from_millis(50);
/// How often losses are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How often at most a status says what changed.
const STATUS: Duration = Duration::from_secs(60);

/// The pipeline at work.
pub struct Pipeline {
    /// What it can say of itself.
    pub status: Arc<SensorStatus>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Takes the attached programs and starts both threads. The first event
    /// in the stream is the status.
    ///
    /// # Errors
    /// When the configuration's patterns do not make a matcher.
    pub fn start(
        config: &Config,
        record_all: bool,
        kernel: Kernel,
        state: State,
        hub: Arc<Hub>,
        recorder: Option<Recorder>,
    ) -> anyhow::Result<Self> {
        let redactor =
            Arc::new(Redactor::new(&config.redaction).context("the redaction rules cannot be used")?);
        let filter =
            Filter::new(&config.policy, record_all)?.with_host_mount_namespace(host_mount_namespace());
        let host = config.sensor.host.clone().unwrap_or_else(host_name);
        let Kernel {
            programs,
            process_ring,
            file_ring,
            counters,
            skipped,
            log,
            hooks,
            plan,
            not_covered,
            fallback: _,
            login_programs,
        } = kernel;
        let decoder = Decoder::new(&state.boot_id, Arc::clone(&redactor)).with_hooks(&config.hooks);
        let wall = clock::wall_offset_ns().saturating_add(clock::boottime_ns());
        let status = Arc::new(SensorStatus {
            host: host.clone(),
            state: Arc::new(state),
            started: crate::decode::timestamp(wall),
            plan,
            not_covered,
            hooks,
            record_all,
            kernel: counters,
            skipped,
            filter,
            pipeline: PipelineStats::default(),
            sessions: Mutex::default(),
            ring_bytes: (config.hooks.process_ring_bytes.into(), config.hooks.file_ring_bytes.into()),
        });

        let stop = Arc::new(AtomicBool::new(false));
        let (batches, received) = sync_channel(BATCHES);
        let reader_stop = Arc::clone(&stop);
        let reader = thread::Builder::new().name("ring-reader".into()).spawn(move || {
            prefer_this_thread();
            reader::read(process_ring, file_ring, &reader_stop, &batches);
            // Detached only after the last record was read.
            drop(programs);
        })?;
        let log_stop = Arc::clone(&stop);
        let logger = thread::Builder::new().name("kernel-log".into()).spawn(move || relay(log, &log_stop))?;
        let exec_events = config.hooks.exec;
        // Before anybody is served: who ran before is known to the first event.
        let programs = LoginPrograms::with(&config.sessions.login_programs);
        let logs = config.sessions.logins();
        let (logins, heard) = Logins::start(&logs).context("the logs of logins cannot be followed")?;
        let past = logins::past(&logs).unwrap_or_else(|error| {
            tracing::warn!(%error, "logins from before the start cannot be read from the logs");
            Vec::new()
        });
        let enricher = Enricher::new(&redactor, &status.state.boot_id, programs, past, heard);
        let worker_status = Arc::clone(&status);
        let worker = thread::Builder::new().name("pipeline".into()).spawn(move || {
            prefer_this_thread();
            Worker {
                decoder,
                enricher,
                logins,
                logins_dropped: 0,
                login_programs,
                sequencer: Sequencer::default(),
                losses: Losses::default(),
                told: Told { not_covered: 0, at: Instant::now() },
                exec_events,
                redactor,
                status: worker_status,
                hub,
                outgoing: Vec::new(),
                recorder,
            }
            .run(&received);
        })?;
        Ok(Self { status, stop, threads: vec![reader, worker, logger] })
    }

    /// Reads out what the rings still hold, sends it on and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a pipeline thread ended early; please report this");
            }
        }
    }
}

/// Asks for the processor before ordinary programs. The work is the same either
/// way; done late, it costs events. Not permitted everywhere, and no must.
fn prefer_this_thread() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!(%error, "the pipeline runs at ordinary priority");
    }
}

/// Passes on what the kernel programs log, on a thread of its own: the format
/// is another library's, and a surprise in it must not end the recording.
fn relay(mut log: KernelLog, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        log.flush();
        thread::park_timeout(LOOK);
    }
    log.flush();
}

/// The second thread.
struct Worker {
    decoder: Decoder,
    enricher: Enricher,
    logins: Logins,
    /// Lines of logs left out, as last said.
    logins_dropped: u64,
    login_programs: LoginProgramMap,
    sequencer: Sequencer,
    losses: Losses,
    told: Told,
    /// Whether exec and exit are wanted in the stream; the process table needs
    /// them in any case.
    exec_events: bool,
    redactor: Arc<Redactor>,
    status: Arc<SensorStatus>,
    hub: Arc<Hub>,
    outgoing: Vec<Event>,
    recorder: Option<Recorder>,
}

/// What the last status in the stream said.
struct Told {
    not_covered: u64,
    at: Instant,
}

impl Worker {
    fn run(mut self, batches: &Receiver<Batch>) {
        let status = Payload::Status(self.status.status());
        self.send_own(status, Lane::Process);
        self.publish();
        let mut looked = Instant::now();
        loop {
            self.look_at_people();
            let wait = if self.enricher.is_waiting() { SOON } else { LOOK };
            match batches.recv_timeout(wait) {
                Ok(batch) => self.process(&batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if looked.elapsed() >= LOOK {
                self.report_losses();
                let sessions = self.enricher.sessions();
                *self.status.sessions.lock().unwrap_or_else(PoisonError::into_inner) = sessions;
                looked = Instant::now();
            }
            self.publish();
        }
        self.report_losses();
        self.publish();
        self.hub.close();
        self.logins.stop();
    }

    /// What the logs say and what was looked up, and what is to be told of it.
    fn look_at_people(&mut self) {
        let dropped = self.logins.dropped();
        if dropped > self.logins_dropped {
            tracing::warn!(
                lines = dropped - self.logins_dropped,
                "the log of logins came too fast; lines were left out"
            );
            self.logins_dropped = dropped;
        }
        self.enricher.tick();
        self.send_told();
        for file in self.enricher.new_login_programs() {
            if let Err(error) = self.login_programs.add(file) {
                tracing::warn!(%error, "the kernel programs do not know a login program");
            }
        }
    }

    /// Sessions, switches and refused logins.
    fn send_told(&mut self) {
        for event in self.enricher.told() {
            if event.time.is_some() {
                self.count_own();
                self.send(event, Lane::Process);
            } else if let Some(payload) = event.payload {
                self.send_own(payload, Lane::Process);
            }
        }
    }

    fn process(&mut self, batch: &Batch) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.add(batch)
        {
            tracing::error!(%error, "the recording cannot be written and ends here");
            self.recorder = None;
        }
        let wall_offset = clock::wall_offset_ns();
        for record in batch.iter() {
            match self.decoder.decode(record, wall_offset) {
                Ok(Decoded::Fork(fork)) => self.fork(&fork),
                Ok(Decoded::Level(level)) => {
                    self.enricher.led_to(level);
                    self.status.pipeline.internal.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Decoded::Event(event)) => self.event(*event),
                Err(error) => {
                    self.losses.rejected(record);
                    self.status.pipeline.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%error, "a record was rejected");
                }
            }
        }
    }

    fn fork(&mut self, fork: &Fork) {
        self.enricher.forked(fork);
        self.status.pipeline.internal.fetch_add(1, Ordering::Relaxed);
    }

    fn event(&mut self, mut event: Event) {
        let stats = &self.status.pipeline;
        if self.enricher.enrich(&mut event) == Enriched::Repeated {
            stats.internal.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let event_type = event.event_type();
        let unwanted = !self.exec_events && matches!(event_type, EventType::Exec | EventType::Exit);
        if unwanted || self.status.filter.decide(&event) != Verdict::Keep {
            stats.filtered.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.send_told();
        self.send(event, lane_of(event_type));
    }

    fn report_losses(&mut self) {
        let Ok(counters) = self.status.kernel.read() else { return };
        for mut gap in self.losses.since_last_time(&counters) {
            let lane = gap.lane();
            let next = self.sequencer.last(lane) + 1;
            (gap.from_sequence, gap.to_sequence) = (next, next - 1);
            self.send_own(Payload::Gap(gap), lane);
        }
        // What goes around the hooks has no event that could be missing; the
        // status says how often it happened.
        if self.told.at.elapsed() < STATUS {
            return;
        }
        let counted: u64 = counters.iter().map(|counts| counts.not_covered).sum();
        let not_covered = counted.saturating_add(self.status.skipped.count().unwrap_or(0));
        let is_new = not_covered != self.told.not_covered;
        self.told = Told { not_covered, at: Instant::now() };
        if is_new {
            let status = Payload::Status(self.status.status());
            self.send_own(status, Lane::Process);
        }
    }

    fn count_own(&self) {
        self.status.pipeline.own.fetch_add(1, Ordering::Relaxed);
    }

    /// An event of the sensor itself.
    fn send_own(&mut self, payload: Payload, lane: Lane) {
        let boottime_ns = clock::boottime_ns();
        let event = Event {
            time: Some(crate::decode::timestamp(boottime_ns.saturating_add(clock::wall_offset_ns()))),
            boottime_ns,
            payload: Some(payload),
            ..Event::default()
        };
        self.count_own();
        self.send(event, lane);
    }

    fn send(&mut self, mut event: Event, lane: Lane) {
        if let Some(attribution) = &event.attribution
            && attribution.uid.is_none()
            && let Some(count) = usize::try_from(attribution.reason)
                .ok()
                .and_then(|reason| self.status.pipeline.unattributed.get(reason))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sequencer.number(&mut event, lane);
        self.outgoing.push(event);
        if self.outgoing.len() >= PUBLISH {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let stats = &self.status.pipeline;
        stats.processes.store(self.enricher.processes() as u64, Ordering::Relaxed);
        stats.redacted.store(self.redactor.replaced(), Ordering::Relaxed);
        stats.process_sequence.store(self.sequencer.last(Lane::Process), Ordering::Relaxed);
        stats.file_sequence.store(self.sequencer.last(Lane::File), Ordering::Relaxed);
        stats.published.fetch_add(self.outgoing.len() as u64, Ordering::Relaxed);
        self.hub.publish(&self.outgoing);
        self.outgoing.clear();
    }
}

/// The machine's host name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The inode of the first process's mount namespace.
pub fn host_mount_namespace() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/1/ns/mnt").ok().and_then(|meta| u32::try_from(meta.ino()).ok())
}
