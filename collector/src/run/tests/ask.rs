//! Other programs ask: over a unix socket, and over mutual TLS.

use std::collections::HashMap;

use activity_peers::issue::Ca;
use activity_proto::v1::{QueryForm, QueryRequest, QuerySummary, query_service_client::QueryServiceClient};
use datafusion::arrow::ipc::reader::StreamReader;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{tls::enrol, *};
use crate::{
    query::Limits,
    state::{Rules, State, Viewer},
};

/// What a caller gets.
type Got = Result<(Vec<u8>, QuerySummary), Status>;

async fn ask(client: &mut QueryServiceClient<Channel>, request: QueryRequest) -> Got {
    let mut answer = client.query(request).await?.into_inner();
    let (mut data, mut summary) = (Vec::new(), None);
    while let Some(message) = answer.message().await? {
        data.extend_from_slice(&message.data);
        summary = message.summary.or(summary);
    }
    Ok((data, summary.expect("an answer that is complete says so")))
}

fn sql(text: &str) -> QueryRequest {
    QueryRequest {
        sql: text.into(),
        purpose: "a test".into(),
        form: QueryForm::JsonLines.into(),
        ..Default::default()
    }
}

/// Runs a collector while somebody asks it at its socket.
async fn asking<Asked>(
    limits: Limits,
    rules: Rules,
    ask: impl AsyncFnOnce(QueryServiceClient<Channel>, Layout) -> Asked,
) {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", directory.path().join("query.sock").display());
    let tenant = Tenant { answers: Some(socket.parse().unwrap()), limits, rules, ..tenant(directory.path()) };
    let work = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        let channel = loop {
            match Endpoint::from_shared(socket.clone()).unwrap().connect().await {
                Ok(channel) => break channel,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        ask(QueryServiceClient::new(channel), tenant.store.clone()).await;
    };
    run_until(&Config { tenants: vec![tenant.clone()] }, work).await.unwrap();
}

/// The log of viewers, when the last look has its end in it.
async fn viewers(store: &Layout, looks: usize) -> Vec<Viewer> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let viewers = State::read(store).unwrap().unwrap().viewers(jiff::Timestamp::UNIX_EPOCH).unwrap();
        if viewers.len() == looks && viewers.iter().all(|viewer| viewer.outcome.is_some()) {
            return viewers;
        }
        assert!(Instant::now() < deadline, "{viewers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_learns_how_from_the_collector_itself() {
    asking(Limits::default(), Rules::default(), async |_, store| {
        let socket = store.root().with_file_name("query.sock");
        let channel =
            Endpoint::from_shared(format!("unix:{}", socket.display())).unwrap().connect().await.unwrap();
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
        let service = "activity.sensor.v1.QueryService".to_owned();
        let request = tonic_health::pb::HealthCheckRequest { service: service.clone() };
        let serving = tonic_health::pb::health_check_response::ServingStatus::Serving;
        assert_eq!(health.check(request).await.unwrap().into_inner().status(), serving);
        let mut reflection = ServerReflectionClient::new(channel);
        let list = MessageRequest::ListServices(String::new());
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut answers =
            reflection.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
        assert!(list.service.iter().any(|known| known.name == service), "{list:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_as_json_or_arrow_and_is_in_the_log_of_viewers() {
    asking(Limits::default(), Rules::default(), async |mut client, store| {
        let numbers = "SELECT value AS n FROM generate_series(1, 20000)";
        let (data, summary) = ask(&mut client, sql(numbers)).await.unwrap();
        assert_eq!((summary.rows, summary.truncated), (20_000, false));
        assert!(data.starts_with(b"{\"n\":1}\n{\"n\":2}\n") && data.ends_with(b"{\"n\":20000}\n"));
        let arrow = QueryRequest { form: QueryForm::Unspecified.into(), ..sql(numbers) };
        let (data, _) = ask(&mut client, arrow).await.unwrap();
        let rows = StreamReader::try_new(&*data, None).unwrap().map(|batch| batch.unwrap().num_rows());
        assert_eq!(rows.sum::<usize>(), 20_000);
        let named = QueryRequest {
            name: "sudo".into(),
            sql: String::new(),
            parameters: HashMap::from([("human".into(), "alice".into())]),
            ..sql("")
        };
        assert_eq!(ask(&mut client, named).await.unwrap().1.rows, 0);
        let viewers = viewers(&store, 3).await;
        let latest = &viewers[0];
        assert_eq!(
            (latest.way.as_str(), latest.statement.as_str()),
            ("grpc", "--name sudo --param human=alice")
        );
        assert_eq!((latest.purpose.as_deref(), latest.outcome.as_deref()), (Some("a test"), Some("ok")));
        assert_eq!(latest.who, crate::state::user(rustix::process::getuid().as_raw()));
        assert!(viewers.iter().any(|viewer| viewer.rows == Some(20_000)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_reads_and_no_more_than_is_allowed() {
    let limits = Limits { rows: 10, time: Duration::from_secs(2), calls: 1 };
    let rules = Rules { purpose: true, log: true };
    asking(limits, rules, async |mut client, store| {
        let (data, summary) =
            ask(&mut client, sql("SELECT value FROM generate_series(1, 100)")).await.unwrap();
        assert_eq!((summary.rows, summary.truncated), (10, true));
        assert_eq!(data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 10);
        for (request, code) in [
            (sql("DROP VIEW gaps"), Code::InvalidArgument),
            (sql("SELECT nothing FROM events"), Code::InvalidArgument),
            (sql("SELECT * FROM '/etc/passwd'"), Code::InvalidArgument),
            (QueryRequest { name: "sudo".into(), ..sql("SELECT 1") }, Code::InvalidArgument),
            (QueryRequest { name: "sud".into(), sql: String::new(), ..sql("") }, Code::InvalidArgument),
            (QueryRequest { purpose: String::new(), ..sql("SELECT 1") }, Code::InvalidArgument),
        ] {
            let refused = ask(&mut client, request.clone()).await.unwrap_err();
            assert_eq!(refused.code(), code, "{request:?}: {refused:?}");
        }
        // One that does not end by itself: the second one comes too many, and time ends it.
        let endless = "SELECT count(*) FROM generate_series(1, 100000000000) a WHERE a.value < 0";
        let answer = client.query(sql(endless)).await.unwrap();
        let busy = ask(&mut client, sql("SELECT 1")).await.unwrap_err();
        assert_eq!(busy.code(), Code::ResourceExhausted);
        let late = answer.into_inner().message().await.unwrap_err();
        assert!(late.code() == Code::Unavailable && late.message().contains("longer than 2 s"), "{late:?}");
        let (_, summary) = ask(&mut client, sql("SELECT 1")).await.unwrap();
        assert_eq!(summary.rows, 1);
        viewers(&store, 6).await;
    })
    .await;
}

/// A connection, as soon as somebody listens.
async fn connected(address: &Address, credentials: &activity_peers::Credentials) -> Channel {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match activity_peers::connect(address, Some(credentials), activity_peers::Role::Collector).await {
            Ok((channel, _)) => return channel,
            Err(error) => assert!(Instant::now() < deadline, "{}", activity_peers::reason(&error)),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_mutual_tls_only_who_looks_on_may_ask() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::init(&directory.path().join("ca"), "test").unwrap();
    let files = enrol(&ca, directory.path(), "default/collector/main");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address: Address = format!("127.0.0.1:{port}").parse().unwrap();
    let tenant = Tenant { answers: Some(address.clone()), tls: Some(files), ..tenant(directory.path()) };
    let work = async {
        for (role, expected) in [("viewer", None), ("admin", None), ("sensor", Some(Code::PermissionDenied))]
        {
            let files = enrol(&ca, directory.path(), &format!("default/{role}/eve"));
            let credentials = activity_peers::Credentials::open(files).unwrap();
            let channel = connected(&address, &credentials).await;
            let got = ask(&mut QueryServiceClient::new(channel), sql("SELECT 1")).await;
            assert_eq!(got.err().map(|status| status.code()), expected, "{role}");
        }
        let who: Vec<String> = viewers(&tenant.store, 2).await.into_iter().map(|viewer| viewer.who).collect();
        assert_eq!(who, ["activity://default/admin/eve", "activity://default/viewer/eve"]);
    };
    run_until(&Config { tenants: vec![tenant.clone()] }, work).await.unwrap();
}
