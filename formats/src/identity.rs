//! Which event it is: the name under which a receiver finds doubles.

use activity_proto::v1::{Event, Lane};
use prost::Message as _;

/// A text that no other event has, and the same event always: sensor, boot, epoch, lane and
/// sequence. What has no sequence, as gaps and silences that the collector found, has a hash
/// of its content instead.
#[must_use]
pub fn identity(event: &Event) -> String {
    let id = event.id.clone().unwrap_or_default();
    let lane = Lane::try_from(id.lane).map_or("", Lane::short_name);
    let of_run = format!("{}/{}/{}/{lane}", id.sensor_id, id.boot_id, id.epoch);
    // Text of a foreign sensor: nothing in it may act on a terminal or end a header.
    let of_run = activity_proto::json::escape_bytes(of_run.as_bytes());
    if id.sequence > 0 {
        format!("{of_run}/{}", id.sequence)
    } else {
        let hash = blake3::hash(&event.encode_to_vec()).to_hex();
        format!("{of_run}/{}", hash.get(..32).unwrap_or_default())
    }
}
