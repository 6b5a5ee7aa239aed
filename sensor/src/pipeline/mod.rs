//! The only place where the stages meet.
//!
//! ring buffers → reader → [batches, bounded] → decode → enrich → policy →
//! number → hub → one bounded queue for each subscriber
//!
//! Two threads: one reads the rings, one does the rest (a third passes on the
//! kernel programs' log). A slow second thread
//! makes the first wait, then the rings fill, and the kernel programs count
//! what they could not put there: it comes out as a gap.

mod budget;
mod heartbeat;
mod worker;

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use activity_proto::v1::Gap;
use anyhow::Context as _;
use prost_types::Timestamp;
use rustix::{
    process::setpriority_process,
    thread::{MembarrierCommand, membarrier},
};

use crate::{
    clock,
    config::Config,
    conservation::Alive,
    decode::{Decoder, redact::Redactor},
    enrich::Enricher,
    identity::LoginPrograms,
    logins::{self, Logins},
    losses::Losses,
    policy::{InForce, Policy, PolicyError},
    sequence::Sequencer,
    source::{
        Kernel, folds,
        kernel::{Hooks, KernelLog},
        reader::Reader,
        recording::Recorder,
    },
    spool::Spool,
    state::State,
    status::{PipelineStats, SensorStatus},
    stream::{Hub, Outgoing},
    tally::Left,
};
use budget::Budget;
use heartbeat::Heart;
use worker::{Told, Worker};

/// Batches between the two threads.
const BATCHES: usize = 16;
/// The nice value of the threads that records wait for.
const NICE: i32 = -10;
/// How often losses are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Where events go.
pub struct Outlets {
    /// To whoever subscribes.
    pub hub: Arc<Hub>,
    /// Onto the disk, for consumers.
    pub spool: Option<Arc<Spool>>,
    /// Runs before that did not end in order, to be told first.
    pub unclean: Vec<Gap>,
}

impl Outlets {
    /// Nothing is kept.
    pub fn live(hub: Arc<Hub>) -> Self {
        Self { hub, spool: None, unclean: Vec::new() }
    }
}

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
    /// When something of the configuration cannot be used.
    pub fn start(
        config: &Config,
        policy: Policy,
        kernel: Kernel,
        state: State,
        outlets: Outlets,
        recorder: Option<Recorder>,
    ) -> anyhow::Result<Self> {
        let Outlets { hub, spool, unclean } = outlets;
        let redactor =
            Arc::new(Redactor::new(&config.redaction).context("the redaction rules cannot be used")?);
        let host = config.sensor.host.clone().unwrap_or_else(host_name);
        let Kernel {
            programs,
            process_ring,
            file_ring,
            counters,
            skipped,
            folds,
            left_out,
            log,
            tally,
            hooks: Hooks { states, plan, not_covered, fallback: _ },
            stays,
            seam,
            before,
            left,
            login_programs,
        } = kernel;
        // Of other programs, these counts know nothing.
        let own = tally.begin(state.epoch).unwrap_or_default();
        let (left, own) = left.map_or((own.clone(), own), |left| (left, Left::default()));
        let decoder = Decoder::new(&state.boot_id, Arc::clone(&redactor)).with_hooks(&config.hooks);
        let started = now();
        let status = Arc::new(SensorStatus {
            host: host.clone(),
            state: Arc::new(state),
            started,
            plan,
            not_covered,
            hooks: states,
            record_all: policy.keeps_everything(),
            kernel: counters,
            skipped,
            policy: InForce::new(policy, started),
            pipeline: PipelineStats::new(tally),
            spool: spool.clone(),
            sessions: Mutex::default(),
            refusals: OnceLock::new(),
            alive: Alive::new(Duration::from_secs(config.sensor.heartbeat.into())),
            ring_bytes: (config.hooks.process_ring_bytes.into(), config.hooks.file_ring_bytes.into()),
        });

        let writer = spool.as_ref().map(Spool::start).transpose().context("the spool cannot be written")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (batches, received) = sync_channel(BATCHES);
        let fold_batches = batches.clone();
        let reader_stop = Arc::clone(&stop);
        let reader = thread::Builder::new().name("ring-reader".into()).spawn(move || {
            prefer_this_thread();
            let mut reader = Reader { process_ring, file_ring, tally, stays };
            if !before.is_empty() && batches.send(before).is_err() {
                return;
            }
            reader.read(&reader_stop, &batches);
            // What they record while they are being detached is read as well.
            drop(programs);
            let _ = membarrier(MembarrierCommand::Global);
            reader.read(&reader_stop, &batches);
        })?;
        let counter = folds::start(folds, Arc::clone(&stop), stays, fold_batches)?;
        let log_stop = Arc::clone(&stop);
        let logger = thread::Builder::new().name("kernel-log".into()).spawn(move || relay(log, &log_stop))?;
        let exec_events = config.hooks.exec;
        let budget = Budget::new(config.sensor.cpu_limit);
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
                left_out,
                sequencer: Sequencer::default(),
                losses: Losses::after(tally.told()),
                tally,
                seam,
                budget,
                heart: Heart::new(worker_status.alive.interval),
                told: Told { not_covered: 0, at: Instant::now() },
                exec_events,
                redactor,
                policy: worker_status.policy.standing().policy,
                status: worker_status,
                outgoing: Outgoing::new(Arc::clone(&hub), spool.clone()),
                hub,
                recorder,
            }
            .run(unclean, &left, &own, &received);
            if let Some(spool) = spool {
                spool.close();
            }
        })?;
        let threads = [counter, reader, worker, logger].into_iter().chain(writer).collect();
        Ok(Self { status, stop, threads })
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
        self.status.pipeline.tally.end();
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

/// The policy of a configuration; with `record_all` none, which keeps everything.
///
/// # Errors
/// When it cannot be used.
pub fn policy(config: &Config, record_all: bool) -> Result<Policy, PolicyError> {
    if record_all { Ok(Policy::everything()) } else { Policy::new(&config.policy, host_mount_namespace()) }
}

/// The wall clock, as events have it.
fn now() -> Timestamp {
    crate::decode::timestamp(clock::wall_offset_ns().saturating_add(clock::boottime_ns()))
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
