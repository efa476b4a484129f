//! The clients that voice teams talk to a model with, as judges of the agent endpoint: `openai`, LiveKit's, Pipecat's and
//! OpenAI's agents from PyPI, `openai` and Vercel's `ai` from npm.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::Semaphore;

use crate::agent::model::asked::Asked;
use crate::agent::model::{Reply, ScriptedModel, Step};
use crate::harness::{Gateway, files};
use crate::judge::Judge;
use crate::upstream::{self, Upstream};

/// What the agents can do.
const ACTIONS: [(&str, &str); 3] = [
    (
        "actions/get_order.yaml",
        "description: Looks an order up.\nconnection: api\npath: /orders/{{.parameters.number}}\ntimeout_ms: 120000\n\
         parameters: {type: object, properties: {number: {type: string}}, required: [number]}\n",
    ),
    (
        "actions/get_stock.yaml",
        "description: Tells how many there are of an article.\nconnection: api\npath: /stock/{{.parameters.item}}\n\
         timeout_ms: 120000\nparameters: {type: object, properties: {item: {type: string}}, required: [item]}\n",
    ),
    // The slow one, which alone has something to say meanwhile.
    (
        "actions/find_slot.yaml",
        "description: Finds a free time.\nconnection: api\npath: /slots\ntimeout_ms: 120000\n\
         speech: {start: 'One moment, I am looking.'}\n",
    ),
];
pub(crate) const FRONT_DESK: &str = "front_desk";
/// Nobody talks to it; with it there, a name that is no agent's means nobody.
const BACK_OFFICE: &str = "back_office";

/// What a caller hears: agent_clients.py and agent_clients.mjs have the same texts.
const BOTH: &str = "Your order 7 has shipped, and three lamps are in stock.";
const SLOW: &str = "Tuesday at nine is free.";
const HANDED: &str = "I am putting you through.";
const ANNOUNCED: &str = "Let me see. ";
const ENDED: &str = "Goodbye.";
const STORY: &str = "Once upon a time there was a lamp.";
const THANKS: &str = "You are welcome.";

/// The model: what it does is decided by words of what the user said last. Each answer costs 100 tokens in and 10 out.
fn answer(asked: &Asked) -> Reply {
    if asked.user().contains("long story") {
        // It does not end: the client interrupts.
        return Reply::stalled_after(STORY);
    }
    let order = || ("get_order", json!({"number": "7"}));
    let stock = || ("get_stock", json!({"item": "lamp"}));
    let transfer = || ("transfer_call", json!({"destination": "sales", "reason": "asked"}));
    let end = || ("end_call", json!({"reason": "done"}));
    // The words, what is said before the calls, the calls, what is said once they are answered.
    let script = [
        ("both tools", "", vec![order(), stock()], BOTH),
        ("slow", "", vec![("find_slot", json!({}))], SLOW),
        ("hand me over and hang up", "", vec![transfer(), end()], ENDED),
        ("say so and hand me over", ANNOUNCED, vec![transfer()], HANDED),
        ("look it up and hand me over", "", vec![order(), transfer()], HANDED),
        ("hand me over", "", vec![transfer()], HANDED),
        ("thanks", "", vec![], THANKS),
    ];
    let Some((_, before, calls, last)) = script.into_iter().find(|(words, ..)| asked.user().contains(words))
    else {
        return Reply::status(400).because("no_such_line", asked.user());
    };
    if asked.round() > 0 || calls.is_empty() {
        return Reply::says(last);
    }
    let said = (!before.is_empty()).then(|| Step::Text(before.to_owned()));
    Reply::of(said).and_calls(calls)
}

/// A guarded gateway with agents, their model, and what their actions call.
pub(crate) struct Desk {
    pub gateway: Gateway,
    pub key: String,
    pub model: ScriptedModel,
    upstream: Upstream,
    /// One permit for each slow call that may end.
    gate: Arc<Semaphore>,
}

impl Desk {
    /// With these agents, all alike.
    pub(crate) async fn of(agents: &[&str]) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let upstream = Upstream::start(move |request| match request.line() {
            "GET /orders/7" => upstream::Reply::ok(r#"{"status":"shipped"}"#),
            "GET /stock/lamp" => upstream::Reply::ok(r#"{"lamps":3}"#),
            "GET /slots" => {
                let slot = upstream::Reply::ok(r#"{"slot":"Tue 09:00"}"#);
                upstream::Reply::Held(held.clone(), Box::new(slot))
            }
            other => upstream::Reply::Json(404, json!({"unknown": other}).to_string()),
        })
        .await;
        let model = ScriptedModel::start(answer).await;
        let key = callgate::server::NewKey::generate().unwrap();
        let settings = format!(
            "environments = [\"development\"]\n[egress.development]\nallow = [\"127.0.0.1\"]\n\
             [[keys]]\nname = \"desk\"\nhash = \"{}\"\n",
            key.hash
        );
        let agent = format!(
            "description: Answers for a shop of lamps.\ninstructions: You answer for a shop of lamps.\n\
             model: {{provider: openai, base_url: '{}', model: tiny, first_token_timeout_ms: 120000}}\n\
             limits: {{timeout_ms: 300000}}\n",
            model.base_url
        );
        let named: Vec<String> = agents.iter().map(|name| format!("agents/{name}.yaml")).collect();
        let mut all = files(upstream.port, &[&ACTIONS[..], &[("callgate.toml", &settings)]].concat());
        all.extend(named.iter().map(|name| (name.as_str(), agent.clone())));
        let gateway = Gateway::start(&all).await;
        Self { gateway, key: key.key, model, upstream, gate }
    }

    /// What must hold whichever client has talked: what the model was told, and what the actions called.
    async fn check(&self) {
        let requests = self.model.requests();
        let lines: Vec<Vec<String>> = requests.iter().map(Asked::lines).collect();
        // The next turn knows what the agent did in the one before, of which its caller was told nothing.
        let told = format!("assistant: {BOTH}");
        let remembered = [
            "user: Use both tools.",
            r#"assistant: get_order({"number":"7"}) get_stock({"item":"lamp"})"#,
            r#"tool: get_order -> {"status":"shipped"} get_stock -> {"lamps":3}"#,
            told.as_str(),
            "user: Many thanks.",
        ];
        assert!(lines.iter().any(|lines| *lines == remembered), "{lines:#?}");
        // What was interrupted is dropped at once, and is in the history as far as the client says it was heard.
        let stories: Vec<usize> =
            (0..requests.len()).filter(|nth| requests[*nth].user().contains("long story")).collect();
        assert!(!stories.is_empty(), "{lines:#?}");
        for nth in stories {
            self.model.until_hung_up(nth).await;
        }
        let cut = lines.iter().filter_map(|lines| match &lines[..] {
            [told, cut, thanks] if told.contains("long story") && thanks.contains("thanks") => Some(cut),
            _ => None,
        });
        let cut: Vec<&String> = cut.collect();
        assert!(!cut.is_empty(), "{lines:#?}");
        for cut in cut {
            let heard = cut.strip_prefix("assistant: ").unwrap_or_else(|| panic!("{cut}"));
            assert!(heard.len() > 10 && STORY.starts_with(heard), "{heard}");
        }
        // Each call that the model made was made once.
        let called = |path: &str| self.upstream.requests().iter().filter(|sent| sent.line() == path).count();
        let made = |words: &[&str]| {
            let first = requests.iter().filter(|asked| asked.round() == 0);
            first.filter(|asked| words.iter().any(|words| asked.user().contains(words))).count()
        };
        assert_eq!(called("GET /orders/7"), made(&["both tools", "look it up"]));
        assert_eq!(called("GET /stock/lamp"), made(&["both tools"]));
        assert_eq!(called("GET /slots"), made(&["slow"]));
    }
}

/// Runs a client against two agents until it is content.
async fn judge(program: PathBuf, args: &[&str], path: &str) {
    let desk = Desk::of(&[BACK_OFFICE, FRONT_DESK]).await;
    let base = format!("{}{path}", desk.gateway.url);
    let mut command = tokio::process::Command::new(program);
    command.args(args).args([&base, &desk.key]).stdin(Stdio::null()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = child.stderr.take().unwrap();
    let (mut told, mut complaint) = (Vec::new(), String::new());
    let run = async {
        let read = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let fact: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if fact["heard"].is_string() {
                    desk.gate.add_permits(1);
                }
                told.push(line);
            }
        };
        let (_, errors) = tokio::join!(read, errors.read_to_string(&mut complaint));
        errors.unwrap();
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(Duration::from_secs(600), run).await;
    let told = told.join("\n");
    let status = status.unwrap_or_else(|_| panic!("no verdict in ten minutes:\n{told}"));
    assert!(status.success(), "{told}\n{complaint}");
    assert!(told.ends_with(r#""over"}"#), "{told}");
    desk.gateway.assert_untold(&told);
    desk.check().await;
}

/// A client of Python, with a base URL that names the environment.
async fn python(client: &str) {
    let Some(dir) = Judge::Agent.find() else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/agent_clients.py");
    judge(dir.join("venv/bin/python"), &[script, client], "/development/v1").await;
}

/// A client of Node.js, with a base URL that does not.
async fn node(client: &str) {
    let Some(dir) = Judge::Agent.find() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external/agent_clients.mjs");
    let (script, modules) = (script.to_str().unwrap(), dir.join("node"));
    judge(dir.join("bin/node"), &[script, modules.to_str().unwrap(), client], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_for_python_talks_to_an_agent() {
    python("openai").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_livekit_talks_to_an_agent() {
    python("livekit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_of_pipecat_talks_to_an_agent() {
    python("pipecat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_agents_talk_to_an_agent() {
    python("openai_agents").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_for_node_talks_to_an_agent() {
    node("openai").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ai_sdk_talks_to_an_agent() {
    node("ai_sdk").await;
}
