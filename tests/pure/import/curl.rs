//! Commands as people paste them.

use std::fs;
use std::path::Path;

use callgate::import::{Imported, NoteKind, SourceKind};
use serde_json::{Value, json};

use super::sent::rendered;
use super::{checked, imported, write};

/// A source of `tests/data/import`.
pub(super) fn source(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(file)).unwrap()
}

/// The text of a file that was made.
#[track_caller]
pub(super) fn file<'i>(imported: &'i Imported, path: &str) -> &'i str {
    let found = imported.files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("no {path}: {:?} {:?}", imported.files, imported.report.notes)).text
}

/// The first note of `code`, as it is printed.
#[track_caller]
pub(super) fn told(imported: &Imported, code: &str) -> String {
    let found = imported.report.notes.iter().find(|note| note.code == code);
    found.unwrap_or_else(|| panic!("no {code}: {:?}", imported.report.notes)).to_string()
}

fn command(text: &str) -> Imported {
    let imported = imported(SourceKind::Curl, text);
    checked(write(&imported).path(), imported.report.imported.len());
    imported
}

/// What the only action of `imported` sends.
#[track_caller]
fn sent(imported: &Imported, arguments: Value) -> (String, Vec<String>, String) {
    let dir = write(imported);
    let name =
        &imported.report.imported.first().unwrap_or_else(|| panic!("{:?}", imported.report.notes)).name;
    rendered(dir.path(), name, arguments, json!({}))
}

#[test]
fn what_stands_around_a_placeholder_of_credentials_is_not_lost() {
    for (file_name, form) in
        [("curl_user_suffix.sh", "{email_address}/token"), ("curl_user_suffix_env.sh", "{{EMAIL}}/token")]
    {
        let imported = command(&source(file_name));
        let note = told(&imported, "credentials");
        assert!(note.contains("to do") && note.contains(&format!("`{form}`")), "{note}");
        assert!(file(&imported, "auth/acme_example_com_basic.yaml").contains("acme_example_com_api_token\n"));
    }
    for (header, expected) in [
        ("Authorization: Bearer live-{{key}}", "token:\n  secret: a_example_key\n  prefix: live-\n"),
        ("X-Api-Key: k:$KEY", "key:\n  secret: a_example_key\n  prefix: \"k:\"\n"),
    ] {
        let imported = command(&format!("curl https://a.example/x -H \"{header}\""));
        let all: String = imported.files.iter().map(|file| file.text.as_str()).collect();
        assert!(all.contains(expected), "{all}");
        assert_eq!(imported.report.notes.iter().filter(|note| note.code == "credentials").count(), 0);
    }
    let imported = command("curl https://a.example/x -H 'Authorization: Token token={{key}}'");
    assert!(file(&imported, "actions/get_x.yaml").contains("prefix: Token token=\n"));
    for header in
        ["Authorization: Bearer {{a}}.{{b}}", "Cookie: sid={{s}}; theme=dark", "X-Api-Key: {{a}}{{b}}"]
    {
        let imported = command(&format!("curl https://a.example/x -H '{header}'"));
        assert!(told(&imported, "credentials").contains("stands for all of `"), "{header}");
    }
    let key = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
    let imported = command(&format!("curl https://a.example/x -H 'X-Api-Key: {key}{{{{tail}}}}'"));
    assert!(!told(&imported, "credentials").contains(key));
}

#[test]
fn the_number_of_a_thing_is_a_parameter_however_short_it_is() {
    let imported = command(&source("curl_one_digit.sh"));
    assert_eq!(sent(&imported, json!({"hotel_id": "7"})).0, "DELETE https://hotels.example.com/api/hotels/7");
    for (url, arguments, expected) in [
        (
            "https://a.example/tickets/35436.json",
            json!({"ticket_id": "9"}),
            "https://a.example/tickets/9.json",
        ),
        (
            "https://a.example/1/boards/507f1f77bcf86cd799439011",
            json!({"board_id": "b"}),
            "https://a.example/1/boards/b",
        ),
        (
            "https://a.example/rest/api/2/issue/ORD-12",
            json!({"issue_id": "X-1"}),
            "https://a.example/rest/api/2/issue/X-1",
        ),
    ] {
        assert_eq!(sent(&command(&format!("curl {url}")), arguments).0, format!("GET {expected}"));
    }
}

#[test]
fn what_names_one_request_of_an_example_is_not_sent_on_every_call() {
    let imported = command(&source("curl_two.sh"));
    let action = file(&imported, "actions/patch_orders_items.yaml");
    assert!(!action.contains("Idempotency") && !action.contains("0b5f4c3e"), "{action}");
    let arguments = json!({"order_id": "o", "item_id": "2", "notify": false, "qty": 1, "If_Match": "\"6\""});
    let (line, headers, body) = sent(&imported, arguments);
    assert_eq!(line, "PATCH https://api.example.com/v1/orders/o/items/2?notify=false");
    assert_eq!(headers, ["if-match: \"6\"", "content-type: application/json"]);
    assert_eq!(body, "{\"qty\":1}");
    let imported = command(
        "curl -X POST https://a.example/x -H 'X-Idempotency-Key: 1' -H 'X-Request-Id: 2' -H 'X-Correlation-Id: {{id}}'",
    );
    let action = file(&imported, "actions/post_x.yaml");
    assert!(!action.contains("X-Request-Id") && !action.contains("X-Idempotency-Key"), "{action}");
    assert!(action.contains("X-Correlation-Id: \"{{.parameters.id}}\""), "{action}");
    assert!(told(&imported, "idempotency_key").contains("`Idempotency-Key`"));
}

#[test]
fn the_query_of_graphql_is_fixed_and_its_variables_are_parameters() {
    let query = "query($id: ID!){ order(id:$id){ id status } }";
    let imported = command(&source("curl_graphql.sh"));
    let (_, _, body) = sent(&imported, json!({"id": "7"}));
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"query": query, "variables": {"id": "7"}})
    );
    let text = "query A{order{id}} query B{me{id}}";
    let body = json!({"query": text, "operationName": "B", "variables": null});
    let imported = command(&format!("curl https://a.example/graphql --json '{body}'"));
    let (_, _, sent_body) = sent(&imported, json!({}));
    let expected = json!({"query": text, "operationName": "B", "variables": {}});
    assert_eq!(serde_json::from_str::<Value>(&sent_body).unwrap(), expected);
    let imported = command("curl -G https://a.example/graphql --data-urlencode 'query={me{id}}'");
    assert_eq!(sent(&imported, json!({})).0, "GET https://a.example/graphql?query=%7Bme%7Bid%7D%7D");
    let imported =
        command("curl https://a.example/graphql -H 'Content-Type: application/graphql' -d '{me{id}}'");
    assert_eq!(sent(&imported, json!({})).2, "{me{id}}");
    // A search is none.
    let imported = command("curl https://a.example/search --json '{\"query\": \"shoes\"}'");
    assert_eq!(sent(&imported, json!({"query": "hats"})).2, "{\"query\":\"hats\"}");
}

#[test]
fn quotes_around_a_part_are_curl_s_and_not_sent() {
    let imported = command(&source("curl_form_quotes.sh"));
    let action = file(&imported, "actions/post_api_ticket.yaml");
    for part in
        ["examples: [Hello]\n", "examples: [\"he said \\\"hi\\\"\"]\n", "content_type: application/json\n"]
    {
        assert!(action.contains(part), "{part}: {action}");
    }
    let imported = command(
        "curl https://a.example/x -F 'a=\"1;\\\\2\";type=text/csv' -F 'b=say \"x\"' --form-string 'c=\"d\"'",
    );
    let action = file(&imported, "actions/post_x.yaml");
    for part in ["[\"1;\\\\2\"]", "content_type: text/csv", "[\"say \\\"x\\\"\"]", "[\"\\\"d\\\"\"]"] {
        assert!(action.contains(part), "{part}: {action}");
    }
}

#[test]
fn a_command_whose_token_is_printed_and_whose_answer_is_piped_is_imported() {
    let imported = command(&source("curl_pipe.sh"));
    assert_eq!(sent(&imported, json!({})).0, "GET https://agents.example.com/v3/agents");
    assert!(told(&imported, "command").contains("`gcloud` is not run"));
    assert!(told(&imported, "pipe").contains("`jq`"));
    let secrets: Vec<&str> = imported.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(secrets, ["agents_example_com_gcloud_auth_print_access_token"]);
    assert!(imported.secrets.iter().all(|secret| secret.is_placeholder));
}

#[test]
fn a_request_for_a_token_is_no_tool() {
    for given in [
        "-d grant_type=client_credentials",
        "-F grant_type=client_credentials",
        "--json '{\"grant_type\": \"password\", \"username\": \"a\"}'",
        "-X POST 'https://a.example/token?grant_type=client_credentials'",
        "-G -d grant_type=client_credentials",
    ] {
        let url = if given.contains("https") { "" } else { "https://a.example/token" };
        let imported = imported(SourceKind::Curl, &format!("curl {url} {given}"));
        let codes: Vec<&str> = imported.report.of_kind(NoteKind::Refused).map(|note| note.code).collect();
        assert_eq!(codes, ["token_request"], "{given}");
    }
}
