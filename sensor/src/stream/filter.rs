//! What a subscriber asked for.

use std::collections::BTreeSet;

use activity_proto::v1::{Event, EventType, Filter};

/// A filter as it is evaluated: an empty part lets everything through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    types: BTreeSet<i32>,
    uids: BTreeSet<u32>,
    sessions: BTreeSet<u32>,
    humans: BTreeSet<u32>,
}

impl Wanted {
    /// Takes over the request's filter.
    ///
    /// # Errors
    /// Names a type that this sensor does not know.
    pub fn new(filter: Option<Filter>) -> Result<Self, String> {
        let filter = filter.unwrap_or_default();
        if let Some(unknown) = filter.types.iter().find(|number| EventType::try_from(**number).is_err()) {
            return Err(format!("this sensor knows no event type {unknown}; leave it out of the filter"));
        }
        Ok(Self {
            types: filter.types.into_iter().collect(),
            uids: filter.uids.into_iter().collect(),
            sessions: filter.session_ids.into_iter().collect(),
            humans: filter.humans.into_iter().collect(),
        })
    }

    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this event is wanted. What the sensor says of itself (gaps,
    /// status) reaches every subscriber: a filter must not hide a loss. Heartbeats
    /// are nobody's, so of the filter only the types concern them.
    pub fn matches(&self, event: &Event) -> bool {
        let event_type = event.event_type();
        if matches!(event_type, EventType::Gap | EventType::Status) {
            return true;
        }
        if event_type == EventType::Heartbeat && self.types.contains(&event_type.into()) {
            return true;
        }
        (self.types.is_empty() || self.types.contains(&event_type.into()))
            && (self.uids.is_empty() || self.matches_user(event))
            && (self.sessions.is_empty() || self.matches_session(event))
            && (self.humans.is_empty() || self.matches_human(event))
    }

    fn matches_human(&self, event: &Event) -> bool {
        let Some(attribution) = &event.attribution else { return false };
        let others = attribution.others.iter().map(|actor| actor.uid);
        attribution.uid.into_iter().chain(others).any(|uid| self.humans.contains(&uid))
    }

    fn matches_user(&self, event: &Event) -> bool {
        let auid = event.login.as_ref().and_then(|login| login.auid);
        let credentials = event.credentials.as_ref();
        auid.into_iter()
            .chain(credentials.into_iter().flat_map(|credentials| [credentials.uid, credentials.euid]))
            .any(|uid| self.uids.contains(&uid))
    }

    fn matches_session(&self, event: &Event) -> bool {
        let login = event.login.as_ref();
        let of_login = login.into_iter().flat_map(|login| [login.session_id, login.first_session_id]);
        of_login.flatten().any(|session| self.sessions.contains(&session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use activity_proto::v1::{Credentials, Gap, Heartbeat, Login, Open, event::Payload};

    fn open_by(auid: u32, euid: u32) -> Event {
        Event {
            login: Some(Login { auid: Some(auid), session_id: Some(7), ..Login::default() }),
            credentials: Some(Credentials { uid: euid, euid, ..Credentials::default() }),
            payload: Some(Payload::Open(Open::default())),
            ..Event::default()
        }
    }

    fn wanted(filter: Filter) -> Wanted {
        Wanted::new(Some(filter)).unwrap()
    }

    #[test]
    fn a_user_is_found_by_the_login_also_as_root() {
        let filter = wanted(Filter { uids: vec![1001], ..Filter::default() });
        assert!(filter.matches(&open_by(1001, 0)));
        assert!(!filter.matches(&open_by(1002, 0)));
    }

    #[test]
    fn all_parts_must_hold() {
        let filter = Filter {
            types: vec![EventType::Exec.into()],
            uids: vec![1001],
            session_ids: vec![7],
            ..Filter::default()
        };
        assert!(!wanted(filter.clone()).matches(&open_by(1001, 0)));
        let filter = Filter { types: vec![EventType::Open.into()], ..filter };
        assert!(wanted(filter.clone()).matches(&open_by(1001, 0)));
        assert!(!wanted(Filter { session_ids: vec![8], ..filter }).matches(&open_by(1001, 0)));
    }

    #[test]
    fn a_filter_hides_no_gap() {
        let filter = wanted(Filter { uids: vec![1001], ..Filter::default() });
        assert!(filter.matches(&Event { payload: Some(Payload::Gap(Gap::default())), ..Event::default() }));
    }

    #[test]
    fn heartbeats_come_with_everything_or_when_they_are_asked_for() {
        let heartbeat = Event { payload: Some(Payload::Heartbeat(Heartbeat::default())), ..Event::default() };
        let asked = vec![EventType::Heartbeat.into()];
        let (uids, types) = (vec![1001], vec![EventType::Exec.into()]);
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { types: asked.clone(), ..Filter::default() }, true),
            (Filter { types: asked, uids: uids.clone(), ..Filter::default() }, true),
            (Filter { uids, ..Filter::default() }, false),
            (Filter { types, ..Filter::default() }, false),
        ] {
            assert_eq!(wanted(filter.clone()).matches(&heartbeat), expected, "{filter:?}");
        }
    }

    #[test]
    fn an_unknown_type_is_refused_by_number() {
        let filter = Filter { types: vec![999], ..Filter::default() };
        assert!(Wanted::new(Some(filter)).unwrap_err().contains("999"));
    }
}
