//! The thread that turns records into events and hands them on.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use activity_proto::v1::{Event, EventType, Gap, Lane, Position, event::Payload};
use sensor_types::process::Fork;

use super::{LOOK, budget::Budget, heartbeat::Heart, now};
use crate::{
    clock,
    decode::{Decoded, Decoder, redact::Redactor},
    enrich::{Enriched, Enricher, ancestry::Ancestry},
    logins::Logins,
    losses::{self, Losses, Shed},
    policy::{Policy, Verdict},
    sequence::{Sequencer, lane_of},
    source::{
        LoginProgramMap,
        batch::{Batch, BatchOrigin},
        left_out::LeftOut,
        pins::Seam,
        recording::Recorder,
    },
    status::SensorStatus,
    stream::{Hub, Outgoing},
    tally::{Left, Tally},
};

/// Events encoded and handed on at once.
const PUBLISH: usize = 512;
/// How soon something that waits for more to be known is looked at again.
const SOON: Duration = Duration::from_millis(50);
/// How often at most a status says what changed.
const STATUS: Duration = Duration::from_secs(60);

/// The second thread.
pub struct Worker {
    pub decoder: Decoder,
    pub enricher: Enricher,
    pub logins: Logins,
    /// Lines of logs left out, as last said.
    pub logins_dropped: u64,
    pub login_programs: LoginProgramMap,
    pub left_out: LeftOut,
    pub sequencer: Sequencer,
    pub losses: Losses,
    pub tally: Tally,
    pub seam: Seam,
    pub budget: Budget,
    pub heart: Heart,
    pub told: Told,
    /// Whether exec and exit are wanted in the stream; the process table needs
    /// them in any case.
    pub exec_events: bool,
    pub redactor: Arc<Redactor>,
    pub policy: Arc<Policy>,
    pub status: Arc<SensorStatus>,
    pub hub: Arc<Hub>,
    pub outgoing: Outgoing,
    pub recorder: Option<Recorder>,
}

/// What the last status in the stream said.
pub struct Told {
    pub not_covered: u64,
    pub at: Instant,
}

impl Worker {
    /// Works until there are no more batches. Tells first which runs before did not end
    /// in order, and what the last of them had in its hands; `own` of it is missing in
    /// these counts.
    pub fn run(mut self, unclean: Vec<Gap>, left: &Left, own: &Left, batches: &Receiver<Batch>) {
        // Before anything of this run is in the spool.
        let gaps = losses::left_behind(unclean, left, &self.spooled());
        self.send_status();
        for gap in gaps {
            let lane = gap.lane();
            self.send_own(Payload::Gap(gap), lane);
        }
        self.publish();
        self.tally.settle(own);
        let mut looked = Instant::now();
        loop {
            self.change_policy();
            self.look_at_people();
            self.beat();
            // Before the wait: who subscribes meanwhile gets what comes after it.
            self.publish();
            let wait = if self.enricher.is_waiting() { SOON } else { LOOK };
            match batches.recv_timeout(self.heart.wait(wait)) {
                Ok(batch) => self.process(&batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if looked.elapsed() >= LOOK {
                self.report_losses();
                self.count_left_out();
                let sessions = self.enricher.sessions();
                *self.status.sessions.lock().unwrap_or_else(PoisonError::into_inner) = sessions;
                looked = Instant::now();
            }
            self.publish();
        }
        self.report_losses();
        self.count_left_out();
        self.send_heartbeat(true);
        self.publish();
        self.hub.close();
        self.logins.stop();
    }

    /// The last of each lane that is in the spool.
    fn spooled(&self) -> Vec<Position> {
        let lanes = self.status.spool.as_ref().map(|spool| spool.status().lanes).unwrap_or_default();
        lanes.into_iter().filter_map(|lane| lane.last).collect()
    }

    /// Between batches, so that an event is judged by one policy as a whole.
    fn change_policy(&mut self) {
        if self.status.policy.is_to_change() {
            match self.left_out.forget() {
                Ok(last) => self.policy.count_left_out(&last),
                Err(error) => {
                    tracing::warn!(%error, "the last that a policy left out is not counted by rule")
                }
            }
        }
        if let Some(policy) = self.status.policy.take_over(now) {
            self.policy = policy;
            self.send_status();
        }
    }

    fn send_status(&mut self) {
        let status = Payload::Status(self.status.status());
        self.send_own(status, Lane::Process);
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
                self.count_own(event.event_type());
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
        let is_spent = self.budget.is_spent();
        for record in batch.iter() {
            match batch.origin {
                // The programs before these have told it.
                BatchOrigin::Rings if self.seam.has_told(record) => {
                    self.tally.internal.add(losses::type_of(record));
                    continue;
                }
                // These programs have not counted it.
                BatchOrigin::Before => self.tally.own.add(losses::type_of(record)),
                BatchOrigin::Rings | BatchOrigin::Folds => {}
            }
            if !(is_spent && self.shed(record)) {
                self.record(record, wall_offset);
            }
            if batch.origin == BatchOrigin::Folds {
                self.tally.done_with(losses::repeated_in(record));
            }
        }
    }

    fn record(&mut self, record: &[u8], wall_offset: u64) {
        match self.decoder.decode(record, wall_offset) {
            Ok(Decoded::Fork(fork)) => self.fork(&fork),
            Ok(Decoded::Level(level)) => {
                self.enricher.led_to(level);
                self.tally.internal.add(EventType::Unspecified);
            }
            Ok(Decoded::Event(event)) => self.event(*event, record),
            Err(error) => {
                self.losses.rejected(record);
                self.tally.rejected.add(losses::type_of(record));
                tracing::debug!(%error, "a record was rejected");
            }
        }
    }

    /// Leaves a record unread, if it is of an act on files.
    fn shed(&mut self, record: &[u8]) -> bool {
        match self.losses.shed(record) {
            None => return false,
            Some(Shed::Act) => self.tally.shed.add(losses::type_of(record)),
            // No record of its own stands behind it.
            Some(Shed::Total) => {}
        }
        true
    }

    fn fork(&mut self, fork: &Fork) {
        self.enricher.forked(fork);
        self.tally.internal.add(EventType::Unspecified);
    }

    fn event(&mut self, mut event: Event, record: &[u8]) {
        if self.enricher.enrich(&mut event) == Enriched::Repeated {
            self.tally.internal.add(event.event_type());
            return;
        }
        let event_type = event.event_type();
        if event.count.is_some() {
            self.tally.totals.add(event_type);
        }
        let unwanted = !self.exec_events && matches!(event_type, EventType::Exec | EventType::Exit);
        let verdict = if unwanted { Verdict::LeaveOut } else { self.judge(&event) };
        match verdict {
            Verdict::Keep => {}
            Verdict::KeepOneIn(many) => event.sampled = Some(many.get()),
            Verdict::LeaveOut => {
                self.tally.filtered.add(event_type);
                self.leave_out_in_kernel(&event, record);
                return;
            }
        }
        self.send_told();
        self.send(event, lane_of(event_type));
    }

    fn judge(&self, event: &Event) -> Verdict {
        self.policy.decide(event, &self.ancestry(event))
    }

    fn ancestry(&self, event: &Event) -> Ancestry {
        if self.policy.asks_for_ancestry() { self.enricher.ancestry(event) } else { Ancestry::default() }
    }

    /// Has the kernel programs leave out what is left out again, and would be
    /// whoever opened it or whatever else was opened.
    fn leave_out_in_kernel(&mut self, event: &Event, record: &[u8]) {
        let Some(came) = self.left_out.came_before(record) else { return };
        let settled = self.enricher.is_settled(event);
        let Some(reach) = self.policy.reach(event, &self.ancestry(event), settled) else { return };
        let added = if came.process && reach.whatever {
            self.left_out.add_process(&came.open, reach.rule)
        } else if came.file && reach.whoever {
            self.left_out.add_file(&came.open, reach.rule)
        } else {
            return;
        };
        if let Err(error) = added {
            tracing::debug!(%error, "what is left out is recorded all the same");
        }
    }

    fn count_left_out(&mut self) {
        match self.left_out.counts() {
            Ok(counts) => self.policy.count_left_out(&counts),
            Err(error) => tracing::debug!(%error, "what was left out is not counted yet"),
        }
    }

    fn report_losses(&mut self) {
        let Ok(counters) = self.status.kernel.read() else { return };
        let gaps = self.losses.since_last_time(&counters);
        if !gaps.is_empty() {
            for mut gap in gaps {
                let lane = gap.lane();
                let next = self.sequencer.last(lane) + 1;
                (gap.from_sequence, gap.to_sequence) = (next, next - 1);
                self.send_own(Payload::Gap(gap), lane);
            }
            // Killed before this, they are told rather once more than not at all.
            self.publish();
            self.tally.have_told(self.losses.seen());
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
            self.send_status();
        }
    }

    fn count_own(&self, event_type: EventType) {
        self.tally.own.add(event_type);
    }

    /// An event of the sensor itself.
    pub fn send_own(&mut self, payload: Payload, lane: Lane) {
        self.count_own(payload.event_type());
        let event = Event {
            time: Some(now()),
            boottime_ns: clock::boottime_ns(),
            payload: Some(payload),
            ..Event::default()
        };
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
        let event_type = event.event_type();
        self.sequencer.number(&mut event, lane);
        // Killed between the two, it is told rather once more than not at all.
        self.tally.numbered(lane, self.sequencer.last(lane));
        self.tally.published.add(event_type);
        self.outgoing.push(&event);
        if self.outgoing.len() >= PUBLISH {
            self.publish();
        }
    }

    /// Hands on what has a number.
    pub fn publish(&mut self) {
        let stats = &self.status.pipeline;
        stats.processes.store(self.enricher.processes() as u64, Ordering::Relaxed);
        stats.redacted.store(self.redactor.replaced(), Ordering::Relaxed);
        self.outgoing.publish();
    }
}
