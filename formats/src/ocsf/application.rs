//! 6002 Application Lifecycle: the sensor about itself.

use activity_proto::v1::{Gap, GapReason, Heartbeat, Lane, Silence, SilenceReason, Status, Tamper};
use prost_types::Timestamp;

use super::{Act, Class, objects::product};
use crate::fields::Fields;

const OTHER: u32 = 99;

fn act(activity: u32, name: &'static str, body: Fields) -> Act {
    Act::new(Class::Application, activity, name, Fields::new().put("app", product()).and(body))
}

pub fn status(status: &Status) -> Act {
    act(OTHER, "Status", Fields::new().put("app", product().text("version", &status.version)))
}

pub fn heartbeat(heartbeat: &Heartbeat) -> Act {
    if heartbeat.stopping { act(4, "Stop", Fields::new()) } else { act(OTHER, "Heartbeat", Fields::new()) }
}

pub fn gap(gap: &Gap) -> Act {
    act(OTHER, "Gap", Fields::new().put("message", gap_message(gap)))
}

pub fn silence(silence: &Silence) -> Act {
    act(OTHER, "Silence", Fields::new().put("message", silence_message(silence)))
}

pub fn tamper(tamper: &Tamper) -> Act {
    act(OTHER, "Tamper", Fields::new().text("message", tamper_message(tamper)))
}

/// What is missing, as a sentence.
pub fn gap_message(gap: &Gap) -> String {
    let lane = Lane::try_from(gap.lane).map_or("", Lane::short_name);
    let reason = GapReason::try_from(gap.reason).map_or("", GapReason::short_name);
    let reason =
        if reason.is_empty() { "for no reason that is known".to_owned() } else { format!("({reason})") };
    if gap.from_sequence <= gap.to_sequence {
        format!("events {} to {} of lane {lane} are missing {reason}", gap.from_sequence, gap.to_sequence)
    } else {
        format!("events before {} of lane {lane} are missing {reason}", gap.to_sequence.saturating_add(1))
    }
}

/// Who is not heard, as a sentence.
pub fn silence_message(silence: &Silence) -> String {
    let reason = SilenceReason::try_from(silence.reason).map_or("", SilenceReason::short_name);
    let seconds = |time: &Option<Timestamp>| time.as_ref().map(|time| time.seconds).unwrap_or_default();
    match &silence.ended {
        None => format!("nothing comes from the sensor ({reason})"),
        Some(_) => {
            let lasted = seconds(&silence.ended).saturating_sub(seconds(&silence.since));
            format!("the sensor is heard again after {lasted} s ({reason})")
        }
    }
}

/// What was touched, as a sentence.
pub fn tamper_message(tamper: &Tamper) -> String {
    format!("{} on the sensor's own object {}", tamper.command, tamper.object_id)
}
