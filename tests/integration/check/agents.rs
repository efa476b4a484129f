//! Mistakes in agents, each alone.

use std::fs;

use super::{check, project, run};

/// An agent with these lines more; its model is asked without a key.
fn agent(more: &str) -> String {
    format!("instructions: Be kind.\n{MODEL}{more}")
}

const MODEL: &str = "model: {provider: openai, base_url: \"https://llm.test/v1\", model: m}\n";

/// An agent with these lines as its model.
fn model(lines: &str) -> String {
    format!("instructions: Be kind.\nmodel:\n  model: m\n{lines}")
}

#[track_caller]
fn check_one(what: &str, text: &str, expected: &[&str]) {
    check(what, &[("agents/x.yaml", text)], expected);
}

#[track_caller]
fn summary(files: &[(&str, &str)]) -> String {
    let output = run(project(files).path(), &[]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn agents_that_are_right_are_no_problem() {
    let local = "instructions: Hello {{or .variables.name \"caller\"}} of {{.static_variables.SHOP}}.\nmodel:\n  provider: openai\n  \
        base_url: http://llm.internal:8000/v1\n  model: m\n  headers: {X-Caller: \"{{or .variables.name `-`}}\"}\n";
    let keyed = "name: night-desk\ngreeting: {en: Hello, de: Hallo}\ninstructions: i\nmodel:\n  provider: anthropic\n  auth: key\n  model: m\n  \
        fallback:\n  - {provider: openai, connection: api, auth: none, model: n}\nactions: {\"*\": [read], closing: []}\n";
    let files = [
        ("agents/local.yaml", local),
        ("agents/keyed.yaml", keyed),
        ("auth/key.yaml", "type: api_key\nin: header\nkey_name: x-api-key\nkey: plain\n"),
        ("variables.toml", "[development]\nSHOP = \"Blume\"\n"),
        ("callgate.toml", "environments = [\"development\"]\n[conversations]\nstates = [\"closing\"]\n"),
    ];
    assert_eq!(summary(&files), "no problems: 1 action, 2 agents, environments development\n");
}

#[test]
fn an_agent_needs_no_action_and_makes_its_environments_known() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("agents")).unwrap();
    let text = agent("environments: {staging: {writes: next_turn}, production: {enabled: false}}\n");
    fs::write(dir.path().join("agents/x.yaml"), text).unwrap();
    let output = run(dir.path(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "no problems: 0 actions, 1 agent, environments production, staging\n");
}

#[test]
fn each_mistake_in_an_agent_has_its_place_its_rule_and_a_hint() {
    check_one(
        "an unknown key",
        &agent("instruction: i\n"),
        &[
            "agents/x.yaml:3:1: error[unknown_key]: unknown key `instruction`",
            "    hint: did you mean `instructions`?",
        ],
    );
    check_one(
        "an unknown key of the model",
        &model("  provider: openai\n  base_url: https://llm.test/v1\n  temprature: 0\n"),
        &[
            "agents/x.yaml:6:3: error[unknown_key]: unknown key `temprature`",
            "    hint: did you mean `temperature`?",
        ],
    );
    check_one(
        "no instructions",
        MODEL,
        &[
            "agents/x.yaml:1:1: error[missing_key]: missing key `instructions`",
            "    hint: `instructions`: The system prompt: a template that reads `.variables` and `.static_variables`.",
        ],
    );
    check_one(
        "no model",
        "instructions: i\n",
        &[
            "agents/x.yaml:1:1: error[missing_key]: missing key `model`",
            "    hint: `model`: The language model that speaks for the agent, and those that take its place when it fails.",
        ],
    );
    check_one(
        "limits out of range",
        &agent("limits: {max_rounds: 33, max_calls_per_round: 0, timeout_ms: 300001}\n"),
        &[
            "agents/x.yaml:3:22: error[invalid_value]: `max_rounds`: value is greater than the maximum of 32",
            "agents/x.yaml:3:47: error[invalid_value]: `max_calls_per_round`: value is less than the minimum of 1",
            "agents/x.yaml:3:62: error[invalid_value]: `timeout_ms`: value is greater than the maximum of 300000",
        ],
    );
    check_one(
        "a word that is none",
        &agent("writes: later\n"),
        &["agents/x.yaml:3:9: error[invalid_value]: `writes` is `later`, which is not one of now, next_turn"],
    );
    check(
        "a name that is taken",
        &[("agents/x.yaml", &agent("name: desk\n")), ("agents/y.yaml", &agent("name: desk\n"))],
        &[
            "agents/y.yaml:3:7: error[duplicate_name]: the agent `desk` is defined in agents/x.yaml already",
            "    hint: rename one of the two",
        ],
    );
    check(
        "a file's name that is none of an agent",
        &[("agents/my desk.yaml", &agent(""))],
        &[
            "agents/my desk.yaml:1:1: error[invalid_name]: invalid name `my desk`: must match ^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$",
            "    hint: rename the file, or set `name`",
        ],
    );
    check_one(
        "an environment that nothing else speaks of",
        &agent("environments: {prodution: {enabled: false}}\n"),
        &[
            "agents/x.yaml:3:16: warning[unknown_environment]: nothing else speaks of an environment `prodution`",
            "    hint: did you mean `production`?",
        ],
    );
}

#[test]
fn each_mistake_in_a_template_of_an_agent_has_its_place() {
    check_one(
        "no template",
        "instructions: |\n  Be kind.\n  {{range .variables.orders}}{{end}}\nmodel: {provider: openai, base_url: \"https://llm.test\", model: m}\n",
        &[
            "agents/x.yaml:3:5: error[forbidden_construct]: `range` is not allowed in a template",
            "    hint: a template may branch with `if` and `with`, not loop or include",
        ],
    );
    check_one(
        "parameters",
        &format!("instructions: |\n  Hello {{{{or .parameters.name .parameters}}}}\n{MODEL}"),
        &[
            "agents/x.yaml:2:14: error[unknown_parameter]: `.parameters.name`: an agent has no parameters, it is no call of a tool",
            "    hint: a variable of the conversation is `.variables.name`",
            "agents/x.yaml:2:31: error[unknown_parameter]: `.parameters`: an agent has no parameters, it is no call of a tool",
            "    hint: a conversation has `.variables`",
        ],
    );
    check_one(
        "a static variable that is not there",
        &agent("greeting: {en: Hello, de: \"{{.static_variables.SHOP}}\"}\n"),
        &[
            "agents/x.yaml:3:30: error[missing_static_variable]: the static variable `SHOP` is not set in environment `development`",
            "    hint: add `SHOP` under [development] in variables.toml",
        ],
    );
    check_one(
        "texts that are said",
        &agent("fillers: {start: \"{{.x\"}\non_failure: {model: \"{{.parameters.a}}\", tool: \"{{end}}\"}\n"),
        &[
            "agents/x.yaml:3:19: error[template_syntax]: the action is never closed",
            "    hint: close it with `}}`",
            "agents/x.yaml:4:24: error[unknown_parameter]: `.parameters.a`: an agent has no parameters, it is no call of a tool",
            "    hint: a variable of the conversation is `.variables.a`",
            "agents/x.yaml:4:51: error[template_syntax]: `end` closes nothing",
            "    hint: remove it",
        ],
    );
}

#[test]
fn each_mistake_in_the_actions_of_an_agent_has_its_place_its_rule_and_a_hint() {
    check_one(
        "an action that is not there",
        &agent("actions: [read, raed]\n"),
        &[
            "agents/x.yaml:3:17: error[unknown_action]: there is no action `raed`",
            "    hint: did you mean `read`?",
        ],
    );
    check_one(
        "an action that is like none",
        &agent("actions: [refund]\n"),
        &[
            "agents/x.yaml:3:11: error[unknown_action]: there is no action `refund`",
            "    hint: add actions/refund.yaml",
        ],
    );
    check(
        "an action that runs by itself",
        &[
            ("actions/hello.yaml", "description: d\ntype: static\nresponse: r\non: start\n"),
            ("actions/bye.yaml", "description: d\ntype: static\nresponse: r\non: end\n"),
            ("agents/x.yaml", &agent("actions: [hello, bye]\n")),
        ],
        &[
            "agents/x.yaml:3:11: error[hook_offered]: no agent can use `hello`: it runs by itself when a conversation starts",
            "    hint: take it out of `actions`",
            "agents/x.yaml:3:18: error[hook_offered]: no agent can use `bye`: it runs by itself when a conversation ends",
            "    hint: take it out of `actions`",
        ],
    );
    check_one(
        "a word that is not `all`",
        &agent("actions: every\n"),
        &["agents/x.yaml:3:10: error[invalid_value]: `actions` is `every`, which does not match `^all$`"],
    );
    check(
        "a state that nothing leads to, and one that the action is not available in",
        &[
            (
                "actions/pay.yaml",
                "description: d\ntype: static\nresponse: r\navailable_in: [paying]\nnext_state: done\n",
            ),
            ("callgate.toml", "environments = [\"development\"]\n[conversations]\nstates = [\"paying\"]\n"),
            (
                "agents/x.yaml",
                &agent("actions:\n  paying: [pay]\n  payng: [read]\n  done: [pay]\n  \"*\": [pay]\n"),
            ),
        ],
        &[
            "agents/x.yaml:5:3: warning[unknown_state]: nothing leads to the state `payng`",
            "    hint: did you mean `paying`?",
            "agents/x.yaml:6:10: warning[never_offered]: `pay` is never offered here: it is not `available_in` state `done`",
            "    hint: take it out of this state",
        ],
    );
    check(
        "an action that is left out of the environment",
        &[
            (
                "actions/pay.yaml",
                "description: d\ntype: static\nresponse: r\nenvironments: {development: {enabled: false}}\n",
            ),
            ("agents/x.yaml", &agent("actions: [pay]\n")),
            ("agents/y.yaml", &agent("actions: [pay]\nenvironments: {development: {actions: all}}\n")),
        ],
        &[
            "agents/x.yaml:3:11: warning[action_left_out]: `pay` is left out of environment `development`, and so of this agent",
            "    hint: say what holds there by `environments.development.actions`",
        ],
    );
    check(
        "what an environment says",
        &[(
            "agents/x.yaml",
            &agent("actions: [raed]\nenvironments:\n  development:\n    actions: {\"*\": [read, rad]}\n"),
        )],
        &[
            "agents/x.yaml:6:27: error[unknown_action]: there is no action `rad`",
            "    hint: did you mean `read`?",
        ],
    );
}

#[test]
fn each_mistake_in_a_model_has_its_place_its_rule_and_a_hint() {
    check_one(
        "an unknown provider",
        &model("  provider: opnai\n"),
        &[
            "agents/x.yaml:4:13: error[invalid_value]: `provider` is `opnai`, which is not one of openai, openai-responses, anthropic, gemini",
            "    hint: did you mean `openai`?",
        ],
    );
    check_one(
        "an unknown connection and an unknown connector",
        &model("  provider: openai\n  connection: apii\n  auth: crm\n"),
        &[
            "agents/x.yaml:5:15: error[unknown_connection]: there is no connection `apii`",
            "    hint: did you mean `api`?",
            "agents/x.yaml:6:9: error[unknown_auth]: there is no auth connector `crm`",
            "    hint: add auth/crm.yaml",
        ],
    );
    check_one(
        "two addresses",
        &model("  provider: openai\n  connection: api\n  base_url: https://llm.test\n"),
        &[
            "agents/x.yaml:6:13: error[two_base_urls]: `connection` and `base_url` are both given",
            "    hint: a connection has a `base_url` of its own",
        ],
    );
    check_one(
        "an address that is none",
        &model("  provider: openai\n  base_url: llm.test/v1\n"),
        &[
            "agents/x.yaml:5:13: error[invalid_url]: invalid base_url `llm.test/v1`: relative URL without a base",
        ],
    );
    check_one(
        "an address with the path of the requests",
        &model("  provider: openai\n  base_url: https://llm.test/v1/chat/completions/\n"),
        &[
            "agents/x.yaml:5:13: warning[path_in_base_url]: requests would go to `https://llm.test/v1/chat/completions/chat/completions`",
            "    hint: leave `/chat/completions` out of the base URL",
        ],
    );
    check_one(
        "a public address without a key",
        &model("  provider: gemini\n"),
        &[
            "agents/x.yaml:4:13: warning[no_credentials]: `gemini` answers nobody without a key, and this model has none",
            "    hint: add `auth`, the name of a connector that sends the header `x-goog-api-key`",
        ],
    );
    check(
        "a key without TLS",
        &[
            ("auth/key.yaml", "type: bearer\ntoken: plain\n"),
            ("connections/open.yaml", "base_url: http://open.test\n"),
            (
                "agents/x.yaml",
                &model(
                    "  provider: openai\n  base_url: http://llm.test/v1\n  auth: key\n  fallback:\n  - {provider: openai, connection: open, auth: key, model: n}\n",
                ),
            ),
        ],
        &[
            "agents/x.yaml:5:13: warning[cleartext_credentials]: credentials would travel to `llm.test` without TLS",
            "    hint: use https://",
            "agents/x.yaml:8:36: warning[cleartext_credentials]: credentials would travel to `open.test` without TLS",
            "    hint: use https://",
        ],
    );
    check(
        "a secret that is not there",
        &[
            ("auth/key.yaml", "type: bearer\ntoken: {secret: llm_key}\n"),
            ("agents/x.yaml", &model("  provider: openai\n  auth: key\n  headers: {X-Org: {secret: org}}\n")),
        ],
        &[
            "agents/x.yaml:6:20: error[missing_secret]: the secret `org` is not set in environment `development`",
            "    hint: add `org` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__ORG",
            "auth/key.yaml:2:8: error[missing_secret]: the secret `llm_key` is not set in environment `development`",
            "    hint: add `llm_key` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__LLM_KEY",
        ],
    );
    check_one(
        "an empty list of fallbacks",
        &model("  provider: openai\n  auth: none\n  fallback: []\n"),
        &["agents/x.yaml:6:13: error[invalid_value]: `fallback`: value has less than 1 item"],
    );
    check_one(
        "a fallback that lacks its model and one that has fallbacks",
        &model(
            "  provider: openai\n  auth: none\n  fallback:\n  - {provider: openai}\n  - {provider: openai, model: n, fallback: []}\n",
        ),
        &[
            "agents/x.yaml:7:5: error[missing_key]: missing key `model`",
            "    hint: `model`: The model's name at the provider.",
            "agents/x.yaml:8:34: error[unknown_key]: unknown key `fallback`",
            "    hint: known keys: provider, connection, base_url, auth, headers, model, temperature, max_tokens, first_token_timeout_ms, connect_timeout_ms",
        ],
    );
    check_one(
        "a fallback that is never asked",
        &model(
            "  provider: openai\n  auth: none\n  fallback:\n  - {provider: openai, auth: none, model: n}\n  - {provider: openai, auth: none, model: o}\nlimits: {timeout_ms: 16000}\n",
        ),
        &[
            "agents/x.yaml:8:5: warning[never_asked]: after 16000 ms, when this model would be asked, the turn is over: it has 16000 ms",
            "    hint: lower `first_token_timeout_ms` of the models before it, or raise `limits.timeout_ms`",
        ],
    );
}

#[test]
fn each_mistake_in_a_header_of_a_model_has_its_place_its_rule_and_a_hint() {
    check_one(
        "own headers",
        &model(
            "  provider: openai\n  base_url: https://llm.test\n  headers:\n    Host: a\n    Content-Type: text/plain\n    X-Order: \"{{.parameters.order}}\"\n",
        ),
        &[
            "agents/x.yaml:7:5: error[forbidden_header]: `Host` is set from the request itself",
            "    hint: leave it out; the upstream gets its own",
            "agents/x.yaml:8:5: error[forbidden_header]: `Content-Type` is set from the request itself",
            "    hint: leave it out; a request to a model is JSON",
            "agents/x.yaml:9:17: error[unknown_parameter]: `.parameters.order`: an agent has no parameters, it is no call of a tool",
            "    hint: a variable of the conversation is `.variables.order`",
        ],
    );
    check(
        "headers of a connection that only actions can fill in",
        &[
            (
                "connections/llm.yaml",
                "base_url: https://llm.test\nheaders:\n  X-Id: \"{{.parameters.id}}\"\n  X-Sure: \"{{or .parameters.id `-`}}\"\n  X-Order: \"a-{{.parameters.order}}\"\n",
            ),
            ("agents/x.yaml", &model("  provider: openai\n  connection: llm\n")),
            ("agents/y.yaml", &model("  provider: openai\n  connection: llm\n  headers: {x-order: none}\n")),
        ],
        &[
            "connections/llm.yaml:5:17: error[unknown_parameter]: the header reads `.parameters.order`, which the agent `x` does not have: it is no call of a tool",
            "    hint: give it a fallback, such as {{or .parameters.order \"-\"}}, or set `x-order` in the agent's own `headers`",
        ],
    );
}

#[test]
fn an_address_that_is_not_allowed_is_a_warning() {
    let ollama = model("  provider: openai\n  base_url: http://localhost:11434/v1\n");
    let settings =
        |allow: &str| format!("environments = [\"development\"]\n[egress.development]\nallow = [{allow}]\n");
    check(
        "a model on this machine",
        &[("agents/x.yaml", &ollama), ("callgate.toml", &settings(""))],
        &[
            "agents/x.yaml:5:13: warning[address_refused]: environment `development` does not allow requests to `localhost`, a loopback address (RFC 1122); every call will be refused",
            "    hint: in callgate.toml, under [egress.development]: allow = [\"localhost\"]",
        ],
    );
    let allowed = settings("\"localhost\"");
    let files = [("agents/x.yaml", ollama.as_str()), ("callgate.toml", allowed.as_str())];
    assert_eq!(summary(&files), "no problems: 1 action, 1 agent, environments development\n");
}

#[test]
fn a_connection_that_only_an_agent_uses_is_asked_for_its_secrets_where_the_agent_is_served() {
    check(
        "the secrets of a connection",
        &[
            ("callgate.toml", "environments = [\"development\", \"production\"]\n"),
            ("connections/llm.yaml", "base_url: https://llm.test\nheaders: {X-Key: {secret: key}}\n"),
            (
                "agents/x.yaml",
                &(model("  provider: openai\n  connection: llm\n")
                    + "environments: {production: {enabled: false}}\n"),
            ),
        ],
        &[
            "connections/llm.yaml:2:18: error[missing_secret]: the secret `key` is not set in environment `development`",
            "    hint: add `key` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__KEY",
        ],
    );
}

#[test]
fn an_environment_replaces_the_whole_model() {
    let text = model("  provider: openai\n  base_url: https://llm.test\n  auth: crm\n")
        + "environments:\n  development: {model: {provider: openai, base_url: \"https://other.test\", model: n}}\n";
    let files = [("agents/x.yaml", text.as_str())];
    assert_eq!(summary(&files), "no problems: 1 action, 1 agent, environments development\n");
    let wrong = text.replace("model: n}}", "model: n, auth: crm}}");
    check_one(
        "a connector of the environment's model",
        &wrong,
        &[
            "agents/x.yaml:8:91: error[unknown_auth]: there is no auth connector `crm`",
            "    hint: add auth/crm.yaml",
        ],
    );
}

#[test]
fn folders_that_look_like_that_of_agents_are_warned_of() {
    let dir = project(&[]);
    fs::create_dir(dir.path().join("agent")).unwrap();
    super::check_dir(
        "a folder",
        dir.path(),
        &["agent: warning[ignored_file]: this is not read", "    hint: did you mean `agents`?"],
    );
}
