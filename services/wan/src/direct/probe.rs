//! When to ask the world over an uplink, and what its answer means.
//!
//! [`Prober::poll_probe`] says what to send; whoever sends it waits [`PATIENCE`] and comes back
//! with [`Prober::handle_outcome`], which says what it means for the uplink. At most one datagram
//! and one page are asked for over each uplink at a time. Suspicion asks at once and often, a
//! metered uplink is asked seldom, and while the tunnel reports on an uplink it is not asked.

use std::collections::BTreeMap;
use std::time::Duration;

use core::net::SocketAddr;

use units::{Instant, LinkId};

use super::health::Health;

/// How long an answer may take. A path that needs longer is of no use to a call or a game.
pub const PATIENCE: Duration = Duration::from_millis(800);

/// How often the uplink is asked that carries the house.
pub const CARRYING: Duration = Duration::from_secs(2);

/// How often the others are asked.
pub const WAITING: Duration = Duration::from_secs(10);

/// How often a metered one is asked: 60 bytes each way, so below 11 MB in a month.
pub const METERED: Duration = Duration::from_secs(30);

/// How often a suspect is asked.
pub const SUSPECTED: Duration = Duration::from_millis(300);

/// How often a page is asked for, to find out who answers.
pub const PAGE: Duration = Duration::from_secs(600);

/// How often a page is asked for while the uplink is captive, or nothing else is answered.
pub const PAGE_IN_DOUBT: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Servers of names, asked in turns by datagrams.
    pub servers: Vec<SocketAddr>,
    /// Whether there is a page that answers with nothing at all (status 204).
    pub page: bool,
}

/// A question to be sent over an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Over which uplink.
    pub link: LinkId,
    /// What to ask.
    pub question: Question,
}

/// What to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// This server, for anything.
    Server(SocketAddr),
    /// For the page.
    Page,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for, after this time.
    Answered(Duration),
    /// Something else than the page: somebody answers in its place.
    Portal,
    /// Nothing within [`PATIENCE`].
    Silence,
}

/// What an outcome means for the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The world answers.
    Answer,
    /// The world does not answer.
    Silence,
    /// Somebody else answers.
    Portal,
    /// It is the world that answers, and nobody else.
    NoPortal,
}

/// What decides how often an uplink is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether it can be used.
    pub usable: bool,
    /// Whether it carries the house.
    pub carries: bool,
    /// Whether its bytes are dear.
    pub metered: bool,
    /// Whether the tunnel tells about it.
    pub told_by_tunnel: bool,
    /// How it does.
    pub health: Health,
}

/// The questions of one uplink.
#[derive(Clone, Debug, Default)]
struct Line {
    situation: Option<Situation>,
    next_datagram: Option<Instant>,
    next_page: Option<Instant>,
    datagram_out: bool,
    page_out: bool,
    turn: usize,
}

/// The questions of all uplinks.
#[derive(Debug)]
pub struct Prober {
    targets: Targets,
    lines: BTreeMap<LinkId, Line>,
}

impl Prober {
    /// Asks `targets` over no uplink yet.
    #[must_use]
    pub const fn new(targets: Targets) -> Self {
        Self { targets, lines: BTreeMap::new() }
    }

    /// What is true of an uplink from now on.
    pub fn handle_situation(&mut self, link: LinkId, situation: Situation, now: Instant) {
        let line = self.lines.entry(link).or_default();
        if line.situation == Some(situation) {
            return;
        }
        let asked = |situation: &Situation| situation.usable && !situation.told_by_tunnel;
        let was_asked = line.situation.as_ref().is_some_and(asked);
        line.situation = Some(situation);
        if !asked(&situation) {
            line.next_datagram = None;
            line.next_page = None;
            return;
        }
        if !was_asked {
            line.next_datagram = Some(now);
            line.next_page = Some(now);
        }
        let soon = now + every(&situation);
        line.next_datagram = line.next_datagram.map(|next| next.min(soon));
        let in_doubt = matches!(situation.health, Health::Captive | Health::Down);
        if in_doubt {
            let soon = now + PAGE_IN_DOUBT;
            line.next_page = line.next_page.map(|next| next.min(soon));
        }
    }

    /// The next question whose time has come.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        for (link, line) in &mut self.lines {
            let Some(situation) = line.situation else { continue };
            let due = |next: Option<Instant>| next.is_some_and(|next| next <= now);
            let servers = &self.targets.servers;
            if !servers.is_empty() && !line.datagram_out && due(line.next_datagram) {
                line.datagram_out = true;
                line.next_datagram = Some(now + every(&situation));
                line.turn = (line.turn + 1) % servers.len();
                return Some(Probe { link: *link, question: Question::Server(servers[line.turn]) });
            }
            if self.targets.page && !line.page_out && due(line.next_page) {
                line.page_out = true;
                let in_doubt = matches!(situation.health, Health::Captive | Health::Down);
                line.next_page = Some(now + if in_doubt { PAGE_IN_DOUBT } else { PAGE });
                return Some(Probe { link: *link, question: Question::Page });
            }
        }
        None
    }

    /// What came of `probe`, and what it means, in the order to be told.
    pub fn handle_outcome(&mut self, probe: &Probe, outcome: Outcome) -> Vec<Evidence> {
        let alone = self.targets.servers.is_empty();
        let Some(line) = self.lines.get_mut(&probe.link) else { return Vec::new() };
        let captive = line.situation.is_some_and(|known| known.health == Health::Captive);
        match probe.question {
            Question::Server(_) => line.datagram_out = false,
            Question::Page => line.page_out = false,
        }
        match (probe.question, outcome) {
            (Question::Server(_), Outcome::Answered(_)) => vec![Evidence::Answer],
            (Question::Page, Outcome::Answered(_)) => vec![Evidence::Answer, Evidence::NoPortal],
            // It leads somewhere, and somebody has to sign in.
            (_, Outcome::Portal) => vec![Evidence::Answer, Evidence::Portal],
            (Question::Server(_), Outcome::Silence) => vec![Evidence::Silence],
            // Whoever answered for everybody does not even answer any more.
            (Question::Page, Outcome::Silence) if captive => {
                vec![Evidence::NoPortal, Evidence::Silence]
            }
            (Question::Page, Outcome::Silence) if alone => vec![Evidence::Silence],
            // Pages have off days; the servers tell whether the uplink lives.
            (Question::Page, Outcome::Silence) => Vec::new(),
        }
    }

    /// When the next question will be due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let of_line = |line: &Line| {
            let servers = !line.datagram_out && !self.targets.servers.is_empty();
            let page = !line.page_out && self.targets.page;
            let datagram = line.next_datagram.filter(|_| servers);
            datagram.into_iter().chain(line.next_page.filter(|_| page)).min()
        };
        self.lines.values().filter_map(of_line).min()
    }
}

fn every(situation: &Situation) -> Duration {
    match situation.health {
        Health::Suspect => SUSPECTED,
        _ if situation.metered => METERED,
        Health::Down | Health::Probation => CARRYING,
        _ if situation.carries => CARRYING,
        Health::Up | Health::Captive => WAITING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};

    const LINK: LinkId = LinkId::new(1).expect("from 1");

    fn situation(health: Health) -> Situation {
        Situation { usable: true, carries: true, metered: false, told_by_tunnel: false, health }
    }

    fn prober() -> Prober {
        let server = |last| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 53);
        Prober::new(Targets { servers: vec![server(1), server(2)], page: true })
    }

    fn asked(prober: &mut Prober, now: Instant) -> Vec<Question> {
        std::iter::from_fn(|| prober.poll_probe(now)).map(|probe| probe.question).collect()
    }

    #[test]
    fn a_new_uplink_is_asked_at_once_and_never_twice_at_a_time() {
        let mut prober = prober();
        let now = Instant::from_secs(5);
        prober.handle_situation(LINK, situation(Health::Up), now);
        let first = asked(&mut prober, now);
        assert!(matches!(first[..], [Question::Server(_), Question::Page]), "{first:?}");
        assert_eq!(asked(&mut prober, now + PAGE), [], "the first are still out");
        let probe = Probe { link: LINK, question: first[0] };
        assert_eq!(prober.handle_outcome(&probe, Outcome::Silence), [Evidence::Silence]);
        let second = asked(&mut prober, now + PAGE);
        assert_eq!(second.len(), 1);
        assert_ne!(second[0], first[0], "the other server is asked");
    }

    #[test]
    fn suspicion_asks_soon_and_the_tunnel_s_word_stops_it() {
        let mut prober = prober();
        let now = Instant::from_secs(5);
        prober.handle_situation(LINK, situation(Health::Up), now);
        for question in asked(&mut prober, now) {
            let probe = Probe { link: LINK, question };
            let _ = prober.handle_outcome(&probe, Outcome::Answered(Duration::ZERO));
        }
        assert_eq!(prober.next_deadline(), Some(now + CARRYING));
        prober.handle_situation(LINK, situation(Health::Suspect), now);
        assert_eq!(prober.next_deadline(), Some(now + SUSPECTED));
        let told = Situation { told_by_tunnel: true, ..situation(Health::Up) };
        prober.handle_situation(LINK, told, now);
        assert_eq!(prober.next_deadline(), None);
    }

    #[test]
    fn somebody_else_s_page_is_a_portal_and_no_page_is_nothing() {
        let mut prober = prober();
        prober.handle_situation(LINK, situation(Health::Up), Instant::BOOT);
        let page = Probe { link: LINK, question: Question::Page };
        let portal = prober.handle_outcome(&page, Outcome::Portal);
        assert_eq!(portal, [Evidence::Answer, Evidence::Portal]);
        assert_eq!(prober.handle_outcome(&page, Outcome::Silence), []);
        let mut prober = Prober::new(Targets { servers: Vec::new(), page: true });
        prober.handle_situation(LINK, situation(Health::Up), Instant::BOOT);
        assert_eq!(prober.handle_outcome(&page, Outcome::Silence), [Evidence::Silence]);
    }

    #[test]
    fn metered_uplinks_are_asked_seldom() {
        let mut prober = prober();
        let metered = Situation { metered: true, ..situation(Health::Up) };
        prober.handle_situation(LINK, metered, Instant::BOOT);
        for question in asked(&mut prober, Instant::BOOT) {
            let probe = Probe { link: LINK, question };
            let _ = prober.handle_outcome(&probe, Outcome::Answered(Duration::ZERO));
        }
        assert_eq!(prober.next_deadline(), Some(Instant::BOOT + METERED));
    }
}
