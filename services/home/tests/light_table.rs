//! The light table, over every combination of facts there is.

use bus::wan::State;
use home::light::{Facts, Light, Row, judge};
use home::port::Role;
use home::reading::{LinkState, SystemState};
use home::uplink::UplinkState;

const SYSTEM: [SystemState; 4] =
    [SystemState::Starting, SystemState::Up, SystemState::Stopping, SystemState::Other];

const LINK: [LinkState; 5] = [
    LinkState::Missing,
    LinkState::Unplugged,
    LinkState::Plugged,
    LinkState::Addressed,
    LinkState::Unknown,
];

const INTERNET: [State; 5] =
    [State::Online, State::Degraded, State::Offline, State::Captive, State::Unknown];

const UPLINK: [UplinkState; 11] = [
    UplinkState::InUse,
    UplinkState::Ready,
    UplinkState::Recovering,
    UplinkState::Silent,
    UplinkState::SignIn,
    UplinkState::Off,
    UplinkState::Unchecked,
    UplinkState::Connecting,
    UplinkState::Unplugged,
    UplinkState::Missing,
    UplinkState::Unknown,
];

/// Words that a household should never have to read.
const JARGON: [&str; 12] = [
    "uplink",
    "interface",
    "carrier",
    "DHCP",
    "systemd",
    "networkd",
    "route",
    "daemon",
    "unit",
    "WAN",
    "LAN",
    "link0",
];

fn facts<'a>(
    failed: &'a [String],
    home: LinkState,
    broadband: UplinkState,
    starlink: UplinkState,
) -> Facts<'a> {
    Facts {
        fresh: true,
        settled: true,
        system: SystemState::Up,
        failed,
        home: vec![home],
        internet: State::Online,
        uplinks: vec![(Role::Broadband, broadband), (Role::Starlink, starlink)],
    }
}

fn for_every_combination(mut check: impl FnMut(&Facts<'_>)) -> usize {
    let none: [String; 0] = [];
    let one = [String::from("home.service")];
    let mut count = 0;
    for (home, broadband, starlink) in LINK.into_iter().flat_map(|home| {
        UPLINK.into_iter().flat_map(move |b| UPLINK.into_iter().map(move |s| (home, b, s)))
    }) {
        for bits in 0..8 {
            let failed: &[String] = if bits & 1 == 0 { &none } else { &one };
            let (fresh, settled) = (bits & 2 == 0, bits & 4 == 0);
            for (system, internet) in SYSTEM.into_iter().flat_map(|s| INTERNET.map(|i| (s, i))) {
                let facts = facts(failed, home, broadband, starlink);
                check(&Facts { fresh, settled, system, internet, ..facts });
                count += 1;
            }
        }
    }
    count
}

#[test]
fn all_is_well_only_when_everything_is() {
    let count = for_every_combination(|facts| {
        let (row, _) = judge(facts);
        let online = matches!(facts.internet, State::Online | State::Degraded);
        let home = !matches!(facts.home[0], LinkState::Missing | LinkState::Unplugged);
        let up = facts.system == SystemState::Up;
        let well = facts.fresh && facts.settled && online && home && up && facts.failed.is_empty();
        assert_eq!(row.light() == Light::Serving, well, "{row:?} for {facts:?}");
    });
    assert_eq!(count, 5 * 121 * 8 * 4 * 5);
}

#[test]
fn the_highest_active_row_wins() {
    for_every_combination(|facts| {
        let (row, _) = judge(facts);
        // The table of the module's head, read from below.
        let mut expected = Row::Serving;
        if facts.system != SystemState::Up {
            expected = Row::Stuck;
        }
        if !facts.failed.is_empty() {
            expected = Row::Failed;
        }
        if matches!(facts.home[0], LinkState::Missing | LinkState::Unplugged) {
            expected = Row::HomePort;
        }
        let dead = facts.uplinks.iter().all(|(_, state)| state.is_dead());
        match facts.internet {
            State::Online | State::Degraded => {}
            State::Unknown if !dead => expected = Row::Unsure,
            State::Unknown | State::Offline => expected = Row::Offline,
            State::Captive => expected = Row::SignIn,
        }
        if !facts.fresh {
            expected = Row::Blind;
        }
        if !facts.settled {
            expected = Row::Starting;
        }
        if facts.fresh && facts.system == SystemState::Stopping {
            expected = Row::Stopping;
        }
        assert_eq!(row, expected, "{facts:?}");
    });
}

#[test]
fn every_sentence_is_one_a_household_can_read() {
    for_every_combination(|facts| {
        let (_, why) = judge(facts);
        assert!(why.ends_with('.') && why.len() <= 200, "{why}");
        assert!(why.starts_with(char::is_uppercase), "{why}");
        for word in JARGON {
            assert!(!why.contains(word), "{word:?} in {why:?}");
        }
    });
}

fn why(internet: State, broadband: UplinkState, starlink: UplinkState) -> String {
    let facts = facts(&[], LinkState::Addressed, broadband, starlink);
    judge(&Facts { internet, ..facts }).1
}

#[test]
fn a_served_house_hears_which_line_serves_it() {
    use UplinkState::{Connecting, InUse, Off, Ready, Recovering, SignIn, Silent, Unplugged};
    for (broadband, starlink, expected) in [
        (InUse, Ready, "The house is online through broadband, with Starlink ready."),
        (Ready, InUse, "The house is online through Starlink, with broadband ready."),
        (InUse, InUse, "The house is online through broadband and Starlink together."),
        (InUse, Off, "The house is online through broadband."),
        (Unplugged, InUse, "Broadband is down; the house is online through Starlink."),
        (Silent, InUse, "Broadband is down; the house is online through Starlink."),
        (
            Recovering,
            InUse,
            "Broadband is back and on trial; the house is online through Starlink.",
        ),
        (
            SignIn,
            InUse,
            "Broadband wants somebody to sign in; the house is online through Starlink.",
        ),
        (InUse, Connecting, "The house is online through broadband. Starlink is not available."),
        (
            InUse,
            Recovering,
            "The house is online through broadband. Starlink is back and on trial.",
        ),
    ] {
        assert_eq!(why(State::Degraded, broadband, starlink), expected);
    }
}

#[test]
fn a_house_without_internet_hears_what_is_the_matter() {
    use UplinkState::{Connecting, SignIn, Silent, Unchecked, Unplugged};
    assert_eq!(
        why(State::Offline, Unplugged, Silent),
        "The house is offline: broadband has no live cable and Starlink does not reach the \
         internet. Check the cables and the power of the modem and the dish."
    );
    assert_eq!(
        why(State::Offline, Connecting, Connecting),
        "The house is offline: broadband is plugged in but not answering and Starlink is plugged \
         in but not answering. Switch the modem and the dish off and on again; the provider may \
         have an outage."
    );
    assert_eq!(
        why(State::Offline, Silent, Silent),
        "The house is offline: neither broadband nor Starlink reaches the internet. Switch the \
         modem and the dish off and on again; the provider may have an outage."
    );
    assert_eq!(
        why(State::Captive, Unplugged, SignIn),
        "Starlink wants somebody to sign in before it lets the house out. Open any page in a \
         browser and do what it asks."
    );
    let unsure = "The box does not know whether the house is online: ";
    assert!(why(State::Unknown, Unchecked, Unplugged).starts_with(unsure));
    let offline = "The house is offline: broadband has no live cable and ";
    assert!(why(State::Unknown, Unplugged, Connecting).starts_with(offline), "cables tell enough");
}

#[test]
fn a_failed_part_is_named_and_the_verdict_only_when_alone() {
    let why = |failed: &[&str]| {
        let failed: Vec<String> = failed.iter().map(|&name| name.to_owned()).collect();
        judge(&facts(&failed, LinkState::Addressed, UplinkState::InUse, UplinkState::Ready)).1
    };
    let firewall = "A part of the box (firewall) has stopped. ";
    assert!(why(&["firewall.service"]).starts_with(firewall));
    assert!(why(&["firewall.service", "selfcheck.service"]).starts_with(firewall));
    let both = why(&["a.service", "b.service", "selfcheck.service"]);
    assert!(both.starts_with("2 parts of the box (a and others) have stopped. "), "{both}");
    assert!(why(&["selfcheck.service"]).starts_with("The box's own check after starting"));
}

#[test]
fn a_box_with_one_line_does_not_miss_the_other() {
    let only = vec![(Role::Starlink, UplinkState::InUse)];
    let facts = Facts {
        uplinks: only,
        ..facts(&[], LinkState::Addressed, UplinkState::InUse, UplinkState::Ready)
    };
    assert_eq!(judge(&facts).1, "The house is online through Starlink.");
}
