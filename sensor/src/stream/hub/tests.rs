//! Subscribers, slow and fast.

use std::ops::Range;

use activity_proto::v1::{EventType, Exec, Filter, GapReason, Open, SubscribeResponse};

use super::*;
use crate::stream::Outgoing;

fn hub(queue_bytes: usize) -> Arc<Hub> {
    Arc::new(Hub::new(queue_bytes, 2, &Origin::default()))
}

fn opens(sequences: Range<u64>) -> Vec<Event> {
    sequences
        .map(|sequence| Event {
            id: Some(EventId { lane: Lane::File.into(), sequence, ..EventId::default() }),
            payload: Some(Payload::Open(Open { path: vec![b'x'; 100].into(), ..Open::default() })),
            ..Event::default()
        })
        .collect()
}

fn publish(hub: &Arc<Hub>, events: &[Event]) {
    let mut outgoing = Outgoing::new(Arc::clone(hub), None);
    events.iter().for_each(|event| outgoing.push(event));
    assert_eq!(outgoing.len(), events.len());
    outgoing.publish();
}

async fn drain(subscription: &mut Subscription) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(body) = subscription.next().await {
        events.extend(SubscribeResponse::decode(body.encode_to_vec().as_slice()).unwrap().events);
    }
    events
}

#[tokio::test]
async fn what_a_slow_subscriber_misses_is_told_exactly_and_others_miss_nothing() {
    let hub = hub(1000);
    let mut slow = hub.subscribe("slow".into(), Wanted::default()).unwrap();
    for first in (1..=100).step_by(5) {
        publish(&hub, &opens(first..first + 5));
    }
    hub.close();
    let events = drain(&mut slow).await;
    let received = events.iter().filter(|event| event.event_type() == EventType::Open).count() as u64;
    let gaps: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.payload {
            Some(Payload::Gap(gap)) => Some(gap),
            _ => None,
        })
        .collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].reason(), GapReason::SlowSubscriber);
    assert_eq!(gaps[0].counts[0].count, 100 - received);
    assert_eq!((gaps[0].from_sequence, gaps[0].to_sequence), (received + 1, 100));
}

#[tokio::test]
async fn a_flood_of_opens_does_not_push_out_what_processes_did() {
    let hub = hub(4000);
    let mut slow = hub.subscribe("slow".into(), Wanted::default()).unwrap();
    publish(&hub, &opens(1..101));
    for sequence in 1..=5 {
        let id = EventId { lane: Lane::Process.into(), sequence, ..EventId::default() };
        let exec = Event { id: Some(id), payload: Some(Payload::Exec(Exec::default())), ..Event::default() };
        publish(&hub, &[exec]);
    }
    hub.close();
    let events = drain(&mut slow).await;
    let execs = events.iter().filter(|event| event.event_type() == EventType::Exec).count();
    assert_eq!(execs, 5);
}

#[tokio::test]
async fn after_a_gap_the_stream_goes_on() {
    let hub = hub(1000);
    let mut slow = hub.subscribe("slow".into(), Wanted::default()).unwrap();
    publish(&hub, &opens(1..6));
    publish(&hub, &opens(6..11));
    assert!(slow.next().await.is_some());
    publish(&hub, &opens(11..14));
    hub.close();
    let events = drain(&mut slow).await;
    let last = events.last().unwrap().id.as_ref().unwrap().sequence;
    assert_eq!((events[0].event_type(), last), (EventType::Gap, 13));
}

#[tokio::test]
async fn a_filter_chooses_and_a_large_batch_is_cut_into_bodies() {
    let hub = hub(64 * 1024 * 1024);
    let nothing = Wanted::new(Some(Filter { uids: vec![7], ..Filter::default() })).unwrap();
    let mut none = hub.subscribe("none".into(), nothing).unwrap();
    let mut all = hub.subscribe("all".into(), Wanted::default()).unwrap();
    publish(&hub, &opens(1..10_001));
    hub.close();
    assert!(drain(&mut none).await.is_empty());
    let first = all.next().await.unwrap();
    assert!(first.len() <= BODY_BYTES);
    assert!(drain(&mut all).await.len() > 5000);
}

#[tokio::test]
async fn there_is_a_limit_to_subscribers_and_leaving_makes_room() {
    let hub = hub(1000);
    let first = hub.subscribe("1".into(), Wanted::default()).unwrap();
    let _second = hub.subscribe("2".into(), Wanted::default()).unwrap();
    assert!(hub.subscribe("3".into(), Wanted::default()).is_err());
    drop(first);
    assert!(hub.subscribe("3".into(), Wanted::default()).is_ok());
}
