//! Sensors that dial out, over a unix socket and with mutual TLS, of two tenants.

use std::collections::BTreeMap;

use activity_peers::{Connector, Credentials, Expected, issue::Ca};
use activity_proto::{
    Delivered, EncodedDelivery,
    v1::{
        ConsumeStart, DeliverHello, DeliverRequest, Position,
        collector_service_client::CollectorServiceClient, consume_request::Request as Ask,
        consume_start::From as Start,
    },
};
use prost::Message as _;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use super::{tls::enrol, *};

/// A collector at work, until this is dropped.
struct Running {
    stop: watch::Sender<bool>,
    work: JoinHandle<Result<(), Failure>>,
    port: Option<u16>,
}

impl Running {
    async fn start(tenant: &Tenant) -> Self {
        let work = Work::open(tenant).await.unwrap();
        let port = work.entrance.as_ref().unwrap().port();
        let (stop, stopped) = watch::channel(false);
        Self { stop, work: tokio::spawn(work.run(stopped)), port }
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.work.await.unwrap().unwrap();
    }
}

/// A sensor's side of one connection.
struct Dialled {
    requests: mpsc::Sender<DeliverRequest>,
    asks: Streaming<ConsumeRequest>,
}

impl Dialled {
    async fn new(channel: Channel, sensor_id: &str) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let hello = DeliverHello { sensor_id: sensor_id.into(), host: "web-1".into() };
        requests.send(wire(Delivered::Hello(hello))).await.unwrap();
        let mut client = CollectorServiceClient::new(channel);
        let asks = client.deliver(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { requests, asks })
    }

    async fn start(&mut self) -> ConsumeStart {
        match self.asks.message().await.unwrap().unwrap().request.unwrap() {
            Ask::Start(start) => start,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, sequences: std::ops::RangeInclusive<u64>, sensor_id: &str) {
        let position = position(*sequences.end());
        let mut body = Vec::new();
        for sequence in sequences {
            let mut event = event(sequence);
            event.id.as_mut().unwrap().sensor_id = sensor_id.into();
            EncodedEvents::append(&mut body, &[], &event);
        }
        let events = EncodedEvents::from_bytes(body.into());
        self.requests.send(wire(Delivered::Batch(EncodedBatch { events, position }))).await.unwrap();
    }

    /// Waits until everything up to here is acknowledged.
    async fn acknowledged(&mut self, sequence: u64) {
        loop {
            let Ask::Acknowledge(cursor) = self.asks.message().await.unwrap().unwrap().request.unwrap()
            else {
                panic!("no acknowledgement")
            };
            if cursor.positions.contains(&position(sequence)) {
                return;
            }
        }
    }
}

fn position(sequence: u64) -> Position {
    Position { lane: Lane::File.into(), epoch: 1, sequence }
}

fn wire(delivered: Delivered) -> DeliverRequest {
    DeliverRequest::decode(EncodedDelivery::from(delivered).encode_to_vec().as_slice()).unwrap()
}

fn listening(directory: &Path) -> Tenant {
    let socket = directory.join("collector.sock").to_str().unwrap().into();
    Tenant { sensors: Vec::new(), listen: Some(Address::Unix(socket)), ..tenant(directory) }
}

async fn over_unix(tenant: &Tenant) -> Channel {
    let address = tenant.listen.as_ref().unwrap().uri();
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_stored_and_a_restart_of_either_side_goes_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let tenant = listening(directory.path());
    let running = Running::start(&tenant).await;
    let mut sensor = Dialled::new(over_unix(&tenant).await, "s").await.unwrap();
    let start = sensor.start().await;
    assert_eq!(start.from, None, "the sensor knows better where it begins");
    sensor.send(1..=3, "s").await;
    sensor.acknowledged(3).await;
    assert_eq!(stored(&tenant.store).await, ["1", "2", "3"]);
    sensor.send(4..=4, "s").await;
    sensor.acknowledged(4).await;
    drop(sensor);
    running.end().await;
    assert!(!directory.path().join("collector.sock").exists());

    let running = Running::start(&tenant).await;
    let mut sensor = Dialled::new(over_unix(&tenant).await, "s").await.unwrap();
    let Some(Start::Cursor(cursor)) = sensor.start().await.from else { panic!("no cursor") };
    assert_eq!(cursor.positions, [position(4)]);
    // It has not heard the last acknowledgement.
    sensor.send(3..=6, "s").await;
    sensor.acknowledged(6).await;
    assert_eq!(stored(&tenant.store).await, ["1", "2", "3", "4", "5", "6"]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_goes_on_does_not_hold_up_the_end_of_the_collector() {
    let directory = tempfile::tempdir().unwrap();
    let tenant = listening(directory.path());
    let running = Running::start(&tenant).await;
    let mut sensor = Dialled::new(over_unix(&tenant).await, "s").await.unwrap();
    sensor.start().await;
    let began = Instant::now();
    running.end().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_it_is_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let tenant = listening(directory.path());
    let running = Running::start(&tenant).await;
    for sensor_id in ["", "a\u{1b}b", &"x".repeat(65)] {
        let refused = Dialled::new(over_unix(&tenant).await, sensor_id).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{sensor_id:?}");
    }
    let mut client = CollectorServiceClient::new(over_unix(&tenant).await);
    let batch = wire(Delivered::Batch(EncodedBatch::default()));
    let refused = client.deliver(tokio_stream::once(batch)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    running.end().await;
}

/// Two tenants in one collector, whose certificates one authority signs.
struct Two {
    directory: tempfile::TempDir,
    ca: Ca,
    tenants: BTreeMap<&'static str, (Tenant, Running)>,
}

impl Two {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
        let mut tenants = BTreeMap::new();
        for name in ["acme", "zenith"] {
            let tenant = Tenant {
                name: Some(name.parse().unwrap()),
                listen: Some("127.0.0.1:0".parse().unwrap()),
                tls: Some(enrol(&ca, directory.path(), &format!("{name}/collector/main"))),
                sensors: Vec::new(),
                store: Layout::new(directory.path().join(name).to_str().unwrap()).unwrap(),
                ..tenant(directory.path())
            };
            let running = Running::start(&tenant).await;
            tenants.insert(name, (tenant, running));
        }
        Self { directory, ca, tenants }
    }

    /// Somebody with a certificate of this identity, at the door of a tenant.
    async fn at(&self, door: &str, identity: &str) -> Result<Channel, String> {
        let files = enrol(&self.ca, self.directory.path(), identity);
        // Whoever wants to get in does not care whose door it is.
        let tenant = Some(door.parse().unwrap());
        let expected = Expected { tenant, ..Expected::default() };
        let connector = Connector::new(Credentials::open(files).unwrap(), expected);
        let port = self.tenants[door].1.port.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        endpoint.connect_with_connector(connector).await.map_err(|error| activity_peers::reason(&error))
    }

    async fn deliver(&self, door: &str, identity: &str, sensor_id: &str) -> Result<Dialled, String> {
        let channel = self.at(door, identity).await?;
        let dialled = Dialled::new(channel, sensor_id).await;
        dialled.map_err(|status| activity_peers::status_reason(&status))
    }

    fn store(&self, tenant: &str) -> &Layout {
        &self.tenants[tenant].0.store
    }

    async fn end(self) {
        for (_, running) in self.tenants.into_values() {
            running.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tenant_reaches_another() {
    let two = Two::new().await;
    for (door, identity, is_let_in) in [
        ("acme", "acme/sensor/web-1", true),
        ("acme", "zenith/sensor/web-1", false),
        ("zenith", "acme/sensor/web-1", false),
        ("zenith", "zenith/sensor/web-1", true),
        ("acme", "acme/collector/main", false),
        ("acme", "acme/viewer/x", false),
        ("acme", "acme/admin/x", false),
        ("acme", "zenith/collector/main", false),
        ("acme", "zenith/viewer/x", false),
        ("acme", "zenith/admin/x", false),
    ] {
        // Ids that both tenants have: nothing of one is known to the other.
        match two.deliver(door, identity, "s").await {
            Ok(mut dialled) => {
                assert!(is_let_in, "{identity} at the door of {door}");
                let start = dialled.start().await;
                assert_eq!(start.from, None, "{identity}: what another tenant's sensor brought is not here");
                dialled.send(1..=2, "s").await;
                dialled.acknowledged(2).await;
            }
            Err(reason) => assert!(!is_let_in, "{identity} at the door of {door}: {reason}"),
        }
    }
    for tenant in ["acme", "zenith"] {
        assert_eq!(stored(two.store(tenant)).await, ["1", "2"], "{tenant}");
    }
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sensor_delivers_in_the_place_of_another() {
    let two = Two::new().await;
    let mut first = two.deliver("acme", "acme/sensor/web-1", "s").await.unwrap();
    first.start().await;
    let refused = two.deliver("acme", "acme/sensor/web-2", "s").await.err().unwrap();
    assert!(refused.contains("web-1"), "{refused}");
    // With an id of its own, but with events that are said to be the other's.
    let mut second = two.deliver("acme", "acme/sensor/web-2", "t").await.unwrap();
    second.start().await;
    second.send(1..=5, "s").await;
    second.send(6..=7, "t").await;
    second.acknowledged(7).await;
    first.send(1..=1, "s").await;
    first.acknowledged(1).await;
    assert_eq!(stored(two.store("acme")).await, ["1", "6", "7"]);
    two.end().await;
}
