//! The simulated dish itself: what it answers at which moment. Pure; times are seconds since the
//! start, as the script has them.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use starlink::proto::messages::request::Request as Ask;
use starlink::proto::messages::response::Response as Answer;
use starlink::proto::messages::{
    DeviceInfo, DeviceState, DishAlerts, DishConfig, DishGetHistoryResponse,
    DishGetObstructionMapResponse, DishGetStatusResponse, DishObstructionStats, DishOutage,
    DishUpsuStats, Request, Response, SoftwareUpdateStats,
};

use crate::recording::{Recording, Second};
use crate::script::{Cause, Script, What};

/// Seconds that the dish has been up when the simulation starts.
const UP_BEFORE: u64 = 105_900;

/// Length of the dish's rings.
const RING: u64 = 900;

/// Length of the recording, in seconds.
const LOOP_S: f64 = 4.0 * 3_600.0;

/// Side of the map of the sky.
const SIDE: u16 = 123;

/// What draws how much, in watts.
const IDLE_W: f32 = 70.0;
const HEATING_W: f32 = 65.0;
const ASLEEP_W: f32 = 15.0;
const PER_MBPS_W: f32 = 0.2;

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is served.
    Served,
    /// It is refused, or ends.
    Dead,
    /// It stays open in silence.
    Hung,
    /// It brings noise.
    Garbage,
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// An encoded message, or what passes for one.
    Message(Bytes),
    /// "You may not."
    Denied,
    /// "What?"
    Unknown,
}

/// A dish that lives through a recording and a script.
#[derive(Debug)]
pub(crate) struct Model {
    recording: Recording,
    script: Script,
    /// Where in the recording it starts, in seconds.
    start: u64,
    /// How many of its seconds pass in one real one.
    speed: f64,
    /// The wall clock at the start, in seconds since the Unix epoch.
    utc: f64,
}

impl Model {
    pub(crate) fn new(
        recording: Recording,
        script: Script,
        start: Duration,
        speed: f64,
        utc: Duration,
    ) -> Self {
        Self { recording, script, start: start.as_secs(), speed, utc: utc.as_secs_f64() }
    }

    /// What happens to connections at `time`.
    pub(crate) fn line(&self, time: f64) -> Line {
        let reboot = self.script.under_way(What::Reboot, time);
        if reboot.is_some_and(|(_, passed)| passed < 0.5) || self.is(What::Dead, time) {
            Line::Dead
        } else if self.is(What::Hung, time) {
            Line::Hung
        } else if self.is(What::Garbage, time) {
            Line::Garbage
        } else {
            Line::Served
        }
    }

    /// The answer to an encoded request at `time`.
    pub(crate) fn reply(&self, time: f64, request: &[u8]) -> Reply {
        if self.is(What::PermissionDenied, time) {
            return Reply::Denied;
        }
        if self.is(What::Nonsense, time) {
            return Reply::Message(Bytes::from_static(&[0xff; 64]));
        }
        if self.is(What::Huge, time) {
            return Reply::Message(Bytes::from(vec![0; 1 << 20]));
        }
        let Ok(Request { request: Some(ask) }) = Request::decode(request) else {
            return Reply::Unknown;
        };
        let seen = (time - self.script.lag_s.get()).max(0.0);
        let empty = self.is(What::Empty, time);
        let answer = match ask {
            Ask::Status(_) if empty => Answer::DishStatus(Box::default()),
            Ask::Status(_) => Answer::DishStatus(Box::new(self.status(seen, time))),
            Ask::History(_) if empty => Answer::History(DishGetHistoryResponse::default()),
            Ask::History(_) => Answer::History(self.history(seen)),
            Ask::ObstructionMap(_) => Answer::ObstructionMap(map()),
        };
        let response =
            Response { api_version: Some(42), response: Some(answer), ..Response::default() };
        let mut bytes = response.encode_to_vec();
        if self.is(What::UnknownFields, time) {
            add_unknown_fields(&mut bytes);
        }
        Reply::Message(Bytes::from(bytes))
    }

    fn is(&self, what: What, time: f64) -> bool {
        self.script.under_way(what, time).is_some()
    }

    /// The status as the dish sees itself at `seen`; what it counts down is right at `time`.
    fn status(&self, seen: f64, time: f64) -> DishGetStatusResponse {
        let second = self.second(seen);
        let is = |what| Some(self.is(what, seen));
        let thermal = self.script.under_way(What::Thermal, seen);
        let reboot = self.until_reboot(time);
        let mut status = DishGetStatusResponse {
            device_info: Some(DeviceInfo {
                hardware_version: Some("simulated".into()),
                software_version: Some("2026.06.12.sim".into()),
                ..DeviceInfo::default()
            }),
            device_state: Some(DeviceState { uptime_s: Some(self.uptime(seen)) }),
            pop_ping_drop_rate: Some(second.drop_rate),
            pop_ping_latency_ms: Some(second.latency_ms),
            downlink_throughput_bps: Some(second.downlink_bps),
            uplink_throughput_bps: Some(second.uplink_bps),
            outage: outage(second.outage),
            obstruction_stats: Some(DishObstructionStats {
                fraction_obstructed: Some(second.fraction_obstructed),
                currently_obstructed: Some(second.outage == Cause::Obstructed as i32),
                ..DishObstructionStats::default()
            }),
            alerts: Some(DishAlerts {
                is_heating: is(What::Heating),
                is_power_save_idle: is(What::Sleep),
                thermal_throttle: Some(thermal.is_some()),
                thermal_shutdown: Some(thermal.is_some_and(|(_, passed)| passed >= 0.5)),
                ..DishAlerts::default()
            }),
            disablement_code: Some(if self.is(What::Disabled, seen) { 2 } else { 1 }),
            dl_bandwidth_restricted_reason: Some(if self.is(What::Overage, seen) { 5 } else { 1 }),
            treat_as_metered: Some(self.script.metered || self.is(What::Overage, seen)),
            swupdate_reboot_ready: Some(reboot.is_some()),
            seconds_until_swupdate_reboot_possible: reboot
                .and_then(|(wait, _)| i32::try_from(whole(wait)).ok()),
            software_update_stats: reboot.map(|(_, utc)| SoftwareUpdateStats {
                reboot_scheduled_utc_time: i64::try_from(whole(utc)).ok(),
                ..SoftwareUpdateStats::default()
            }),
            upsu_stats: Some(DishUpsuStats {
                dish_power: Some(self.power(seen)),
                ..DishUpsuStats::default()
            }),
            config: self.config(),
            ..DishGetStatusResponse::default()
        };
        if self.is(What::ZeroLatency, seen) {
            status.pop_ping_latency_ms = Some(0.0);
            status.pop_ping_drop_rate = Some(0.0);
        }
        if self.is(What::Absurd, seen) {
            make_absurd(&mut status);
        }
        status
    }

    fn history(&self, seen: f64) -> DishGetHistoryResponse {
        let current = self.uptime(seen);
        let length = usize::try_from(RING).expect("a ring fits");
        let mut history = DishGetHistoryResponse {
            current: Some(current),
            pop_ping_drop_rate: vec![0.0; length],
            pop_ping_latency_ms: vec![0.0; length],
            downlink_throughput_bps: vec![0.0; length],
            uplink_throughput_bps: vec![0.0; length],
            power_in: vec![0.0; length],
            ..DishGetHistoryResponse::default()
        };
        let mut when = seen;
        for back in 1..=RING.min(current) {
            let slot = usize::try_from((current - back) % RING).expect("below a ring's length");
            let second = self.second(when);
            history.pop_ping_drop_rate[slot] = second.drop_rate;
            history.pop_ping_latency_ms[slot] = second.latency_ms;
            history.downlink_throughput_bps[slot] = second.downlink_bps;
            history.uplink_throughput_bps[slot] = second.uplink_bps;
            history.power_in[slot] = self.power(when);
            when -= 1.0;
        }
        history
    }

    /// One second of the recording, with what the script does to it.
    fn second(&self, seen: f64) -> Second {
        // What was before the start is the end of the loop.
        let second = self.recording.at(self.start + whole(seen + LOOP_S));
        let cause = if let Some((event, _)) = self.script.under_way(What::Outage, seen) {
            event.cause
        } else if self.is(What::Sleep, seen) {
            Cause::Sleeping
        } else if self.is(What::Reboot, seen) {
            Cause::Booting
        } else if self.script.under_way(What::Thermal, seen).is_some_and(|(_, p)| p >= 0.5) {
            Cause::ThermalShutdown
        } else {
            return second;
        };
        Second { outage: cause as i32, drop_rate: 1.0, latency_ms: 0.0, ..second }
    }

    fn power(&self, seen: f64) -> f32 {
        if self.is(What::Sleep, seen) {
            return ASLEEP_W;
        }
        let heating = if self.is(What::Heating, seen) { HEATING_W } else { 0.0 };
        IDLE_W + heating + self.second(seen).downlink_bps / 1.0e6 * PER_MBPS_W
    }

    /// Since the last restart.
    fn uptime(&self, seen: f64) -> u64 {
        let restarts = self.script.events_of(What::Reboot).map(|event| event.at_s.get());
        let last = restarts
            .filter(|at| *at <= seen)
            .fold(None, |last: Option<f64>, at| Some(last.map_or(at, |last| last.max(at))));
        last.map_or(UP_BEFORE + whole(seen), |at| whole(seen - at))
    }

    /// Until the restart that is announced at `time`, in real seconds, and its wall clock time.
    fn until_reboot(&self, time: f64) -> Option<(f64, f64)> {
        self.script.events_of(What::Reboot).find_map(|event| {
            let wait = event.at_s.get() - time;
            let is_told = (0.0..=event.announced_s.get()).contains(&wait);
            is_told.then_some((wait / self.speed, self.utc + event.at_s.get() / self.speed))
        })
    }

    /// The sleep of the script as the dish's settings have it.
    fn config(&self) -> Option<DishConfig> {
        let sleep = self.script.events_of(What::Sleep).next()?;
        let begins = (self.utc + sleep.at_s.get() / self.speed) % 86_400.0 / 60.0;
        let minutes = (sleep.for_s.get() / self.speed / 60.0).ceil();
        Some(DishConfig {
            power_save_mode: Some(true),
            power_save_start_minutes: u32::try_from(whole(begins)).ok(),
            power_save_duration_minutes: u32::try_from(whole(minutes)).ok(),
            ..DishConfig::default()
        })
    }
}

fn outage(cause: i32) -> Option<DishOutage> {
    (cause != 0).then(|| DishOutage { cause: Some(cause), ..DishOutage::default() })
}

fn make_absurd(status: &mut DishGetStatusResponse) {
    status.pop_ping_drop_rate = Some(f32::NAN);
    status.pop_ping_latency_ms = Some(-1.0);
    status.device_state = Some(DeviceState { uptime_s: Some(u64::MAX) });
    status.outage = outage(99);
    status.disablement_code = Some(-1);
    status.seconds_until_swupdate_reboot_possible = Some(i32::MAX);
    status.swupdate_reboot_ready = Some(true);
    status.upsu_stats = Some(DishUpsuStats { dish_power: Some(f32::INFINITY), router_power: None });
    status.obstruction_stats = Some(DishObstructionStats {
        fraction_obstructed: Some(1.0e9),
        ..DishObstructionStats::default()
    });
}

/// A clear sky with a blocked edge, seen from horizon to horizon.
fn map() -> DishGetObstructionMapResponse {
    let middle = f32::from(SIDE - 1) / 2.0;
    let cells = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column)));
    let snr = cells.map(|(row, column)| {
        let (north, east) = (middle - f32::from(row), f32::from(column) - middle);
        let out = north.hypot(east) / middle;
        match () {
            () if out > 1.0 => -1.0,
            () if out > 0.85 && north > 0.0 => 0.0,
            () => 1.0,
        }
    });
    DishGetObstructionMapResponse {
        num_rows: Some(u32::from(SIDE)),
        num_cols: Some(u32::from(SIDE)),
        snr: snr.collect(),
        min_elevation_deg: Some(10.0),
        max_theta_deg: Some(80.0),
        map_reference_frame: Some(1),
    }
}

/// A field in the answer and one in its status. A message that comes twice is one message.
fn add_unknown_fields(answer: &mut Vec<u8>) {
    let text = |number: u32, value: &[u8]| {
        let mut bytes = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(u64::try_from(value.len()).expect("a length fits"), &mut bytes);
        bytes.extend_from_slice(value);
        bytes
    };
    answer.extend(text(7_001, b"from the future"));
    answer.extend(text(2_004, &text(7_002, b"as well")));
}

/// Whole seconds; zero for what is negative.
fn whole(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default().as_secs()
}
