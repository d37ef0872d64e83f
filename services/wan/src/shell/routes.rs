//! Reads and changes the kernel's links, addresses, routes and rules.
//!
//! One task, spawned by [`Kernel::open`], speaks to the kernel and ends with the value. Each
//! request is awaited before the next, for at most [`PATIENCE`]; the kernel answers in microseconds
//! unless it is out of memory.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::translate::{self, Counted};
use crate::direct::kernel::{
    Change, Destination, KernelState, PROTOCOL, RouteKey, RouteValue, Rule, Version,
};
use crate::links::Snapshot;
use crate::uplink::Mark;

/// Longest wait for the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// The kernel's words for "that is there already" and for the three kinds of "that is not there".
const EEXIST: i32 = 17;
const NOT_THERE: [i32; 4] = [2, 3, 19, 99];

/// Why the kernel was not read or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    /// It said no.
    #[error("{what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        source: rtnetlink::Error,
    },
    /// It said nothing.
    #[error("{what}: no answer within {} s", PATIENCE.as_secs())]
    Silent {
        /// What was asked.
        what: String,
    },
}

/// The way to the kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    handle: Handle,
    speaker: JoinHandle<()>,
}

impl Kernel {
    /// Opens the way. To be called inside the runtime.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn open() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self { handle, speaker: tokio::spawn(connection) })
    }

    /// Lists links, addresses and default routes of others.
    ///
    /// # Errors
    /// [`KernelError`].
    pub(super) async fn snapshot(&self) -> Result<Snapshot, KernelError> {
        // One list at a time: the kernel refuses to make two for one socket.
        let links = self.handle.link().get().execute().try_collect::<Vec<_>>();
        let links = asked("the links", links).await?;
        let addresses = self.handle.address().get().execute().try_collect::<Vec<_>>();
        let addresses = asked("the addresses", addresses).await?;
        let routes = self.routes().await?;
        Ok(Snapshot {
            links: links.iter().filter_map(translate::link).collect(),
            addresses: addresses.iter().filter_map(translate::address).collect(),
            routes: routes.iter().filter_map(translate::default_route).collect(),
        })
    }

    /// Lists what of ours stands there.
    ///
    /// # Errors
    /// [`KernelError`].
    pub(super) async fn own(&self) -> Result<KernelState, KernelError> {
        let routes = self.routes().await?;
        let mut rules = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let request = self.handle.rule().get(version).execute().try_collect::<Vec<_>>();
            rules.extend(asked("the rules", request).await?);
        }
        Ok(KernelState {
            routes: routes.iter().filter_map(translate::own_route).collect(),
            rules: rules.iter().filter_map(translate::own_rule).collect(),
        })
    }

    /// Reads what was counted on the links.
    ///
    /// # Errors
    /// [`KernelError`].
    pub(super) async fn counters(&self) -> Result<Vec<Counted>, KernelError> {
        let links = self.handle.link().get().execute().try_collect::<Vec<_>>();
        let links = asked("the counters", links).await?;
        Ok(links.iter().filter_map(translate::counted).collect())
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`KernelError`].
    pub(super) async fn change(&self, change: &Change) -> Result<(), KernelError> {
        let what = || change.to_string();
        let (answer, fine): (_, &[i32]) = match change {
            Change::SetRoute(key, value) => {
                let request = self.handle.route().add(message(key, value)).replace();
                (timeout(PATIENCE, request.execute()).await, &[])
            }
            Change::RemoveRoute(key, value) => {
                let mut message = message(key, value);
                // Whatever the scope is.
                message.header.scope = RouteScope::NoWhere;
                let request = self.handle.route().del(message);
                (timeout(PATIENCE, request.execute()).await, &NOT_THERE)
            }
            Change::AddRule(rule) => (timeout(PATIENCE, self.add_rule(rule)).await, &[EEXIST]),
            Change::RemoveRule(rule) => {
                let request = self.handle.rule().del(rule_message(rule));
                (timeout(PATIENCE, request.execute()).await, &NOT_THERE)
            }
        };
        match answer {
            Err(_) => Err(KernelError::Silent { what: what() }),
            Ok(Err(rtnetlink::Error::NetlinkError(error)))
                if fine.contains(&error.raw_code().saturating_abs()) =>
            {
                Ok(())
            }
            Ok(answer) => answer.map_err(|source| KernelError::Refused { what: what(), source }),
        }
    }

    async fn add_rule(&self, rule: &Rule) -> Result<(), rtnetlink::Error> {
        let mut request = self.handle.rule().add();
        *request.message_mut() = rule_message(rule);
        request.execute().await
    }

    async fn routes(&self) -> Result<Vec<RouteMessage>, KernelError> {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let mut routes = Vec::new();
        for question in [v4, v6] {
            let request = self.handle.route().get(question).execute().try_collect::<Vec<_>>();
            routes.extend(asked("the routes", request).await?);
        }
        Ok(routes)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.speaker.abort();
    }
}

async fn asked<T>(
    what: &str,
    request: impl Future<Output = Result<T, rtnetlink::Error>>,
) -> Result<T, KernelError> {
    match timeout(PATIENCE, request).await {
        Err(_) => Err(KernelError::Silent { what: what.to_owned() }),
        Ok(answer) => {
            answer.map_err(|source| KernelError::Refused { what: what.to_owned(), source })
        }
    }
}

fn message(key: &RouteKey, value: &RouteValue) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(key.version);
    message.header.protocol = RouteProtocol::Other(PROTOCOL);
    message.header.kind = RouteType::Unicast;
    // IPv4 wants to be told that there is no router between; IPv6 knows no scopes.
    message.header.scope = match (key.version, value.gateway) {
        (Version::V4, None) => RouteScope::Link,
        (Version::V4, Some(_)) | (Version::V6, _) => RouteScope::Universe,
    };
    // The header has room for tables up to 255 only; the attribute goes before it.
    message.attributes = vec![
        RouteAttribute::Table(key.table.0),
        RouteAttribute::Priority(key.metric),
        RouteAttribute::Oif(value.device.0),
    ];
    if let Destination::Host(address) = key.destination {
        message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(address.into()));
    }
    let gateway = value.gateway.map(|address| RouteAttribute::Gateway(address.into()));
    let source = value.source.map(|address| RouteAttribute::PrefSource(address.into()));
    message.attributes.extend(gateway.into_iter().chain(source));
    message
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.version);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Table(rule.table.0),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::FwMark(rule.mark.get()),
        RuleAttribute::FwMask(Mark::MASK),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
}

fn family(version: Version) -> AddressFamily {
    match version {
        Version::V4 => AddressFamily::Inet,
        Version::V6 => AddressFamily::Inet6,
    }
}
