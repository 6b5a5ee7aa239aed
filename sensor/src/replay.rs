//! `activity-sensor replay`: brings a recording to collectors again and again, as a sensor
//! would and without the kernel, to see how much a collector takes.

use std::{
    collections::VecDeque,
    fs,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use activity_proto::v1::{DeliverHello, Event, Gap, Lane, event::Payload};
use prost_types::Timestamp;
use serde::Serialize;
use tokio::runtime::Builder;

use crate::{
    cli::ReplayArgs,
    clock,
    config::Config,
    decode::{Decoder, redact::Redactor},
    enrich::Enricher,
    failure::{Failure, say},
    pipeline::Outlets,
    run::{origin, outlets},
    sequence::{Sequencer, lane_of},
    source::recording::records,
    spool::{LANES, PerLane, Spool},
    state::State,
    stream::{ListenError, Outgoing, Push},
};

/// How often events are made, and acknowledgements looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long the last acknowledgements are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    events: u64,
    acknowledged: u64,
    /// From an event to its acknowledgement, milliseconds.
    median_ms: u64,
    p99_ms: u64,
    longest_ms: u64,
}

/// Runs to the end, and prints what became of it as one object of JSON.
///
/// # Errors
/// When something that is needed is missing or wrong.
pub fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    if config.stream.push.is_empty() {
        return Err(Failure::config(
            "there is no collector to replay to; name one in `stream.push`, as \"unix:PATH\" or \"NAME@HOST:PORT\"",
        ));
    }
    crate::log::start(config.log.level.as_str());
    let recorded = fs::read(&args.recording).map_err(|error| {
        let recording = args.recording.display();
        Failure::unavailable(format!(
            "{recording} cannot be read ({error}); `activity-sensor run --record FILE` makes a recording"
        ))
    })?;
    let state = State::open(&args.state)?;
    let events = events_of(&recorded, &config, &state.boot_id)?;
    let hello = DeliverHello { sensor_id: state.sensor_id.clone(), host: origin(&config, &state).host };
    let Outlets { hub, spool, unclean } = outlets(&config, &args.state, &state)?;
    let Some(spool) = spool else { return Err(Failure::config("replay needs the spool; switch it on")) };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::unavailable)?;
    // Certificates are looked after by a task.
    let _within = runtime.enter();
    let push = Push::new(&config.stream, hello, Some(&spool)).map_err(ListenError::Tls)?;
    let writer = spool.start().map_err(Failure::unavailable)?;
    let told = runtime.block_on(async {
        if let Some(push) = push {
            tokio::spawn(push.run());
        }
        let outgoing = Outgoing::new(hub, Some(Arc::clone(&spool)));
        let mut replay = Replay {
            spool: Arc::clone(&spool),
            outgoing,
            numbers: Sequencer::default(),
            waiting: PerLane::default(),
            delays: Vec::new(),
        };
        replay.tell(unclean);
        replay.at_rate(&events, args.rate.into(), Duration::from_secs(args.seconds.into())).await;
        replay.finish().await
    });
    spool.close();
    let _ = writer.join();
    say(serde_json::to_string(&told).map_err(Failure::unavailable)?)
}

/// What a recording tells of, as of a machine of which nothing else is known.
fn events_of(recorded: &[u8], config: &Config, boot_id: &str) -> Result<Vec<Event>, Failure> {
    let redactor = Redactor::new(&config.redaction).map_err(Failure::config)?;
    let decoder = Decoder::new(boot_id, Arc::new(redactor));
    let mut enricher = Enricher::knowing_nothing();
    let mut events = Vec::new();
    for record in records(recorded) {
        let Ok(decoded) = decoder.decode(record, clock::wall_offset_ns()) else { continue };
        if let Some(mut event) = enricher.event_of(decoded) {
            enricher.enrich(&mut event);
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(Failure::config("no event is in the recording; is it one of this version's?"));
    }
    Ok(events)
}

/// Events under way.
struct Replay {
    spool: Arc<Spool>,
    outgoing: Outgoing,
    numbers: Sequencer,
    /// Numbers that are not acknowledged, and since when they were told.
    waiting: PerLane<VecDeque<(u64, Instant)>>,
    delays: Vec<Duration>,
}

impl Replay {
    fn tell(&mut self, gaps: Vec<Gap>) {
        for gap in gaps {
            let lane = gap.lane();
            self.send(Event { payload: Some(Payload::Gap(gap)), ..Event::default() }, lane);
        }
        self.outgoing.publish();
    }

    /// So many events in a second, for so long.
    async fn at_rate(&mut self, events: &[Event], rate: u64, length: Duration) {
        let (begun, mut sent) = (Instant::now(), 0);
        let mut next = events.iter().cycle();
        let mut ticks = tokio::time::interval(TICK);
        while begun.elapsed() < length {
            ticks.tick().await;
            let due =
                u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(rate) / 1000;
            for event in next.by_ref().take(usize::try_from(due - sent).unwrap_or(0)) {
                self.send(event.clone(), lane_of(event.event_type()));
            }
            sent = due;
            self.outgoing.publish();
            self.hear();
        }
    }

    fn send(&mut self, mut event: Event, lane: Lane) {
        let now = SystemTime::now();
        event.time = Some(Timestamp::from(now));
        event.boottime_ns = clock::boottime_ns();
        self.numbers.number(&mut event, lane);
        self.waiting.of_mut(lane).push_back((self.numbers.last(lane), Instant::now()));
        self.outgoing.push(&event);
    }

    /// Takes note of what is acknowledged, by whichever collector.
    fn hear(&mut self) {
        let now = Instant::now();
        for consumer in self.spool.status().consumers {
            for position in consumer.acknowledged.map(|cursor| cursor.positions).unwrap_or_default() {
                let is_there = |(number, _): &mut (u64, Instant)| *number <= position.sequence;
                let waiting = self.waiting.of_mut(position.lane());
                while let Some((_, since)) = waiting.pop_front_if(is_there) {
                    self.delays.push(now - since);
                }
            }
        }
    }

    /// Waits for what is not acknowledged.
    async fn finish(mut self) -> Told {
        let begun = Instant::now();
        let is_waiting = |replay: &Self| LANES.iter().any(|lane| !replay.waiting.of(*lane).is_empty());
        while is_waiting(&self) && begun.elapsed() < PATIENCE {
            tokio::time::sleep(TICK).await;
            self.hear();
        }
        self.delays.sort_unstable();
        let at = |percent: usize| {
            let index = (self.delays.len() * percent / 100).min(self.delays.len().saturating_sub(1));
            let delay = self.delays.get(index).copied().unwrap_or_default();
            u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
        };
        Told {
            events: LANES.iter().map(|lane| self.numbers.last(*lane)).sum(),
            acknowledged: self.delays.len() as u64,
            median_ms: at(50),
            p99_ms: at(99),
            longest_ms: at(100),
        }
    }
}
