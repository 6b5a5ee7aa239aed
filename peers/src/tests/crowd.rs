//! How much of a server peers may take.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::*;

fn impatient() -> Limits {
    Limits {
        handshake_time: Duration::from_millis(600),
        handshakes: 4,
        handshakes_per_address: 4,
        ..Limits::default()
    }
}

#[tokio::test]
async fn half_open_peers_hold_a_place_for_the_time_of_a_handshake_only() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), impatient()).await;
    let viewer = town.enrol("default/viewer/x");
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(TcpStream::connect(serving.address).await.unwrap());
    }
    // Four have the places; the fifth is turned away at once.
    serving.refused(Reason::Busy, 1).await;
    serving.refused(Reason::Timeout, 4).await;
    serving.call(&viewer).await.unwrap();
    assert_eq!(serving.counts(), vec![(Reason::Timeout, 4), (Reason::Busy, 1)]);
}

#[tokio::test]
async fn whoever_sends_byte_by_byte_gets_no_more_time() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), impatient()).await;
    let viewer = town.enrol("default/viewer/x");
    let began = Instant::now();
    let mut drips = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        drips.spawn(async move {
            // The head of a TLS record that announces a ClientHello of 16 KiB.
            let head = [0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
            for byte in head.into_iter().chain(std::iter::repeat(0)) {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    serving.refused(Reason::Timeout, 4).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    serving.call(&viewer).await.unwrap();
    while let Some(ended) = drips.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn connections_are_limited_by_address_and_their_places_come_back() {
    let town = Town::new();
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let serving = serve(&town.enrol("default/sensor/web-1"), limits).await;
    let viewer = town.enrol("default/viewer/x");
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = serving.client(&viewer).await.unwrap();
        client.check(HealthCheckRequest::default()).await.unwrap();
        clients.push(client);
    }
    serving.call(&viewer).await.unwrap_err();
    serving.refused(Reason::BusyAddress, 1).await;
    clients.clear();
    let deadline = Instant::now() + Duration::from_secs(20);
    while serving.call(&viewer).await.is_err() {
        assert!(Instant::now() < deadline, "{:?}", serving.counts());
    }
}

#[tokio::test]
async fn handshakes_go_on_side_by_side() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let _silent = TcpStream::connect(serving.address).await.unwrap();
    let began = Instant::now();
    serving.call(&town.enrol("default/viewer/x")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_port_is_free_once_nobody_serves_any_more() {
    let town = Town::new();
    let files = town.enrol("default/sensor/web-1");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let credentials = Credentials::open(files).unwrap();
    drop(Door::new(listener, credentials, Expected::default(), Limits::default()).connections());
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpListener::bind(address).await.is_err() {
        assert!(Instant::now() < deadline, "still taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
