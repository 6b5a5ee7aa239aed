//! Messages that are no messages.

use http_body_util::{BodyExt as _, Full};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tonic::{Code, codegen::Bytes};
use tower::{Service as _, ServiceExt as _};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_four_gibibytes_is_refused_by_its_length() {
    endures("messages of 4 GiB", &[Way::Tls, Way::Plain], async |victim, way| {
        let piece = |number: u64, bytes: &mut Vec<u8>| {
            let (stream, first) = (nth(number / 8), number.is_multiple_of(8));
            if first {
                frame(bytes, HEADERS, END_HEADERS, stream, &call(CHECK));
            }
            let data = if first { message(u32::MAX, &[0; 8000]) } else { vec![0; 8000] };
            frame(bytes, DATA, if number % 8 == 7 { END_STREAM } else { 0 }, stream, &data);
        };
        flood(victim, way, (20_000, 1), piece).await.to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    endures("messages over the limit", &[Way::Tls, Way::Plain], async |victim, way| {
        let mut client = HealthClient::new(victim.client(way).await.unwrap());
        for _ in 0..20 {
            let service = "x".repeat(MOST + 1);
            let refused = client.check(HealthCheckRequest { service }).await.unwrap_err();
            assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
            client.check(HealthCheckRequest::default()).await.unwrap();
        }
        "20 calls".to_owned()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_over_the_limit_are_refused_and_the_connection_goes_on() {
    endures("headers over the limit", &[Way::Tls, Way::Plain], async |victim, way| {
        let mut client = HealthClient::new(victim.client(way).await.unwrap());
        for _ in 0..20 {
            let mut request = tonic::Request::new(HealthCheckRequest::default());
            for number in 0..100 {
                let name = format!("x-{number}").parse::<tonic::metadata::AsciiMetadataKey>().unwrap();
                request.metadata_mut().insert(name, "x".repeat(100).parse().unwrap());
            }
            client.check(request).await.unwrap_err();
            client.check(HealthCheckRequest::default()).await.unwrap();
        }
        "20 calls".to_owned()
    })
    .await;
}

#[test]
fn any_bytes_for_a_message_are_answered_with_a_status() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(endures("malformed messages", &[Way::Plain, Way::Tls], async |victim, way| {
        let channel = victim.client(way).await.unwrap();
        let handle = tokio::runtime::Handle::current();
        // Cases are not async, and this is the thread that they wait on.
        tokio::task::block_in_place(|| {
            let mut runner =
                TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
            let body = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..2000));
            let all = runner.run(&body, |(framed, bytes)| {
                let length = u32::try_from(bytes.len()).unwrap();
                let body = if framed { message(length, &bytes) } else { bytes };
                let status =
                    handle.block_on(async { timeout(SERVED, answer(&mut channel.clone(), body)).await });
                let status = status.map_err(|_| TestCaseError::fail("no answer"))?;
                status.map(|_| ()).map_err(TestCaseError::fail)
            });
            all.unwrap();
        });
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
        "200 messages".to_owned()
    }));
}

/// The status with which a call ends that is made of these bytes.
async fn answer(channel: &mut Channel, body: Vec<u8>) -> Result<String, String> {
    let request = Request::post(CHECK)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(Bytes::from(body))))
        .unwrap();
    let ready = channel.ready().await.map_err(|error| format!("{error:?}"))?;
    let response: Response<Body> = ready.call(request).await.map_err(|error| format!("{error:?}"))?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
    let status = head.headers.get("grpc-status").or(body.trailers().and_then(|all| all.get("grpc-status")));
    let status = status.ok_or_else(|| format!("no status in {head:?}"))?;
    Ok(status.to_str().unwrap().to_owned())
}
