//! What is durable here, and who is to be told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use activity_proto::v1::{ConsumeRequest, Position};
use tokio::sync::mpsc;

use crate::{consume::acknowledgement, store::Cursor};

/// What is durable of each sensor: the last position in each of its lanes.
#[derive(Clone, Debug, Default)]
pub struct Durable(Arc<Mutex<BTreeMap<String, BTreeMap<i32, Position>>>>);

/// Where a batch ends, and the way back to its sensor.
#[derive(Debug)]
pub struct Receipt {
    /// Rises with every connection of this process.
    pub connection: u64,
    pub sensor_id: String,
    pub position: Position,
    pub way_back: mpsc::Sender<ConsumeRequest>,
}

/// Batches that are written and not durable yet, in order.
#[derive(Debug, Default)]
pub struct Pending(VecDeque<(u64, Receipt)>);

impl Durable {
    /// From what a store has.
    pub fn new(cursors: impl IntoIterator<Item = Cursor>) -> Self {
        let durable = Self::default();
        for cursor in cursors {
            let position = Position { lane: cursor.lane, epoch: cursor.epoch, sequence: cursor.last };
            durable.reach(&cursor.sensor_id, position);
        }
        durable
    }

    /// What is durable of a sensor; empty when nothing is.
    pub fn of(&self, sensor_id: &str) -> Vec<Position> {
        let sensors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sensors.get(sensor_id).map(|lanes| lanes.values().copied().collect()).unwrap_or_default()
    }

    fn reach(&self, sensor_id: &str, position: Position) {
        let mut sensors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = sensors.entry(sensor_id.to_owned()).or_default();
        let known = lanes.entry(position.lane).or_insert(position);
        if (known.epoch, known.sequence) < (position.epoch, position.sequence) {
            *known = position;
        }
    }
}

impl Pending {
    /// The append with this number has what the receipt is for.
    pub fn add(&mut self, append: u64, receipt: Receipt) {
        self.0.push_back((append, receipt));
    }

    /// Everything up to this append is durable: tells the sensors. The last position of
    /// a lane says it all.
    pub fn durable(&mut self, append: u64, durable: &Durable) {
        let mut last: BTreeMap<(u64, i32), Receipt> = BTreeMap::new();
        while let Some((_, receipt)) = self.0.pop_front_if(|(written, _)| *written <= append) {
            last.insert((receipt.connection, receipt.position.lane), receipt);
        }
        for receipt in last.into_values() {
            durable.reach(&receipt.sensor_id, receipt.position);
            // Where there is no room the next one says it as well; where nobody
            // listens the sensor asks when it is back.
            let _ = receipt.way_back.try_send(acknowledgement(vec![receipt.position]));
        }
    }
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::consume_request::Request;

    use super::*;

    fn position(lane: i32, epoch: u64, sequence: u64) -> Position {
        Position { lane, epoch, sequence }
    }

    fn cursor(epoch: u64, lane: i32, last: u64) -> Cursor {
        Cursor { sensor_id: "s".into(), boot_id: "b".into(), epoch, lane, last }
    }

    #[test]
    fn a_store_is_asked_from_its_latest_run_on() {
        let durable = Durable::new([cursor(2, 1, 7), cursor(1, 1, 900), cursor(1, 2, 5)]);
        assert_eq!(durable.of("s"), [position(1, 2, 7), position(2, 1, 5)]);
        assert!(durable.of("another").is_empty());
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_durable_and_then_the_last_of_each_lane() {
        let (durable, mut pending) = (Durable::default(), Pending::default());
        let (way_back, mut heard) = mpsc::channel(8);
        for (append, lane, sequence) in [(1, 1, 10), (2, 2, 20), (3, 1, 30), (4, 1, 40)] {
            let (sensor_id, position) = ("s".to_owned(), position(lane, 1, sequence));
            pending.add(append, Receipt { connection: 1, sensor_id, position, way_back: way_back.clone() });
        }
        pending.durable(0, &durable);
        assert!(heard.try_recv().is_err() && durable.of("s").is_empty());
        pending.durable(3, &durable);
        let mut told = Vec::new();
        while let Ok(ConsumeRequest { request: Some(Request::Acknowledge(cursor)) }) = heard.try_recv() {
            told.extend(cursor.positions);
        }
        assert_eq!(told, [position(1, 1, 30), position(2, 1, 20)]);
        assert_eq!(durable.of("s"), told);
    }
}
