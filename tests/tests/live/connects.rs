//! A thousand connects to as many places.

use std::{
    collections::BTreeMap,
    net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
};

use activity_proto::v1::{EventType, Family, PathSource, Protocol};
use activity_tests::{EventExt as _, Machine, Person, Sensor, here};

/// Protocol, address or name, port, and whether it succeeds.
type Place = (Protocol, Vec<u8>, Option<u32>, bool);

/// Connects to every place, and says which they were.
fn connect_everywhere(directory: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    let mut inet = |protocol, to: SocketAddr, success| {
        places.push((protocol, to.ip().to_string().into_bytes(), Some(to.port().into()), success));
    };
    let anywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = anywhere.local_addr().unwrap().port();
    for number in 1..=200 {
        let taken = SocketAddr::from(([127, 40, 0, number], port));
        drop(TcpStream::connect(taken).unwrap());
        drop(anywhere.accept().unwrap());
        inet(Protocol::Tcp, taken, true);
        let refused = SocketAddr::from(([127, 41, number, 1], 1));
        TcpStream::connect(refused).unwrap_err();
        inet(Protocol::Tcp, refused, false);
        // Above the ports that the system gives out.
        let refused = SocketAddr::from((Ipv6Addr::LOCALHOST, 61_000 + u16::from(number)));
        TcpStream::connect(refused).unwrap_err();
        inet(Protocol::Tcp, refused, false);
    }
    let (v4, v6) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
    for number in 1..=100 {
        let to = SocketAddr::from(([127, 42, 0, 1], 61_000 + number));
        v4.connect(to).unwrap();
        inet(Protocol::Udp, to, true);
        let to = SocketAddr::from((Ipv6Addr::LOCALHOST, 61_000 + number));
        v6.connect(to).unwrap();
        inet(Protocol::Udp, to, true);
    }
    for number in 0..50 {
        let path = directory.join(format!("listens-{number}"));
        let _listener = UnixListener::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        places.push((Protocol::Stream, path.into_os_string().into_encoded_bytes(), None, true));
        let path = directory.join(format!("missing-{number}"));
        UnixStream::connect(&path).unwrap_err();
        places.push((Protocol::Stream, path.into_os_string().into_encoded_bytes(), None, false));
        let name = format!("{}/abstract-{number}", directory.display());
        let address = UnixAddr::from_abstract_name(&name).unwrap();
        let _bound = UnixDatagram::bind_addr(&address).unwrap();
        UnixDatagram::unbound().unwrap().connect_addr(&address).unwrap();
        places.push((Protocol::Datagram, [b"\0", name.as_bytes()].concat(), None, true));
        let name = format!("{}/nobody-{number}", directory.display());
        let address = UnixAddr::from_abstract_name(&name).unwrap();
        UnixStream::connect_addr(&address).unwrap_err();
        places.push((Protocol::Stream, [b"\0", name.as_bytes()].concat(), None, false));
    }
    places
}

#[test]
fn a_thousand_connects_are_a_thousand_events_each_with_its_place() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let sensor = Sensor::start("[policy]\nmissing = true\n", &[]);
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let directory = sensor.path("sockets");
    std::fs::create_dir(&directory).unwrap();
    let places = person.act(|| connect_everywhere(&directory));
    assert_eq!(places.len(), 1000);

    let mut connects = 0;
    stream.read_until("a thousand connects", |event| {
        connects += usize::from(event.connect().is_some());
        connects == places.len()
    });
    person.act(|| drop(UdpSocket::bind("127.0.0.1:0").unwrap().connect("127.43.0.1:9")));
    stream.find("the last connect", |event| event.connect().is_some_and(|to| to.address == "127.43.0.1"));

    let mut seen: BTreeMap<Place, usize> = BTreeMap::new();
    for event in stream.of_type(EventType::Connect) {
        let to = event.connect().unwrap();
        let name =
            if to.family() == Family::Unix { to.path.to_vec() } else { to.address.clone().into_bytes() };
        *seen.entry((to.protocol(), name, to.port, event.success().unwrap())).or_default() += 1;
        if event.success() == Some(true) || to.protocol() == Protocol::Tcp {
            assert_eq!(to.address_source(), PathSource::Kernel, "{event:?}");
        }
    }
    for place in &places {
        assert_eq!(seen.remove(place), Some(1), "{place:?}");
    }
    assert_eq!(seen.into_values().sum::<usize>(), 1, "nothing but the last");
    assert!(stream.gaps().is_empty(), "{:?}", stream.gaps());
}

#[test]
fn a_connect_that_goes_on_by_itself_is_in_progress() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let sensor = Sensor::people();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    person.act(|| {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        connect(&socket, &to).expect_err("it does not wait")
    });
    let event = stream.find("the connect", |event| event.connect().is_some());
    assert_eq!((event.success(), event.errno()), (Some(true), Some(115)));
    assert_eq!(event.connect().unwrap().port, Some(to.port().into()));
}
