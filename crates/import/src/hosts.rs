//! The hosts of one collection: which of them `--base-url` stands for, and what is said of the others.

use std::collections::BTreeSet;

use callgate_text::closest;

use super::bundle::Bundle;
use super::request::{PlainRequest, host};
use super::{ImportError, Options, SourceKind};

/// Most hosts that are told one by one.
const MAX_TOLD: usize = 20;

/// A host of a collection.
struct Host {
    name: String,
    requests: usize,
}

impl Host {
    /// Whether the collection leaves it open.
    fn is_open(&self) -> bool {
        self.name.is_empty() || self.name.contains('{')
    }

    /// `{{host}}`, the host of 3 requests
    fn told(&self) -> String {
        let name = if self.name.is_empty() { "a URL without a host" } else { &self.name };
        let requests = if self.requests == 1 { "request" } else { "requests" };
        format!("`{name}`, the host of {} {requests},", self.requests)
    }

    /// How the option names it.
    fn hint(&self) -> String {
        let variable = self.name.strip_prefix("{{").and_then(|rest| rest.split("}}").next());
        match variable.filter(|_| self.is_open()) {
            Some(variable) => format!("--base-url {}=https://…", variable.trim()),
            None => "import its requests by themselves, with a --base-url of their own".to_owned(),
        }
    }
}

/// Checks that the source uses the variables that `--base-url NAME=URL` names.
pub(super) fn check_names(kind: SourceKind, text: &str, options: &Options) -> Result<(), ImportError> {
    if kind != SourceKind::Postman && !options.urls.is_empty() {
        let message = "--base-url NAME=URL is for the variables of a Postman collection";
        return Err(ImportError::new("base_url_name", message, "write --base-url URL"));
    }
    let used = || text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    let Some(unused) = options.urls.keys().find(|name| !used().any(|used| used == *name)) else {
        return Ok(());
    };
    let message = format!("--base-url {unused}=…: the collection has no `{{{{{unused}}}}}`");
    let names: BTreeSet<&str> = used().collect();
    let hint = match closest(unused, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = names.into_iter().take(MAX_TOLD).collect();
            format!("its variables are: {}", names.join(", "))
        }
    };
    Err(ImportError::new("base_url_name", message, hint))
}

/// Marks the requests that `--base-url` is not for, and says once of each host what has to be decided.
pub(super) fn tell(requests: &mut [PlainRequest], bundle: &mut Bundle<'_>) {
    let mut hosts: Vec<Host> = Vec::new();
    for request in requests.iter() {
        let name = host(request);
        match hosts.iter_mut().find(|known| known.name == name) {
            Some(known) => known.requests += 1,
            None => hosts.push(Host { name, requests: 1 }),
        }
    }
    let is_given = bundle.options.base_url.is_some();
    // The first among equals.
    let most = hosts.iter().map(|host| host.requests).max();
    let main = hosts.iter().position(|host| is_given && Some(host.requests) == most);
    if let Some(main) = main {
        for request in requests.iter_mut() {
            request.is_elsewhere = host(request) != hosts[main].name;
        }
    }
    let is_alone = hosts.len() == 1;
    for (index, host) in hosts.iter().enumerate().take(MAX_TOLD) {
        let (message, hint) = match (main == Some(index), host.is_open()) {
            (true, _) if is_alone => continue,
            (true, _) => (
                format!("--base-url is taken for {} alone", host.told().trim_end_matches(',')),
                "see that it is the one that is meant".to_owned(),
            ),
            (false, true) => (format!("{} has no value", host.told()), host.hint()),
            (false, false) if is_given => (
                format!("{} is another host than that of --base-url, and stays", host.told()),
                "write another `base_url` into its connection, if another is meant".to_owned(),
            ),
            (false, false) => continue,
        };
        bundle.todo("#", "", "host", message, &hint);
    }
}
