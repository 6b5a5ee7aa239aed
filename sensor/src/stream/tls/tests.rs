//! The sensor's own doors, with a service behind them that has nothing to tell.

use std::{path::Path, pin::Pin, time::Duration};

use activity_peers::{
    Connector, Files, Identity, Role,
    issue::{Ca, days},
};
use activity_proto::{
    EncodedEvents, FILE_DESCRIPTOR_SET,
    server::sensor_service_server::SensorService,
    v1::{
        ConsumeRequest, Filter, GetStatusRequest, GetStatusResponse, ListSessionsRequest,
        ListSessionsResponse, RefusalCount, SubscribeRequest, sensor_service_client::SensorServiceClient,
    },
};
use futures::{Stream, stream};
use prost::Message as _;
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, Endpoint},
};

use super::*;
use crate::{
    config::{Config, StreamConfig},
    failure::{Failure, code},
    stream::{ListenError, Listeners, TcpDoor, service::guarded},
};

/// Keeps its streams open, and tells in the status who asked.
struct Quiet;

#[tonic::async_trait]
impl SensorService for Quiet {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<EncodedEvents, Status>> + Send>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Ok(Response::new(Box::pin(stream::pending())))
    }

    type ConsumeStream = crate::stream::consume::Batches;

    async fn consume(
        &self,
        _: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        Ok(Response::new(Box::pin(stream::pending())))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let peer = request.extensions().get::<activity_peers::Peer>();
        let host = peer.map(|peer| peer.identity.to_string()).unwrap_or_default();
        Ok(Response::new(GetStatusResponse { host, ..GetStatusResponse::default() }))
    }

    async fn list_sessions(
        &self,
        _: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        Ok(Response::new(ListSessionsResponse::default()))
    }
}

/// A directory with an authority, a sensor's files and its configuration.
struct Home {
    directory: tempfile::TempDir,
    ca: Ca,
    config: StreamConfig,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
        let own = directory.path().join("own");
        let text = format!(
            "[stream]\nsocket = \"{0}/s.sock\"\ntcp = \"127.0.0.1:0\"\ngroup = \"0\"\n[stream.tls]\n\
             certificate = \"{0}/own/certificate.pem\"\nkey = \"{0}/own/key.pem\"\n\
             authority = \"{0}/own/authority.pem\"\nrevoked = \"{0}/own/revoked.pem\"\n",
            directory.path().display()
        );
        let config = Config::parse(&text, Path::new("config.toml")).unwrap().stream;
        let home = Self { directory, ca, config };
        home.enrol("default/sensor/web-1", &own);
        home
    }

    fn enrol(&self, identity: &str, out: &Path) -> Files {
        let identity: Identity = format!("activity://{identity}").parse().unwrap();
        self.ca.enrol(&identity, days(1)).unwrap().write(out, true).unwrap();
        Files::within(out)
    }

    /// Serves both doors; answers with the port of the one for TCP.
    async fn serve(&self) -> u16 {
        let Listeners { unix, tcp } = Listeners::open(&self.config).await.unwrap();
        let Some(TcpDoor::Tls(door)) = tcp else { panic!("TCP is not encrypted") };
        let port = door.local_addr().unwrap().port();
        tokio::spawn(guarded(Quiet).await.unwrap().serve_with_incoming(door.connections()));
        tokio::spawn(guarded(Quiet).await.unwrap().serve_with_incoming(unix.connections()));
        port
    }

    async fn client(&self, port: u16, identity: &str) -> SensorServiceClient<Channel> {
        let files = self.enrol(identity, &self.directory.path().join("client"));
        let expected = Expected { role: Some(Role::Sensor), ..Expected::default() };
        let connector = Connector::new(Credentials::open(files).unwrap(), expected);
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        SensorServiceClient::new(endpoint.connect_with_connector(connector).await.unwrap())
    }
}

#[tokio::test]
async fn whoever_may_read_may_call_what_reads() {
    let home = Home::new();
    let port = home.serve().await;
    for role in ["collector", "viewer", "admin"] {
        let identity = format!("default/{role}/x");
        let mut client = home.client(port, &identity).await;
        let status = client.get_status(GetStatusRequest::default()).await.unwrap().into_inner();
        assert_eq!(status.host, format!("activity://{identity}"), "the service knows who calls");
        client.list_sessions(ListSessionsRequest::default()).await.unwrap();
        client.subscribe(SubscribeRequest::default()).await.unwrap();
    }
}

#[tokio::test]
async fn another_sensor_may_call_nothing() {
    let home = Home::new();
    let mut client = home.client(home.serve().await, "default/sensor/web-2").await;
    let refused = client.get_status(GetStatusRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let refused = client.subscribe(SubscribeRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let refused = client.list_sessions(ListSessionsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}

#[tokio::test]
async fn the_unix_socket_asks_for_no_certificate() {
    let home = Home::new();
    home.serve().await;
    let address = format!("unix:{}", home.config.socket.display());
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = SensorServiceClient::new(channel);
    client.get_status(GetStatusRequest::default()).await.unwrap();
    client.list_sessions(ListSessionsRequest::default()).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_by_every_service() {
    let home = Home::new();
    home.serve().await;
    let address = format!("unix:{}", home.config.socket.display());
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let service = "x".repeat(70_000);
    let refused = health.check(tonic_health::pb::HealthCheckRequest { service }).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    let filter = Some(Filter { uids: vec![1; 70_000], ..Filter::default() });
    let refused = SensorServiceClient::new(channel).subscribe(SubscribeRequest { filter }).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
}

#[tokio::test]
async fn a_revocation_ends_a_subscription() {
    let home = Home::new();
    let mut client = home.client(home.serve().await, "default/collector/main").await;
    let mut events = client.subscribe(SubscribeRequest::default()).await.unwrap().into_inner();
    home.ca.revoke("main").unwrap();
    std::fs::copy(
        home.directory.path().join("ca/revoked.pem"),
        home.directory.path().join("own/revoked.pem"),
    )
    .unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), events.message()).await;
    let status = ended.expect("the subscription goes on").unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
}

#[tokio::test]
async fn files_of_no_use_are_a_wrong_configuration() {
    let home = Home::new();
    std::fs::remove_file(home.directory.path().join("own/key.pem")).unwrap();
    let error = Listeners::open(&home.config).await.err().unwrap();
    assert!(matches!(error, ListenError::Tls(_)), "{error}");
    let sentence = error.to_string();
    assert!(sentence.starts_with("the key /") && sentence.ends_with("(in [stream.tls])"), "{sentence}");
    assert_eq!(Failure::from(error).exit_code(), code::CONFIG.into());
}

#[tokio::test]
async fn who_was_refused_is_counted_by_reason() {
    let home = Home::new();
    let Some(TcpDoor::Tls(door)) = Listeners::open(&home.config).await.unwrap().tcp else { panic!("no TLS") };
    let (address, refusals) = (door.local_addr().unwrap(), door.refusals());
    tokio::spawn(guarded(Quiet).await.unwrap().serve_with_incoming(door.connections()));
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut client = home.client(address.port(), "default/sensor/web-2").await;
    client.get_status(GetStatusRequest::default()).await.unwrap_err();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let counted = loop {
        let counted = crate::status::peers(&refusals);
        if counted.refused.len() == 2 {
            break counted;
        }
        assert!(tokio::time::Instant::now() < deadline, "{counted:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let refused = |reason: &str| RefusalCount { reason: reason.to_owned(), count: 1 };
    assert_eq!((counted.accepted, counted.retired), (1, 0));
    assert_eq!(counted.refused, [refused("role"), refused("not_tls")]);
}

#[test]
fn every_call_has_its_right() {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let mut calls = 0;
    for file in &files {
        for service in file.service.iter().filter(|service| service.name() == "SensorService") {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                assert!(right_of(&path).is_some(), "{path} is in no list of tls.rs");
                calls += 1;
            }
        }
    }
    assert!(calls >= 3, "{calls}");
    assert_eq!(right_of("/activity.sensor.v1.SensorService/Unknown"), None);
    assert_eq!(right_of(""), None);
}
