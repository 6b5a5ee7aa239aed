//! Random histories on a disk that loses what was not made durable.

use fastrand::Rng;

use super::*;

/// What the consumer knows: places it acknowledged, and numbers it was told of.
#[derive(Default)]
struct Consumer {
    acknowledged: PerLane<Place>,
    /// By lane, run and number: how often it came, as an event or in a gap.
    told: std::collections::BTreeMap<(i32, u64, u64), u32>,
}

impl Consumer {
    /// Reads some batches, and acknowledges some of those.
    fn read(&mut self, rig: &Rig, rng: &mut Rng) {
        let (connection, _) = rig.spool.come("model", String::new()).unwrap();
        for lane in LANES {
            let mut reader = Reader::new(Arc::clone(&rig.spool), lane, *self.acknowledged.of(lane));
            for _ in 0..rng.usize(0..20) {
                let Some(chunk) = reader.next().unwrap() else { break };
                let end = chunk.place;
                // Not acknowledged, so it comes again; or it was lost on the way.
                if rng.u8(0..10) == 0 {
                    break;
                }
                for one in seen(chunk) {
                    self.note(lane, &one);
                }
                *self.acknowledged.of_mut(lane) = end;
                rig.spool.acknowledge("model", connection, lane, end);
            }
        }
    }

    fn note(&mut self, lane: Lane, one: &Seen) {
        let (epoch, numbers) = match one {
            Seen::Event { epoch, sequence } => (*epoch, *sequence..=*sequence),
            Seen::Gap { epoch, from, to, .. } => (*epoch, *from..=*to),
        };
        for number in numbers {
            *self.told.entry((lane.into(), epoch, number)).or_default() += 1;
        }
    }
}

/// What a run offered, by lane, and what of it was durable at least.
#[derive(Default)]
struct Run {
    offered: PerLane<u64>,
    durable: PerLane<u64>,
}

fn history(seed: u64, with_power_loss: bool) {
    let mut rng = Rng::with_seed(seed);
    let mut rig = Rig::new(Settings { sync: Duration::from_secs(3600), ..settings() });
    let (mut consumer, mut runs, mut run) = (Consumer::default(), Vec::new(), Run::default());
    for _ in 0..rng.usize(20..80) {
        match rng.u8(0..12) {
            0..6 => {
                let lane = LANES[rng.usize(0..2)];
                let first = run.offered.of(lane) + 1;
                let last = first + rng.u64(0..40);
                rig.write(lane, first..=last);
                *run.offered.of_mut(lane) = last;
            }
            6..9 => consumer.read(&rig, &mut rng),
            9 => {
                rig.writer.sync().unwrap();
                run.durable = run.offered;
            }
            _ => {
                let clean = rng.bool();
                let epoch = rig.epoch;
                let disk = if clean {
                    run.durable = run.offered;
                    rig.end()
                } else if with_power_loss && rng.bool() {
                    rig.disk.after_power_loss(&mut rng)
                } else {
                    run.durable = run.offered;
                    rig.disk.after_kill()
                };
                runs.push((epoch, std::mem::take(&mut run)));
                rig = Rig::open(disk, settings(), epoch + 1);
            }
        }
    }
    let epoch = rig.epoch;
    rig.writer.sync().unwrap();
    run.durable = run.offered;
    runs.push((epoch, run));
    // To the end, with nothing lost on the way.
    for lane in LANES {
        for one in rig.read(lane, *consumer.acknowledged.of(lane)) {
            consumer.note(lane, &one);
        }
        for (epoch, run) in &runs {
            for number in 1..=*run.durable.of(lane) {
                let times = consumer.told.get(&(lane.into(), *epoch, number)).copied().unwrap_or(0);
                assert_eq!(times, 1, "seed {seed}: {lane:?} event {number} of run {epoch}");
            }
            let beyond = (lane.into(), *epoch, run.offered.of(lane) + 1);
            assert_eq!(consumer.told.get(&beyond), None, "seed {seed}: an event that never was");
        }
    }
}

#[test]
fn in_any_history_with_kills_each_event_is_told_exactly_once() {
    (0..400).for_each(|seed| history(seed, false));
}

#[test]
fn in_any_history_with_losses_of_power_nothing_durable_is_lost() {
    (0..400).for_each(|seed| history(seed, true));
}
