//! Whatever bytes a dish sends, the view makes sense and nothing panics.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message;
use starlink::dish::poller::Question;
use starlink::dish::{AnswerError, Dish, DishState, DishView, LONGEST_ANSWER};
use starlink::proto::messages::response::Response as Answer;
use starlink::proto::messages::{
    DeviceInfo, DeviceState, DishAlerts, DishApsStats, DishConfig, DishGetHistoryResponse,
    DishGetStatusResponse, DishObstructionStats, DishOutage, DishUpsuStats, Response,
    SoftwareUpdateStats, Status,
};
use units::Instant;

const NOW: Instant = Instant::from_secs(1_000);
const UTC: Duration = Duration::from_secs(1_771_200_000);

fn encoded(answer: Answer) -> Vec<u8> {
    Response { response: Some(answer), ..Response::default() }.encode_to_vec()
}

fn encoded_status(status: DishGetStatusResponse) -> Vec<u8> {
    encoded(Answer::DishStatus(Box::new(status)))
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![Just(Question::Status), Just(Question::History), Just(Question::Map)]
}

/// Any float there is, with the troublesome ones often.
fn float() -> impl Strategy<Value = Option<f32>> {
    let troublesome = [f32::NAN, f32::INFINITY, -1.0, -0.0, 0.0, 1.0, f32::MAX];
    let troublesome = proptest::sample::select(troublesome.to_vec());
    proptest::option::of(prop_oneof![any::<f32>(), troublesome, 0.0_f32..100.0])
}

prop_compose! {
    fn status()(
        floats in proptest::array::uniform6(float()),
        numbers in proptest::array::uniform6(any::<i32>()),
        times in (any::<i64>(), any::<u64>(), any::<u32>(), any::<u32>()),
        on in any::<bool>(),
        text in ".{0,80}",
    ) -> DishGetStatusResponse {
        let [dropped, latency, blocked, one, other, _] = floats;
        let [down, up, disabled, wait, _, _] = numbers;
        DishGetStatusResponse {
            device_info: Some(DeviceInfo { software_version: Some(text), ..Default::default() }),
            device_state: Some(DeviceState { uptime_s: Some(times.1) }),
            pop_ping_drop_rate: dropped,
            pop_ping_latency_ms: latency,
            obstruction_stats: Some(DishObstructionStats {
                fraction_obstructed: blocked,
                ..Default::default()
            }),
            alerts: Some(DishAlerts { thermal_shutdown: Some(on), ..Default::default() }),
            swupdate_reboot_ready: Some(on),
            seconds_until_swupdate_reboot_possible: Some(wait),
            software_update_stats: Some(SoftwareUpdateStats {
                reboot_scheduled_utc_time: Some(times.0),
                ..Default::default()
            }),
            config: Some(DishConfig {
                power_save_mode: Some(on),
                power_save_start_minutes: Some(times.2 % 1_600),
                power_save_duration_minutes: Some(times.3 % 1_600),
                ..Default::default()
            }),
            upsu_stats: Some(DishUpsuStats { dish_power: one, ..Default::default() }),
            aps_stats: Some(DishApsStats { dish_power: other }),
            dl_bandwidth_restricted_reason: Some(down),
            ul_bandwidth_restricted_reason: Some(up),
            disablement_code: Some(disabled),
            ..Default::default()
        }
    }
}

prop_compose! {
    fn history()(
        current in proptest::option::of(prop_oneof![any::<u64>(), 0..2_000_u64]),
        power in proptest::collection::vec(float(), 0..40),
        dropped in proptest::collection::vec(float(), 0..40),
    ) -> DishGetHistoryResponse {
        DishGetHistoryResponse {
            current,
            power_in: power.into_iter().flatten().collect(),
            pop_ping_drop_rate: dropped.into_iter().flatten().collect(),
            ..Default::default()
        }
    }
}

fn check(view: &DishView) -> Result<(), TestCaseError> {
    let shares = [view.lost_share, view.obstructed_share, view.history.lost_share_recently];
    for share in shares.into_iter().flatten() {
        prop_assert!((0.0..=1.0).contains(&share), "{share}");
    }
    if let Some(latency) = view.latency {
        prop_assert!(!latency.is_zero() && latency <= Duration::from_secs(60));
    }
    if let Some(power) = view.power {
        prop_assert!(power.get() <= 1_000_000, "{power}");
    }
    if let Some(drain) = view.drain {
        prop_assert!(drain.from < drain.until && drain.from >= view.at);
        prop_assert!(drain.until <= view.at + Duration::from_secs(3 * 86_400));
    }
    for text in [&view.hardware, &view.software].into_iter().flatten() {
        prop_assert!(text.len() <= 64 && !text.contains(|c: char| c.is_control()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_survived(
        answers in proptest::collection::vec(
            (question(), proptest::collection::vec(any::<u8>(), 0..400)), 1..8),
    ) {
        let mut dish = Dish::default();
        for (question, bytes) in answers {
            let _ = dish.handle_answer(NOW, Some(UTC), question, &bytes);
        }
        dish.view().as_ref().map_or(Ok(()), check)?;
    }

    #[test]
    fn damaged_answers_are_survived(
        status in status(),
        history in history(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut dish = Dish::default();
        let answers = [
            (Question::Status, encoded_status(status)),
            (Question::History, encoded(Answer::History(history))),
        ];
        for (question, mut bytes) in answers {
            for (place, value) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            let _ = dish.handle_answer(NOW, Some(UTC), question, &bytes);
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = dish.handle_answer(NOW, Some(UTC), question, &bytes);
        }
        dish.view().as_ref().map_or(Ok(()), check)?;
    }

    #[test]
    fn absurd_numbers_do_not_reach_the_view(
        status in status(),
        histories in proptest::collection::vec(history(), 0..5),
        clock in proptest::option::of(0..4_000_000_000_u64),
    ) {
        let mut dish = Dish::default();
        let utc = clock.map(Duration::from_secs);
        for history in histories {
            let bytes = encoded(Answer::History(history));
            prop_assert!(dish.handle_answer(NOW, utc, Question::History, &bytes).is_ok());
            prop_assert_eq!(dish.view(), None);
        }
        let bytes = encoded_status(status);
        prop_assert!(dish.handle_answer(NOW, utc, Question::Status, &bytes).is_ok());
        let view = dish.view().expect("a status was taken in");
        prop_assert_eq!(view.state, DishState::Connected);
        check(&view)?;
    }
}

#[test]
fn an_answer_that_is_refused_changes_nothing() {
    let mut dish = Dish::default();
    let good = encoded_status(DishGetStatusResponse {
        device_state: Some(DeviceState { uptime_s: Some(77) }),
        ..Default::default()
    });
    dish.handle_answer(NOW, None, Question::Status, &good).expect("a good answer");
    let before = dish.view();
    let refused = Status { code: Some(7), message: Some("Disabled due to policy\n".into()) };
    let refused = Response { status: Some(refused), ..Response::default() }.encode_to_vec();
    let error = dish.handle_answer(NOW, None, Question::Status, &refused);
    assert!(
        matches!(&error, Err(AnswerError::Refused { code: 7, message }) if !message.contains('\n')),
        "{error:?}"
    );
    let error = dish.handle_answer(NOW, None, Question::History, &good);
    assert!(matches!(error, Err(AnswerError::AnotherQuestion(Question::History))), "{error:?}");
    let error = dish.handle_answer(NOW, None, Question::Status, &vec![0; LONGEST_ANSWER + 1]);
    assert!(matches!(error, Err(AnswerError::TooLong(_))), "{error:?}");
    let error = dish.handle_answer(NOW, None, Question::Status, b"HTTP/1.1 400 Bad Request");
    assert!(matches!(error, Err(AnswerError::NotAMessage(_))), "{error:?}");
    assert_eq!(dish.view(), before);
}

#[test]
fn a_round_trip_of_zero_is_taken_from_the_history_but_not_in_an_outage() {
    let mut dish = Dish::default();
    let history = DishGetHistoryResponse {
        current: Some(900),
        pop_ping_latency_ms: vec![27.5; 900],
        pop_ping_drop_rate: vec![0.5; 900],
        ..Default::default()
    };
    let status = DishGetStatusResponse {
        pop_ping_latency_ms: Some(0.0),
        pop_ping_drop_rate: Some(0.0),
        ..Default::default()
    };
    let outage = Some(DishOutage { cause: Some(6), ..Default::default() });
    let obstructed =
        DishGetStatusResponse { outage, pop_ping_drop_rate: Some(1.0), ..status.clone() };
    let history = encoded(Answer::History(history));
    dish.handle_answer(NOW, None, Question::History, &history).expect("a good answer");
    dish.handle_answer(NOW, None, Question::Status, &encoded_status(status)).expect("another");
    let view = dish.view().expect("a status was taken in");
    assert_eq!(view.latency, Some(Duration::from_micros(27_500)));
    assert_eq!(view.lost_share, Some(0.5));
    let obstructed = encoded_status(obstructed);
    dish.handle_answer(NOW, None, Question::Status, &obstructed).expect("a third");
    let view = dish.view().expect("a status was taken in");
    assert_eq!((view.latency, view.lost_share), (None, Some(1.0)));
}
