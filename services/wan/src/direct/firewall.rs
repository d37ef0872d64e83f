//! Our own table of the packet filter, as text for `nft -f -`.
//!
//! A flow keeps the uplink on which it began: its connection carries that uplink's mark, and the
//! mark leads every later packet into that uplink's table of routes. New flows carry none and take
//! the main default route, so they need no rule and go on without this program. Tables of others
//! are neither read nor touched.

use core::fmt::Write;

use units::PortName;

use crate::uplink::Mark;

/// The name of our table, in the family `inet`.
pub const TABLE: &str = "porchlight-wan";

/// What the table depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// The uplinks and their marks.
    pub uplinks: Vec<(PortName, Mark)>,
    /// Those that the house must not use.
    pub barred: Vec<PortName>,
}

impl Firewall {
    /// The transaction that puts the table there, in the place of one that is there already.
    #[must_use]
    pub fn rules(&self) -> String {
        let names = self.uplinks.iter().map(|(name, _)| format!("\"{name}\""));
        let marks = self.uplinks.iter().map(|(name, mark)| format!("\"{name}\" : {mark}"));
        let barred = self.barred.iter().map(|name| format!("\"{name}\""));
        let mut text = removal();
        let _ = writeln!(text, "table inet {TABLE} {{");
        container(&mut text, "set uplinks", "ifname", names.collect());
        container(&mut text, "map marks", "ifname : mark", marks.collect());
        container(&mut text, "set barred", "ifname", barred.collect());
        text.push_str(CHAINS);
        text.push_str("}\n");
        text
    }
}

/// The transaction that takes the table away, also when it is not there.
#[must_use]
pub fn removal() -> String {
    format!("add table inet {TABLE}\ndelete table inet {TABLE}\n")
}

fn container(text: &mut String, what: &str, kind: &str, elements: Vec<String>) {
    let elements = match elements.as_slice() {
        [] => String::new(),
        some => format!("elements = {{ {} }}; ", some.join(", ")),
    };
    let _ = writeln!(text, "    {what} {{ type {kind}; {elements}}}");
}

/// What arrives by an uplink is not led by the mark: it is going into the house.
const CHAINS: &str = r#"
    chain arrive {
        type filter hook prerouting priority mangle; policy accept;
        iifname @uplinks ct state new ct mark 0 ct mark set iifname map @marks
        iifname != @uplinks ct mark != 0 meta mark set ct mark
    }

    chain own {
        type route hook output priority mangle; policy accept;
        meta mark 0 ct mark != 0 meta mark set ct mark
    }

    chain forward {
        type filter hook forward priority filter - 10; policy accept;
        oifname @barred reject with icmpx admin-prohibited
    }

    chain leave {
        type filter hook postrouting priority mangle; policy accept;
        oifname @uplinks ct mark 0 ct mark set oifname map @marks
    }

    chain fit {
        type filter hook forward priority mangle; policy accept;
        oifname "tunnel0" tcp flags syn tcp option maxseg size set rt mtu
        iifname "tunnel0" tcp flags syn tcp option maxseg size set rt mtu
    }

    chain translate {
        type nat hook postrouting priority srcnat; policy accept;
        iifname "lan0" oifname "tunnel0" ip6 saddr 2000::/3 accept
        oifname "tunnel0" masquerade
    }
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_without_elements_are_left_empty() {
        let name = |text| PortName::try_new(text).expect("a name");
        let link = units::LinkId::new(2).expect("from 1");
        let uplinks = vec![(name("starlink0"), Mark::of(link))];
        let text = Firewall { uplinks, barred: Vec::new() }.rules();
        assert!(text.starts_with("add table inet porchlight-wan\ndelete table"), "{text}");
        assert!(text.contains(r#"{ type ifname : mark; elements = { "starlink0" : 0x0200 }; }"#));
        assert!(text.contains("set barred { type ifname; }"), "{text}");
        assert!(!text.contains("flush ruleset"));
    }
}
