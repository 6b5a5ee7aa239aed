//! Sensors behind mutual TLS.

use activity_peers::{
    Credentials, Door, Expected, Files, Gate, Identity, Limits, Reason, Refusals, Right,
    issue::{Ca, days},
};
use tokio::net::TcpListener;

use super::*;

/// An authority, and a collector and a sensor that it enrolled.
struct Home {
    directory: tempfile::TempDir,
    ca: Ca,
    sensor: Files,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
        let sensor = enrol(&ca, directory.path(), "default/sensor/web-1");
        Self { directory, ca, sensor }
    }

    /// Serves a script; answers with the port and what is counted of peers.
    async fn serve(&self, sequences: &[&[u64]], limits: Limits) -> (u16, Arc<Refusals>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let credentials = Credentials::open(self.sensor.clone()).unwrap();
        let door = Door::new(listener, credentials, Expected::default(), limits);
        let refusals = door.refusals();
        let read = Gate::new(|_| Some(Right::Read));
        let server = Server::builder().layer(read).add_service(script(sequences));
        tokio::spawn(server.serve_with_incoming(door.connections()));
        (port, refusals)
    }

    fn tenant(&self, address: &str, files: Files) -> Tenant {
        let sensors = vec![address.parse().unwrap()];
        Tenant { sensors, tls: Some(files), ..tenant(self.directory.path()) }
    }
}

pub(super) fn enrol(ca: &Ca, directory: &Path, identity: &str) -> Files {
    let out = directory.join(identity.replace('/', "-"));
    let identity: Identity = format!("activity://{identity}").parse().unwrap();
    ca.enrol(&identity, days(1)).unwrap().write(&out, true).unwrap();
    Files::within(&out)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sensor_sends_over_mutual_tls_is_stored_and_it_may_be_called_by_its_name() {
    let home = Home::new();
    let collector = enrol(&home.ca, home.directory.path(), "default/collector/main");
    let (port, refusals) = home.serve(&[&[1, 2], &[3]], Limits::default()).await;
    let tenant = home.tenant(&format!("web-1@localhost:{port}"), collector);
    run_until_stored(&tenant, &["1", "2", "3"]).await;
    assert_eq!((refusals.accepted(), refusals.by_reason().count()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_comes_back_after_the_greatest_age_of_a_connection() {
    let home = Home::new();
    let collector = enrol(&home.ca, home.directory.path(), "default/collector/main");
    let limits = Limits { age: Duration::from_millis(300), ..Limits::default() };
    // The stream does not end by itself.
    let (port, refusals) = home.serve(&[&[1]], limits).await;
    let tenant = home.tenant(&format!("127.0.0.1:{port}"), collector);
    let back = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while refusals.retired() == 0 || refusals.accepted() < 2 {
            assert!(Instant::now() < deadline, "accepted {}", refusals.accepted());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    run_until(&Config { tenants: vec![tenant.clone()] }, back).await.unwrap();
    assert_eq!(stored(&tenant.store).await, ["1"]);
    assert_eq!(refusals.by_reason().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_revoked_certificate_stores_nothing_until_it_has_another() {
    let home = Home::new();
    let collector = enrol(&home.ca, home.directory.path(), "default/collector/main");
    home.ca.revoke("main").unwrap();
    std::fs::copy(home.directory.path().join("ca/revoked.pem"), home.sensor.revoked.as_ref().unwrap())
        .unwrap();
    let (port, refusals) = home.serve(&[&[1]], Limits::default()).await;
    let tenant = home.tenant(&format!("127.0.0.1:{port}"), collector);
    let mend = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while refusals.refused(Reason::Revoked) == 0 {
            assert!(Instant::now() < deadline, "it is not refused");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(stored(&tenant.store).await, [""; 0]);
        enrol(&home.ca, home.directory.path(), "default/collector/main");
    };
    tokio::join!(mend, run_until_stored(&tenant, &["1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_no_use_end_the_collector_with_a_wrong_configuration() {
    let home = Home::new();
    let nothing = Files { key: "/nowhere/key.pem".into(), ..home.sensor.clone() };
    let config = Config { tenants: vec![home.tenant("127.0.0.1:1", nothing)] };
    let failure = run_until(&config, async {}).await.unwrap_err();
    assert!(failure.code == 78 && failure.to_string().starts_with("the key /nowhere"), "{failure}");
}
