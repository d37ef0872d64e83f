//! The promises of a link, with a seed and a virtual clock.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::emulator::{
    Capacity, Delay, LossSpecification, Mtu, Probability, QueueLimit, Rate, RecordedTrace, Share,
    Span,
};

const FULL: usize = 1_500;

fn frame(packet_bytes: usize) -> Frame {
    Frame::new(vec![0; 14 + packet_bytes])
}

fn millis(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

fn direction(specification: DirectionSpecification) -> Direction {
    Direction::new(specification, Side::Up, 1, ReplayPhase::default(), None)
}

fn steady(megabits: u32, delay_ms: u32) -> DirectionSpecification {
    DirectionSpecification {
        capacity: Capacity::Rate(Rate::from_megabits(megabits)),
        delay: Delay::Constant(Span::from_millis(delay_ms)),
        ..DirectionSpecification::default()
    }
}

fn probability(value: f64) -> Probability {
    Probability::try_from(value).unwrap()
}

/// Everything that comes out up to `until`, jumping from deadline to deadline.
fn drain(link: &mut Direction, until: Instant) -> Vec<(Frame, Instant)> {
    let mut out = Vec::new();
    while let Some(now) = link.next_deadline().filter(|next| *next <= until) {
        while let Some(delivered) = link.poll_deliver(now) {
            assert_eq!(delivered.1, now, "delivered at its deadline");
            out.push(delivered);
        }
    }
    out
}

#[test]
fn a_perfect_wire_delivers_at_once() {
    let mut link = direction(DirectionSpecification::default());
    link.handle_frame(frame(FULL), millis(3));
    assert_eq!(link.poll_deliver(millis(3)), Some((frame(FULL), millis(3))));
    assert_eq!(link.next_deadline(), None);
}

#[test]
fn frames_queue_behind_each_other_and_then_travel() {
    let mut link = direction(steady(12, 20));
    for _ in 0..3 {
        link.handle_frame(frame(FULL), millis(0));
    }
    let due: Vec<_> = drain(&mut link, millis(100)).into_iter().map(|(_, due)| due).collect();
    assert_eq!(due, [millis(21), millis(22), millis(23)]);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped() {
    let queue = QueueLimit { packets: 5, bytes: u32::MAX };
    let mut link = direction(DirectionSpecification { queue, ..steady(12, 0) });
    for _ in 0..8 {
        link.handle_frame(frame(FULL), millis(0));
    }
    assert_eq!(link.counters().queue_full, 3);
    assert_eq!(drain(&mut link, millis(100)).len(), 5);
}

#[test]
fn a_cut_swallows_and_heal_ends_it() {
    let mut link = direction(steady(12, 5));
    link.handle_fault(&Fault::Cut, millis(0));
    link.handle_frame(frame(FULL), millis(1));
    assert!(drain(&mut link, millis(50)).is_empty());
    link.handle_fault(&Fault::Heal, millis(50));
    link.handle_frame(frame(FULL), millis(51));
    assert_eq!(drain(&mut link, millis(100)).len(), 1);
    assert_eq!(link.counters().cut, 1);
}

#[test]
fn a_cut_of_the_other_way_leaves_this_one_alone() {
    for (direction_cut, arrived) in [(Side::Up, 0), (Side::Down, 1)] {
        let mut link = direction(steady(12, 5));
        link.handle_fault(&Fault::CutOneWay { direction: direction_cut }, millis(0));
        link.handle_frame(frame(FULL), millis(1));
        assert_eq!(drain(&mut link, millis(50)).len(), arrived);
    }
}

#[test]
fn a_lost_carrier_empties_the_link() {
    let mut link = direction(steady(12, 20));
    for _ in 0..4 {
        link.handle_frame(frame(FULL), millis(0));
    }
    link.poll_deliver(millis(2));
    link.handle_fault(&Fault::CarrierDown, millis(2));
    link.handle_frame(frame(FULL), millis(3));
    assert!(drain(&mut link, millis(500)).is_empty());
    assert_eq!(link.counters().no_carrier, 5, "two queued, two on the way, one new");
    link.handle_fault(&Fault::CarrierUp, millis(500));
    link.handle_frame(frame(FULL), millis(501));
    assert_eq!(drain(&mut link, millis(600)).len(), 1);
}

#[test]
fn a_lower_rate_and_a_longer_way_show_at_once() {
    let mut link = direction(steady(12, 20));
    link.handle_fault(&Fault::Rate { percent: Share::try_from(10).unwrap() }, millis(0));
    link.handle_fault(&Fault::RoundTrip { extra: Span::from_millis(100) }, millis(0));
    link.handle_frame(frame(FULL), millis(0));
    let due: Vec<_> = drain(&mut link, millis(500)).into_iter().map(|(_, due)| due).collect();
    assert_eq!(due, [millis(10 + 20 + 50)]);
}

#[test]
fn a_shorter_way_overtakes_nobody() {
    let mut link = direction(steady(12, 20));
    link.handle_fault(&Fault::RoundTrip { extra: Span::from_millis(200) }, millis(0));
    link.handle_frame(frame(1_000), millis(0));
    link.handle_fault(&Fault::Heal, millis(10));
    link.handle_frame(frame(100), millis(10));
    let out = drain(&mut link, millis(500));
    let lengths: Vec<_> = out.iter().map(|(frame, _)| frame.packet_bytes()).collect();
    assert_eq!(lengths, [1_000, 100]);
}

#[test]
fn a_decay_slows_down_little_by_little() {
    let mut link = direction(steady(12, 0));
    let over = Span::from_millis(1_000);
    link.handle_fault(&Fault::Decay { percent: Share::try_from(50).unwrap(), over }, millis(0));
    for second in 0..3_u64 {
        for packet in 0..900 {
            link.handle_frame(frame(FULL), millis(second * 1_000 + packet));
        }
        let out = drain(&mut link, millis((second + 1) * 1_000));
        // 1000 packets a second at first, 500 at the end; 750 on average in the first second.
        let expected = if second == 0 { 750 } else { 500 };
        assert!(out.len().abs_diff(expected) <= 15, "second {second}: {} packets", out.len());
    }
}

#[test]
fn packets_over_the_mtu_are_dropped_with_and_without_word() {
    let sender = TooBigSender { v4: [1; 4].into(), v6: [1; 16].into() };
    for icmp in [false, true] {
        let specification = steady(12, 0);
        let phase = ReplayPhase::default();
        let mut link = Direction::new(specification, Side::Up, 1, phase, Some(sender));
        let bytes = Mtu::try_from(1_300).unwrap();
        link.handle_fault(&Fault::Mtu { bytes, icmp }, millis(0));
        let mut packet = frame(1_301).bytes().to_vec();
        packet[12..16].copy_from_slice(&[0x86, 0xdd, 0x60, 0]);
        packet[20] = 59; // no next header
        packet[18..20].copy_from_slice(&(1_301_u16 - 40).to_be_bytes());
        link.handle_frame(Frame::new(packet), millis(0));
        assert_eq!(link.poll_answer().is_some(), icmp);
        link.handle_frame(frame(1_300), millis(0));
        assert_eq!(drain(&mut link, millis(100)).len(), 1);
        assert_eq!(link.counters().too_big, 1);
    }
}

#[test]
fn copies_errors_and_late_frames_come_at_their_rate() {
    const FRAMES: u64 = 4_000;
    let mut link = direction(steady(1_000, 5));
    link.handle_fault(&Fault::Duplicate { probability: probability(0.1) }, millis(0));
    link.handle_fault(&Fault::Corrupt { probability: probability(0.1) }, millis(0));
    let by = Span::from_millis(10);
    link.handle_fault(&Fault::Reorder { probability: probability(0.1), by }, millis(0));
    let mut out = Vec::new();
    for number in 0..FRAMES {
        let mut bytes = frame(100).bytes().to_vec();
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        link.handle_frame(Frame::new(bytes), millis(number));
        out.extend(drain(&mut link, millis(number)));
    }
    out.extend(drain(&mut link, millis(FRAMES + 1_000)));
    let counters = link.counters();
    for count in [counters.duplicated, counters.corrupted, counters.reordered] {
        assert!(count.abs_diff(FRAMES / 10) < 80, "{counters:?}");
    }
    assert_eq!(out.len() as u64, FRAMES + counters.duplicated);
    let number = |frame: &Frame| u64::from_be_bytes(frame.bytes()[..8].try_into().unwrap());
    let overtaken =
        out.windows(2).filter(|pair| number(&pair[0].0) > number(&pair[1].0)).count() as u64;
    assert!(overtaken.abs_diff(counters.reordered) < 80, "{overtaken} of {counters:?}");
}

#[test]
fn a_trace_delivers_its_own_capacity_and_delay() {
    let trace = RecordedTrace::Leocc;
    let specification = DirectionSpecification {
        capacity: Capacity::Trace(trace),
        delay: Delay::Trace(trace),
        queue: QueueLimit { packets: 500, bytes: u32::MAX },
        loss: LossSpecification::default(),
    };
    let mut link = direction(specification);
    // Offer more than it can carry for two loops, and count each second.
    let mut delivered = [0_u64; 240];
    for tick in 0..240_000 {
        for _ in 0..8 {
            link.handle_frame(frame(FULL), millis(tick));
        }
        for (_, due) in drain(&mut link, millis(tick)) {
            let second = usize::try_from(due.as_nanos() / 1_000_000_000).unwrap();
            delivered[second] += 1;
        }
    }
    let opportunities = trace.delivery().len() as u64;
    let all: u64 = delivered.iter().sum();
    let share = all.abs_diff(2 * opportunities) * 10_000 / opportunities;
    assert!(share < 10, "{all} frames in two loops of {opportunities} opportunities");
    // The slowest second of the recording is as slow in the replay.
    let slowest = delivered[10..110].iter().min().unwrap();
    assert!(*slowest < 3_300, "a smoothed replay: never below {slowest} packets a second");
}

#[test]
fn the_packet_log_says_what_became_of_each_frame() {
    let mut link = direction(steady(12, 1));
    link.handle_frame(frame(FULL), millis(0));
    link.handle_log_wanted(true);
    link.handle_frame(frame(100), millis(0));
    drain(&mut link, millis(50));
    let lines: Vec<_> =
        std::iter::from_fn(|| link.poll_log()).map(|entry| entry.to_string()).collect();
    assert_eq!(
        lines,
        [
            "0.000000000 up 100 queued 2 1600",
            "0.002000000 up 1500 delivered 0 0",
            "0.002066667 up 100 delivered 0 0"
        ]
    );
}

#[derive(Clone, Debug)]
enum Event {
    Frame(usize),
    Fault(Fault),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let share = (1_u8..=100).prop_map(|percent| Share::try_from(percent).unwrap());
    let chance = (0.0..=1.0).prop_map(probability);
    let span = (0_u32..200).prop_map(Span::from_millis);
    let fault = prop_oneof![
        Just(Fault::Cut),
        Just(Fault::CarrierDown),
        Just(Fault::CarrierUp),
        Just(Fault::Heal),
        share.clone().prop_map(|percent| Fault::Rate { percent }),
        (share, span.clone()).prop_map(|(percent, over)| Fault::Decay { percent, over }),
        span.clone().prop_map(|extra| Fault::RoundTrip { extra }),
        chance.clone().prop_map(|probability| Fault::Corrupt { probability }),
        chance.clone().prop_map(|probability| Fault::Duplicate { probability }),
        (chance, span).prop_map(|(probability, by)| Fault::Reorder { probability, by }),
        (1_280_u16..1_500)
            .prop_map(|bytes| Fault::Mtu { bytes: Mtu::try_from(bytes).unwrap(), icmp: true }),
    ];
    let event = prop_oneof![
        8 => (0_usize..1_600).prop_map(Event::Frame),
        1 => fault.prop_map(Event::Fault),
        6 => (0_u64..20_000_000).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 0..120)
}

fn specifications() -> impl Strategy<Value = DirectionSpecification> {
    let capacity = prop_oneof![
        Just(Capacity::Unlimited),
        (1_u32..100).prop_map(|megabits| Capacity::Rate(Rate::from_megabits(megabits))),
        Just(Capacity::Trace(RecordedTrace::Leocc)),
    ];
    let delay = prop_oneof![
        (0_u32..50).prop_map(|millis| Delay::Constant(Span::from_millis(millis))),
        Just(Delay::Trace(RecordedTrace::Leocc)),
    ];
    (capacity, delay, 1_u32..50, 0.0..0.5_f64).prop_map(|(capacity, delay, packets, loss)| {
        let queue = QueueLimit { packets, bytes: 60_000 };
        let bernoulli = Some(probability(loss));
        let loss = LossSpecification { bernoulli, ..LossSpecification::default() };
        DirectionSpecification { capacity, delay, queue, loss }
    })
}

/// Runs the events; everything that came out in the end.
fn run(
    specification: &DirectionSpecification,
    seed: u64,
    events: &[Event],
) -> (Vec<(Frame, Instant)>, Counters) {
    let phase = ReplayPhase::at(Duration::from_millis(3_310));
    let mut link = Direction::new(specification.clone(), Side::Down, seed, phase, None);
    let (mut now, mut out) = (Instant::BOOT, Vec::new());
    for event in events {
        match event {
            Event::Frame(bytes) => link.handle_frame(frame(*bytes), now),
            Event::Fault(fault) => link.handle_fault(fault, now),
            Event::Wait(nanos) => {
                let until = now + Duration::from_nanos(*nanos);
                out.extend(drain(&mut link, until));
                now = until;
            }
        }
    }
    out.extend(drain(&mut link, now + Duration::from_secs(600)));
    (out, link.counters())
}

/// Whether frames may come out closer together than they left the bottleneck.
fn changes_the_way(event: &Event) -> bool {
    matches!(event, Event::Fault(Fault::Duplicate { .. } | Fault::Reorder { .. }))
        || matches!(event, Event::Fault(Fault::RoundTrip { .. } | Fault::Heal))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn same_seed_and_input_same_output(
        specification in specifications(), seed: u64, events in events(),
    ) {
        prop_assert_eq!(run(&specification, seed, &events), run(&specification, seed, &events));
    }

    #[test]
    fn every_frame_is_accounted_for(
        specification in specifications(), seed: u64, events in events(),
    ) {
        let (out, counters) = run(&specification, seed, &events);
        prop_assert_eq!(out.len() as u64, counters.delivered);
        let dropped = counters.queue_full + counters.too_big + counters.cut + counters.lost
            + counters.way_full;
        // A copy on the way may be lost with the carrier.
        let gone = counters.delivered + dropped + counters.no_carrier;
        prop_assert_eq!(gone, counters.received + counters.duplicated);
        prop_assert_eq!((counters.queue_packets, counters.queue_bytes), (0, 0));
        prop_assert!(out.is_sorted_by_key(|(_, due)| *due), "time went backwards");
    }

    /// Whatever the faults, a constant rate never carries more than itself.
    #[test]
    fn no_more_than_the_rate_comes_out(megabits in 1_u32..50, events in events()) {
        let specification = DirectionSpecification {
            capacity: Capacity::Rate(Rate::from_megabits(megabits)),
            ..DirectionSpecification::default()
        };
        let plain: Vec<_> = events
            .into_iter()
            .filter(|event| !changes_the_way(event))
            .collect();
        let (out, _) = run(&specification, 1, &plain);
        for pair in out.windows(2) {
            let nanos_needed = u64::from(pair[1].0.packet_bytes()) * 8_000 / u64::from(megabits);
            let gap = pair[1].1.saturating_since(pair[0].1);
            prop_assert!(gap.as_nanos() + 1 >= nanos_needed.into());
        }
    }
}

#[test]
fn another_seed_is_another_run() {
    let bernoulli = Some(probability(0.3));
    let loss = LossSpecification { bernoulli, ..LossSpecification::default() };
    let specification = DirectionSpecification { loss, ..steady(12, 5) };
    let events: Vec<_> =
        (0..200).flat_map(|_| [Event::Frame(100), Event::Wait(1_000_000)]).collect();
    assert_ne!(run(&specification, 1, &events), run(&specification, 2, &events));
}
