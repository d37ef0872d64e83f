//! Follows a simulated dish over loopback: each way to misbehave, what the view makes of it, and
//! that nothing is left behind.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use starlink::dish::{
    Alert, Api, Cause, Disablement, DishReport, DishState, DrainReason, Restriction, Sky,
};
use starlink::shell::connection::Connection;
use starlink::shell::follow::follow;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use units::PortName;

/// Longest wait for anything: above five pauses of the poller, which are 31 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// A simulated dish and whoever follows it.
struct Pair {
    dish: Child,
    follower: JoinHandle<()>,
    reports: watch::Receiver<DishReport>,
    _script: NamedTempFile,
}

impl Pair {
    /// Starts a dish with a script and follows it.
    fn new(script: &str) -> Self {
        Self::with(script, &[])
    }

    fn with(script: &str, arguments: &[&str]) -> Self {
        let mut file = NamedTempFile::new().expect("a scratch file");
        file.write_all(script.as_bytes()).expect("room for a script");
        let mut dish = Command::new(env!("CARGO_BIN_EXE_dish-sim"))
            .args(["--listen", "127.0.0.1:0", "--script"])
            .arg(file.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the dish starts");
        let mut line = String::new();
        let output = dish.stdout.take().expect("its output is ours");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on ").expect("that is what it says");
        let address: SocketAddr = address.parse().expect("an address");
        let (sender, reports) = watch::channel(DishReport::default());
        let follower = tokio::spawn(follow(None, address, sender));
        Self { dish, follower, reports, _script: file }
    }

    /// Waits for a report that `wanted` likes; shows the last one when none comes.
    async fn until(&mut self, wanted: impl Fn(&DishReport) -> bool) -> DishReport {
        let waited = timeout(DEADLINE, self.reports.wait_for(&wanted)).await;
        let report = waited.ok().map(|report| report.expect("the follower lives").clone());
        let Some(report) = report else {
            panic!("not within {DEADLINE:?}; the last was {:#?}", *self.reports.borrow());
        };
        report
    }

    async fn until_state(&mut self, state: DishState) -> DishReport {
        self.until(|report| report.view.as_ref().is_some_and(|view| view.state == state)).await
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.follower.abort();
        let _ = self.dish.kill();
        let _ = self.dish.wait();
    }
}

/// An event that lasts for good.
fn event(what: &str, at_s: f64) -> String {
    lasting(what, at_s, 3_600.0)
}

fn lasting(what: &str, at_s: f64, for_s: f64) -> String {
    format!("[[event]]\nwhat = \"{what}\"\nat_s = {at_s}\nfor_s = {for_s}\n")
}

#[tokio::test]
async fn a_dish_that_is_well_is_seen_whole() {
    let mut pair = Pair::new("");
    let report = pair
        .until(|report| {
            let view = report.view.as_ref();
            view.is_some_and(|view| view.sky.is_some() && view.history.seconds > 0)
        })
        .await;
    assert_eq!(report.api, Api::Answering);
    let view = report.view.expect("it was waited for");
    assert_eq!(view.state, DishState::Connected);
    assert_eq!(view.hardware.as_deref(), Some("simulated"));
    assert!(view.latency.is_some_and(|latency| latency.as_millis() >= 20), "{view:#?}");
    assert!(view.power.is_some_and(|power| (70_000..90_000).contains(&power.get())));
    assert!(view.history.seconds == 900 && view.history.energy.get() > 60_000_000);
    assert_eq!((view.drain, view.alerts.len()), (None, 0));
    assert_eq!(view.advice, starlink::dish::Advice::default());
    let sky = view.sky.expect("it was waited for");
    assert_eq!((sky.rows(), sky.columns()), (123, 123));
    assert!([Sky::Unseen, Sky::Blocked, Sky::Clear].iter().all(|one| sky.cells().contains(one)));
}

#[tokio::test]
async fn outages_come_with_their_cause_and_go() {
    let script = format!("{}cause = \"no-sats\"\n", lasting("outage", 6.0, 8.0));
    let mut pair = Pair::new(&script);
    pair.until_state(DishState::Connected).await;
    pair.until_state(DishState::Outage(Cause::NoSatellites)).await;
    pair.until_state(DishState::Connected).await;
}

#[tokio::test]
async fn a_dish_that_reports_three_seconds_late_is_three_seconds_late() {
    let mut pair = Pair::new(&format!("lag_s = 3\n{}", event("outage", 2.0)));
    let started = Instant::now();
    pair.until_state(DishState::Outage(Cause::Obstructed)).await;
    assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_restart_is_told_before_it_happens_and_counted_after() {
    let script = format!("{}announced_s = 60\n", lasting("reboot", 8.0, 12.0));
    let mut pair = Pair::new(&script);
    let report =
        pair.until(|report| report.view.as_ref().is_some_and(|view| view.drain.is_some())).await;
    let view = report.view.expect("it was waited for");
    let drain = view.drain.expect("it was waited for");
    assert_eq!((drain.why, drain.from), (DrainReason::Reboot, view.at));
    pair.until(|report| matches!(report.api, Api::Silent { .. })).await;
    pair.until_state(DishState::Outage(Cause::Booting)).await;
    let back = pair
        .until(|report| report.view.as_ref().is_some_and(|view| view.history.restarts == 1))
        .await;
    assert_eq!(back.api, Api::Answering);
}

#[tokio::test]
async fn sleep_is_seen_with_its_power() {
    let mut pair = Pair::new(&event("sleep", 1.0));
    let report = pair.until_state(DishState::Outage(Cause::Sleeping)).await;
    let view = report.view.expect("it was waited for");
    assert_eq!(view.alerts, [Alert::PowerSaveIdle]);
    assert_eq!(view.power, Some(units::MilliWatt::new(15_000)));
}

#[tokio::test]
async fn heating_is_seen_with_its_power() {
    let mut pair = Pair::new(&event("heating", 0.0));
    let view = pair.until_state(DishState::Connected).await.view.expect("it was waited for");
    assert_eq!(view.alerts, [Alert::IsHeating]);
    assert!(view.power.is_some_and(|power| power.get() >= 135_000));
}

#[tokio::test]
async fn heat_is_seen_before_it_ends_everything() {
    let mut pair = Pair::new(&lasting("thermal", 0.0, 16.0));
    let view = pair.until_state(DishState::Connected).await.view.expect("it was waited for");
    assert_eq!((view.alerts.as_slice(), view.drain), (&[Alert::ThermalThrottle][..], None));
    let report = pair.until_state(DishState::Outage(Cause::ThermalShutdown)).await;
    let drain = report.view.expect("it was waited for").drain.expect("it is off");
    assert_eq!(drain.why, DrainReason::Heat);
}

#[tokio::test]
async fn what_the_plan_says_reaches_the_advice() {
    let mut pair = Pair::new(&format!("{}{}", event("overage", 0.0), event("disabled", 0.0)));
    let view = pair.until_state(DishState::Connected).await.view.expect("it was waited for");
    assert!(view.advice.metered);
    assert_eq!(view.advice.restricted, Some(Restriction::Overage));
    assert_eq!(view.advice.disabled, Some(Disablement::NoActiveAccount));
}

#[tokio::test]
async fn a_round_trip_of_zero_is_replaced_from_the_history() {
    let mut pair = Pair::new(&event("zero-latency", 0.0));
    pair.until(|report| {
        report.view.as_ref().is_some_and(|view| view.latency.is_some_and(|l| l.as_millis() >= 20))
    })
    .await;
}

#[tokio::test]
async fn absurd_numbers_are_nothing() {
    let mut pair = Pair::new(&event("absurd", 0.0));
    let report = pair.until_state(DishState::Outage(Cause::Unknown)).await;
    let view = report.view.expect("it was waited for");
    assert_eq!((view.obstructed_share, view.lost_share, view.drain), (None, None, None));
    assert_eq!(view.advice.disabled, Some(Disablement::Unknown));
}

#[tokio::test]
async fn an_empty_answer_is_no_connection() {
    let mut pair = Pair::new(&event("empty", 0.0));
    pair.until_state(DishState::Unknown).await;
}

#[tokio::test]
async fn fields_from_the_future_do_no_harm() {
    let mut pair = Pair::new(&event("unknown-fields", 0.0));
    let report = pair.until_state(DishState::Connected).await;
    assert_eq!(report.api, Api::Answering);
}

/// What was known is kept when all that comes is a refusal.
async fn refuses(what: &str) {
    let mut pair = Pair::new(&event(what, 6.0));
    let before = pair.until_state(DishState::Connected).await.view;
    let report = pair.until(|report| report.api == Api::Refusing).await;
    let kept = report.view.expect("what was known is kept");
    assert_eq!(Some(kept.hardware), before.map(|view| view.hardware));
}

#[tokio::test]
async fn permission_denied_is_a_refusal() {
    refuses("permission-denied").await;
}

#[tokio::test]
async fn nonsense_is_a_refusal() {
    refuses("nonsense").await;
}

#[tokio::test]
async fn an_answer_far_too_long_is_a_refusal() {
    refuses("huge").await;
}

/// What was known is kept while the dish is silent, and it is heard when it is back.
async fn is_silent(what: &str) {
    let mut pair = Pair::new(&lasting(what, 6.0, 6.0));
    pair.until_state(DishState::Connected).await;
    let silent = pair.until(|report| matches!(report.api, Api::Silent { .. })).await;
    assert!(silent.view.is_some());
    pair.until(|report| report.api == Api::Answering).await;
}

#[tokio::test]
async fn a_closed_port_is_silence() {
    is_silent("dead").await;
}

#[tokio::test]
async fn a_connection_that_hangs_is_silence() {
    is_silent("hung").await;
}

#[tokio::test]
async fn noise_is_silence() {
    is_silent("garbage").await;
}

#[tokio::test]
async fn a_dish_that_is_not_there_is_silent_from_the_start() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = nobody.local_addr().expect("it has an address");
    drop(nobody);
    let (sender, mut reports) = watch::channel(DishReport::default());
    let follower = tokio::spawn(follow(None, address, sender));
    let silent = |report: &DishReport| matches!(report.api, Api::Silent { .. });
    timeout(DEADLINE, reports.wait_for(silent)).await.expect("in time").expect("it lives");
    assert_eq!(reports.borrow().view, None);
    drop(reports);
    timeout(DEADLINE, follower).await.expect("it ends when nobody listens").expect("quietly");
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    let connection = timeout(DEADLINE, listener.accept()).await.expect("it tries");
    connection.expect("a connection").0
}

/// Reads until the other end closes.
async fn is_closed(listener: &TcpListener) {
    let mut stream = accepted(listener).await;
    let drained = async {
        let mut buffer = [0; 1_024];
        while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
    };
    timeout(DEADLINE, drained).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_dish_that_hangs_leaves_no_connection_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let (sender, reports) = watch::channel(DishReport::default());
    let follower = tokio::spawn(follow(None, address, sender));
    // One that timed out, and one that is aborted under way.
    is_closed(&listener).await;
    let mut stream = accepted(&listener).await;
    follower.abort();
    let mut all = Vec::new();
    let closed = timeout(DEADLINE, stream.read_to_end(&mut all)).await;
    assert!(closed.is_ok(), "the connection outlived its follower");
    drop(reports);
}

#[tokio::test]
async fn a_connection_goes_through_its_device_or_not_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let device = |name| Some(PortName::try_new(name).expect("a name"));
    Connection::open(device("lo"), address).await.expect("the way there is lo");
    let error = Connection::open(device("nowhere0"), address).await.expect_err("no such device");
    assert!(error.to_string().starts_with("cannot bind to nowhere0"), "{error}");
}

#[test]
fn a_bad_script_starts_nothing() {
    let mut file = NamedTempFile::new().expect("a scratch file");
    file.write_all(b"lag_s = 3\nlagg = 1\n").expect("room");
    let mut dish = Command::new(env!("CARGO_BIN_EXE_dish-sim"));
    let output = dish.arg("--script").arg(file.path()).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains(":2: lagg: unknown field"), "{told}");
}
