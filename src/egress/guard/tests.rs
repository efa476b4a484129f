//! What is refused, what is allowed, and that nothing is connected to first.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use super::lookups::tests::Gate;
use super::lookups::{MAX_FOR_ONE, MAX_THREADS};
use super::ranges::{Kind, kind};
use super::{Lookup, Policy};
use crate::action::RequestSpec;
use crate::definition::Problems;
use crate::egress::{
    Credentials, Deadline, Egress, EgressError, Limits, Outlet, Overload, Response, Route, WaysBuilder,
};

/// Answers to look-ups: each name has a list of answers, the last of which repeats.
#[derive(Debug, Default)]
pub(in crate::egress) struct Script {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Script {
    fn new(names: &[(&str, &[&[&str]])]) -> Self {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().unwrap()).collect();
        let answers = names
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parse).collect()))
            .collect();
        Self { answers, asked: Mutex::default() }
    }

    pub(super) fn answer(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let mut asked = self.asked.lock().unwrap();
        let count = asked.entry(host.to_owned()).or_default();
        let answers = self.answers.get(host).ok_or_else(|| io::Error::other("no such name"))?;
        let answer = &answers[(*count).min(answers.len() - 1)];
        *count += 1;
        Ok(answer.iter().map(|address| SocketAddr::new(*address, 0)).collect())
    }

    fn asked(&self, host: &str) -> usize {
        self.asked.lock().unwrap().get(host).copied().unwrap_or_default()
    }
}

fn policy(rules: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for rule in rules {
        assert_eq!(policy.allow(rule), Ok(None), "{rule}");
    }
    policy
}

fn route(policy: &Policy, url: &str) -> Route {
    let outlet = Outlet { policy: policy.clone(), proxy: None };
    let mut ways = WaysBuilder::new(None, None);
    ways.environment("development", &outlet, &|_| None).to_url(url, None, &mut Problems::default()).unwrap()
}

async fn get(egress: &Egress, policy: &Policy, url: &str) -> Result<Response, EgressError> {
    let request = RequestSpec { method: Method::GET, url: url.to_owned(), headers: Vec::new(), body: None };
    let limits =
        Limits { connect_timeout: Duration::from_secs(5), read_timeout: None, max_response_bytes: 10_000 };
    let deadline = Deadline::after(Duration::from_secs(10));
    egress.send(&request, &Credentials::default(), &route(policy, url), limits, deadline).await
}

/// An upstream on `address` that counts its connections and answers `head`.
async fn listen(address: &str, head: &'static str) -> Option<(u16, Arc<Mutex<usize>>)> {
    let listener = TcpListener::bind((address, 0)).await.ok()?;
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(head.as_bytes()).await;
        }
    });
    Some((port, count))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Hosts as a URL may write them; all are refused where nothing is allowed.
const LITERALS: &[&str] = &[
    // Loopback, plainly and in every spelling that a URL parser takes.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "0X7F.0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0x0.0.1",
    "0x7f.0x0.0x0.0x1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "api.localhost",
    "ｌｏｃａｌｈｏｓｔ",
    // Unspecified: the system connects to itself.
    "0.0.0.0",
    "0",
    "0x0",
    "0.0.0.1",
    // Private, link-local, shared, and the rest of the IPv4 registry.
    "10.0.0.1",
    "10.255.255.255",
    "0xa.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1.1.",
    "169.254.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    // Metadata.
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    // IPv6.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[64:ff9b:1::808:808]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:808:808::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[4000::1]",
    "[::2]",
];

/// Addresses that a name must not lead to.
const ANSWERS: &[&[&str]] = &[
    &["127.0.0.1"],
    &["::1"],
    &["10.1.2.3"],
    &["192.168.0.10", "172.16.0.1"],
    &["169.254.169.254"],
    &["100.64.1.1"],
    &["0.0.0.0"],
    &["::"],
    &["::ffff:127.0.0.1"],
    &["::ffff:169.254.169.254"],
    &["64:ff9b::7f00:1"],
    &["fd00:ec2::254"],
    &["fe80::1"],
    &["fc00::1", "10.0.0.1"],
    &["2002:7f00:1::"],
    &["2001:0:1::1"],
    &["224.0.0.1"],
    &["255.255.255.255"],
    &["168.63.129.16"],
    &["198.18.0.1"],
];

#[tokio::test]
async fn nothing_is_connected_to_that_is_not_allowed() {
    let nothing = Policy::default();
    let (port, connections) = listen("127.0.0.1", OK).await.unwrap();
    let six = listen("::1", OK).await;
    let ports: Vec<u16> = [Some(port), six.as_ref().map(|(port, _)| *port)].into_iter().flatten().collect();
    let names: Vec<String> = (0..ANSWERS.len()).map(|index| format!("host{index}.example.com")).collect();
    let scripted: Vec<(&str, &[&[&str]])> = names
        .iter()
        .zip(ANSWERS)
        .map(|(name, answer)| (name.as_str(), std::slice::from_ref(answer)))
        .collect();
    let egress = Egress::with_lookup(Lookup::Scripted(Arc::new(Script::new(&scripted))));
    let mut refused = 0;
    for host in LITERALS.iter().copied().chain(names.iter().map(String::as_str)) {
        for port in &ports {
            let url = format!("http://{host}:{port}/");
            let error = get(&egress, &nothing, &url).await.expect_err(&url);
            assert!(matches!(error, EgressError::Refused(_)), "{url}: {error}");
            assert!(error.never_sent(), "{url}");
        }
        refused += 1;
    }
    assert!(refused >= 100, "only {refused} targets");
    assert_eq!(*connections.lock().unwrap(), 0);
    assert!(six.is_none_or(|(_, connections)| *connections.lock().unwrap() == 0));
}

#[test]
fn what_no_url_can_hold_is_no_url() {
    for bad in [
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://256.0.0.1/",
        "http://127.0.0.1.1/",
        "http://0x100000000/",
        "http://[::1/",
        "http://1.2.3.4.5/",
        "http://08.0.0.1/",
        "http://a b/",
    ] {
        assert!(Url::parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_reached() {
    let (port, connections) = listen("127.0.0.1", OK).await.unwrap();
    let script = Script::new(&[
        ("internal.example.com", &[&["127.0.0.1"]]),
        ("a.b.corp.example", &[&["127.0.0.1"]]),
        ("mixed.example.com", &[&["10.0.0.1", "169.254.169.254", "127.0.0.1"]]),
        ("localhost", &[&["127.0.0.1"]]),
    ]);
    let egress = Egress::with_lookup(Lookup::Scripted(Arc::new(script)));
    let mut reached = 0;
    for (rules, host) in [
        (["127.0.0.1"].as_slice(), "127.0.0.1"),
        (&["127.0.0.0/8"], "0x7f.1"),
        (&["127.0.0.0/8"], "[::ffff:127.0.0.1]"),
        (&["::ffff:127.0.0.1"], "[::ffff:127.0.0.1]"),
        (&["internal.example.com"], "internal.example.com"),
        (&["INTERNAL.example.com."], "internal.example.com"),
        (&["*.corp.example"], "a.b.corp.example"),
        (&["127.0.0.1"], "mixed.example.com"),
        (&["localhost"], "localhost"),
        (&["127.0.0.1"], "localhost"),
    ] {
        let url = format!("http://{host}:{port}/");
        let response =
            get(&egress, &policy(rules), &url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(response.body.as_ref(), b"ok", "{url}");
        reached += 1;
        assert_eq!(*connections.lock().unwrap(), reached, "{url}");
    }
    let own = Policy::loopback();
    assert!(get(&egress, &own, &format!("http://127.0.0.1:{port}/")).await.is_ok());
    assert!(matches!(get(&egress, &own, "http://10.0.0.1/").await, Err(EgressError::Refused(_))));
}

#[tokio::test]
async fn a_rule_reaches_no_further_than_it_says() {
    let script = Script::new(&[
        ("corp.example", &[&["10.0.0.1"]]),
        ("notcorp.example", &[&["10.0.0.1"]]),
        ("a.corp.example.evil.test", &[&["10.0.0.1"]]),
        ("meta.corp.example", &[&["169.254.169.254"]]),
        ("mapped.corp.example", &[&["::ffff:169.254.169.254"]]),
    ]);
    let egress = Egress::with_lookup(Lookup::Scripted(Arc::new(script)));
    for (rules, host) in [
        (["*.corp.example"].as_slice(), "corp.example"),
        (&["*.corp.example"], "notcorp.example"),
        (&["*.corp.example"], "a.corp.example.evil.test"),
        // A name or a wide range is not how anybody means to open this.
        (&["*.corp.example", "meta.corp.example"], "meta.corp.example"),
        (&["mapped.corp.example"], "mapped.corp.example"),
        (&["169.254.0.0/16", "0.0.0.0/0", "::/0"], "169.254.169.254"),
        (&["0.0.0.0/0"], "168.63.129.16"),
        (&["10.0.0.0/8"], "192.168.0.1"),
        (&["127.0.0.1"], "127.0.0.2"),
        (&["internal.example.com"], "10.0.0.1"),
    ] {
        let url = format!("http://{host}:9/");
        let error = get(&egress, &policy(rules), &url).await.expect_err(&url);
        assert!(matches!(error, EgressError::Refused(_)), "{url}: {error}");
    }
    let metadata = policy(&["169.254.169.254"]);
    assert_eq!(metadata.judge_url(&Url::parse("http://169.254.169.254/").unwrap()), Ok(()));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_at_every_connection() {
    let (port, connections) = listen("127.0.0.1", OK).await.unwrap();
    // Public when it is judged, private when it is connected to: there is one look-up, so there is no such moment.
    let script =
        Arc::new(Script::new(&[("rebinding.test", &[&["10.0.0.1"], &["127.0.0.1"], &["10.0.0.1"]])]));
    let egress = Egress::with_lookup(Lookup::Scripted(script.clone()));
    let policy = policy(&["127.0.0.1"]);
    let url = format!("http://rebinding.test:{port}/");
    for (look_up, allowed) in [(1, false), (2, true), (3, false), (4, false)] {
        let result = get(&egress, &policy, &url).await;
        assert_eq!(result.is_ok(), allowed, "look-up {look_up}: {result:?}");
        assert_eq!(script.asked("rebinding.test"), look_up, "one look-up for one connection");
    }
    assert_eq!(*connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_redirect_to_a_forbidden_address_is_a_result() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n\r\n";
    let (port, connections) = listen("127.0.0.1", redirect).await.unwrap();
    let response =
        get(&Egress::new(), &Policy::loopback(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((response.status.as_u16(), *connections.lock().unwrap()), (307, 1));
}

#[tokio::test]
async fn credentials_do_not_go_to_another_origin() {
    let (port, connections) = listen("127.0.0.1", OK).await.unwrap();
    let own = format!("http://127.0.0.1:{port}");
    let route = route(&Policy::loopback(), &format!("{own}/base"));
    let limits =
        Limits { connect_timeout: Duration::from_secs(5), read_timeout: None, max_response_bytes: 10_000 };
    let egress = Egress::new();
    let send = async |url: String| {
        let request = RequestSpec { method: Method::GET, url, headers: Vec::new(), body: None };
        egress
            .send(&request, &Credentials::default(), &route, limits, Deadline::after(Duration::from_secs(10)))
            .await
    };
    let (next, host) = (port.wrapping_add(1), format!("http://127.0.0.2:{port}/"));
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{next}/"),
        host,
        "http://[::1]/".into(),
    ] {
        let error = send(url.clone()).await.expect_err(&url);
        assert!(matches!(error, EgressError::ForeignOrigin { .. }), "{url}: {error}");
        assert!(error.never_sent());
    }
    assert_eq!(*connections.lock().unwrap(), 0);
    assert!(send(format!("{own}/elsewhere?x=1")).await.is_ok());
}

#[test]
fn public_addresses_are_public() {
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "2001:4860:4860::8888",
        "2001:200::1",
        "2003::1",
        "3ffe::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert_eq!(kind(public.parse().unwrap()), None, "{public}");
    }
    assert!(matches!(kind("::ffff:a9fe:a9fe".parse().unwrap()), Some(Kind::Metadata(_))));
}

#[test]
fn a_rule_that_is_none_says_so() {
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0/8",
        "fd00::/200",
        "0x7f.1",
        "127.1",
        "2130706433",
        "a b",
        "*",
        "*.",
        "a.*.b",
        "*corp.example",
        "http://internal.example.com",
        "internal.example.com:8080",
        "fe80::1%eth0",
        "[::1]",
    ] {
        assert!(Policy::default().allow(bad).is_err(), "{bad}");
    }
    let odd = Policy::default().allow("10.0.0.7/8").unwrap();
    assert_eq!(odd.as_deref(), Some("`10.0.0.7/8` has host bits set; it means 10.0.0.0/8"));
}

#[test]
fn a_refusal_tells_the_operator_what_and_why() {
    let error = Policy::default().judge_url(&Url::parse("http://[::ffff:10.0.0.1]/").unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "refused to connect to `[::ffff:a00:1]`: ::ffff:10.0.0.1 is a private address (RFC 1918); `allow` under [egress.<environment>] of callgate.toml does not name it"
    );
}

proptest! {
    /// The standard library's judgement, where it has one, is never the stricter one.
    #[test]
    fn what_the_standard_library_calls_special_is_not_public(bits in any::<u32>(), wide in any::<u128>(), top in prop::sample::select(vec![0_u128, 0xfc, 0xfd, 0xfe, 0xff, 0x20])) {
        let four = std::net::Ipv4Addr::from_bits(bits);
        let special = four.is_private() || four.is_loopback() || four.is_link_local() || four.is_broadcast()
            || four.is_documentation() || four.is_multicast() || four.is_unspecified();
        prop_assert!(!special || kind(four.into()).is_some(), "{four}");
        // The same address, whatever form it comes in.
        let mapped = IpAddr::V6(four.to_ipv6_mapped());
        let translated = IpAddr::V6(std::net::Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits)));
        prop_assert_eq!(kind(mapped), kind(four.into()));
        prop_assert_eq!(kind(translated), kind(four.into()));
        let six = std::net::Ipv6Addr::from_bits((wide >> 8) | (top << 120));
        let special = six.is_unique_local() || six.is_unicast_link_local() || six.is_multicast()
            || six.is_loopback() || six.is_unspecified();
        prop_assert!(!special || kind(six.into()).is_some(), "{six}");
    }
}

#[tokio::test]
async fn names_that_are_never_answered_keep_no_other_name_from_being_found_and_are_no_fault_of_a_service() {
    let (port, _) = listen("127.0.0.1", OK).await.unwrap();
    let gate = Arc::new(Gate::default());
    let look_ups = gate.look_ups();
    let egress = Egress::with_lookup(Lookup::System(look_ups.clone()));
    let policy = policy(&["*.test"]);
    let ask = |name: String| {
        let (egress, policy) = (egress.clone(), policy.clone());
        tokio::spawn(async move { get(&egress, &policy, &format!("http://{name}.test:{port}/")).await })
    };
    let waiting: Vec<_> = (0..300).map(|_| ask("hung".to_owned())).collect();
    while look_ups.under_way() == (0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask("other".to_owned()).await.unwrap().unwrap().status, 200);
    let (names, threads) = look_ups.under_way();
    assert!(names == 1 && threads <= MAX_FOR_ONE, "{names}, {threads}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    // They never give up: all threads are taken until the gate opens.
    let more = tokio::spawn({
        let look_ups = look_ups.clone();
        async move {
            let names = (0..MAX_THREADS).map(|number| format!("hung-{number}"));
            let asked = names.map(|name| {
                let look_ups = look_ups.clone();
                async move { look_ups.addresses(&name).await.is_ok() }
            });
            futures_util::future::join_all(asked).await
        }
    });
    while look_ups.under_way().1 < MAX_THREADS {
        tokio::task::yield_now().await;
    }
    let refused = ask("new".to_owned()).await.unwrap().unwrap_err();
    assert!(matches!(refused, EgressError::Overloaded(Overload::LookUps)), "{refused:?}");
    assert!(refused.never_sent() && refused.is_refusal());
    gate.open();
    while look_ups.under_way() != (0, 0) {
        tokio::task::yield_now().await;
    }
    more.await.unwrap();
    assert_eq!(ask("new".to_owned()).await.unwrap().unwrap().status, 200);
    assert_eq!(ask("hung".to_owned()).await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn a_call_does_not_wait_for_a_name_beyond_its_deadline() {
    let gate = Arc::new(Gate::default());
    let egress = Egress::with_lookup(Lookup::System(gate.look_ups()));
    let url = "http://hung.test/";
    let request = RequestSpec { method: Method::GET, url: url.to_owned(), headers: Vec::new(), body: None };
    let limits =
        Limits { connect_timeout: Duration::from_secs(3600), read_timeout: None, max_response_bytes: 10_000 };
    let route = route(&policy(&["*.test"]), url);
    let deadline = Deadline::after(Duration::from_millis(50));
    let late = egress.send(&request, &Credentials::default(), &route, limits, deadline).await;
    assert!(matches!(late, Err(EgressError::Deadline)), "{late:?}");
    gate.open();
}
