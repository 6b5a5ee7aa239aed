//! Which policy a running daemon follows, and what it leaves out.

use activity_proto::v1::{GetStatusRequest, GetStatusResponse, sensor_service_client::SensorServiceClient};
use jiff::{Timestamp, tz::TimeZone};

use super::doctor::Finding;
use crate::{client::connect, config::StreamConfig};

const NAME: &str = "policy";

/// What a daemon says of its policy; `None` where none answers.
pub fn of_daemon(stream: &StreamConfig) -> Option<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let status = runtime.block_on(async {
        let mut client = SensorServiceClient::new(connect(stream).await.ok()?);
        client.get_status(GetStatusRequest {}).await.ok()
    })?;
    Some(finding(&status.into_inner()))
}

fn finding(answer: &GetStatusResponse) -> Finding {
    let status = answer.status.clone().unwrap_or_default();
    if !status.policy_error.is_empty() {
        let says = format!("the daemon keeps to the one before: {}", status.policy_error);
        return Finding::weak(NAME, says, "mend the configuration file; it is read again by itself");
    }
    if status.records_all {
        return Finding::good(NAME, "none: the daemon was started with --all");
    }
    let since = status.policy_since.and_then(|since| Timestamp::new(since.seconds, since.nanos).ok());
    let since = since.map_or_else(String::new, |since| {
        format!(" since {}", since.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S"))
    });
    Finding::good(NAME, format!("{} in force{since}; left out: {}", status.policy_version, left_out(answer)))
}

/// What was left out since the start, the most first.
fn left_out(answer: &GetStatusResponse) -> String {
    let mut counts = answer.pipeline.clone().unwrap_or_default().filtered_by;
    counts.retain(|count| count.count > 0);
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    let words: Vec<_> = counts.iter().map(|count| format!("{} {}", count.reason, count.count)).collect();
    if words.is_empty() { "nothing yet".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::{PipelineCounters, PolicyCount, Status};

    use super::*;

    fn answer(policy_error: &str, counts: &[(&str, u64)]) -> GetStatusResponse {
        let count = |(reason, count): &(&str, u64)| PolicyCount { reason: (*reason).into(), count: *count };
        let filtered_by = counts.iter().map(count).collect();
        GetStatusResponse {
            status: Some(Status {
                policy_version: "3f0a".into(),
                policy_error: policy_error.into(),
                ..Status::default()
            }),
            pipeline: Some(PipelineCounters { filtered_by, ..PipelineCounters::default() }),
            ..GetStatusResponse::default()
        }
    }

    #[test]
    fn what_is_left_out_is_told_by_reason() {
        let found = finding(&answer("", &[("exe", 0), ("missing", 5), ("backup", 70)]));
        assert_eq!(found.says, "3f0a in force; left out: backup 70, missing 5");
        assert!(finding(&answer("", &[])).says.ends_with("nothing yet"));
    }

    #[test]
    fn a_file_that_is_not_in_force_is_told_with_its_error() {
        let found = finding(&answer("c.toml:2: wrong", &[]));
        assert!(found.mend.is_some() && found.says.contains("c.toml:2: wrong"), "{found:?}");
    }
}
