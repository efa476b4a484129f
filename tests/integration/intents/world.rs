//! Gateways of this process or others, and what befalls a request on its way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Desk, Fate};
use super::processes::Processes;
use super::{Node, Setup, calls_in, results};
use crate::shaky::{At, Outage, rises};
use crate::wait::until_so;

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing but what the upstream does.
    Upstream(Fate),
    /// Its caller hangs up before anything is sent.
    GoneUnsent,
    /// Its caller hangs up once it is sent; it ends after that.
    Gone,
    /// The same; the caller comes again under new ids while it is under way.
    GoneRunning,
    /// Its time is over while it is under way.
    Hurried,
    /// It comes twice at a time, to two nodes where there are.
    Twice,
    /// It comes twice at a time, and the first caller hangs up.
    TwiceOneGone,
    /// It comes under new ids while it is under way, and nobody hangs up.
    Overlap,
    /// The store fails meanwhile.
    Store(At, Outage),
    /// The gateway is killed once it is sent, and started again.
    Killed,
    /// The gateway is started again before it.
    Restarted,
    /// The store's server stands still meanwhile.
    Paused,
    /// The store's server is killed before it, and started again after it.
    StoreKilled,
}

impl Fault {
    /// Whether the request under new ids is posted too.
    pub(super) fn starts_over(self) -> bool {
        matches!(self, Self::GoneRunning | Self::Overlap)
    }
}

/// Where the gateways are.
pub(super) enum World {
    Here(Setup),
    There(Processes),
}

/// The results of a request, if they have reached its caller.
type Told = Option<Vec<Value>>;

impl World {
    pub(super) fn desk(&self) -> &Desk {
        match self {
            Self::Here(setup) => &setup.desk,
            Self::There(processes) => &processes.desk,
        }
    }

    fn url(&self, node: usize) -> String {
        match self {
            Self::Here(setup) => setup.nodes[node % setup.nodes.len()].gateway.url.clone(),
            Self::There(processes) => processes.url(node),
        }
    }

    /// How many claims a node has had an answer to; of another process nothing tells.
    fn claimed(&self, node: usize) -> usize {
        match self {
            Self::Here(setup) => setup.nodes[node % setup.nodes.len()].store.claimed.load(Ordering::SeqCst),
            Self::There(_) => 0,
        }
    }

    /// Waits until a node knows what becomes of each call of `request`: `before` is how many claims it had had an answer to.
    /// Of another process, a while; whatever comes first there, what is told afterwards has to be true.
    async fn claims(&self, node: usize, before: usize, request: &Value) {
        match self {
            Self::Here(_) => {
                until_so("claims", || self.claimed(node) >= before + calls_in(request)).await;
            }
            Self::There(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }

    /// Waits until a node has noticed that the caller of `request` has hung up; `before` is what it had noticed before.
    async fn leaves(&self, node: usize, before: usize, request: &Value) {
        until_so("a hang-up", || self.hang_ups(node) >= before + calls_in(request)).await;
    }

    /// How many calls a node has noticed the hang-up of.
    fn hang_ups(&self, node: usize) -> usize {
        match self {
            Self::Here(setup) => setup.nodes[node % setup.nodes.len()].gateway.hang_ups(),
            Self::There(processes) => processes.hang_ups(node),
        }
    }

    /// Posts `request` to a node while `fault` befalls it, `over` where it says so; what their callers were told.
    pub(super) async fn deliver(
        &self,
        conversation: &str,
        fault: Fault,
        node: usize,
        [request, over]: &[Value; 2],
    ) -> Vec<Told> {
        let desk = self.desk();
        desk.set(conversation, if let Fault::Upstream(fate) = fault { fate } else { Fate::Done });
        match (fault, self) {
            (Fault::Upstream(_), _) => vec![self.post(node, request).await],
            (Fault::GoneUnsent, Self::Here(setup)) => vec![self.gone_unsent(setup, node, request).await],
            (Fault::GoneUnsent, Self::There(_)) => {
                half(&self.url(node), request).await;
                vec![None]
            }
            (Fault::Hurried, _) => {
                let mut hurried = request.clone();
                hurried["deadline_ms"] = json!(150);
                desk.hold(conversation);
                let told = self.post(node, &hurried).await;
                desk.release(conversation);
                vec![told]
            }
            (Fault::Twice, _) => {
                desk.set(conversation, Fate::Slow);
                let (one, other) = tokio::join!(self.post(node, request), self.post(node + 1, request));
                vec![one, other]
            }
            (Fault::Gone, _) => {
                desk.hold(conversation);
                let told = self.gone(conversation, node, request).await;
                desk.release(conversation);
                vec![told]
            }
            (Fault::GoneRunning, _) => {
                desk.hold(conversation);
                if let told @ Some(_) = self.gone(conversation, node, request).await {
                    desk.release(conversation);
                    return vec![told];
                }
                let claimed = self.claimed(node + 1);
                let mut again = Box::pin(self.post(node + 1, over));
                tokio::select! {
                    told = &mut again => {
                        desk.release(conversation);
                        return vec![None, told];
                    }
                    () = self.claims(node + 1, claimed, over) => {}
                }
                desk.release(conversation);
                vec![None, again.await]
            }
            (Fault::TwiceOneGone, _) => self.twice(conversation, node, [request, request], true).await,
            (Fault::Overlap, _) => self.twice(conversation, node, [request, over], false).await,
            (Fault::Store(at, outage), Self::Here(setup)) => {
                let node = node % setup.nodes.len();
                let mut request = request.clone();
                request["deadline_ms"] = json!(if outage == Outage::Silent { 150 } else { 3_000 });
                setup.nodes[node].store.fail(Some((at, outage)));
                let told = self.post(node, &request).await;
                setup.nodes[node].store.fail(None);
                vec![told]
            }
            (_, Self::There(processes)) => vec![processes.deliver(conversation, fault, node, request).await],
            (_, Self::Here(_)) => vec![self.post(node, request).await],
        }
    }

    fn client(&self) -> &reqwest::Client {
        match self {
            Self::Here(setup) => &setup.client,
            Self::There(processes) => &processes.client,
        }
    }

    async fn post(&self, node: usize, request: &Value) -> Told {
        post(self.client(), &self.url(node), request).await
    }

    /// Hangs up once the desk has got a request; gives the answer where that comes first.
    async fn gone(&self, conversation: &str, node: usize, request: &Value) -> Told {
        let (hang_ups, arrived) = (self.hang_ups(node), self.desk().arrived(conversation));
        tokio::select! {
            told = self.post(node, request) => return told,
            () = self.desk().arrives(conversation, arrived) => {}
        }
        self.leaves(node, hang_ups, request).await;
        None
    }

    /// Hangs up on what is claimed and not sent.
    async fn gone_unsent(&self, setup: &Setup, node: usize, request: &Value) -> Told {
        let Node { gateway, store } = &setup.nodes[node % setup.nodes.len()];
        let (hang_ups, sending) = (gateway.hang_ups(), store.sending.load(Ordering::SeqCst));
        store.let_send(false);
        let told = tokio::select! {
            told = self.post(node, request) => told,
            () = rises(&store.sending, sending) => None,
        };
        if told.is_none() {
            self.leaves(node, hang_ups, request).await;
        }
        store.let_send(true);
        if told.is_none() {
            gateway.at_rest().await;
        }
        told
    }

    /// Posts the second request while the first is under way; the caller of the first may hang up then.
    async fn twice(
        &self,
        conversation: &str,
        node: usize,
        [first, second]: [&Value; 2],
        hangs_up: bool,
    ) -> Vec<Told> {
        let (arrived, hang_ups) = (self.desk().arrived(conversation), self.hang_ups(node));
        let claimed = self.claimed(node);
        self.desk().hold(conversation);
        let request = first;
        let mut first = Box::pin(self.post(node, request));
        tokio::select! {
            told = &mut first => {
                self.desk().release(conversation);
                return vec![told];
            }
            () = async {
                self.desk().arrives(conversation, arrived).await;
                if let Self::Here(_) = self {
                    self.claims(node, claimed, request).await;
                }
            } => {}
        }
        let claimed = self.claimed(node + 1);
        let request_again = second;
        let mut second = Box::pin(self.post(node + 1, second));
        tokio::select! {
            told = &mut second => {
                self.desk().release(conversation);
                return vec![first.await, told];
            }
            () = self.claims(node + 1, claimed, request_again) => {}
        }
        if hangs_up {
            drop(first);
            self.leaves(node, hang_ups, request).await;
            self.desk().release(conversation);
            return vec![None, second.await];
        }
        self.desk().release(conversation);
        let (first, second) = tokio::join!(first, second);
        vec![first, second]
    }
}

/// Posts a request; `None` where no answer comes, or that of a gateway that stops.
pub(super) async fn post(client: &reqwest::Client, url: &str, request: &Value) -> Told {
    let sent = client.post(format!("{url}/v1/tool-calls")).body(request.to_string()).send().await.ok()?;
    let status = sent.status().as_u16();
    let text = sent.text().await.ok()?;
    if status == 503 {
        return None;
    }
    assert_eq!(status, 200, "{text}");
    Some(results(&text))
}

/// Posts half of a request and hangs up.
async fn half(url: &str, request: &Value) {
    use tokio::io::AsyncWriteExt as _;
    let (address, body) = (url.trim_start_matches("http://"), request.to_string());
    let head =
        format!("POST /v1/tool-calls HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all((head + &body[..body.len() / 2]).as_bytes()).await.unwrap();
}
