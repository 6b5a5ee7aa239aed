//! What happens to connections while they last.

use tokio::io::AsyncReadExt as _;
use tonic::Code;

use super::*;
use crate::{Connection, RETIRED};

#[tokio::test]
async fn a_fresh_certificate_is_used_without_a_restart_and_breaks_nothing_off() {
    let town = Town::new();
    let server = town.enrol("default/sensor/web-1");
    let serving = serve(&server, Limits::default()).await;
    let client = town.enrol("default/collector/main");
    let connector = connector(&client);
    let mut first = serving.reach(&connector).await.unwrap();
    let mut stream = watch(&mut first).await;
    assert_eq!(connector.peer().unwrap().identity, id("default/sensor/web-1"));

    let fresh = town.enrol("default/sensor/web-2");
    replace(&fresh.certificate, &server.certificate);
    replace(&fresh.key, &server.key);
    let deadline = Instant::now() + Duration::from_secs(20);
    while connector.peer().unwrap().identity != id("default/sensor/web-2") {
        assert!(Instant::now() < deadline, "the fresh certificate is not used");
        serving.reach(&connector).await.unwrap();
    }
    // The stream of the first connection goes on.
    let next = tokio::time::timeout(Duration::from_millis(100), stream.message()).await;
    assert!(next.is_err(), "{next:?}");
    first.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(serving.refusals.retired(), 0);
}

#[tokio::test]
async fn wrong_files_leave_the_right_ones_in_use_and_are_told_once() {
    let (log, _guard) = logged();
    let town = Town::new();
    let server = town.enrol("default/sensor/web-1");
    let serving = serve(&server, Limits::default()).await;
    let client = town.enrol("default/collector/main");
    let key = std::fs::read(&server.key).unwrap();
    std::fs::write(&server.key, "no key").unwrap();
    until(|| log.text().contains("key.pem is of no use"), || log.text()).await;
    serving.call(&client).await.unwrap();
    // It is looked at again and again, and told once: others that were looked at as often
    // meanwhile have changed, stayed so and been read.
    let other = town.enrol("default/sensor/web-2");
    let _looked_at = Credentials::open(other.clone()).unwrap();
    let again = || log.text().matches("were read again").count();
    std::fs::write(&other.key, std::fs::read(&other.key).unwrap()).unwrap();
    until(|| again() == 1, || log.text()).await;
    assert_eq!(log.text().matches("of no use").count(), 1, "{}", log.text());
    std::fs::write(&server.key, key).unwrap();
    until(|| again() == 2, || log.text()).await;
    serving.call(&client).await.unwrap();
}

#[tokio::test]
async fn a_revocation_ends_a_connection_that_is_in_use() {
    let (log, _guard) = logged();
    let town = Town::new();
    let server = town.enrol("default/sensor/web-1");
    let serving = serve(&server, Limits::default()).await;
    let (gone, stays) = (town.enrol("default/collector/gone"), town.enrol("default/viewer/stays"));
    let mut client = serving.client(&gone).await.unwrap();
    let stream = watch(&mut client).await;
    let mut other = serving.client(&stays).await.unwrap();
    let other = watch(&mut other).await;

    let began = Instant::now();
    town.revoke("gone", &server);
    let status = end(stream).await;
    println!("a revocation took {:?}", began.elapsed());
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    client.check(HealthCheckRequest::default()).await.unwrap_err();
    let sentence = serving.call(&gone).await.unwrap_err();
    assert!(sentence.contains("revoked"), "{sentence}");
    assert!(log.text().contains("activity://default/collector/gone at 127.0.0.1:"), "{}", log.text());
    assert_eq!(serving.refusals.retired(), 1);
    drop(other);
}

#[tokio::test]
async fn a_client_leaves_a_server_that_was_revoked() {
    let town = Town::new();
    let server = town.enrol("default/sensor/web-1");
    let serving = serve(&server, Limits::default()).await;
    let collector = town.enrol("default/collector/main");
    let mut client = serving.client(&collector).await.unwrap();
    let stream = watch(&mut client).await;
    town.revoke("web-1", &collector);
    end(stream).await;
    let sentence = serving.call(&collector).await.unwrap_err();
    assert_eq!(sentence, "activity://default/sensor/web-1 has a certificate that is revoked");
}

#[tokio::test]
async fn a_certificate_that_expires_ends_its_connection() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let brief = town.enrol_for("default/collector/brief", -60, 3);
    let mut client = serving.client(&brief).await.unwrap();
    let began = Instant::now();
    let status = end(watch(&mut client).await).await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().contains("expired"), "{status}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_list_that_has_expired_lets_nobody_in() {
    let town = Town::new();
    let (server, client) = (town.enrol("default/sensor/web-1"), town.enrol("default/collector/main"));
    town.ca.refresh(Duration::ZERO).unwrap();
    replace(&town.path("ca/revoked.pem"), server.revoked.as_deref().unwrap());
    let credentials = Credentials::open(server.clone()).unwrap();
    let worry = credentials.current().worries().unwrap();
    assert!(worry.contains("revocation list has expired"), "{worry}");
    let serving = serve(&server, Limits::default()).await;
    serving.call(&client).await.unwrap_err();
    serving.refused(Reason::RevocationListExpired, 1).await;
    // A fresh one is enough.
    town.ca.refresh(days(100)).unwrap();
    replace(&town.path("ca/revoked.pem"), server.revoked.as_deref().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while serving.call(&client).await.is_err() {
        assert!(Instant::now() < deadline, "{:?}", serving.counts());
    }
}

#[tokio::test]
async fn the_greatest_age_ends_calls_in_good_order_and_the_client_comes_back() {
    let town = Town::new();
    let limits = Limits { age: Duration::from_millis(500), ..Limits::default() };
    let serving = serve(&town.enrol("default/sensor/web-1"), limits).await;
    let collector = town.enrol("default/collector/main");
    for _ in 0..2 {
        let mut client = serving.client(&collector).await.unwrap();
        let status = end(watch(&mut client).await).await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.metadata().contains_key(RETIRED), "{status:?}");
        // What is called on the old connection is told the same.
        let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert!(status.metadata().contains_key(RETIRED), "{status:?}");
    }
    assert_eq!((serving.refusals.accepted(), serving.refusals.retired()), (2, 2));
    assert_eq!(serving.counts(), vec![]);
}

/// A connection without HTTP/2 on it.
async fn bare(serving: &Serving, files: &Files) -> Connection {
    use tower::Service as _;
    let uri = format!("http://{}", serving.address).parse().unwrap();
    connector(files).call(uri).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_connection_without_a_call_is_ended_and_one_with_a_call_is_not() {
    let town = Town::new();
    let limits = Limits { idle: Duration::from_secs(1), ..Limits::default() };
    let serving = serve(&town.enrol("default/sensor/web-1"), limits).await;
    let collector = town.enrol("default/collector/main");
    let mut client = serving.client(&collector).await.unwrap();
    let mut stream = watch(&mut client).await;
    let mut idle = bare(&serving, &collector).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), idle.read_to_end(&mut Vec::new())).await;
    let _ = ended.expect("the connection goes on");
    assert_eq!(serving.refusals.retired(), 1);
    let next = tokio::time::timeout(Duration::from_millis(100), stream.message()).await;
    assert!(next.is_err(), "{next:?}");

    // Without the call it is ended as well, and the client comes back when it calls again.
    drop(stream);
    until(|| serving.refusals.retired() == 2, || format!("{:?}", serving.counts())).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.check(HealthCheckRequest::default()).await.is_err() {
        assert!(Instant::now() < deadline, "{:?}", serving.counts());
    }
    assert_eq!(serving.counts(), vec![]);
}

#[tokio::test]
async fn a_peer_that_calls_nothing_is_shown_out_as_well() {
    let town = Town::new();
    let limits = Limits { age: Duration::from_millis(100), connections: 1, ..Limits::default() };
    let serving = serve(&town.enrol("default/sensor/web-1"), limits).await;
    let collector = town.enrol("default/collector/main");
    let mut idle = bare(&serving, &collector).await;
    until(|| serving.refusals.accepted() == 1, || format!("{:?}", serving.counts())).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), idle.read_to_end(&mut Vec::new())).await;
    let _ = ended.expect("the connection goes on");
    let deadline = Instant::now() + Duration::from_secs(20);
    while serving.call(&collector).await.is_err() {
        assert!(Instant::now() < deadline, "its place is not free: {:?}", serving.counts());
    }
}
