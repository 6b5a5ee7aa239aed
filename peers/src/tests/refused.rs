//! Who is let in and who is not.

use rcgen::{CertificateParams, SanType};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::Code;

use super::*;

#[tokio::test]
async fn a_pair_of_one_authority_talks_and_knows_who_is_there() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let connector = connector(&town.enrol("default/collector/main"));
    let mut client = serving.reach(&connector).await.unwrap();
    client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(connector.peer().unwrap().identity, id("default/sensor/web-1"));
    assert_eq!((serving.refusals.accepted(), serving.counts()), (1, vec![]));
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_with_its_reason_logged_and_counted() {
    let (log, _guard) = logged();
    let (town, other) = (Town::new(), Town::new());
    let server = town.enrol("default/sensor/web-1");
    let gone = town.enrol("default/collector/gone");
    town.revoke("gone", &server);
    let serving = serve(&server, Limits::default()).await;

    let foreign = other.enrol("default/collector/main");
    let foreign = Files { authority: server.authority.clone(), revoked: server.revoked.clone(), ..foreign };
    let expired = town.enrol_for("default/collector/late", -3600, -60);
    for (files, reason, who, there) in [
        (gone, Reason::Revoked, "activity://default/collector/gone", "our certificate is revoked"),
        (foreign, Reason::ForeignAuthority, "activity://default/collector/main", "did not sign our"),
        (expired, Reason::Expired, "activity://default/collector/late", "expired, or is not valid yet"),
    ] {
        let sentence = serving.call(&files).await.unwrap_err();
        assert!(sentence.contains(there), "{reason:?}: {sentence}");
        serving.refused(reason, 1).await;
        assert!(log.text().contains(&format!("127.0.0.1 was refused: {who} ")), "{}", log.text());
    }
    let early = town.enrol_for("default/collector/early", 3600, 7200);
    serving.call(&early).await.unwrap_err();
    serving.refused(Reason::NotYetValid, 1).await;
    let stranger = Files { authority: server.authority.clone(), ..town.enrol("other/collector/main") };
    // Its own tenant expects another server, so it refuses first; a hostile one would not.
    let expected = Expected { tenant: Some("default".parse().unwrap()), ..Expected::default() };
    let hostile = Connector::new(Credentials::open(stranger).unwrap(), expected);
    if let Ok(mut client) = serving.reach(&hostile).await {
        client.check(HealthCheckRequest::default()).await.unwrap_err();
    }
    serving.refused(Reason::Tenant, 1).await;
    assert_eq!(serving.refusals.accepted(), 0);
    for reason in ["revoked", "foreign_authority", "expired", "not_yet_valid", "tenant"] {
        assert!(log.text().contains(&format!("reason=\"{reason}\"")), "{reason}: {}", log.text());
    }
}

#[tokio::test]
async fn a_certificate_must_name_exactly_one_peer() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    let ours = || uri("activity://default/collector/main");
    for (count, names) in [
        vec![],
        vec![uri("https://example.org/")],
        vec![ours(), uri("activity://default/admin/main")],
        vec![uri("activity://default/owner/main")],
    ]
    .into_iter()
    .enumerate()
    {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let directory = town.path("odd");
        let until = SystemTime::now() + days(1);
        town.ca.sign(params, &id("default/collector/main"), until).unwrap().write(&directory, true).unwrap();
        let mut stream = raw(&serving, Some(&Files::within(&directory)), &TLS13, b"h2").await.unwrap();
        let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        serving.refused(Reason::Identity, count as u64 + 1).await;
    }
    let (_, credentials) = (town.path("odd"), Credentials::open(Files::within(&town.path("odd"))));
    let sentence = credentials.unwrap_err().to_string();
    assert!(sentence.contains("names nobody"), "{sentence}");
}

async fn raw(
    serving: &Serving,
    files: Option<&Files>,
    version: &'static SupportedProtocolVersion,
    protocol: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(serving.address).await?;
    careless(files, version, protocol).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// A client without our care: any version and protocol, any certificate or none, and no
/// thought who the server is.
pub(super) fn careless(
    files: Option<&Files>,
    version: &'static SupportedProtocolVersion,
    protocol: &[u8],
) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    let mut config = match files {
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap);
            let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
            config.with_client_auth_cert(chain.collect(), key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = if protocol.is_empty() { vec![] } else { vec![protocol.to_vec()] };
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn whoever_shows_no_certificate_is_refused() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let mut stream = raw(&serving, None, &TLS13, b"h2").await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    serving.refused(Reason::NoCertificate, 1).await;
}

#[tokio::test]
async fn an_older_tls_and_other_protocols_are_refused() {
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    let viewer = town.enrol("default/viewer/eve");
    raw(&serving, Some(&viewer), &TLS12, b"h2").await.unwrap_err();
    serving.refused(Reason::Protocol, 1).await;
    raw(&serving, Some(&viewer), &TLS13, b"http/1.1").await.unwrap_err();
    serving.refused(Reason::Protocol, 2).await;
    let mut stream = raw(&serving, Some(&viewer), &TLS13, b"").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    serving.refused(Reason::Protocol, 3).await;
    assert_eq!(serving.refusals.accepted(), 0);
}

#[tokio::test]
async fn plain_text_is_refused_and_nothing_of_it_is_logged_raw() {
    let (log, _guard) = logged();
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    for (count, text) in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{1b}[31m\r\nGET / HTTP/1.1\r\n\r\n"].iter().enumerate()
    {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        serving.refused(Reason::NotTls, count as u64 + 1).await;
    }
    let log = log.text();
    assert!(log.contains("does not speak TLS") && !log.contains('\u{1b}'), "{log:?}");
    let plain = serving.endpoint().connect().await;
    if let Ok(channel) = plain {
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err();
    }
    serving.refused(Reason::NotTls, 3).await;
}

#[tokio::test]
async fn a_role_may_call_what_it_is_there_for_only() {
    let (log, _guard) = logged();
    let town = Town::new();
    let serving = serve(&town.enrol("default/sensor/web-1"), Limits::default()).await;
    for role in ["collector", "viewer", "admin"] {
        serving.call(&town.enrol(&format!("default/{role}/x"))).await.unwrap();
    }
    let mut sensor = serving.client(&town.enrol("default/sensor/web-2")).await.unwrap();
    let status = sensor.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    serving.refused(Reason::Role, 1).await;
    assert!(log.text().contains("activity://default/sensor/web-2"), "{}", log.text());
}

#[tokio::test]
async fn what_nobody_thought_of_is_not_permitted() {
    let town = Town::new();
    let serving = serve_with(&town.enrol("default/sensor/web-1"), Limits::default(), |_| None).await;
    let mut admin = serving.client(&town.enrol("default/admin/x")).await.unwrap();
    let status = admin.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
}

#[tokio::test]
async fn a_client_takes_no_other_for_the_one_it_expects() {
    let (town, other) = (Town::new(), Town::new());
    let client = town.enrol("default/collector/main");
    let reach = async |files: &Files, name: Option<&str>| {
        let serving = serve(files, Limits::default()).await;
        let name = name.map(|name| name.parse().unwrap());
        let expected = Expected { role: Some(Role::Sensor), name, ..Expected::default() };
        let connector = Connector::new(Credentials::open(client.clone()).unwrap(), expected);
        let reached = serving.reach(&connector).await.map(|_| ());
        reached.map_err(|error| crate::explain(&error).unwrap_or_else(|| format!("{error:?}")))
    };
    let sensor = town.enrol("default/sensor/web-1");
    assert_eq!(reach(&sensor, None).await, Ok(()));
    assert_eq!(reach(&sensor, Some("web-1")).await, Ok(()));
    let wrong = reach(&sensor, Some("web-2")).await.unwrap_err();
    assert_eq!(wrong, "activity://default/sensor/web-1 is not who is expected there");
    // Another collector, another tenant's sensor, one that nobody can vouch for.
    let wrong = reach(&town.enrol("default/collector/evil"), None).await.unwrap_err();
    assert_eq!(wrong, "activity://default/collector/evil is not who is expected there");
    let wrong = reach(&town.enrol("other/sensor/web-1"), None).await.unwrap_err();
    assert_eq!(wrong, "activity://other/sensor/web-1 belongs to another tenant");
    let wrong = reach(&other.enrol("default/sensor/web-1"), None).await.unwrap_err();
    assert!(wrong.contains("our authority did not sign"), "{wrong}");
    // Looking on does not make a server.
    let wrong = reach(&town.enrol("default/viewer/x"), None).await.unwrap_err();
    assert!(wrong.contains("cannot be used for this"), "{wrong}");
}

/// Takes any server for the right one.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crate::authority::algorithms().supported_schemes()
    }
}
