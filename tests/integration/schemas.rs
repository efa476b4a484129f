//! The published schemas: made from the code, right about every example, and
//! strict for the reasons they should be.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use callgate::definition::{Document, Format, Problems, read_secrets_text};
use jsonschema::Validator;
use serde_json::Value;

const KINDS: [&str; 7] = ["action", "agent", "auth", "callgate", "connection", "secrets", "variables"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `callgate`, which must succeed.
fn callgate(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_callgate")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The schema as it lies in `schemas/`.
fn published(kind: &str) -> Validator {
    let path = root().join(format!("schemas/{kind}.schema.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "{kind} is no JSON Schema");
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What a file says, read by the code that reads projects.
fn parse(name: &str, text: &str) -> Value {
    let format = if name.ends_with(".toml") { Format::Toml } else { Format::Yaml };
    Document::parse(name, text, format).unwrap_or_else(|problems| panic!("{name}: {problems:?}")).value
}

/// The kind of file that lies at `path` of a project.
fn kind_of(path: &str) -> Option<&'static str> {
    let mut parts = path.rsplit('/');
    match (parts.next()?, parts.next()) {
        ("callgate.toml", _) => Some("callgate"),
        ("variables.toml", _) => Some("variables"),
        ("secrets.toml" | "secrets.example.toml", _) => Some("secrets"),
        (_, Some("actions")) => Some("action"),
        (_, Some("agents")) => Some("agent"),
        (_, Some("connections")) => Some("connection"),
        (_, Some("auth")) => Some("auth"),
        _ => None,
    }
}

#[track_caller]
fn assert_accepts(kind: &str, name: &str, text: &str) {
    let value = parse(name, text);
    let errors: Vec<String> = published(kind)
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path().as_str()))
        .collect();
    assert!(errors.is_empty(), "{name} is no valid {kind}: {errors:#?}");
}

/// `text` must break `keyword` at `path`, and nothing else, for the reason `message`.
#[track_caller]
fn assert_rejects(file: &str, text: &str, path: &str, keyword: &str, message: &str) {
    let value = parse(file, text);
    let validator = published(kind_of(file).unwrap());
    let errors: Vec<_> = validator.iter_errors(&value).collect();
    let found: Vec<(&str, &str, String)> = errors
        .iter()
        .map(|error| (error.instance_path().as_str(), error.kind().keyword(), error.to_string()))
        .collect();
    let [(at, broken, why)] = found.as_slice() else { panic!("{text}\n{found:#?}") };
    assert_eq!((*at, *broken), (path, keyword), "{text}: {why}");
    assert!(why.contains(message), "{text}: {why}");
}

/// Every file below `dir`, its path relative to `dir`, and its text.
fn files_below(dir: &Path) -> Vec<(String, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Pictures have no text.
            if path.extension().is_some_and(|ending| ending == "png") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The schema that a file tells editors to use.
fn named_schema(text: &str) -> Option<&str> {
    let first = text.lines().next()?;
    first.strip_prefix("# yaml-language-server: $schema=").or_else(|| first.strip_prefix("#:schema "))
}

/// A project that `callgate init` has made.
fn init() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    callgate(&["init", project.to_str().unwrap()]);
    (dir, project)
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    let dir = tempfile::tempdir().unwrap();
    callgate(&["schema", "--write", dir.path().to_str().unwrap()]);
    let (generated, published) = (files_below(dir.path()), files_below(&root().join("schemas")));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&generated), KINDS.map(|kind| format!("{kind}.schema.json")));
    assert_eq!(
        names(&published),
        names(&generated),
        "schemas/ has other files; `callgate schema --write schemas`"
    );
    for ((name, generated), (_, published)) in generated.iter().zip(&published) {
        assert_eq!(generated, published, "schemas/{name} is out of date; `callgate schema --write schemas`");
    }
}

#[test]
fn every_file_of_the_demo_is_valid_and_names_its_schema() {
    let demo = root().join("src/demo/project");
    let mut checked = 0;
    for (name, text) in files_below(&demo) {
        let kind = kind_of(&name).unwrap_or_else(|| panic!("{name} has no schema"));
        assert_accepts(kind, &name, &text);
        let schema = named_schema(&text).unwrap_or_else(|| panic!("{name} names no schema"));
        let path = demo.join(&name).parent().unwrap().join(schema).canonicalize();
        let expected = root().join(format!("schemas/{kind}.schema.json")).canonicalize().unwrap();
        assert_eq!(path.ok(), Some(expected), "{name} names {schema}");
        checked += 1;
    }
    assert!(checked >= 25, "only {checked} files");
}

#[test]
fn every_file_that_init_writes_is_valid_and_names_its_schema() {
    let (_dir, project) = init();
    let mut kinds = Vec::new();
    for (name, text) in files_below(&project) {
        let Some(kind) = kind_of(&name) else { continue };
        assert_accepts(kind, &name, &text);
        let schema = named_schema(&text).unwrap_or_else(|| panic!("{name} names no schema"));
        let path = project.join(&name).parent().unwrap().join(schema);
        assert!(path.ends_with(format!("schemas/{kind}.schema.json")), "{name} names {schema}");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            fs::read_to_string(root().join(format!("schemas/{kind}.schema.json"))).unwrap(),
        );
        kinds.push(kind);
    }
    kinds.sort_unstable();
    kinds.dedup();
    // A new project has no agent.
    assert_eq!(kinds, KINDS.iter().copied().filter(|kind| *kind != "agent").collect::<Vec<_>>());
}

#[test]
fn the_examples_of_the_documents_are_valid() {
    let mut documents = vec![("README.md".to_owned(), fs::read_to_string(root().join("README.md")).unwrap())];
    documents.extend(files_below(&root().join("docs")));
    let mut checked = 0;
    for (document, text) in &documents {
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, block) = block.split_once('\n').unwrap();
            if !matches!(language, "yaml" | "toml") {
                continue;
            }
            // The first line says which file it is.
            let file = block.strip_prefix("# ").and_then(|rest| rest.split_whitespace().next());
            let kind = file.and_then(kind_of);
            let kind = kind.unwrap_or_else(|| panic!("{document}: which file is this?\n{block}"));
            assert_accepts(kind, file.unwrap(), block);
            checked += 1;
        }
    }
    assert!(checked > 0, "no example found");
}

/// The keys that a file of this kind may hold, and the keys below each of them.
fn keys(schema: &Value, at: &Value, depth: usize, found: &mut Vec<String>) {
    if let Some(target) = at["$ref"].as_str() {
        keys(schema, schema.pointer(target.trim_start_matches('#')).unwrap(), depth, found);
    }
    for (key, below) in at["properties"].as_object().into_iter().flatten() {
        found.push(key.clone());
        if depth > 0 {
            keys(schema, below, depth - 1, found);
        }
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        for branch in at[list].as_array().into_iter().flatten() {
            keys(schema, branch, depth, found);
        }
    }
    for below in ["items", "additionalProperties"].map(|keyword| &at[keyword]) {
        if below.is_object() {
            keys(schema, below, depth, found);
        }
    }
}

#[test]
fn the_tables_of_the_documents_name_every_key() {
    for (kind, page, depth) in [
        ("callgate", "settings", 1),
        ("action", "actions", 1),
        ("agent", "agents", 1),
        ("connection", "actions", 0),
        ("auth", "actions", 0),
    ] {
        let text = fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
        let words: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let schema = fs::read_to_string(root().join(format!("schemas/{kind}.schema.json"))).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let mut found = Vec::new();
        keys(&schema, &schema, depth, &mut found);
        assert!(found.len() > 5, "{kind}: {found:?}");
        let missing: Vec<&String> = found.iter().filter(|key| !words.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "docs/{page}.md does not name {missing:?} of {kind}");
    }
}

#[test]
fn the_example_of_a_secrets_file_is_valid_and_loads() {
    let name = "secrets.example.toml";
    let text = fs::read_to_string(root().join(name)).unwrap();
    assert_accepts("secrets", name, &text);
    let schema = named_schema(&text).expect("it names its schema");
    assert!(root().join(schema).exists(), "{schema}");
    let mut problems = Problems::default();
    let secrets = read_secrets_text(name, &text, &mut problems);
    assert!(problems.sorted().is_empty());
    let environments: Vec<&str> = secrets.environments.keys().map(String::as_str).collect();
    assert_eq!(environments, ["development", "production", "staging"]);
    assert!(secrets.environments.values().all(|secrets| secrets.contains_key("orders_token")));
}

#[test]
fn the_example_of_a_secrets_file_names_what_the_demo_needs() {
    let example = parse("secrets.toml", &fs::read_to_string(root().join("secrets.example.toml")).unwrap());
    let demo = root().join("src/demo/project/secrets.toml");
    let demo = parse("secrets.toml", &fs::read_to_string(demo).unwrap());
    let names = |file: &Value, environment: &str| {
        let mut names: Vec<String> = file[environment].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    for environment in ["development", "staging", "production"] {
        assert_eq!(names(&example, environment), names(&demo, environment), "{environment}");
    }
}

/// An action that is right but for `line`.
fn action(line: &str) -> String {
    format!("description: Looks up one order.\nurl: https://api.example.com/orders\n{line}\n")
}

#[test]
fn an_action_is_rejected_for_the_right_reason() {
    let long_name = format!("name: {}", "a".repeat(65));
    for (line, path, keyword, message) in [
        ("metod: GET", "", "additionalProperties", "'metod' was unexpected"),
        ("name: get order", "/name", "pattern", "does not match"),
        (long_name.as_str(), "/name", "pattern", "does not match"),
        ("type: graphql", "/type", "oneOf", "\"graphql\" is not valid"),
        ("method: FETCH", "/method", "anyOf", "\"FETCH\" is not valid"),
        ("method: get", "/method", "anyOf", "\"get\" is not valid"),
        ("timeout_ms: 5s", "/timeout_ms", "type", "\"5s\" is not of types"),
        ("timeout_ms: 0", "/timeout_ms", "minimum", "less than the minimum of 1"),
        ("timeout_ms: 300001", "/timeout_ms", "maximum", "greater than the maximum of 300000"),
        ("parameters: [order_number]", "/parameters", "type", "is not of types"),
        ("query: {a: [1, 2]}", "/query/a", "type", "is not of types"),
        (
            "headers: {X-Key: {prefix: Token}}",
            "/headers/X-Key",
            "required",
            "\"secret\" is a required property",
        ),
        ("headers: {X-Key: {secret: k, prefx: T}}", "/headers/X-Key", "additionalProperties", "'prefx'"),
        ("headers: {X-Key: {secret: a key}}", "/headers/X-Key/secret", "pattern", "does not match"),
        ("body: {order: 1}", "/body", "type", "is not of types"),
        (
            "multipart: {note: {filename: a.txt}}",
            "/multipart/note",
            "required",
            "\"value\" is a required property",
        ),
        (
            "output_variables: [{name: Customer, path: $.id}]",
            "/output_variables/0/name",
            "pattern",
            "\"Customer\" does not match",
        ),
        (
            "output_variables: [{name: customer_id, path: data.id}]",
            "/output_variables/0/path",
            "pattern",
            "\"data.id\" does not match",
        ),
        (
            "output_variables: [{name: customer_id, path: $.id, expose: 'yes'}]",
            "/output_variables/0/expose",
            "type",
            "\"yes\" is not of types",
        ),
        ("output_variables: [{name: customer_id}]", "/output_variables/0", "required", "\"path\""),
        (
            "environments: {staging: {method: POST}}",
            "/environments/staging",
            "additionalProperties",
            "'method'",
        ),
    ] {
        assert_rejects("actions/x.yaml", &action(line), path, keyword, message);
    }
    let file = "actions/x.yaml";
    assert_accepts("action", file, &action(""));
    assert_rejects(
        file,
        "url: https://api.example.com",
        "",
        "required",
        "\"description\" is a required property",
    );
    assert_rejects(file, "description: ''", "/description", "minLength", "shorter than 1 character");
    assert_rejects(file, "- description: x", "", "type", "is not of type \"object\"");
}

/// An agent whose model is right but for `line`.
fn agent(line: &str) -> String {
    let provider = if line.starts_with("provider") { "" } else { "  provider: openai\n" };
    format!("instructions: Be kind.\nmodel:\n  model: m\n{provider}  {line}\n")
}

#[test]
fn the_other_files_are_rejected_for_the_right_reason() {
    let bearer = "type: bearer\ntoken: {secret: orders_token}\n";
    let key = "[[keys]]\nname = 'vapi'\n";
    for (file, text, path, keyword, message) in [
        (
            "connections/x.yaml",
            "url: https://api.example.com",
            "",
            "additionalProperties",
            "'url' was unexpected",
        ),
        ("connections/x.yaml", "base_url: 8080", "/base_url", "type", "8080 is not of types"),
        ("connections/x.yaml", "headers: {X-Key: null}", "/headers/X-Key", "type", "null is not of types"),
        (
            "connections/x.yaml",
            "environments: {staging: {headers: [a]}}",
            "/environments/staging/headers",
            "type",
            "is not of type \"object\"",
        ),
        ("auth/x.yaml", "token: {secret: orders_token}", "", "required", "\"type\" is a required property"),
        ("auth/x.yaml", "type: oauth", "/type", "oneOf", "\"oauth\" is not valid"),
        ("auth/x.yaml", "type: api_key\nin: body", "/in", "anyOf", "\"body\" is not valid"),
        ("auth/x.yaml", &format!("{bearer}scopes: read"), "/scopes", "type", "\"read\" is not of types"),
        ("auth/x.yaml", &format!("{bearer}secret: x"), "", "additionalProperties", "'secret' was unexpected"),
        ("variables.toml", "REGION = 'eu'", "/REGION", "type", "\"eu\" is not of type \"object\""),
        ("secrets.toml", "[development]\npin = 1234", "/development/pin", "type", "1234 is not of type"),
        (
            "secrets.toml",
            "[development]\nkey = ''",
            "/development/key",
            "minLength",
            "shorter than 1 character",
        ),
        ("secrets.toml", "[development]\n'a key' = 'x'", "/development", "propertyNames", "\"a key\""),
        ("agents/x.yaml", "instructions: i", "", "required", "\"model\" is a required property"),
        ("agents/x.yaml", &agent("provider: llama"), "/model/provider", "oneOf", "\"llama\" is not valid"),
        ("agents/x.yaml", &agent("temperature: 3"), "/model/temperature", "maximum", "maximum of 2"),
        ("agents/x.yaml", &agent("fallback: []"), "/model/fallback", "minItems", "less than 1 item"),
        (
            "agents/x.yaml",
            &agent("fallback: [{provider: gemini, model: n, fallback: []}]"),
            "/model/fallback/0",
            "additionalProperties",
            "'fallback' was unexpected",
        ),
        ("agents/x.yaml", &format!("{}actions: none", agent("")), "/actions", "pattern", "does not match"),
        ("agents/x.yaml", &format!("{}actions: [1]", agent("")), "/actions/0", "type", "1 is not of type"),
        ("agents/x.yaml", &format!("{}actions: {{a: all}}", agent("")), "/actions/a", "type", "\"array\""),
        ("agents/x.yaml", &format!("{}writes: later", agent("")), "/writes", "oneOf", "\"later\""),
        (
            "agents/x.yaml",
            &format!("{}limits: {{max_rounds: 33}}", agent("")),
            "/limits/max_rounds",
            "maximum",
            "of 32",
        ),
        ("callgate.toml", "listen = '127.0.0.1:80'", "", "additionalProperties", "'listen' was unexpected"),
        ("callgate.toml", "environments = []", "/environments", "minItems", "less than 1 item"),
        ("callgate.toml", "[log]\nformat = 'xml'", "/log/format", "oneOf", "\"xml\" is not valid"),
        ("callgate.toml", "[limits]\nmax_body_chars = 10", "/limits/max_body_chars", "minimum", "of 100"),
        ("callgate.toml", &format!("{key}hash = 'abc'"), "/keys/0/hash", "pattern", "\"abc\" does not match"),
        ("callgate.toml", key, "/keys/0", "required", "\"hash\" is a required property"),
    ] {
        assert_rejects(file, text, path, keyword, message);
    }
    assert_accepts("auth", "auth/x.yaml", bearer);
    assert_accepts("agent", "agents/x.yaml", &agent("temperature: 0.5"));
    assert_accepts("callgate", "callgate.toml", "");
}
