//! Whether the sensor is at work.

use activity_proto::{
    json::escape_bytes,
    v1::{Heartbeat, Silence, SilenceReason},
};

/// That it is, and whether all that it saw is accounted for.
pub fn heartbeat(heartbeat: &Heartbeat) -> String {
    let total = |term: fn(&activity_proto::v1::TypeTerms) -> u64| heartbeat.total(term);
    let hits = total(|terms| terms.hits);
    let left_out = total(|terms| terms.kernel_filtered).wrapping_add(total(|terms| terms.filtered));
    let lost = [
        total(|terms| terms.ring_full),
        total(|terms| terms.unreadable),
        total(|terms| terms.rejected),
        total(|terms| terms.shed),
    ];
    let lost = lost.into_iter().fold(0, u64::wrapping_add);
    let end = if heartbeat.stopping { "; it ends now" } else { "" };
    format!(
        "heartbeat: up {} s, {hits} acts seen, {left_out} left out, {lost} lost, {} sent, {} under way{end}",
        heartbeat.uptime_ns / 1_000_000_000,
        total(|terms| terms.published),
        i128::from(heartbeat.in_flight) + i128::from(heartbeat.conservation_error()),
    )
}

/// That nothing comes from it, and why.
pub fn silence(silence: &Silence) -> String {
    let address = escape_bytes(silence.address.as_bytes());
    if silence.ended.is_some() {
        return format!("the sensor at {address} is back");
    }
    let why = match silence.reason() {
        SilenceReason::Disconnected => "the connection is gone",
        SilenceReason::NoHeartbeat => "it is connected and sends nothing",
        SilenceReason::Stopped => "it was ended",
        SilenceReason::NeverReached => "it has never been reached",
        SilenceReason::Unspecified => "reason unknown",
    };
    format!("SILENCE: the sensor at {address}: {why}")
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::TypeTerms;

    use super::*;

    #[test]
    fn a_heartbeat_says_whether_anything_is_missing() {
        let terms = TypeTerms {
            hits: 20,
            kernel_filtered: 3,
            ring_full: 1,
            recorded: 16,
            rejected: 2,
            filtered: 4,
            published: 6,
            ..TypeTerms::default()
        };
        let told =
            Heartbeat { uptime_ns: 5_999_999_999, types: vec![terms], in_flight: 1, ..Heartbeat::default() };
        let line = "heartbeat: up 5 s, 20 acts seen, 7 left out, 3 lost, 6 sent, 4 under way";
        assert_eq!(heartbeat(&told), line);
        let last = Heartbeat { stopping: true, ..told };
        assert_eq!(heartbeat(&last), format!("{line}; it ends now"));
    }

    #[test]
    fn a_silence_says_of_whom_and_why() {
        let mut told = Silence { address: "unix:/a\x1b".into(), ..Silence::default() };
        told.set_reason(SilenceReason::Stopped);
        assert_eq!(silence(&told), "SILENCE: the sensor at unix:/a\\x1b: it was ended");
        told.ended = Some(prost_types::Timestamp::default());
        assert_eq!(silence(&told), "the sensor at unix:/a\\x1b is back");
    }
}
