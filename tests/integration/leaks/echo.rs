//! An upstream that repeats what it was told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::upstream::{Captured, Reply};

use super::marks::ENCODINGS;

/// What to repeat, and how.
pub(super) struct Echo {
    mode: String,
    way: String,
    said: String,
    values: Vec<String>,
}

impl Echo {
    /// Every mode, with the ways in which it repeats.
    pub(super) fn modes() -> Vec<(&'static str, Vec<&'static str>)> {
        let mut ways: Vec<&str> = ENCODINGS.iter().map(|(way, _)| *way).collect();
        ways.extend(["base64", "base64 after one", "base64 after two", "base64url"]);
        let few = vec!["raw", "JSON escapes", "HTML", "base64"];
        let once = vec!["raw"];
        vec![
            ("json", ways.clone()),
            ("names", few.clone()),
            ("error", ways.clone()),
            ("charset", few.clone()),
            ("text", ways),
            ("page", few.clone()),
            ("broken", few.clone()),
            ("reason", once.clone()),
            ("headers", few.clone()),
            ("redirect", few),
            ("number", once.clone()),
            ("cut off", once.clone()),
            ("broken encoding", once.clone()),
            ("no HTTP", once.clone()),
            ("refused token", once),
        ]
    }

    pub(super) fn of(request: &Captured) -> Self {
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let values =
            request.head.lines().skip(1).filter_map(|line| Some(line.split_once(": ")?.1.to_owned()));
        let said = format!("{}\r\n\r\n{}", request.head, request.text());
        Self { mode: text("mode"), way: text("way"), said, values: values.collect() }
    }

    /// `text`, written as was asked.
    fn written(&self, text: &str) -> String {
        match self.way.as_str() {
            "base64" => STANDARD.encode(text),
            "base64 after one" => STANDARD.encode(format!("x{text}")),
            "base64 after two" => STANDARD.encode(format!("xy{text}")),
            "base64url" => URL_SAFE_NO_PAD.encode(text),
            way => match ENCODINGS.iter().find(|(known, _)| *known == way) {
                Some((_, encode)) => encode(text),
                None => text.to_owned(),
            },
        }
    }

    pub(super) fn reply(&self) -> Reply {
        let said = self.written(&self.said);
        // The values alone too: a secret may be all that a string says.
        let values: Vec<String> = self.values.iter().map(|value| self.written(value)).collect();
        let line = said.replace(['\r', '\n'], " ");
        let answer = |head: &str, body: &str| {
            Reply::Raw(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
        };
        let json = "content-type: application/json";
        match self.mode.as_str() {
            "json" => Reply::ok(&json!({"said": said, "values": values}).to_string()),
            // Written into the JSON as it is: escapes are escapes there, if it is JSON at all.
            "broken" => answer(&format!("200 OK\r\n{json}"), &format!("{{\"said\": \"{said}\", ")),
            "charset" => {
                let body = json!({"said": said, "values": values}).to_string();
                let mut bytes = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json; charset=utf-16\r\n\r\n".to_vec();
                bytes.extend(body.encode_utf16().flat_map(u16::to_le_bytes));
                Reply::Raw(bytes)
            }
            "names" => Reply::ok(&json!({(said): 1, "values": {(values.join(" ")): 2}}).to_string()),
            "error" => {
                Reply::Json(422, format!("{{\"detail\": [\"{line}\", {}]}}", Value::from(said.as_str())))
            }
            "text" => answer("200 OK\r\ncontent-type: text/plain", &said),
            "page" => answer(
                "502 Bad\r\ncontent-type: text/html",
                &format!(
                    "<html><title>{line}</title><!-- {said} --><p>{}</p>{said}</html>",
                    values.join("<br>")
                ),
            ),
            "reason" => answer(&format!("500 {line}\r\n{json}"), "{}"),
            "headers" => answer(&format!("409 C\r\n{json}\r\nx-said: {line}\r\nset-cookie: a={line}"), "{}"),
            "redirect" => answer(&format!("307 T\r\nlocation: http://127.0.0.1:1/?said={line}"), &said),
            "number" => Reply::ok(r#"{"number": 4815162342110815, "more": [4815162342110815.0], "a": 1}"#),
            "cut off" => answer(&format!("200 OK\r\n{json}\r\ncontent-length: 999999"), &said),
            "broken encoding" => answer(&format!("200 OK\r\n{json}\r\ncontent-encoding: gzip"), &said),
            "no HTTP" => Reply::Raw(said.into_bytes()),
            "refused token" => answer(
                &format!("401 U\r\n{json}\r\nwww-authenticate: {line}"),
                &json!([said, values]).to_string(),
            ),
            _ => Reply::ok("{}"),
        }
    }
}
