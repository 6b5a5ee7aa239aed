//! Silences over hours, in no time.

use tempfile::TempDir;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ADDRESS: &str = "unix:/run/s.sock";

/// A collector with one sensor, whose time goes as it is told to.
struct Scene {
    directory: TempDir,
    links: Links,
    silences: Silences,
    now: Instant,
    link: Option<(links::OpenLink, u64)>,
}

impl Scene {
    fn new() -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), Instant::now())
    }

    fn in_directory(directory: TempDir, now: Instant) -> Self {
        let links = Links::default();
        let store = Layout::new(directory.path().to_str().unwrap()).unwrap();
        let silences = Silences::new([ADDRESS.to_owned()], links.clone(), &store, now);
        Self { directory, links, silences, now, link: None }
    }

    /// Another collector over the same store, which comes `after` the end of this one.
    fn restart(self, after: Duration) -> Self {
        let Self { directory, silences, now, .. } = self;
        silences.close();
        Self::in_directory(directory, now + after)
    }

    fn connect(&mut self, connection: u64) {
        self.link = Some((self.links.open_at(ADDRESS.into(), connection, self.now), connection));
    }

    /// A heartbeat, every 5 seconds unless said otherwise; what is told for it.
    fn hear(&mut self, epoch: u64, stopping: bool) -> Vec<String> {
        let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch, ..EventId::default() };
        let heard = Heard {
            connection: self.link.as_ref().map_or(0, |(_, connection)| *connection),
            id,
            host: "web-1".into(),
            last: [7, 9],
            interval: Some(5),
            stopping,
        };
        shown(self.silences.look(vec![heard], self.now))
    }

    /// Lets time pass, looking as the writer does; what is told with the seconds it took.
    fn pass(&mut self, seconds: u64) -> Vec<(u64, String)> {
        let mut told = Vec::new();
        for second in 1..=seconds {
            self.now += SECOND;
            told.extend(shown(self.silences.look(Vec::new(), self.now)).into_iter().map(|one| (second, one)));
        }
        told
    }
}

fn shown(events: Vec<Event>) -> Vec<String> {
    let show = |event: Event| {
        let Some(Payload::Silence(silence)) = event.payload else { panic!("{event:?}") };
        let ended = if silence.ended.is_some() { " ended" } else { "" };
        let id =
            event.id.map_or_else(String::new, |id| format!(" {}/{}/{}", id.sensor_id, id.boot_id, id.epoch));
        assert!([ADDRESS, "pushed:web-1"].contains(&silence.address.as_str()), "{}", silence.address);
        format!("{}{id}{ended}", silence.reason().short_name())
    };
    events.into_iter().map(show).collect()
}

fn told(second: u64, what: &str) -> Vec<(u64, String)> {
    vec![(second, what.to_owned())]
}

#[test]
fn a_frozen_sensor_is_told_once_and_once_more_when_it_is_back() {
    let mut scene = Scene::new();
    scene.connect(1);
    assert!(scene.hear(3, false).is_empty());
    // A heartbeat is missing after 5 seconds; it is told within 10 more, and only once.
    assert_eq!(scene.pass(600), told(12, "no_heartbeat s/b/3"));
    assert_eq!(scene.hear(3, false), ["no_heartbeat s/b/3 ended"]);
    assert!(scene.hear(3, false).is_empty());
    assert_eq!(scene.pass(600), told(12, "no_heartbeat s/b/3"), "another silence is told again");
}

#[test]
fn one_that_beats_is_never_told() {
    let mut scene = Scene::new();
    scene.connect(1);
    for _ in 0..100 {
        assert!(scene.hear(3, false).is_empty());
        assert!(scene.pass(5).is_empty());
    }
}

#[test]
fn a_lost_connection_and_an_orderly_end_are_told_as_such() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, false);
    scene.link = None;
    assert_eq!(scene.pass(60), told(12, "disconnected s/b/3"));

    scene.connect(2);
    assert_eq!(scene.hear(4, false), ["disconnected s/b/4 ended"]);
    scene.hear(4, true);
    scene.link = None;
    assert_eq!(scene.pass(60), told(12, "stopped s/b/4"));
}

#[test]
fn a_quick_restart_is_no_silence() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, true);
    scene.link = None;
    assert!(scene.pass(10).is_empty());
    scene.connect(2);
    assert!(scene.hear(4, false).is_empty());
    assert!(scene.pass(11).is_empty());
}

#[test]
fn a_sensor_that_never_answers_is_told_within_ten_seconds() {
    let mut scene = Scene::new();
    assert_eq!(scene.pass(60), told(9, "never_reached"));
    scene.connect(1);
    assert_eq!(scene.hear(1, false), ["never_reached s/b/1 ended"]);
}

#[test]
fn a_restart_of_the_collector_forgets_no_silence_and_tells_it_no_second_time() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, false);
    scene.link = None;
    scene.pass(60);
    let mut scene = scene.restart(3600 * SECOND);
    assert!(scene.pass(60).is_empty());
    scene.connect(1);
    assert_eq!(scene.hear(4, false), ["disconnected s/b/4 ended"]);

    // One that fell silent while no collector ran is told by who it was.
    let mut scene = scene.restart(3600 * SECOND);
    assert_eq!(scene.pass(60), told(12, "disconnected s/b/4"));
}

#[test]
fn a_new_connection_is_one_more_chance_and_the_next_is_none() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, false);
    scene.link = None;
    scene.pass(10);
    scene.connect(2);
    assert!(scene.pass(5).is_empty(), "12 seconds after it was heard it has just come back");
    scene.connect(3);
    assert_eq!(scene.pass(60), told(7, "no_heartbeat s/b/3"), "12 seconds after it came back");
}

#[test]
fn time_in_which_the_collector_did_not_look_counts_for_nobody() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, false);
    scene.pass(4);
    // The disk was full, or the process was stopped.
    scene.now += 300 * SECOND;
    assert!(shown(scene.silences.look(Vec::new(), scene.now)).is_empty());
    let waited = scene.pass(60);
    assert_eq!(waited.len(), 1);
    assert!((6..=9).contains(&waited[0].0), "{waited:?}");
}

#[test]
fn a_silence_says_since_when_and_where_the_stream_ended() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.hear(3, false);
    scene.now += 12 * SECOND;
    scene.silences.looked = scene.now;
    scene.now += SECOND;
    let events = scene.silences.look(Vec::new(), scene.now);
    let [Event { host, payload: Some(Payload::Silence(silence)), .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(host, "web-1");
    let lanes: Vec<_> = silence.lanes.iter().map(|lane| (lane.lane(), lane.last_sequence)).collect();
    assert_eq!(lanes, [(Lane::Process, 7), (Lane::File, 9)]);
    assert_eq!(silence.interval_seconds, Some(5));
    let since = silence.since.unwrap();
    assert!((Timestamp::now().as_second() - since.seconds).abs() < 60);
}

#[test]
fn a_sensor_that_dials_out_is_watched_once_it_has_come_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = Layout::new(directory.path().to_str().unwrap()).unwrap();
    let (start, links) = (Instant::now(), Links::default());
    let mut silences = Silences::new(Vec::new(), links.clone(), &store, start);
    let _link = links.open_at(format!("{PUSHED}web-1"), 1, start);
    let id = EventId { sensor_id: "s".into(), boot_id: "b".into(), epoch: 1, ..EventId::default() };
    let host = "web-1".into();
    let heard = Heard { connection: 1, id, host, last: [7, 9], interval: Some(5), stopping: false };
    assert!(silences.look(vec![heard], start).is_empty());
    silences.close();
    let mut silences = Silences::new(Vec::new(), Links::default(), &store, start);
    let told = (1..60).flat_map(|second| shown(silences.look(Vec::new(), start + SECOND * second)));
    assert_eq!(told.collect::<Vec<_>>(), ["disconnected s/b/1"]);
}
