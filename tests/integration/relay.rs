//! A relay in front of a gateway that keeps every byte of its answers, so that a test can look through those too
//! that it reads piece by piece, or not at all.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A relay, as long as the test's runtime.
pub(crate) struct Relay {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// Relays to `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let address = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::task::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (address, kept) = (address.clone(), kept.clone());
                tokio::task::spawn(async move {
                    // A client may open more connections than it uses: those are nothing for a gateway to close.
                    if near.peek(&mut [0]).await.is_ok_and(|length| length > 0)
                        && let Ok(far) = TcpStream::connect(address).await
                    {
                        relay(near, far, kept).await;
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// Everything that was answered so far.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

async fn relay(near: TcpStream, far: TcpStream, kept: Arc<Mutex<Vec<u8>>>) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::join!(copy(from_near, to_far, None), copy(from_far, to_near, Some(kept)));
}

/// Copies until one side has gone, and tells the other.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Option<Arc<Mutex<Vec<u8>>>>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if let Some(kept) = &kept {
            kept.lock().unwrap().extend_from_slice(&piece[..length]);
        }
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
