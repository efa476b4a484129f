//! The example project and its upstream, so that a newcomer can call a tool
//! before there is an API of their own, and the files that `callgate init` writes.
//!
//! [`files`] is a whole project: orders, support tickets and appointments, with
//! every kind of credential and of request body. [`router`] answers its calls,
//! plays the language model, and shows under `GET /_requests` what Callgate sent.

mod upstream;

pub use upstream::{Upstream, router};

use std::io;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

/// The port that the files of the example project are written with.
pub const UPSTREAM_PORT: u16 = 8081;

/// Names files below a folder and holds their texts.
macro_rules! embed {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!($folder, "/", $name)))),+]
    };
}

/// The example project: names relative to the project, and texts.
pub const FILES: &[(&str, &str)] = embed!("project":
    "actions/get_order_status.yaml",
    "actions/list_orders.yaml",
    "actions/create_support_ticket.yaml",
    "actions/update_ticket.yaml",
    "actions/upload_note.yaml",
    "actions/classify_issue.yaml",
    "actions/send_feedback.yaml",
    "actions/find_appointments.yaml",
    "actions/book_appointment.yaml",
    "actions/cancel_appointment.yaml",
    "actions/get_customer.yaml",
    "actions/get_loyalty.yaml",
    "actions/get_invoice.yaml",
    "actions/get_account.yaml",
    "actions/store_hours.yaml",
    "actions/talk_to_human.yaml",
    "agents/front_desk.yaml",
    "connections/llm.yaml",
    "connections/orders.yaml",
    "connections/helpdesk.yaml",
    "connections/scheduling.yaml",
    "connections/crm.yaml",
    "auth/llm_key.yaml",
    "auth/orders_bearer.yaml",
    "auth/helpdesk_bearer.yaml",
    "auth/scheduling_oauth2.yaml",
    "auth/crm_query_key.yaml",
    "auth/loyalty_cookie.yaml",
    "auth/billing_key.yaml",
    "auth/accounts_basic.yaml",
    "variables.toml",
    "secrets.toml",
);

/// The settings of the example project.
pub const SETTINGS: &str = include_str!("callgate.toml");

/// A small project to start from: names relative to the project, and texts.
pub const INIT_FILES: &[(&str, &str)] = &[
    ("callgate.toml", include_str!("init/callgate.toml")),
    ("actions/get_order_status.yaml", include_str!("init/actions/get_order_status.yaml")),
    ("connections/orders.yaml", include_str!("init/connections/orders.yaml")),
    ("auth/orders_bearer.yaml", include_str!("init/auth/orders_bearer.yaml")),
    ("variables.toml", include_str!("init/variables.toml")),
    ("secrets.toml", include_str!("init/secrets.toml")),
    ("secrets.example.toml", include_str!("init/secrets.example.toml")),
    // Under its own name it would hide init/secrets.toml from Callgate's repository.
    (".gitignore", include_str!("init/gitignore")),
    ("README.md", include_str!("init/README.md")),
];

/// The example project for an upstream that listens on `upstream_port` of 127.0.0.1.
pub fn files(upstream_port: u16) -> Vec<(String, String)> {
    let written = format!("http://127.0.0.1:{UPSTREAM_PORT}");
    let wanted = format!("http://127.0.0.1:{upstream_port}");
    FILES.iter().map(|(name, text)| ((*name).to_owned(), text.replace(&written, &wanted))).collect()
}

/// Serves the example upstream for as long as the future lives.
///
/// # Errors
///
/// The listener fails.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    // The pieces of the model's stream are small, and each is to be heard at once.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router(Upstream::default())).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files below `src/demo/<folder>`.
    fn on_disk(folder: &str) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo").join(folder);
        let mut names = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    names.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        names
    }

    #[test]
    fn every_file_of_the_folders_is_embedded() {
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(embedded, on_disk("project"));
        let embedded: BTreeSet<String> =
            INIT_FILES.iter().map(|(name, _)| name.replace(".git", "git")).collect();
        assert_eq!(embedded, on_disk("init"));
    }

    #[test]
    fn the_upstream_port_is_replaced_everywhere() {
        let files = files(9_999);
        assert!(files.iter().all(|(_, text)| !text.contains("8081")));
        assert!(files.iter().any(|(_, text)| text.contains("http://127.0.0.1:9999/oauth/token")));
    }
}
