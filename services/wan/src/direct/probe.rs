//! When to ask the world over an uplink, and what its answer means.
//!
//! [`Prober::poll_probe`] says what to send; whoever sends it waits [`PATIENCE`] and comes back
//! with [`Prober::handle_outcome`], which says what it means for the uplink. At most one datagram
//! and one page are asked for over each uplink at a time. Suspicion asks at once and often, a
//! metered uplink is asked seldom, and while the tunnel reports on an uplink it is not asked.
//!
//! Whoever answered is asked again, and the next one after a silence: the servers of the settings
//! and those of the uplink's own lease in turns, because some providers let nobody ask strangers.
//! At a modem, a lease's server can answer from memory while its line is dead; it is therefore
//! asked for names that nobody has asked for before, and counts only where there is a host to make
//! them from.

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
    /// Whether there is a host: its page answers with nothing at all (status 204), and names below
    /// it can be asked for at the leases' servers.
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
    /// This server of the uplink's lease, for a name that nobody has asked for before.
    Resolver(SocketAddr),
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
    /// The servers of its lease.
    resolvers: Vec<SocketAddr>,
    /// Who is asked, of [`Line::servers`].
    turn: usize,
}

impl Line {
    /// Whom to ask, the servers of the settings and those of the lease in turns.
    fn servers(&self, targets: &Targets) -> Vec<Question> {
        let own: &[SocketAddr] = if targets.page { &self.resolvers } else { &[] };
        let mut servers = Vec::with_capacity(targets.servers.len() + own.len());
        for place in 0..targets.servers.len().max(own.len()) {
            servers.extend(targets.servers.get(place).map(|at| Question::Server(*at)));
            servers.extend(own.get(place).map(|at| Question::Resolver(*at)));
        }
        servers
    }
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

    /// The lease of uplink `link` came with these servers of names.
    pub fn handle_resolvers(&mut self, link: LinkId, resolvers: Vec<SocketAddr>) {
        let line = self.lines.entry(link).or_default();
        if line.resolvers != resolvers {
            line.resolvers = resolvers;
            line.turn = 0;
        }
    }

    /// Whom to ask over uplink `link`, whoever answered last first.
    #[must_use]
    pub fn servers(&self, link: LinkId) -> Vec<SocketAddr> {
        let Some(line) = self.lines.get(&link) else { return Vec::new() };
        let mut servers: Vec<SocketAddr> = line
            .servers(&self.targets)
            .into_iter()
            .filter_map(|question| match question {
                Question::Server(at) | Question::Resolver(at) => Some(at),
                Question::Page => None,
            })
            .collect();
        let turn = line.turn.checked_rem(servers.len()).unwrap_or(0);
        servers.rotate_left(turn);
        servers
    }

    /// The next question whose time has come.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        for (link, line) in &mut self.lines {
            let Some(situation) = line.situation else { continue };
            let due = |next: Option<Instant>| next.is_some_and(|next| next <= now);
            let servers = if self.targets.servers.is_empty() {
                Vec::new()
            } else {
                line.servers(&self.targets)
            };
            if !servers.is_empty() && !line.datagram_out && due(line.next_datagram) {
                line.datagram_out = true;
                line.next_datagram = Some(now + every(&situation));
                return Some(Probe { link: *link, question: servers[line.turn % servers.len()] });
            }
            if self.targets.page && !line.page_out && due(line.next_page) {
                line.page_out = true;
                let in_doubt = matches!(situation.health, Health::Captive | Health::Down);
                line.next_page = Some(now + if in_doubt { PAGE_IN_DOUBT } else { PAGE });
                if !in_doubt {
                    // The best witness gets another chance, whoever is asked now.
                    line.turn = 0;
                }
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
            Question::Server(_) | Question::Resolver(_) => {
                line.datagram_out = false;
                if outcome == Outcome::Silence {
                    line.turn = line.turn.wrapping_add(1);
                }
            }
            Question::Page => line.page_out = false,
        }
        match (probe.question, outcome) {
            (Question::Server(_) | Question::Resolver(_), Outcome::Answered(_)) => {
                vec![Evidence::Answer]
            }
            (Question::Page, Outcome::Answered(_)) => vec![Evidence::Answer, Evidence::NoPortal],
            // It leads somewhere, and somebody has to sign in.
            (_, Outcome::Portal) => vec![Evidence::Answer, Evidence::Portal],
            (Question::Server(_) | Question::Resolver(_), Outcome::Silence) => {
                vec![Evidence::Silence]
            }
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
    fn where_strangers_are_not_answered_the_lease_s_server_is_asked_and_kept() {
        let mut prober = prober();
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 53);
        prober.handle_resolvers(LINK, vec![own]);
        let mut now = Instant::from_secs(5);
        prober.handle_situation(LINK, situation(Health::Up), now);
        let mut silences = 0;
        for _ in 0..20 {
            for question in asked(&mut prober, now) {
                let answers = question == Question::Resolver(own);
                let outcome =
                    if answers { Outcome::Answered(Duration::ZERO) } else { Outcome::Silence };
                let evidence = prober.handle_outcome(&Probe { link: LINK, question }, outcome);
                silences += evidence.iter().filter(|told| **told == Evidence::Silence).count();
            }
            now = now + CARRYING;
        }
        assert_eq!(silences, 1, "one stranger was asked once");
        assert_eq!(prober.servers(LINK)[0], own, "the page is found by whoever answers");
    }

    #[test]
    fn without_a_host_or_servers_no_lease_s_server_is_asked() {
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 53);
        let servers = prober().targets.servers;
        for targets in
            [Targets { servers, page: false }, Targets { servers: Vec::new(), page: true }]
        {
            let mut prober = Prober::new(targets);
            prober.handle_resolvers(LINK, vec![own]);
            let mut now = Instant::from_secs(5);
            prober.handle_situation(LINK, situation(Health::Up), now);
            for _ in 0..8 {
                for question in asked(&mut prober, now) {
                    assert_ne!(question, Question::Resolver(own));
                    let probe = Probe { link: LINK, question };
                    let _ = prober.handle_outcome(&probe, Outcome::Silence);
                }
                now = now + CARRYING;
            }
        }
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
