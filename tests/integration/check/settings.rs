//! Settings: of the file, and of variables.

use std::process::Output;

use super::{check, project};
use crate::harness::callgate;

const ONE: &str = "environments = [\"development\"]\n";

/// What `callgate check` says of a good project under `variables`.
#[track_caller]
fn under(variables: &[(&str, &str)], expected: &[&str]) {
    let dir = project(&[]);
    let mut command = callgate(&["check", dir.path().to_str().unwrap()]);
    let Output { stderr, .. } = command.envs(variables.iter().copied()).output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(&lines[..lines.len().saturating_sub(1)], expected, "{variables:?}");
}

#[test]
fn a_level_that_is_none_would_switch_the_log_off() {
    let neither = "neither a level (error, warn, info, debug, trace, off) nor `target=level`";
    for (level, part, near) in [
        ("inof", "inof", ", did you mean `info`?"),
        ("verbose", "verbose", ""),
        ("warn,callgate", "callgate", ""),
        ("callgate=debgu", "callgate=debgu", ", did you mean `debug`?"),
        ("=info", "=info", ""),
        ("3", "3", ""),
    ] {
        let line = format!("callgate.toml:3:9: error[invalid_setting]: `{part}` is {neither}{near}");
        let settings = format!("{ONE}[log]\nlevel = \"{level}\"\n");
        check(
            level,
            &[("callgate.toml", &settings)],
            &[&line, "    hint: such as `info`, or `warn,callgate=debug`"],
        );
    }
    check(
        "nothing",
        &[("callgate.toml", &format!("{ONE}[log]\nlevel = \"\"\n"))],
        &[
            "callgate.toml:3:9: error[invalid_setting]: `log.level` is empty",
            "    hint: such as `info`, or `warn,callgate=debug`",
        ],
    );
    for level in ["info", "WARN", "Off", "warn, callgate=debug", "off,callgate[call{a=1}]=trace", "info,"] {
        under(&[("CALLGATE_LOG__LEVEL", level)], &[]);
    }
    under(
        &[("CALLGATE_LOG__LEVEL", "inof")],
        &[
            &format!(
                "CALLGATE_LOG__LEVEL: error[invalid_setting]: `inof` is {neither}, did you mean `info`?"
            ),
            "    hint: such as `info`, or `warn,callgate=debug`",
        ],
    );
}

#[test]
fn each_variable_is_judged_by_itself_and_named() {
    under(
        &[
            ("CALLGATE_ENVIRONMENTS", "development"),
            ("CALLGATE_LIMITS__MAX_BODY_CHARS", "1"),
            ("CALLGATE_SERVER__LISTEN", "here"),
            ("CALLGATE_SERVER__LISTN", "127.0.0.1:0"),
            ("CALLGATE_SERVER__WORKERS", "some"),
            ("CALLGATE_LOG__FORMAT", "xml"),
            ("CALLGATE_EGRESS__DEVELOPMENT__ALLOW", "[\"10.0.0.0/40\"]"),
        ],
        &[
            "CALLGATE_EGRESS__DEVELOPMENT__ALLOW: error[invalid_setting]: `10.0.0.0/40` is not a CIDR range",
            "    hint: such as 10.0.0.0/8 or fd00::/8",
            "CALLGATE_ENVIRONMENTS: error[wrong_type]: `environments` must be a list, found a text",
            "    hint: a list is written [production, staging]",
            "CALLGATE_LIMITS__MAX_BODY_CHARS: error[invalid_value]: `max_body_chars`: value is less than the minimum of 100",
            "CALLGATE_LOG__FORMAT: error[invalid_value]: `format` is `xml`, which is not one of text, json",
            "CALLGATE_SERVER__LISTEN: error[invalid_setting]: must be an IP address and a port, such as 127.0.0.1:8080",
            "CALLGATE_SERVER__LISTN: error[unknown_key]: unknown key `listn`",
            "    hint: did you mean `listen`?",
            "CALLGATE_SERVER__WORKERS: error[wrong_type]: `workers` must be a whole number, found a text",
        ],
    );
    // What it needs may stand elsewhere.
    under(&[("CALLGATE_SERVER__RATE__BURST", "5"), ("CALLGATE_SERVER__RATE__PER_SECOND", "2")], &[]);
}

#[cfg(feature = "redis")]
#[test]
fn a_store_that_cannot_be_opened_is_found_before_the_start_and_its_address_not_shown() {
    under(
        &[("CALLGATE_STORE__BACKEND", "redis"), ("CALLGATE_STORE__URL", "http://:hunter2@localhost")],
        &[
            "CALLGATE_STORE__URL: error[invalid_setting]: the `url` of [store] is no address of a Redis server (invalid client config); such as redis://127.0.0.1:6379/0",
        ],
    );
}

#[test]
fn a_secret_for_an_environment_that_nobody_knows_is_a_warning() {
    under(
        &[
            ("CALLGATE_SECRET__DEVELOPMENT__A", "0123456789"),
            ("CALLGATE_SECRET__PRODUCTION__A", "0123456789"),
            ("CALLGATE_SECRET__DEVELOPMNT__A", "0123456789"),
            ("CALLGATE_SECRET__A", "0123456789"),
        ],
        &[
            "CALLGATE_SECRET__A: warning[unknown_variable]: this environment variable sets no secret of any environment",
            "    hint: write CALLGATE_SECRET__<ENVIRONMENT>__<NAME>; known: DEVELOPMENT, PRODUCTION, STAGING",
            "CALLGATE_SECRET__DEVELOPMNT__A: warning[unknown_variable]: this environment variable sets no secret of any environment",
            "    hint: did you mean `CALLGATE_SECRET__DEVELOPMENT__…`?",
        ],
    );
}

#[test]
fn a_mistake_in_the_settings_does_not_make_environments_of_what_is_not_served() {
    let others = ("secrets.toml", "[development]\nkey = \"0123456789\"\n[staging]\n");
    let needs =
        ("actions/x.yaml", "description: d\nconnection: api\npath: /x\nheaders: {A: {secret: key}}\n");
    for (wrong, line) in [
        (
            "[server]\nworkers = \"x\"\n",
            "callgate.toml:3:11: error[wrong_type]: `workers` must be a whole number, found a text",
        ),
        (
            "[server]\nlisten = \"x\"\n",
            "callgate.toml:3:10: error[invalid_setting]: `server.listen` must be an IP address and a port, such as 127.0.0.1:8080",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:80\"\n[[keys]]\nname = 7\nhash = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\n",
            "callgate.toml:5:8: error[wrong_type]: `name` must be a text, found a number",
        ),
        ("[server\n", "callgate.toml:2:8: error[toml_syntax]: unclosed table, expected `]`"),
    ] {
        check(wrong, &[("callgate.toml", &format!("{ONE}{wrong}")), others, needs], &[line]);
    }
}

#[test]
fn an_agent_that_retell_calls_must_be_there_and_have_a_secret_that_nobody_guesses() {
    let agent = "instructions: You answer.\nmodel: {provider: openai, base_url: 'https://models.example.com/v1', model: tiny}\n";
    let told = |settings: &str, secrets: &str, expected: &[&str]| {
        let settings = format!("{ONE}{settings}");
        let files =
            [("callgate.toml", settings.as_str()), ("secrets.toml", secrets), ("agents/shop.yaml", agent)];
        check(&settings, &files, expected);
    };
    let long = "[development]\nretell_llm = \"0123456789abcdef\"\n";
    let shop = "[agents.retell.shop]\nsecret = \"retell_llm\"\n";
    told(
        shop,
        "[development]\nretell_llm = \"0123456789abcde\"\n",
        &[
            "callgate.toml:2:1: warning[short_secret]: the secret `retell_llm` is short in environment `development`: whoever finds it by trying can call as Retell",
            "    hint: `openssl rand -hex 32` makes a long one",
        ],
    );
    told(
        shop,
        "[development]\nretell_lm = \"0123456789abcdef\"\n",
        &[
            "callgate.toml:2:1: warning[missing_secret]: the secret `retell_llm` of the agent `shop` is not set in environment `development`: it takes no calls of Retell's there",
            "    hint: add `retell_llm` under [development] in secrets.toml, or set CALLGATE_SECRET__DEVELOPMENT__RETELL_LLM",
        ],
    );
    told(
        "[agents.retell.shp]\nsecret = \"retell_llm\"\n",
        long,
        &[
            "callgate.toml:2:1: warning[unknown_agent]: there is no agent `shp`",
            "    hint: did you mean `shop`?",
        ],
    );
    told(
        "[agents.retell.shop]\nend_call = false\n",
        long,
        &[
            "callgate.toml:2:1: error[missing_key]: missing key `secret`",
            "    hint: `secret`: Name of the secret that stands in the address which Retell calls; an environment that lacks it takes no calls.",
        ],
    );
    told(
        "[agents.retell.shop]\nsecret = \"retell_llm\"\nconversations_of = \"someone\"\n",
        long,
        &[
            "callgate.toml:4:20: error[invalid_setting]: there is no key `someone`",
            "    hint: give the `name` of one of [[keys]]",
        ],
    );
    told(
        &format!("{shop}[agents.retell.store]\nsecret = \"retell_llm\"\n"),
        long,
        &[
            "callgate.toml:4:1: warning[unknown_agent]: there is no agent `store`",
            "    hint: add agents/store.yaml",
            "callgate.toml:5:10: error[invalid_setting]: the agents `shop` and `store` have one secret: it tells which of the two is called",
            "    hint: give each of them a secret of its own",
        ],
    );
}
