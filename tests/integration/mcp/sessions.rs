//! One session is one conversation, and nobody else's.

use serde_json::json;

use super::{Reply, Session, call, gateway, message};
use crate::upstream::{Captured, Reply as Answer, Upstream};

async fn upstream() -> Upstream {
    Upstream::start(|_| Answer::ok("{\"customer\": \"c1\"}")).await
}

#[tokio::test]
async fn the_calls_of_a_session_share_variables_and_no_others_do() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let (one, other) = (Session::begin(&gateway.url).await, Session::begin(&gateway.url).await);
    assert_ne!(one.id, other.id);
    one.send(&call(1, "get_order", json!({"number": "7"}))).await.result();
    let reply = other.send(&call(1, "greet", json!({}))).await;
    let told = reply.result()["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("\"code\":\"missing_variable\""), "{told}");
    let reply = one.send(&call(2, "greet", json!({}))).await;
    assert_eq!(reply.result()["isError"], false);
    assert_eq!(upstream.requests()[1].text(), "{\"customer\":\"c1\"}");
}

#[tokio::test]
async fn a_conversation_named_by_header_is_shared_by_sessions() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let url = format!("{}/mcp/development", gateway.url);
    let headers = [("callgate-conversation-id", "phone-1")];
    let one = Session::begin_at(&url, &headers).await;
    let other = Session::begin_at(&url, &headers).await;
    one.send(&call(1, "get_order", json!({"number": "7"}))).await.result();
    let reply = other.send(&call(1, "greet", json!({}))).await;
    assert_eq!(reply.result()["isError"], false, "{reply:?}");
    // The ids of requests are those of a session: the same id in another one is another call.
    let reply = one.send(&call(2, "add_note", json!({"text": "first"}))).await;
    assert_eq!(reply.result()["isError"], false, "{reply:?}");
    let reply = other.send(&call(2, "add_note", json!({"text": "second"}))).await;
    assert_eq!(reply.result()["isError"], false, "{reply:?}");
    let bodies: Vec<String> = upstream.requests()[2..].iter().map(Captured::text).collect();
    assert_eq!(bodies, ["{\"text\":\"first\"}", "{\"text\":\"second\"}"]);
}

#[tokio::test]
async fn the_same_request_of_a_session_is_done_once() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let (one, other) = (Session::begin(&gateway.url).await, Session::begin(&gateway.url).await);
    let note = call(1, "add_note", json!({"text": "x"}));
    let first = one.send(&note).await;
    let again = one.send(&note).await;
    // The same answer, which says that it is an earlier one.
    let mut told = again.result().clone();
    assert_eq!(told["_meta"]["callgate/replayed"], true);
    told.as_object_mut().unwrap().remove("_meta");
    let mark = "This is the answer to an earlier, identical call; it was not done again.";
    assert_eq!(told["structuredContent"]["callgate_note"], mark);
    told["structuredContent"].as_object_mut().unwrap().remove("callgate_note");
    let text =
        told["content"][0]["text"].as_str().unwrap().replace(&format!("\"callgate_note\":\"{mark}\","), "");
    told["content"][0]["text"] = text.into();
    assert_eq!(first.result(), &told);
    assert_eq!(upstream.requests().len(), 1);
    // Another session is another client, though all else is the same.
    other.send(&note).await.result();
    assert_eq!(upstream.requests().len(), 2);
    // `1` and `"1"` are two ids; what is written again within the window is the same write, though.
    let reply = one.send(&call("1", "add_note", json!({"text": "y"}))).await;
    assert_eq!(reply.result()["isError"], false);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_session_is_of_one_key_and_one_environment() {
    let [one, other] = [0, 1].map(|_| callgate::server::NewKey::generate().unwrap());
    let settings = format!(
        "environments = [\"development\", \"staging\"]\n[[keys]]\nname = \"one\"\nhash = \"{}\"\n\
         [[keys]]\nname = \"other\"\nhash = \"{}\"\n",
        one.hash, other.hash
    );
    let gateway = gateway(1, &[("callgate.toml", &settings)]).await;
    let url = format!("{}/mcp/development", gateway.url);
    let bearer = [&one, &other].map(|key| format!("Bearer {}", key.key));
    let mut session = Session::begin_at(&url, &[("authorization", &bearer[0])]).await;
    let list = message(1, "tools/list", json!({}));
    let own = session.headers.clone();
    for (url, headers) in [
        (url.clone(), vec![("authorization".to_owned(), bearer[1].clone())]),
        (url.replace("development", "staging"), own.clone()),
    ] {
        (session.url, session.headers) = (url, headers);
        for method in ["POST", "GET", "DELETE"] {
            let reply = Reply::of(session.request(method).body(list.to_string()).send().await.unwrap()).await;
            assert_eq!(reply.status, 404, "{method} {}: {reply:?}", session.url);
        }
    }
    (session.url, session.headers) = (url, own);
    assert!(session.send(&list).await.result()["tools"].is_array());
    // A session ends once.
    for status in [204, 404] {
        let reply = Reply::of(session.request("DELETE").send().await.unwrap()).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(session.send(&list).await.status, 404);
    }
}

#[tokio::test]
async fn the_oldest_session_gives_way_to_a_new_one() {
    let settings = ("callgate.toml", "environments = [\"development\"]\n[mcp]\nmax_sessions = 2\n");
    let gateway = gateway(1, &[settings]).await;
    let (first, second) = (Session::begin(&gateway.url).await, Session::begin(&gateway.url).await);
    let list = message(1, "tools/list", json!({}));
    first.send(&list).await.result();
    let third = Session::begin(&gateway.url).await;
    assert_eq!(second.send(&list).await.status, 404);
    first.send(&list).await.result();
    third.send(&list).await.result();
}

#[tokio::test]
async fn nothing_is_called_without_a_session_or_in_one_that_there_is_not() {
    let upstream = upstream().await;
    let gateway = gateway(upstream.port, &[]).await;
    let mut session = Session::begin(&gateway.url).await;
    let own = std::mem::take(&mut session.id);
    let note = call(1, "add_note", json!({"text": "x"}));
    assert_eq!(session.send(&note).await.status, 400);
    for id in [own.to_uppercase(), format!("{own}0"), "00000000-0000-0000-0000-000000000000".to_owned()] {
        session.id = id;
        assert_eq!(session.send(&note).await.status, 404);
    }
    assert!(upstream.requests().is_empty());
    session.id = own;
    assert_eq!(session.send(&note).await.result()["isError"], false);
    assert_eq!(upstream.requests().len(), 1);
}
