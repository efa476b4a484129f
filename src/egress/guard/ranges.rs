//! Addresses that are not for the public.
//!
//! The tables follow the IANA IPv4 and IPv6 Special-Purpose Address Registries
//! (RFC 6890 and its updates). Where a registry entry has "Globally Reachable:
//! False" it is here; entries that are reachable but serve infrastructure
//! (protocol assignments, relays) are here too, because no API stands there.
//! IPv6 is judged the other way round: only `2000::/3`, the one block that IANA
//! has given out as global unicast (RFC 4291 section 2.4), can be public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, if it is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A range of the registries: what it is for, and where that is written.
    Special(&'static str),
    /// Where a cloud hands out the credentials of its machines; whose.
    Metadata(&'static str),
}

/// The IPv4 ranges, each with its prefix length.
const V4: &[([u8; 4], u8, &str)] = &[
    ([0, 0, 0, 0], 8, "an unspecified address (RFC 791)"),
    ([10, 0, 0, 0], 8, "a private address (RFC 1918)"),
    ([100, 64, 0, 0], 10, "a carrier's shared address (RFC 6598)"),
    ([127, 0, 0, 0], 8, "a loopback address (RFC 1122)"),
    ([169, 254, 0, 0], 16, "a link-local address (RFC 3927)"),
    ([172, 16, 0, 0], 12, "a private address (RFC 1918)"),
    ([192, 0, 0, 0], 24, "an address of protocol assignments (RFC 6890)"),
    ([192, 0, 2, 0], 24, "a documentation address (RFC 5737)"),
    ([192, 88, 99, 0], 24, "a 6to4 relay address (RFC 7526)"),
    ([192, 168, 0, 0], 16, "a private address (RFC 1918)"),
    ([198, 18, 0, 0], 15, "a benchmarking address (RFC 2544)"),
    ([198, 51, 100, 0], 24, "a documentation address (RFC 5737)"),
    ([203, 0, 113, 0], 24, "a documentation address (RFC 5737)"),
    ([224, 0, 0, 0], 4, "a multicast address (RFC 5771)"),
    ([255, 255, 255, 255], 32, "the broadcast address (RFC 919)"),
    ([240, 0, 0, 0], 4, "a reserved address (RFC 1112)"),
];

/// The IPv6 ranges, each with its prefix length; the first one that fits names the address.
const V6: &[([u16; 8], u8, &str)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "the unspecified address (RFC 4291)"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "the loopback address (RFC 4291)"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "an IPv4-compatible address (RFC 4291)"),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "an IPv4-translated address (RFC 2765)"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "a local NAT64 address (RFC 8215)"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "a discard address (RFC 6666)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "a Teredo address (RFC 4380)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "an address of protocol assignments (RFC 2928)"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "a documentation address (RFC 3849)"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "a 6to4 address (RFC 3056)"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "a documentation address (RFC 9637)"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "a segment-routing address (RFC 9602)"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a unique local address (RFC 4193)"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "a link-local address (RFC 4291)"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "a site-local address (RFC 3879)"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "a multicast address (RFC 4291)"),
];

/// Where clouds hand out credentials, as their own documentation names it.
const METADATA: &[(IpAddr, &str)] = &[
    (v4(169, 254, 169, 254), "the metadata service of AWS, Azure, Google Cloud and others"),
    (v4(169, 254, 170, 2), "the credentials service of AWS ECS"),
    (v4(169, 254, 170, 23), "the credentials service of AWS EKS"),
    (v4(169, 254, 0, 23), "the metadata service of Tencent Cloud"),
    (v4(169, 254, 42, 42), "the metadata service of Scaleway"),
    (v4(100, 100, 100, 200), "the metadata service of Alibaba Cloud"),
    (v4(168, 63, 129, 16), "the platform service of Azure"),
    (v4(192, 0, 0, 192), "the metadata service of Oracle Cloud"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), "the metadata service of AWS"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]), "the credentials service of AWS EKS"),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]), "the metadata service of Google Cloud"),
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]), "the metadata service of Scaleway"),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(s: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]))
}

/// The IPv4 address that packets to `address` reach: the one inside an
/// IPv4-mapped address (RFC 4291 section 2.5.5.2), which the system connects to
/// over IPv4, or inside a NAT64 address of the well-known prefix (RFC 6052
/// section 2.1), which a translator does. Any other address is itself.
pub(super) fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return IpAddr::V4(four);
    }
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => address,
    }
}

/// What `address` is; `None` where it is public.
pub(super) fn kind(address: IpAddr) -> Option<Kind> {
    let address = reached(address);
    if let Some((_, whose)) = METADATA.iter().find(|(known, _)| *known == address) {
        return Some(Kind::Metadata(whose));
    }
    match address {
        IpAddr::V4(four) => {
            let bits = four.to_bits();
            let found =
                V4.iter().find(|(base, prefix, _)| same_v4(bits, Ipv4Addr::from(*base).to_bits(), *prefix));
            found.map(|(_, _, what)| Kind::Special(what))
        }
        IpAddr::V6(six) => {
            let bits = six.to_bits();
            let found =
                V6.iter().find(|(base, prefix, _)| same_v6(bits, Ipv6Addr::from(*base).to_bits(), *prefix));
            match found {
                Some((_, _, what)) => Some(Kind::Special(what)),
                None if same_v6(bits, 0x2000 << 112, 3) => None,
                None => Some(Kind::Special("outside global unicast (RFC 4291)")),
            }
        }
    }
}

fn same_v4(a: u32, b: u32, prefix: u8) -> bool {
    (a ^ b).leading_zeros() >= u32::from(prefix)
}

fn same_v6(a: u128, b: u128, prefix: u8) -> bool {
    (a ^ b).leading_zeros() >= u32::from(prefix)
}
