//! `callgate import curl '…'`: a command line → one action.

mod words;

use serde_json::Value;

use super::bundle::Bundle;
use super::placeholder::short;
use super::report::ImportError;
use super::request::{PlainBody, PlainPart, PlainRequest, lower};

/// Options with a value that changes nothing about the request, or nothing that is ours to decide.
const IGNORED_WITH_VALUE: &[&str] = &[
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--max-redirs",
    "--limit-rate",
    "--output",
    "--dump-header",
    "--write-out",
    "--cookie-jar",
    "--trace",
    "--trace-ascii",
    "--stderr",
    "--keepalive-time",
    "--max-filesize",
    "--speed-limit",
    "--speed-time",
    "--tls-max",
    "--ciphers",
    "--noproxy",
];
/// Options without a value of the same kind.
const IGNORED: &[&str] = &[
    "--silent",
    "--show-error",
    "--verbose",
    "--include",
    "--fail",
    "--fail-with-body",
    "--compressed",
    "--http1.1",
    "--http2",
    "--http1.0",
    "--progress-bar",
    "--no-buffer",
    "--globoff",
    "--ipv4",
    "--ipv6",
    "--no-progress-meter",
    "--path-as-is",
    "--tcp-nodelay",
    "--tlsv1",
    "--tlsv1.2",
    "--tlsv1.3",
    "--no-keepalive",
    "--anyauth",
    "--basic",
    "--retry-connrefused",
    "--styled-output",
    "--http2-prior-knowledge",
    "--http3",
    "--ssl-no-revoke",
    "--no-alpn",
    "--no-sessionid",
    "--junk-session-cookies",
    "--remote-time",
    "--remote-header-name",
    "--create-dirs",
    "--disable",
    "--fail-early",
    "--retry-all-errors",
];
/// Options that change where or how a request goes, which an action does not do.
const LOST_WITH_VALUE: &[(&str, &str)] = &[
    ("--proxy", "requests go to the upstream itself"),
    ("--resolve", "addresses come from DNS"),
    ("--connect-to", "addresses come from DNS"),
    ("--interface", "the system chooses the interface"),
    ("--cert", "client certificates are not supported"),
    ("--key", "client certificates are not supported"),
    ("--cacert", "the roots of the system are trusted"),
    ("--pinnedpubkey", "keys are not pinned"),
    ("--range", "write the header `Range`"),
    ("--time-cond", "write the header `If-Modified-Since`"),
    ("--aws-sigv4", "requests are not signed"),
    ("--config", "the file is not read"),
    ("--netrc-file", "the file is not read"),
];
const LOST: &[(&str, &str)] = &[
    ("--insecure", "certificates are always checked"),
    ("--location", "redirects are never followed, so that no credentials go to another host"),
    ("--location-trusted", "redirects are never followed, so that no credentials go to another host"),
    ("--digest", "digest authentication is not supported"),
    ("--ntlm", "NTLM is not supported"),
    ("--negotiate", "SPNEGO is not supported"),
    ("--netrc", "the file is not read"),
    ("--remote-name", "answers are not written to files"),
];

/// Reads the command in `text`.
pub(super) fn import(text: &str, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
    let line = words::split(text).map_err(|message| {
        ImportError::new("shell_syntax", message, "quote the whole command: callgate import curl 'curl …'")
    })?;
    let arguments = arguments(line.words)?;
    for command in &line.commands {
        let message = format!(
            "the command `{}` is not run; the placeholder `{}` stands for what it prints",
            short(&command.program),
            command.placeholder
        );
        bundle.lossy(
            "curl",
            "",
            "command",
            message,
            "a secret is written into secrets.toml, anything else is a parameter",
        );
    }
    if let Some(pipe) = &line.pipe {
        let program = pipe.split_whitespace().next().unwrap_or_default();
        let message = format!("the answer is not given to `{}`", short(program));
        bundle.lossy("curl", "", "pipe", message, "`response.pick` chooses what a model sees of it");
    }
    let mut command = Command::default();
    command.read(arguments, bundle)?;
    let Some(url) = command.url.take() else {
        return Err(ImportError::new(
            "no_url",
            "the command names no URL",
            "curl https://api.example.com/orders",
        ));
    };
    let request = command.request(url, bundle)?;
    lower(bundle, request);
    Ok(())
}

/// What stands after the name of the program, which is curl; before it may stand the prompt of a shell.
fn arguments(words: Vec<String>) -> Result<Vec<String>, ImportError> {
    let mut words = words.into_iter().skip_while(|word| word == "$");
    let Some(program) = words.next() else { return Ok(Vec::new()) };
    let name = program.rsplit('/').next().unwrap_or_default();
    if name == "curl" || name == "curl.exe" {
        return Ok(words.collect());
    }
    let shown: String = program.chars().filter(|c| !c.is_control()).take(40).collect();
    Err(ImportError::new(
        "not_curl",
        format!("the command is `{shown}`, not curl"),
        "callgate import curl 'curl https://api.example.com/orders'",
    ))
}

#[derive(Default)]
struct Command {
    url: Option<String>,
    /// Parameters by `--url-query`, decoded.
    query: Vec<(String, String)>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    /// What `-d` and its kin have put together, and whether any was `--json`.
    data: Option<String>,
    is_json: bool,
    parts: Vec<PlainPart>,
    user: Option<(String, String)>,
    in_query: bool,
    timeout_ms: Option<u64>,
}

impl Command {
    fn read(&mut self, words: Vec<String>, bundle: &mut Bundle<'_>) -> Result<(), ImportError> {
        let mut words = words.into_iter();
        let mut only_urls = false;
        while let Some(word) = words.next() {
            if only_urls || !word.starts_with('-') || word == "-" {
                self.address(word, bundle);
                continue;
            }
            if word == "--" {
                only_urls = true;
            } else if word.starts_with("--") {
                let (name, attached) = match word.split_once('=') {
                    // Not curl's own syntax, but common.
                    Some((name, value)) if takes_value(name) => (name.to_owned(), Some(value.to_owned())),
                    _ => (word.clone(), None),
                };
                let value = if takes_value(&name) { attached.or_else(|| words.next()) } else { None };
                self.option(&name, value, bundle)?;
            } else {
                self.short(&word[1..], &mut words, bundle)?;
            }
        }
        Ok(())
    }

    /// `-sSXPOST`: letters without a value, then maybe one with.
    fn short(
        &mut self,
        letters: &str,
        words: &mut std::vec::IntoIter<String>,
        bundle: &mut Bundle<'_>,
    ) -> Result<(), ImportError> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let Some(name) = long_name(letter) else {
                return Err(unknown(&format!("-{letter}")));
            };
            if takes_value(name) {
                let value = if rest.is_empty() {
                    words.next()
                } else {
                    Some(rest.trim_start_matches('=').to_owned())
                };
                return self.option(name, value, bundle);
            }
            self.option(name, None, bundle)?;
        }
        Ok(())
    }

    fn address(&mut self, url: String, bundle: &mut Bundle<'_>) {
        if self.url.is_some() {
            bundle.lossy(
                "curl",
                "",
                "second_url",
                "a second URL is left out",
                "import each command by itself",
            );
        } else {
            self.url = Some(url);
        }
    }

    fn option(
        &mut self,
        name: &str,
        value: Option<String>,
        bundle: &mut Bundle<'_>,
    ) -> Result<(), ImportError> {
        let text = match value {
            Some(text) => text,
            None if takes_value(name) => {
                return Err(ImportError::new("missing_value", format!("`{name}` needs a value"), ""));
            }
            None => String::new(),
        };
        match name {
            "--request" => self.method = Some(text),
            "--head" => self.method = Some("HEAD".to_owned()),
            "--get" => self.in_query = true,
            "--url" => self.address(text, bundle),
            "--header" => match text.split_once(':') {
                Some((name, value)) => self.headers.push((name.to_owned(), value.to_owned())),
                None if text.starts_with('@') => bundle.lossy(
                    "curl --header",
                    "",
                    "file",
                    "headers from a file are left out",
                    "write them into the command",
                ),
                None => {}
            },
            "--data" | "--data-ascii" | "--data-binary" if text.starts_with('@') => {
                return Err(from_file(name));
            }
            "--data" | "--data-ascii" | "--data-binary" | "--data-raw" => self.add_data("&", &text),
            "--json" => {
                if text.starts_with('@') {
                    return Err(from_file(name));
                }
                self.is_json = true;
                // Pieces of one text.
                self.add_data("", &text);
            }
            "--data-urlencode" => self.add_data("&", &encoded_field(name, &text)?),
            "--url-query" => {
                let pairs = match text.strip_prefix('+') {
                    Some(encoded) => super::request::pairs(encoded),
                    None => super::request::pairs(&encoded_field(name, &text)?),
                };
                self.query.extend(pairs);
            }
            "--form" | "--form-string" => self.part(name, &text)?,
            "--user" => {
                let (user, password) = text.split_once(':').unwrap_or((&text, ""));
                self.user = Some((user.to_owned(), password.to_owned()));
            }
            "--oauth2-bearer" => self.headers.push(("Authorization".to_owned(), format!("Bearer {text}"))),
            "--cookie" if text.contains('=') || text.contains("{{") => {
                self.headers.push(("Cookie".to_owned(), text));
            }
            "--cookie" => bundle.lossy(
                "curl --cookie",
                "",
                "file",
                "cookies from a file are left out",
                "write them into the command",
            ),
            "--user-agent" => self.headers.push(("User-Agent".to_owned(), text)),
            "--referer" => self.headers.push(("Referer".to_owned(), text)),
            "--max-time" => match text.parse::<f64>() {
                Ok(seconds) if seconds > 0.0 && seconds <= 300.0 => {
                    self.timeout_ms = Some((seconds * 1_000.0) as u64);
                }
                _ => bundle.lossy(
                    "curl --max-time",
                    "",
                    "timeout",
                    "a timeout is between 1 ms and 300 s; this one is left out",
                    "set `timeout_ms`",
                ),
            },
            "--upload-file" => return Err(from_file(name)),
            name if IGNORED.contains(&name) || IGNORED_WITH_VALUE.contains(&name) => {}
            name => {
                let lost = LOST.iter().chain(LOST_WITH_VALUE).find(|(known, _)| *known == name);
                let Some((_, why)) = lost else { return Err(unknown(name)) };
                bundle.lossy(
                    &format!("curl {name}"),
                    "",
                    "curl_option",
                    format!("`{name}` is left out: {why}"),
                    "",
                );
            }
        }
        Ok(())
    }

    fn add_data(&mut self, joint: &str, text: &str) {
        match &mut self.data {
            Some(data) => {
                data.push_str(joint);
                data.push_str(text);
            }
            None => self.data = Some(text.to_owned()),
        }
    }

    fn part(&mut self, option: &str, text: &str) -> Result<(), ImportError> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(ImportError::new("missing_value", format!("`{option}` is name=value"), ""));
        };
        if option == "--form" && value.starts_with(['@', '<']) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(ImportError::new(
                "file",
                format!("the part `{shown}` is a file, which a model on the phone does not have"),
                "leave the part out of the command, if the API lets you",
            ));
        }
        let (value, content_type) = match option {
            "--form" => content(value),
            _ => (value.to_owned(), None),
        };
        self.parts.push(PlainPart { name: name.to_owned(), value, content_type });
        Ok(())
    }

    fn request(self, url: String, bundle: &mut Bundle<'_>) -> Result<PlainRequest, ImportError> {
        let content_type =
            self.headers.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"));
        let media = content_type.map(|(_, value)| value.trim().to_ascii_lowercase()).unwrap_or_default();
        let mut request = PlainRequest {
            place: "curl".to_owned(),
            method: self.method,
            headers: self.headers,
            basic: self.user,
            timeout_ms: self.timeout_ms,
            single: true,
            infers: true,
            adopts: true,
            ..PlainRequest::default()
        };
        // A scheme is optional for curl, which then speaks http.
        request.url = if url.contains("://") || url.starts_with('{') {
            url
        } else {
            bundle.lossy("curl", "", "scheme", "the URL names no scheme; https is taken", "");
            format!("https://{url}")
        };
        request.query = self.query;
        if self.in_query {
            request.query.extend(super::request::pairs(&self.data.unwrap_or_default()));
            request.method = request.method.or_else(|| Some("GET".to_owned()));
            return Ok(request);
        }
        if !self.parts.is_empty() {
            request.body = PlainBody::Multipart(self.parts);
            return Ok(request);
        }
        let Some(data) = self.data else { return Ok(request) };
        // Also where it is empty.
        request.method = request.method.or_else(|| Some("POST".to_owned()));
        let is_form = media.is_empty() || media.starts_with("application/x-www-form-urlencoded");
        if data.is_empty() && !is_form {
            return Ok(request);
        }
        request.body = if self.is_json || media.contains("json") || is_json(&data) {
            if !self.is_json && !media.contains("json") {
                bundle.lossy(
                    "curl --data",
                    "",
                    "content_type",
                    "curl would send this JSON as a form; it is sent as application/json",
                    "",
                );
            }
            PlainBody::Json(data)
        } else if is_form {
            PlainBody::Form(super::request::pairs(&data))
        } else {
            PlainBody::Text(data)
        };
        Ok(request)
    }
}

/// The content of a part and its media type, as `-F` takes it: quotes around it are not sent.
fn content(text: &str) -> (String, Option<String>) {
    let media =
        |rest: &str| rest.rsplit_once(";type=").map(|(_, kind)| kind.trim().trim_matches('"').to_owned());
    let unquoted = || {
        let mut value = String::new();
        let mut chars = text.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    c @ ('"' | '\\') => value.push(c),
                    c => value.extend(['\\', c]),
                },
                c => value.push(c),
            }
        }
        let rest = chars.as_str().trim_start();
        (rest.is_empty() || rest.starts_with(';')).then(|| (value, media(rest)))
    };
    unquoted().unwrap_or_else(|| match text.rsplit_once(";type=") {
        Some((value, kind)) => (value.to_owned(), Some(kind.to_owned())),
        None => (text.to_owned(), None),
    })
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
}

/// `name=value`, `=value` or `value` with the value encoded around its placeholders.
fn encoded_field(option: &str, text: &str) -> Result<String, ImportError> {
    let (name, mut rest) = match text.split_once('=') {
        Some((name, value)) => (name, value),
        None if text.contains('@') => return Err(from_file(option)),
        None => ("", text),
    };
    let mut field = if name.is_empty() { String::new() } else { format!("{name}=") };
    let encoded = |text: &str| callgate_text::percent::encode(text, callgate_text::percent::QUERY);
    while let Some(at) = rest.find("{{") {
        let Some(length) = rest[at..].find("}}") else { break };
        field.push_str(&encoded(&rest[..at]));
        field.push_str(&rest[at..at + length + 2]);
        rest = &rest[at + length + 2..];
    }
    field.push_str(&encoded(rest));
    Ok(field)
}

fn from_file(option: &str) -> ImportError {
    ImportError::new(
        "file",
        format!("`{option}` reads a file"),
        "put the content of the file into the command",
    )
}

fn unknown(option: &str) -> ImportError {
    let shown: String = option.chars().filter(|c| !c.is_control()).take(40).collect();
    ImportError::new(
        "curl_option",
        format!("the option `{shown}` is not known"),
        "take it out of the command if the request does not need it",
    )
}

fn takes_value(name: &str) -> bool {
    const OURS: &[&str] = &[
        "--request",
        "--url",
        "--header",
        "--data",
        "--data-ascii",
        "--data-binary",
        "--data-raw",
        "--json",
        "--data-urlencode",
        "--url-query",
        "--form",
        "--form-string",
        "--user",
        "--oauth2-bearer",
        "--cookie",
        "--user-agent",
        "--referer",
        "--max-time",
        "--upload-file",
    ];
    OURS.contains(&name)
        || IGNORED_WITH_VALUE.contains(&name)
        || LOST_WITH_VALUE.iter().any(|(known, _)| *known == name)
}

fn long_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'X' => "--request",
        'H' => "--header",
        'd' => "--data",
        'F' => "--form",
        'u' => "--user",
        'G' => "--get",
        'I' => "--head",
        'b' => "--cookie",
        'c' => "--cookie-jar",
        'A' => "--user-agent",
        'e' => "--referer",
        'm' => "--max-time",
        'T' => "--upload-file",
        'k' => "--insecure",
        'L' => "--location",
        's' => "--silent",
        'S' => "--show-error",
        'v' => "--verbose",
        'i' => "--include",
        'f' => "--fail",
        'o' => "--output",
        'O' => "--remote-name",
        'D' => "--dump-header",
        'w' => "--write-out",
        'x' => "--proxy",
        'E' => "--cert",
        'r' => "--range",
        'z' => "--time-cond",
        'K' => "--config",
        'n' => "--netrc",
        'N' => "--no-buffer",
        'g' => "--globoff",
        '4' => "--ipv4",
        '6' => "--ipv6",
        '0' => "--http1.0",
        '#' => "--progress-bar",
        _ => return None,
    })
}
